//! The harness: a scrubbed `appgen`, a directory to run it in, and tools that may be missing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use appgen::templates::{CARGO_LOCK_DATA, TemplateSet};
use tempfile::TempDir;

pub mod deployment;
pub mod extent;
pub mod generated;
pub mod monitoring;
pub mod pairwise;
pub mod postgres;
pub mod repository;
pub mod specs;

/// `appgen` with no variable of ours but PATH, so that neither the machine nor its user shows in a result.
pub fn appgen(directory: &Path) -> Command {
    let mut command = appgen_on_a_terminal(directory);
    command.stdin(Stdio::null());
    command
}

/// The same with the standard streams left to whoever spawns it.
pub fn appgen_on_a_terminal(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appgen"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", directory).env("LC_ALL", "C.UTF-8").env("GIT_CONFIG_NOSYSTEM", "1");
    command.current_dir(directory);
    command
}

/// What a command printed and how it ended, with the directory's path replaced.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn of(output: &Output, directory: &Path) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&directory.display().to_string(), "[DIR]");
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// An empty directory in which appgen is run.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Where writing takes no time, if there is such a place.
    pub fn in_memory() -> Self {
        Self { dir: tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap()) }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn run<const N: usize>(&self, arguments: [&str; N]) -> Run {
        Run::of(&appgen(self.path()).args(arguments).output().unwrap(), self.path())
    }

    /// Runs `appgen new --spec -` with this text as its standard input.
    pub fn new_from(&self, spec: &[u8]) -> Run {
        use std::io::Write as _;
        let mut command = appgen(self.path());
        command.args(["new", "--no-git", "--spec", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A child that refuses early closes its end.
        let _ = child.stdin.take().unwrap().write_all(spec);
        Run::of(&child.wait_with_output().unwrap(), self.path())
    }

    /// Names in the directory, hidden ones too.
    pub fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Every file below a directory but git's, by its path.
pub fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() == ".git" {
            } else if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The embedded set with each first `from` in a template replaced by its `to`.
pub fn changed_set(changes: &[(&str, &str, &str)]) -> TemplateSet {
    let set = TemplateSet::embedded().unwrap();
    let names = set.templates().chain(["catalog.json", CARGO_LOCK_DATA]);
    let mut sources: BTreeMap<String, Cow<'static, str>> =
        names.map(|name| (name.to_owned(), Cow::Owned(set.source(name).unwrap().into_owned()))).collect();
    for (name, from, to) in changes {
        let text = sources[*name].replacen(from, to, 1);
        assert_ne!(text, sources[*name], "{name}");
        sources.insert((*name).to_owned(), Cow::Owned(text));
    }
    TemplateSet::new(sources).unwrap()
}

pub fn case_text(case: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cases/{case}.yaml"))).unwrap()
}

/// Compares with `snapshots/<group>/<name>.snap`. `INSTA_UPDATE=always cargo test` writes what is new.
pub fn snapshot(group: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(group));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // A development set is named after its digest, which every change of a template changes.
    settings.add_filter(r"dev\+[0-9a-f]{16}", "dev+[digest]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Names of all cases.
pub fn cases() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Whether the full proof is asked for, in which nothing may be skipped.
pub fn everything_is_required() -> bool {
    std::env::var_os("APPGEN_REQUIRE").is_some_and(|value| value == "all")
}

/// The tool's path, or None with one line that says what is skipped. A failure where everything is required.
pub fn tool(name: &str, what: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = std::env::var_os("APPGEN_TOOLS").map(PathBuf::from);
    let found = extra.into_iter().chain(std::env::split_paths(&path)).map(|dir| dir.join(name)).find(|p| p.is_file());
    if found.is_none() {
        skip(what, &format!("`{name}` is not installed"));
    }
    found
}

/// Says in one line what is skipped and why; a failure where everything is required.
pub fn skip(what: &str, why: &str) {
    assert!(!everything_is_required(), "{what}: {why}");
    // A silent skip would read as a pass.
    say(&format!("skipped {what}: {why}"));
}

/// Says something past the test runner's capture.
pub fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(fs::OpenOptions::new().append(true).open("/dev/stderr").unwrap(), "{text}");
}

/// The number of cases of a property: the suite's own, unless PROPTEST_CASES wants more.
pub fn series(least: u32) -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    wanted.unwrap_or(least).max(least)
}

/// Whether a command can be run here and succeeds.
pub fn succeeds_quietly(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs `appgen verify` with the tools of this machine: its exit code, and the rows of its report.
#[track_caller]
pub fn verify(root: &Path, arguments: &str) -> (i32, Vec<serde_json::Value>) {
    let mut command = appgen(root);
    command.args(["verify", "--format", "json"]).args(arguments.split(' '));
    let run = Run::of(&with_tools(&mut command).output().unwrap(), root);
    let report: serde_json::Value =
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err));
    assert_eq!(report["exit"], run.code);
    (run.code, report["checks"].as_array().unwrap_or_else(|| panic!("{report:#}")).clone())
}

/// Gives appgen the variables without which cargo and the extra tools are not found.
pub fn with_tools(command: &mut Command) -> &mut Command {
    let (path, extra) = (std::env::var_os("PATH").unwrap_or_default(), std::env::var_os("APPGEN_TOOLS"));
    let directories = extra.map(PathBuf::from).into_iter().chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(directories).unwrap());
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "JAVA_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a command and returns what it printed.
#[track_caller]
pub fn succeed(command: &mut Command) -> Run {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let run = Run::of(&output, Path::new("/nonexistent"));
    assert_eq!(run.code, 0, "{shown}\nstdout:\n{}\nstderr:\n{}", run.out, run.err);
    run
}
