//! `appgen restore`: files as the spec renders them; what was there stays beside them.

use std::io::Write;

use super::ask::wizard;
use super::session::{Session, worktree};
use super::{Exit, Failure};
use crate::cli::{Global, Paths};
use crate::drift::{State, survey};
use crate::plan::{Action, Change, LOCK_FILE, Plan};
use crate::render::{Files, RelPath};
use crate::report::{Print as _, Report};
use crate::templates::Sets;
use crate::transaction;
use crate::worktree::{Found, Worktree};

/// What is appended to the path of a text that was replaced.
const OLD: &str = ".appgen-old";

pub(super) fn run(global: &Global, sets: &Sets, arguments: Paths, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let paths = if arguments.paths.is_empty() { ask(global, sets, &tree)? } else { arguments.paths };
    let session = Session::open(global, &tree)?;
    let rendered = session.rendered(sets)?;
    let mut plan = Plan::default();
    for text in &paths {
        restore(text, &rendered, &tree, &mut plan)?;
    }
    if !plan.is_empty() {
        // The next change is the last one then: who is still to settle something of this one hears it from the lock.
        let mut lock = session.lock.clone();
        lock.conflicts.extend(session.open_conflicts()?);
        plan.set_own(LOCK_FILE, session.recorded.as_deref(), lock.to_yaml())?;
    }
    let mut warnings = session.warnings.clone();
    let mut is_settled = true;
    if let Some(guard) = &session.guard
        && !plan.is_empty()
    {
        let arrival = transaction::commit(guard, "restore", &plan)?;
        warnings.extend(arrival.warnings);
        is_settled = arrival.saved_meanwhile.is_empty();
    }
    let exit = Exit::settled(is_settled);
    Report { exit: exit as u8, ..Report::of("restore", global, &tree, plan, warnings) }.print(global.format, out)?;
    Ok(exit)
}

/// Plans to put one file back.
fn restore(text: &str, rendered: &Files, tree: &Worktree, plan: &mut Plan) -> Result<(), Failure> {
    let path = text.strip_prefix("./").unwrap_or(text);
    let path = RelPath::parse(path).map_err(|error| Failure::Usage(error.to_string()))?;
    let file = rendered.get(&path).ok_or_else(|| {
        Failure::Usage(format!("the spec renders no `{path}`; paths are from the root of the repository"))
    })?;
    let ours = match tree.read(&path)? {
        Found::Nothing => None,
        Found::File(bytes) => Some(bytes),
        Found::Other(what) => return Err(Failure::Refused(format!("`{path}` is {what}; move it away first"))),
    };
    if ours.as_deref() == Some(file.text.as_bytes()) {
        return Ok(());
    }
    if let Some(ours) = &ours {
        plan.changes.push(keep_beside(&path, ours, tree)?);
    }
    let action = if ours.is_some() { Action::Update } else { Action::Create };
    let change = Change::new(path, action, Some(file.class));
    plan.changes.push(Change { text: Some(file.text.clone()), ours, executable: file.executable, ..change });
    Ok(())
}

/// Plans to put what is there beside what will be.
pub(super) fn keep_beside(path: &RelPath, ours: &[u8], tree: &Worktree) -> Result<Change, Failure> {
    let beside = RelPath::parse(&format!("{path}{OLD}"))?;
    let Found::Nothing = tree.read(&beside)? else {
        return Err(Failure::Refused(format!("`{beside}` is there already; move it away first")));
    };
    let text = String::from_utf8(ours.to_owned())
        .map_err(|_| Failure::Refused(format!("`{path}` is no text; move it away first")))?;
    Ok(Change { text: Some(text), like: Some(path.clone()), ..Change::new(beside, Action::Create, None) })
}

/// Asks which of the files that are not as rendered are to be put back.
fn ask(global: &Global, sets: &Sets, tree: &Worktree) -> Result<Vec<String>, Failure> {
    let missing =
        "which files to put back is missing: `appgen restore PATH …`; `appgen status` lists those that differ";
    let (mut prompt, _) = wizard(global, tree, missing)?;
    let session = Session::read(tree)?;
    let rendered = session.rendered(sets)?;
    let surveyed = survey(&rendered, &session.lock.files, tree)?;
    let differing: Vec<_> = surveyed.iter().filter(|file| file.state != State::Pristine).collect();
    if differing.is_empty() {
        return Ok(Vec::new());
    }
    let shown: Vec<_> = differing.iter().map(|file| format!("{} ({})", file.path, word(file.state))).collect();
    let options: Vec<_> = shown.iter().map(String::as_str).collect();
    let chosen = prompt.choose("Files to put back as they were generated", &options, false)?;
    let chosen = differing.iter().zip(chosen).filter(|(_, chosen)| *chosen);
    Ok(chosen.map(|(file, _)| file.path.to_string()).collect())
}

fn word(state: State) -> &'static str {
    match state {
        State::Pristine => "as generated",
        State::Edited => "edited; your text stays beside it",
        State::Missing => "missing",
        State::Deleted => "deleted",
    }
}
