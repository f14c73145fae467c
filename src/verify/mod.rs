//! Runs on a generated repository every check for which the tool is there. The checks are data ([`catalog`]); here is
//! the flow: which of them apply, which can be run, the runs, and what each came to.
//!
//! ```text
//! Machine + repository ──> Survey ──> select ──> rows ──> run in a Site, in parallel ──> rows with results ──> report
//! ```

pub mod catalog;
mod children;
pub mod custom_resources;
pub mod doctor;
mod excerpt;
mod files;
pub mod pod_security;
mod postgres;
mod run;
mod scratch;
mod site;
pub mod tools;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use catalog::{CHECKS, Check, Place, Work};
pub use files::Kind;
pub use site::{Site, SiteError, Survey};
use tools::{Tool, tool};

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    Failed,
    /// A tool that it needs is not on this machine.
    Missing,
    /// The repository has nothing that it reads.
    NotApplicable,
    /// The user did not want it.
    Skipped,
    /// It would be run, were this no dry run.
    Planned,
}

/// A check of the table, and what it came to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    pub name: &'static str,
    /// What holds when it has passed.
    pub proves: &'static str,
    pub result: Verdict,
    /// Whether the run fails where a tool of it is missing.
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why it was not run, or what was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The commands that install what is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub install: Vec<String>,
    /// Of a check that failed: what it said, without what does not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// How many lines of that were left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Where all that it said is, from the root of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    #[serde(skip)]
    check: Option<&'static Check>,
    /// The tools that are missing.
    #[serde(skip)]
    pub missing: Vec<&'static Tool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's way to ask")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Which checks the user wants. Every name is one of the catalog's.
#[derive(Debug, Default)]
pub struct Selection {
    /// Where there are any, only these; a tool that they need must be there.
    pub only: Vec<String>,
    pub skip: Vec<String>,
    pub require: Vec<String>,
    pub require_all: bool,
}

/// The comparison of the repository with its spec, which is made before all others: its differences, and how long it took.
#[derive(Debug, Default)]
pub struct Drift {
    pub found: Vec<String>,
    pub seconds: f64,
}

/// Someone who watches the run.
pub trait Watch: Sync {
    fn started(&self, check: &'static str, log: &std::path::Path);
    fn ended(&self, row: &Row);
}

impl Row {
    /// Whether the run fails because of it.
    pub fn fails(&self) -> bool {
        self.result == Verdict::Failed || self.result == Verdict::Missing && self.required
    }
}

/// The rows of a selection, each with its result where none has to be run for it.
pub fn select(selection: &Selection, survey: &Survey<'_>) -> Vec<Row> {
    let named = |names: &[String], check: &Check| names.iter().any(|name| name == check.name);
    let wanted = |check: &&Check| selection.only.is_empty() || named(&selection.only, check);
    CHECKS
        .iter()
        .filter(wanted)
        .map(|check| {
            let required = selection.require_all || named(&selection.require, check) || named(&selection.only, check);
            let row = Row::new(check, required);
            if named(&selection.skip, check) { row.settled(Verdict::Skipped, None) } else { row.look(check, survey) }
        })
        .collect()
}

impl Row {
    fn new(check: &'static Check, required: bool) -> Self {
        Self {
            name: check.name,
            proves: check.proves,
            result: Verdict::Planned,
            required,
            seconds: None,
            note: None,
            install: Vec::new(),
            output: Vec::new(),
            more: 0,
            log: None,
            check: Some(check),
            missing: Vec::new(),
        }
    }

    /// Gives the row a result without a run.
    fn settled(self, result: Verdict, note: Option<String>) -> Self {
        Self { result, note, check: None, ..self }
    }

