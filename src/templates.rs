//! A template set: the sources of all templates, the catalog that says which file is made of which template and when,
//! and the data of the lockfile. The embedded set is compiled in; tests may bring their own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The name of the catalog and of the lockfile's data inside a set.
const CATALOG: &str = "catalog.yaml";
pub const CARGO_LOCK_DATA: &str = "cargo-lock.json";

/// What a later run may do with a file that it finds changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Merged three-way with the user's edits.
    Merged,
    /// Regenerated whole; the user's own part is in the extension file beside it.
    Managed,
    /// Written when first needed, then the user's.
    Once,
    /// Written once and never rewritten by anything.
    Frozen,
    /// Merged package by package.
    CargoLock,
}

/// What a template is rendered for: the service as a whole, or each environment, handler, entity or changeset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Changeset,
    Entity,
    Environment,
    Handler,
    Service,
}

impl Unit {
    /// The unit's directory in the set, and the placeholder for its name in paths.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Environment => "environment",
            Self::Handler => "handler",
            Self::Entity => "entity",
            Self::Changeset => "changeset",
        }
    }
}

/// One file of the generated repository, or one for each instance of its unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// Where the file stands in the repository, with placeholders such as `__env__`.
    pub path: String,
    pub unit: Unit,
    pub class: Class,
    /// Facts that must all hold; `!fact` must not.
    #[serde(default)]
    pub when: Vec<String>,
    /// Whether the user may delete the file.
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub executable: bool,
    /// Patterns of lines whose order does not matter when both sides add some.
    #[serde(default)]
    pub lists: Vec<String>,
    /// Beside a managed file: where the user adds his own.
    #[serde(default)]
    pub extension: Option<String>,
}

impl CatalogEntry {
    /// The name of the template in the set.
    pub fn template(&self) -> String {
        format!("{}/{}.j2", self.unit.directory(), self.path)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    files: Vec<CatalogEntry>,
}

/// A fault in the templates themselves: a defect of appgen, or of a test's own set.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("`{0}` is missing in the template set")]
    Missing(String),
    #[error("`{CATALOG}` of the template set: {0}")]
    Catalog(Box<serde_saphyr::Error>),
}

#[derive(Debug)]
pub struct TemplateSet {
    sources: BTreeMap<String, Cow<'static, str>>,
    catalog: Vec<CatalogEntry>,
}

impl TemplateSet {
    /// The set that this binary was built with.
    ///
    /// # Errors
    /// None in a released binary: the tests parse every template.
    pub fn embedded() -> Result<Self, TemplateError> {
        let mut sources = BTreeMap::new();
        let mut waiting = vec![&EMBEDDED];
        while let Some(dir) = waiting.pop() {
            waiting.extend(dir.dirs());
            for file in dir.files() {
                if let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
                    sources.insert(path.to_owned(), Cow::Borrowed(text));
                }
            }
        }
        Self::new(sources)
    }

    /// A set made of files by name: templates, `catalog.yaml` and, where a lockfile is wanted, `cargo-lock.json`.
    ///
    /// # Errors
    /// A catalog that is missing or malformed.
    pub fn new(sources: BTreeMap<String, Cow<'static, str>>) -> Result<Self, TemplateError> {
        let catalog = sources.get(CATALOG).ok_or_else(|| TemplateError::Missing(CATALOG.to_owned()))?;
        let catalog: Catalog =
            serde_saphyr::from_str(catalog).map_err(|error| TemplateError::Catalog(Box::new(error)))?;
        Ok(Self { sources, catalog: catalog.files })
    }

    pub fn catalog(&self) -> &[CatalogEntry] {
        &self.catalog
    }

    /// Names of all templates.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str).filter(|name| name.ends_with(".j2"))
    }

    /// # Errors
    /// No file of that name.
    pub fn source(&self, name: &str) -> Result<&str, TemplateError> {
        self.sources.get(name).map(AsRef::as_ref).ok_or_else(|| TemplateError::Missing(name.to_owned()))
    }

    /// `dev+` and a digest of every file: a set that is not released has no other name.
    pub fn version(&self) -> String {
        let mut hash = Sha256::new();
        for (name, text) in &self.sources {
            hash.update(format!("{name}\0{}\0", text.len()));
            hash.update(text.as_bytes());
        }
        let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("dev+{digest}")
    }
}
