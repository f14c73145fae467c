//! `appgen verify` and `appgen doctor`: with tools made for the purpose, each check over a fault planted for it, and once
//! whole. Budget: 2 minutes on 2 cores; with the whole run, 6 minutes more.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::repository::Repo;
use crate::support::{Place, Run};
use appgen::verify::catalog::CHECKS;
use appgen::verify::tools::TOOLS;
use expectrl::{Eof, Expect as _, Session};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A repository, and a PATH on which there is nothing but what a test puts there.
struct Bench {
    repo: Repo,
    tools: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { repo: Repo::with(&["--no-git"]), tools: tempfile::tempdir().unwrap() }
    }

    /// Makes a program; `script` is what sh runs for it.
    fn tool(&self, name: &str, script: &str) -> &Self {
        let file = self.tools.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn command(&self, line: &str) -> Command {
        let mut command = support::appgen(&self.repo.root());
        command.args(line.split(' ')).env("PATH", self.tools.path());
        command
    }

    fn run(&self, line: &str) -> Run {
        Run::of(&self.command(line).output().unwrap(), &self.repo.root())
    }

    /// What a run says of each check.
    fn verify(&self, arguments: &str) -> (i32, BTreeMap<String, Value>) {
        let run = self.run(&format!("verify --format json {arguments}"));
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        assert_eq!(report["exit"], run.code);
        let rows = report["checks"].as_array().unwrap().iter();
        (run.code, rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row.clone())).collect())
    }
}

