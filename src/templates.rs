//! A template set: the sources of all templates, the catalog that says which file is made of which template and when,
//! and the data of the lockfile. The embedded set is compiled in; tests may bring their own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use flate2::{Compression, Decompress, FlushDecompress, GzBuilder, Status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::digest;

// `EMBEDDED`: every file of the embedded set, packed. `FROZEN`: released sets, one archive each; `examples/freeze.rs`
// adds one. Both by name.
include!(concat!(env!("OUT_DIR"), "/sets.rs"));
/// The digest of the embedded set, from the build script.
const EMBEDDED_DIGEST: &str = env!("APPGEN_TEMPLATES_DIGEST");

/// How the name of an archive ends.
pub const ARCHIVE: &str = ".json.gz";

/// The name of the catalog and of the lockfile's data inside a set.
const CATALOG: &str = "catalog.json";
pub const CARGO_LOCK_DATA: &str = "cargo-lock.json";

/// What a later run may do with a file that it finds changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl Class {
    /// Whether the file is the user's, or history, from the moment it was written.
    pub fn is_written_once(self) -> bool {
        matches!(self, Self::Once | Self::Frozen)
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
    /// The path of the same file in the set before.
    #[serde(default)]
    pub renamed_from: Option<String>,
}

impl CatalogEntry {
    /// The name of the template in the set.
    pub fn template(&self) -> String {
        format!("{}/{}.j2", self.unit.directory(), self.path)
    }
}

/// A fault in the templates themselves: a defect of appgen, or of a test's own set.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("`{0}` is missing in the template set")]
    Missing(String),
    #[error("`{CATALOG}` of the template set: {0}")]
    Catalog(serde_json::Error),
    #[error("the archive of the template set {version} is damaged: {error}")]
    Archive { version: String, error: String },
}

#[derive(Debug, Clone)]
pub struct TemplateSet {
    version: String,
    sources: BTreeMap<String, Source>,
    catalog: Vec<CatalogEntry>,
}

/// The text of one file of a set. Packed ones are unpacked one at a time, when they are rendered: the texts of all would
/// be a tenth of the memory that a run takes.
#[derive(Debug, Clone)]
enum Source {
    Text(Cow<'static, str>),
    /// With the length of the unpacked text.
    Packed(&'static [u8], usize),
}

impl Source {
    fn text(&self) -> std::io::Result<Cow<'_, str>> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Packed(bytes, length) => {
                // In one piece, into a text of the right size: a reader copies through a window of its own.
                let mut text = Vec::with_capacity(*length);
                let status = Decompress::new(false).decompress_vec(bytes, &mut text, FlushDecompress::Finish)?;
                if status != Status::StreamEnd {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                String::from_utf8(text).map(Cow::Owned).map_err(std::io::Error::other)
            }
        }
    }
}

impl TemplateSet {
    /// The set that this binary was built with.
    ///
    /// # Errors
    /// None in a released binary: the tests parse every template.
    pub fn embedded() -> Result<Self, TemplateError> {
        let sources =
            EMBEDDED.iter().map(|(name, packed, length)| ((*name).to_owned(), Source::Packed(packed, *length)));
        Self::with_version(format!("dev+{EMBEDDED_DIGEST}"), sources.collect())
    }

    /// A set made of files by name: templates, `catalog.json` and, where a lockfile is wanted, `cargo-lock.json`. It is
    /// not released, and so it is named after its digest.
    ///
    /// # Errors
    /// A catalog that is missing or malformed.
    pub fn new(sources: BTreeMap<String, Cow<'static, str>>) -> Result<Self, TemplateError> {
        let version = format!("dev+{}", digest(&sources));
        Self::with_texts(version, sources)
    }

    fn with_texts(version: String, texts: BTreeMap<String, Cow<'static, str>>) -> Result<Self, TemplateError> {
        let sources = texts.into_iter().map(|(name, text)| (name, Source::Text(text)));
        Self::with_version(version, sources.collect())
    }

