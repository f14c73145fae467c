//! The scripts of a generated repository, against a kubectl and a docker that write down how they were called.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support;
use crate::support::Run;
use crate::support::repository::Repo;

/// Each call is a line; what `apply -f -` reads comes after it. Objects are those of two environments in one namespace.
const KUBECTL: &str = r#"#!/usr/bin/env bash
[[ $1 != kustomize ]] || exec "$REAL_KUBECTL" "$@"
echo "kubectl $*" >>"$CALLS"
case "$*" in
    *"get ${ABSENT:-nothing}") exit 1 ;;
    *'apply -f -'*) cat >>"$CALLS" ;;
    'config current-context') echo here ;;
    *status.conditions*) echo "${JOB:-Complete}" ;;
    *status.active*) echo "${ACTIVE:-}" ;;
    *'get deployment'*image*) echo registry.example:5000/a:1.2.3 ;;
    'get customresourcedefinition/httproutes'*) ;;
    'get customresourcedefinition/'*) exit 1 ;;
    *'get pod'*) for pod in ${PODS-one two}; do echo "pod/$pod"; done ;;
    *'get deployment,'*'--output name') printf '%s\n' ${OBJECTS-deployment.apps/a secret/a-db} ;;
    *port-forward*) echo "Forwarding from 127.0.0.1:${PORT:-1} -> 9090" && exec sleep "${FORWARD:-0}" ;;
esac
"#;

const DOCKER: &str = "#!/bin/sh\necho \"docker $*\" >>\"$CALLS\"\n";

struct Scripts {
    repo: Repo,
}

impl Scripts {
    fn new(what: &str) -> Option<Self> {
        Self::of(Repo::new(), what)
    }

    fn of(repo: Repo, what: &str) -> Option<Self> {
        support::tool("kubectl", what)?;
        for (name, text) in [("kubectl", KUBECTL), ("docker", DOCKER)] {
            let file = repo.place.path().join("bin").join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(Self { repo })
    }

    /// From a directory that is not the repository's.
    fn command(&self, line: &str) -> Command {
        let (script, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let place = self.repo.place.path();
        let mut command = Command::new(self.repo.root().join("deploy/scripts").join(script));
        let path = std::env::var("PATH").unwrap();
        command
            .args(arguments.split_whitespace())
            .env("PATH", format!("{}:{path}", place.join("bin").display()))
            .env("REAL_KUBECTL", support::tool("kubectl", "").unwrap())
            .env("CALLS", place.join("calls"))
            .current_dir(place)
            .stdin(Stdio::null());
        command
    }

    /// How it ended, and what was called.
    fn run(&self, command: &mut Command) -> (Run, String) {
        let calls = self.repo.place.path().join("calls");
        let _ = fs::remove_file(&calls);
        let run = Run::of(&command.output().unwrap(), self.repo.place.path());
        (run, fs::read_to_string(calls).unwrap_or_default())
    }

    #[track_caller]
    fn calls(&self, line: &str) -> String {
        let (run, calls) = self.run(&mut self.command(line));
        run.succeeds();
        calls
    }

    /// Types an answer.
    fn answered(&self, line: &str, answer: &str) -> (Run, String) {
        let input = self.repo.place.path().join("answer");
        fs::write(&input, answer).unwrap();
        self.run(self.command(line).stdin(fs::File::open(input).unwrap()))
    }
}

/// A service that prints what $NOW says; a document that has the word is not what clients of another one expect.
const CARGO: &str = r#"#!/usr/bin/env bash
case "$*" in
    *--against*) ! grep -q breaking <<<"$NOW" ;;
    *' openapi') echo "$NOW" ;;
    *) exit 9 ;;
esac
"#;

