//! `appgen undo`: the last change is taken back.

use std::io::Write;

use super::session::{guard, utf8, worktree};
use super::{Exit, Failure};
use crate::cli::Global;
use crate::git;
use crate::lock::sha256;
use crate::plan::{Action, Change, Plan};
use crate::render::RelPath;
use crate::report::{self, Print as _, Report};
use crate::transaction;
use crate::worktree::Found;

pub(super) fn run(global: &Global, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let (guard, mut warnings) = guard(global, &tree)?;
    let nothing = || Failure::Refused("there is no change to take back".to_owned());
    let journal = transaction::last(&tree)?.ok_or_else(nothing)?;
    if journal.command == "undo" {
        return Err(Failure::Refused("the last change was taken back already".to_owned()));
    }
    let mut plan = Plan::default();
    let mut changed = Vec::new();
    for (index, (entry, before)) in journal.entries.iter().zip(transaction::before(&tree, &journal)?).enumerate() {
        let ours = match tree.read(&entry.path)? {
            Found::Nothing => None,
            Found::File(bytes) => Some(bytes),
            Found::Other(what) => {
                return Err(Failure::Refused(format!("`{}` is {what}; nothing was taken back", entry.path)));
            }
        };
        if ours.as_deref().map(sha256) != entry.after {
            changed.push(format!("\n  {}", entry.path));
            continue;
        }
        let action = match (&ours, &before) {
            (_, None) => Action::Delete,
            (None, _) => Action::Create,
            _ => Action::Update,
        };
        let kept = transaction::kept(index);
        let text = before.map(|before| utf8(&kept, before)).transpose().map_err(Failure::Failed)?;
        let (executable, like) = (entry.was_executable, Some(RelPath::parse(&kept)?));
        let change = Change::new(entry.path.clone(), action, None);
        plan.changes.push(Change { text, ours, executable, like, ..change });
    }
    if !changed.is_empty() {
        return Err(Failure::Refused(format!(
            "`appgen {}` cannot be taken back; these files changed since:{}",
            journal.command,
            changed.concat()
        )));
    }
    let mut is_settled = true;
    if let Some(guard) = &guard {
        let arrival = transaction::commit(guard, "undo", &plan)?;
        warnings.extend(arrival.warnings);
        is_settled = arrival.saved_meanwhile.is_empty();
        let conflicts = journal.entries.iter().filter(|entry| entry.conflict);
        let paths: Vec<_> = conflicts.map(|entry| entry.path.as_str()).collect();
        if let Err(error) = git::reset(tree.root(), &paths) {
            let command = format!("git reset -- {}", paths.join(" "));
            warnings.push(format!("git still knows of the conflicts ({error}); when it can, run `{command}`"));
        }
    }
    let exit = Exit::settled(is_settled);
    let report = Report {
        exit: exit as u8,
        headline: format!("`appgen {}` taken back: {}", journal.command, report::headline(&plan, global.dry_run)),
        ..Report::of("undo", global, &tree, plan, warnings)
    };
    report.print(global.format, out)?;
    Ok(exit)
}
