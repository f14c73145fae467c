//! A change of an existing repository. Everything is staged below `.appgen/txn/staged`; renaming the manifest into
//! place is the commit point; then the files are moved to where they belong. What was there before stays in
//! `.appgen/txn/last` until the next change: `appgen undo` takes it from there.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::create::sync;
use crate::git::{self, Unmerged};
use crate::lock::sha256;
use crate::plan::{Plan, SIDECAR};
use crate::render::RelPath;
use crate::worktree::{Found, Worktree};

const DIRECTORY: &str = ".appgen/txn";
const MANIFEST: &str = "manifest.json";

/// Why a change was not made, or not made whole.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("another appgen is at work in `{}`; try again when it is done", .0.display())]
    Busy(PathBuf),
    #[error("`{0}` changed while the change was being prepared; nothing was written: run the command again")]
    ChangedMeanwhile(RelPath),
    #[error("cannot write to `{}`: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// Attaches the path to an error of the file system.
trait At<T> {
    fn at(self, path: &Path) -> Result<T, CommitError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, CommitError> {
        self.map_err(|error| CommitError::Io { path: path.to_owned(), error })
    }
}

/// The right to change a repository. Only one process has it.
#[derive(Debug)]
pub struct Guard<'a> {
    tree: &'a Worktree,
    _lock: File,
}

/// What [`Guard::acquire`] found of an earlier run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Files of a change that was committed and then interrupted.
    pub paths: Vec<RelPath>,
    pub warnings: Vec<String>,
}

/// What is recorded of a change.
#[derive(Debug, Serialize, Deserialize)]
pub struct Journal {
    /// The command that made it.
    pub command: String,
    pub entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Entry {
    pub path: RelPath,
    /// SHA-256 of what was there; none where nothing was.
    pub before: Option<String>,
    /// SHA-256 of what is there afterwards; none where nothing is.
    pub after: Option<String>,
    /// Whether what was there was executable.
    pub was_executable: bool,
    /// Whether git's index gets the three sides of a conflict.
    pub conflict: bool,
}

impl<'a> Guard<'a> {
    /// Takes the right to change the repository, and completes or drops what an interrupted run left.
    ///
    /// # Errors
    /// Another process has it, or the directory cannot be written.
    pub fn acquire(tree: &'a Worktree) -> Result<(Self, Finished), CommitError> {
        let directory = tree.root().join(DIRECTORY);
        DirBuilder::new().recursive(true).create(&directory).at(&directory)?;
        let ignore = directory.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").at(&ignore)?;
        }
        let path = directory.join("lock");
        let lock = OpenOptions::new().create(true).append(true).open(&path).at(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CommitError::Busy(tree.root().to_owned())),
            Err(TryLockError::Error(error)) => return Err(CommitError::Io { path, error }),
        }
        let guard = Self { tree, _lock: lock };
        let finished = guard.recover()?;
        Ok((guard, finished))
    }

    fn staged(&self) -> PathBuf {
        self.tree.root().join(DIRECTORY).join("staged")
    }

    /// Completes a committed change; drops one that was not committed.
    fn recover(&self) -> Result<Finished, CommitError> {
        let staged = self.staged();
        match read_journal(&staged).at(&staged)? {
            Some(journal) => {
                let warnings = self.apply(&journal)?;
                Ok(Finished { paths: journal.entries.into_iter().map(|entry| entry.path).collect(), warnings })
            }
            None => {
                remove_directory(&staged).at(&staged)?;
                Ok(Finished::default())
            }
        }
    }

    /// Moves every staged file to where it belongs. Running it twice is running it once.
    fn apply(&self, journal: &Journal) -> Result<Vec<String>, CommitError> {
        let (root, staged) = (self.tree.root(), self.staged());
        let mut warnings = Vec::new();
        let mut directories = vec![root.to_owned()];
        for (index, entry) in journal.entries.iter().enumerate() {
            let target = self.tree.absolute(&entry.path);
            let now = hash_of(self.tree, &entry.path).at(&target)?;
            if now != entry.after && now != entry.before {
                // Somebody saved the file after the commit point. His text stays; ours goes beside it.
                if entry.after.is_some() {
                    let beside = root.join(format!("{}{SIDECAR}", entry.path));
                    move_if_there(&staged.join(format!("new-{index}")), &beside).at(&beside)?;
                }
                warnings
                    .push(format!("`{}` was changed meanwhile and stays; see `{}{SIDECAR}`", entry.path, entry.path));
                continue;
            }
            let parent = target.parent().unwrap_or(root).to_owned();
            if entry.after.is_some() {
                DirBuilder::new().recursive(true).create(&parent).at(&parent)?;
                if now != entry.after {
                    move_if_there(&staged.join(format!("new-{index}")), &target).at(&target)?;
                }
            } else if now.is_some() {
                fs::remove_file(&target).at(&target)?;
                remove_empty_parents(root, &parent);
            }
            directories.push(parent);
        }
        directories.sort();
        directories.dedup();
        // A later deletion may have emptied a directory, which is gone then.
        directories.retain(|directory| directory.is_dir());
        sync(&directories).at(root)?;
        warnings.extend(self.mark_unmerged(journal));
        let last = root.join(DIRECTORY).join("last");
        remove_directory(&last).at(&last)?;
        fs::rename(&staged, &last).at(&last)?;
        Ok(warnings)
    }

    /// Tells git of the conflicts. That it cannot be told is no reason to stop.
    fn mark_unmerged(&self, journal: &Journal) -> Vec<String> {
        let staged = self.staged();
        let side = |name: &str, index: usize| fs::read_to_string(staged.join(format!("{name}-{index}"))).ok();
        let mut unmerged = Vec::new();
        for (index, entry) in journal.entries.iter().enumerate().filter(|(_, entry)| entry.conflict) {
            if let (Some(base), Some(ours), Some(next)) = (side("base", index), side("old", index), side("next", index))
            {
                let executable = entry.was_executable;
                unmerged.push(Unmerged { path: entry.path.to_string(), executable, base, ours, next });
            }
        }
        match git::mark_unmerged(self.tree.root(), &unmerged) {
            Ok(()) => Vec::new(),
            Err(error) => vec![format!("git does not know of the conflicts: {error}")],
        }
    }
}

