//! What a release publishes, as far as it can be seen without building it again: the list of the package, the archive,
//! the manual pages, the notes, and the scripts and workflows that make them. `tests/release` does the rest.
//! Budget: 10 seconds.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::deployment::list;
use crate::support::{Place, Run};
use clap::CommandFactory as _;
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const APPGEN: &str = env!("CARGO_BIN_EXE_appgen");

/// Names of the files below a directory of this repository that are wanted.
fn below(directory: &str, wanted: fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![Path::new(ROOT).join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                waiting.push(path);
            } else if wanted(&name) {
                found.insert(name);
            }
        }
    }
    found
}

/// A template that is left out would still be embedded here, where the tests run.
#[test]
fn the_package_is_what_a_build_reads() {
    let mut command = Command::new(env!("CARGO"));
    command.args(["package", "--list", "--offline", "--locked", "--allow-dirty"]).current_dir(ROOT);
    let packed: BTreeSet<_> = support::succeed(&mut command).out.lines().map(str::to_owned).collect();
    let mut wanted = below("templates", |_| true);
    assert!(wanted.len() > 150, "{}", wanted.len());
    wanted.extend(below("frozen", |name| !name.starts_with("frozen/fixtures/")));
    wanted.extend(below("src", |name| !name.ends_with("/tests.rs")));
    let others = ["build.rs", "Cargo.lock", "Cargo.toml", "README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];
    wanted.extend(others.map(str::to_owned));
    // What cargo adds; the commit is missing where there is no git.
    wanted.insert("Cargo.toml.orig".to_owned());
    let mut packed = packed;
    packed.remove(".cargo_vcs_info.json");
    assert_eq!(packed, wanted);
}

fn pages() -> (Place, BTreeSet<String>) {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--example", "man", "--"]).arg(place.path().join("man"));
    support::succeed(command.current_dir(ROOT));
    let names = support::files(&place.path().join("man")).into_keys().collect();
    (place, names)
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let (place, names) = pages();
    let command = appgen::cli::Cli::command();
    let mut wanted: BTreeSet<_> =
        command.get_subcommands().map(|command| format!("appgen-{}.1", command.get_name())).collect();
    wanted.insert("appgen.1".to_owned());
    assert_eq!(names, wanted);
    let main = fs::read_to_string(place.path().join("man/appgen.1")).unwrap();
    for name in &wanted {
        let refers = name.trim_end_matches(".1").replace('-', "\\-");
        assert!(main.contains(&refers), "{name}");
        let page = fs::read_to_string(place.path().join("man").join(name)).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "\"EXIT STATUS\""] {
            assert!(page.contains(&format!(".SH {section}\n")), "{name} {section}");
        }
    }
}

#[test]
fn manual_pages_have_the_exit_codes_of_the_readme() {
    let (place, _) = pages();
    let page = fs::read_to_string(place.path().join("man/appgen-check.1")).unwrap();
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let table = readme.split_once("## Exit codes\n\n| code | |\n|---|---|\n").unwrap().1.split_once("\n\n").unwrap().0;
    let wanted: Vec<_> = table.lines().map(|row| row.replace('`', "")).collect();
    let section = page.split_once(".SH \"EXIT STATUS\"\n").unwrap().1.replace('\\', "");
    let items: Vec<_> = section.split(".TP\n").skip(1).map(|item| item.trim_end().replace('\n', " | ")).collect();
    assert_eq!(items.iter().map(|item| format!("| {item} |")).collect::<Vec<_>>(), wanted);
}

#[test]
fn manual_pages_are_clean() {
    let Some(mandoc) = support::tool("mandoc", "the manual pages") else { return };
    let (place, names) = pages();
    let known = ["cannot parse date, using it verbatim: TH  ", "skipping paragraph macro: br "];
    for name in names {
        let mut command = Command::new(&mandoc);
        // A page has no date, and clap_mangen leaves a blank line more than it need around a list of values.
        command.args(["-T", "lint", "-W", "warning"]).arg(&name).current_dir(place.path().join("man"));
        let run = Run::of(&command.output().unwrap(), place.path());
        let said: Vec<_> = run.out.lines().filter(|line| !known.iter().any(|known| line.contains(known))).collect();
        assert!(said.is_empty(), "{said:#?}");
    }
}

