//! `appgen add-env`.

use std::io::Write;

use super::ask::{Current, choice, parsed, wizard};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddEnv, Global};
use crate::prompt::Prompt;
use crate::spec::Spec;
use crate::spec::environment::{Autoscaling, Database, Environment, EnvironmentDocument};
use crate::spec::name::EnvironmentName;
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: AddEnv, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let arguments = match arguments.name {
        Some(_) => arguments,
        None => {
            let missing = "the name of the environment is missing: `appgen add-env NAME [--from ENV] …`";
            let (mut prompt, current) = wizard(global, &tree, missing)?;
            ask(arguments, &current, prompt.as_mut())?
        }
    };
    let name = parsed(arguments.name.as_deref().unwrap_or_default(), EnvironmentName::parse)?;
    let session = Session::open(global, &tree)?;
    let current = session.desired()?;
    let mut document = session.document.clone();
    document.add_environment(&current, name.clone(), wanted(&arguments, &current)?)?;
    let next = vec![format!("kubectl kustomize deploy/kustomize/overlays/{name}")];
    let idle = format!("the environment `{name}` is there, with these values");
    session.apply(global, sets, "add-env", document, Options { next, idle, ..Options::default() }, out)
}

/// The knobs that were given, and those of the environment that it starts from.
fn wanted(arguments: &AddEnv, current: &Spec) -> Result<EnvironmentDocument, Failure> {
    let given = EnvironmentDocument {
        replicas: arguments.replicas,
        autoscaling: arguments.autoscale.as_deref().map(bounds).transpose()?,
        expose: choice("--expose", arguments.expose.as_deref())?,
        host: arguments.host.clone(),
        database: choice("--database", arguments.database.as_deref())?,
        database_host: arguments.database_host.clone(),
        secrets: choice("--secrets", arguments.secrets.as_deref())?,
        log_level: choice("--log-level", arguments.log_level.as_deref())?,
        contexts: arguments.contexts.clone(),
        create_namespace: arguments.create_namespace,
        ..EnvironmentDocument::default()
    };
    let Some(from) = &arguments.from else { return Ok(given) };
    let from = current.environment(&parsed(from, EnvironmentName::parse)?)?.to_document();
    // What names the environment itself is not copied.
    let from = EnvironmentDocument {
        database_host: None,
        secret_key: None,
        contexts: None,
        namespace: None,
        host: None,
        ..from
    };
    Ok(given.or(from))
}

/// `2..8`
fn bounds(text: &str) -> Result<Autoscaling, Failure> {
    let parse = || {
        let (min, max) = text.split_once("..")?;
        Some(Autoscaling { min: min.parse().ok()?, max: max.parse().ok()? })
    };
    parse().ok_or_else(|| {
        Failure::Usage(format!("`--autoscale {}` is no pair of numbers such as `2..8`", text.escape_debug()))
    })
}

fn ask(given: AddEnv, current: &Current, prompt: &mut dyn Prompt) -> Result<AddEnv, Failure> {
    let is_free = |text: &str| {
        let name = EnvironmentName::parse(text.trim()).map_err(|error| error.to_string())?;
        if current.spec.environments.contains_key(&name) {
            return Err(format!("there is an environment `{name}` already"));
        }
        current.objection(|document, spec| document.add_environment(spec, name, EnvironmentDocument::default()))
    };
    let name = prompt.line("Name of the environment, such as `staging`", "", &is_free)?;
    let mut answers = AddEnv { name: Some(name.clone()), ..given };
    let name = parsed(&name, EnvironmentName::parse)?;
    if answers.from.is_none() {
        let known: Vec<_> = current.spec.environments.keys().map(EnvironmentName::kebab).collect();
        let options = [vec!["the defaults"], known].concat();
        let chosen = prompt.select("Start from", &options)?;
        answers.from = (chosen > 0).then(|| options[chosen].to_owned());
    }
    let start = wanted(&answers, &current.spec)?;
    let decided = Environment::resolve(&name, start.clone());
    let objection = |more: EnvironmentDocument| {
        let wanted = more.or(start.clone());
        current.objection(|document, spec| document.add_environment(spec, name.clone(), wanted))
    };
    if let Some(default) = decided.replicas.filter(|_| answers.replicas.is_none()) {
        let number = |text: &str| text.trim().parse().map_err(|_| format!("`{}` is no number", text.escape_debug()));
        let answer = prompt.line("Replicas", &default.to_string(), &|text| {
            objection(EnvironmentDocument { replicas: Some(number(text)?), ..EnvironmentDocument::default() })
        })?;
        answers.replicas = number(&answer).ok();
    }
    if answers.database.is_none() {
        let mut options = [
            (Database::External, "external", "external: a server that is there already"),
            (Database::InCluster, "in-cluster", "in-cluster: a StatefulSet beside the service, for development"),
        ];
        options.sort_by_key(|(database, ..)| *database != decided.database);
        let chosen = prompt.select("Database", &options.map(|(.., text)| text))?;
        answers.database = Some(options[chosen].1.to_owned());
    }
    let decided = Environment::resolve(&name, wanted(&answers, &current.spec)?);
    if let Some(default) = decided.database_host.filter(|_| answers.database_host.is_none()) {
        let database = Some(Database::External);
        answers.database_host = Some(prompt.line("Host name of the database", &default, &|text| {
            let database_host = Some(text.trim().to_owned());
            objection(EnvironmentDocument { database, database_host, ..EnvironmentDocument::default() })
        })?);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::{Script, current};
    use super::*;

    const NOTHING: AddEnv = AddEnv {
        name: None,
        from: None,
        replicas: None,
        autoscale: None,
        expose: None,
        host: None,
        database: None,
        database_host: None,
        secrets: None,
        log_level: None,
        contexts: None,
        create_namespace: None,
    };

    #[test]
    fn an_answer_is_held_against_the_spec_at_once() {
        let mut script = Script::new(&[
            ("Name", "base"),
            ("Name", "prod"),
            ("Name", "staging"),
            ("Start from", "prod"),
            ("Replicas", "many"),
            ("Replicas", "0"),
            ("Replicas", ""),
            ("Database", "external"),
            ("Host name", "db:5432"),
            ("Host name", ""),
        ]);
        let answers = ask(NOTHING, &current(), &mut script).unwrap();
        assert_eq!(answers.from.as_deref(), Some("prod"));
        assert_eq!(answers.replicas, Some(4));
        assert_eq!(answers.database_host.as_deref(), Some("postgres.staging.internal"));
        let expected =
            ["base", "there is an environment `prod` already", "`many` is no number", "1 to 1000", "not a host name"];
        assert_eq!(script.objections.len(), expected.len(), "{:#?}", script.objections);
        for (objection, expected) in script.objections.iter().zip(expected) {
            assert!(objection.contains(expected), "{objection}");
        }
    }

    #[test]
    fn a_database_in_the_cluster_has_no_host_to_ask_for() {
        let mut script = Script::new(&[("Name", "qa"), ("Start from", "the defaults"), ("Database", "in-cluster")]);
        let answers = ask(AddEnv { replicas: Some(3), ..NOTHING }, &current(), &mut script).unwrap();
        assert_eq!((answers.database_host, answers.replicas), (None, Some(3)));
    }
}
