//! `appgen resolve`: conflicts are settled. Those that git left in appgen's own files are merged here: the specs of both
//! branches become one, every side of a file is brought to that spec, and what then still differs is the users' alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::restore::keep_beside;
use super::session::{Session, edits, guard, is_marked, read, sidecars, worktree};
use super::{Exit, Failure};
use crate::cli::Global;
use crate::git;
use crate::lock::{Lock, Written};
use crate::merge::shape::Shape;
use crate::merge::yaml::edit;
use crate::merge::{Merged, Sides, cargo_lock, has_markers, merge};
use crate::plan::{Action, Change, LOCK_FILE, Plan};
use crate::render::{Files, RelPath, Rendered, render};
use crate::report::{self, Print as _, Report};
use crate::spec::problem::SpecError;
use crate::spec::{SECTIONS, SPEC_FILE, Spec, SpecDocument};
use crate::templates::{Class, Sets, TemplateSet};
use crate::transaction::{self, Guard};
use crate::worktree::{Found, Worktree};

pub(super) fn run(global: &Global, sets: &Sets, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let (guard, warnings) = guard(global, &tree)?;
    let unmerged = git::unmerged(tree.root())?;
    let of_git = unmerged.iter().any(|path| path == SPEC_FILE || path == LOCK_FILE);
    if of_git || is_marked(&tree, LOCK_FILE)? {
        merge_branches(global, sets, &tree, guard.as_ref(), warnings, &unmerged, out)
    } else {
        let session = Session { guard, warnings, ..Session::read(&tree)? };
        settle(global, session, &unmerged, out)
    }
}

/// Conflicts that the user has edited away.
fn settle(global: &Global, session: Session<'_>, unmerged: &[String], out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = session.tree;
    let open = session.open_conflicts()?;
    let mut lock = session.lock.clone();
    lock.conflicts = open.clone();
    let mut plan = Plan::default();
    plan.set_own(LOCK_FILE, session.recorded.as_deref(), lock.to_yaml())?;
    let mut warnings = session.warnings.clone();
    let mut is_settled = open.is_empty();
    if let Some(guard) = &session.guard
        && !plan.is_empty()
    {
        let arrival = transaction::commit(guard, "resolve", &plan)?;
        warnings.extend(arrival.warnings);
        is_settled &= arrival.saved_meanwhile.is_empty();
    }
    let settled: Vec<_> =
        session.lock.conflicts.iter().filter(|path| !open.contains(path)).map(RelPath::as_str).collect();
    let known: Vec<_> = settled.iter().copied().filter(|path| unmerged.iter().any(|other| other == path)).collect();
    if !global.dry_run {
        warnings.extend(mark_settled(tree, &known));
    }
    let exit = Exit::settled(is_settled);
    let list: Vec<_> = open.iter().map(|path| format!("\n  {path}")).collect();
    let headline = match (settled.len(), open.len()) {
        (0, 0) => "nothing to do".to_owned(),
        (settled, 0) => format!("{settled} settled"),
        (settled, open) => format!("{settled} settled, {open} open:{}", list.concat()),
    };
    let report = Report::of("resolve", global, tree, plan, warnings);
    Report { exit: exit as u8, headline, ..report }.print(global.format, out)?;
    Ok(exit)
}

/// Tells git what is settled. The files are, whether it listens or not.
fn mark_settled(tree: &Worktree, paths: &[&str]) -> Option<String> {
    let error = git::add(tree.root(), paths).err()?;
    Some(format!("git does not know what is settled ({error}); when it can, run `git add {}`", paths.join(" ")))
}

/// One branch of a merge: its lock, and what its spec rendered.
struct Branch {
    lock: Lock,
    files: Files,
}

impl Branch {
    fn new(text: &str, sets: &Sets) -> Result<Self, Failure> {
        let lock = Lock::parse(LOCK_FILE, text)?;
        let set = set_of(sets, &lock.templates)?;
        Ok(Self { files: render(&lock.spec, &set)?, lock })
    }
}

fn set_of<'a>(sets: &'a Sets, version: &str) -> Result<std::borrow::Cow<'a, TemplateSet>, Failure> {
    sets.get(version)?.ok_or_else(|| {
        Failure::Refused(format!("a branch was rendered with the templates {version}, which this appgen does not hold"))
    })
}

