//! Golden cases: a spec in `tests/cases` each. The default repository is kept file by file, every other case as its
//! difference from it, so that a change of a template shows once. Adding a case is adding a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support;
use crate::support::Place;
use crate::support::repository::Repo;
use similar::TextDiff;

/// Two files are long and proven otherwise: `--locked` builds the one, the other is the printed schema.
const LEFT_OUT: &[&str] = &["Cargo.lock", ".appgen/schema.json"];

fn default() -> BTreeMap<String, String> {
    let place = Place::new();
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    let mut files = support::files(&place.path().join("my-service"));
    files.retain(|path, _| !LEFT_OUT.contains(&path.as_str()));
    files
}

#[test]
fn the_default_repository_file_by_file() {
    let files = default();
    for (path, text) in &files {
        support::snapshot("default", &path.replace('/', "__"), text);
    }
    let made: Vec<_> = files.keys().map(|path| path.replace('/', "__")).collect();
    assert_eq!(stale("default", &made), [""; 0]);
}

#[test]
fn every_other_case_as_its_difference_from_the_default() {
    let default = default();
    for case in support::cases() {
        let repo = Repo::of_case(&case);
        let name = repo.root().file_name().unwrap().to_string_lossy().into_owned();
        let mut files = repo.files();
        files.retain(|path, _| !LEFT_OUT.contains(&path.as_str()));
        let files: BTreeMap<_, _> = files
            .into_iter()
            .map(|(path, text)| {
                let text = text.replace(&name, "my-service").replace(&name.replace('-', "_"), "my_service");
                (path.replace(&name, "my-service"), text)
            })
            .collect();
        support::snapshot("cases", &case, &difference(&default, &files));
    }
    assert_eq!(stale("cases", &support::cases()), [""; 0]);
}

/// Snapshots that nothing is compared with any more: nobody would notice what comes back as it should not.
fn stale(group: &str, made: &[String]) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(group);
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept = names.filter_map(|name| name.strip_suffix(".snap").map(str::to_owned));
    kept.filter(|name| !made.contains(name)).collect()
}

fn difference(from: &BTreeMap<String, String>, to: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for path in from.keys().filter(|path| !to.contains_key(*path)) {
        writeln!(text, "deleted {path}").unwrap();
    }
    for (path, new) in to {
        match from.get(path) {
            None => writeln!(text, "new {path}\n{new}").unwrap(),
            Some(old) if old == new => {}
            Some(old) => {
                let diff = TextDiff::from_lines(old, new);
                writeln!(text, "changed {path}\n{}", diff.unified_diff().context_radius(1)).unwrap();
            }
        }
    }
    text
}
