//! What was decided: the spec of a service, parsed and valid. [`Spec`] is only made by [`Spec::resolve`], so whoever
//! holds one need not check again.

pub mod changeset;
pub mod entity;
pub mod environment;
pub mod examples;
pub mod field;
pub mod grammar;
pub mod handler;
mod kubernetes;
pub mod name;
pub mod pattern;
pub mod problem;
pub mod service;
pub mod transition;

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use changeset::{ChangesetId, Changesets};
use entity::{Entity, EntityDocument};
use environment::{Environment, EnvironmentDocument};
use handler::{Example, Handler, Method, RoutePath};
use name::{EntityName, EnvironmentName, HandlerName, ServiceName, closest, pascal, plural};
use problem::{Problem, SpecError};
use service::{Features, Service, ServiceDocument};

/// The spec's place in a repository.
pub const SPEC_FILE: &str = "appgen.yaml";

/// The keys of `appgen.yaml` in the order in which they are written.
pub const SECTIONS: &[&str] = &["version", "service", "features", "environments", "entities", "handlers", "changesets"];

/// The format of `appgen.yaml` that this version reads and writes.
pub const FORMAT: u32 = 1;

/// A spec as it is written in `appgen.yaml`: whatever has a default may be absent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "appgen.yaml")]
pub struct SpecDocument {
    /// The format of this file: 1.
    pub version: u32,
    pub service: ServiceDocument,
    #[serde(default)]
    pub features: Features,
    /// Default: `dev`, `test` and `prod`.
    #[serde(default)]
    pub environments: BTreeMap<EnvironmentName, EnvironmentDocument>,
    #[serde(default)]
    pub entities: BTreeMap<EntityName, EntityDocument>,
    #[serde(default)]
    pub handlers: BTreeMap<HandlerName, Handler>,
    /// History of the schema: written by appgen, never edited.
    #[serde(default)]
    pub changesets: Changesets,
}

/// A valid spec with every default decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spec {
    version: u32,
    pub service: Service,
    pub features: Features,
    pub environments: BTreeMap<EnvironmentName, Environment>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub entities: BTreeMap<EntityName, Entity>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub handlers: BTreeMap<HandlerName, Handler>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changesets: Changesets,
}

pub const DEFAULT_ENVIRONMENTS: &[&str] = &["dev", "test", "prod"];
const MOST_ENVIRONMENTS: usize = 100;

impl SpecDocument {
    /// The smallest document: a name, and the default for everything else.
    pub fn named(name: ServiceName) -> Self {
        Self {
            version: FORMAT,
            service: ServiceDocument {
                name,
                description: None,
                owner: None,
                image: None,
                postgres: None,
                runbook_url: None,
            },
            features: Features::default(),
            environments: BTreeMap::new(),
            entities: BTreeMap::new(),
            handlers: BTreeMap::new(),
            changesets: Changesets::new(),
        }
    }

    /// Reads a document that the user calls `origin`.
    ///
    /// # Errors
    /// The first thing that is no YAML or does not fit the format, with its place.
    pub fn parse(origin: &str, text: &str) -> Result<Self, SpecError> {
        // A byte order mark is no part of the text (YAML 1.2.2, 5.2).
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let refuse = |problem: Problem| SpecError::new(Some(origin), text, vec![problem]);
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| refuse(describe(&error)))
    }
}

/// A problem in our words for what the YAML reader found.
fn describe(error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::Error;
    let (message, help) = match error.without_snippet() {
        Error::Eof { .. } => ("the spec is empty".to_owned(), Some("a spec starts with `version: 1`".to_owned())),
        Error::SerdeUnknownField { field, expected, .. } => {
            let help = match closest(field, expected.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", expected.join(", ")),
            };
            (format!("unknown key `{}`", field.escape_debug()), Some(help))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let help = match closest(variant, expected.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("possible: {}", expected.join(", ")),
            };
            (format!("`{}` is not possible here", variant.escape_debug()), Some(help))
        }
        Error::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?").escape_debug().to_string();
            (format!("the key `{key}` stands twice"), Some("keep one of the two".to_owned()))
        }
        other => {
            let text = other.to_string();
            (text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned(), None)
        }
    };
    let place = error.location().and_then(|at| {
        Some((usize::try_from(at.line()).ok()?, usize::try_from(at.column()).ok()?)).filter(|(line, _)| *line > 0)
    });
    Problem { path: Vec::new(), place, message, help }
}

