//! `appgen status`: how the repository stands.

use std::io::Write;

use super::check;
use super::session::Session;
use super::{Exit, Failure};
use crate::cli::{Format, Global};
use crate::drift::{State, survey};
use crate::plan::Plan;
use crate::report::{Print as _, Report};
use crate::templates::Sets;
use crate::worktree::Worktree;

pub(super) fn run(global: &Global, sets: &Sets, tree: &Worktree, out: &mut impl Write) -> Result<Exit, Failure> {
    let session = Session::read(tree)?;
    let rendered = session.rendered(sets)?;
    let surveyed = survey(&rendered, &session.lock.files, tree)?;
    let with = |state| surveyed.iter().filter(|file| file.state == state).map(|file| file.path.clone()).collect();
    let (edited, deleted): (Vec<_>, Vec<_>) = (with(State::Edited), with(State::Deleted));
    let drift = check::find(&session, sets, tree)?;
    if global.format == Format::Text {
        let spec = &session.lock.spec;
        writeln!(
            out,
            "{}: {} files, {} environments, {} entities, {} handlers, {} changesets",
            spec.service.name,
            rendered.len(),
            spec.environments.len(),
            spec.entities.len(),
            spec.handlers.len(),
            spec.changesets.len()
        )?;
        let current = sets.current().version();
        let newer = if session.lock.templates == current {
            String::new()
        } else {
            format!("; `appgen upgrade` brings {current}")
        };
        writeln!(out, "templates {}{newer}", session.lock.templates)?;
    }
    let counts = [("edited", edited.len()), ("deleted", deleted.len()), ("not as the spec says", drift.len())];
    let parts: Vec<_> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")).collect();
    let headline = if parts.is_empty() { "every file is as generated".to_owned() } else { parts.join(", ") };
    let report = Report::of("status", global, tree, Plan::default(), Vec::new());
    Report { headline, edited, deleted, drift, ..report }.print(global.format, out)?;
    Ok(Exit::Done)
}
