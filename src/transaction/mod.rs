//! The only module that changes the disk. Whoever kills us at any moment leaves the old tree, or one that the next
//! changing command completes: never one between. A disk that fails us leaves the old tree.
#![allow(clippy::disallowed_methods, reason = "this is the module that may")]

mod apply;
mod change;
mod create;
mod journal;
mod owner;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub use change::{Guard, commit, is_interrupted, undisturbed};
pub use create::create;
pub use journal::{Journal, before, kept, last};

use crate::render::RelPath;

/// How a change arrived.
#[derive(Debug, Default)]
pub struct Arrival {
    pub warnings: Vec<String>,
    /// Files that somebody saved after the commit point. They stay as they are, and the change to them is still to be made.
    pub saved_meanwhile: Vec<RelPath>,
}

/// Where changes are staged and recorded.
const DIRECTORY: &str = ".appgen/txn";
const STAGED: &str = "staged";
const LAST: &str = "last";

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("another appgen is at work in `{}`; try again when it is done", .0.display())]
    Busy(PathBuf),
    #[error("`{0}` changed while the change was being prepared; nothing was written: run the command again")]
    ChangedMeanwhile(RelPath),
    #[error("`{}` is a symbolic link, and appgen would follow it out of the repository: remove it", .0.display())]
    Link(PathBuf),
    #[error("cannot write to `{}`: {error}; nothing was changed: {}", path.display(), advice(error))]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "cannot write to `{}`: {error}; the change is half made: {}, and `appgen sync` takes it back",
        path.display(),
        advice(error)
    )]
    HalfMade { path: PathBuf, error: io::Error },
    #[error(
        "`{}` cannot be read ({error}): another version of appgen wrote it, or it is damaged. Run that version once, or \
         remove `{}`; the texts from before and after its change are in there",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    Journal { path: PathBuf, error: String },
}

/// What to do about a disk that cannot be written.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk",
        ErrorKind::ReadOnlyFilesystem => "mount it so that it can be written",
        ErrorKind::PermissionDenied => "run appgen as the one who owns it",
        _ => "see to the disk",
    }
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

/// Reads what was recorded. A link would lead to a file that is nobody's to copy into the repository.
fn recorded(path: &Path) -> io::Result<Vec<u8>> {
    if path.is_symlink() {
        return Err(io::Error::other(format!("`{}` is a symbolic link", path.display())));
    }
    fs::read(path)
}

/// Waits until files or directories are on the disk.
fn sync(paths: &[PathBuf]) -> io::Result<()> {
    paths.iter().try_for_each(|path| File::open(path)?.sync_all())
}

#[cfg(test)]
mod tests;