impl Spec {
    /// Decides every default, adds the changesets that `entities` still need, and checks the whole.
    ///
    /// # Errors
    /// Every problem there is, each with the path of its key.
    pub fn resolve(written: SpecDocument) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if written.version != FORMAT {
            let message = format!("format {}; this appgen reads format {FORMAT}", written.version);
            return Err(vec![Problem::at(["version"], message)]);
        }
        let mut environments = written.environments;
        if environments.is_empty() {
            let names = DEFAULT_ENVIRONMENTS.iter().filter_map(|name| EnvironmentName::parse(name).ok());
            environments = names.map(|name| (name, EnvironmentDocument::default())).collect();
        }
        let environments = environments.into_iter().map(|(name, environment)| {
            let environment = Environment::resolve(&name, environment);
            (name, environment)
        });
        let mut entities = BTreeMap::new();
        for (name, entity) in written.entities {
            if let Some(entity) = Entity::resolve(&name, entity, &mut problems) {
                entities.insert(name, entity);
            }
        }
        let mut spec = Self {
            version: written.version,
            service: Service::resolve(written.service),
            features: written.features,
            environments: environments.collect(),
            entities,
            handlers: written.handlers,
            changesets: written.changesets,
        };
        changeset::append_pending(&mut spec.changesets, &spec.entities, &mut problems);
        spec.check(&mut problems);
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    fn check(&self, problems: &mut Vec<Problem>) {
        self.service.check(problems);
        self.features.check(problems);
        if self.environments.len() > MOST_ENVIRONMENTS {
            let message = format!("{} environments; {MOST_ENVIRONMENTS} are possible", self.environments.len());
            problems.push(Problem::at(["environments"], message));
        }
        for (name, environment) in &self.environments {
            environment.check(name, problems);
        }
        if let Some(last) = self.changesets.keys().next_back().filter(|id| ChangesetId::parse(id.as_str()).is_err()) {
            problems.push(Problem::at(["changesets"], format!("`{last}` is needed, and there is no such number")));
        }
        self.check_entities(problems);
        self.check_forms(problems);
        self.check_functions(problems);
        self.check_routes(problems);
    }

    fn check_entities(&self, problems: &mut Vec<Problem>) {
        let mut tables = HashMap::new();
        for (name, entity) in &self.entities {
            if let Some(other) = tables.insert(&entity.table, name) {
                let message = format!("`{other}` has the table `{}` already", entity.table);
                problems.push(Problem::at(["entities", name.kebab(), "table"], message));
            }
            for (field_name, field) in &entity.fields {
                let path = ["entities", name.kebab(), "fields", field_name.as_str()];
                if let Some(to) = field.to.as_ref().filter(|to| !self.entities.contains_key(to)) {
                    let known = closest(to.kebab(), self.entities.keys().map(EntityName::kebab));
                    let problem = Problem::at(path, format!("there is no entity `{to}` to refer to"));
                    problems.push(match known {
                        Some(known) => problem.help(format!("did you mean `{known}`?")),
                        None => problem,
                    });
                }
            }
        }
    }

    /// Two names of one kind must differ in every form that we write.
    fn check_forms(&self, problems: &mut Vec<Problem>) {
        let handlers = self.handlers.keys().map(|name| ("handlers", name.kebab()));
        let entities = self.entities.keys().map(|name| ("entities", name.kebab()));
        let mut forms = HashMap::new();
        for (section, name) in handlers.chain(entities) {
            if let Some(other) = forms.insert((section, pascal(name)), name) {
                let message = format!("`{name}` and `{other}` are both `{}` in upper-camel case", pascal(name));
                problems.push(Problem::at([section, name], message));
            }
        }
    }

