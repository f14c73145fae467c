//! A change of an existing repository. Everything is staged below `.appgen/txn/staged`; renaming the manifest into
//! place is the commit point; then the files are moved to where they belong. What was there before stays in
//! `.appgen/txn/last` until the next change: `appgen undo` takes it from there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::apply::{BACK, remove_directory};
use super::journal::{Entry, Journal, MANIFEST};
use super::owner::{give, make_directory, resemble};
use super::{Arrival, At as _, CommitError, DIRECTORY, LAST, STAGED, sync};
use crate::plan::{Change, Plan};
use crate::render::RelPath;
use crate::worktree::Worktree;

/// What keeps our records out of the user's commits.
const IGNORE: &[u8] = b"*\n";

/// The right to change a repository. Only one process has it.
#[derive(Debug)]
pub struct Guard<'a> {
    pub(super) tree: &'a Worktree,
    _lock: File,
}

impl<'a> Guard<'a> {
    /// Takes the right to change the repository, and completes or drops what an interrupted run left. Returns what is
    /// to be said about that.
    ///
    /// # Errors
    /// Another process has it and does not give it back soon, or the directory cannot be written.
    pub fn acquire(tree: &'a Worktree) -> Result<(Self, Vec<String>), CommitError> {
        let directory = tree.root().join(DIRECTORY);
        let (ignore, path) = (directory.join(".gitignore"), directory.join("lock"));
        let (staged, last) = (directory.join(STAGED), directory.join(LAST));
        for path in [&tree.root().join(".appgen"), &directory, &ignore, &path, &staged, &last] {
            if path.is_symlink() {
                return Err(CommitError::Link(path.clone()));
            }
        }
        for directory in [&tree.root().join(".appgen"), &directory] {
            make_directory(tree.root(), directory).at(directory)?;
        }
        let open = OpenOptions::new().create(true).append(true).open(&path);
        let lock = open.and_then(|lock| give(tree.root(), &lock).map(|()| lock)).at(&path)?;
        let locked = patiently(TURN, || match lock.try_lock() {
            Err(TryLockError::WouldBlock) => None,
            done => Some(done),
        });
        match locked {
            Some(Ok(())) => {}
            Some(Err(TryLockError::Error(error))) => return Err(CommitError::Io { path, error }),
            None | Some(Err(TryLockError::WouldBlock)) => return Err(CommitError::Busy(tree.root().to_owned())),
        }
        // Whoever was killed here left a part of it.
        if fs::read(&ignore).ok().as_deref() != Some(IGNORE) {
            let write = File::create(&ignore).and_then(|mut file| {
                file.write_all(IGNORE)?;
                give(tree.root(), &file)
            });
            write.at(&ignore)?;
        }
        let guard = Self { tree, _lock: lock };
        let said = guard.recover()?;
        Ok((guard, said))
    }

    /// Completes a committed change, or takes it back where that cannot be; drops one that was not committed.
    fn recover(&self) -> Result<Vec<String>, CommitError> {
        let staged = self.staged();
        if let Some(journal) = Journal::read(&staged.join(BACK))? {
            let warnings = self.back(&journal)?;
            let first = format!("took back `appgen {}`, which had failed halfway", journal.command);
            return Ok([vec![first], warnings].concat());
        }
        let Some(journal) = Journal::read(&staged.join(MANIFEST))? else {
            remove_directory(&staged).at(&staged)?;
            return Ok(Vec::new());
        };
        let (first, warnings) = if self.can_go_forward(&journal)? {
            let first = format!("completed a change of {} files that was interrupted", journal.entries.len());
            (first, self.complete(&journal)?.warnings)
        } else {
            let first = format!(
                "took back `appgen {}`, which was interrupted: files of it had been put back by hand",
                journal.command
            );
            (first, self.back(&journal)?)
        };
        Ok([vec![first], warnings].concat())
    }
}

/// Makes a change. When it returns, the change is on the disk, or nothing was changed.
///
/// # Errors
/// Nothing was changed, or the error says otherwise.
pub fn commit(guard: &Guard<'_>, command: &str, plan: &Plan) -> Result<Arrival, CommitError> {
    let staged = guard.staged();
    make_directory(guard.tree.root(), &staged).at(&staged)?;
    let staging = stage(guard, command, plan).and_then(|journal| {
        fs::rename(staged.join("manifest.new"), staged.join(MANIFEST)).at(&staged)?;
        Ok(journal)
    });
    let journal = staging.inspect_err(|_| {
        // The error that led here matters more; the next run drops what stays.
        let _ = fs::remove_dir_all(&staged);
    })?;
    guard.complete(&journal)
}

