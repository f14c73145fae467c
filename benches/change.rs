//! `cargo bench --bench change`: what changing a repository costs in processor time, as ratios within one run: a handler
//! more, and an upgrade, in a repository of 100 entities, 100 handlers and 20 environments, against rendering it once;
//! and an upgrade of ten edited files against `git merge` of the same trees.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark may"
)]

mod support;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use appgen::cli::Cli;
use appgen::commands::run_with;
use appgen::templates::{Sets, TemplateSet};
use clap::Parser as _;
use support::{processor_time, run, summary};

const ROUNDS: usize = 20;

/// Templates in which the two sets differ; all of them are made for every spec.
const CHANGED: &[&str] = &[
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

fn main() {
    if let Ok(current) = std::env::var(CURRENT) {
        return appgen(&current);
    }
    for (name, spec) in [("default", None), ("100 entities, 100 handlers, 20 environments", Some(large_spec()))] {
        println!("{name}:");
        let place = tempfile::tempdir().unwrap();
        let repository = place.path().join("a");
        let mut new = vec!["new", "a", "--yes"];
        if let Some(spec) = &spec {
            fs::write(place.path().join("spec.yaml"), spec).unwrap();
            new = vec!["new", "--spec", "spec.yaml"];
        }
        run(&mut child("old", place.path(), &new));
        let next = place.path().join("next");
        fs::create_dir(&next).unwrap();
        if let Some(spec) = &spec {
            fs::write(next.join("spec.yaml"), spec).unwrap();
        }
        run(&mut child("new", &next, &new));
        let next = next.join("a");
        branches(&repository, &next);
        measure(place.path(), &next, &new);
    }
}

fn measure(place: &Path, fresh: &Path, new: &[&str]) {
    let repository = place.join("a");
    let dry = [new, &["--no-git", "-n"]].concat();
    let aside = place.join("aside");
    fs::create_dir(&aside).unwrap();
    if place.join("spec.yaml").exists() {
        fs::copy(place.join("spec.yaml"), aside.join("spec.yaml")).unwrap();
    }
    let [mut handler, mut upgrade, mut merge] = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let render = processor_time(|| run(&mut child("new", &aside, &dry))).as_secs_f64();
        let add = processor_time(|| run(&mut child("new", fresh, &["add-handler", "one-more"])));
        reset(fresh);
        let up = processor_time(|| run(&mut child("new", &repository, &["upgrade"]))).as_secs_f64();
        reset(&repository);
        let merged = processor_time(|| run(&mut git(&repository, &["merge", "--quiet", "--no-edit", "next"])));
        run(&mut git(&repository, &["reset", "--quiet", "--hard", "HEAD^1"]));
        handler.push(add.as_secs_f64() / render);
        upgrade.push(up / render);
        merge.push(up / merged.as_secs_f64());
    }
    println!("  cpu, add-handler / rendering once: {}", summary(&mut handler));
    println!("  cpu, upgrade of {} files / rendering once: {}", CHANGED.len(), summary(&mut upgrade));
    println!("  cpu, upgrade of {} files / git merge: {}", CHANGED.len(), summary(&mut merge));
}

/// The branch `next` has what the later set renders; the branch that we are on has a line of the user's at the end of
/// every file that the upgrade changes, so that each is really merged.
fn branches(repository: &Path, next: &Path) {
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

fn reset(repository: &Path) {
    run(&mut git(repository, &["reset", "--quiet", "--hard"]));
    run(&mut git(repository, &["clean", "--quiet", "-fdx"]));
}

fn git(repository: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "gc.auto=0"]);
    command.args(arguments).current_dir(repository).stdout(Stdio::null());
    command
}

fn large_spec() -> String {
    let mut spec = "version: 1\nservice: { name: a }\nenvironments:\n".to_owned();
    (0..20).for_each(|index| writeln!(spec, "  env-{index}: {{}}").unwrap());
    spec.push_str("entities:\n");
    for index in 0..100 {
        write!(
            spec,
            "  thing-{index}:\n    fields:\n      code: {{ type: text, length: 20, required: true, unique: true }}\n      \
             amount: {{ type: decimal, precision: 12, scale: 2 }}\n      due: {{ type: date, required: true }}\n"
        )
        .unwrap();
    }
    spec.push_str("handlers:\n");
    (0..100).for_each(|index| {
        writeln!(spec, "  get-{index}: {{ method: GET, path: \"/api/v2/get-{index}/{{key}}\" }}").unwrap()
    });
    spec
}

/// This program again, as an appgen that holds two sets.
fn child(current: &str, directory: &Path, arguments: &[&str]) -> Command {
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

fn appgen(current: &str) {
    let sets = match current {
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
    for name in set.templates().chain(["catalog.yaml", "cargo-lock.json"]) {
        sources.insert(name.to_owned(), Cow::Owned(set.source(name).unwrap().into_owned()));
    }
    for path in CHANGED {
        let source = sources.get_mut(&format!("service/{path}.j2")).unwrap().to_mut();
        let second = source.find('\n').unwrap() + 1;
        source.insert_str(second, line(path));
    }
    TemplateSet::new(sources).unwrap()
}

/// A line that may stand anywhere between others.
fn line(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "rs")) => "// A line more.\n",
        Some((_, "md")) => "\nA line more.\n",
        _ => "# A line more.\n",
    }
}
