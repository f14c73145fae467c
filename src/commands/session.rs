//! What every command on an existing repository goes through: spec and lock are read, the spec is edited, both specs
//! are rendered and compared with what is on disk, and the difference is committed and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde::Serialize;

use super::{Exit, Failure};
use crate::cli::Global;
use crate::git;
use crate::lock::{Lock, LockError, sha256};
use crate::merge::shape::Shape;
use crate::merge::yaml::{Edit, edit};
use crate::merge::{Merged, Sides, cargo_lock, has_markers, merge};
use crate::plan::{Action, Change, LOCK_FILE, Plan, Reconciled, SIDECAR, reconcile};
use crate::prompt::Prompt;
use crate::render::{Difference, Files, RelPath, Side, difference, render, render_paths};
use crate::report::{self, Mention, Print as _, Report};
use crate::spec::changeset;
use crate::spec::problem::SpecError;
use crate::spec::{SECTIONS, SPEC_FILE, Spec, SpecDocument};
use crate::templates::{Class, Sets, TemplateSet};
use crate::transaction::{self, Guard};
use crate::worktree::{Found, Worktree};

/// What a committed `openapi.json` is made from: it is stale when they change.
const DESCRIBED: &[&str] = &["config/base.yaml", "src/handlers/registry.rs"];

/// A generated repository, read.
pub(super) struct Session<'a> {
    pub(super) tree: &'a Worktree,
    pub(super) guard: Option<Guard<'a>>,
    pub(super) warnings: Vec<String>,
    /// The spec as it was read.
    pub(super) text: String,
    /// `appgen.lock` as it was read; None where it is not there.
    pub(super) recorded: Option<String>,
    pub(super) document: SpecDocument,
    pub(super) lock: Lock,
}

/// How a changing command differs from the plain one.
#[derive(Default)]
pub(super) struct Options<'a> {
    /// Drops and narrowing are wanted.
    pub(super) allow_destructive: bool,
    /// Changesets that no database has run are wanted gone.
    pub(super) withdraw: bool,
    /// Names that should be gone afterwards; where the user's own files have one, the report says so.
    pub(super) gone: Vec<String>,
    /// The template set to change to.
    pub(super) upgrade_to: Option<&'a TemplateSet>,
    /// Who is asked before anything is written.
    pub(super) confirm: Option<Confirm>,
    /// Commands to run next.
    pub(super) next: Vec<String>,
    /// What the user should know of the outcome.
    pub(super) warning: Option<String>,
    /// Why nothing is to be done, where that is so.
    pub(super) idle: String,
}

/// A question, asked when what will happen has been shown.
pub(super) struct Confirm {
    pub(super) prompt: Box<dyn Prompt>,
    pub(super) question: String,
}

impl Confirm {
    fn ask(mut self, plan: &Plan, mentions: &[Mention]) -> Result<(), Failure> {
        self.prompt.say(&report::preview(plan, mentions)?)?;
        match self.prompt.confirm(&self.question, false)? {
            true => Ok(()),
            false => Err(Failure::Refused("nothing was changed".to_owned())),
        }
    }
}

/// The repository that the command works in.
pub(super) fn worktree(global: &Global) -> Result<Worktree, Failure> {
    Worktree::enclosing(&global.directory).ok_or_else(|| {
        let directory = global.directory.display();
        Failure::Failed(format!("there is no `{SPEC_FILE}` in `{directory}` or above; `appgen new` makes a repository"))
    })
}

/// Takes the right to change the repository, unless nothing will be written; says what an interrupted run left.
pub(super) fn guard<'a>(global: &Global, tree: &'a Worktree) -> Result<(Option<Guard<'a>>, Vec<String>), Failure> {
    if global.dry_run {
        let left = transaction::undisturbed(tree, || transaction::is_interrupted(tree));
        let warning = "an interrupted change is not complete; the next command that writes completes it".to_owned();
        return Ok((None, if left { vec![warning] } else { Vec::new() }));
    }
    let (guard, warnings) = Guard::acquire(tree)?;
    global.recovered.replace(warnings.clone());
    Ok((Some(guard), warnings))
}

impl<'a> Session<'a> {
    /// For a command that changes the repository: nobody else may meanwhile.
    pub(super) fn open(global: &Global, tree: &'a Worktree) -> Result<Self, Failure> {
        let (guard, warnings) = guard(global, tree)?;
        Ok(Self { guard, warnings, ..Self::read(tree)? })
    }

