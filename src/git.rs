//! The `git` program: one commit in a new repository. The user's hooks, signing key and conversions stay out of it,
//! because they are set up for his own work and may ask, fail or rewrite what we wrote.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// How a new repository came under version control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Git {
    Committed,
    /// There is no `git` on PATH.
    Missing,
}

const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "user.useConfigOnly=true",
];

/// Who commits where the user has told git no name.
const NOBODY: &[&str] = &["user.name=appgen", "user.email=appgen@localhost"];

/// Variables by which a surrounding git command would lead ours to its own repository.
const SURROUNDING: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_TEMPLATE_DIR",
];

/// `init`, `add` and one commit in `directory`.
///
/// # Errors
/// git was found and failed; its own words are in the error.
pub fn commit_all(directory: &Path, message: &str) -> io::Result<Git> {
    let init = run(directory, &[], &["init", "--quiet", "--initial-branch=main", "--template="]);
    if init.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(Git::Missing);
    }
    succeed("init", init?)?;
    succeed("add", run(directory, &[], &["add", "--all", "--force", "."])?)?;
    let commit = ["commit", "--quiet", "--no-verify", "--message", message];
    let first = run(directory, &[], &commit)?;
    // Only git knows where the user may have left a name; it refuses when there is none.
    let last = if first.status.success() { first } else { run(directory, NOBODY, &commit)? };
    succeed("commit", last)?;
    Ok(Git::Committed)
}

fn run(directory: &Path, settings: &[&str], arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new("git");
    for setting in SETTINGS.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    for variable in SURROUNDING {
        command.env_remove(variable);
    }
    command.current_dir(directory).args(arguments).stdin(Stdio::null()).output()
}

fn succeed(step: &str, output: Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`git {step}` failed: {}; `--no-git` goes without", said.trim())))
}