/// The merge of two branches of a repository.
fn merge_branches(
    global: &Global,
    sets: &Sets,
    tree: &Worktree,
    guard: Option<&Guard<'_>>,
    mut warnings: Vec<String>,
    unmerged: &[String],
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let recorded = read(tree, LOCK_FILE)?;
    let [Some(base), Some(ours), Some(theirs)] = git::stages(tree.root(), LOCK_FILE)? else {
        return Err(Failure::Refused(format!(
            "`{LOCK_FILE}` has conflict markers and git's index does not hold its sides: \
             `git checkout --merge -- {LOCK_FILE}` brings them back"
        )));
    };
    let (base, ours, theirs) = (Branch::new(&base, sets)?, Branch::new(&ours, sets)?, Branch::new(&theirs, sets)?);
    if ours.lock.templates != theirs.lock.templates {
        return Err(Failure::Refused(format!(
            "one branch has the templates {}, the other {}: abort the merge, run `appgen upgrade` on the older, \
             and merge again",
            ours.lock.templates, theirs.lock.templates
        )));
    }
    let written = read(tree, SPEC_FILE)?.unwrap_or_default();
    let text = merged_spec(tree, &written)?;
    let document = SpecDocument::parse(SPEC_FILE, &text)?;
    let spec = Spec::resolve(document.clone()).map_err(|problems| SpecError::new(Some(SPEC_FILE), &text, problems))?;
    let text = edit(&text, &edits(&document, &spec)?, SECTIONS)
        .map_err(|error| Failure::Failed(format!("cannot edit `{SPEC_FILE}`: {error}")))?;
    let set = set_of(sets, &ours.lock.templates)?;
    let next = render(&spec, &set)?;

    let mut plan = Plan::default();
    let mut conflicts = Vec::new();
    for (path, file) in &next {
        let found = match tree.read(path)? {
            Found::Nothing => None,
            Found::File(bytes) => Some(bytes),
            Found::Other(what) => {
                return Err(Failure::Refused(format!("`{path}` is {what}; appgen writes files only")));
            }
        };
        let is_unmerged = unmerged.iter().any(|other| other == path.as_str());
        let in_conflict = is_unmerged && found.as_deref().is_some_and(|found| is_as_git_left_it(tree, path, found));
        let new = !ours.files.contains_key(path) && !theirs.files.contains_key(path);
        let (action, merged) = match file.class {
            Class::Managed if is_unmerged || found.is_some() => {
                if let Some(found) = &found
                    && has_own_lines(found, &file.text, [&base, &ours, &theirs].map(|branch| branch.files.get(path)))
                {
                    let aside = keep_beside(path, found, tree)?;
                    warnings.push(format!("`{path}` is generated whole and has edits: they go to `{}`", aside.path));
                    plan.changes.push(aside);
                }
                (Action::Update, file.text.clone())
            }
            _ if new && found.is_none() => (Action::Create, file.text.clone()),
            Class::CargoLock => match merged_lock(tree, path, file, &base, in_conflict)? {
                Some(text) => (Action::Update, text),
                None => continue,
            },
            Class::Merged if in_conflict => match settle_file(tree, path, file, [&base, &ours, &theirs])? {
                Some(Merged::Clean(text)) => (Action::Update, text),
                Some(Merged::Conflict(text)) => (Action::Conflict, text),
                None => continue,
            },
            Class::Merged if is_unmerged && found.is_some() => {
                warnings.push(format!("`{path}` has no conflict markers: it stays as it is"));
                continue;
            }
            _ => continue,
        };
        if action == Action::Conflict {
            conflicts.push(path.clone());
        }
        if found.as_deref() != Some(merged.as_bytes()) {
            let change = Change::new(path.clone(), action, Some(file.class));
            plan.changes.push(Change { text: Some(merged), ours: found, executable: file.executable, ..change });
        }
    }
    for path in unmerged.iter().filter(|path| *path != SPEC_FILE && *path != LOCK_FILE) {
        let settled = plan.changes.iter().any(|change| change.path.as_str() == path && change.action == Action::Update);
        if !settled && is_marked(tree, path)? {
            conflicts.extend(RelPath::parse(path).ok());
        }
    }
    conflicts.sort();
    conflicts.dedup();
    let files = records(&next, &ours.lock.files, &theirs.lock.files);
    let mut lock = Lock::new(set.version(), spec, files);
    lock.conflicts = conflicts.iter().cloned().collect();
    plan.set_own(SPEC_FILE, Some(&written), text)?;
    plan.set_own(LOCK_FILE, recorded.as_deref(), lock.to_yaml())?;
    let mut saved_meanwhile = Vec::new();
    if let Some(guard) = guard {
        // The record of an earlier attempt is not replaced by one of nothing.
        if !plan.is_empty() {
            let arrival = transaction::commit(guard, "resolve", &plan)?;
            warnings.extend(arrival.warnings);
            saved_meanwhile = arrival.saved_meanwhile;
        }
        let settled: Vec<_> = unmerged
            .iter()
            .filter(|path| next.keys().any(|known| known.as_str() == *path) || *path == SPEC_FILE || *path == LOCK_FILE)
            .filter(|path| !conflicts.iter().chain(&saved_meanwhile).any(|open| open.as_str() == *path))
            .map(String::as_str)
            .collect();
        warnings.extend(mark_settled(tree, &settled));
    }
    let is_settled = conflicts.is_empty() && saved_meanwhile.is_empty();
    let exit = Exit::settled(is_settled);
    let next = match is_settled {
        true => vec!["git commit".to_owned()],
        false => report::settling(&[conflicts, sidecars(tree, &saved_meanwhile)].concat()),
    };
    let report = Report { exit: exit as u8, next, ..Report::of("resolve", global, tree, plan, warnings) };
    report.print(global.format, out)?;
    Ok(exit)
}

