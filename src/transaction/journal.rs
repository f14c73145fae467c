//! What is recorded of a change: enough to complete it, and to take it back.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CommitError, DIRECTORY, LAST, recorded};
use crate::lock::sha256;
use crate::plan::Change;
use crate::render::RelPath;
use crate::worktree::{Found, Worktree};

/// The format of a journal that this version reads and writes.
const FORMAT: u32 = 1;

/// The name of a journal that is committed.
pub(super) const MANIFEST: &str = "manifest.json";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    format: u32,
    /// The command that made the change.
    pub command: String,
    pub entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// How a file of a journal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Before,
    After,
    /// Somebody else has been at it.
    Foreign,
}

impl Entry {
    pub(super) fn new(change: &Change, was_executable: bool) -> Self {
        Self {
            path: change.path.clone(),
            before: change.ours.as_deref().map(sha256),
            after: change.text.as_ref().map(|text| sha256(text.as_bytes())),
            was_executable,
            conflict: change.sides.is_some(),
        }
    }

    pub(super) fn state(&self, tree: &Worktree) -> io::Result<State> {
        let now = match tree.find(&self.path)? {
            Found::Nothing => None,
            Found::File(bytes) => Some(sha256(&bytes)),
            Found::Other(_) => return Ok(State::Foreign),
        };
        Ok(match now {
            now if now == self.after => State::After,
            now if now == self.before => State::Before,
            _ => State::Foreign,
        })
    }

    /// Whether nothing has touched the file since it was read.
    pub(super) fn is_untouched(&self, tree: &Worktree) -> io::Result<bool> {
        Ok(match self.state(tree)? {
            State::Before => true,
            State::After => self.before == self.after,
            State::Foreign => false,
        })
    }
}

impl Journal {
    pub(super) fn new(command: &str, entries: Vec<Entry>) -> Self {
        Self { format: FORMAT, command: command.to_owned(), entries }
    }

    /// The journal at `path`, if one is there.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, CommitError> {
        let strange =
            |error: String| CommitError::Journal { path: path.to_owned(), error: error.trim_end().to_owned() };
        let bytes = match recorded(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(strange(error.to_string())),
        };
        let journal: Self = serde_json::from_slice(&bytes).map_err(|error| strange(error.to_string()))?;
        if journal.format != FORMAT {
            return Err(strange(format!("format {}", journal.format)));
        }
        Ok(Some(journal))
    }
}

/// The last change that was made.
///
/// # Errors
/// The journal cannot be read.
pub fn last(tree: &Worktree) -> Result<Option<Journal>, CommitError> {
    Journal::read(&last_path(tree).join(MANIFEST))
}

/// What each file of the last change held before; none where nothing was.
///
/// # Errors
/// A text that was kept cannot be read.
pub fn before(tree: &Worktree, journal: &Journal) -> Result<Vec<Option<Vec<u8>>>, CommitError> {
    let path = last_path(tree).join(MANIFEST);
    let read = |(index, entry): (usize, &Entry)| {
        entry.before.as_ref().map(|_| recorded(&tree.root().join(kept(index)))).transpose()
    };
    let texts: Result<_, _> = journal.entries.iter().enumerate().map(read).collect();
    texts.map_err(|error: io::Error| CommitError::Journal { path, error: error.to_string() })
}

/// Where the text of one entry of the last change is kept that was there before it.
pub fn kept(index: usize) -> String {
    format!("{DIRECTORY}/{LAST}/old-{index}")
}

fn last_path(tree: &Worktree) -> PathBuf {
    tree.root().join(DIRECTORY).join(LAST)
}
