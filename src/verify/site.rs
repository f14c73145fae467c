//! What the checks of one run share: the repository and its files, the tools of this machine, and what is made once for
//! all that need it: a copy of the tree, the rendered manifests, a PostgreSQL.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use super::children::Children;
use super::files::{Files, Kind};
use super::postgres::Postgres;
use super::scratch::{self, Scratch};
use super::tools::{Found, Machine, TOOLS};

/// Why nothing can be checked.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("another `appgen verify` is at work in `{}`; try again when it is done", .0.display())]
    Busy(PathBuf),
    #[error("cannot write below `{}`: {error}", path.display())]
    Target { path: PathBuf, error: io::Error },
    #[error("cannot watch for interruptions: {0}")]
    Signals(ctrlc::Error),
}

/// The repository and the machine, looked at.
#[derive(Debug)]
pub struct Survey<'a> {
    root: &'a Path,
    machine: &'a Machine,
    files: Files,
    /// By name; whatever is not in there is not on this machine.
    tools: BTreeMap<&'static str, Found>,
}

impl<'a> Survey<'a> {
    /// # Errors
    /// The repository cannot be read.
    pub fn of(root: &'a Path, machine: &'a Machine) -> io::Result<Self> {
        let tools = TOOLS.iter().filter_map(|tool| Some((tool.name, tool.find(machine)?))).collect();
        Ok(Self { root, machine, files: Files::read(root)?, tools })
    }

    pub(super) fn root(&self) -> &Path {
        self.root
    }

    pub(super) fn machine(&self) -> &Machine {
        self.machine
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        !self.files(kind).is_empty()
    }

    pub(super) fn files(&self, kind: Kind) -> Vec<&str> {
        self.files.of(kind, self.root)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.files.all()
    }

    pub(super) fn has_tool(&self, name: &str) -> bool {
        self.tools.contains_key(name)
    }

    /// Whether the service's tests find a database.
    pub(super) fn has_database(&self) -> bool {
        self.has_tool("postgresql") || self.machine.has_test_database
    }

    /// The command that runs a tool.
    pub(super) fn command(&self, tool: &str) -> Option<Command> {
        self.tools.get(tool).map(Found::command)
    }
}

/// A survey, and what the checks of a run make of it.
pub struct Site<'a> {
    pub(super) survey: &'a Survey<'a>,
    scratch: Scratch,
    pub(super) children: Arc<Children>,
    copy: OnceLock<Result<PathBuf, String>>,
    overlays: OnceLock<Vec<Overlay>>,
    database: OnceLock<Result<Postgres, String>>,
}

/// An environment's overlay, rendered.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) environment: String,
    /// What was said where it did not render, or not without a warning.
    pub(super) failure: Option<String>,
}

impl<'a> Site<'a> {
    /// Makes room for what a run writes, and has it removed if the run is interrupted.
    ///
    /// # Errors
    /// There is no room, or another run is at work.
    pub fn open(survey: &'a Survey<'a>) -> Result<Self, SiteError> {
        // Not where `CARGO_TARGET_DIR` leads: repositories may share that.
        let target = survey.root.join("target");
        let scratch = Scratch::open(&target).map_err(|error| SiteError::Target { path: target.clone(), error })?;
        let scratch = scratch.ok_or(SiteError::Busy(target))?;
        let left = scratch.directory().to_owned();
        let children = Children::watched(move || drop(scratch::clear(&left))).map_err(SiteError::Signals)?;
        let (copy, overlays, database) = Default::default();
        Ok(Self { survey, scratch, children, copy, overlays, database })
    }

    pub(super) fn log_path(&self, check: &str) -> PathBuf {
        self.scratch.log_path(check)
    }

    pub(super) fn log(&self, check: &str) -> io::Result<File> {
        self.scratch.log(check)
    }

    pub(super) fn manifests(&self) -> PathBuf {
        self.scratch.manifests()
    }

    pub(super) fn documents(&self) -> PathBuf {
        self.scratch.documents()
    }

    pub(super) fn write_document(&self, name: &str, text: &str) -> io::Result<()> {
        self.scratch.write_document(name, text)
    }

    /// A path as the user can type it.
    pub(super) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(self.survey.root).unwrap_or(path).display().to_string()
    }

    /// The copy of the tree, in which every secret has something in its place.
    pub(super) fn copy(&self) -> Result<&Path, String> {
        let copy = || {
            self.scratch
                .copy(self.survey.root, &self.survey.files)
                .map_err(|error| format!("cannot copy the tree: {error}"))
        };
        self.copy.get_or_init(copy).as_deref().map_err(Clone::clone)
    }

    /// The overlays, rendered below [`Site::manifests`].
    pub(super) fn overlays(&self) -> &[Overlay] {
        self.overlays.get_or_init(|| {
            let directories = self
                .survey
                .files(Kind::Overlay)
                .into_iter()
                .filter_map(|path| path.strip_suffix("/kustomization.yaml"));
            directories.map(|directory| self.render(directory)).collect()
        })
    }

    fn render(&self, directory: &str) -> Overlay {
        let environment = directory.rsplit('/').next().unwrap_or(directory).to_owned();
        let failure = self.try_render(directory, &environment).err();
        Overlay { environment, failure }
    }

    fn try_render(&self, directory: &str, environment: &str) -> Result<(), String> {
        let mut command = self.survey.command("kubectl").ok_or("`kubectl` is not on this machine")?;
        command.arg(directory).current_dir(self.copy()?).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = self.children.run(&mut command, Child::wait_with_output).map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(said.into_owned());
        }
        self.scratch.write_manifest(environment, &output.stdout).map_err(|error| error.to_string())?;
        if said.trim().is_empty() { Ok(()) } else { Err(said.into_owned()) }
    }

    /// Every manifest of an environment that was rendered.
    pub(super) fn manifest(&self, environment: &str) -> io::Result<Vec<serde_json::Value>> {
        let text = fs::read_to_string(self.manifests().join(format!("{environment}.yaml")))?;
        serde_saphyr::from_multiple(&text).map_err(io::Error::other)
    }

    /// The address of a throwaway PostgreSQL.
    pub(super) fn database(&self) -> Result<String, String> {
        let start = || {
            let initdb = self.survey.tools.get("postgresql").ok_or("`initdb` is not on this machine")?;
            Postgres::start(&initdb.path).map_err(|error| error.to_string())
        };
        self.database.get_or_init(start).as_ref().map(Postgres::url).map_err(Clone::clone)
    }
}
