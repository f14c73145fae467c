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
    // What git says is read below; and who only looks takes no lock of the user's.
    command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    command.current_dir(directory).args(arguments);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "`git` is not on PATH"),
        _ => error,
    })?;
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
    Err(io::Error::other(format!("`git {step}` failed: {}", said.trim())))
}

/// The three sides of a file with a conflict.
#[derive(Debug)]
pub struct Unmerged {
    pub path: String,
    pub executable: bool,
    pub base: String,
    pub ours: String,
    pub next: String,
}

/// Puts the sides of conflicts into the index as stages 1, 2 and 3 (git-update-index(1), "Using --index-info"), as a
/// merge of git's would. Does nothing outside a work tree.
///
/// # Errors
/// git failed; its own words are in the error.
pub fn mark_unmerged(root: &Path, files: &[Unmerged]) -> io::Result<()> {
    let Some(prefix) = (if files.is_empty() { None } else { prefix(root)? }) else { return Ok(()) };
    let blob = |text: &str| -> io::Result<String> {
        let output = succeed("hash-object", run(root, &[], &["hash-object", "-w", "--stdin"], text.as_bytes())?)?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    };
    let mut info = String::new();
    for file in files {
        let mode = if file.executable { "100755" } else { "100644" };
        let path = format!("{prefix}{}", file.path);
        info.push_str(&format!("0 {:040}\t{path}\n", 0));
        for (stage, text) in [(1, &file.base), (2, &file.ours), (3, &file.next)] {
            info.push_str(&format!("{mode} {} {stage}\t{path}\n", blob(text)?));
        }
    }
    succeed("update-index", run(root, &[], &["update-index", "--index-info"], info.as_bytes())?).map(drop)
}

/// Where `root` lies in its work tree; `None` outside of one and without `git`.
fn prefix(root: &Path) -> io::Result<Option<String>> {
    match run(root, &[], &["rev-parse", "--show-prefix"], b"") {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("not a git repository") => Ok(None),
        // Such as a repository that belongs to somebody else: not to know is no reason to go on.
        Ok(output) => Ok(Some(String::from_utf8_lossy(&succeed("rev-parse", output)?).trim_end().to_owned())),
    }
}

/// Which of these paths differ from the last commit. None outside a work tree: there is no commit to differ from.
///
/// # Errors
/// git failed; its own words are in the error.
pub fn uncommitted(root: &Path, paths: &[&str]) -> io::Result<Vec<String>> {
    let Some(prefix) = (if paths.is_empty() { None } else { prefix(root)? }) else { return Ok(Vec::new()) };
    let mut arguments = vec!["--literal-pathspecs", "status", "--porcelain", "-z", "--no-renames", "--ignored", "--"];
    arguments.extend(paths);
    let output = succeed("status", run(root, &[], &arguments, b"")?)?;
    let text = String::from_utf8_lossy(&output);
    let listed = text.split('\0').filter_map(|line| line.get(3..)).filter(|path| !path.is_empty());
    Ok(listed.map(|path| path.strip_prefix(&prefix).unwrap_or(path).to_owned()).collect())
}

/// What the last commit holds of a path.
///
/// # Errors
/// git could not be run.
pub fn committed(root: &Path, path: &str) -> io::Result<Option<String>> {
    let output = run(root, &[], &["cat-file", "blob", &format!("HEAD:./{path}")], b"")?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// What the index holds of a path in a merge: stages 1 (base), 2 (ours) and 3 (theirs).
///
/// # Errors
/// git failed; its own words are in the error.
pub fn stages(root: &Path, path: &str) -> io::Result<[Option<String>; 3]> {
    let mut sides = [None, None, None];
    for (index, side) in sides.iter_mut().enumerate() {
        let name = format!(":{}:./{path}", index + 1);
        let output = run(root, &[], &["cat-file", "blob", &name], b"")?;
        if output.status.success() {
            *side = Some(String::from_utf8_lossy(&output.stdout).into_owned());
        }
    }
    Ok(sides)
}

/// Paths with stages in the index.
///
/// # Errors
/// git failed; its own words are in the error.
pub fn unmerged(root: &Path) -> io::Result<Vec<String>> {
    if prefix(root)?.is_none() {
        return Ok(Vec::new());
    }
    let output = succeed("ls-files", run(root, &[], &["ls-files", "--unmerged", "-z"], b"")?)?;
    let text = String::from_utf8_lossy(&output);
    let mut paths: Vec<_> =
        text.split('\0').filter_map(|line| line.split_once('\t')).map(|(_, path)| path.to_owned()).collect();
    paths.dedup();
    Ok(paths)
}

/// What git keeps or would keep of a work tree: tracked files, and others that it does not ignore. `None` outside of
/// one and without `git`.
///
/// # Errors
/// git failed; its own words are in the error.
pub fn files(root: &Path) -> io::Result<Option<Vec<String>>> {
    if prefix(root)?.is_none() {
        return Ok(None);
    }
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = succeed("ls-files", run(root, &[], &arguments, b"")?)?;
    Ok(Some(output.split(|byte| *byte == 0).filter_map(|path| str::from_utf8(path).ok()).map(str::to_owned).collect()))
}

/// Takes the sides of conflicts out of the index again: what is there is what the last commit has.
///
/// # Errors
/// git failed; its own words are in the error.
pub fn reset(root: &Path, paths: &[&str]) -> io::Result<()> {
    if paths.is_empty() || prefix(root)?.is_none() {
        return Ok(());
    }
    let mut arguments = vec!["--literal-pathspecs", "reset", "--quiet", "--"];
    arguments.extend(paths);
    succeed("reset", run(root, &[], &arguments, b"")?).map(drop)
}

/// Marks conflicts as settled.
///
/// # Errors
/// git failed; its own words are in the error.
pub fn add(root: &Path, paths: &[&str]) -> io::Result<()> {
    if paths.is_empty() || prefix(root)?.is_none() {
        return Ok(());
    }
    let mut arguments = vec!["--literal-pathspecs", "add", "--"];
    arguments.extend(paths);
    succeed("add", run(root, &[], &arguments, b"")?).map(drop)
}
