//! `appgen remove-env`, `remove-handler` and `remove-entity`: three of one shape.

use std::io::Write;

use super::ask::{parsed, terminal};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{Global, Remove, RemoveEntity};
use crate::spec::name::{EntityName, EnvironmentName, HandlerName, pascal, plural};
use crate::spec::transition::TableFate;
use crate::spec::{Spec, entity_functions, entity_path};
use crate::templates::Sets;

pub(super) fn environment(
    global: &Global,
    sets: &Sets,
    arguments: Remove,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let current = session.desired()?;
    let names = |spec: &Spec| spec.environments.keys().map(EnvironmentName::to_string).collect();
    let name = name(global, arguments.name, "environment", "remove-env", names(&current))?;
    let name = parsed(&name, EnvironmentName::parse)?;
    let mut document = session.document.clone();
    document.remove_environment(&current, &name)?;
    let options = Options { gone: vec![name.to_string()], ..Options::default() };
    session.apply(global, sets, "remove-env", document, options, out)
}

pub(super) fn handler(global: &Global, sets: &Sets, arguments: Remove, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let names = session.document.handlers.keys().map(HandlerName::to_string).collect();
    let name = parsed(&name(global, arguments.name, "handler", "remove-handler", names)?, HandlerName::parse)?;
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
    let options = Options { gone, ..Options::default() };
    session.apply(global, sets, "remove-handler", document, options, out)
}

pub(super) fn entity(
    global: &Global,
    sets: &Sets,
    arguments: RemoveEntity,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let names = session.document.entities.keys().map(EntityName::to_string).collect();
    let name = parsed(&name(global, arguments.name, "entity", "remove-entity", names)?, EntityName::parse)?;
    let fate = match (arguments.drop_table, arguments.unapplied) {
        (true, _) => TableFate::Dropped,
        (false, true) => TableFate::Withdrawn,
        (false, false) => TableFate::Kept,
    };
    let current = session.desired()?;
    let mut document = session.document.clone();
    document.remove_entity(&current, &name, fate)?;
    let (kebab, snake) = (name.kebab(), name.snake());
    let mut gone = vec![snake.clone(), kebab.to_owned(), pascal(kebab), plural(&snake), plural(kebab)];
    gone.extend(current.entities.get(&name).map(|entity| entity.table.to_string()));
    gone.extend(entity_functions(&name));
    // `--drop-table` and `--unapplied` are the permission.
    let (allow_destructive, withdraw) = (fate == TableFate::Dropped, fate == TableFate::Withdrawn);
    let options = Options { gone, allow_destructive, withdraw, ..Options::default() };
    session.apply(global, sets, "remove-entity", document, options, out)
}

fn name(
    global: &Global,
    given: Option<String>,
    kind: &str,
    command: &str,
    known: Vec<String>,
) -> Result<String, Failure> {
    if let Some(name) = given {
        return Ok(name);
    }
    let mut prompt = terminal(global, &format!("the name of the {kind} is missing: `appgen {command} NAME`"))?;
    let check = |text: &str| match known.iter().any(|name| name == text) {
        true => Ok(()),
        false => Err(format!("there are {}", known.join(", "))),
    };
    Ok(prompt.line(&format!("Name of the {kind} ({})", known.join(", ")), "", &check)?)
}
