//! The spec's switches in pairs: specs in which every two values of any two dimensions stand together, rendered by the
//! binary and read by the programs that read them. Each repository then gets a series of changes by commands, by hand in
//! the spec, and edits of its user's, and is checked again.
//!
//! All rows are rendered and parsed; their overlays are rendered, and held against the policy, Pod Security and the
//! schemas of Kubernetes. With `APPGEN_MATRIX=commit`, which `tests/proof` sets, a row, another for each commit, also passes
//! all that `appgen verify` does without a build, and is built; with `APPGEN_MATRIX=all`, which `tests/nightly` sets, every
//! row; with `APPGEN_MATRIX=7,46` those alone are looked at.
//! Budget: 6 minutes on 2 cores.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use crate::edits::{is_edited, parses, remark};
use crate::evolution::{COMMANDS, assert_same, fresh};
use crate::manifests::violations_of_an_overlay;
use crate::support;
use crate::support::deployment::{manifests, rendered};
use crate::support::extent::{Extent, extent, head, wanted};
use crate::support::generated::{is_asked_for, one_at_a_time, prove};
use crate::support::pairwise::{has, pairs};
use crate::support::repository::Repo;
use crate::support::specs::{Dimension, Specs, problems, wide};
use appgen::spec::yaml;
use appgen::verify::pod_security;
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::Value;

/// Commands and changes of the spec in a series.
const STEPS: usize = 6;
/// Files that are edited before the first step, and again in the middle.
const EDITS: usize = 10;
/// In every line that a user adds.
const MINE: &str = "of the matrix";

fn specs() -> &'static Specs {
    static SPECS: OnceLock<Specs> = OnceLock::new();
    SPECS.get_or_init(Specs::new)
}

/// The rows that APPGEN_MATRIX names by number: nothing is done with others.
fn named() -> Option<Vec<usize>> {
    wanted().split(',').map(|row| row.parse().ok()).collect()
}

/// A row, another for other commits: all of them have their turn.
fn rows_of_this_commit(what: &str) -> Vec<usize> {
    let all = specs().specs.len();
    if let Some(rows) = named() {
        return rows;
    }
    match extent() {
        Extent::All => (0..all).collect(),
        Extent::Commit(part) => {
            let row = part % all;
            support::say(&format!("{what}: row {row} of {all}, by the commit {}", head()));
            vec![row]
        }
        Extent::Little => {
            support::say(&format!(
                "left out: {what} of rows of the matrix; APPGEN_MATRIX=commit takes one, all every one"
            ));
            Vec::new()
        }
    }
}

/// Does it with every row, also after one that fails: a run of all takes too long to tell one fault at a time.
fn each(rows: impl IntoIterator<Item = usize>, mut prove: impl FnMut(usize)) {
    let mut failed = Vec::new();
    for row in rows {
        let start = Instant::now();
        let ended = panic::catch_unwind(AssertUnwindSafe(|| prove(row)));
        failed.extend(ended.is_err().then_some(row));
        if wanted() == "all" {
            support::say(&format!("row {row}: {} s", start.elapsed().as_secs()));
        }
    }
    assert_eq!(failed, [0; 0], "rows that failed; what was wrong with each stands above");
}

fn repository(row: usize) -> Repo {
    Repo::from_spec(&yaml(&specs().specs[row]))
}

#[test]
fn every_pair_of_values_stands_in_a_spec_or_is_refused_for_a_reason() {
    let Specs { dimensions, cover, specs, left_over } = specs();
    let sizes: Vec<usize> = dimensions.iter().map(|dimension| dimension.values.len()).collect();
    let mut covered = 0;
    let mut refused = String::new();
    for (one, other) in pairs(&sizes) {
        let stands = cover.rows.iter().any(|row| has(row, one) && has(row, other));
        let reason = cover.refused.iter().find(|pair| (pair.0, pair.1) == (one, other));
        let both = format!("{} with {}", self::specs().called(one), self::specs().called(other));
        assert_ne!(stands, reason.is_some(), "{both}");
        covered += usize::from(stands);
        if let Some((_, _, reason)) = reason {
            writeln!(refused, "{both}\n  {reason}").unwrap();
        }
    }
    assert_eq!(*left_over, [Value::Null; 0], "forms of fields and handlers that no row has");
    let (dimensions, rows, impossible) = (sizes.len(), specs.len(), cover.refused.len());
    support::say(&format!(
        "the matrix: {dimensions} dimensions, {rows} rows, {covered} pairs, {impossible} that the spec refuses"
    ));
    support::snapshot("matrix", "refused", &refused);
}

