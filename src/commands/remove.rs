//! `appgen remove-env`, `remove-handler` and `remove-entity`: three of one shape. What was chosen in a wizard is shown
//! with its consequences and confirmed; what was typed whole is done, and `appgen undo` takes it back.

use std::io::Write;

use super::ask::{parsed, wizard};
use super::session::{Confirm, Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{Global, Remove, RemoveEntity};
use crate::prompt::Prompt;
use crate::spec::name::{EntityName, EnvironmentName, HandlerName, pascal, plural};
use crate::spec::transition::TableFate;
use crate::spec::{Spec, entity_functions, entity_path};
use crate::templates::Sets;
use crate::worktree::Worktree;

pub(super) fn environment(
    global: &Global,
    sets: &Sets,
    arguments: Remove,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let known = |spec: &Spec| spec.environments.keys().map(EnvironmentName::to_string).collect();
    let (name, prompt) = name(global, &tree, arguments.name, "environment", "remove-env", known)?;
    let name = parsed(&name, EnvironmentName::parse)?;
    let session = Session::open(global, &tree)?;
    let mut document = session.document.clone();
    document.remove_environment(&session.desired()?, &name)?;
    let confirm = confirm(prompt, format!("Remove the environment `{name}`?"));
    let options = Options { gone: vec![name.to_string()], confirm, next: next_steps(), ..Options::default() };
    session.apply(global, sets, "remove-env", document, options, out)
}

pub(super) fn handler(global: &Global, sets: &Sets, arguments: Remove, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let known = |spec: &Spec| spec.handlers.keys().map(HandlerName::to_string).collect();
    let (name, prompt) = name(global, &tree, arguments.name, "handler", "remove-handler", known)?;
    let name = parsed(&name, HandlerName::parse)?;
    let session = Session::open(global, &tree)?;
    let mut document = session.document.clone();
    document.remove_handler(&name)?;
    let mut gone = vec![name.snake(), name.to_string()];
    // Whoever calls its route names it too, unless another answers there.
    if let Some(handler) = session.document.handlers.get(&name) {
        let prefix = handler.path.literal_prefix();
        let shared = document.handlers.values().any(|other| other.path.as_str().starts_with(prefix))
            || document.entities.keys().any(|entity| entity_path(entity).starts_with(prefix));
        if !shared && prefix != "/" {
            gone.push(prefix.to_owned());
        }
    }
    let confirm = confirm(prompt, format!("Remove the handler `{name}`?"));
    let options = Options { gone, confirm, next: next_steps(), ..Options::default() };
    session.apply(global, sets, "remove-handler", document, options, out)
}

pub(super) fn entity(
    global: &Global,
    sets: &Sets,
    arguments: RemoveEntity,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let known = |spec: &Spec| spec.entities.keys().map(EntityName::to_string).collect();
    let (name, mut prompt) = name(global, &tree, arguments.name, "entity", "remove-entity", known)?;
    let name = parsed(&name, EntityName::parse)?;
    let fate = match (arguments.drop_table, arguments.unapplied, prompt.as_deref_mut()) {
        (true, ..) => TableFate::Dropped,
        (false, true, _) => TableFate::Withdrawn,
        (false, false, Some(prompt)) => ask_fate(prompt)?,
        (false, false, None) => TableFate::Kept,
    };
    let session = Session::open(global, &tree)?;
    let current = session.desired()?;
    let mut document = session.document.clone();
    document.remove_entity(&current, &name, fate)?;
    let kept = current.entities.get(&name).filter(|_| fate == TableFate::Kept);
    let warning = kept.map(|entity| {
        let table = &entity.table;
        format!("the table `{table}` stays, with its rows; `--drop-table` or `--unapplied` would have taken it away")
    });
    let (kebab, snake) = (name.kebab(), name.snake());
    let mut gone = vec![snake.clone(), kebab.to_owned(), pascal(kebab), plural(&snake), plural(kebab)];
    gone.extend(current.entities.get(&name).map(|entity| entity.table.to_string()));
    gone.extend(entity_functions(&name));
    let confirm = confirm(prompt, format!("Remove the entity `{name}`?"));
    let options = Options {
        gone,
        // `--drop-table` and `--unapplied` are the permission.
        allow_destructive: fate == TableFate::Dropped,
        withdraw: fate == TableFate::Withdrawn,
        confirm,
        warning,
        next: next_steps(),
        ..Options::default()
    };
    session.apply(global, sets, "remove-entity", document, options, out)
}

fn next_steps() -> Vec<String> {
    vec!["make test".to_owned()]
}

/// The name that was typed; or one that was chosen from what there is, and who chose it.
fn name(
    global: &Global,
    tree: &Worktree,
    given: Option<String>,
    kind: &str,
    command: &str,
    known: impl FnOnce(&Spec) -> Vec<String>,
) -> Result<(String, Option<Box<dyn Prompt>>), Failure> {
    if let Some(name) = given {
        return Ok((name, None));
    }
    let missing = format!("the name of the {kind} is missing: `appgen {command} NAME`");
    let (mut prompt, current) = wizard(global, tree, &missing)?;
    let name = ask_name(kind, known(&current.spec), prompt.as_mut())?;
    Ok((name, Some(prompt)))
}

fn ask_name(kind: &str, mut known: Vec<String>, prompt: &mut dyn Prompt) -> Result<String, Failure> {
    if known.is_empty() {
        return Err(Failure::Usage(format!("there is no {kind} to remove")));
    }
    let names: Vec<_> = known.iter().map(String::as_str).collect();
    let chosen = prompt.select(&format!("Which {kind}"), &names)?;
    Ok(known.swap_remove(chosen))
}

fn ask_fate(prompt: &mut dyn Prompt) -> Result<TableFate, Failure> {
    let fates = [
        (TableFate::Kept, "keep it, with its rows"),
        (TableFate::Dropped, "drop it, in a changeset that can be rolled back (without the rows)"),
        (TableFate::Withdrawn, "withdraw its changesets: no database has run them"),
    ];
    Ok(fates[prompt.select("Its table", &fates.map(|(_, text)| text))?].0)
}

fn confirm(prompt: Option<Box<dyn Prompt>>, question: String) -> Option<Confirm> {
    prompt.map(|prompt| Confirm { prompt, question })
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::Script;
    use super::*;

    #[test]
    fn one_is_chosen_from_what_there_is() {
        let known = || vec!["country".to_owned(), "currency".to_owned(), "invoice".to_owned()];
        let mut script = Script::new(&[("Which entity", "currency"), ("Its table", "drop"), ("Its table", "withdraw")]);
        assert_eq!(ask_name("entity", known(), &mut script).unwrap(), "currency");
        assert_eq!(ask_fate(&mut script).unwrap(), TableFate::Dropped);
        assert_eq!(ask_fate(&mut script).unwrap(), TableFate::Withdrawn);
        let nothing = ask_name("entity", Vec::new(), &mut script).unwrap_err();
        assert_eq!(nothing.to_string(), "there is no entity to remove");
    }
}
