//! Generated repositories, proven by using them. They share one target directory, and so are built one after the other.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Run;
use super::postgres::within;

static TURN: Mutex<()> = Mutex::new(());

/// Where all of them are built.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated")
}

/// Builds while nobody else in this process does.
pub fn one_at_a_time<T>(build: impl FnOnce() -> T) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    build()
}

/// Runs cargo in a generated repository.
#[track_caller]
pub fn cargo(root: &Path, arguments: &[&str]) -> Run {
    super::succeed(command(root).args(arguments))
}

fn command(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).env("CARGO_TARGET_DIR", target()).env("REQUIRE_DATABASE", "1");
    // Nobody debugs it: a tenth of the time to build and link its tests.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    // What the outer cargo sets for us is not meant for the inner one.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST") || name == "RUSTFLAGS" {
            command.env_remove(variable);
        }
    }
    command
}

/// Building takes minutes: the quick loop leaves it out.
pub fn is_asked_for(what: &str) -> bool {
    if !super::everything_is_required() {
        super::skip(what, "it takes minutes; `tests/proof` runs it");
    }
    super::everything_is_required()
}

/// Formatted, linted, built and tested against a real PostgreSQL. What `cargo clippy` puts in the place of the compiler
/// compiles as well: everything is read once, where `cargo clippy` and `cargo test` would read it twice.
#[track_caller]
pub fn prove(root: &Path) {
    cargo(root, &["fmt", "--check"]);
    super::succeed(linting(root).args(["test", "--all-targets", "--no-run", "--locked", "--quiet"]));
    let tests = super::succeed(linting(root).args(["test", "--locked"]));
    assert!(tests.out.contains("test result: ok"), "{}", tests.out);
    assert!(!tests.err.contains("skipped"), "{}", tests.err);
}

fn linting(root: &Path) -> Command {
    let mut command = command(root);
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver").env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings");
    command
}

/// A kill in the middle of tests that are built: the cluster that they started ends, and its files are removed. A kill of
/// the whole group, as Ctrl-C is, but one that nobody can ignore: what a script runs in the background ignores SIGINT.
#[track_caller]
pub fn kill_tests(root: &Path) {
    let temporary = tempfile::tempdir().unwrap();
    // PostgreSQL runs as another user where we are root.
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o755)).unwrap();
    let mut tests = linting(root);
    tests.args(["test", "--locked", "--quiet", "--test", "api"]).env("TMPDIR", temporary.path()).process_group(0);
    let mut tests = tests.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let clusters = || {
        let entries = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.join("data").exists()).collect::<Vec<_>>()
    };
    within(Duration::from_secs(120), "a cluster", || !clusters().is_empty());
    super::succeed(Command::new("kill").args(["-KILL", "--", &format!("-{}", tests.id())]));
    assert!(!tests.wait().unwrap().success());
    within(Duration::from_secs(60), "its files are gone", || clusters().is_empty());
}

/// Compiled with its tests, without a program in the end. Again and again in one directory, of which little changes.
#[track_caller]
pub fn check(root: &Path) {
    super::succeed(command(root).args(["check", "--tests", "--locked", "--quiet"]).env("CARGO_INCREMENTAL", "1"));
}

/// Formatted and linted, by the commands that people type. Again and again in one repository, of which little changes.
#[track_caller]
pub fn lint(root: &Path) {
    cargo(root, &["fmt", "--check"]);
    let mut clippy = command(root);
    clippy.args(["clippy", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]);
    super::succeed(clippy.env("CARGO_INCREMENTAL", "1"));
}
