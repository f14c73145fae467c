//! A generated repository, and what is done to it in the course of its life.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Place, Run};

/// Runs a check over the default repository and every case.
pub fn each(mut check: impl FnMut(&str, &Path)) {
    let place = Place::new();
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    check("default", &place.path().join("my-service"));
    for case in super::cases() {
        check(&case, &Repo::of_case(&case).root());
    }
}

/// A repository in a place of its own.
pub struct Repo {
    pub place: Place,
    name: String,
}

impl Repo {
    /// `a`, with the examples and without git.
    pub fn new() -> Self {
        Self::with(&["--no-git"])
    }

    /// `a`, with the examples; `flags` are more of those of `new`.
    pub fn with(flags: &[&str]) -> Self {
        Self::made_in(Place::new(), flags)
    }

    pub fn made_in(place: Place, flags: &[&str]) -> Self {
        let output = super::appgen(place.path()).args(["new", "a", "--yes"]).args(flags).output().unwrap();
        Run::of(&output, place.path()).succeeds();
        Self { place, name: "a".to_owned() }
    }

    /// From `tests/cases/<case>.yaml`, without git.
    pub fn of_case(case: &str) -> Self {
        Self::from_spec(&super::case_text(case))
    }

    /// Without git.
    pub fn from_spec(spec: &str) -> Self {
        let place = Place::new();
        let run = place.new_from(spec.as_bytes()).succeeds();
        assert!(run.err.is_empty(), "{}", run.err);
        let name = place.entries().pop().unwrap();
        Self { place, name }
    }

    pub fn root(&self) -> PathBuf {
        self.place.path().join(&self.name)
    }

    /// The same elsewhere.
    pub fn copy(&self) -> Self {
        let copy = Self { place: Place::new(), name: self.name.clone() };
        super::succeed(Command::new("cp").arg("-a").args([self.root(), copy.root()]));
        copy
    }

    /// appgen in the repository; `line` is its arguments.
    pub fn command(&self, line: &str) -> Command {
        let mut command = super::appgen(&self.root());
        command.args(line.split(' '));
        command
    }

    pub fn run(&self, line: &str) -> Run {
        Run::of(&self.command(line).output().unwrap(), self.place.path())
    }

    /// What is there but the journal of the last change.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = super::files(&self.root());
        files.retain(|path, _| !path.starts_with(".appgen/txn/"));
        files
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        let file = self.root().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no `{from}`");
        self.write(path, &text.replacen(from, to, 1));
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.root().join(path)).unwrap();
    }

    pub fn git(&self, line: &str) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "core.hooksPath=/dev/null"]);
        let output = command.args(line.split(' ')).current_dir(self.root()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    pub fn commit(&self) {
        self.git("add -A");
        self.git("commit -qm edits");
    }
}