    fn with_version(version: String, sources: BTreeMap<String, Source>) -> Result<Self, TemplateError> {
        let mut set = Self { version, sources, catalog: Vec::new() };
        set.catalog = serde_json::from_str(&set.source(CATALOG)?).map_err(TemplateError::Catalog)?;
        Ok(set)
    }

    /// A released set.
    ///
    /// # Errors
    /// The archive is damaged.
    pub fn from_archive(version: &str, archive: &[u8]) -> Result<Self, TemplateError> {
        let damaged = |error: String| TemplateError::Archive { version: version.to_owned(), error };
        let mut text = String::new();
        GzDecoder::new(archive).read_to_string(&mut text).map_err(|error| damaged(error.to_string()))?;
        let sources = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        Self::with_texts(version.to_owned(), sources)
    }

    /// The set as one compressed file; the same set gives the same bytes.
    ///
    /// # Errors
    /// None in a set that was read: nothing is written but memory.
    pub fn to_archive(&self) -> std::io::Result<Vec<u8>> {
        // No time stamp and no file name in the header (RFC 1952, 2.3.1).
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        serde_json::to_writer(&mut encoder, &self.texts()?)?;
        encoder.finish()
    }

    fn texts(&self) -> std::io::Result<BTreeMap<&str, Cow<'_, str>>> {
        self.sources.iter().map(|(name, source)| Ok((name.as_str(), source.text()?))).collect()
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
    pub fn source(&self, name: &str) -> Result<Cow<'_, str>, TemplateError> {
        let source = self.sources.get(name).ok_or_else(|| TemplateError::Missing(name.to_owned()))?;
        let damaged = |error: std::io::Error| TemplateError::Archive {
            version: self.version.clone(),
            error: format!("`{name}`: {error}"),
        };
        source.text().map_err(damaged)
    }

    /// The version of a released set, or `dev+` and a digest of every file.
    pub fn version(&self) -> String {
        self.version.clone()
    }
}

/// Every template set that this binary holds: the one it was built with, and those that were released.
#[derive(Debug)]
pub struct Sets {
    current: TemplateSet,
    frozen: BTreeMap<String, Cow<'static, [u8]>>,
}

impl Sets {
    /// # Errors
    /// None in a released binary.
    pub fn embedded() -> Result<Self, TemplateError> {
        let mut frozen = BTreeMap::new();
        for (name, archive) in FROZEN {
            if let Some(version) = name.strip_suffix(ARCHIVE) {
                frozen.insert(version.to_owned(), Cow::Borrowed(*archive));
            }
        }
        let mut current = TemplateSet::embedded()?;
        // Until a template changes, a build after a release is that release.
        let digest = format!("+{EMBEDDED_DIGEST}");
        if let Some(released) = frozen.keys().find(|version| version.ends_with(&digest)) {
            current.version.clone_from(released);
        }
        Ok(Self::new(current, frozen))
    }

    /// A current set, and released ones by their version.
    pub fn new(current: TemplateSet, frozen: BTreeMap<String, Cow<'static, [u8]>>) -> Self {
        Self { current, frozen }
    }

    pub fn current(&self) -> &TemplateSet {
        &self.current
    }

    /// The set of that version, if it is held.
    ///
    /// # Errors
    /// The archive is damaged.
    pub fn get(&self, version: &str) -> Result<Option<Cow<'_, TemplateSet>>, TemplateError> {
        if version == self.current.version() {
            return Ok(Some(Cow::Borrowed(&self.current)));
        }
        let Some(archive) = self.frozen.get(version) else { return Ok(None) };
        TemplateSet::from_archive(version, archive).map(|set| Some(Cow::Owned(set)))
    }

    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.frozen.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_script_saw_the_set_that_is_embedded() {
        let set = TemplateSet::embedded().expect("the embedded set");
        let texts = set.texts().expect("texts").into_iter().map(|(name, text)| (name.to_owned(), text));
        assert_eq!(digest(&texts.collect()), EMBEDDED_DIGEST);
    }
}
