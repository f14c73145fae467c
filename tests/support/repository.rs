//! What is done to a repository in the course of its life.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{Place, Run};

/// A repository `a` in a place of its own.
pub struct Repo {
    pub place: Place,
}

impl Repo {
    pub fn new() -> Self {
        Self::with(&["--no-git"])
    }

    pub fn with(flags: &[&str]) -> Self {
        let place = Place::new();
        let arguments = ["new", "a", "--yes"].iter().chain(flags);
        Run::of(&super::appgen(place.path()).args(arguments).output().unwrap(), place.path()).succeeds();
        Self { place }
    }

    pub fn from_spec(spec: &str) -> Self {
        let place = Place::new();
        place.new_from(spec.as_bytes()).succeeds();
        Self { place }
    }

    pub fn root(&self) -> PathBuf {
        self.place.path().join("a")
    }

    pub fn run(&self, line: &str) -> Run {
        let output = super::appgen(&self.root()).args(line.split(' ')).output().unwrap();
        Run::of(&output, self.place.path())
    }

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

    pub fn git(&self, line: &str) -> String {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "core.hooksPath=/dev/null"]);
        let output = command.args(line.split(' ')).current_dir(self.root()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    pub fn commit(&self) {
        self.git("add -A");
        self.git("commit -qm edits");
    }
}