fn archive(place: &Place, directory: &str) -> Vec<u8> {
    let mut command = Command::new(Path::new(ROOT).join(".ci/archive"));
    command.args(["program", "some-machine", directory]).env("SOURCE_DATE_EPOCH", "1700000000").env("APPGEN", APPGEN);
    support::succeed(command.current_dir(place.path()));
    let name = format!("appgen-{}-some-machine.tar.gz", env!("CARGO_PKG_VERSION"));
    fs::read(place.path().join(directory).join(name)).unwrap()
}

#[test]
fn an_archive_holds_the_program_and_its_papers() {
    // A build for tests is too long for its compression to be waited for.
    let place = Place::new();
    fs::write(place.path().join("program"), "of another machine").unwrap();
    let first = archive(&place, "one");
    assert!(first == archive(&place, "two"), "the same binary gives the same bytes");
    fs::write(place.path().join("archive.tar.gz"), first).unwrap();
    support::succeed(Command::new("tar").args(["xzf", "archive.tar.gz"]).current_dir(place.path()));
    let root = place.path().join(format!("appgen-{}-some-machine", env!("CARGO_PKG_VERSION")));
    assert_eq!(fs::metadata(root.join("appgen")).unwrap().permissions().mode() & 0o777, 0o755);
    let mut files = support::files(&root);
    assert_eq!(files.remove("appgen").unwrap(), "of another machine");
    let mut wanted: BTreeSet<_> = pages().1.into_iter().map(|page| format!("man/man1/{page}")).collect();
    for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        assert_eq!(files[name], fs::read_to_string(Path::new(ROOT).join(name)).unwrap());
        wanted.insert(name.to_owned());
    }
    for name in ["appgen.bash", "_appgen", "appgen.fish", "appgen.elv", "_appgen.ps1"] {
        let name = format!("completions/{name}");
        assert!(files[&name].contains("add-handler"), "{name}");
        wanted.insert(name);
    }
    assert_eq!(files.into_keys().collect::<BTreeSet<_>>(), wanted);
    support::succeed(Command::new("bash").arg("-n").arg(root.join("completions/appgen.bash")));
}

#[test]
fn notes_are_the_entry_of_the_version() {
    let place = Place::new();
    let text = "# Changelog\n\n## [Unreleased]\n\n- next\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- this\n\n\
                ## [1.1.0] - 2026-01-01\n\n- that\n\n## [1.0.0]\n\n- no date\n";
    fs::write(place.path().join("changes"), text).unwrap();
    let notes = |version: &str| {
        let mut command = Command::new(Path::new(ROOT).join(".ci/notes"));
        let output = command.args([version, "changes"]).current_dir(place.path()).output().unwrap();
        Run::of(&output, place.path())
    };
    assert_eq!(notes("1.2.0").succeeds().out, "### Added\n\n- this\n\n");
    assert_eq!(notes("1.1.0").succeeds().out, "- that\n\n");
    for version in ["1.0.0", "1.2", "1.2.1", "Unreleased"] {
        let run = notes(version);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{version}");
        assert!(run.err.contains(version), "{}", run.err);
    }
}

/// This repository's workflows, by name.
fn workflows() -> Vec<(String, Value)> {
    let names = below(".github/workflows", |_| true);
    let parse = |name: &String| serde_saphyr::from_str(&fs::read_to_string(Path::new(ROOT).join(name)).unwrap());
    names.iter().map(|name| (name.clone(), parse(name).unwrap())).collect()
}