/// Times are of no interest, but their place in the table is.
fn timeless(text: &str) -> String {
    let times = regex_lite::Regex::new(r" +\d+\.\d s\b").unwrap();
    let json = regex_lite::Regex::new(r#""seconds": [\d.]+"#).unwrap();
    let text = times.replace_all(text, |found: &regex_lite::Captures<'_>| format!("{:>1$}", "_._ s", found[0].len()));
    json.replace_all(&text, r#""seconds": 0.0"#).into_owned()
}

fn transcript(bench: &Bench, line: &str) -> String {
    let run = bench.run(line);
    assert_eq!(run.err, "");
    timeless(&format!("$ appgen {line}\n{}= {}\n", run.out, run.code))
}

/// Some tools that pass, some that fail, none of the others.
fn mixed() -> Bench {
    let bench = Bench::new();
    bench
        .tool(
            "cargo",
            r#"case "$*" in *--version) echo cargo 1.2.3;; clippy*) exec 2>&1; echo "   Compiling a v0.1.0"
            echo "error: unused variable: \`a|b\`"; echo " --> src/main.rs:3:9"; exit 101;; esac"#,
        )
        .tool("shellcheck", "echo all is well")
        .tool(
            "hadolint",
            "for i in 1 2 3 4 5 6 7 8 9; do echo api.Dockerfile:$i DL1; echo api.Dockerfile:$i DL2
            echo api.Dockerfile:$i DL3; echo api.Dockerfile:$i DL4; done; exit 1",
        )
        .tool("initdb", "echo 'initdb (PostgreSQL) 17.2'")
        .tool("git", "exit 1");
    bench
}

#[test]
fn a_run_is_a_table_then_what_failed_then_what_to_do() {
    let bench = mixed();
    // git is of no use there: the tree is looked through instead.
    fs::remove_file(bench.tools.path().join("git")).unwrap();
    for (name, format) in [("verify", ""), ("verify.json", " --format json"), ("verify.markdown", " --format markdown")]
    {
        let line = format!("verify --skip drift{format}");
        let text = transcript(&bench, &line).replace(&bench.repo.root().display().to_string(), "[DIR]");
        support::snapshot("reports", name, &text);
    }
    support::snapshot("reports", "verify.github", &transcript(&bench, "verify --skip drift --format github"));
    support::snapshot("reports", "verify_dry_run", &transcript(&bench, "verify -n"));
    support::snapshot("reports", "verify_one", &transcript(&bench, "verify --only shellcheck"));
}

#[test]
fn a_doctor_says_what_is_there_and_how_to_get_the_rest() {
    let bench = mixed();
    bench.tool("zizmor", "echo 'no such interpreter' >&2; exit 127");
    bench.tool("pip", "").tool("go", "").tool("rustup", "");
    for (name, line) in [
        ("doctor", "doctor"),
        ("doctor.json", "doctor --format json"),
        ("doctor.markdown", "doctor --format markdown"),
        ("doctor.github", "doctor --format github"),
    ] {
        let text = transcript(&bench, line).replace(&bench.tools.path().display().to_string(), "[TOOLS]");
        // Root needs none.
        let text = text.replace("sudo apt-get", "apt-get");
        support::snapshot("reports", name, &text);
    }
}

#[test]
fn reports_in_json_fit_the_published_schema() {
    let bench = mixed();
    fs::remove_file(bench.tools.path().join("git")).unwrap();
    let place = Place::new();
    fs::write(place.path().join("schema.json"), place.run(["schema", "--report"]).succeeds().out).unwrap();
    for line in ["verify", "verify -n", "doctor", "verify --only nonsense"] {
        fs::write(place.path().join("report.json"), bench.run(&format!("{line} --format json")).out).unwrap();
        let Some(program) = support::tool("check-jsonschema", "the schema of reports") else { return };
        let validate = || {
            let mut command = Command::new(&program);
            command.args(["--schemafile", "schema.json", "report.json"]).current_dir(place.path());
            Run::of(&command.output().unwrap(), place.path())
        };
        validate().succeeds();
        let broken = fs::read_to_string(place.path().join("report.json")).unwrap().replace("\"version\": 1,", "");
        fs::write(place.path().join("report.json"), broken).unwrap();
        assert_ne!(validate().code, 0, "{line}");
    }
}

#[test]
fn only_what_failed_or_is_required_fails_the_run() {
    let bench = Bench::new();
    bench.tool("shellcheck", "").tool("hadolint", "exit 3");
    let (code, rows) = bench.verify("--skip drift,hadolint");
    assert_eq!(code, 0);
    for (name, result) in [
        ("drift", "skipped"),
        ("hadolint", "skipped"),
        ("shellcheck", "passed"),
        ("zizmor", "missing"),
        ("helm", "not-applicable"),
    ] {
        assert_eq!(rows[name]["result"], result, "{name}");
    }
    assert_eq!(rows.len(), CHECKS.len());
    assert_eq!(rows["zizmor"]["install"][0], "pip install zizmor");

    assert_eq!(bench.verify("--skip drift,hadolint --require shellcheck").0, 0);
    assert_eq!(bench.verify("--skip drift,hadolint --require zizmor,shellcheck").0, 3);
    // What does not apply is not missing: no tool of helm's is there either.
    assert_eq!(bench.verify("--skip drift,hadolint --require helm").0, 0);
    assert_eq!(bench.verify("--skip drift,hadolint --require all").0, 3);
    assert_eq!(bench.verify("--skip drift").0, 3);
    let (code, rows) = bench.verify("--only hadolint");
    assert_eq!((code, rows.len(), rows["hadolint"]["result"].as_str()), (3, 1, Some("failed")));
    let (code, rows) = bench.verify("--only zizmor");
    assert_eq!((code, rows["zizmor"]["result"].as_str()), (3, Some("missing")));
}

#[test]
fn an_unknown_name_is_refused_with_those_that_there_are() {
    let bench = Bench::new();
    for flag in ["--only", "--skip", "--require"] {
        let run = bench.run(&format!("verify {flag} fmt,shelcheck"));
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        let expected =
            format!("`{flag}`: there is no check `shelcheck`; did you mean `shellcheck`?\nthe checks are drift, fmt, ");
        assert!(run.err.contains(&expected), "{}", run.err);
    }
    assert!(!bench.repo.root().join("target").exists(), "nothing was begun");
}

#[test]
fn drift_is_a_check_and_fails_like_the_others() {
    let bench = Bench::new();
    assert_eq!(bench.verify("--only drift").0, 0);
    bench.repo.remove("src/db/mod.rs");
    let (code, rows) = bench.verify("--only drift");
    let output = rows["drift"]["output"][0].as_str().unwrap();
    assert_eq!((code, output), (3, "src/db/mod.rs is missing; run: appgen restore src/db/mod.rs"));
    bench.repo.remove("appgen.lock");
    let (code, rows) = bench.verify("--only drift");
    assert_eq!(code, 3);
    assert!(rows["drift"]["output"][0].as_str().unwrap().starts_with("`appgen.lock` is missing"), "{rows:?}");
}

#[test]
fn tests_are_told_that_there_is_a_database() {
    let bench = Bench::new();
    bench.tool("cargo", r#"[ "$REQUIRE_DATABASE" = 1 ] && echo required >"$0.said""#);
    bench.tool("initdb", "");
    let (code, rows) = bench.verify("--only test");
    assert_eq!((code, rows["test"]["note"].as_str()), (0, None));
    assert_eq!(fs::read_to_string(bench.tools.path().join("cargo.said")).unwrap(), "required\n");
}

#[test]
fn checks_of_cargo_take_turns_and_the_others_do_not_wait_for_them() {
    let bench = Bench::new();
    let log = bench.tools.path().join("log");
    // Where there is a second processor, the first check of cargo waits until the other has begun.
    let side_by_side = std::thread::available_parallelism().unwrap().get() > 1;
    let seconds = if side_by_side { 20 } else { 0 };
    let script = |name: &str| {
        format!(
            r#"case "$*" in *--version) exit;; esac
            echo begin {name} $1 >>{0}
            until [ "$1" != fmt ] || /bin/grep -q "begin hadolint" {0} || [ $((waited += 1)) -gt {seconds} ]; do
                /bin/sleep 1
            done
            /bin/sleep 0.3
            echo end {name} $1 >>{0}"#,
            log.display()
        )
    };
    bench.tool("cargo", &script("cargo")).tool("hadolint", &script("hadolint")).tool("initdb", "");
    assert_eq!(bench.verify("--only fmt,clippy,test,hadolint").0, 0);
    let text = fs::read_to_string(&log).unwrap();
    let cargo: Vec<_> = text.lines().filter(|line| line.contains("cargo")).collect();
    let expected: Vec<_> = ["fmt", "clippy", "test"]
        .iter()
        .flat_map(|name| [format!("begin cargo {name}"), format!("end cargo {name}")])
        .collect();
    assert_eq!(cargo, expected);
    if side_by_side {
        let at = |what: &str| text.lines().position(|line| line.starts_with(what)).unwrap();
        assert!(at("begin hadolint") < at("end cargo fmt"), "{text}");
    }
}

#[test]
fn nothing_is_written_but_below_target() {
    let bench = Bench::new();
    // Tools that leave files where they are run.
    for tool in ["kubectl", "docker-compose", "liquibase", "gitleaks"] {
        bench.tool(tool, "echo left >left-behind; test -f deploy/compose/secrets/db_password || test -f appgen.yaml");
    }
    bench.repo.write("deploy/kustomize/overlays/dev/secrets/db_password", "real");
    let before = bench.repo.files();
    bench.verify("--skip drift");
    let after = bench.repo.files();
    let (kept, written): (BTreeMap<_, _>, BTreeMap<_, _>) =
        after.into_iter().partition(|(path, _)| !path.starts_with("target/verify/"));
    assert_eq!(kept, before);
    assert!(written.contains_key("target/verify/gitleaks.log"), "{:?}", written.keys());
    assert!(written.keys().all(|path| path.ends_with(".log") || path.ends_with("/lock")), "{:?}", written.keys());
}

#[test]
fn what_git_ignores_is_not_checked() {
    let repo = Repo::with(&[]);
    repo.write(".gitignore", &(repo.read(".gitignore") + "/ignored.sh\n"));
    repo.write("ignored.sh", "echo $1\n");
    repo.write("vendor/theirs/build.sh", "echo $1\n");
    repo.write("deploy/scripts/mine.sh", "#!/bin/sh\n");
    let bench = Bench { repo, tools: tempfile::tempdir().unwrap() };
    let said = bench.tools.path().join("said");
    bench.tool("shellcheck", &format!("echo \"$@\" >{}", said.display()));
    let git = support::tool("git", "what git ignores").unwrap();
    bench.tool("git", &format!("exec {} \"$@\"", git.display()));
    bench.verify("--only shellcheck");
    let said = fs::read_to_string(said).unwrap();
    assert!(
        said.contains("deploy/scripts/mine.sh") && said.contains("deploy/docker/liquibase/entrypoint.sh"),
        "{said}"
    );
    assert!(!said.contains("ignored.sh") && !said.contains("vendor"), "{said}");
}

#[test]
fn a_chart_without_values_does_not_pass() {
    let bench = Bench::new();
    bench.tool("helm", "");
    bench.repo.write("deploy/helm/a/Chart.yaml", "{}\n");
    let (code, rows) = bench.verify("--only helm");
    let said = rows["helm"]["output"][0].as_str().unwrap_or_default();
    assert_eq!((code, said), (3, "no `values-ENVIRONMENT.yaml` is beside `deploy/helm/a/Chart.yaml`"));
}

/// Waits until something is there.
#[track_caller]
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a run whose one tool does not end, and returns the tool's process beside it.
fn hanging(bench: &Bench) -> (Child, Pid) {
    let file = bench.tools.path().join("pid");
    // A child of its own, which must not survive either.
    bench.tool("hadolint", &format!("/bin/sleep 600 & echo $! >{0}.new; /bin/mv {0}.new {0}; wait", file.display()));
    let mut command = bench.command("verify --only hadolint,shellcheck");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = wait_for("the tool runs", || fs::read_to_string(&file).ok()?.trim().parse().ok());
    (child, Pid::from_raw(pid))
}

#[test]
fn an_interrupted_run_takes_its_tools_with_it() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let bench = Bench::new();
        let (mut child, grandchild) = hanging(&bench);
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(130), "{ended}");
        // Gone, or a process that nobody has asked for its end yet.
        wait_for("the tool is gone", || {
            let state = fs::read_to_string(format!("/proc/{grandchild}/stat")).ok();
            state.is_none_or(|state| state.contains(") Z ")).then_some(())
        });
        let scratch = bench.repo.root().join("target/verify");
        assert!(!scratch.join("copy").exists() && !scratch.join("manifests").exists());
    }
}

#[test]
fn a_second_run_is_refused_while_the_first_is_at_work() {
    let bench = Bench::new();
    let (mut child, _) = hanging(&bench);
    let run = bench.run("verify --only drift");
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.err.contains("another `appgen verify` is at work"), "{}", run.err);
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert_eq!(bench.verify("--only drift").0, 0);
}

