//! No edit is ever lost: every line that the user wrote is, after any command, in the file that he wrote it to, between
//! markers if need be, or the command was refused.
//!
//! Each run edits every file of a repository at once, near the place that the command will change, and then runs a real
//! command on it: 7 kinds of edit for each command that adds or removes, and random edits with fixed seeds.
//! Budget: 2 minutes on 2 cores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::support;
use crate::support::Place;
use appgen::cli::Cli;
use appgen::commands::run_with;
use appgen::merge::has_markers;
use appgen::templates::Sets;
use clap::Parser as _;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

type Files = BTreeMap<String, String>;

/// Every command that adds or removes.
const COMMANDS: [&str; 10] = [
    "add-env staging",
    "add-handler get-quote --method POST",
    "add-entity invoice number:text(20)!^ country:ref(country)! total:decimal(12,2)!",
    "add-migration fill-names",
    "remove-env prod",
    "remove-handler factorial",
    "remove-handler quote",
    "remove-entity currency",
    "remove-entity currency --drop-table",
    "remove-entity currency --unapplied",
];

/// What becomes of a file's lines; `at` is the first line that the command will change. Every line that an edit writes
/// has a word of its own, so that it can be found again.
type Kind = (&'static str, fn(&str, &mut Vec<String>, usize));

const KINDS: [Kind; 7] = [
    ("own line in the gap", |path, lines, at| lines.insert(at, remark(path, "in the gap"))),
    ("own item in the gap", |_, lines, at| lines.insert(at, like(&lines[at.saturating_sub(1)]))),
    ("neighbour changed", |path, lines, at| {
        let above = at.saturating_sub(1);
        lines[above] += &format!(" {}", remark(path, "behind it"));
    }),
    ("first line changed", |path, lines, at| {
        let at = at.min(lines.len() - 1);
        lines[at] += &format!(" {}", remark(path, "behind it"));
    }),
    ("neighbours deleted", |path, lines, at| {
        lines.drain(at.saturating_sub(1)..(at + 1).min(lines.len()));
        lines.insert(at.saturating_sub(1), remark(path, "in their place"));
    }),
    ("reordered", |path, lines, at| {
        let at = at.min(lines.len() - 1);
        lines.swap(at.saturating_sub(1), at);
        lines.insert(at, remark(path, "between them"));
    }),
    ("edited at both ends", |path, lines, _| {
        lines.insert(1, remark(path, "at the top"));
        lines.push(remark(path, "at the end"));
    }),
];

/// A comment in the file's own language.
pub fn remark(path: &str, text: &str) -> String {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "rs" => format!("// mine: {text}"),
        "md" => format!("Mine: {text}."),
        "sql" => format!("-- mine: {text}"),
        _ => format!("# mine: {text}"),
    }
}

/// An item of the user's own, made as its neighbour is.
fn like(line: &str) -> String {
    let at = line.find(char::is_alphabetic).unwrap_or(line.len());
    format!("{}mine_{}", &line[..at], &line[at..])
}

/// A repository with examples, and what each command makes of it.
struct Known {
    base: Files,
    next: BTreeMap<&'static str, Files>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let place = Place::new();
        let base = made(&place);
        let next = COMMANDS.map(|command| {
            let place = Place::new();
            made(&place);
            let (code, said) = run(&place, command);
            assert_eq!(code, 0, "{said}");
            (command, files(&place))
        });
        Known { base, next: BTreeMap::from(next) }
    })
}

fn made(place: &Place) -> Files {
    assert_eq!(run_in(place.path(), "new a --yes --no-git").0, 0);
    files(place)
}

fn files(place: &Place) -> Files {
    let mut files = support::files(&place.path().join("a"));
    files.retain(|path, _| !path.starts_with(".appgen/txn/"));
    files
}

/// Runs a command in this process: what it does to the disk is the same.
fn run(place: &Place, line: &str) -> (u8, String) {
    run_in(&place.path().join("a"), line)
}

fn run_in(directory: &Path, line: &str) -> (u8, String) {
    let directory = directory.display().to_string();
    let arguments = ["appgen", "-C", &directory, "--no-input"].into_iter().chain(line.split(' '));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_with(Cli::parse_from(arguments), Sets::embedded(), &mut out, &mut err);
    (code, String::from_utf8([out, err].concat()).unwrap())
}