/// Writes everything that the commit point needs.
pub(super) fn stage(guard: &Guard<'_>, command: &str, plan: &Plan) -> Result<Journal, CommitError> {
    let mut staging = Staging { guard, written: Vec::new() };
    let mut entries = Vec::new();
    for (index, change) in plan.written().enumerate() {
        let was_executable = staging.put(index, change)?;
        entries.push(Entry::new(change, was_executable));
    }
    let journal = Journal::new(command, entries);
    let manifest = serde_json::to_vec(&journal).map_err(io::Error::from).at(&guard.staged())?;
    staging.write("manifest.new", &manifest, 0o666, None)?;
    let (staged, root) = (guard.staged(), guard.tree.root());
    let directory = root.join(DIRECTORY);
    staging.written.extend([staged.clone(), directory, root.join(".appgen"), root.to_owned()]);
    sync(&staging.written).at(&staged)?;
    for entry in &journal.entries {
        if !entry.is_untouched(guard.tree).at(&guard.tree.absolute(&entry.path))? {
            return Err(CommitError::ChangedMeanwhile(entry.path.clone()));
        }
    }
    Ok(journal)
}

struct Staging<'a> {
    guard: &'a Guard<'a>,
    /// What must be on the disk before the commit point.
    written: Vec<PathBuf>,
}

impl Staging<'_> {
    /// Stages one change; returns whether the file is executable now.
    fn put(&mut self, index: usize, change: &Change) -> Result<bool, CommitError> {
        let metadata = |path: &RelPath| fs::symlink_metadata(self.guard.tree.absolute(path)).ok();
        let there = metadata(&change.path);
        let like = there.clone().or_else(|| metadata(change.like.as_ref()?));
        let mode = if change.executable { 0o777 } else { 0o666 };
        if let Some(ours) = &change.ours {
            // What the user keeps from others is not copied for them to read.
            self.write(&format!("old-{index}"), ours, mode, there.as_ref())?;
        }
        if let Some(text) = &change.text {
            self.write(&format!("new-{index}"), text.as_bytes(), mode, like.as_ref())?;
        }
        if let Some((base, next)) = &change.sides {
            self.write(&format!("base-{index}"), base.as_bytes(), mode, None)?;
            self.write(&format!("next-{index}"), next.as_bytes(), mode, None)?;
        }
        Ok(there.is_some_and(|metadata| metadata.permissions().mode() & 0o111 != 0))
    }

    /// Writes a staged file. It gets owner and mode of the file whose place it will take; of the repository's owner
    /// where none is there.
    fn write(&mut self, name: &str, bytes: &[u8], mode: u32, like: Option<&fs::Metadata>) -> Result<(), CommitError> {
        let path = self.guard.staged().join(name);
        let mode = if like.is_some() { 0o600 } else { mode };
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            file.write_all(bytes)?;
            match like {
                Some(there) => resemble(there, &file),
                None => give(self.guard.tree.root(), &file),
            }
        };
        write().at(&path)?;
        self.written.push(path);
        Ok(())
    }
}

/// How long one waits for the right to change a repository. A change takes some milliseconds; who has the right for longer
/// is waiting for his user's answer.
const TURN: Duration = Duration::from_secs(1);

/// How long a reader waits for a change to arrive: a disk may be slow.
pub(super) const ARRIVAL: Duration = Duration::from_secs(10);

/// Asks until there is an answer, or patience ends.
fn patiently<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > patience {
            return answer;
        }
        sleep(Duration::from_millis(5));
    }
}

/// Whether a change was committed and then interrupted: the next changing command completes it.
pub fn is_interrupted(tree: &Worktree) -> bool {
    let staged = tree.root().join(DIRECTORY).join(STAGED);
    staged.join(MANIFEST).exists() || staged.join(BACK).exists()
}

/// Reads a repository as it is between two changes: waits for one that another appgen is making, and reads again where
/// one was made meanwhile.
pub fn undisturbed<T>(tree: &Worktree, mut read: impl FnMut() -> T) -> T {
    let mut before = last_change(tree);
    loop {
        let found = read();
        let after = last_change(tree);
        if before == after {
            return found;
        }
        before = after;
    }
}

/// Which change is the last that was made: file and time of its journal.
fn last_change(tree: &Worktree) -> Option<(u64, i64, i64)> {
    let directory = tree.root().join(DIRECTORY);
    // Who is not done after that long is no reason to say nothing.
    patiently(ARRIVAL, || (!directory.join(STAGED).exists() || !is_held(&directory.join("lock"))).then_some(()));
    let journal = fs::metadata(directory.join(LAST).join(MANIFEST)).ok()?;
    Some((journal.ino(), journal.mtime(), journal.mtime_nsec()))
}

/// Whether a process has the lock. It is asked for with a lock that readers share, for a moment.
fn is_held(lock: &Path) -> bool {
    let is_file = fs::symlink_metadata(lock).is_ok_and(|found| found.is_file());
    is_file && File::open(lock).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
