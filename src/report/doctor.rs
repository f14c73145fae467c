//! What `appgen doctor` found of each tool.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::markdown::{cell, code, install};
use super::{BAD, DIM, FORMAT, GONE, GOOD, Print, github, print_commands};
use crate::verify::doctor::{Examined, State};

/// The outcome of `appgen doctor`. In JSON it is the whole of standard output.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// The format of this report: 1.
    pub version: u32,
    pub command: &'static str,
    /// The exit code: 0.
    pub exit: u8,
    pub tools: Vec<Examined>,
    /// Commands that install every tool that is missing.
    pub install: Vec<String>,
}

impl Diagnosis {
    pub fn new(tools: Vec<Examined>, install: Vec<String>) -> Self {
        Self { version: FORMAT, command: "doctor", exit: 0, tools, install }
    }

    fn headline(&self) -> String {
        let count = |state| self.tools.iter().filter(|tool| tool.state == state).count();
        let counts = [(State::Found, "found"), (State::Broken, "broken"), (State::Missing, "missing")];
        let parts = counts.map(|(state, word)| (count(state), word)).into_iter().filter(|(count, _)| *count > 0);
        parts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }
}

impl Print for Diagnosis {
    fn print_text(&self, out: &mut impl Write) -> io::Result<()> {
        let name_width = self.tools.iter().map(|tool| tool.name.len()).max().unwrap_or_default();
        let version_width = self.tools.iter().map(|tool| version(tool).len()).max().unwrap_or_default();
        for tool in &self.tools {
            let (style, sign) = match tool.state {
                State::Found => (GOOD, '✔'),
                State::Broken => (BAD, '✘'),
                State::Missing => (GONE, '?'),
            };
            let (name, version) = (tool.name, version(tool));
            writeln!(
                out,
                "{style}{sign}{style:#} {name:<name_width$}  {style}{version:<version_width$}{style:#}  {}",
                tool.purpose
            )?;
            let place = [tool.path.as_ref().map(|path| path.display().to_string()), tool.problem.clone()];
            for line in place.into_iter().flatten() {
                writeln!(out, "{DIM}{:indent$}{line}{DIM:#}", "", indent = name_width + version_width + 6)?;
            }
        }
        print_commands("to install what is missing", &self.install, out)?;
        writeln!(out, "\n{GOOD}{}{GOOD:#}", self.headline())
    }

    fn print_markdown(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "### appgen doctor: {}\n", self.headline())?;
        writeln!(out, "| tool | version | where | what for | checks |\n|---|---|---|---|---|")?;
        for tool in &self.tools {
            let path = tool.path.as_ref().map(|path| code(&path.display().to_string())).unwrap_or_default();
            let (name, version, purpose) = (code(tool.name), cell(version(tool)), cell(tool.purpose));
            writeln!(out, "| {name} | {version} | {path} | {purpose} | {} |", tool.checks.join(", "))?;
        }
        install(&self.install, out)
    }

    fn print_annotations(&self, out: &mut impl Write) -> io::Result<()> {
        for tool in &self.tools {
            let (name, purpose) = (tool.name, tool.purpose);
            match (tool.state, &tool.problem, &tool.install) {
                (State::Missing, _, Some(install)) => {
                    let text = format!("`{name}` is missing ({purpose}); run: {install}");
                    github::annotate(out, "warning", &[], &text)?;
                }
                (State::Broken, Some(problem), _) => {
                    github::annotate(out, "warning", &[], &format!("`{name}` does not run: {problem}"))?;
                }
                _ => {}
            }
        }
        writeln!(out, "{}", self.headline())
    }
}

/// What stands in the place of a version where there is none.
fn version(tool: &Examined) -> &str {
    match tool.state {
        State::Found => tool.version.as_deref().unwrap_or_default(),
        State::Broken => "broken",
        State::Missing => "missing",
    }
}