/// Makes a change. When it returns, the change is on the disk.
///
/// # Errors
/// Before the commit point: nothing was changed. After it: the next changing command completes it.
pub fn commit(guard: &Guard<'_>, command: &str, plan: &Plan) -> Result<Vec<String>, CommitError> {
    let staged = guard.staged();
    DirBuilder::new().create(&staged).at(&staged)?;
    let journal = stage(guard, command, plan).inspect_err(|_| {
        // The error that led here matters more; the next run drops what stays.
        let _ = fs::remove_dir_all(&staged);
    })?;
    fs::rename(staged.join("manifest.new"), staged.join(MANIFEST)).at(&staged)?;
    sync(std::slice::from_ref(&staged)).at(&staged)?;
    guard.apply(&journal)
}

/// Writes everything that the commit point needs.
fn stage(guard: &Guard<'_>, command: &str, plan: &Plan) -> Result<Journal, CommitError> {
    let staged = guard.staged();
    let mut entries = Vec::new();
    let mut written = Vec::new();
    for (index, change) in plan.written().enumerate() {
        let target = guard.tree.absolute(&change.path);
        let mut put = |name: &str, bytes: &[u8], permissions: Option<Permissions>| {
            let path = staged.join(format!("{name}-{index}"));
            let mode = if change.executable { 0o777 } else { 0o666 };
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            file.write_all(bytes)?;
            if let Some(permissions) = permissions {
                file.set_permissions(permissions)?;
            }
            written.push(path);
            Ok::<(), io::Error>(())
        };
        let permissions = fs::metadata(&target).ok().map(|metadata| metadata.permissions());
        let was_executable = permissions.as_ref().is_some_and(|permissions| permissions.mode() & 0o111 != 0);
        if let Some(ours) = &change.ours {
            put("old", ours, None).at(&staged)?;
        }
        if let Some(text) = &change.text {
            put("new", text.as_bytes(), permissions).at(&staged)?;
        }
        if let Some((base, next)) = &change.sides {
            put("base", base.as_bytes(), None).at(&staged)?;
            put("next", next.as_bytes(), None).at(&staged)?;
        }
        entries.push(Entry {
            path: change.path.clone(),
            before: change.ours.as_deref().map(sha256),
            after: change.text.as_ref().map(|text| sha256(text.as_bytes())),
            was_executable,
            conflict: change.sides.is_some(),
        });
    }
    let journal = Journal { command: command.to_owned(), entries };
    let manifest = staged.join("manifest.new");
    fs::write(&manifest, serde_json::to_vec(&journal).map_err(io::Error::from).at(&manifest)?).at(&manifest)?;
    written.extend([manifest, staged.clone()]);
    sync(&written).at(&staged)?;
    for entry in &journal.entries {
        if hash_of(guard.tree, &entry.path).at(&guard.tree.absolute(&entry.path))? != entry.before {
            return Err(CommitError::ChangedMeanwhile(entry.path.clone()));
        }
    }
    Ok(journal)
}

/// What each file of a journal held before; none where nothing was.
pub(super) type Before = Vec<Option<Vec<u8>>>;

/// The last change that was made, with what each file held before it.
///
/// # Errors
/// The journal cannot be read.
pub fn journal(tree: &Worktree) -> io::Result<Option<(Journal, Before)>> {
    let last = tree.root().join(DIRECTORY).join("last");
    let Some(journal) = read_journal(&last)? else { return Ok(None) };
    let mut before = Vec::new();
    for (index, entry) in journal.entries.iter().enumerate() {
        let bytes = entry.before.as_ref().map(|_| fs::read(last.join(format!("old-{index}"))));
        before.push(bytes.transpose()?);
    }
    Ok(Some((journal, before)))
}

/// Whether a change was committed and then interrupted: the next changing command completes it.
pub fn is_interrupted(tree: &Worktree) -> bool {
    tree.root().join(DIRECTORY).join("staged").join(MANIFEST).exists()
}

fn read_journal(directory: &Path) -> io::Result<Option<Journal>> {
    match fs::read(directory.join(MANIFEST)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn hash_of(tree: &Worktree, path: &RelPath) -> io::Result<Option<String>> {
    match tree.read(path)? {
        Found::Nothing => Ok(None),
        Found::File(bytes) => Ok(Some(sha256(&bytes))),
        Found::Other(what) => Err(io::Error::other(format!("it is {what}"))),
    }
}

/// A file that is no longer staged has arrived in an earlier attempt.
fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound && !from.exists() => Ok(()),
        done => done,
    }
}

fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Directories that a deletion left empty go too, as git would have it.
fn remove_empty_parents(root: &Path, parent: &Path) {
    for directory in parent.ancestors().take_while(|directory| *directory != root) {
        if fs::remove_dir(directory).is_err() {
            return;
        }
    }
}
