//! `appgen add-handler`.

use std::io::Write;

use super::ask::{Current, choice, parsed, wizard};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddHandler, Global};
use crate::prompt::Prompt;
use crate::spec::handler::{Handler, Method, RoutePath};
use crate::spec::name::HandlerName;
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: AddHandler, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let AddHandler { name, method, path } = match arguments.name {
        Some(_) => arguments,
        None => {
            let missing = "the name of the handler is missing: `appgen add-handler NAME [--method M] [--path P]`";
            let (mut prompt, current) = wizard(global, &tree, missing)?;
            ask(arguments, &current, prompt.as_mut())?
        }
    };
    let name = parsed(&name.unwrap_or_default(), HandlerName::parse)?;
    let method = read_method(method.as_deref())?;
    let path = path.map(|path| parsed(&path, RoutePath::parse)).transpose()?;
    let session = Session::open(global, &tree)?;
    let mut document = session.document.clone();
    // What was not given is as it is, where the handler exists.
    let handler = match document.handlers.get(&name) {
        Some(there) => Handler {
            method: method.unwrap_or(there.method),
            path: path.unwrap_or_else(|| there.path.clone()),
            example: there.example,
        },
        None => Handler {
            method: method.unwrap_or(Method::Get),
            path: path.map_or_else(|| parsed(&default_path(&name), RoutePath::parse), Ok)?,
            example: None,
        },
    };
    document.add_handler(name.clone(), handler)?;
    let next = vec![format!("$EDITOR src/handlers/{}.rs", name.snake()), "make test".to_owned()];
    let idle = format!("the handler `{name}` is there, with these values");
    session.apply(global, sets, "add-handler", document, Options { next, idle, ..Options::default() }, out)
}

fn read_method(text: Option<&str>) -> Result<Option<Method>, Failure> {
    choice("--method", text.map(str::to_uppercase).as_deref())
}

fn default_path(name: &HandlerName) -> String {
    format!("/api/v1/{name}")
}

/// A route that no handler has: with it, what is wrong is the name's.
const FREE_ROUTE: &str = "/~";

fn ask(given: AddHandler, current: &Current, prompt: &mut dyn Prompt) -> Result<AddHandler, Failure> {
    let objection = |name: &str, method, path: &str| {
        let name = HandlerName::parse(name.trim()).map_err(|error| error.to_string())?;
        let path = RoutePath::parse(path.trim())?;
        if current.document.handlers.contains_key(&name) {
            return Err(format!("there is a handler `{name}` already"));
        }
        current.objection(|document, _| document.add_handler(name, Handler { method, path, example: None }))
    };
    let name = prompt
        .line("Name of the handler, such as `get-quote`", "", &|text| objection(text, Method::Get, FREE_ROUTE))?;
    let method = match given.method {
        Some(method) => method,
        None => {
            let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
            methods[prompt.select("Method", &methods)?].to_owned()
        }
    };
    let path = match given.path {
        Some(path) => path,
        None => {
            let method = read_method(Some(&method))?.unwrap_or(Method::Get);
            let default = default_path(&parsed(&name, HandlerName::parse)?);
            prompt.line("Path", &default, &|text| objection(&name, method, text))?
        }
    };
    Ok(AddHandler { name: Some(name), method: Some(method), path: Some(path) })
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::{Script, current};
    use super::*;

    #[test]
    fn an_answer_is_held_against_the_spec_at_once() {
        let mut script = Script::new(&[
            ("Name", "fn"),
            ("Name", "quote"),
            ("Name", "list-countries"),
            ("Name", "get-quote"),
            ("Method", "GET"),
            ("Path", "api"),
            ("Path", "/api/v1/quotes/{id}"),
            ("Path", "/api/v1/countries"),
            ("Path", ""),
        ]);
        let given = AddHandler { name: None, method: None, path: None };
        let answered = ask(given, &current(), &mut script).unwrap();
        assert_eq!(answered.name.as_deref(), Some("get-quote"));
        assert_eq!(answered.path.as_deref(), Some("/api/v1/get-quote"));
        let expected = [
            "keyword",
            "there is a handler `quote` already",
            "`country` registers `list_countries`",
            "`api`",
            "overlaps `/api/v1/quotes/{id}`",
            "is bound by `entities.country`",
        ];
        assert_eq!(script.objections.len(), expected.len(), "{:#?}", script.objections);
        for (objection, expected) in script.objections.iter().zip(expected) {
            assert!(objection.contains(expected), "{objection}");
        }
    }

    #[test]
    fn what_was_given_is_not_asked_for() {
        let mut script = Script::new(&[("Name", "clear"), ("Path", "/api/v1/quotes")]);
        let given = AddHandler { name: None, method: Some("delete".to_owned()), path: None };
        assert_eq!(ask(given, &current(), &mut script).unwrap().method.as_deref(), Some("delete"));
    }
}