/// Files that belong to programs are aside: edits of managed ones are refused, and a lockfile has no lines of a user's.
/// The spec is edited by the commands themselves: an entry that one takes away goes with the comments inside of it.
pub fn is_edited(path: &str, text: &str) -> bool {
    let managed = text.lines().next().is_some_and(|line| line.contains("Managed by appgen"));
    !managed && ![".appgen/schema.json", "appgen.lock", "appgen.yaml", "Cargo.lock"].contains(&path)
}

/// The line of `base` at which a command's change begins; the middle of a file that it leaves alone or takes away.
fn place_of_change(base: &str, next: Option<&String>) -> usize {
    let lines: Vec<&str> = base.lines().collect();
    match next {
        Some(next) if next != base => lines.iter().zip(next.lines()).take_while(|(old, new)| **old == *new).count(),
        _ => lines.len() / 2,
    }
}

/// Edits every file that is the user's, each at its own place.
fn edited(base: &Files, next: &Files, edit: &dyn Fn(&str, &mut Vec<String>, usize)) -> Files {
    let own = base.iter().filter(|(path, text)| is_edited(path, text));
    let edited = own.map(|(path, text)| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        edit(path, &mut lines, place_of_change(text, next.get(path)));
        (path.clone(), lines.join("\n") + "\n")
    });
    edited.collect()
}

/// Runs the command on a repository with these edits and holds the outcome against what must be kept.
fn prove(what: &str, command: &'static str, edit: &dyn Fn(&str, &mut Vec<String>, usize)) {
    let Known { base, next } = known();
    let next = &next[command];
    let ours = edited(base, next, edit);
    assert!(ours.len() > 60, "{what}: {} files", ours.len());
    let place = Place::new();
    made(&place);
    for (path, text) in &ours {
        fs::write(place.path().join("a").join(path), text).unwrap();
    }
    let (code, said) = run(&place, &format!("{command} --format json"));
    let after = files(&place);
    let is_open =
        |path: &str| after.get(path).is_some_and(|text| has_markers(text)) || after.contains_key(&beside(path));
    let open: BTreeSet<&str> = ours.keys().map(String::as_str).filter(|path| is_open(path)).collect();
    assert_eq!(code, if open.is_empty() { 0 } else { 4 }, "{what}: {said}");
    assert_eq!(reported(&said), open, "{what}: the report names what is open");
    for (path, text) in &ours {
        let result = after.get(path).unwrap_or_else(|| panic!("{what}: {path} is gone"));
        let what = format!("{what}: {path}");
        let sidecar = after.get(&beside(path)).map_or("", String::as_str);
        assert_kept(&what, &base[path], text, &format!("{result}{sidecar}"));
        match next.get(path) {
            Some(next) if *next != base[path] => {
                if !open.contains(path.as_str()) {
                    assert_taken_over(&what, &base[path], next, result);
                    assert!(parses(path, result) || !parses(path, text), "{what}: does not parse\n{result}");
                }
            }
            // What the command does not change, or no longer makes, is as the user left it.
            _ => assert_eq!(result, text, "{what}"),
        }
    }
}

fn beside(path: &str) -> String {
    format!("{path}.appgen-new")
}

/// The files of the report that somebody must settle.
fn reported(report: &str) -> BTreeSet<&str> {
    let actions = report.split("\"path\": \"").skip(1).filter_map(|entry| {
        let (path, rest) = entry.split_once('"')?;
        let action = rest.split_once("\"action\": \"")?.1.split_once('"')?.0;
        ["conflict", "sidecar"].contains(&action).then(|| path.trim_end_matches(".appgen-new"))
    });
    actions.collect()
}

/// What ours has more of than base is in the result, as often.
fn assert_kept(what: &str, base: &str, ours: &str, result: &str) {
    for (line, count) in more(base, ours) {
        let combined = || line.contains("mine") && is_combined(line, result);
        assert!(count_of(line, result) >= count || combined(), "{what}: lost {line:?}\n{result}");
    }
}

/// What next has more of than base is in a clean result.
fn assert_taken_over(what: &str, base: &str, next: &str, result: &str) {
    for (line, count) in more(base, next) {
        assert!(count_of(line, result) >= count || is_combined(line, result), "{what}: lacks {line:?}\n{result}");
    }
}

fn count_of(line: &str, text: &str) -> usize {
    text.lines().filter(|other| *other == line).count()
}

