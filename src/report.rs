//! Says what was done or would be done: to a person as text, to a program as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::cli::Format;
use crate::plan::Change;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The outcome of a command. In JSON it is the whole of standard output.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// The format of this report.
    pub version: u32,
    pub command: &'static str,
    pub exit: u8,
    pub dry_run: bool,
    /// The repository that the paths are relative to.
    pub root: String,
    pub changes: &'a [Change],
    pub warnings: Vec<String>,
    /// Commands to run next.
    pub next: Vec<String>,
    #[serde(skip)]
    pub headline: String,
    /// Whether the text of every change is shown.
    #[serde(skip)]
    pub diff: bool,
}

pub const FORMAT: u32 = 1;

impl Report<'_> {
    /// # Errors
    /// The output cannot be written.
    pub fn print(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Json => print_json(self, out),
            Format::Text => self.print_text(out),
        }
    }

    fn print_text(&self, out: &mut impl Write) -> io::Result<()> {
        if self.diff {
            for change in self.changes {
                print_creation(change, out)?;
            }
        } else if self.dry_run {
            for change in self.changes {
                writeln!(out, "{GOOD}create{GOOD:#} {}", change.path)?;
            }
        }
        writeln!(out, "{GOOD}{}{GOOD:#}", self.headline)?;
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        if !self.next.is_empty() {
            writeln!(out, "\nnext:")?;
        }
        for command in &self.next {
            writeln!(out, "  {command}")?;
        }
        Ok(())
    }
}

/// A new file in the form that `git apply` reads.
fn print_creation(change: &Change, out: &mut impl Write) -> io::Result<()> {
    let mode = if change.executable { "100755" } else { "100644" };
    writeln!(out, "diff --git a/{0} b/{0}\nnew file mode {mode}\n--- /dev/null\n+++ b/{0}", change.path)?;
    let lines = change.text.lines().count();
    writeln!(out, "{DIM}@@ -0,0 +1,{lines} @@{DIM:#}")?;
    for line in change.text.lines() {
        writeln!(out, "+{line}")?;
    }
    Ok(())
}

/// Prints one JSON document.
///
/// # Errors
/// The output cannot be written.
pub fn print_json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Prints an error once: as text on `err`, or as JSON on `out`.
///
/// # Errors
/// The output cannot be written.
pub fn print_error(
    message: &str,
    exit: u8,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Text => writeln!(err, "{BAD}error{BAD:#}: {message}"),
        Format::Json => print_json(&serde_json::json!({ "version": FORMAT, "exit": exit, "error": message }), out),
    }
}

/// How many files each top-level directory gets: the preview of a new repository.
pub fn tree(changes: &[Change]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    for change in changes {
        let top = change.path.as_str().split_once('/').map_or(".", |(top, _)| top);
        *counts.entry(top.to_owned()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