#[test]
fn every_even_row_is_whole_before_and_after_a_series_of_changes() {
    are_whole_before_and_after_a_series_of_changes(0);
}

#[test]
fn every_odd_row_is_whole_before_and_after_a_series_of_changes() {
    are_whole_before_and_after_a_series_of_changes(1);
}

fn are_whole_before_and_after_a_series_of_changes(first: usize) {
    let what = "the matrix";
    let tools = ["kubectl", "kubernetes-validate"].map(|tool| support::tool(tool, what));
    let [Some(kubectl), Some(validate)] = tools else { return };
    let in_full = rows_of_this_commit("the checks of appgen verify");
    let overlays = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let mut counts = Counts::default();
    let rows = (first..specs().specs.len()).step_by(2);
    each(rows.filter(|row| named().is_none_or(|named| named.contains(row))), |row| {
        let repo = repository(row);
        let mut check = |repo: &Repo, what: &str| {
            let text = check(repo, what, &kubectl);
            files.push(overlays.path().join(format!("{}.yaml", what.replace(' ', "-"))));
            fs::write(files.last().unwrap(), text).unwrap();
            if in_full.contains(&row) {
                // It leaves logs behind.
                verify(&repo.copy().root(), what);
            }
        };
        check(&repo, &format!("row {row}"));
        live(&repo, row, &mut counts);
        check(&repo, &format!("row {row} changed"));
    });
    if files.is_empty() {
        return;
    }
    support::succeed(Command::new(validate).args(["-k", "1.33.0", "--strict", "--no-warn"]).args(&files));
    support::say(&format!("the matrix: {counts:?}"));
    // A series of which nothing comes would prove nothing.
    let proves = counts.done > counts.refused && counts.conflicts * 20 < counts.done;
    assert!(proves || named().is_some(), "{counts:?}");
}

#[test]
fn a_row_of_this_commit_builds() {
    if !is_asked_for("the build of a row of the matrix") {
        return;
    }
    each(rows_of_this_commit("the build"), |row| {
        let repo = repository(row);
        live(&repo, row, &mut Counts::default());
        one_at_a_time(|| prove(&repo.root()));
    });
}

#[test]
fn fifty_entities_build() {
    if wanted() != "all" {
        support::say("left out: the build of 50 entities; APPGEN_MATRIX=all does it");
        return;
    }
    let repo = Repo::from_spec(&yaml(&wide(50)));
    one_at_a_time(|| prove(&repo.root()));
}

/// All that needs no build, with nothing missing.
#[track_caller]
fn verify(root: &Path, what: &str) {
    let (code, rows) = support::verify(root, "--skip fmt,clippy,test");
    let bad: Vec<_> =
        rows.iter().filter(|row| ["failed", "missing"].contains(&row["result"].as_str().unwrap())).collect();
    assert!(code == 0 && (bad.is_empty() || !support::everything_is_required()), "{what}: {bad:#?}");
}

/// Every file parses, nothing drifts, and every overlay renders and holds what no schema knows. The overlays.
#[track_caller]
fn check(repo: &Repo, what: &str, kubectl: &Path) -> String {
    repo.run("check").succeeds();
    let files = repo.files();
    for (path, text) in &files {
        assert!(is_well_formed(path, text), "{what}: {path} does not parse\n{text}");
    }
    let scripts =
        files.iter().filter(|(_, text)| text.starts_with("#!") && text.lines().next().unwrap().contains("sh"));
    let scripts: Vec<PathBuf> = scripts.map(|(path, _)| repo.root().join(path)).collect();
    support::succeed(Command::new("bash").args(["-ec", "for f; do bash -n \"$f\"; done", "-"]).args(scripts));
    // A render leaves secrets behind.
    let copy = repo.copy();
    let mut all = Vec::new();
    for (environment, text) in rendered(kubectl, &copy.root()) {
        let what = format!("{what} {environment}");
        assert_eq!(violations_of_an_overlay(&copy.root(), &text), [""; 0], "{what}");
        for manifest in manifests(&text) {
            assert_eq!(pod_security::violations(&manifest), [""; 0], "{what}");
        }
        all.push(text);
    }
    all.join("---\n")
}

