//! What is recorded of a change: enough to complete it, and to take it back.

use std::io::{self, ErrorKind};
use std::path::Path;

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
        let now = match tree.read(&self.path)? {
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

/// What each file of a journal held before; none where nothing was.
pub(super) type Before = Vec<Option<Vec<u8>>>;

/// The last change that was made, with what each file held before it.
///
/// # Errors
/// The journal cannot be read.
pub fn journal(tree: &Worktree) -> Result<Option<(Journal, Before)>, CommitError> {
    let last = tree.root().join(DIRECTORY).join(LAST);
    let path = last.join(MANIFEST);
    let Some(journal) = Journal::read(&path)? else { return Ok(None) };
    let mut before = Vec::new();
    for (index, entry) in journal.entries.iter().enumerate() {
        let bytes = entry.before.as_ref().map(|_| recorded(&last.join(format!("old-{index}"))));
        let bytes =
            bytes.transpose().map_err(|error| CommitError::Journal { path: path.clone(), error: error.to_string() });
        before.push(bytes?);
    }
    Ok(Some((journal, before)))
}