    /// Every registered function has a name of its own.
    fn check_functions(&self, problems: &mut Vec<Problem>) {
        let mut functions: HashMap<String, &EntityName> = HashMap::new();
        for name in self.entities.keys() {
            for function in entity_functions(name) {
                if let Some(other) = functions.insert(function.clone(), name) {
                    let message = format!("`{name}` and `{other}` would both register `{function}`");
                    problems.push(Problem::at(["entities", name.kebab()], message));
                }
            }
        }
        for name in self.handlers.keys() {
            if let Some(entity) = functions.get(&name.snake()) {
                let message = format!("the entity `{entity}` registers `{}` already", name.snake());
                problems.push(Problem::at(["handlers", name.kebab()], message));
            }
        }
        for (name, handler) in &self.handlers {
            let Some(example) = handler.example else { continue };
            let parameters = handler.path.parameters().count();
            let (feature, fits, route) = match example {
                Example::Factorial => (
                    (self.features.worker_pool, "worker_pool"),
                    handler.method == Method::Post && parameters == 0,
                    "a POST to a path without parameters",
                ),
                Example::Quote => (
                    (self.features.http_client, "http_client"),
                    handler.method == Method::Get && parameters == 1,
                    "a GET of a path with one parameter",
                ),
            };
            let path = ["handlers", name.kebab(), "example"];
            if let (false, switch) = feature {
                problems.push(Problem::at(path, format!("the {example} example needs `features.{switch}`")));
            }
            if !fits {
                problems.push(Problem::at(path, format!("the {example} example is {route}")));
            }
        }
    }

    /// Routes that axum's router would refuse when the service starts are refused here.
    fn check_routes(&self, problems: &mut Vec<Problem>) {
        let mut nodes: HashMap<String, (RoutePath, String)> = HashMap::new();
        let mut routes: HashMap<(Method, String), String> = HashMap::new();
        for (section, owner, method, path) in self.routes() {
            let label = format!("{section}.{owner}");
            let (first, holder) = nodes.entry(path.shape()).or_insert_with(|| (path.clone(), label.clone())).clone();
            if first != path {
                let message = format!("`{}` overlaps `{}` of `{holder}`", path.as_str(), first.as_str());
                let problem = Problem::at([section, &owner], message);
                problems.push(problem.help("give the parameters of both the same names"));
            } else if let Some(holder) = routes.insert((method, path.shape()), label) {
                let message = format!("`{}` is bound by `{holder}` for this method", path.as_str());
                problems.push(Problem::at([section, &owner], message));
            }
        }
    }

    /// Every route of the service: section and key that bind it, method, path. Entities first.
    fn routes(&self) -> Vec<(&'static str, String, Method, RoutePath)> {
        let mut routes = Vec::new();
        for name in self.entities.keys() {
            let collection = entity_path(name);
            let item = format!("{collection}/{{id}}");
            let bound = [
                (Method::Get, &collection),
                (Method::Post, &collection),
                (Method::Get, &item),
                (Method::Put, &item),
                (Method::Delete, &item),
            ];
            for (method, path) in bound {
                if let Ok(path) = RoutePath::parse(path) {
                    routes.push(("entities", name.to_string(), method, path));
                }
            }
        }
        for (name, handler) in &self.handlers {
            routes.push(("handlers", name.to_string(), handler.method, handler.path.clone()));
        }
        routes
    }

    /// `appgen.yaml` for this spec.
    pub fn to_yaml(&self) -> String {
        const HEADER: &str = "# yaml-language-server: $schema=.appgen/schema.json\n\
            # What this repository is made from.\n";
        format!("{HEADER}{}", yaml(self))
    }
}

/// The functions that an entity registers, in the order of its routes.
pub fn entity_functions(name: &EntityName) -> [String; 5] {
    let one = name.snake();
    let many = plural(&one);
    [
        format!("list_{many}"),
        format!("create_{one}"),
        format!("get_{one}"),
        format!("update_{one}"),
        format!("delete_{one}"),
    ]
}

/// Where an entity is served: `/api/v1/countries`.
pub fn entity_path(name: &EntityName) -> String {
    format!("/api/v1/{}", plural(name.kebab()))
}

/// Block-style YAML in which every string that could be read as something else is quoted.
pub fn yaml(value: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: false, prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(value, options).expect("a spec is made of maps, lists and scalars")
}

/// The JSON Schema of `appgen.yaml` (draft 2020-12).
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(SpecDocument).to_value()
}
