//! What a command will do, decided before anything is written: the same list is shown by `--dry-run` and applied by the
//! transaction. Every file is decided from three texts: what the applied spec renders (base), what the desired spec
//! renders (next), and what is on disk (ours).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::lock::{Lock, Written, sha256};
use crate::merge::shape::Shape;
use crate::merge::{self, Merged, Sides};
use crate::render::{Difference, Files, RelPath, RenderError, Rendered, render};
use crate::spec::{SPEC_FILE, Spec};
use crate::templates::{Class, TemplateSet};
use crate::worktree::{Found, Worktree};

pub const LOCK_FILE: &str = "appgen.lock";

/// What is appended to the path of a file beside which new text is put.
pub const SIDECAR: &str = ".appgen-new";

/// What happens to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Update,
    Delete,
    /// Conflict markers are written.
    Conflict,
    /// The new text is put beside a file that appgen did not write.
    Sidecar,
    /// Nothing: a file of the user's stands where one would be made.
    Adopt,
    /// Nothing: a file that is no longer made has edits.
    Keep,
    /// Nothing: a file that is made and needed is not there.
    Missing,
}

impl Action {
    /// Whether the disk changes.
    pub fn is_written(self) -> bool {
        !matches!(self, Self::Adopt | Self::Keep | Self::Missing)
    }
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Change {
    pub path: RelPath,
    pub action: Action,
    /// None for `appgen.yaml` and `appgen.lock`, which no template makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// What is there afterwards; None where nothing is, or nothing changes.
    #[serde(skip)]
    pub text: Option<String>,
    /// What is there before.
    #[serde(skip)]
    pub ours: Option<Vec<u8>>,
    #[serde(skip)]
    pub executable: bool,
    /// A file whose text this one takes over, and so its owner and mode: what others may not read there is not for them
    /// to read here.
    #[serde(skip)]
    pub like: Option<RelPath>,
    /// The sides of a conflict, for the index of git.
    #[serde(skip)]
    pub sides: Option<(String, String)>,
    /// Whether the user changed what appgen wrote: then git must have his text before we touch it.
    #[serde(skip)]
    pub edited: bool,
}

/// Every change of one command, by path.
#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
}

impl Plan {
    /// The plan of a new repository: base and working tree are empty.
    ///
    /// # Errors
    /// A fault in the templates.
    pub fn create(spec: &Spec, set: &TemplateSet) -> Result<Self, RenderError> {
        let files = render(spec, set)?;
        let lock = Lock::of(set.version(), spec.clone(), &files);
        let mut changes = BTreeMap::new();
        for (path, file) in files {
            changes.insert(path.clone(), Change::create(path, file));
        }
        for (path, text) in [(SPEC_FILE, spec.to_yaml()), (LOCK_FILE, lock.to_yaml())] {
            let path = RelPath::parse(path)?;
            let change = Change { text: Some(text), ..Change::new(path.clone(), Action::Create, None) };
            if changes.insert(path.clone(), change).is_some() {
                return Err(RenderError::Twice(path));
            }
        }
        Ok(Self { changes: changes.into_values().collect() })
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        !self.written().any(|_| true)
    }

    /// The changes that reach the disk.
    pub fn written(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.action.is_written())
    }

    pub fn conflicts(&self) -> impl Iterator<Item = &RelPath> {
        let is_conflict = |change: &&Change| matches!(change.action, Action::Conflict | Action::Sidecar);
        self.changes.iter().filter(is_conflict).map(|change| &change.path)
    }

    /// Adds or replaces a file that no template makes. `ours` is the text that the new one was made from: where another
    /// is there by now, the change is not made.
    ///
    /// # Errors
    /// The path is none of a repository.
    pub fn set_own(&mut self, path: &str, ours: Option<&str>, text: String) -> Result<(), RenderError> {
        let path = RelPath::parse(path)?;
        if ours == Some(text.as_str()) {
            return Ok(());
        }
        let action = if ours.is_some() { Action::Update } else { Action::Create };
        let ours = ours.map(|ours| ours.as_bytes().to_owned());
        self.changes.push(Change { text: Some(text), ours, ..Change::new(path, action, None) });
        self.changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }
}

