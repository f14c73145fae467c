//! `appgen diff`: what was edited since appgen wrote it.

use std::io::Write;

use super::session::Session;
use super::{Exit, Failure};
use crate::cli::{Diff, Format, Global};
use crate::drift::{State, survey};
use crate::plan::Plan;
use crate::report::{self, Print as _, Report};
use crate::templates::Sets;
use crate::worktree::Worktree;

pub(super) fn run(
    global: &Global,
    sets: &Sets,
    arguments: &Diff,
    tree: &Worktree,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let session = Session::read(tree)?;
    let rendered = session.rendered(sets)?;
    let wanted = |path: &str| {
        let below = |given: &String| {
            path == given || path.strip_prefix(given.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        arguments.paths.is_empty()
            || arguments.paths.iter().map(|path| path.trim_matches('/').to_owned()).any(|given| below(&given))
    };
    let surveyed = survey(&rendered, &session.lock.files, tree)?;
    let differing: Vec<_> =
        surveyed.iter().filter(|file| file.state != State::Pristine && wanted(file.path.as_str())).collect();
    if global.format != Format::Text {
        let edited = differing.iter().map(|file| file.path.clone()).collect();
        let report = Report::of("diff", global, tree, Plan::default(), Vec::new());
        Report { edited, ..report }.print(global.format, out)?;
    } else {
        for file in &differing {
            let path = file.path;
            let after = if file.ours.is_some() { format!("b/{path}") } else { "/dev/null".to_owned() };
            writeln!(out, "diff --git a/{path} b/{path}\n--- a/{path}\n+++ {after}")?;
            report::print_hunks(file.rendered, file.ours.as_deref().unwrap_or_default(), out)?;
        }
    }
    let drift = arguments.exit_code && !differing.is_empty();
    Ok(if drift { Exit::Drift } else { Exit::Done })
}
