//! `appgen check`: is the repository what `appgen.yaml` says?

use std::io::Write;

use super::session::Session;
use super::{Exit, Failure};
use crate::cli::Global;
use crate::drift::{Drift, drift, survey};
use crate::git;
use crate::plan::{LOCK_FILE, Plan};
use crate::report::{Print as _, Report};
use crate::spec::SPEC_FILE;
use crate::templates::Sets;
use crate::transaction;
use crate::worktree::Worktree;

pub(super) fn run(global: &Global, sets: &Sets, tree: &Worktree, out: &mut impl Write) -> Result<Exit, Failure> {
    let session = Session::read(tree)?;
    let found = find(&session, sets, tree)?;
    let exit = if found.is_empty() { Exit::Done } else { Exit::Drift };
    let headline = match found.len() {
        0 => "the repository is what appgen.yaml says".to_owned(),
        1 => "1 difference from what appgen.yaml says".to_owned(),
        many => format!("{many} differences from what appgen.yaml says"),
    };
    let report = Report::of("check", global, tree, Plan::default(), Vec::new());
    Report { exit: exit as u8, headline, drift: found, ..report }.print(global.format, out)?;
    Ok(exit)
}

/// Everything in which the repository is not what its spec says.
pub(super) fn find(session: &Session<'_>, sets: &Sets, tree: &Worktree) -> Result<Vec<Drift>, Failure> {
    let mut found = Vec::new();
    if session.desired()? != session.lock.spec {
        found.push(Drift::new(SPEC_FILE, "asks for more than was applied", "appgen sync".to_owned()));
    }
    if transaction::is_interrupted(tree) {
        let problem = "holds a change that was interrupted";
        found.push(Drift::new(".appgen/txn", problem, "appgen sync".to_owned()));
    }
    let rendered = session.rendered(sets)?;
    found.extend(drift(&survey(&rendered, &session.lock.files, tree)?, tree)?);
    for path in git::unmerged(tree.root())? {
        if !found.iter().any(|drift| drift.path == path) {
            let ours = [SPEC_FILE, LOCK_FILE].contains(&path.as_str());
            let recorded = session.lock.conflicts.iter().any(|conflict| conflict.as_str() == path);
            let fix = if ours || recorded { "appgen resolve".to_owned() } else { format!("git add {path}") };
            found.push(Drift::new(&path, "is unmerged in git's index", fix));
        }
    }
    for path in &session.lock.conflicts {
        if !found.iter().any(|drift| drift.path == path.as_str()) {
            found.push(Drift::new(path.as_str(), "had a conflict that was not settled", "appgen resolve".to_owned()));
        }
    }
    Ok(found)
}
