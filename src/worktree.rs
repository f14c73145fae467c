//! Reads what is on disk; changes nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::plan::SPEC_FILE;

/// Why a repository cannot be made at a path.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("`{}` exists and is not empty; choose another name, or `-C` another directory", .0.display())]
    NotEmpty(PathBuf),
    #[error("`{}` exists and is no directory; choose another name, or `-C` another directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("the directory `{}` does not exist; make it first", .0.display())]
    NoParent(PathBuf),
    #[error("cannot read `{}`: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
}

/// Whether a new repository may be made at `target`: nothing is there, or an empty directory.
///
/// # Errors
/// What stands in the way. A symbolic link does, wherever it leads.
pub fn check_vacant(target: &Path) -> Result<(), TargetError> {
    let parent = target.parent().unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(TargetError::NoParent(parent.to_owned()));
    }
    let unreadable = |error| TargetError::Unreadable { path: target.to_owned(), error };
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(error)),
        Ok(metadata) if !metadata.is_dir() => Err(TargetError::NotADirectory(target.to_owned())),
        Ok(_) => match fs::read_dir(target).map_err(unreadable)?.next() {
            None => Ok(()),
            Some(_) => Err(TargetError::NotEmpty(target.to_owned())),
        },
    }
}

/// The root of the git work tree that `directory` lies in, if any.
pub fn enclosing_git(directory: &Path) -> Option<PathBuf> {
    let directory = fs::canonicalize(directory).ok()?;
    directory.ancestors().find(|ancestor| ancestor.join(".git").exists()).map(Path::to_owned)
}

/// The root of the generated repository that `directory` lies in, if any.
pub fn enclosing_repository(directory: &Path) -> Option<PathBuf> {
    let directory = fs::canonicalize(directory).ok()?;
    directory.ancestors().find(|ancestor| ancestor.join(SPEC_FILE).is_file()).map(Path::to_owned)
}