#[test]
fn the_description_of_the_api_is_held_against_the_code_and_the_commit_before() {
    let place = support::Place::new();
    let repo = Repo::with(&[]);
    let cargo = place.path().join("cargo");
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let check = |root: &Path, arguments: &str, now: &str| {
        let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(root.join("deploy/scripts/openapi-check"));
        command.args(arguments.split_whitespace()).env("PATH", path).env("NOW", now);
        Run::of(&command.output().unwrap(), place.path())
    };
    let root = repo.root();
    // What a pipeline asks for the first commit of all, in a clone as deep as it makes them.
    let clone = place.path().join("clone");
    let origin = format!("file://{}", root.display());
    support::succeed(Command::new("git").args(["clone", "--quiet", "--depth", "2", &origin]).arg(&clone));
    for root in [&root, &clone] {
        let first = check(root, "HEAD^", "one").succeeds();
        assert!(first.out.contains("no openapi.json yet") && first.out.contains("no commit before"), "{}", first.out);
    }
    check(&root, "--write", "one").succeeds();
    assert_eq!(repo.read("openapi.json"), "one\n");
    repo.commit();
    assert!(check(&root, "HEAD^", "one").succeeds().out.contains("HEAD^ has no openapi.json to compare with"));
    assert!(check(&root, "", "one").succeeds().out.contains("nothing breaks clients of HEAD\n"));
    for (arguments, now, code, said) in [
        ("", "two", 1, "run `make openapi`"),
        ("nowhere", "one", 1, "there is no commit `nowhere`"),
        ("HEAD HEAD", "one", 2, "usage: deploy/scripts/openapi-check"),
    ] {
        let run = check(&root, arguments, now);
        assert!(run.code == code && run.err.contains(said), "{arguments}: {}{}", run.out, run.err);
    }
    check(&root, "--write", "breaking").succeeds();
    assert_eq!(check(&root, "", "breaking").code, 1);
}

fn names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("deploy/scripts")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "lib.bash");
    names.sort();
    names
}

#[test]
fn every_script_helps_and_refuses_what_it_does_not_know() {
    let Some(scripts) = Scripts::new("the scripts") else { return };
    let names = names(&scripts.repo.root());
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let (run, calls) = scripts.run(&mut scripts.command(&format!("{name} --help")));
        assert!(run.succeeds().out.contains(&format!("usage: deploy/scripts/{name}")), "{name}");
        assert_eq!(calls, "", "{name}");
        let mode = fs::metadata(scripts.repo.root().join("deploy/scripts").join(&name)).unwrap().permissions().mode();
        // Whoever may read it may run it, whatever the umask is.
        assert_eq!((mode & 0o700, mode & 0o011), (0o700, (mode & 0o044) >> 2), "{name}");
    }
    for line in ["deploy", "delete", "loglevel dev loud", "rollback dev a;b", "down --all", "migrate dev --force"] {
        let (run, calls) = scripts.run(&mut scripts.command(line));
        assert_eq!((run.code, calls.as_str()), (2, ""), "{line}: {}", run.err);
    }
    for line in ["deploy nowhere", "delete ../dev", "status nowhere", "secrets-init nowhere"] {
        let (run, calls) = scripts.run(&mut scripts.command(line));
        assert_eq!((run.code, calls.as_str()), (1, ""), "{line}");
        assert!(run.err.contains("there is no environment `"), "{}", run.err);
    }
}