    /// The same for the one command that can do without a lock: it takes the spec for applied, and trusts no file.
    pub(super) fn open_or_start(global: &Global, tree: &'a Worktree) -> Result<Self, Failure> {
        let (guard, warnings) = guard(global, tree)?;
        if read(tree, LOCK_FILE)?.is_some() {
            return Ok(Self { guard, warnings, ..Self::read(tree)? });
        }
        let text = read_spec(tree)?;
        let document = SpecDocument::parse(SPEC_FILE, &text)?;
        let spec =
            Spec::resolve(document.clone()).map_err(|problems| SpecError::new(Some(SPEC_FILE), &text, problems))?;
        let lock = Lock::new("unknown".to_owned(), spec, BTreeMap::new());
        Ok(Self { tree, guard, warnings, text, recorded: None, document, lock })
    }

    /// For a command that only reads.
    pub(super) fn read(tree: &'a Worktree) -> Result<Self, Failure> {
        let text = read_spec(tree)?;
        let document = SpecDocument::parse(SPEC_FILE, &text)?;
        let recorded = read(tree, LOCK_FILE)?.ok_or_else(|| {
            Failure::Refused(format!(
                "`{LOCK_FILE}` is missing: without it nobody knows which lines are yours; \
                 `git checkout -- {LOCK_FILE}` puts it back, `appgen upgrade` starts a new one"
            ))
        })?;
        let lock = Lock::parse(LOCK_FILE, &recorded)?;
        Ok(Self { tree, guard: None, warnings: Vec::new(), text, recorded: Some(recorded), document, lock })
    }

    /// The spec that `appgen.yaml` asks for.
    pub(super) fn desired(&self) -> Result<Spec, Failure> {
        self.resolve(self.document.clone())
    }

    pub(super) fn resolve(&self, document: SpecDocument) -> Result<Spec, Failure> {
        let error = |problems| SpecError::new(Some(SPEC_FILE), &self.text, problems).into();
        Spec::resolve(document).map_err(error)
    }