fn more<'a>(base: &str, side: &'a str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    side.lines().filter(|line| !line.trim().is_empty()).for_each(|line| *counts.entry(line).or_insert(0) += 1);
    for line in base.lines() {
        if let Some(count) = counts.get_mut(line) {
            *count = usize::saturating_sub(*count, 1);
        }
    }
    counts.retain(|_, count| *count > 0);
    counts
}

/// Whether both sides' changes of a line stand on one line: all of its words are there.
fn is_combined(line: &str, result: &str) -> bool {
    let wanted = words(line);
    !wanted.is_empty() && result.lines().any(|other| words(other).is_superset(&wanted))
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// As the program that reads the file would; not as the merge does.
pub fn parses(path: &str, text: &str) -> bool {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "rs" => syn::parse_file(text).is_ok(),
        "toml" => text.parse::<toml_edit::DocumentMut>().is_ok(),
        "yaml" => serde_saphyr::from_multiple::<serde_json::Value>(text).is_ok(),
        _ => true,
    }
}

#[test]
fn every_kind_of_edit_survives_every_command() {
    for command in COMMANDS {
        for (kind, edit) in KINDS {
            prove(&format!("{command}, {kind}"), command, &edit);
        }
    }
}

#[test]
fn comments_of_the_spec_survive_every_command() {
    for command in COMMANDS {
        let base = &known().base;
        let spec = &base["appgen.yaml"];
        let at = place_of_change(spec, known().next[command].get("appgen.yaml"));
        let mut lines: Vec<&str> = spec.lines().collect();
        lines.insert(at, "# mine: where the command edits");
        lines.push("# mine: at the end");
        let place = Place::new();
        made(&place);
        fs::write(place.path().join("a/appgen.yaml"), lines.join("\n") + "\n").unwrap();
        let (code, said) = run(&place, command);
        assert_eq!(code, 0, "{command}: {said}");
        let after = files(&place);
        assert_kept(command, spec, &lines.join("\n"), &after["appgen.yaml"]);
    }
}

#[test]
fn a_dependency_of_the_users_stays_locked() {
    let place = Place::new();
    let lock = &made(&place)["Cargo.lock"];
    let ours = lock.replacen(" \"prometheus-client\",\n", " \"prometheus-client\",\n \"quote\",\n", 1);
    assert_ne!(*lock, ours);
    fs::write(place.path().join("a/Cargo.lock"), ours).unwrap();
    let (code, said) = run(&place, "add-entity invoice total:decimal(12,2)!");
    assert_eq!(code, 0, "{said}");
    let merged = &files(&place)["Cargo.lock"];
    let own = merged.split("[[package]]\n").find(|block| block.starts_with("name = \"a\"\n")).unwrap();
    for dependency in ["quote", "rust_decimal"] {
        assert!(own.contains(&format!(" \"{dependency}\",\n")), "{dependency}: {own}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Random {
    Insert,
    Item,
    Append,
    Delete,
    Duplicate,
    Swap,
}

fn random() -> impl Strategy<Value = Vec<(Random, usize)>> {
    use Random::*;
    let one = prop::sample::select(vec![Insert, Insert, Item, Append, Append, Delete, Duplicate, Swap]);
    prop::collection::vec((one, 0..6_usize), 1..8)
}

/// Edits around a line, from two above to three below.
fn scribble(edits: &[(Random, usize)], path: &str, lines: &mut Vec<String>, at: usize) {
    for (number, (edit, offset)) in edits.iter().enumerate() {
        let at = (at + offset).saturating_sub(2).min(lines.len() - 1);
        match edit {
            Random::Insert => lines.insert(at, remark(path, &format!("line {number}"))),
            Random::Item => lines.insert(at, like(&lines[at]).replace("mine_", &format!("mine{number}_"))),
            Random::Append => lines[at] += &format!(" {}", remark(path, &format!("word {number}"))),
            Random::Delete if lines.len() > 2 => drop(lines.remove(at)),
            Random::Delete => {}
            Random::Duplicate => lines.insert(at, lines[at].clone()),
            Random::Swap => lines.swap(at, at.saturating_sub(1)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: support::series(30),
        rng_seed: RngSeed::Fixed(56),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_edits_survive(command in prop::sample::select(COMMANDS.to_vec()), edits in random()) {
        prove(&format!("{command}, {edits:?}"), command, &|path, lines, at| scribble(&edits, path, lines, at));
    }
}
