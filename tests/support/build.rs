//! Cargo in generated repositories. They share one target directory, so that dependencies are built once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Run, everything_is_required, skip};

pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated")
}

/// Runs cargo to whatever end.
pub fn try_cargo(root: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root).env("CARGO_TARGET_DIR", target()).env("REQUIRE_DATABASE", "1");
    // What the outer cargo sets for us is not meant for the inner one.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST") || name == "RUSTFLAGS" {
            command.env_remove(variable);
        }
    }
    Run::of(&command.stdin(Stdio::null()).output().unwrap(), root)
}

#[track_caller]
pub fn cargo(root: &Path, arguments: &[&str]) -> Run {
    let run = try_cargo(root, arguments);
    assert_eq!(run.code, 0, "cargo {arguments:?}\nstdout:\n{}\nstderr:\n{}", run.out, run.err);
    run
}

/// Building takes minutes: the quick loop leaves it out.
pub fn is_asked_for(what: &str) -> bool {
    if !everything_is_required() {
        skip(what, "it takes minutes; `tests/proof` runs it");
    }
    everything_is_required()
}
