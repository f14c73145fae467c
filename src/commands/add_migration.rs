//! `appgen add-migration`.

use std::io::Write;

use super::ask::{parsed, terminal};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddMigration, Global};
use crate::spec::changeset::ChangesetId;
use crate::spec::name::title;
use crate::templates::Sets;

pub(super) fn run(
    global: &Global,
    sets: &Sets,
    arguments: AddMigration,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let check = |text: &str| ChangesetId::parse(&format!("0001-{text}")).map(drop);
    let name = match arguments.name {
        Some(name) => name,
        None => {
            let mut prompt = terminal(global, "the name of the migration is missing: `appgen add-migration NAME`")?;
            prompt.line("What it does, as words with hyphens", "fill-country-names", &check)?
        }
    };
    parsed(&name, |name| {
        check(name).map_err(|_| format!("`{}` is not words with hyphens such as `fill-names`", name.escape_debug()))
    })?;
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let mut document = session.document.clone();
    // Changesets that a hand edit still needs come first: this one is later.
    document.changesets = session.desired()?.changesets;
    let id = document.add_migration(&name, arguments.description.unwrap_or_else(|| title(&name)));
    let next = vec![format!("$EDITOR db/changelog/changes/{id}.sql"), "make db-verify".to_owned()];
    session.apply(global, sets, "add-migration", document, Options { next, ..Options::default() }, out)
}