    /// The set that the repository was rendered with.
    pub(super) fn set<'s>(&self, sets: &'s Sets) -> Result<std::borrow::Cow<'s, TemplateSet>, Failure> {
        sets.get(&self.lock.templates)?.ok_or_else(|| self.without_set(sets))
    }

    fn without_set(&self, sets: &Sets) -> Failure {
        Failure::Refused(format!(
            "the repository was rendered with the templates {}, which this appgen does not hold; \
             `appgen upgrade` brings it to {}",
            self.lock.templates,
            sets.current().version()
        ))
    }

    /// What the applied spec renders.
    pub(super) fn rendered(&self, sets: &Sets) -> Result<Files, Failure> {
        let set = self.set(sets)?;
        Ok(render(&self.lock.spec, &set)?)
    }

    /// Brings the repository to another spec, or to other templates, and reports.
    pub(super) fn apply(
        self,
        global: &Global,
        sets: &Sets,
        command: &'static str,
        wanted: SpecDocument,
        options: Options<'_>,
        out: &mut impl Write,
    ) -> Result<Exit, Failure> {
        let mut warnings = self.warnings.clone();
        warnings.extend(options.warning.clone());
        let spec = self.resolve(wanted)?;
        self.check_history(&spec)?;
        self.check_destruction(&spec, &options)?;
        self.check_conflicts()?;

        let edits = edits(&self.document, &spec)?;
        let text = match edits.is_empty() {
            true => self.text.clone(),
            false => edit(&self.text, &edits, SECTIONS)
                .map_err(|error| Failure::Failed(format!("cannot edit `{SPEC_FILE}`: {error}")))?,
        };
        let held = sets.get(&self.lock.templates)?;
        let set = match (options.upgrade_to, &held) {
            (Some(set), _) => set,
            (None, Some(held)) => held,
            (None, None) => return Err(self.without_set(sets)),
        };
        let next = Side { spec: &spec, set };
        let difference = match &held {
            // A file that is written once and is not recorded is about to be.
            Some(held) => difference(Side { spec: &self.lock.spec, set: held }, next, |path, class| {
                class.is_written_once() && !self.lock.files.contains_key(path)
            })?,
            None => Difference { next: render(&spec, set)?, ..Difference::default() },
        };
        let Reconciled { mut plan, files, conflicts } = reconcile(&self.lock.files, &difference, self.tree)?;
        let mut lock = Lock::new(set.version(), spec.clone(), files);
        lock.conflicts = conflicts;
        plan.set_own(SPEC_FILE, Some(&self.text), text)?;
        plan.set_own(LOCK_FILE, self.recorded.as_deref(), lock.to_yaml())?;
        self.check_uncommitted(global, sets, &plan, &difference.base)?;
        let mentions = match options.gone.is_empty() {
            true => Vec::new(),
            false => mentions(self.tree, &plan, &render(&spec, set)?, &options.gone),
        };
        let mut saved_meanwhile = Vec::new();
        let quiet = plan.is_empty() || global.dry_run;
        let shown = options.confirm.is_some() && !quiet;
        if let Some(confirm) = options.confirm
            && shown
        {
            confirm.ask(&plan, &mentions)?;
        }
        if let Some(guard) = &self.guard
            && !plan.is_empty()
        {
            let arrival = transaction::commit(guard, command, &plan)?;
            warnings.extend(arrival.warnings);
            saved_meanwhile = arrival.saved_meanwhile;
        }
        let exit = Exit::settled(plan.conflicts().next().is_none() && saved_meanwhile.is_empty());
        let mut next_commands = options.next;
        let describes = |change: &Change| DESCRIBED.iter().any(|path| change.path.as_str() == *path);
        if plan.written().any(describes) && bytes(self.tree, "openapi.json")?.is_some() {
            next_commands.push("make openapi".to_owned());
        }
        let idle = plan.is_empty() && !options.idle.is_empty();
        let mut report = Report {
            exit: exit as u8,
            mentions,
            next: if quiet {
                Vec::new()
            } else {
                report::next_steps(&plan, sidecars(self.tree, &saved_meanwhile), next_commands)
            },
            shown,
            ..Report::of(command, global, self.tree, plan, warnings)
        };
        if idle {
            report.headline = format!("{}: {}", report.headline, options.idle);
        }
        report.print(global.format, out)?;
        Ok(exit)
    }

    /// What was recorded says what databases have run.
    fn check_history(&self, spec: &Spec) -> Result<(), Failure> {
        let recorded = self.lock.spec.changesets.iter();
        let mut changed = recorded.filter(|(id, was)| spec.changesets.get(*id).is_some_and(|now| now != *was));
        match changed.next() {
            None => Ok(()),
            Some((id, _)) => Err(Failure::Refused(format!(
                "`{SPEC_FILE}` changes the changeset `{id}`, and databases have run it as it was: put it back, and \
                 change the fields in `entities`; a new changeset follows"
            ))),
        }
    }

    /// Drops and narrowing are asked for in so many words, and so is history that goes.
    fn check_destruction(&self, spec: &Spec, options: &Options<'_>) -> Result<(), Failure> {
        let losses = self.losses(spec, options.withdraw);
        if options.allow_destructive || losses.is_empty() {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "the change of `{SPEC_FILE}` {}; `appgen sync --allow-destructive` does it",
            losses.join(", and ")
        )))
    }

    /// What the changesets that a spec adds destroy, and which ones it withdraws unless that is wanted; as phrases.
    pub(super) fn losses(&self, spec: &Spec, withdraw: bool) -> Vec<String> {
        let (recorded, applied) = (&self.document.changesets, &self.lock.spec.changesets);
        let new = spec.changesets.iter().filter(|(id, _)| !recorded.contains_key(id));
        let withdrawn = applied.keys().filter(|id| !withdraw && !spec.changesets.contains_key(id));
        new.filter_map(|(_, operation)| changeset::Operation::destroys(operation))
            .chain(withdrawn.map(|id| format!("withdraws the changeset `{id}`, which databases may have run")))
            .collect()
    }

    /// What the user has edited and not committed is not touched: he could not get it back from git.
    fn check_uncommitted(&self, global: &Global, sets: &Sets, plan: &Plan, base: &Files) -> Result<(), Failure> {
        let edited: Vec<_> = plan.written().filter(|change| change.edited).collect();
        if global.allow_dirty || edited.is_empty() {
            return Ok(());
        }
        let paths: Vec<_> = edited.iter().map(|change| change.path.as_str()).collect();
        let uncommitted = git::uncommitted(self.tree.root(), &paths)?;
        let mut dirty = edited;
        dirty.retain(|change| uncommitted.iter().any(|path| path == change.path.as_str()));
        // A journal that cannot be read vouches for nothing.
        let journal = transaction::last(self.tree).ok().flatten();
        dirty.retain(|change| {
            let hash = sha256(change.ours.as_deref().unwrap_or_default());
            let entries = journal.iter().flat_map(|journal| &journal.entries);
            !entries.filter(|entry| entry.path == change.path).any(|entry| entry.after.as_ref() == Some(&hash))
        });
        let paths = dirty.iter().map(|change| &change.path).collect();
        if !dirty.is_empty()
            && let Some(committed) = self.committed(sets, &paths)
        {
            dirty.retain(|change| !is_merged_of_commit(self.tree, change, &committed, base));
        }
        if dirty.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = dirty.iter().map(|change| format!("\n  {}", change.path)).collect();
        Err(Failure::Refused(format!(
            "these files have edits that git does not have, and the change would merge into them:{}\n\
             commit them, or say `--allow-dirty`",
            list.concat()
        )))
    }

    /// What the spec of the last commit renders at these paths; None where that cannot be known.
    fn committed(&self, sets: &Sets, paths: &BTreeSet<&RelPath>) -> Option<Files> {
        let text = git::committed(self.tree.root(), LOCK_FILE).ok()??;
        let lock = Lock::parse(LOCK_FILE, &text).ok()?;
        let set = sets.get(&lock.templates).ok()??;
        render_paths(&lock.spec, &set, paths).ok()
    }

    /// Nothing is merged on top of a conflict.
    fn check_conflicts(&self) -> Result<(), Failure> {
        let open = self.open_conflicts()?;
        if open.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = open.iter().map(|path| format!("\n  {path}")).collect();
        Err(Failure::Refused(format!(
            "conflicts of an earlier change are open:{}\nedit the files, remove `*{SIDECAR}`, then run `appgen resolve`",
            list.concat()
        )))
    }

    /// Conflicts whose markers or sidecars are still there: those that are recorded, and those of the last change with
    /// files that were saved while it was made.
    pub(super) fn open_conflicts(&self) -> Result<BTreeSet<RelPath>, Failure> {
        let mut open = BTreeSet::new();
        for path in &self.lock.conflicts {
            if is_marked(self.tree, path.as_str())? || sidecar(self.tree, path).is_some() {
                open.insert(path.clone());
            }
        }
        // A journal that cannot be read knows of none.
        let last = transaction::last(self.tree).ok().flatten();
        let changed = last.into_iter().flat_map(|journal| journal.entries).map(|entry| entry.path);
        open.extend(changed.filter(|path| sidecar(self.tree, path).is_some()));
        Ok(open)
    }
}