#[test]
fn on_a_terminal_it_shows_what_runs_now() {
    let bench = Bench::new();
    bench.tool("hadolint", "echo reading api.Dockerfile; /bin/sleep 1; exit 1").tool("shellcheck", "/bin/sleep 2");
    let mut command = support::appgen_on_a_terminal(&bench.repo.root());
    command.args(["verify", "--only", "hadolint,shellcheck,drift", "--color", "never"]);
    command.env("TERM", "xterm").env("PATH", bench.tools.path());
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    for text in [
        "of 3",
        "hadolint",
        "reading api.Dockerfile",
        "✘ hadolint",
        "✔ shellcheck",
        "hadolint failed",
        "log: target/verify/",
    ] {
        session.expect(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    session.expect(Eof).unwrap();
}

#[test]
fn the_catalog_is_whole() {
    for check in CHECKS {
        assert!(check.proves.chars().count() < 50, "{} fills more than half a line", check.name);
        for name in check.needs.iter().chain(check.wants) {
            assert!(TOOLS.iter().any(|tool| tool.name == *name), "{}: {name}", check.name);
        }
        assert_eq!(CHECKS.iter().filter(|other| other.name == check.name).count(), 1);
        assert!(
            check.name == "drift" || FAULTS.iter().any(|(name, ..)| *name == check.name),
            "no fault for {}",
            check.name
        );
    }
}

/// A check, and what makes it fail: a file, a text in it, and the text in its place.
type Fault = (&'static str, &'static str, &'static str, &'static str);

const DEPLOYMENT: &str = "deploy/kustomize/base/deployment.yaml";
const COMPOSE: &str = "deploy/compose/compose.yaml";
const WORKFLOW: &str = ".github/workflows/ci.yaml";

const FAULTS: &[Fault] = &[
    ("fmt", "src/main.rs", "fn main() ", "fn main()  "),
    ("clippy", "src/build.rs", "\n", "\npub fn planted() { let planted = 1; }\n"),
    ("test", "src/build.rs", "\n", "\n#[test]\nfn planted() {\n    panic!(\"planted\");\n}\n"),
    ("kustomize", "deploy/kustomize/base/kustomization.yaml", "deployment.yaml", "deploymnt.yaml"),
    ("kubernetes-validate", DEPLOYMENT, "  revisionHistoryLimit:", "  revisionHistoryLimt:"),
    (
        "custom-resources",
        "deploy/kustomize/components/monitoring/pod-monitor.yaml",
        "  selector:",
        "  selectors: {}\n  selector:",
    ),
    ("pod-security", DEPLOYMENT, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
    ("helm", "deploy/helm/orders/templates/pdb.yaml", "spec:", "spec: {{ .Values.not.there }}"),
    ("compose", COMPOSE, "depends_on:\n      db:", "depends_on:\n      bd:"),
    ("compose-schema", COMPOSE, "stop_grace_period:", "stop_grace_perod:"),
    ("liquibase", "db/changelog/db.changelog-root.yaml", ".sql", ".sq"),
    (
        "rollback",
        "db/changelog/changes/0001-create-categories.sql",
        "--rollback drop table ",
        "--rollback drop table not_",
    ),
    // The second update would run it again.
    (
        "rollback",
        "db/changelog/changes/0001-create-categories.sql",
        "--changeset appgen:0001-create-categories",
        "--changeset appgen:0001-create-categories runAlways:true",
    ),
    ("hadolint", "deploy/docker/api.Dockerfile", "FROM ", "FROM debian:latest AS planted\n\nFROM "),
    ("shellcheck", "deploy/scripts/up", "\ntakes ", "\necho $1\ntakes "),
    ("shfmt", "deploy/scripts/up", "\ntakes ", "\n   takes "),
    ("yamllint", COMPOSE, "services:\n", "services: \n"),
    ("actionlint", WORKFLOW, "runs-on:", "run-on:"),
    ("zizmor", WORKFLOW, "run: cargo fmt --check", "run: echo ${{ github.event.pull_request.title }}"),
    ("gitlab-schema", ".gitlab-ci.yml", "  interruptible: true", "  interruptible: sometimes"),
    ("checkov", DEPLOYMENT, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    ("checkov", "deploy/docker/api.Dockerfile", "USER 65532:65532", "USER root"),
    ("promtool", support::monitoring::RULES, "> 0.05", "> 0.5"),
    ("gitleaks", "docs/runbook.md", "\n", "\nAWS_ACCESS_KEY_ID=AKIA@Q3EGRU4YZ7KPLMN2\n"),
];

/// These build, and are proven after the whole run.
const BUILDING: &[&str] = &["fmt", "clippy", "test"];

/// Plants a fault; the `@` keeps one that looks like a secret from being one here.
fn plant(root: &Path, (name, path, from, to): &Fault) {
    let file = root.join(path);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{name}: {path} has no `{from}`");
    fs::write(file, text.replacen(from, &to.replace('@', ""), 1)).unwrap();
}

#[test]
fn each_check_sees_the_fault_planted_for_it() {
    let mut missing = Vec::new();
    for fault in FAULTS.iter().filter(|(name, ..)| !BUILDING.contains(name)) {
        let (name, path, ..) = fault;
        // The one with all parts; another one is kept at GitLab.
        let repo = Repo::of_case(if *name == "gitlab-schema" { "eight" } else { "on" });
        plant(&repo.root(), fault);
        let (code, rows) = support::verify(&repo.root(), &format!("--only {name}"));
        if rows[0]["result"] == "missing" {
            missing.push(rows[0]["note"].to_string());
            continue;
        }
        assert_eq!((code, &rows[0]["result"]), (3, &Value::from("failed")), "{name} does not see a fault in {path}");
        assert!(!rows[0]["output"].as_array().unwrap().is_empty(), "{name} says nothing");
    }
    if !missing.is_empty() {
        support::skip("planted faults", &missing.join(", "));
    }
}

#[test]
fn the_default_repository_passes_every_check() {
    if !support::generated::is_asked_for("the whole of appgen verify") {
        return;
    }
    let place = Place::new();
    place.run(["new", "my-service", "--yes"]).succeeds();
    let root = place.path().join("my-service");
    let verify = |arguments: &[&str]| {
        let mut command = support::appgen(&root);
        command.arg("verify").args(arguments).env("CARGO_TARGET_DIR", support::generated::target());
        // As all that is built there: the dependencies are there already.
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        support::generated::one_at_a_time(|| Run::of(&support::with_tools(&mut command).output().unwrap(), &root))
    };
    let run = verify(&["--require", "all"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let status = support::succeed(Command::new("git").args(["status", "--porcelain"]).current_dir(&root));
    assert_eq!(status.out, "");
    let results: BTreeMap<_, _> = run
        .out
        .lines()
        .filter_map(|line| {
            line.strip_prefix("✔ ").map(|rest| (rest.split(' ').next().unwrap().to_owned(), PathBuf::new()))
        })
        .collect();
    // But what the default has not: a chart, alert rules, a pipeline for GitLab.
    assert_eq!(results.len(), CHECKS.len() - 3, "{}", run.out);

    for fault in FAULTS.iter().filter(|(name, ..)| BUILDING.contains(name)) {
        plant(&root, fault);
    }
    let run = verify(&["--only", &BUILDING.join(",")]);
    assert_eq!(run.code, 3, "{}", run.out);
    for name in BUILDING {
        assert!(run.out.contains(&format!("── {name} failed ")), "{name}: {}", run.out);
    }
}
