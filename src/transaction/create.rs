//! A new repository is written whole into a sibling directory and appears with one rename: whoever kills us leaves the
//! target absent or complete.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::sync;
use crate::git::{self, Git};
use crate::plan::Plan;

/// How a sibling directory starts that a killed `new` may leave behind.
const STAGING_PREFIX: &str = ".appgen-new-";

/// Makes a repository at `target`, which must be absent or an empty directory. With a `commit` message it is under
/// version control from the start.
///
/// # Errors
/// Nothing is at `target` then, unless somebody else put it there.
pub fn create(target: &Path, plan: &Plan, commit: Option<&str>) -> io::Result<Option<Git>> {
    let parent = target.parent().unwrap_or(Path::new("."));
    sweep(parent);
    let staging = Staging::new(parent, target)?;
    let blobs = plan
        .changes
        .iter()
        .map(|change| (change.path.as_str(), change.text.as_deref().unwrap_or_default(), change.executable));
    let (git, paths) = both(
        || commit.map(|message| git::commit(&staging.path, message, blobs)).transpose(),
        || write_files(&staging.path, plan),
    );
    // Where both fail, the file system's own word is the plainer one.
    let (paths, git) = (paths?, git?);
    // The index needs what was written, not that it has reached the disk.
    let (indexed, synced) =
        both(|| if git == Some(Git::Committed) { git::index(&staging.path) } else { Ok(()) }, || sync(&paths));
    indexed.and(synced)?;
    File::open(&staging.path)?.sync_all()?;
    fs::rename(&staging.path, target)?;
    staging.done();
    File::open(parent)?.sync_all()?;
    Ok(git)
}

/// Runs `first` on a thread of its own, beside `second`.
fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), second)
    })
}

/// A directory beside the target that is removed again unless it became the target. It is locked while its owner
/// lives, so that another `new` can tell it from one that was left behind.
pub(super) struct Staging {
    pub(super) path: PathBuf,
    lock: File,
    finished: bool,
}

impl Staging {
    pub(super) fn new(parent: &Path, target: &Path) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        for attempt in 0..1000 {
            let path = parent.join(format!("{STAGING_PREFIX}{name}-{}-{attempt}", std::process::id()));
            match DirBuilder::new().create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            // Between these two steps another `new` may have swept the directory away.
            let Ok(lock) = File::open(&path) else { continue };
            let same = |lock: &File| {
                let (ours, there) = (lock.metadata().ok()?, fs::symlink_metadata(&path).ok()?);
                Some(ours.ino() == there.ino() && ours.dev() == there.dev())
            };
            // Where the file system knows no locks, nobody can take the directory for one that was left behind.
            let free = !matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
            if free && same(&lock) == Some(true) {
                return Ok(Self { path, lock, finished: false });
            }
        }
        Err(io::Error::other("no name was free for a temporary directory"))
    }

    /// It became the target. What has its name from now on is somebody else's.
    pub(super) fn done(mut self) {
        self.finished = true;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.finished {
            // What stays behind is removed by the next `new`; the error that led here matters more.
            let _ = fs::remove_dir_all(&self.path);
        }
        let _ = self.lock.unlock();
    }
}

/// Removes what killed runs left in `parent`. What is locked belongs to one that lives.
pub(super) fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let stale = entry.file_name().to_string_lossy().starts_with(STAGING_PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if stale
            && let Ok(directory) = File::open(entry.path())
            && directory.try_lock().is_ok()
        {
            // A git whose appgen was killed may still be writing, for some milliseconds. A directory that cannot be
            // removed is in nobody's way.
            for _ in 0..20 {
                match fs::remove_dir_all(entry.path()) {
                    Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => sleep(Duration::from_millis(5)),
                    _ => break,
                }
            }
        }
    }
}

/// Writes every file; returns their paths and those of the directories below `root` that hold them.
fn write_files(root: &Path, plan: &Plan) -> io::Result<Vec<PathBuf>> {
    let mut directories = BTreeSet::new();
    for change in &plan.changes {
        let path = root.join(change.path.as_str());
        for directory in path.ancestors().skip(1).take_while(|directory| *directory != root) {
            directories.insert(directory.to_owned());
        }
    }
    // Sorted, a directory stands before what is in it.
    for directory in &directories {
        DirBuilder::new().create(directory)?;
    }
    let mut files = Vec::new();
    for change in &plan.changes {
        let mode = if change.executable { 0o777 } else { 0o666 };
        let path = root.join(change.path.as_str());
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?
            .write_all(change.text.as_deref().unwrap_or_default().as_bytes())?;
        files.push(path);
    }
    files.extend(directories);
    Ok(files)
}
