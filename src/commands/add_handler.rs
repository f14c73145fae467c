//! `appgen add-handler`.

use std::io::Write;

use super::ask::{choice, parsed, terminal};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddHandler, Global};
use crate::spec::handler::{Handler, Method, RoutePath};
use crate::spec::name::HandlerName;
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: AddHandler, out: &mut impl Write) -> Result<Exit, Failure> {
    let AddHandler { name, method, path } = match arguments.name {
        Some(_) => arguments,
        None => ask(global, arguments)?,
    };
    let name = parsed(&name.unwrap_or_default(), HandlerName::parse)?;
    let method = choice("--method", method.map(|method| method.to_uppercase()).as_deref())?;
    let path = path.map(|path| parsed(&path, RoutePath::parse)).transpose()?;
    let tree = worktree(global)?;
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
    session.apply(global, sets, "add-handler", document, Options { next, ..Options::default() }, out)
}

fn default_path(name: &HandlerName) -> String {
    format!("/api/v1/{name}")
}

fn ask(global: &Global, given: AddHandler) -> Result<AddHandler, Failure> {
    let mut prompt = terminal(global, "the name of the handler is missing: `appgen add-handler NAME`")?;
    let check = |text: &str| HandlerName::parse(text).map(drop).map_err(|error| error.to_string());
    let name = prompt.line("Name of the handler", "get-quote", &check)?;
    let method = match given.method {
        Some(method) => method,
        None => {
            let check = |text: &str| {
                let method = choice::<Method>("the method", Some(&text.to_uppercase()));
                method.map(drop).map_err(|error| error.to_string())
            };
            prompt.line("Method", "GET", &check)?
        }
    };
    let path = match given.path {
        Some(path) => path,
        None => {
            let default = default_path(&parsed(&name, HandlerName::parse)?);
            prompt.line("Path", &default, &|text: &str| RoutePath::parse(text).map(drop))?
        }
    };
    Ok(AddHandler { name: Some(name), method: Some(method), path: Some(path) })
}