/// The text of the spec after the merge: git's where it succeeded or the user edited it, ours by keys where not.
fn merged_spec(tree: &Worktree, there: &str) -> Result<String, Failure> {
    if !has_markers(there) {
        return Ok(there.to_owned());
    }
    let [base, Some(ours), Some(theirs)] = git::stages(tree.root(), SPEC_FILE)? else {
        return Err(Failure::Refused(format!("`{SPEC_FILE}` has conflict markers: settle them by hand")));
    };
    let base = base.unwrap_or_default();
    match merge(SPEC_FILE, &[], Sides { base: &base, ours: &ours, next: &theirs }) {
        Merged::Clean(text) => Ok(text),
        Merged::Conflict(_) => Err(Failure::Refused(format!(
            "both branches changed one value in `{SPEC_FILE}`: settle its markers by hand, then run `appgen resolve`"
        ))),
    }
}

/// Whether nobody has settled a file yet: it has git's markers, or is what one branch has, as git leaves a file that it
/// must not merge (gitattributes(5), `merge`).
fn is_as_git_left_it(tree: &Worktree, path: &RelPath, found: &[u8]) -> bool {
    let is_found = |side: Option<String>| side.is_some_and(|side| side.as_bytes() == found);
    has_markers(&String::from_utf8_lossy(found))
        || git::stages(tree.root(), path.as_str()).is_ok_and(|[_, ours, theirs]| is_found(ours) || is_found(theirs))
}

/// Whether a file that is generated whole has lines which no spec of this merge brings, and git neither.
fn has_own_lines(found: &[u8], next: &str, branches: [Option<&Rendered>; 3]) -> bool {
    let (_, found) = Shape::take(&String::from_utf8_lossy(found));
    let texts = branches.into_iter().flatten().map(|file| file.text.as_str()).chain([next]);
    let generated: BTreeSet<&str> = texts.flat_map(str::lines).collect();
    let of_git =
        |line: &str| ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].iter().any(|marker| line.starts_with(marker));
    found.lines().any(|line| !generated.contains(line) && !of_git(line))
}

/// Merges the sides of one file after each was brought to the merged spec. None where git's index lacks a side.
fn settle_file(
    tree: &Worktree,
    path: &RelPath,
    next: &Rendered,
    branches: [&Branch; 3],
) -> Result<Option<Merged>, Failure> {
    let [base, Some(ours), Some(theirs)] = git::stages(tree.root(), path.as_str())? else { return Ok(None) };
    let plain = || {
        let base = base.as_deref().unwrap_or_default();
        merge(path.as_str(), &next.lists, Sides { base, ours: &ours, next: &theirs })
    };
    let brought = |side: Option<&str>, branch: &Branch| match (side, branch.files.get(path)) {
        (Some(side), Some(rendered)) => {
            let sides = Sides { base: &rendered.text, ours: side, next: &next.text };
            match merge(path.as_str(), &next.lists, sides) {
                Merged::Clean(text) => Some(text),
                Merged::Conflict(_) => None,
            }
        }
        // What the branch did not render is as good as new.
        (None, None) => Some(next.text.clone()),
        _ => None,
    };
    let [base_branch, our_branch, their_branch] = branches;
    let brought_base = brought(base.as_deref(), base_branch).unwrap_or_else(|| next.text.clone());
    let (Some(our_side), Some(their_side)) = (brought(Some(&ours), our_branch), brought(Some(&theirs), their_branch))
    else {
        return Ok(Some(plain()));
    };
    let sides = Sides { base: &brought_base, ours: &our_side, next: &their_side };
    Ok(Some(match merge(path.as_str(), &next.lists, sides) {
        Merged::Clean(text) => Merged::Clean(text),
        Merged::Conflict(_) => plain(),
    }))
}

/// Cargo.lock: what both branches have, and what the merged spec brings. None where it is not there.
fn merged_lock(
    tree: &Worktree,
    path: &RelPath,
    next: &Rendered,
    base: &Branch,
    in_conflict: bool,
) -> Result<Option<String>, Failure> {
    let stages = if in_conflict { git::stages(tree.root(), path.as_str())? } else { [None, None, None] };
    let ours = match &stages {
        [base, Some(ours), Some(theirs)] => {
            cargo_lock::merge(Sides { base: base.as_deref().unwrap_or_default(), ours, next: theirs }).0
        }
        _ => match read(tree, path.as_str())? {
            Some(text) => text,
            None => return Ok(None),
        },
    };
    let base = base.files.get(path).map_or("", |file| file.text.as_str());
    Ok(Some(cargo_lock::merge(Sides { base, ours: &ours, next: &next.text }).0))
}

/// What is recorded of the files that are written once: what either branch recorded.
fn records(
    next: &Files,
    ours: &BTreeMap<RelPath, Written>,
    theirs: &BTreeMap<RelPath, Written>,
) -> BTreeMap<RelPath, Written> {
    let once = next.iter().filter(|(_, file)| file.class.is_written_once());
    let record = |path: &RelPath, file: &Rendered| {
        ours.get(path).or(theirs.get(path)).cloned().unwrap_or_else(|| Written::new(file))
    };
    once.map(|(path, file)| (path.clone(), record(path, file))).collect()
}
