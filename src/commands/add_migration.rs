//! `appgen add-migration`.

use std::io::Write;

use super::ask::{parsed, wizard};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddMigration, Global};
use crate::prompt::Prompt;
use crate::spec::changeset::ChangesetId;
use crate::spec::name::title;
use crate::spec::service::check_line;
use crate::templates::Sets;

pub(super) fn run(
    global: &Global,
    sets: &Sets,
    arguments: AddMigration,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let AddMigration { name, description } = match arguments.name {
        Some(_) => arguments,
        None => {
            let missing = "the name of the migration is missing: `appgen add-migration NAME [--description TEXT]`";
            let (mut prompt, _) = wizard(global, &tree, missing)?;
            ask(arguments, prompt.as_mut())?
        }
    };
    let name = parsed(&name.unwrap_or_default(), |name| check_slug(name).map(|()| name.to_owned()))?;
    let session = Session::open(global, &tree)?;
    let mut document = session.document.clone();
    // Changesets that a hand edit still needs come first: this one is later.
    document.changesets = session.desired()?.changesets;
    let id = document.add_migration(&name, description)?;
    let next = vec![format!("$EDITOR db/changelog/changes/{id}.sql"), "make db-verify".to_owned()];
    let idle = format!("the migration `{id}` is there, with this description");
    session.apply(global, sets, "add-migration", document, Options { next, idle, ..Options::default() }, out)
}

fn check_slug(text: &str) -> Result<(), String> {
    let parsed = ChangesetId::parse(&format!("0001-{text}")).map(drop);
    parsed.map_err(|_| format!("`{}` is not words with hyphens such as `fill-country-names`", text.escape_debug()))
}

fn ask(given: AddMigration, prompt: &mut dyn Prompt) -> Result<AddMigration, Failure> {
    let name = prompt.line("What it does, as words with hyphens, such as `fill-country-names`", "", &|text| {
        check_slug(text.trim())
    })?;
    let description = match given.description {
        Some(description) => description,
        None => {
            let check = |text: &str| check_line(text).map_err(|reason| format!("the description {reason}"));
            prompt.line("The same as a sentence", &title(name.trim()), &check)?
        }
    };
    Ok(AddMigration { name: Some(name), description: Some(description) })
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::Script;
    use super::*;

    #[test]
    fn words_and_a_sentence_are_asked_for() {
        let mut script = Script::new(&[("What", ""), ("What", "Fill names"), ("What", "fill-names"), ("The same", "")]);
        let answers = ask(AddMigration { name: None, description: None }, &mut script).unwrap();
        assert_eq!(answers.name.as_deref(), Some("fill-names"));
        assert_eq!(answers.description.as_deref(), Some("Fill names"));
        assert_eq!(script.objections.len(), 2, "{:#?}", script.objections);
    }
}
