//! The `git` program: one commit in a new repository. The user's hooks, signing key and conversions stay out of it,
//! because they are set up for his own work and may ask, fail or rewrite what we wrote.
//!
//! The commit is made with git-fast-import(1), which writes one pack: a quarter of the time of `add` and `commit`,
//! which write a file for every file.

use std::io::{self, ErrorKind, Write as _};
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
    "fastimport.unpackLimit=0",
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

/// A file of a commit: its path, what it holds, and whether it is executable.
pub type Blob<'text> = (&'text str, &'text str, bool);

/// Makes `directory` a repository with one commit of `files`, which need not be there yet.
///
/// # Errors
/// git was found and failed; its own words are in the error.
pub fn commit<'text>(directory: &Path, message: &str, files: impl Iterator<Item = Blob<'text>>) -> io::Result<Git> {
    match run(directory, &[], &["init", "--quiet", "--initial-branch=main", "--template="], b"") {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Git::Missing),
        init => succeed("init", init?)?,
    };
    let (author, committer) = (identity(directory, "GIT_AUTHOR_IDENT")?, identity(directory, "GIT_COMMITTER_IDENT")?);
    let mut stream =
        format!("commit refs/heads/main\nauthor {author}\ncommitter {committer}\ndata {}\n{message}\n", message.len());
    for (path, text, executable) in files {
        let mode = if executable { "100755" } else { "100644" };
        stream.push_str(&format!("M {mode} inline {path}\ndata {}\n{text}\n", text.len()));
    }
    succeed("fast-import", run(directory, &[], &["fast-import", "--quiet"], stream.as_bytes())?)?;
    Ok(Git::Committed)
}

/// Fills the index of a repository whose commit has been written out by hand.
///
/// # Errors
/// git failed; its own words are in the error.
pub fn index(directory: &Path) -> io::Result<()> {
    succeed("reset", run(directory, &[], &["reset", "--quiet"], b"")?).map(drop)
}

/// Name, address and time as a commit has them. Only git knows where the user may have left a name; it refuses when
/// there is none.
fn identity(directory: &Path, variable: &str) -> io::Result<String> {
    let asked = run(directory, &[], &["var", variable], b"")?;
    let answered = if asked.status.success() { asked } else { run(directory, NOBODY, &["var", variable], b"")? };
    Ok(String::from_utf8_lossy(&succeed("var", answered)?).trim().to_owned())
}

fn run(directory: &Path, settings: &[&str], arguments: &[&str], input: &[u8]) -> io::Result<Output> {
    let mut command = Command::new("git");
    for setting in SETTINGS.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    for variable in SURROUNDING {
        command.env_remove(variable);
    }
    command.current_dir(directory).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A git that stops reading says why at its end.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output()
}

fn succeed(step: &str, output: Output) -> io::Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`git {step}` failed: {}; `--no-git` goes without", said.trim())))
}
