//! What a user and a program read: one scenario a report, as text and as JSON, the latter held against its published
//! schema; and the job of the generated workflow that reads `appgen check`. Budget: 1 minute on 2 cores.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::repository::Repo;
use crate::support::{Place, Run};
use appgen::cli::Cli;
use appgen::commands::run_with;
use appgen::templates::{Sets, TemplateSet};
use clap::Parser as _;
use serde_json::Value;

/// A name, what happened to a repository before, and the command whose report it is.
type Scenario = (&'static str, fn(&Repo), &'static str);

const OVERLAY: &str = "deploy/kustomize/overlays/prod/kustomization.yaml";
const CHANGESET: &str = "db/changelog/changes/0001-create-countries.sql";

const SCENARIOS: &[Scenario] = &[
    ("add_env", untouched, "add-env staging --from prod"),
    ("add_handler", untouched, "add-handler get-rate --method POST --path /api/v1/rates/{day}"),
    ("add_entity", untouched, "add-entity invoice number:text(20)!^ country:ref(country)! total:decimal(12,2)!"),
    ("add_migration", untouched, "add-migration fill-names"),
    ("the_same_again", untouched, "add-handler quote"),
    ("other_values", untouched, "add-entity country code:text(3)!^ area:decimal(12,2)"),
    ("other_environment", untouched, "add-env prod --from dev --contexts prod,audit"),
    ("sync", |repo| repo.edit("appgen.yaml", "    replicas: 2\n", "    replicas: 5\n"), "sync"),
    ("sync_refused", narrowed, "sync"),
    (
        "cargo_update",
        |repo| {
            repo.edit("Cargo.lock", "name = \"zeroize\"\nversion = \"1", "name = \"zeroize\"\nversion = \"0");
            repo.commit();
        },
        "add-entity rate value:decimal(12,6)!",
    ),
    ("conflict", both_changed, "sync"),
    (
        "conflict_open",
        |repo| {
            both_changed(repo);
            repo.run("sync");
        },
        "add-env staging",
    ),
    ("sidecar", |repo| repo.write("config/overlays/staging/env.yaml", "mine: true\n"), "add-env staging"),
    ("adopt", |repo| repo.write("src/handlers/ping.rs", "// mine\n"), "add-handler ping"),
    ("remove_handler", edited_and_named, "remove-handler quote"),
    ("remove_entity", untouched, "remove-entity currency"),
    ("remove_entity_and_table", untouched, "remove-entity currency --drop-table"),
    ("remove_unknown", untouched, "remove-handler qoute"),
    ("upgrade", untouched, "upgrade"),
    (
        "undo",
        |repo| {
            repo.run("add-handler ping").succeeds();
        },
        "undo",
    ),
    (
        "undo_refused",
        |repo| {
            repo.run("add-handler ping").succeeds();
            repo.write("src/handlers/ping.rs", "// mine\n");
        },
        "undo",
    ),
    (
        "restore",
        |repo| {
            repo.remove("src/db/mod.rs");
            repo.write("README.md", "mine\n");
        },
        "restore src/db/mod.rs README.md",
    ),
    ("dry_run", untouched, "add-migration fill-names --dry-run --diff"),
    ("uncommitted", |repo| repo.edit("README.md", "\n", "\nOurs.\n"), "add-env staging"),
    ("managed_edited", |repo| repo.edit("src/handlers/registry.rs", "use ", "// mine\nuse "), "add-handler ping"),
    ("spec_wrong", |repo| repo.edit("appgen.yaml", "replicas", "replicsa"), "sync"),
    ("check", every_drift, "check"),
    ("check_clean", untouched, "check"),
    ("status", every_drift, "status"),
    ("status_clean", untouched, "status"),
    (
        "diff",
        |repo| {
            repo.edit("README.md", "## Run it", "## How to run it");
            repo.remove("clippy.toml");
        },
        "diff",
    ),
];

fn untouched(_: &Repo) {}

fn narrowed(repo: &Repo) {
    repo.edit("appgen.yaml", "        length: 200\n", "        length: 100\n");
}

fn both_changed(repo: &Repo) {
    repo.edit(OVERLAY, "count: 2", "count: 7");
    repo.commit();
    repo.edit("appgen.yaml", "  prod:\n    replicas: 2\n", "  prod:\n    replicas: 3\n");
}

fn edited_and_named(repo: &Repo) {
    repo.edit("src/handlers/quote.rs", "\n", "\n// mine\n");
    let custom = repo.read("src/handlers/custom.rs") + "// calls crate::handlers::quote::quote\n";
    repo.write("src/handlers/custom.rs", &custom);
    repo.commit();
}

