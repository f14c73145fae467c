//! `appgen sync`: `appgen.yaml` was edited by hand.

use std::io::Write;

use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{Global, Sync};
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: Sync, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let document = session.document.clone();
    let options = Options { allow_destructive: arguments.allow_destructive, ..Options::default() };
    session.apply(global, sets, "sync", document, options, out)
}
