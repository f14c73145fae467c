//! `appgen.lock`: what was applied last. The base of a merge is rendered from the spec in here, so that an edit of
//! `appgen.yaml` cannot forge it. There is no time stamp in it: the same spec gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::render::{RelPath, Rendered};
use crate::spec::problem::SpecError;
use crate::spec::{Spec, SpecDocument, yaml};
use crate::templates::Class;

/// The format of `appgen.lock` that this version reads and writes.
const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lock {
    format: u32,
    /// The template set that rendered the repository.
    pub templates: String,
    /// Files with a conflict that nobody has settled yet.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub conflicts: BTreeSet<RelPath>,
    /// The spec that was applied.
    pub spec: Spec,
    /// Files that no later run may take for its own, each with the hash of what was written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<RelPath, Written>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub class: Class,
    pub sha256: String,
}

impl Written {
    pub fn new(file: &Rendered) -> Self {
        Self { class: file.class, sha256: sha256(file.text.as_bytes()) }
    }
}

/// The lock as it is read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockDocument {
    #[serde(rename = "format")]
    _format: u32,
    templates: String,
    #[serde(default)]
    conflicts: BTreeSet<RelPath>,
    spec: SpecDocument,
    #[serde(default)]
    files: BTreeMap<RelPath, Written>,
}

/// Why the lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("format {0}; this appgen reads format {FORMAT}: install the appgen that wrote it")]
    Newer(u32),
    #[error("git left conflict markers in it: run `appgen resolve`")]
    Markers,
    #[error("{0}\nit is written by appgen alone: `git checkout -- appgen.lock` puts it back")]
    Malformed(String),
}

impl Lock {
    pub fn new(templates: String, spec: Spec, files: BTreeMap<RelPath, Written>) -> Self {
        Self { format: FORMAT, templates, conflicts: BTreeSet::new(), spec, files }
    }

    /// The lock of a new repository with these files.
    pub fn of(templates: String, spec: Spec, rendered: &BTreeMap<RelPath, Rendered>) -> Self {
        let own = rendered.iter().filter(|(_, file)| file.class.is_written_once());
        Self::new(templates, spec, own.map(|(path, file)| (path.clone(), Written::new(file))).collect())
    }

    /// # Errors
    /// Anything that this version could not have written.
    pub fn parse(origin: &str, text: &str) -> Result<Self, LockError> {
        if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
            return Err(LockError::Markers);
        }
        let malformed = |error: serde_saphyr::Error| LockError::Malformed(error.without_snippet().to_string());
        // Before the rest is read: what a newer format holds cannot be known.
        let written =
            text.lines().find_map(|line| line.strip_prefix("format:")).and_then(|text| text.trim().parse().ok());
        if let Some(newer) = written.filter(|format| *format > FORMAT) {
            return Err(LockError::Newer(newer));
        }
        let read: LockDocument = serde_saphyr::from_str(text).map_err(malformed)?;
        let spec = Spec::resolve(read.spec)
            .map_err(|problems| LockError::Malformed(SpecError::new(Some(origin), "", problems).to_string()))?;
        Ok(Self { format: FORMAT, templates: read.templates, conflicts: read.conflicts, spec, files: read.files })
    }

    pub fn to_yaml(&self) -> String {
        format!("# Written by appgen. Edit appgen.yaml instead.\n{}", yaml(self))
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
