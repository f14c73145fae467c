//! Hostile input: whatever stands in a spec, a lock, a journal or a merged file, nothing panics, and nothing outside of
//! the repository is touched. `fuzz/run` looks for more.
//! Budget: 15 seconds on 2 cores.

pub mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;

use crate::support;
use crate::support::repository::Repo;

type Property = fn(&[u8]);

/// What the fuzzer runs, under the names of its targets.
const PROPERTIES: &[(&str, Property)] = &[
    ("spec", properties::spec),
    ("lock", properties::lock),
    ("merge", properties::merge),
    ("grammar", properties::grammar),
    ("journal", properties::journal),
];

/// The inputs of a target by their names: examples of what is legal, and what a fault was found with.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let cases = (target == "spec").then(|| tests.join("cases"));
    let directories = [tests.join("hostile").join(target)].into_iter().chain(cases);
    let mut files: Vec<_> = directories.flat_map(|directory| fs::read_dir(directory).unwrap()).collect();
    files.sort_by_key(|file| file.as_ref().unwrap().path());
    let read = |file: std::io::Result<fs::DirEntry>| {
        let path = file.unwrap().path();
        (path.display().to_string(), fs::read(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

#[test]
fn what_was_found_once_stays_mended() {
    for (target, property) in PROPERTIES {
        for (path, input) in inputs(target) {
            println!("{path}");
            property(&input);
        }
    }
}

/// A change of an input, as places in thousandths of its length.
#[derive(Debug, Clone)]
enum Mutation {
    Put(usize, &'static str),
    Cut(usize, usize),
    Copy(usize, usize, usize),
    Byte(usize, u8),
}

const PIECES: &[&str] = &[
    "\n",
    "\n  ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "\\",
    "#",
    "&a ",
    "*a",
    "|\n",
    "0",
    "-1",
    "4294967296",
    "~",
    "../",
    "\0",
    "\r\n",
    "\u{feff}",
    "\u{202e}",
    "${",
    "<<<<<<< ",
    "=====\n",
    "on",
    "null",
    "! ",
    "E'",
    "é",
];

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = || 0_usize..1000;
    let mutation = prop_oneof![
        (at(), prop::sample::select(PIECES)).prop_map(|(at, piece)| Mutation::Put(at, piece)),
        (at(), 1_usize..40).prop_map(|(at, length)| Mutation::Cut(at, length)),
        (at(), 1_usize..40, at()).prop_map(|(at, length, to)| Mutation::Copy(at, length, to)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
    ];
    prop::collection::vec(mutation, 1..5)
}

fn mutated(input: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for mutation in mutations {
        let place = |at: &usize| at * bytes.len() / 1000;
        let range = |at: &usize, length: &usize| place(at)..(place(at) + length).min(bytes.len());
        match mutation {
            Mutation::Put(at, piece) => drop(bytes.splice(place(at)..place(at), piece.bytes())),
            Mutation::Cut(at, length) => drop(bytes.drain(range(at, length))),
            Mutation::Copy(at, length, to) => {
                let (copied, to) = (bytes[range(at, length)].to_vec(), place(to));
                bytes.splice(to..to, copied);
            }
            Mutation::Byte(at, byte) => {
                let at = place(at);
                bytes.splice(at..(at + 1).min(bytes.len()), [*byte]);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_input_breaks_a_property(
        target in 0..PROPERTIES.len(),
        input in any::<prop::sample::Index>(),
        mutations in mutations(),
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let (name, property) = PROPERTIES[target];
        let inputs = inputs(name);
        property(&mutated(&inputs[input.index(inputs.len())].1, &mutations));
        property(&noise);
    }
}

/// A path that leads out, into git's own directory, or that would act on a terminal.
const PATHS: &[&str] = &[
    "../outside",
    "/etc/outside",
    "a/../../outside",
    "..",
    ".git/hooks/post-checkout",
    "a\\b",
    "a\0b",
    "\u{1b}[2Ja",
    "a\nb",
];

#[test]
fn no_path_of_a_lock_leads_out() {
    let repo = Repo::new();
    let lock = repo.read("appgen.lock");
    for path in PATHS {
        let path = serde_json::to_string(path).unwrap();
        for forged in [
            lock.replacen("\nspec:", &format!("\nconflicts: [{path}]\nspec:"), 1),
            lock.replacen("\nfiles:\n", &format!("\nfiles:\n  {path}: {{ class: once, sha256: '' }}\n"), 1),
        ] {
            assert_ne!(forged, lock);
            repo.write("appgen.lock", &forged);
            let files = || {
                let mut files = support::files(repo.place.path());
                files.retain(|path, _| !path.starts_with("a/.appgen/txn/"));
                files
            };
            let before = files();
            for line in ["sync", "resolve", "restore src/lib.rs", "check"] {
                let run = repo.run(line);
                assert_eq!(run.code, 1, "{path}: {line}: {}{}", run.out, run.err);
                assert!(run.err.contains("is not a path inside the repository"), "{path}: {line}: {}", run.err);
                assert!(!run.err.contains(['\0', '\u{1b}']), "{path}: {line}: {:?}", run.err);
            }
            assert!(files() == before, "{path}");
        }
    }
}

#[test]
fn no_link_leads_a_change_out() {
    let origin = Repo::new();
    let files = origin.files();
    let parents = files.keys().flat_map(|path| Path::new(path).ancestors().skip(1));
    let directories: BTreeSet<_> = parents.filter(|parent| !parent.as_os_str().is_empty()).collect();
    assert!(directories.len() > 20, "{directories:?}");
    for directory in directories {
        let repo = origin.copy();
        let (inside, outside) = (repo.root().join(directory), repo.place.path().join("outside"));
        fs::rename(&inside, &outside).unwrap();
        symlink(&outside, &inside).unwrap();
        let before = support::files(&outside);
        for line in ["add-env staging", "remove-entity currency --unapplied", "restore Makefile", "undo"] {
            let run = repo.run(line);
            assert!([0, 2, 5].contains(&run.code), "{}: {line}: {}{}", directory.display(), run.out, run.err);
        }
        assert_eq!(support::files(&outside), before, "{}", directory.display());
    }
}

#[test]
fn no_link_leads_a_run_of_checks_out() {
    let repo = Repo::new();
    for link in ["target/verify/lock", "target/verify"] {
        let outside = repo.place.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("lock"), "kept").unwrap();
        let _ = fs::remove_dir_all(repo.root().join("target/verify"));
        let at = repo.root().join(link);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(if link.ends_with("lock") { outside.join("lock") } else { outside.clone() }, &at).unwrap();
        let run = repo.run("verify --only fmt");
        assert!(run.err.contains("is a symbolic link"), "{link}: {}{}", run.out, run.err);
        assert_eq!(support::files(&outside), BTreeMap::from([("lock".to_owned(), "kept".to_owned())]), "{link}");
    }
}
