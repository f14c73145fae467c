//! What `appgen verify` found: a table, then what the tools that failed said, then what to do.

use std::io::{self, Write};
use std::iter;

use anstyle::Style;
use dialoguer::console::truncate_str;
use schemars::JsonSchema;
use serde::Serialize;

use super::markdown::{cell, code, fence, install};
use super::{BAD, DIM, FORMAT, GONE, GOOD, Print, github, print_commands};
use crate::verify::{Row, Verdict};

/// The outcome of `appgen verify`. In JSON it is the whole of standard output.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Verified {
    /// The format of this report: 1.
    pub version: u32,
    pub command: &'static str,
    /// The exit code: 0 done, 3 a check failed, or a tool that is required is missing.
    pub exit: u8,
    pub dry_run: bool,
    /// The repository that the paths are relative to.
    pub root: String,
    pub seconds: f64,
    pub checks: Vec<Row>,
    /// Commands that install every tool that is missing.
    pub install: Vec<String>,
    /// Commands to run next.
    pub next: Vec<String>,
}

/// The width that a terminal is taken to have at least.
const WIDTH: usize = 100;
/// What of it is left beside name, result and time.
const REMARK: usize = 49;

/// In the order in which they are counted.
const VERDICTS: &[Verdict] =
    &[Verdict::Failed, Verdict::Passed, Verdict::Planned, Verdict::Missing, Verdict::Skipped, Verdict::NotApplicable];

impl Verified {
    pub fn new(root: String, dry_run: bool, seconds: f64, checks: Vec<Row>, install: Vec<String>) -> Self {
        let failed: Vec<_> = checks.iter().filter(|row| row.result == Verdict::Failed).map(|row| row.name).collect();
        let next =
            if failed.is_empty() { Vec::new() } else { vec![format!("appgen verify --only {}", failed.join(","))] };
        let seconds = (seconds * 100.0).round() / 100.0;
        Self { version: FORMAT, command: "verify", exit: 0, dry_run, root, seconds, checks, install, next }
    }

    /// Whether the run fails because of a check.
    pub fn fails(&self) -> bool {
        self.checks.iter().any(Row::fails)
    }

    /// What the checks come to, in one line.
    fn headline(&self) -> String {
        let count = |result| self.checks.iter().filter(|row| row.result == result).count();
        let counts =
            VERDICTS.iter().copied().map(|verdict| (count(verdict), word(verdict))).filter(|(count, _)| *count > 0);
        let parts: Vec<_> = counts.map(|(count, word)| format!("{count} {word}")).collect();
        let parts = if parts.is_empty() { "nothing to check".to_owned() } else { parts.join(", ") };
        let not_run = if self.dry_run { "not run: " } else { "" };
        format!("{not_run}{parts} in {}", duration(self.seconds))
    }
}

impl Print for Verified {
    fn print_text(&self, out: &mut impl Write) -> io::Result<()> {
        let width = self.checks.iter().map(|row| row.name.len()).max().unwrap_or_default();
        for row in &self.checks {
            let (style, sign) = sign(row);
            let time = row.seconds.map(duration).unwrap_or_default();
            let (name, word) = (row.name, word(row.result));
            let remark = truncate_str(remark(row), REMARK, "…");
            writeln!(
                out,
                "{style}{sign}{style:#} {name:<width$}  {style}{word:<14}{style:#} {time:>11}  {DIM}{remark}{DIM:#}"
            )?;
        }
        for row in self.checks.iter().filter(|row| row.result == Verdict::Failed) {
            print_failure(row, out)?;
        }
        print_commands("to install what is missing", &self.install, out)?;
        let style = if self.exit == 0 { GOOD } else { BAD };
        writeln!(out, "\n{style}{}{style:#}", self.headline())?;
        print_commands("next", &self.next, out)
    }

    fn print_markdown(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "### appgen verify: {}\n", self.headline())?;
        writeln!(out, "| check | result | time | |\n|---|---|--:|---|")?;
        for row in &self.checks {
            let result = if row.fails() { format!("**{}**", word(row.result)) } else { word(row.result).to_owned() };
            let time = row.seconds.map(duration).unwrap_or_default();
            let remark = cell(remark(row));
            writeln!(out, "| {} | {result} | {time} | {remark} |", code(row.name))?;
        }
        for row in self.checks.iter().filter(|row| row.result == Verdict::Failed) {
            writeln!(out, "\n#### {}\n", row.name)?;
            let rest = (row.more > 0).then(|| format!("… {} more lines", row.more));
            let lines: Vec<_> = row.output.iter().map(String::as_str).chain(rest.as_deref()).collect();
            fence(&lines, out)?;
        }
        install(&self.install, out)
    }

    fn print_annotations(&self, out: &mut impl Write) -> io::Result<()> {
        for row in &self.checks {
            let (name, said) = (row.name, row.output.join("\n"));
            match row.result {
                Verdict::Failed => github::annotate(out, "error", &[], &format!("{name} failed:\n{said}"))?,
                Verdict::Missing => {
                    let level = if row.required { "error" } else { "warning" };
                    let (note, install) = (row.note.as_deref().unwrap_or_default(), row.install.join(" && "));
                    github::annotate(out, level, &[], &format!("{name} was not run: {note}; run: {install}"))?;
                }
                _ => {}
            }
        }
        writeln!(out, "{}", self.headline())
    }
}

fn print_failure(row: &Row, out: &mut impl Write) -> io::Result<()> {
    let title = format!("── {} failed ", row.name);
    let rule: String = iter::repeat_n('─', WIDTH.saturating_sub(title.chars().count())).collect();
    writeln!(out, "\n{BAD}{title}{rule}{BAD:#}")?;
    row.output.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    match (&row.log, row.more) {
        (Some(log), 0) => writeln!(out, "{DIM}log: {log}{DIM:#}"),
        (Some(log), more) => writeln!(out, "{DIM}… {more} more lines: {log}{DIM:#}"),
        (None, _) => Ok(()),
    }
}

/// What there is to say about a row: what is wrong, why it was not run, or what holds.
fn remark(row: &Row) -> &str {
    let said = row.output.iter().map(|line| line.trim()).find(|line| !line.is_empty());
    said.or(row.note.as_deref()).unwrap_or(row.proves)
}

/// The mark of a row, which says without colours too what matters.
pub(super) fn sign(row: &Row) -> (Style, char) {
    match row.result {
        Verdict::Passed => (GOOD, '✔'),
        Verdict::Failed => (BAD, '✘'),
        Verdict::Missing if row.required => (BAD, '✘'),
        Verdict::Missing => (GONE, '?'),
        Verdict::NotApplicable | Verdict::Skipped | Verdict::Planned => (DIM, '·'),
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Missing => "missing",
        Verdict::NotApplicable => "not applicable",
        Verdict::Skipped => "skipped",
        Verdict::Planned => "planned",
    }
}

/// Seconds as a person says them.
fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    format!("{} min {:02} s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_never_has_sixty_seconds() {
        for (seconds, text) in [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 00 s"), (134.4, "2 min 14 s")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
