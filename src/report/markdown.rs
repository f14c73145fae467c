//! A report as Markdown: for the summary of a CI job or a comment on a pull request.

use std::io::{self, Write};

use super::{Report, word};
use crate::drift::Drift;

pub(super) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### appgen {}: {}", report.command, report.headline)?;
    if !report.drift.is_empty() {
        writeln!(out, "\n| file | what is wrong | what mends it |\n|---|---|---|")?;
    }
    for Drift { path, problem, fix } in &report.drift {
        writeln!(out, "| {} | {} | {} |", code(path), cell(problem), code(fix))?;
    }
    if !report.drift.is_empty() {
        writeln!(out, "\nRun what mends it, look at `git diff`, and commit.")?;
    }
    if !report.changes.is_empty() {
        writeln!(out, "\n| change | file |\n|---|---|")?;
    }
    for change in &report.changes {
        writeln!(out, "| {} | {} |", word(change.action).1, code(change.path.as_str()))?;
    }
    for (title, paths) in [("Edited", &report.edited), ("Deleted", &report.deleted)] {
        if !paths.is_empty() {
            let paths: Vec<_> = paths.iter().map(|path| code(path.as_str())).collect();
            writeln!(out, "\n{title}: {}", paths.join(", "))?;
        }
    }
    if !report.mentions.is_empty() {
        writeln!(out, "\n| still named in | line |\n|---|---|")?;
    }
    for mention in &report.mentions {
        writeln!(out, "| {} | {} |", code(&format!("{}:{}", mention.path, mention.line)), code(&mention.text))?;
    }
    for warning in &report.warnings {
        writeln!(out, "\n> warning: {}", warning.replace('\n', "\n> "))?;
    }
    Ok(())
}

pub(super) fn print_error(message: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### appgen failed\n")?;
    message.lines().try_for_each(|line| writeln!(out, "    {line}"))
}

/// Lines as they are: a fence longer than any run of backticks in them (CommonMark, "Fenced code blocks").
pub(super) fn fence(lines: &[impl AsRef<str>], out: &mut impl Write) -> io::Result<()> {
    let longest = lines.iter().map(|line| backticks(line.as_ref())).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    writeln!(out, "{fence}text")?;
    lines.iter().try_for_each(|line| writeln!(out, "{}", line.as_ref()))?;
    writeln!(out, "{fence}")
}

/// The commands that install what is missing; nothing without any.
pub(super) fn install(commands: &[String], out: &mut impl Write) -> io::Result<()> {
    if commands.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTo install what is missing:\n")?;
    fence(commands, out)
}

/// The longest run of backticks in a text.
fn backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Text in a cell of a table, where a bar would end it.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Text as it is, in a cell of a table: a fence longer than any run of backticks in it (CommonMark, "Code spans").
pub(super) fn code(text: &str) -> String {
    let longest = backticks(text);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    cell(&format!("{fence}{space}{text}{space}{fence}"))
}
