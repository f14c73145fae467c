//! Generated repositories, proven by using them. They share one target directory, and so are built one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::Run;

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
    let linting = |arguments: &[&str]| {
        let mut command = command(root);
        command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver").env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings");
        super::succeed(command.args(arguments))
    };
    cargo(root, &["fmt", "--check"]);
    linting(&["test", "--all-targets", "--no-run", "--locked", "--quiet"]);
    let tests = linting(&["test", "--locked"]);
    assert!(tests.out.contains("test result: ok"), "{}", tests.out);
    assert!(!tests.err.contains("skipped"), "{}", tests.err);
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