fn is_well_formed(path: &str, text: &str) -> bool {
    // Templates of a chart are text until Helm has rendered them.
    let is_template = path.starts_with("deploy/helm/") && path.contains("/templates/");
    if path.ends_with(".json") {
        return serde_json::from_str::<Value>(text).is_ok();
    }
    is_template || parses(path, text)
}

#[derive(Debug, Default)]
struct Counts {
    done: usize,
    refused: usize,
    conflicts: usize,
    edits: usize,
}

/// A repository in the course of a series.
struct Life<'a> {
    repo: &'a Repo,
    rng: TestRng,
    /// The user's lines by their file.
    lines: BTreeMap<String, Vec<String>>,
    counts: &'a mut Counts,
}

/// Changes a repository at random, always the same for a row; whatever its user wrote is there afterwards, and all else
/// is what `new` would make.
fn live(repo: &Repo, row: usize, counts: &mut Counts) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[u8::try_from(row).unwrap(); 32]);
    let mut life = Life { repo, rng, lines: BTreeMap::new(), counts };
    for step in 0..STEPS {
        if step % 3 == 0 {
            life.edit();
        }
        life.step(&format!("row {row}, step {step}"));
    }
    let mut files = repo.files();
    for (path, lines) in &life.lines {
        let text = &files[path];
        for line in lines {
            assert_eq!(text.lines().filter(|other| other == line).count(), 1, "row {row}: {path} lost {line}\n{text}");
        }
    }
    let mut fresh = fresh(repo);
    // Keys of the spec stand in the user's order; what is written once is the user's after an edit.
    let once = ["src/handlers/", "tests/api/handlers/", "db/changelog/"];
    let edited = life.lines.keys().filter(|path| once.iter().any(|directory| path.starts_with(directory)));
    for path in edited.map(String::as_str).chain(["appgen.yaml"]) {
        files.remove(path);
        fresh.remove(path);
    }
    for text in files.values_mut() {
        *text = text.split_inclusive('\n').filter(|line| !line.contains(MINE)).collect();
    }
    assert_same(&files, &fresh, &format!("row {row}"));
}

