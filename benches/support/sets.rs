//! An appgen that holds two template sets, so that there is something to upgrade.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use appgen::cli::Cli;
use appgen::commands::run_with;
use appgen::templates::{Sets, TemplateSet};
use clap::Parser as _;

use crate::support::run;

/// Templates in which the two sets differ; all of them are made for every spec.
pub const CHANGED: &[&str] = &[
    "Cargo.toml",
    "Makefile",
    "README.md",
    "config/base.yaml",
    "deploy/compose/compose.yaml",
    "deploy/docker/api.Dockerfile",
    "src/app.rs",
    "src/db/mod.rs",
    "src/error.rs",
    "src/main.rs",
];

/// Which of the two sets a child of ours is to take for the current one: the embedded one, as a release has it, or one
/// before that, which a release holds as an archive.
const CURRENT: &str = "APPGEN_BENCH_CURRENT";
const ARCHIVE: &str = "APPGEN_BENCH_ARCHIVE";
const VERSION: &str = "APPGEN_BENCH_VERSION";

/// This program again, as an appgen that holds two sets.
pub fn child(current: &str, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    static VERSION_OF_ARCHIVE: LazyLock<String> = LazyLock::new(|| earlier().version());
    command.env(CURRENT, current).env(ARCHIVE, archive()).env(VERSION, &*VERSION_OF_ARCHIVE);
    command.args(arguments).current_dir(directory).stdout(Stdio::null());
    command
}

/// The earlier set as a release would hold it.
fn archive() -> &'static Path {
    static FILE: LazyLock<tempfile::NamedTempFile> = LazyLock::new(|| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), earlier().to_archive().unwrap()).unwrap();
        file
    });
    FILE.path()
}

/// Whether this process is such a child; then it has done its work.
pub fn is_child() -> bool {
    let Ok(current) = std::env::var(CURRENT) else { return false };
    let sets = match current.as_str() {
        "old" => Sets::new(earlier(), BTreeMap::new()),
        _ => {
            let archive = fs::read(std::env::var_os(ARCHIVE).unwrap()).unwrap();
            let version = std::env::var(VERSION).unwrap();
            Sets::new(TemplateSet::embedded().unwrap(), BTreeMap::from([(version, Cow::Owned(archive))]))
        }
    };
    let exit = run_with(Cli::parse(), Ok(sets), &mut std::io::stdout(), &mut std::io::stderr());
    std::process::exit(exit.into());
}

/// The embedded set with a line more in some templates.
fn earlier() -> TemplateSet {
    let set = TemplateSet::embedded().unwrap();
    let mut sources: BTreeMap<String, Cow<'static, str>> = BTreeMap::new();
    for name in set.templates().chain(["catalog.json", "cargo-lock.json"]) {
        sources.insert(name.to_owned(), Cow::Owned(set.source(name).unwrap().into_owned()));
    }
    for path in CHANGED {
        let source = sources.get_mut(&format!("service/{path}.j2")).unwrap().to_mut();
        let second = source.find('\n').unwrap() + 1;
        source.insert_str(second, line(path));
    }
    TemplateSet::new(sources).unwrap()
}

/// The branch `next` has what the later set renders; the branch that we are on has a line of the user's at the end of
/// every file that the upgrade changes, so that each is really merged.
pub fn branches(repository: &Path, next: &Path) {
    run(&mut git(repository, &["checkout", "--quiet", "-b", "next"]));
    for path in CHANGED.iter().chain(&["appgen.lock"]) {
        fs::copy(next.join(path), repository.join(path)).unwrap();
    }
    run(&mut git(repository, &["commit", "--quiet", "-am", "next"]));
    run(&mut git(repository, &["checkout", "--quiet", "-b", "edited", "main"]));
    for path in CHANGED {
        let text = fs::read_to_string(repository.join(path)).unwrap();
        fs::write(repository.join(path), text + line(path)).unwrap();
    }
    run(&mut git(repository, &["commit", "--quiet", "-am", "edited"]));
}

pub fn reset(repository: &Path) {
    run(&mut git(repository, &["reset", "--quiet", "--hard"]));
    run(&mut git(repository, &["clean", "--quiet", "-fdx"]));
}

pub fn git(repository: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "gc.auto=0"]);
    command.args(arguments).current_dir(repository).stdout(Stdio::null());
    command
}

/// A line that may stand anywhere between others.
pub fn line(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "rs")) => "// A line more.\n",
        Some((_, "md")) => "\nA line more.\n",
        _ => "# A line more.\n",
    }
}