/// The first command takes lib.bash in, and the first of that one ends a script at the first failure.
#[test]
fn every_script_stops_at_the_first_failure() {
    let repo = Repo::of_case("on");
    let first = |name: &str| {
        let text = repo.read(&format!("deploy/scripts/{name}"));
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.next().unwrap_or_default().to_owned()
    };
    assert_eq!(first("lib.bash"), "set -euo pipefail");
    for name in names(&repo.root()) {
        assert_eq!(first(&name), r#". "$(dirname "${BASH_SOURCE[0]}")/lib.bash""#, "{name}");
        assert!(!repo.read(&format!("deploy/scripts/{name}")).contains("set +"), "{name}");
    }
    assert!(repo.read("deploy/docker/liquibase/entrypoint.sh").contains("\nset -eu\n"));
}

#[test]
fn a_secret_that_is_missing_is_named_and_one_that_is_made_stays_out_of_git() {
    let Some(kubectl) = support::tool("kubectl", "the secret of dev") else { return };
    let repo = Repo::with(&[]);
    let path = "deploy/kustomize/overlays/dev/secrets/db_password";
    let script = |line: &str| {
        let (script, arguments) = line.split_once(' ').unwrap();
        let mut command = Command::new(repo.root().join("deploy/scripts").join(script));
        Run::of(&command.args(arguments.split(' ')).output().unwrap(), repo.place.path())
    };
    let run = script("render dev");
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert_eq!(run.err, format!("render: {path} is missing: deploy/scripts/secrets-init dev makes it\n"));
    let mut kustomize = Command::new(kubectl);
    let output =
        kustomize.args(["kustomize", "deploy/kustomize/overlays/dev"]).current_dir(repo.root()).output().unwrap();
    let run = Run::of(&output, repo.place.path());
    assert!(run.code != 0 && run.err.contains("secrets/db_password"), "{}", run.err);

    for which in ["secrets-init dev", "secrets-init compose", "render dev"] {
        script(which).succeeds();
    }
    let password = repo.read(path);
    assert_eq!(password.len(), 48);
    assert!(script("secrets-init dev").succeeds().out.contains("kept"));
    assert_eq!(repo.read(path), password);
    assert_eq!(repo.git("status --porcelain"), "");
    // Where the cluster has the Secret, there is nothing to make.
    assert_eq!(script("secrets-init prod").code, 1);
}

/// What must be there before the first object is applied.
#[test]
fn a_deployment_without_its_namespace_or_its_secret_applies_nothing() {
    let Some(scripts) = Scripts::new("what a deployment needs") else { return };
    for (absent, said) in [
        ("namespace a-prod", "namespace `a-prod` must exist"),
        ("secret a-db", "kubectl -n a-prod create secret generic a-db --from-file=db_password=FILE"),
    ] {
        for line in ["deploy prod 1.4.0", "migrate prod 1.4.0"] {
            let (run, calls) = scripts.run(scripts.command(line).env("ABSENT", absent));
            assert_eq!(run.code, 1, "{line}");
            assert!(run.out.contains(said), "{line}: {}", run.out);
            assert!(calls.contains(&format!("get {absent}\n")) && !calls.contains("apply"), "{line}: {calls}");
        }
    }
}

/// A pod that is to speak TLS does not start without its certificate, and the old ones would wait for it.
#[test]
fn a_deployment_without_its_certificate_applies_nothing() {
    let spec = "{ version: 1, service: { name: a }, features: { tls: true, helm: true }, environments: { dev: {}, prod: {} } }";
    let Some(scripts) = Scripts::of(Repo::from_spec(spec), "the certificate of a deployment") else { return };
    if support::tool("helm", "the certificate of a deployment by Helm").is_none() {
        return;
    }
    scripts.calls("secrets-init dev");
    for line in
        ["deploy dev 1.4.0", "deploy prod 1.4.0", "migrate prod 1.4.0", "deploy dev --helm", "deploy prod --helm"]
    {
        let environment = if line.contains("dev") { "a-dev" } else { "a-prod" };
        let (run, calls) = scripts.run(scripts.command(line).env("ABSENT", "secret a-server-tls"));
        assert_eq!(run.code, 1, "{line}");
        let said = format!("kubectl -n {environment} create secret tls a-server-tls --cert=FILE --key=FILE");
        assert!(run.out.contains(&said), "{line}: {}", run.out);
        assert!(calls.contains("get secret a-server-tls\n"), "{line}: {calls}");
        let changes = ["apply", "delete", "create", "patch", "rollout"];
        assert!(!changes.iter().any(|verb| calls.contains(verb)), "{line}: {calls}");
    }
}

/// The Job's name has twelve characters for a release, whatever the tag; a registry's port is no tag.
#[test]
fn a_release_fits_the_name_of_its_job() {
    if ["kubectl", "helm"].iter().any(|tool| support::tool(tool, "odd tags").is_none()) {
        return;
    }
    let repo = Repo::from_spec(
        "{ version: 1, service: { name: a, image: 'registry:5000/x' }, features: { helm: true }, environments: { prod: {} } }",
    );
    let render = |arguments: &[&str]| {
        let mut command = Command::new(repo.root().join("deploy/scripts/render"));
        Run::of(&command.arg("prod").args(arguments).output().unwrap(), repo.place.path())
    };
    for (tag, release) in [
        ("1.2.0", "1-2-0"),
        ("A_B", "a-b"),
        ("1.2.0-12345", "1-2-0-12345"),
        ("1.2.0-1234567890", "2387196158"),
        ("1.2.0-", "1216490912"),
        ("_", "3165180881"),
        ("012345678901", "012345678901"),
        ("0123456789012345678901234567890123456789", "012345678901"),
    ] {
        for how in [&[tag][..], &["--helm", tag]] {
            let run = render(how).succeeds();
            let all = support::deployment::manifests(&repo.read(run.out.trim()));
            let find = |kind: &str| all.iter().find(|object| object["kind"] == kind).unwrap();
            assert_eq!(find("Job")["metadata"]["name"], format!("a-migrate-{release}"), "{how:?}");
            let image = |kind: &str| find(kind)["spec"]["template"]["spec"]["containers"][0]["image"].clone();
            assert_eq!(image("Deployment"), format!("registry:5000/x:{tag}"));
            assert_eq!(image("Job"), format!("registry:5000/x-liquibase:{tag}"));
        }
    }
    for tag in ["a b", "registry:5000/x", ".1", "-", "a\nb", "a,release=b"] {
        for how in [&[tag][..], &["--helm", tag]] {
            let run = render(how);
            assert!([1, 2].contains(&run.code) && run.out.is_empty(), "{how:?}: {}{}", run.out, run.err);
            assert!(
                run.err.contains("is not a tag of an image") || run.err.contains("usage: "),
                "{how:?}: {}",
                run.err
            );
        }
    }
}

#[test]
fn a_deployment_migrates_before_it_rolls_out_and_keeps_its_log() {
    let Some(scripts) = Scripts::new("deploy") else { return };
    scripts.calls("secrets-init dev");
    let calls = scripts.calls("deploy dev 1.4.0");
    let at = |what: &str| calls.find(what).unwrap_or_else(|| panic!("{what} in\n{calls}"));
    let order = [
        at("delete job a-migrate-1-4-0 --ignore-not-found"),
        at("apply -f deploy/out/dev/manifests.yaml -l app.kubernetes.io/component!=api"),
        at("get job a-migrate-1-4-0 -o jsonpath={.status.conditions"),
        at("apply -f deploy/out/dev/manifests.yaml\n"),
        at("--namespace a-dev rollout status deployment/a"),
    ];
    assert!(order.is_sorted(), "{calls}");
    let log = scripts.repo.read("deploy/out/dev/deploy.log");
    assert!(log.contains("deploy dev (a-dev) on here\nrelease: 1.4.0\n"), "{log}");
    assert!(scripts.repo.read(".gitignore").contains("/deploy/out/"));

    let (run, calls) = scripts.run(scripts.command("deploy dev 1.4.0").env("JOB", "Failed"));
    assert_eq!(run.code, 1);
    assert!(run.out.contains("the service was left as it was"), "{}", run.out);
    assert!(!calls.contains("rollout"), "{calls}");
    let (_, calls) = scripts.run(scripts.command("deploy dev 1.4.0").env("ACTIVE", "1"));
    assert!(!calls.contains("delete job"), "a running Job is left alone: {calls}");
}

#[test]
fn a_baseline_and_a_rollback_run_as_jobs_of_their_own() {
    let Some(scripts) = Scripts::new("migrate and rollback") else { return };
    scripts.calls("secrets-init dev");
    let calls = scripts.calls("migrate dev --baseline 1.4.0");
    let (objects, job) = calls.split_once("kubectl --namespace a-dev apply -f -\n").unwrap();
    assert!(objects.contains("\nkind: NetworkPolicy\n") && !objects.contains("\nkind: Job\n"), "{objects}");
    assert!(job.contains("\n  name: a-migrate-manual\n") && job.contains("args: [\"baseline\"]\n"), "{job}");
    assert!(job.contains("image: a-liquibase:1.4.0\n"), "{job}");
    assert!(!job.contains("- update\n") && job.matches("\nkind: ").count() == 1, "{job}");
    assert!(job.contains("\n  backoffLimit: 0\n"), "a rollback by count is not the same when it runs again: {job}");
    assert!(!calls.contains("rollout"));
    assert!(scripts.repo.read("deploy/out/dev/migrate.log").contains("migrate dev (a-dev) on here\n"));

    let calls = scripts.calls("rollback dev --yes 1.0.0");
    assert!(scripts.repo.read("deploy/out/dev/rollback.log").contains("rollback dev (a-dev) on here\n"));
    assert!(calls.contains("args: [\"rollback\", \"1.0.0\"]\n"), "{calls}");
    assert!(calls.contains("image: a-liquibase:1.2.3\n"), "the running release knows what to take back: {calls}");
    assert!(!calls.contains("\nkind: NetworkPolicy\n"), "{calls}");
    let (run, calls) = scripts.answered("rollback dev", "no\n");
    assert_eq!(run.code, 1);
    assert!(!calls.contains("apply"), "{calls}");
    let (run, _) = scripts.run(scripts.command("rollback dev --yes").env("ACTIVE", "1"));
    assert!(run.out.contains("a-migrate-manual is still running"), "{}", run.out);
}

#[test]
fn delete_asks_and_names_its_environment_in_every_call() {
    let Some(scripts) = Scripts::new("delete") else { return };
    for answer in ["", "y\n", "prod\n"] {
        let (run, calls) = scripts.answered("delete dev", answer);
        assert_eq!(run.code, 1, "{answer}");
        assert!(run.out.contains("secret/a-db") && !calls.contains("delete"), "{calls}");
    }
    let (run, calls) = scripts.answered("delete dev", "dev\n");
    run.succeeds();
    let deletions: Vec<_> = calls.lines().filter(|line| line.contains(" delete ")).collect();
    let [deletion] = deletions[..] else { panic!("{calls}") };
    assert!(deletion.starts_with("kubectl --namespace a-dev delete deployment,"), "{deletion}");
    let selector = "--selector app.kubernetes.io/instance=a-dev";
    assert!(deletion.ends_with(selector), "{deletion}");
    assert!(deletion.contains(",httproutes.") && !deletion.contains("externalsecrets"), "{deletion}");
    assert!(!deletion.contains("namespace,") && !deletion.contains("--all"), "{deletion}");

    assert!(scripts.repo.read("deploy/out/dev/delete.log").contains("delete dev (a-dev) on here\n"));

    let (_, calls) = scripts.run(scripts.command("delete dev --yes").env("OBJECTS", ""));
    assert!(!calls.contains(" delete "), "{calls}");
}

/// What is labelled is what `delete` finds.
#[test]
fn every_object_carries_the_label_that_delete_selects() {
    let Some(kubectl) = support::tool("kubectl", "the labels") else { return };
    let repo = Repo::of_case("on");
    for (environment, text) in support::deployment::rendered(&kubectl, &repo.root()) {
        for manifest in support::deployment::manifests(&text) {
            let labels = &manifest["metadata"]["labels"];
            let what = format!("{environment} {} {}", manifest["kind"], manifest["metadata"]["name"]);
            assert_eq!(labels["app.kubernetes.io/instance"], format!("orders-{environment}"), "{what}");
            for claim in manifest["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
                let label = &claim["metadata"]["labels"]["app.kubernetes.io/instance"];
                assert_eq!(*label, format!("orders-{environment}"), "{what}: the data is deleted with the rest");
            }
        }
    }
}

#[test]
fn a_log_level_reaches_every_pod_and_the_token_is_no_argument() {
    let Some(scripts) = Scripts::new("loglevel") else { return };
    if support::tool("curl", "loglevel").is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || -> Vec<String> {
        let answer = |status: &str| {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let mut body = vec![0; "{\"level\": \"debug\"}".len()];
            reader.read_exact(&mut body).unwrap();
            write!(reader.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            head.to_ascii_lowercase() + &String::from_utf8(body).unwrap()
        };
        ["200 OK", "200 OK", "200 OK", "403 Forbidden"].map(answer).to_vec()
    });
    let mut command = scripts.command("loglevel dev debug");
    command.env("PORT", port.to_string()).env("FORWARD", "60").env("ADMIN_TOKEN", "t0ken");
    let (run, calls) = scripts.run(&mut command);
    assert_eq!(run.succeeds().out, "pod/one: debug\npod/two: debug\n");
    assert!(calls.contains("port-forward pod/one :9090") && calls.contains("port-forward pod/two :9090"), "{calls}");
    assert!(!calls.contains("t0ken"), "{calls}");
    let (run, _) =
        scripts.run(scripts.command("loglevel dev debug").env("PORT", port.to_string()).env("FORWARD", "60"));
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(run.err.contains("1 pods were not changed"), "{}", run.err);

    let requests = served.join().unwrap();
    for request in &requests {
        assert!(
            request.starts_with("post /config/logger ") && request.ends_with("{\"level\": \"debug\"}"),
            "{request}"
        );
    }
    assert!(requests[0].contains("\r\nauthorization: bearer t0ken\r\n"), "{}", requests[0]);
    assert!(!requests[2].contains("authorization"), "{}", requests[2]);
}

#[test]
fn the_others_call_what_they_say() {
    let Some(scripts) = Scripts::new("the other scripts") else { return };
    for (line, wanted) in [
        (
            "build 1.4.0",
            "docker build --file deploy/docker/liquibase.Dockerfile --tag a-liquibase:1.4.0 --build-arg APP_VERSION=1.4.0",
        ),
        ("push 1.4.0", "docker push a:1.4.0\ndocker push a-liquibase:1.4.0\n"),
        ("up", "docker compose --file deploy/compose/compose.yaml up --build --detach --wait\n"),
        ("up observability api", "compose.yaml --profile observability up --build --detach --wait api\n"),
        ("down --volumes", "compose.yaml --profile * down --remove-orphans --volumes\n"),
        (
            "reload --yes",
            "compose.yaml --profile * down --volumes\ndocker compose --file deploy/compose/compose.yaml up --build",
        ),
        (
            "status dev",
            "get deployment,statefulset,job,pod,service,horizontalpodautoscaler,poddisruptionbudget --selector app.kubernetes.io/name=a,app.kubernetes.io/instance=a-dev",
        ),
        (
            "logs dev migrate --since=1h",
            "app.kubernetes.io/component=migrate --all-containers --prefix --tail=100 --max-log-requests=50 --since=1h\n",
        ),
        ("forward dev 18080", "--namespace a-dev port-forward pod/one 18080:8080 9090:9090\n"),
        ("db-shell compose -c x", "compose.yaml run --rm --no-TTY psql -c x\n"),
        ("db-shell dev -c x", "--namespace a-dev exec --stdin pod/one -- psql --username a --dbname a -c x\n"),
    ] {
        let calls = scripts.calls(line);
        assert!(calls.contains(wanted), "{line}:\n{calls}");
    }
    assert_eq!(scripts.repo.read("deploy/compose/secrets/db_password").len(), 48);
    let (run, _) = scripts.run(scripts.command("db-shell dev").env("PODS", ""));
    assert!(run.err.contains("no db pod of `dev` runs in a-dev"), "{}", run.err);
    let (run, calls) = scripts.run(&mut scripts.command("reload"));
    assert_eq!((run.code, calls.as_str()), (1, ""));
}