/// With what others made pinned, and no more allowed than is used.
#[test]
fn workflows_are_pinned_and_may_little() {
    let generated = below("templates/service/.github/workflows", |_| true);
    let generated: String =
        generated.iter().map(|name| fs::read_to_string(Path::new(ROOT).join(name)).unwrap()).collect();
    let writes = |permissions: &Value| -> Vec<String> {
        let rights = permissions.as_object().unwrap().iter();
        rights.filter(|(_, right)| *right != "read").map(|(name, _)| name.clone()).collect()
    };
    let mut writing = Vec::new();
    for (name, workflow) in workflows() {
        assert_eq!(workflow["permissions"], json!({}), "{name}");
        for (job, what) in workflow["jobs"].as_object().unwrap() {
            let rights = writes(&what["permissions"]);
            if !rights.is_empty() {
                writing.push((job.clone(), rights.join(" ")));
                // What builds code of others has no right to publish.
                let text = what["steps"].to_string();
                assert!(!text.contains("cargo install") && !text.contains("cargo build"), "{job}");
                assert!(!text.contains("cargo publish") || text.contains("--no-verify"), "{job}");
            }
            for action in list(&what["steps"]).filter_map(|step| step["uses"].as_str()) {
                let (action, commit) = action.split_once('@').unwrap();
                assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {action}");
                // One pin for both, so that what keeps one current keeps the other.
                assert!(!generated.contains(&format!("{action}@")) || generated.contains(commit), "{name}: {action}");
            }
        }
    }
    let wanted = [("publish", "contents id-token attestations"), ("crate", "id-token")];
    assert_eq!(writing, wanted.map(|(job, rights)| (job.to_owned(), rights.to_owned())));
}

#[test]
fn workflows_build_with_the_oldest_rust_that_is_promised() {
    let promised = env!("CARGO_PKG_RUST_VERSION");
    let mut seen = 0;
    for (name, workflow) in workflows() {
        let mut places = vec![workflow["env"]["RUSTUP_TOOLCHAIN"].clone()];
        for job in workflow["jobs"].as_object().unwrap().values() {
            places.push(job["env"]["RUSTUP_TOOLCHAIN"].clone());
            if let Some(image) = job["container"]["image"].as_str() {
                places.push(image.trim_start_matches("rust:").split('-').next().into());
            }
        }
        for place in places.iter().filter(|place| !place.is_null()) {
            assert_eq!(place, promised, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    assert!(readme.contains(&format!("Rust {promised}")), "README.md says which Rust");
}

#[test]
fn a_release_waits_for_every_proof() {
    let workflows = workflows();
    let release = &workflows.iter().find(|(name, _)| name.ends_with("/release.yaml")).unwrap().1;
    assert_eq!(release["on"], json!({ "push": { "tags": ["v[0-9]*"] } }));
    let jobs = &release["jobs"];
    assert_eq!(jobs["publish"]["needs"], json!(["proof", "package", "archives"]));
    assert_eq!(jobs["crate"]["needs"], "publish");
    let ci = &workflows.iter().find(|(name, _)| name.ends_with("/ci.yaml")).unwrap().1;
    assert!(ci["jobs"]["proof"]["steps"].to_string().contains("bash .ci/run"));
    // Every program that a workflow calls is there.
    let text: String = workflows.iter().map(|(_, workflow)| workflow.to_string()).collect();
    for program in [".ci/run", ".ci/archive", ".ci/bill", ".ci/notes", "tests/release", "tests/docker"] {
        assert!(text.contains(program), "{program}");
        assert!(Path::new(ROOT).join(program).is_file(), "{program}");
    }
}

/// What the checks of `appgen verify` demand of generated repositories is demanded here too.
#[test]
fn workflows_and_scripts_are_clean() {
    let workflows = below(".github/workflows", |_| true);
    let mut scripts = below(".ci", |_| true);
    scripts.extend(below("tests", |name| !name.strip_prefix("tests/").unwrap().contains(['.', '/'])));
    scripts.extend(["benches/report", "fuzz/run"].map(str::to_owned));
    assert!(scripts.len() >= 9, "{scripts:?}");
    for (program, arguments, files) in [
        ("actionlint", "", &workflows),
        ("zizmor", "--offline --quiet --strict-collection", &workflows),
        ("yamllint", "--strict", &workflows),
        ("shellcheck", "", &scripts),
        ("shfmt", "-i 4 -ci -d", &scripts),
    ] {
        let Some(path) = support::tool(program, "appgen's own workflows and scripts") else { continue };
        let mut command = Command::new(path);
        support::succeed(command.args(arguments.split_whitespace()).args(files).current_dir(ROOT));
    }
}
