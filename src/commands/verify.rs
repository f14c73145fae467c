//! `appgen verify`: every check of the repository for which the tool is there.

use std::io::Write;
use std::time::Instant;

use super::ask::has_colors;
use super::check;
use super::session::{Session, worktree};
use super::{Exit, Failure};
use crate::cli::{Format, Global, Variables, Verify};
use crate::report::{Print as _, Progress, Verified};
use crate::spec::name::closest;
use crate::templates::Sets;
use crate::transaction::undisturbed;
use crate::verify::catalog::CHECKS;
use crate::verify::tools::{Machine, installations};
use crate::verify::{Drift, Selection, Site, Survey, run as run_checks, select};
use crate::worktree::Worktree;

pub(super) fn run(global: &Global, sets: &Sets, arguments: Verify, out: &mut impl Write) -> Result<Exit, Failure> {
    let start = Instant::now();
    let tree = worktree(global)?;
    let selection = selection(arguments)?;
    let variables = Variables::read();
    let machine = machine(&variables);
    let survey = Survey::of(tree.root(), &machine)?;
    let rows = select(&selection, &survey);
    let rows = if global.dry_run {
        rows
    } else {
        let site = Site::open(&survey)?;
        let drift = drift(sets, &tree);
        let is_dumb = variables.term.is_none_or(|term| term == "dumb");
        let progress = Progress::start(&rows, global.format == Format::Text && !is_dumb, has_colors(global));
        let rows = run_checks(rows, &site, &drift, &progress);
        progress.finish();
        rows
    };
    let missing: Vec<_> = rows.iter().flat_map(|row| row.missing.iter().copied()).collect();
    let install = installations(&missing, &machine);
    let root = tree.root().display().to_string();
    let report = Verified::new(root, global.dry_run, start.elapsed().as_secs_f64(), rows, install);
    let exit = if report.fails() { Exit::Drift } else { Exit::Done };
    Verified { exit: exit as u8, ..report }.print(global.format, out)?;
    Ok(exit)
}

/// This machine, as the user's variables describe it.
pub(super) fn machine(variables: &Variables) -> Machine {
    Machine::new(&variables.path, variables.test_database_url.is_some())
}

/// The checks that are meant, each of them one that there is.
fn selection(arguments: Verify) -> Result<Selection, Failure> {
    let Verify { only, skip, mut require } = arguments;
    let typed = require.len();
    require.retain(|name| name != "all");
    let require_all = require.len() < typed;
    for (flag, names) in [("--only", &only), ("--skip", &skip), ("--require", &require)] {
        for name in names {
            known(flag, name)?;
        }
    }
    Ok(Selection { only, skip, require, require_all })
}

fn known(flag: &str, name: &str) -> Result<(), Failure> {
    let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    if names.contains(&name) {
        return Ok(());
    }
    let meant =
        closest(name, names.iter().copied()).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    let names = names.join(", ");
    Err(Failure::Usage(format!("`{flag}`: there is no check `{name}`{meant}\nthe checks are {names}")))
}

/// What `appgen check` finds, or why it cannot look.
fn drift(sets: &Sets, tree: &Worktree) -> Drift {
    let start = Instant::now();
    let look = || Session::read(tree).and_then(|session| check::find(&session, sets, tree));
    let found = match undisturbed(tree, look) {
        Ok(found) => {
            found.iter().map(|drift| format!("{} {}; run: {}", drift.path, drift.problem, drift.fix)).collect()
        }
        Err(failure) => vec![failure.to_string()],
    };
    Drift { found, seconds: start.elapsed().as_secs_f64() }
}
