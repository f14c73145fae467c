//! What a command will do, decided before anything is written: the same list is shown by `--dry-run` and applied by the
//! transaction.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lock::Lock;
use crate::render::{RelPath, RenderError, Rendered, render};
use crate::spec::Spec;
use crate::templates::{Class, TemplateSet};

pub const SPEC_FILE: &str = "appgen.yaml";
pub const LOCK_FILE: &str = "appgen.lock";

/// What happens to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
}

#[derive(Debug, Clone, Serialize)]
pub struct Change {
    pub path: RelPath,
    pub action: Action,
    /// None for `appgen.yaml` and `appgen.lock`, which no template makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    #[serde(skip)]
    pub text: String,
    #[serde(skip)]
    pub executable: bool,
}

/// Every change of one command, by path.
#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
}

impl Plan {
    /// The plan of a new repository: base and working tree are empty.
    ///
    /// # Errors
    /// A fault in the templates.
    pub fn create(spec: &Spec, set: &TemplateSet) -> Result<Self, RenderError> {
        let files = render(spec, set)?;
        let own = [(SPEC_FILE, spec.to_yaml()), (LOCK_FILE, Lock::new(spec, set, &files).to_yaml())];
        let mut changes = BTreeMap::new();
        for (path, Rendered { text, class, executable }) in files {
            changes.insert(path.clone(), Change { path, action: Action::Create, class: Some(class), text, executable });
        }
        for (path, text) in own {
            let path = RelPath::parse(path)?;
            let change = Change { path: path.clone(), action: Action::Create, class: None, text, executable: false };
            if changes.insert(path.clone(), change).is_some() {
                return Err(RenderError::Twice(path));
            }
        }
        Ok(Self { changes: changes.into_values().collect() })
    }
}
