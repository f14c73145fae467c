//! Spec and template set in, files out. Pure: no clock, no randomness, no environment, no file system; the same input
//! gives the same bytes for ever.

mod changeset;
pub mod context;
mod difference;
mod engine;
mod json_schema;
pub mod lock_data;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::spec::Spec;
use crate::templates::{CARGO_LOCK_DATA, CatalogEntry, Class, TemplateError, TemplateSet};
use context::{Context, Instance};
pub use difference::{Difference, Side, difference};
use engine::Engine;

/// A path inside the repository: relative, with `/`, never leading out of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

impl TryFrom<String> for RelPath {
    type Error = RenderError;

    fn try_from(text: String) -> Result<Self, RenderError> {
        Self::parse(&text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

impl RelPath {
    /// # Errors
    /// The path is absolute, empty, has a segment that is empty, `.` or `..`, or a control character, which would act on
    /// a terminal; or it leads into git's own directory: whoever can write there decides what the next git command runs.
    pub fn parse(text: &str) -> Result<Self, RenderError> {
        let strange = |segment: &str| matches!(segment, "" | "." | "..") || segment.eq_ignore_ascii_case(".git");
        if text.contains(|c: char| c == '\\' || c.is_control()) || text.split('/').any(strange) {
            return Err(RenderError::Path(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file as the template set makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    pub class: Class,
    pub executable: bool,
    pub optional: bool,
    pub lists: Vec<String>,
    pub extension: Option<String>,
    /// What the file was called in the set before.
    pub renamed_from: Option<RelPath>,
}

/// All files of a repository but `appgen.yaml` and `appgen.lock`.
pub type Files = BTreeMap<RelPath, Rendered>;

/// A fault in the templates, not in the spec: every spec that passed validation renders.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("`{}` is not a path inside the repository", .0.escape_debug())]
    Path(String),
    #[error("two templates make `{0}`")]
    Twice(RelPath),
    #[error("`{path}` depends on the unknown fact `{fact}`")]
    Fact { path: String, fact: String },
    #[error("the template `{name}`: {}", detail(source))]
    Template { name: String, source: minijinja::Error },
    #[error("`{CARGO_LOCK_DATA}`: {0}")]
    LockData(serde_json::Error),
    #[error(transparent)]
    Set(#[from] TemplateError),
}

fn detail(error: &minijinja::Error) -> String {
    let place = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    format!("{error}{place}")
}

/// Renders every file of the repository but `appgen.yaml` and `appgen.lock`.
///
/// # Errors
/// A fault in the templates.
pub fn render(spec: &Spec, set: &TemplateSet) -> Result<Files, RenderError> {
    render_where(&Context::new(spec), set, |_| true)
}

/// Renders these files only.
///
/// # Errors
/// A fault in the templates.
pub fn render_paths(spec: &Spec, set: &TemplateSet, paths: &BTreeSet<&RelPath>) -> Result<Files, RenderError> {
    render_where(&Context::new(spec), set, |path| paths.contains(path))
}

fn render_where(context: &Context, set: &TemplateSet, wanted: impl Fn(&RelPath) -> bool) -> Result<Files, RenderError> {
    let mut engine = Engine::new(set);
    let mut files = Files::new();
    for entry in set.catalog() {
        let mut instances = Vec::new();
        for instance in context.instances(entry.unit) {
            if applies(entry, instance)? {
                let path = RelPath::parse(&instance.path(&entry.path))?;
                if wanted(&path) {
                    instances.push((path, instance));
                }
            }
        }
        if instances.is_empty() {
            continue;
        }
        let template = entry.template();
        if entry.class != Class::CargoLock {
            engine.load(&template)?;
        }
        for (path, instance) in instances {
            let text = match entry.class {
                Class::CargoLock => lock_data::assemble(&set.source(CARGO_LOCK_DATA)?, context)?,
                _ => engine.render(&template, &instance.values)?,
            };
            let renamed = entry.renamed_from.as_ref().map(|from| RelPath::parse(&instance.path(from)));
            let file = Rendered {
                text,
                class: entry.class,
                executable: entry.executable,
                optional: entry.optional,
                lists: entry.lists.clone(),
                extension: entry.extension.clone(),
                renamed_from: renamed.transpose()?,
            };
            if files.insert(path.clone(), file).is_some() {
                return Err(RenderError::Twice(path));
            }
        }
    }
    Ok(files)
}

/// The SHA-256 of every file that a spec renders: what is recorded of a released set.
///
/// # Errors
/// A fault in the templates.
pub fn digests(spec: &Spec, set: &TemplateSet) -> Result<BTreeMap<RelPath, String>, RenderError> {
    let hex = |text: &str| Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(render(spec, set)?.into_iter().map(|(path, file)| (path, hex(&file.text))).collect())
}

/// Renders the manifest of the generated package alone, for chosen facts: what the lockfile's data is made from.
///
/// # Errors
/// A fault in the template.
pub fn render_manifest(spec: &Spec, set: &TemplateSet, facts: &[&str]) -> Result<String, RenderError> {
    let context = Context::with_facts(spec, facts);
    let instances = context.instances(crate::templates::Unit::Service);
    let (mut engine, template) = (Engine::new(set), "service/Cargo.toml.j2");
    engine.load(template)?;
    engine.render(template, &instances[0].values)
}

/// The lockfile for chosen facts.
///
/// # Errors
/// The set has no data for it.
pub fn assemble_lock(set: &TemplateSet, spec: &Spec, facts: &[&str]) -> Result<String, RenderError> {
    lock_data::assemble(&set.source(CARGO_LOCK_DATA)?, &Context::with_facts(spec, facts))
}

/// Every fact that a spec can have.
pub fn known_facts(spec: &Spec) -> Vec<&'static str> {
    Context::new(spec).facts.keys().copied().collect()
}

/// Parses every template of a set.
///
/// # Errors
/// The first template with a syntax error.
pub fn parse_all(set: &TemplateSet) -> Result<(), RenderError> {
    let mut engine = Engine::new(set);
    set.templates().try_for_each(|name| engine.load(name))
}

fn applies(entry: &CatalogEntry, instance: &Instance) -> Result<bool, RenderError> {
    for condition in &entry.when {
        let (fact, wanted) = condition.strip_prefix('!').map_or((condition.as_str(), true), |fact| (fact, false));
        let holds = instance
            .facts
            .get(fact)
            .ok_or_else(|| RenderError::Fact { path: entry.path.clone(), fact: fact.to_owned() })?;
        if *holds != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}
