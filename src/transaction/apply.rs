//! A committed change reaches the working tree, or leaves it again. Both ways can be walked twice, and from wherever the
//! first walk ended.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::change::Guard;
use super::journal::{Journal, MANIFEST, State};
use super::owner::make_directory;
use super::{Arrival, At as _, CommitError, DIRECTORY, LAST, STAGED, recorded, sync};
use crate::git::{self, Unmerged};
use crate::plan::SIDECAR;
use crate::render::RelPath;
use crate::worktree::Found;

/// The name of the journal of a change that is being taken back.
pub(super) const BACK: &str = "back.json";

impl Guard<'_> {
    pub(super) fn staged(&self) -> PathBuf {
        self.tree.root().join(DIRECTORY).join(STAGED)
    }

    /// Makes a committed change whole; where the disk does not let us, takes it back.
    pub(super) fn complete(&self, journal: &Journal) -> Result<Arrival, CommitError> {
        match self.forward(journal) {
            Ok(mut arrival) => {
                arrival.warnings.extend(self.finish(journal));
                Ok(arrival)
            }
            Err(CommitError::Io { path, error }) => match self.back(journal) {
                Ok(_) => Err(CommitError::Io { path, error }),
                Err(_) => Err(CommitError::HalfMade { path, error }),
            },
            Err(error) => Err(error),
        }
    }

    /// Whether everything is still staged that has not arrived. It is not where somebody put files back by hand.
    pub(super) fn can_go_forward(&self, journal: &Journal) -> Result<bool, CommitError> {
        for (index, entry) in journal.entries.iter().enumerate() {
            let target = self.tree.absolute(&entry.path);
            let waits = entry.after.is_some() && entry.state(self.tree).at(&target)? == State::Before;
            if waits && !self.staged().join(format!("new-{index}")).exists() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves every staged file to where it belongs.
    fn forward(&self, journal: &Journal) -> Result<Arrival, CommitError> {
        let mut arrival = Arrival::default();
        sync(&[self.staged()]).at(&self.staged())?;
        for (index, entry) in journal.entries.iter().enumerate() {
            let target = self.tree.absolute(&entry.path);
            let new = self.staged().join(format!("new-{index}"));
            match (entry.state(self.tree).at(&target)?, &entry.after) {
                (State::After, _) => {}
                (State::Before, Some(_)) => {
                    self.make_parents(&target)?;
                    fs::rename(&new, &target).at(&target)?;
                }
                (State::Before, None) => self.remove(&target)?,
                // What arrived in an earlier attempt and was edited since needs no word.
                (State::Foreign, Some(_)) if !new.exists() => {}
                (State::Foreign, after) => {
                    let path = &entry.path;
                    let place = after.as_ref().map(|_| self.put_beside(&new, path)).transpose()?;
                    let remark = place.map_or(String::new(), |place| format!("; the new text is in `{place}`"));
                    arrival.warnings.push(format!("`{path}` was changed meanwhile and stays as it is{remark}"));
                    arrival.saved_meanwhile.push(path.clone());
                }
            }
        }
        self.sync_parents(journal)?;
        Ok(arrival)
    }

    /// Takes back what has arrived. From the first step on there is no other way but back.
    pub(super) fn back(&self, journal: &Journal) -> Result<Vec<String>, CommitError> {
        let staged = self.staged();
        move_if_there(&staged.join(MANIFEST), &staged.join(BACK)).at(&staged)?;
        sync(std::slice::from_ref(&staged)).at(&staged)?;
        let mut warnings = Vec::new();
        for (index, entry) in journal.entries.iter().enumerate() {
            let target = self.tree.absolute(&entry.path);
            match (entry.state(self.tree).at(&target)?, &entry.before) {
                (State::After, before) if *before != entry.after => match before {
                    Some(_) => {
                        self.make_parents(&target)?;
                        fs::rename(staged.join(format!("old-{index}")), &target).at(&target)?;
                    }
                    None => self.remove(&target)?,
                },
                (State::Before | State::After, _) => {}
                (State::Foreign, _) => {
                    warnings.push(format!("`{}` was changed meanwhile and stays as it is", entry.path));
                }
            }
        }
        self.sync_parents(journal)?;
        remove_directory(&staged).at(&staged)?;
        Ok(warnings)
    }

    /// Tells git of conflicts, and keeps the record for `appgen undo`. The tree is the new one whatever happens here.
    fn finish(&self, journal: &Journal) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Err(error) = git::mark_unmerged(self.tree.root(), &self.unmerged(journal)) {
            warnings.push(format!(
                "git does not know of the conflicts ({error}); the files have them: edit them, then run `appgen resolve`"
            ));
        }
        let directory = self.tree.root().join(DIRECTORY);
        let last = directory.join(LAST);
        let kept =
            remove_directory(&last).and_then(|()| fs::rename(self.staged(), &last)).and_then(|()| sync(&[directory]));
        if let Err(error) = kept {
            warnings.push(format!("`{}` cannot be replaced ({error}): see to the disk", last.display()));
        }
        warnings
    }

    fn unmerged(&self, journal: &Journal) -> Vec<Unmerged> {
        let staged = self.staged();
        let side = |name: &str, index: usize| {
            recorded(&staged.join(format!("{name}-{index}"))).ok().and_then(|bytes| String::from_utf8(bytes).ok())
        };
        let conflicts = journal.entries.iter().enumerate().filter(|(_, entry)| entry.conflict);
        conflicts
            .filter_map(|(index, entry)| {
                let (base, ours, next) = (side("base", index)?, side("old", index)?, side("next", index)?);
                let executable = entry.was_executable;
                Some(Unmerged { path: entry.path.to_string(), executable, base, ours, next })
            })
            .collect()
    }

    /// Puts a new text beside a file that is not ours any more; returns where it is.
    fn put_beside(&self, new: &Path, path: &RelPath) -> Result<String, CommitError> {
        let beside = format!("{path}{SIDECAR}");
        let target = self.tree.root().join(&beside);
        let rel = RelPath::parse(&beside).map_err(io::Error::other).at(&target)?;
        if self.tree.find(&rel).at(&target)? != Found::Nothing {
            let name = new.file_name().unwrap_or_default().to_string_lossy();
            return Ok(format!("{DIRECTORY}/{LAST}/{name}"));
        }
        self.make_parents(&target)?;
        fs::rename(new, &target).at(&target)?;
        Ok(beside)
    }

    /// Makes the directories that a file needs.
    fn make_parents(&self, target: &Path) -> Result<(), CommitError> {
        let missing: Vec<_> = target.ancestors().skip(1).take_while(|directory| !directory.exists()).collect();
        missing.into_iter().rev().try_for_each(|directory| make_directory(self.tree.root(), directory).at(directory))
    }

    /// Removes a file, and the directories that it leaves empty, as git would.
    fn remove(&self, target: &Path) -> Result<(), CommitError> {
        match fs::remove_file(target) {
            // Somebody else was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => done.at(target)?,
        }
        let inside = |directory: &&Path| *directory != self.tree.root();
        for directory in target.ancestors().skip(1).take_while(inside) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Waits until every name that came or went is on the disk.
    fn sync_parents(&self, journal: &Journal) -> Result<(), CommitError> {
        let root = self.tree.root();
        let mut directories = BTreeSet::from([root.to_owned()]);
        for entry in &journal.entries {
            let target = self.tree.absolute(&entry.path);
            let parents = target.ancestors().skip(1).take_while(|directory| *directory != root);
            // A deletion may have taken the directory along.
            directories.extend(parents.filter(|directory| directory.is_dir()).map(Path::to_owned));
        }
        let directories: Vec<_> = directories.into_iter().collect();
        sync(&directories).at(root)
    }
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
