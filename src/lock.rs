//! `appgen.lock`: what was applied last. The base of a merge is rendered from the spec in here, so that an edit of
//! `appgen.yaml` cannot forge it. There is no time stamp in it: the same spec gives the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::render::{RelPath, Rendered};
use crate::spec::{Spec, yaml};
use crate::templates::{Class, TemplateSet};

/// The format of `appgen.lock` that this version writes.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Lock<'a> {
    format: u32,
    /// The template set that rendered the repository.
    templates: String,
    spec: &'a Spec,
    /// Files that no later run may take for its own, each with the hash of what was written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<&'a RelPath, Written>,
}

#[derive(Debug, Serialize)]
struct Written {
    class: Class,
    sha256: String,
}

impl<'a> Lock<'a> {
    pub fn new(spec: &'a Spec, set: &TemplateSet, files: &'a BTreeMap<RelPath, Rendered>) -> Self {
        let own = files.iter().filter(|(_, file)| matches!(file.class, Class::Once | Class::Frozen));
        let written = |file: &Rendered| Written { class: file.class, sha256: sha256(&file.text) };
        Self {
            format: FORMAT,
            templates: set.version(),
            spec,
            files: own.map(|(path, file)| (path, written(file))).collect(),
        }
    }

    pub fn to_yaml(&self) -> String {
        format!("# Written by appgen. Edit appgen.yaml instead.\n{}", yaml(self))
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