impl Life<'_> {
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.rng.next_u64() % end as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len());
        all[at].clone()
    }

    /// Adds comments where paragraphs begin, which no program that reads the file minds.
    fn edit(&mut self) {
        let is_history =
            |path: &str| path.starts_with("db/changelog/changes/") || path.starts_with("db/changelog/testdata/");
        let is_own = |path: &str, text: &str| is_edited(path, text) && !path.ends_with(".json") && !is_history(path);
        let files: Vec<_> = self.repo.files().into_iter().filter(|(path, text)| is_own(path, text)).collect();
        for _ in 0..EDITS {
            let (path, _) = self.pick(&files);
            let text = self.repo.read(&path);
            let mut lines: Vec<&str> = text.lines().collect();
            let gaps: Vec<usize> =
                (1..lines.len()).filter(|at| lines[at - 1].is_empty() && !lines[*at].is_empty()).collect();
            if gaps.is_empty() {
                continue;
            }
            let at = self.pick(&gaps);
            let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
            let line = format!("{indent}{}", remark(&path, &format!("edit {} {MINE}", self.counts.edits)));
            lines.insert(at, &line);
            let edited = lines.join("\n") + "\n";
            // A paragraph may begin inside of a text.
            if !means_the_same(&path, &text, &edited) {
                continue;
            }
            self.repo.write(&path, &edited);
            self.lines.entry(path).or_default().push(line);
            self.counts.edits += 1;
        }
    }

    /// A command that adds or removes, or a change of the spec and `sync`.
    fn step(&mut self, what: &str) {
        let spec = self.repo.read("appgen.yaml");
        let line = match self.below(3) {
            0 => self.pick(COMMANDS).to_owned(),
            1 => self.command_on_what_is_there(&spec),
            _ => {
                let changed = self.changed(&spec);
                self.repo.write("appgen.yaml", &changed);
                "sync".to_owned()
            }
        };
        let mut before = self.repo.files();
        let run = self.repo.run(&format!("{line} --format json"));
        let what = format!("{what}: {line}: {}{}", run.out, run.err);
        match run.code {
            0 => {
                self.counts.done += 1;
                self.tidy_up(&serde_json::from_str(&run.out).unwrap(), &what);
                return;
            }
            2 | 5 => self.counts.refused += 1,
            4 => {
                self.counts.conflicts += 1;
                self.repo.run("undo").succeeds();
            }
            _ => panic!("{what}"),
        }
        assert_same(&before, &self.repo.files(), &what);
        before.insert("appgen.yaml".to_owned(), spec);
        self.repo.write("appgen.yaml", &before["appgen.yaml"]);
    }

    /// Deletes what a command kept because of the user's edits.
    fn tidy_up(&mut self, report: &Value, what: &str) {
        for change in report["changes"].as_array().unwrap().iter().filter(|change| change["action"] == "keep") {
            let path = change["path"].as_str().unwrap();
            let text = self.repo.read(path);
            let lines = self.lines.remove(path).unwrap_or_else(|| panic!("{path} was not edited: {what}"));
            assert!(lines.iter().all(|line| text.contains(line)), "{path}: {what}");
            self.repo.remove(path);
        }
    }

    fn command_on_what_is_there(&mut self, spec: &str) -> String {
        let spec: Value = serde_saphyr::from_str(spec).unwrap();
        let names = |section: &str| spec[section].as_object().into_iter().flat_map(|names| names.keys());
        let environments = names("environments")
            .flat_map(|name| [format!("remove-env {name}"), format!("add-env copy --from {name}")]);
        let entities = names("entities").flat_map(|name| {
            ["", " --drop-table", " --unapplied"]
                .map(|how| format!("remove-entity {name}{how}"))
                .into_iter()
                .chain([format!("add-entity part of:ref({name})! name:text(40)!^ weight:decimal(8,3)+")])
        });
        let handlers = names("handlers").map(|name| format!("remove-handler {name}"));
        let all: Vec<String> = environments.chain(entities).chain(handlers).collect();
        self.pick(&all)
    }

    /// The spec with another value of one of its switches.
    fn changed(&mut self, spec: &str) -> String {
        let spec: Value = serde_saphyr::from_str(spec).unwrap();
        let is_key = |dimension: &&Dimension| dimension.name.contains('.');
        let dimensions: Vec<&Dimension> = specs().dimensions.iter().filter(is_key).collect();
        let environments: Vec<String> = spec["environments"].as_object().unwrap().keys().cloned().collect();
        loop {
            let dimension = self.pick(&dimensions);
            let value = self.pick(&dimension.values);
            let (section, key) = dimension.name.split_once('.').unwrap();
            let mut changed = spec.clone();
            let parent = match section {
                "environment" => &mut changed["environments"][self.pick(&environments)],
                section => &mut changed[section],
            };
            let parent = parent.as_object_mut().unwrap();
            match value {
                Some(value) => drop(parent.insert(key.to_owned(), value)),
                None => drop(parent.shift_remove(key)),
            }
            if changed != spec && problems(&changed) == [""; 0] {
                return yaml(&changed);
            }
        }
    }
}

/// Whether a file is read as it was before a comment came.
fn means_the_same(path: &str, text: &str, edited: &str) -> bool {
    let read = |text: &str| serde_saphyr::from_multiple::<Value>(text).ok();
    let is_yaml = path.ends_with(".yaml") && !path.contains("/templates/");
    is_well_formed(path, edited) && (!is_yaml || read(text) == read(edited))
}