/// Everything that `check` fails on, and what it does not mind.
fn every_drift(repo: &Repo) {
    repo.edit("src/handlers/custom.rs", "\n", "\n// mine\n");
    repo.remove("Makefile");
    // Two branches that changed one line: unmerged, with markers.
    repo.git("checkout -qb theirs");
    repo.edit("deny.toml", "\n", "\n# theirs\n");
    repo.edit(".gitignore", "\n", "\n# theirs\n");
    repo.commit();
    repo.git("checkout -q main");
    repo.edit("deny.toml", "\n", "\n# ours\n");
    repo.edit(".gitignore", "\n", "\n# ours\n");
    repo.commit();
    repo.git("merge theirs");
    // The one of them was edited, and git was not told.
    let settled: String = repo
        .read("deny.toml")
        .lines()
        .filter(|line| !line.starts_with(['<', '=', '>', '|']))
        .map(|line| format!("{line}\n"))
        .collect();
    repo.write("deny.toml", &settled);
    repo.write("src/admin.rs.appgen-new", "// new\n");
    repo.write("appgen.lock", &(repo.read("appgen.lock") + "conflicts:\n  - src/app.rs\n"));
    repo.edit("src/handlers/registry.rs", "use ", "// mine\nuse ");
    repo.edit(CHANGESET, "varchar(200)", "varchar(201)");
    repo.remove("db/changelog/changes/0002-create-currencies.sql");
    repo.remove("src/db/mod.rs");
    repo.edit("appgen.yaml", "    replicas: 2\n", "    replicas: 5\n");
    repo.write(".appgen/txn/staged/manifest.json", "{}\n");
}

/// The command, what it printed, and how it ended.
fn transcript(line: &str, run: &Run) -> String {
    let mut text = format!("$ appgen {line}\n{}", run.out);
    for line in run.err.lines() {
        text += &format!("2> {line}\n");
    }
    text + &format!("= {}\n", run.code)
}

fn run(setup: fn(&Repo), line: &str) -> Run {
    let repo = Repo::with(&[]);
    setup(&repo);
    repo.run(line)
}

#[test]
fn as_text() {
    for (name, setup, line) in SCENARIOS {
        support::snapshot("reports", name, &transcript(line, &run(*setup, line)));
    }
}

#[test]
fn as_json_of_the_published_schema() {
    let place = Place::new();
    fs::write(place.path().join("schema.json"), place.run(["schema", "--report"]).succeeds().out).unwrap();
    let mut files = Vec::new();
    for (name, setup, line) in SCENARIOS {
        let run = run(*setup, &format!("{line} --format json"));
        assert_eq!(run.err, "", "{name}");
        let report: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(report["exit"], run.code, "{name}");
        support::snapshot("reports", &format!("{name}.json"), &run.out);
        fs::write(place.path().join(format!("{name}.json")), &run.out).unwrap();
        files.push(format!("{name}.json"));
    }
    let Some(program) = support::tool("check-jsonschema", "the schema of reports") else { return };
    let validate = |schema: &str, files: &[String]| {
        let mut command = Command::new(&program);
        Run::of(
            &command.args(["--schemafile", schema]).args(files).current_dir(place.path()).output().unwrap(),
            place.path(),
        )
    };
    validate("schema.json", &files).succeeds();
    // A report that lacks something, has something of another type, or an unknown action, is none.
    let report: Value = serde_json::from_str(&fs::read_to_string(place.path().join("add_env.json")).unwrap()).unwrap();
    let mut planted = vec![report.clone(), report.clone(), report];
    planted[0].as_object_mut().unwrap().remove("warnings");
    planted[1]["exit"] = "0".into();
    planted[2]["changes"][0]["action"] = "explode".into();
    for report in planted {
        fs::write(place.path().join("planted.json"), report.to_string()).unwrap();
        assert_ne!(validate("schema.json", &["planted.json".to_owned()]).code, 0, "{report}");
    }
}