    /// Whether the check applies, and can be run.
    fn look(self, check: &Check, survey: &Survey<'_>) -> Self {
        if !survey.has(check.reads) {
            return self.settled(Verdict::NotApplicable, Some(check.reads.absent().to_owned()));
        }
        let missing = |names: &[&str]| -> Vec<&'static Tool> {
            names.iter().filter(|name| !survey.has_tool(name)).filter_map(|name| tool(name)).collect()
        };
        let (needs, mut wants) = (missing(check.needs), missing(check.wants));
        wants.retain(|tool| tool.name != "postgresql" || !survey.has_database());
        let is_missing = !needs.is_empty() || self.required && !wants.is_empty();
        let lacking: Vec<_> = needs.into_iter().chain(wants).collect();
        let names: Vec<_> = lacking.iter().map(|tool| format!("`{}`", tool.name)).collect();
        let row = Self { install: tools::installations(&lacking, survey.machine()), missing: lacking, ..self };
        match names.is_empty() {
            true => row,
            false if is_missing => row.settled(Verdict::Missing, Some(format!("no {}", names.join(", no ")))),
            false => Self { note: Some(format!("without {}", names.join(", "))), ..row },
        }
    }

    /// Whether anything has to be run for its result.
    pub fn is_to_run(&self) -> bool {
        self.check.is_some()
    }

    /// Runs the check.
    fn run(self, site: &Site<'_>, drift: &Drift, watch: &dyn Watch) -> Self {
        let Some(check) = self.check else { return self };
        watch.started(check.name, &site.log_path(check.name));
        let start = Instant::now();
        let ran = run::run(check, site, drift);
        let seconds = if matches!(check.work, Work::Drift) { drift.seconds } else { start.elapsed().as_secs_f64() };
        let row = Self { seconds: Some((seconds * 100.0).round() / 100.0), check: None, ..self };
        let row = match ran {
            Ok(()) => Self { result: Verdict::Passed, ..row },
            Err(failure) => {
                let (output, more) = excerpt::excerpt(&failure);
                let log = Some(site.relative(&site.log_path(check.name)));
                Self { result: Verdict::Failed, output, more, log, ..row }
            }
        };
        watch.ended(&row);
        row
    }

    fn is_cargo(&self) -> bool {
        self.check.is_some_and(|check| matches!(check.work, Work::Commands(Place::Cargo, _)))
    }
}

/// Runs what is to be run. Those of cargo go one after the other, since each of them takes every core; beside them go
/// as many others as there are cores left.
pub fn run(rows: Vec<Row>, site: &Site<'_>, drift: &Drift, watch: &dyn Watch) -> Vec<Row> {
    let order: Vec<&str> = rows.iter().map(|row| row.name).collect();
    let (cargo, others): (VecDeque<Row>, VecDeque<Row>) = rows.into_iter().partition(Row::is_cargo);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (cargo, others, done) = (Mutex::new(cargo), Mutex::new(others), Mutex::new(Vec::new()));
    let work = |queue: &Mutex<VecDeque<Row>>| {
        while let Some(row) = take(queue) {
            let row = row.run(site, drift, watch);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| work(&others));
        }
        // Cargo's take the longest, so they begin; afterwards this thread helps with what is left.
        work(&cargo);
        work(&others);
    });
    site.children.end_if_interrupted();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|row| order.iter().position(|name| *name == row.name));
    done
}

fn take(queue: &Mutex<VecDeque<Row>>) -> Option<Row> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::tools::Machine;
    use super::*;

    /// The row of `test` on a machine with cargo, and with nothing else but perhaps `TEST_DATABASE_URL`.
    fn row_of_test(require_all: bool, has_test_database: bool) -> Row {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [("appgen.yaml", ""), ("Cargo.toml", ""), ("bin/cargo", "#!/bin/sh\n")] {
            fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
            fs::write(root.path().join(path), text).unwrap();
        }
        fs::set_permissions(root.path().join("bin/cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        let machine = Machine { path: vec![root.path().join("bin")], has_test_database };
        let survey = Survey::of(root.path(), &machine).unwrap();
        let selection = Selection { require_all, ..Selection::default() };
        select(&selection, &survey).into_iter().find(|row| row.name == "test").unwrap()
    }

    #[test]
    fn what_is_left_out_without_a_database_is_said_or_is_a_failure() {
        let row = row_of_test(false, false);
        assert_eq!((row.result, row.note.as_deref()), (Verdict::Planned, Some("without `postgresql`")));
        let row = row_of_test(true, false);
        assert_eq!((row.result, row.note.as_deref(), row.fails()), (Verdict::Missing, Some("no `postgresql`"), true));
        let row = row_of_test(true, true);
        assert_eq!((row.result, row.note), (Verdict::Planned, None));
    }
}