/// The new text that is beside a file.
fn sidecar(tree: &Worktree, path: &RelPath) -> Option<RelPath> {
    let beside = RelPath::parse(&format!("{path}{SIDECAR}")).ok()?;
    // What cannot be looked at is in nobody's way.
    matches!(tree.read(&beside), Ok(Found::File(_))).then_some(beside)
}

pub(super) fn sidecars(tree: &Worktree, paths: &[RelPath]) -> Vec<RelPath> {
    paths.iter().filter_map(|path| sidecar(tree, path)).collect()
}

/// The text of a file of the repository; none where nothing is.
pub(super) fn read(tree: &Worktree, path: &str) -> Result<Option<String>, Failure> {
    let text = bytes(tree, path)?.map(|bytes| utf8(path, bytes)).transpose();
    text.map_err(|error| match path {
        SPEC_FILE => Failure::Usage(format!("{error}: save the file as UTF-8")),
        LOCK_FILE => LockError::Malformed(error).into(),
        _ => Failure::Failed(error),
    })
}

/// The text of a file that must be text.
///
/// # Errors
/// The place of the first byte that is none.
pub(super) fn utf8(path: &str, bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let text = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + text.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + String::from_utf8_lossy(text).rsplit('\n').next().map_or(0, |last| last.chars().count());
        format!("{path}:{line}:{column}: no UTF-8 text from here on")
    })
}

/// Whether a file has the markers of a conflict, whatever else is in it.
pub(super) fn is_marked(tree: &Worktree, path: &str) -> Result<bool, Failure> {
    Ok(bytes(tree, path)?.is_some_and(|bytes| has_markers(&String::from_utf8_lossy(&bytes))))
}

fn bytes(tree: &Worktree, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    match tree.read(&RelPath::parse(path)?)? {
        Found::Nothing => Ok(None),
        Found::File(bytes) => Ok(Some(bytes)),
        Found::Other(what) => Err(Failure::Refused(format!("`{path}` is {what}; appgen reads and writes files only"))),
    }
}

fn read_spec(tree: &Worktree) -> Result<String, Failure> {
    let text = read(tree, SPEC_FILE)?.unwrap_or_default();
    if has_markers(&text) {
        return Err(Failure::Refused(format!("git left conflict markers in `{SPEC_FILE}`: run `appgen resolve`")));
    }
    Ok(text)
}