impl Change {
    pub fn new(path: RelPath, action: Action, class: Option<Class>) -> Self {
        Self { path, action, class, text: None, ours: None, executable: false, like: None, sides: None, edited: false }
    }

    fn create(path: RelPath, file: Rendered) -> Self {
        let change = Self::new(path, Action::Create, Some(file.class));
        Self { text: Some(file.text), executable: file.executable, ..change }
    }
}

/// What is at `path`: a file or nothing.
fn read(tree: &Worktree, path: &RelPath) -> Result<Option<Vec<u8>>, PlanError> {
    match tree.read(path)? {
        Found::Nothing => Ok(None),
        Found::File(bytes) => Ok(Some(bytes)),
        Found::Other(what) => Err(PlanError::Refused(vec![format!(
            "`{path}` is {what}; appgen writes files only: move what is in the way"
        )])),
    }
}

/// The result of comparing three trees.
#[derive(Debug, Default)]
pub struct Reconciled {
    pub plan: Plan,
    /// The `files` of the next lock.
    pub files: BTreeMap<RelPath, Written>,
    /// The `conflicts` of the next lock.
    pub conflicts: BTreeSet<RelPath>,
}

/// Decides every file. What an empty base does not have and the disk does is not touched.
///
/// # Errors
/// A file that cannot be read, or that appgen must not touch.
pub fn reconcile(
    written: &BTreeMap<RelPath, Written>,
    Difference { base, next, same }: &Difference,
    tree: &Worktree,
) -> Result<Reconciled, PlanError> {
    let mut reconciler =
        Reconciler { base, next, same, tree, written, out: Reconciled::default(), refused: Vec::new() };
    let renamed: BTreeMap<&RelPath, &RelPath> = next
        .iter()
        .filter_map(|(to, file)| Some((file.renamed_from.as_ref()?, to)))
        .filter(|(from, _)| !next.contains_key(*from) && !same.contains(*from))
        .filter(|(from, to)| !reconciler.was_made(to) && reconciler.was_made(from))
        .collect();
    for (from, to) in &renamed {
        reconciler.rename(from, to)?;
    }
    let moved = |path: &RelPath| renamed.contains_key(path) || renamed.values().any(|to| *to == path);
    let paths: BTreeSet<&RelPath> = reconciler.base.keys().chain(next.keys()).chain(written.keys()).collect();
    for path in paths.into_iter().filter(|path| !moved(path) && !same.contains(*path)) {
        reconciler.decide(path)?;
    }
    let Reconciler { mut out, refused, .. } = reconciler;
    let recorded = written.iter().filter(|(path, _)| same.contains(*path));
    out.files.extend(recorded.map(|(path, record)| (path.clone(), record.clone())));
    if !refused.is_empty() {
        return Err(PlanError::Refused(refused));
    }
    out.plan.changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

struct Reconciler<'a> {
    base: &'a Files,
    next: &'a Files,
    same: &'a BTreeSet<RelPath>,
    tree: &'a Worktree,
    written: &'a BTreeMap<RelPath, Written>,
    out: Reconciled,
    refused: Vec<String>,
}

