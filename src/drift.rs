//! How the working tree differs from what the applied spec renders.

use std::collections::BTreeMap;
use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::lock::Written;
use crate::merge::has_markers;
use crate::plan::{SIDECAR, is_pristine, same_lines};
use crate::render::{Files, RelPath};
use crate::templates::Class;
use crate::worktree::{Found, Worktree};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pristine,
    Edited,
    /// It is not there, and others need it.
    Missing,
    /// It is not there, and the user may do without.
    Deleted,
}

/// A file that the spec renders, and how it stands.
#[derive(Debug)]
pub struct Surveyed<'a> {
    pub path: &'a RelPath,
    pub class: Class,
    pub state: State,
    /// What the spec renders.
    pub rendered: &'a str,
    /// What is there, where it is text.
    pub ours: Option<String>,
}

/// One thing that is not as the spec says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Drift {
    pub path: String,
    pub problem: String,
    /// The command that mends it.
    pub fix: String,
}

impl Drift {
    pub fn new(path: &str, problem: &str, fix: String) -> Self {
        Self { path: path.to_owned(), problem: problem.to_owned(), fix }
    }
}

/// Looks at every file that the spec renders.
///
/// # Errors
/// A file cannot be read.
pub fn survey<'a>(
    rendered: &'a Files,
    written: &BTreeMap<RelPath, Written>,
    tree: &Worktree,
) -> io::Result<Vec<Surveyed<'a>>> {
    let mut surveyed = Vec::new();
    for (path, file) in rendered {
        let (state, ours) = match tree.read(path)? {
            Found::Nothing => (if file.optional { State::Deleted } else { State::Missing }, None),
            Found::Other(_) => (State::Edited, None),
            Found::File(bytes) => {
                let recorded = written.get(path).filter(|_| file.class.is_written_once());
                let expected = recorded.cloned().unwrap_or_else(|| Written::new(file)).sha256;
                let state = if is_pristine(&bytes, &expected) { State::Pristine } else { State::Edited };
                (state, String::from_utf8(bytes).ok())
            }
        };
        surveyed.push(Surveyed { path, class: file.class, state, rendered: &file.text, ours });
    }
    Ok(surveyed)
}

/// What of the survey `appgen check` fails on.
///
/// # Errors
/// A directory cannot be read.
pub fn drift(surveyed: &[Surveyed<'_>], tree: &Worktree) -> io::Result<Vec<Drift>> {
    let mut found = Vec::new();
    for file in surveyed {
        let path = file.path.as_str();
        let restore = format!("appgen restore {path}");
        let marked = file.ours.as_deref().is_some_and(has_markers);
        match (file.state, file.class) {
            _ if marked => {
                found.push(Drift::new(path, "has conflict markers", format!("$EDITOR {path} && appgen resolve")))
            }
            (State::Missing, Class::Frozen) => {
                found.push(Drift::new(path, "is missing, and databases have run it", restore));
            }
            (State::Missing, _) => found.push(Drift::new(path, "is missing", restore)),
            (State::Edited, Class::Frozen) => {
                found.push(Drift::new(path, "was changed, and databases have run it as it was", restore));
            }
            (State::Edited, Class::Managed) => {
                let order = file.ours.as_deref().is_some_and(|ours| same_lines(ours, file.rendered));
                if !order {
                    found.push(Drift::new(path, "is generated whole and was changed", restore));
                }
            }
            _ => {}
        }
        let beside = RelPath::parse(&format!("{path}{SIDECAR}")).map_err(io::Error::other)?;
        if tree.read(&beside)? != Found::Nothing {
            let problem = format!("has a new text beside it, in `{beside}`");
            found.push(Drift::new(path, &problem, format!("$EDITOR {path} {beside} && rm {beside} && appgen resolve")));
        }
    }
    Ok(found)
}
