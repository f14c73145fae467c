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
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root).env("CARGO_TARGET_DIR", target()).env("REQUIRE_DATABASE", "1");
    // Nobody debugs it: a tenth of the time to build and link its tests.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    // What the outer cargo sets for us is not meant for the inner one.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST") || name == "RUSTFLAGS" {
            command.env_remove(variable);
        }
    }
    super::succeed(&mut command)
}

/// Building takes minutes: the quick loop leaves it out.
pub fn is_asked_for(what: &str) -> bool {
    if !super::everything_is_required() {
        super::skip(what, "it takes minutes; `tests/proof` runs it");
    }
    super::everything_is_required()
}

/// Formatted, linted, built and tested against a real PostgreSQL.
#[track_caller]
pub fn prove(root: &Path) {
    lint(root);
    test(root);
}

#[track_caller]
pub fn lint(root: &Path) {
    cargo(root, &["fmt", "--check"]);
    cargo(root, &["clippy", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]);
}

#[track_caller]
pub fn test(root: &Path) {
    let tests = cargo(root, &["test", "--locked"]);
    assert!(tests.out.contains("test result: ok"), "{}", tests.out);
    assert!(!tests.err.contains("skipped"), "{}", tests.err);
}
