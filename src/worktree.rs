//! Reads what is on disk; changes nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::render::RelPath;
use crate::spec::SPEC_FILE;

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

/// A generated repository on disk.
#[derive(Debug)]
pub struct Worktree {
    root: PathBuf,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    File(Vec<u8>),
    /// A directory, a symbolic link or what else appgen does not write through; as a phrase.
    Other(&'static str),
}

impl Worktree {
    /// The repository that `directory` lies in.
    pub fn enclosing(directory: &Path) -> Option<Self> {
        let directory = fs::canonicalize(directory).ok()?;
        let root = directory.ancestors().find(|ancestor| ancestor.join(SPEC_FILE).symlink_metadata().is_ok())?;
        Some(Self { root: root.to_owned() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn absolute(&self, path: &RelPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    /// # Errors
    /// The path cannot be read; the error names it.
    pub fn read(&self, path: &RelPath) -> io::Result<Found> {
        self.find(path).map_err(|error| io::Error::new(error.kind(), format!("cannot read `{path}`: {error}")))
    }

    /// The same for who adds the path to the error himself.
    ///
    /// # Errors
    /// The path cannot be read.
    pub fn find(&self, path: &RelPath) -> io::Result<Found> {
        let at = self.absolute(path);
        let parents: Vec<_> = at.ancestors().skip(1).take_while(|parent| *parent != self.root).collect();
        for parent in parents.into_iter().rev() {
            match look(parent)? {
                None => return Ok(Found::Nothing),
                Some(kind) if kind.is_symlink() => return Ok(Found::Other("behind a symbolic link")),
                Some(kind) if !kind.is_dir() => return Ok(Found::Other("below a file that is no directory")),
                Some(_) => {}
            }
        }
        match look(&at)? {
            None => Ok(Found::Nothing),
            Some(kind) if kind.is_symlink() => Ok(Found::Other("a symbolic link")),
            Some(kind) if kind.is_dir() => Ok(Found::Other("a directory")),
            Some(kind) if !kind.is_file() => Ok(Found::Other("no regular file")),
            Some(_) => match fs::read(&at) {
                // Gone since we looked.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
                read => read.map(Found::File),
            },
        }
    }
}

/// What kind of thing is at a path; links are not followed.
fn look(path: &Path) -> io::Result<Option<fs::FileType>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.file_type())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Directories that hold no source of the user's.
const NOT_SOURCES: &[&str] = &[".git", ".appgen", "target", "node_modules", "vendor"];
/// Files that programs write.
const NOT_WRITTEN_BY_HAND: &[&str] = &["appgen.yaml", "appgen.lock", "Cargo.lock"];

impl Worktree {
    /// Files that the user may have written: what may name a part of the service. What cannot be read is none of them.
    pub fn sources(&self) -> Vec<RelPath> {
        let wanted = |entry: &walkdir::DirEntry| {
            let names = if entry.file_type().is_dir() { NOT_SOURCES } else { NOT_WRITTEN_BY_HAND };
            !names.iter().any(|name| entry.file_name() == *name)
        };
        let mut found = Vec::new();
        for entry in walkdir::WalkDir::new(&self.root).sort_by_file_name().into_iter().filter_entry(wanted).flatten() {
            let relative = entry.path().strip_prefix(&self.root).ok().and_then(Path::to_str);
            if entry.file_type().is_file()
                && let Some(path) = relative.and_then(|path| RelPath::parse(path).ok())
            {
                found.push(path);
            }
        }
        found
    }
}
