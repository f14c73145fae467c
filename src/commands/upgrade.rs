//! `appgen upgrade`: to the templates of this appgen.

use std::io::Write;

use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::Global;
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let session = Session::open_or_start(global, &tree)?;
    let document = session.document.clone();
    let options = Options {
        upgrade_to: Some(sets.current()),
        next: vec!["git diff".to_owned(), "make test".to_owned()],
        idle: format!("the repository has the templates of this appgen, {}", sets.current().version()),
        ..Options::default()
    };
    session.apply(global, sets, "upgrade", document, options, out)
}
