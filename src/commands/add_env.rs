//! `appgen add-env`.

use std::io::Write;

use super::ask::{choice, parsed, terminal};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddEnv, Global};
use crate::spec::environment::EnvironmentDocument;
use crate::spec::name::EnvironmentName;
use crate::spec::transition::TransitionError;
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: AddEnv, out: &mut impl Write) -> Result<Exit, Failure> {
    let name = match &arguments.name {
        Some(name) => parsed(name, EnvironmentName::parse)?,
        None => {
            let mut prompt = terminal(global, "the name of the environment is missing: `appgen add-env NAME`")?;
            let check = |text: &str| EnvironmentName::parse(text).map(drop).map_err(|error| error.to_string());
            parsed(&prompt.line("Name of the environment", "staging", &check)?, EnvironmentName::parse)?
        }
    };
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let current = session.desired()?;
    let from = match &arguments.from {
        None => EnvironmentDocument::default(),
        Some(from) => {
            let from = parsed(from, EnvironmentName::parse)?;
            let environment = current.environments.get(&from).ok_or_else(|| TransitionError::Unknown {
                kind: "environment",
                name: from.to_string(),
                suggestion: None,
            })?;
            // What names the environment itself is not copied.
            EnvironmentDocument { database_host: None, contexts: None, ..environment.to_document() }
        }
    };
    let given = EnvironmentDocument {
        replicas: arguments.replicas,
        database: choice("--database", arguments.database.as_deref())?,
        database_host: arguments.database_host,
        secrets: choice("--secrets", arguments.secrets.as_deref())?,
        log_level: choice("--log-level", arguments.log_level.as_deref())?,
        contexts: arguments.contexts,
        create_namespace: arguments.create_namespace,
    };
    let given = if current.environments.contains_key(&name) { given } else { given.or(from) };
    let mut document = session.document.clone();
    document.add_environment(&current, name.clone(), given)?;
    let next = vec![format!("kubectl kustomize deploy/kustomize/overlays/{name}")];
    session.apply(global, sets, "add-env", document, Options { next, ..Options::default() }, out)
}
