//! `appgen sync`: `appgen.yaml` was edited by hand.

use std::io::Write;

use super::ask::anybody;
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{Global, Sync};
use crate::spec::SPEC_FILE;
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: Sync, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let document = session.document.clone();
    let allow_destructive = arguments.allow_destructive || may_destroy(global, &session)?;
    let options = Options { allow_destructive, ..Options::default() };
    session.apply(global, sets, "sync", document, options, out)
}

/// Asks for the permission that `--allow-destructive` gives. Where nobody can be asked, it is not given.
fn may_destroy(global: &Global, session: &Session<'_>) -> Result<bool, Failure> {
    let losses = session.losses(&session.desired()?, false);
    match anybody(global) {
        Some(mut prompt) if !losses.is_empty() => {
            let question = format!("The change of `{SPEC_FILE}` {}. Make the changesets?", losses.join(", and "));
            Ok(prompt.confirm(&question, false)?)
        }
        _ => Ok(false),
    }
}