#[test]
fn for_a_pull_request() {
    for (name, setup, line) in [
        ("check", every_drift as fn(&Repo), "check"),
        ("check_clean", untouched, "check"),
        ("conflict", both_changed, "sync"),
        ("remove_handler", edited_and_named, "remove-handler quote"),
        ("sync_refused", narrowed, "sync"),
    ] {
        for format in ["markdown", "github"] {
            let line = format!("{line} --format {format}");
            support::snapshot("reports", &format!("{name}.{format}"), &transcript(&line, &run(setup, &line)));
        }
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let repo = Repo::with(&["--no-git"]);
    repo.remove("src/db/mod.rs");
    let escapes = |variables: &[(&str, &str)], line: &str| {
        let mut command = support::appgen(&repo.root());
        let output = command.envs(variables.iter().copied()).args(line.split(' ')).output().unwrap();
        Run::of(&output, &repo.root()).out.contains('\x1b')
    };
    assert!(!escapes(&[], "check"), "no terminal");
    assert!(escapes(&[], "check --color always"));
    assert!(escapes(&[("NO_COLOR", "1")], "check --color always"), "what is typed wins");
    assert!(escapes(&[("CLICOLOR_FORCE", "1")], "check"));
    assert!(!escapes(&[("CLICOLOR_FORCE", "1")], "check --color never"));
    assert!(!escapes(&[("CLICOLOR_FORCE", "1")], "check --color never --format json"));
    assert!(!escapes(&[("CLICOLOR_FORCE", "1")], "check --format json"), "JSON has no colours");
}

/// Runs appgen with template sets of the test's own.
fn run_in(sets: Sets, directory: &Path, line: &str) -> Run {
    let arguments = ["appgen", "-C", directory.to_str().unwrap()].into_iter().chain(line.split(' '));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_with(Cli::parse_from(arguments), Ok(sets), &mut out, &mut err);
    let text = |bytes: &[u8]| anstream::adapter::strip_str(str::from_utf8(bytes).unwrap()).to_string();
    Run { code: code.into(), out: text(&out), err: text(&err) }
}

#[test]
fn newer_templates_are_a_note_until_they_are_wanted() {
    let now = TemplateSet::embedded().unwrap();
    let old = support::changed_set(&[("service/README.md.j2", "## Run it", "## Running")]);
    let both = || Sets::new(now.clone(), BTreeMap::from([(old.version(), old.to_archive().unwrap().into())]));

    let place = Place::new();
    run_in(Sets::new(old.clone(), BTreeMap::new()), place.path(), "new a --yes --no-git").succeeds();
    let root = place.path().join("a");
    run_in(both(), &root, "check").succeeds();
    let lines = ["status", "upgrade -n", "upgrade", "upgrade", "status"];
    let transcripts = lines.map(|line| transcript(line, &run_in(both(), &root, line)));
    support::snapshot("reports", "newer_templates", &transcripts.concat());
}

/// The steps of the job that checks the repository.
fn check_steps(case: &Repo) -> Vec<String> {
    let workflow: Value = serde_saphyr::from_str(&case.read(".github/workflows/ci.yaml")).unwrap();
    let job = &workflow["jobs"]["appgen"];
    assert_eq!(job["permissions"], serde_json::json!({ "contents": "read" }));
    let steps = job["steps"].as_array().unwrap();
    steps.iter().filter_map(|step| step["run"].as_str()).map(str::to_owned).collect()
}

#[test]
fn the_workflow_says_in_a_pull_request_what_is_wrong() {
    let repo = Repo::of_case("on");
    let [install, check] = check_steps(&repo).try_into().unwrap();
    assert_eq!(install, "cargo install --locked --version 1.4.0-rc.1 appgen");
    let [install, _] = check_steps(&Repo::of_case("longest")).try_into().unwrap();
    assert!(install.starts_with("cargo install --locked --git https://") && install.contains(" --tag "), "{install}");

    // As the runner does it: bash -e, a file for the summary, appgen on PATH.
    let step = || {
        let bin = Path::new(env!("CARGO_BIN_EXE_appgen")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let summary = repo.root().join("target/summary.md");
        repo.write("target/summary.md", "");
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", &check]).current_dir(repo.root());
        bash.env("GITHUB_STEP_SUMMARY", &summary).env("PATH", path);
        (Run::of(&bash.output().unwrap(), &repo.root()), fs::read_to_string(summary).unwrap())
    };
    let (run, summary) = step();
    run.succeeds();
    assert_eq!(summary, "### appgen check: the repository is what appgen.yaml says\n");
    repo.remove("src/db/mod.rs");
    repo.edit("src/handlers/registry.rs", "use ", "// mine\nuse ");
    let (run, summary) = step();
    assert_eq!(run.code, 3, "{}", run.err);
    assert_eq!(run.out.matches("::error title=appgen,file=src/").count(), 2, "{}", run.out);
    assert!(summary.contains("| `src/db/mod.rs` | is missing | `appgen restore src/db/mod.rs` |\n"), "{summary}");
    // What keeps it from looking is an error too.
    repo.remove("appgen.lock");
    let (run, summary) = step();
    assert_eq!(run.code, 5);
    assert!(run.out.starts_with("::error title=appgen::`appgen.lock` is missing"), "{}", run.out);
    assert!(summary.starts_with("### appgen failed\n"), "{summary}");
}

#[test]
fn without_a_source_the_workflow_has_no_trace_of_it() {
    let text = Repo::with(&["--no-git"]).read(".github/workflows/ci.yaml");
    assert!(!text.contains("appgen"), "{text}");
    let spec = support::case_text("off").replace("  ci: none\n", "  ci: none\n  appgen_source: { version: 1.0.0 }\n");
    let run = Place::new().new_from(spec.as_bytes());
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    assert!(run.err.contains("no continuous integration that would install it"), "{}", run.err);
}