impl Reconciler<'_> {
    /// Whether an earlier run made the file.
    fn was_made(&self, path: &RelPath) -> bool {
        self.written.contains_key(path)
            || self.same.contains(path)
            || self.base.get(path).is_some_and(|file| !file.class.is_written_once())
    }

    fn decide(&mut self, path: &RelPath) -> Result<(), PlanError> {
        let next = self.next.get(path);
        let once =
            next.or(self.base.get(path)).map_or(self.written.contains_key(path), |file| file.class.is_written_once());
        if once { self.decide_once(path, next) } else { self.decide_merged(path, next) }
    }

    /// Files that are written when first needed and never again.
    fn decide_once(&mut self, path: &RelPath, next: Option<&Rendered>) -> Result<(), PlanError> {
        match (self.written.get(path), next) {
            (Some(record), Some(_)) => {
                self.out.files.insert(path.clone(), record.clone());
                Ok(())
            }
            (None, Some(file)) => {
                self.out.files.insert(path.clone(), Written::new(file));
                let ours = read(self.tree, path)?;
                match &ours {
                    None => self.push(Change::create(path.clone(), file.clone())),
                    Some(bytes) if Ours::of(bytes).is(&file.text) => {}
                    Some(_) if file.class == Class::Once => {
                        self.push(Change::new(path.clone(), Action::Adopt, Some(file.class)));
                    }
                    Some(_) => self.sidecar(path, file)?,
                }
                Ok(())
            }
            (Some(record), None) => match read(self.tree, path)? {
                None => Ok(()),
                Some(bytes) if Ours::of(&bytes).hash() == record.sha256 => {
                    self.push(Change {
                        ours: Some(bytes),
                        ..Change::new(path.clone(), Action::Delete, Some(record.class))
                    });
                    Ok(())
                }
                Some(_) => {
                    self.push(Change::new(path.clone(), Action::Keep, Some(record.class)));
                    Ok(())
                }
            },
            (None, None) => Ok(()),
        }
    }

    fn decide_merged(&mut self, path: &RelPath, next: Option<&Rendered>) -> Result<(), PlanError> {
        match (self.base.get(path), next) {
            (Some(base), Some(next)) if base.text == next.text => Ok(()),
            (Some(base), Some(next)) => match read(self.tree, path)? {
                None => {
                    if !next.optional {
                        self.push(Change::new(path.clone(), Action::Missing, Some(next.class)));
                    }
                    Ok(())
                }
                Some(bytes) => self.update(path, path, base, bytes, next),
            },
            (None, Some(next)) => match read(self.tree, path)? {
                None => {
                    self.push(Change::create(path.clone(), next.clone()));
                    Ok(())
                }
                Some(bytes) if Ours::of(&bytes).is(&next.text) => Ok(()),
                Some(_) => self.sidecar(path, next),
            },
            (Some(base), None) => match read(self.tree, path)? {
                None => Ok(()),
                Some(bytes) => {
                    let pristine = Ours::of(&bytes).is(&base.text);
                    let action = if pristine { Action::Delete } else { Action::Keep };
                    self.push(Change { ours: Some(bytes), ..Change::new(path.clone(), action, Some(base.class)) });
                    Ok(())
                }
            },
            (None, None) => Ok(()),
        }
    }

    /// Brings a file that exists from `base` to `next`, with whatever the user did to it.
    fn update(
        &mut self,
        path: &RelPath,
        from: &RelPath,
        base: &Rendered,
        bytes: Vec<u8>,
        next: &Rendered,
    ) -> Result<(), PlanError> {
        let ours = Ours::of(&bytes);
        let Ours::Text(form, text) = &ours else {
            // Bytes that are no text are the user's; there is nothing to merge.
            return self.sidecar(path, next);
        };
        if path == from && (*text == next.text || base.text == next.text) {
            return Ok(());
        }
        let edited = *text != base.text;
        let (action, merged) = match next.class {
            _ if !edited => (Action::Update, next.text.clone()),
            Class::Managed if same_lines(text, &base.text) => (Action::Update, next.text.clone()),
            Class::Managed => {
                let own =
                    next.extension.as_ref().map_or(String::new(), |own| format!("move yours into `{own}`, then "));
                self.refused.push(format!(
                    "`{path}` is generated whole and has edits; {own}`appgen restore {path}` (your text stays beside it)"
                ));
                return Ok(());
            }
            Class::CargoLock => {
                let sides = Sides { base: &base.text, ours: text, next: &next.text };
                (Action::Update, merge::cargo_lock::merge(sides).0)
            }
            _ => {
                let sides = Sides { base: &base.text, ours: text, next: &next.text };
                match merge::merge(path.as_str(), &next.lists, sides) {
                    Merged::Clean(merged) => (Action::Update, merged),
                    Merged::Conflict(marked) => (Action::Conflict, marked),
                }
            }
        };
        if action == Action::Update && merged == *text && path == from {
            return Ok(());
        }
        let sides = (action == Action::Conflict).then(|| (base.text.clone(), next.text.clone()));
        if action == Action::Conflict {
            self.out.conflicts.insert(path.clone());
        }
        let text = Some(form.restore(&merged));
        if path == from {
            self.push(Change {
                text,
                ours: Some(bytes),
                edited,
                sides,
                ..Change::new(path.clone(), action, Some(next.class))
            });
        } else {
            self.push(Change {
                ours: Some(bytes),
                edited,
                ..Change::new(from.clone(), Action::Delete, Some(next.class))
            });
            let action = if action == Action::Update { Action::Create } else { action };
            self.push(Change {
                text,
                executable: next.executable,
                like: Some(from.clone()),
                ..Change::new(path.clone(), action, Some(next.class))
            });
        }
        Ok(())
    }

    /// A template that moved: the user's edits move with it.
    fn rename(&mut self, from: &RelPath, to: &RelPath) -> Result<(), PlanError> {
        let next = &self.next[to];
        let (ours, there) = (read(self.tree, from)?, read(self.tree, to)?);
        match (ours, there) {
            (Some(bytes), None) if next.class.is_written_once() => {
                let record = self.written.get(from).cloned().unwrap_or_else(|| Written::new(next));
                self.out.files.insert(to.clone(), record);
                let text = String::from_utf8(bytes.clone()).ok();
                if text.is_some() {
                    self.push(Change {
                        ours: Some(bytes),
                        ..Change::new(from.clone(), Action::Delete, Some(next.class))
                    });
                    let like = Some(from.clone());
                    self.push(Change { text, like, ..Change::new(to.clone(), Action::Create, Some(next.class)) });
                }
                Ok(())
            }
            (Some(bytes), None) => {
                let base = &self.base[from];
                self.update(to, from, base, bytes, next)
            }
            // The user moved it himself, deleted it, or has something else there.
            _ => self.decide_merged(to, Some(next)),
        }
    }

    /// Puts the new text beside a file that appgen did not write.
    fn sidecar(&mut self, path: &RelPath, next: &Rendered) -> Result<(), PlanError> {
        let beside = RelPath::parse(&format!("{path}{SIDECAR}"))?;
        self.out.conflicts.insert(path.clone());
        let ours = read(self.tree, &beside)?;
        self.push(Change {
            text: Some(next.text.clone()),
            ours,
            executable: next.executable,
            ..Change::new(beside, Action::Sidecar, Some(next.class))
        });
        Ok(())
    }

    fn push(&mut self, change: Change) {
        self.out.plan.changes.push(change);
    }
}

/// A file of the user's, as text where it is one.
enum Ours {
    Text(Shape, String),
    Bytes(Vec<u8>),
}

impl Ours {
    fn of(bytes: &[u8]) -> Self {
        match str::from_utf8(bytes) {
            Ok(text) => {
                let (form, text) = Shape::take(text);
                Self::Text(form, text)
            }
            Err(_) => Self::Bytes(bytes.to_owned()),
        }
    }

    /// Whether it is this text, in whatever form.
    fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(_, ours) if ours == text)
    }

    fn hash(&self) -> String {
        match self {
            Self::Text(_, text) => sha256(text.as_bytes()),
            Self::Bytes(bytes) => sha256(bytes),
        }
    }
}

/// Whether two texts differ at most in the order of their lines.
pub fn same_lines(a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    sorted(a) == sorted(b)
}

/// Whether the file on disk is what was rendered or recorded, in whatever form.
pub fn is_pristine(bytes: &[u8], sha256: &str) -> bool {
    Ours::of(bytes).hash() == sha256
}

#[cfg(test)]
mod tests;