/// What leads from the document that was written to a spec: entries of its maps that come and go. Whatever else the user
/// wrote stays as he wrote it.
pub(super) fn edits(written: &SpecDocument, spec: &Spec) -> Result<Vec<Edit>, Failure> {
    let mut edits = Vec::new();
    map_edits("environments", &written.environments, &spec.environments, &mut edits)?;
    map_edits("entities", &written.entities, &spec.entities, &mut edits)?;
    map_edits("handlers", &written.handlers, &spec.handlers, &mut edits)?;
    map_edits("changesets", &written.changesets, &spec.changesets, &mut edits)?;
    Ok(edits)
}

fn map_edits<K: Ord + ToString, W, S: Serialize>(
    section: &str,
    written: &BTreeMap<K, W>,
    wanted: &BTreeMap<K, S>,
    edits: &mut Vec<Edit>,
) -> Result<(), Failure> {
    let path = |key: &K| vec![section.to_owned(), key.to_string()];
    for (key, value) in wanted.iter().filter(|(key, _)| !written.contains_key(*key)) {
        let value = serde_json::to_value(value)
            .map_err(|error| Failure::Failed(format!("cannot write `{section}.{}`: {error}", key.to_string())))?;
        edits.push(Edit { path: path(key), value: Some(value) });
    }
    for key in written.keys().filter(|key| !wanted.contains_key(*key)) {
        edits.push(Edit { path: path(key), value: None });
    }
    Ok(())
}

/// Whether a file is what the last commit holds, with what appgen merged into it since: several commands may follow one
/// another without a commit.
fn is_merged_of_commit(tree: &Worktree, change: &Change, committed: &Files, base: &Files) -> bool {
    let path = change.path.as_str();
    let (Some(then), Some(now)) = (committed.get(&change.path), base.get(&change.path)) else { return false };
    let Ok(Some(text)) = git::committed(tree.root(), path) else { return false };
    let (shape, text) = Shape::take(&text);
    let sides = Sides { base: &then.text, ours: &text, next: &now.text };
    let merged = match now.class {
        Class::CargoLock => cargo_lock::merge(sides).0,
        _ => match merge(path, &now.lists, sides) {
            Merged::Clean(text) => text,
            Merged::Conflict(_) => return false,
        },
    };
    Some(shape.restore(&merged).as_bytes()) == change.ours.as_deref()
}

/// Lines of the user's that name what is gone. History is not his, and what the templates wrote names it no more.
fn mentions(tree: &Worktree, plan: &Plan, next: &Files, gone: &[String]) -> Vec<Mention> {
    let mut mentions = Vec::new();
    // What git ignores is no source, and may be secret; where git does not say what it ignores, everything may be.
    let Ok(kept) = git::files(tree.root()) else { return mentions };
    let kept = kept.map(|kept| kept.into_iter().collect::<BTreeSet<_>>()).filter(|kept| kept.contains(SPEC_FILE));
    let is_kept = |path: &RelPath| kept.as_ref().is_none_or(|kept| kept.contains(path.as_str()));
    for path in tree.sources().into_iter().filter(is_kept) {
        let generated = next.get(&path);
        let change = plan.changes.iter().find(|change| change.path == path);
        // What stays because it has edits is the removed thing itself.
        if change.is_some_and(|change| change.action == Action::Keep) {
            continue;
        }
        let change = change.filter(|change| change.action.is_written());
        let text = match change {
            Some(change) => change.text.clone(),
            None => match tree.read(&path) {
                Ok(Found::File(bytes)) => String::from_utf8(bytes).ok(),
                _ => None,
            },
        };
        let is_history = generated.is_some_and(|file| file.class == Class::Frozen);
        let Some(text) = text.filter(|_| !is_history) else { continue };
        let generated: BTreeSet<&str> = generated.iter().flat_map(|file| file.text.lines()).collect();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !generated.contains(line)) {
            if gone.iter().any(|name| is_named(name, line)) {
                mentions.push(Mention { path: path.clone(), line: number + 1, text: line.trim().to_owned() });
            }
        }
    }
    mentions
}

/// Whether the line has the name, and not as a part of a longer word.
fn is_named(name: &str, line: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts = |at: usize| !name.starts_with(is_word) || !line[..at].ends_with(is_word);
    let ends = |at: usize| !name.ends_with(is_word) || !line[at..].starts_with(is_word);
    line.match_indices(name).any(|(at, _)| starts(at) && ends(at + name.len()))
}
