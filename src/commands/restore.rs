//! `appgen restore`: files as the spec renders them; what was there stays beside them.

use std::io::Write;

use super::session::{Session, worktree};
use super::{Exit, Failure};
use crate::cli::{Global, Paths};
use crate::plan::{Action, Change, Plan};
use crate::render::RelPath;
use crate::report::{self, Report};
use crate::templates::Sets;
use crate::transaction;
use crate::worktree::Found;

/// What is appended to the path of a text that was replaced.
const OLD: &str = ".appgen-old";

pub(super) fn run(global: &Global, sets: &Sets, arguments: Paths, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let rendered = session.rendered(sets)?;
    let mut plan = Plan::default();
    for text in &arguments.paths {
        let path = RelPath::parse(text.strip_prefix("./").unwrap_or(text))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let file = rendered.get(&path).ok_or_else(|| {
            Failure::Usage(format!("the spec renders no `{path}`; paths are from the root of the repository"))
        })?;
        let ours = match tree.read(&path)? {
            Found::Nothing => None,
            Found::File(bytes) => Some(bytes),
            Found::Other(what) => return Err(Failure::Refused(format!("`{path}` is {what}; move it away first"))),
        };
        if ours.as_deref() == Some(file.text.as_bytes()) {
            continue;
        }
        if let Some(ours) = &ours {
            let beside = RelPath::parse(&format!("{path}{OLD}"))?;
            let Found::Nothing = tree.read(&beside)? else {
                return Err(Failure::Refused(format!("`{beside}` is there already; move it away first")));
            };
            let text = String::from_utf8(ours.clone())
                .map_err(|_| Failure::Refused(format!("`{path}` is no text; move it away first")))?;
            plan.changes.push(Change { text: Some(text), ..Change::new(beside, Action::Create, None) });
        }
        let action = if ours.is_some() { Action::Update } else { Action::Create };
        let change = Change::new(path, action, Some(file.class));
        plan.changes.push(Change { text: Some(file.text.clone()), ours, executable: file.executable, ..change });
    }
    let mut warnings = session.warnings.clone();
    if let Some(guard) = &session.guard
        && !plan.is_empty()
    {
        warnings.extend(transaction::commit(guard, "restore", &plan)?);
    }
    let report = Report {
        headline: report::headline(&plan, global.dry_run),
        ..Report::of("restore", global, &tree, plan, warnings)
    };
    report.print(global.format, out)?;
    Ok(Exit::Done)
}
