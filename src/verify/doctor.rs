//! Looks at every tool: where it is, and whether it runs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use schemars::JsonSchema;
use serde::Serialize;

use super::catalog::CHECKS;
use super::tools::{Machine, TOOLS, Tool};

/// What was found of a tool.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Examined {
    pub name: &'static str,
    pub purpose: &'static str,
    /// The checks of `appgen verify` that need it, or can do more with it.
    pub checks: Vec<&'static str>,
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The command that installs it, where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    #[serde(skip)]
    pub tool: Option<&'static Tool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Found,
    /// There, but it does not say its version.
    Broken,
    Missing,
}

/// Every tool, in the order of the list.
pub fn examine(machine: &Machine) -> Vec<Examined> {
    let next = AtomicUsize::new(0);
    // Liquibase takes seconds to say its version, so the others are asked meanwhile.
    let ask = || {
        let mut answers = Vec::new();
        while let Some(tool) = TOOLS.get(next.fetch_add(1, Ordering::Relaxed)) {
            answers.push(examine_one(tool, machine));
        }
        answers
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut answers: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = (0..workers).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    answers.sort_by_key(|answer| TOOLS.iter().position(|tool| tool.name == answer.name));
    answers
}

fn examine_one(tool: &'static Tool, machine: &Machine) -> Examined {
    let uses = CHECKS.iter().filter(|check| check.needs.contains(&tool.name) || check.wants.contains(&tool.name));
    let examined = Examined {
        name: tool.name,
        purpose: tool.purpose,
        checks: uses.map(|check| check.name).collect(),
        state: State::Missing,
        path: None,
        version: None,
        problem: None,
        install: None,
        tool: Some(tool),
    };
    let Some(found) = tool.find(machine) else {
        return Examined { install: Some(tool.installation(machine)), ..examined };
    };
    let path = Some(found.path.clone());
    match found.version() {
        Ok(version) => Examined { state: State::Found, path, version: Some(version), ..examined },
        Err(problem) => Examined { state: State::Broken, path, problem: Some(problem), ..examined },
    }
}
