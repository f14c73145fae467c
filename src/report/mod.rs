//! Says what was done or would be done: to a person as text, to a program as JSON, to a pull request as Markdown or as
//! annotations.

mod doctor;
mod github;
mod markdown;
mod progress;
mod verify;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;
use similar::ChangeTag;

pub use doctor::Diagnosis;
pub use progress::Progress;
pub use verify::Verified;

use crate::cli::{Format, Global};
use crate::drift::Drift;
use crate::plan::{Action, Change, Plan, SIDECAR};
use crate::render::RelPath;
use crate::templates::Class;
use crate::worktree::Worktree;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const CHANGED: Style = AnsiColor::Cyan.on_default().bold();
const GONE: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The outcome of a command. In JSON it is the whole of standard output.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The format of this report: 1.
    pub version: u32,
    pub command: &'static str,
    /// The exit code: 0 done, 3 drift, 4 conflicts.
    pub exit: u8,
    pub dry_run: bool,
    /// The repository that the paths are relative to.
    pub root: String,
    pub changes: Vec<Change>,
    /// Lines of the user's own files that name what was removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// `check` and `status`: what is not as the spec says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// `status` and `diff`: files with edits of the user's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<RelPath>,
    /// `status`: files that the user deleted and may do without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<RelPath>,
    pub warnings: Vec<String>,
    /// Commands to run next.
    pub next: Vec<String>,
    #[serde(skip)]
    pub headline: String,
    /// Whether the text of every change is shown.
    #[serde(skip)]
    pub diff: bool,
    /// Whether the changes need not be listed any more.
    #[serde(skip)]
    pub shown: bool,
}

/// The outcome of a command that did not do its work. In JSON it is the whole of standard output.
#[derive(Debug, Serialize, JsonSchema)]
struct FailureReport {
    /// The format of this report: 1.
    version: u32,
    /// The exit code: 1 failed, 2 usage, 5 refused for safety.
    exit: u8,
    error: String,
    /// What had been noticed before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// What `--format json` prints.
#[derive(JsonSchema)]
#[schemars(title = "appgen report", untagged)]
#[expect(dead_code, reason = "it is there for its schema")]
enum Document {
    Done(Box<Report>),
    Verified(Verified),
    Diagnosis(Diagnosis),
    Failed(FailureReport),
}

/// A line of a file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Mention {
    pub path: RelPath,
    /// 1-based.
    pub line: usize,
    pub text: String,
}

pub const FORMAT: u32 = 1;

/// The outcome of a command, which can be said in every format.
pub trait Print: Serialize {
    /// # Errors
    /// The output cannot be written; so for the others.
    fn print_text(&self, out: &mut impl Write) -> io::Result<()>;
    fn print_markdown(&self, out: &mut impl Write) -> io::Result<()>;
    fn print_annotations(&self, out: &mut impl Write) -> io::Result<()>;

    /// # Errors
    /// The output cannot be written.
    fn print(&self, format: Format, out: &mut impl Write) -> io::Result<()>
    where
        Self: Sized,
    {
        unless_closed(match format {
            Format::Json => print_json(self, out),
            Format::Text => self.print_text(out),
            Format::Markdown => self.print_markdown(out),
            Format::Github => self.print_annotations(out),
        })
    }
}

/// Whoever reads our output may stop (`appgen check | head -1`). What the command did is done, and its exit code with it.
///
/// # Errors
/// Any other.
pub fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

impl Report {
    /// The report of a plan.
    pub fn of(command: &'static str, global: &Global, tree: &Worktree, plan: Plan, warnings: Vec<String>) -> Self {
        Self {
            version: FORMAT,
            command,
            exit: 0,
            dry_run: global.dry_run,
            root: tree.root().display().to_string(),
            headline: headline(&plan, global.dry_run),
            changes: plan.changes,
            mentions: Vec::new(),
            drift: Vec::new(),
            edited: Vec::new(),
            deleted: Vec::new(),
            warnings,
            next: Vec::new(),
            diff: global.diff,
            shown: false,
        }
    }
}

impl Print for Report {
    fn print_text(&self, out: &mut impl Write) -> io::Result<()> {
        if self.diff {
            for change in &self.changes {
                print_diff(change, out)?;
            }
        } else if !self.shown {
            print_changes(&self.changes, out)?;
        }
        if self.diff || !self.shown {
            print_mentions(&self.mentions, out)?;
        }
        self.print_state(out)?;
        let style = if self.exit == 0 { GOOD } else { BAD };
        writeln!(out, "{style}{}{style:#}", self.headline)?;
        for warning in &self.warnings {
            writeln!(out, "{GONE}warning{GONE:#}: {warning}")?;
        }
        print_commands("next", &self.next, out)
    }

    fn print_markdown(&self, out: &mut impl Write) -> io::Result<()> {
        markdown::print(self, out)
    }

    fn print_annotations(&self, out: &mut impl Write) -> io::Result<()> {
        github::print(self, out)
    }
}

/// Commands under a heading; nothing without any.
fn print_commands(heading: &str, commands: &[String], out: &mut impl Write) -> io::Result<()> {
    if !commands.is_empty() {
        writeln!(out, "\n{BOLD}{heading}:{BOLD:#}")?;
    }
    commands.iter().try_for_each(|command| writeln!(out, "  {command}"))
}

/// What a plan will do, as text with colours.
///
/// # Errors
/// None: nothing is written but memory.
pub fn preview(plan: &Plan, mentions: &[Mention]) -> io::Result<String> {
    let mut text = Vec::new();
    writeln!(text)?;
    print_changes(&plan.changes, &mut text)?;
    print_mentions(mentions, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl Report {
    /// How the repository stands: `status` has a line for each file, `check` only what it fails on.
    fn print_state(&self, out: &mut impl Write) -> io::Result<()> {
        for (word, paths) in [("edited", &self.edited), ("deleted", &self.deleted)] {
            paths.iter().try_for_each(|path| writeln!(out, "{DIM}{word:<8}{DIM:#} {path}"))?;
        }
        for Drift { path, problem, fix } in &self.drift {
            let (word, indent) = if self.command == "status" { ("drift    ", "           ") } else { ("", "  ") };
            writeln!(out, "{BAD}{word}{BAD:#}{BOLD}{path}{BOLD:#} {problem}\n{indent}{fix}")?;
        }
        Ok(())
    }
}

fn print_changes(changes: &[Change], out: &mut impl Write) -> io::Result<()> {
    changes.iter().try_for_each(|change| print_change(change, out))
}

fn print_mentions(mentions: &[Mention], out: &mut impl Write) -> io::Result<()> {
    if !mentions.is_empty() {
        writeln!(out, "still named in files of yours:")?;
    }
    mentions.iter().try_for_each(|Mention { path, line, text }| writeln!(out, "  {path}:{line}: {text}"))
}

fn print_change(change: &Change, out: &mut impl Write) -> io::Result<()> {
    let (style, word, remark) = word(change.action);
    let gap = if remark.is_empty() { "" } else { "  " };
    writeln!(out, "{style}{word:<8}{style:#} {}{DIM}{gap}{remark}{DIM:#}", change.path)
}

/// What an action is called, and what there is to say about it.
fn word(action: Action) -> (Style, &'static str, &'static str) {
    match action {
        Action::Create => (GOOD, "create", ""),
        Action::Update => (CHANGED, "update", ""),
        Action::Delete => (GONE, "delete", ""),
        Action::Conflict => (BAD, "conflict", ""),
        Action::Sidecar => (BAD, "conflict", "new text beside a file that appgen did not write"),
        Action::Adopt => (DIM, "adopt", "there already, and yours"),
        Action::Keep => (DIM, "keep", "nothing uses it any more, and it has edits of yours"),
        Action::Missing => (BAD, "missing", "`appgen restore` puts it back"),
    }
}

/// A change in the form that `git apply` reads.
fn print_diff(change: &Change, out: &mut impl Write) -> io::Result<()> {
    if !change.action.is_written() {
        return print_change(change, out);
    }
    let mode = if change.executable { "100755" } else { "100644" };
    let path = &change.path;
    let before = change.ours.as_deref().map(String::from_utf8_lossy);
    writeln!(out, "diff --git a/{path} b/{path}")?;
    match (&before, &change.text) {
        (None, _) => writeln!(out, "new file mode {mode}\n--- /dev/null\n+++ b/{path}")?,
        (Some(_), None) => writeln!(out, "deleted file mode {mode}\n--- a/{path}\n+++ /dev/null")?,
        (Some(_), Some(_)) => writeln!(out, "--- a/{path}\n+++ b/{path}")?,
    }
    print_hunks(before.as_deref().unwrap_or_default(), change.text.as_deref().unwrap_or_default(), out)
}

/// The hunks of a unified diff.
///
/// # Errors
/// The output cannot be written.
pub fn print_hunks(before: &str, after: &str, out: &mut impl Write) -> io::Result<()> {
    let diff = similar::TextDiff::from_lines(before, after);
    for hunk in diff.unified_diff().iter_hunks() {
        writeln!(out, "{DIM}{}{DIM:#}", hunk.header())?;
        for line in hunk.iter_changes() {
            let end = if line.missing_newline() { "\n\\ No newline at end of file\n" } else { "" };
            let style = match line.tag() {
                ChangeTag::Equal => Style::new(),
                ChangeTag::Insert => AnsiColor::Green.on_default(),
                ChangeTag::Delete => AnsiColor::Red.on_default(),
            };
            let text = line.value().strip_suffix('\n').unwrap_or(line.value());
            let newline = &line.value()[text.len()..];
            write!(out, "{style}{}{text}{style:#}{newline}{end}", line.tag())?;
        }
    }
    Ok(())
}

/// More files than this are not named one by one.
const MOST_NAMED: usize = 5;

/// What to do next: conflicts come before anything else.
pub fn next_steps(plan: &Plan, sidecars: Vec<RelPath>, mut next: Vec<String>) -> Vec<String> {
    let conflicts: Vec<_> = plan.conflicts().cloned().chain(sidecars).collect();
    if conflicts.is_empty() {
        if plan.written().any(|change| change.class == Some(Class::CargoLock) && change.edited) {
            next.insert(0, "cargo update --workspace".to_owned());
        }
        return next;
    }
    settling(&conflicts)
}

/// The commands that settle conflicts.
pub fn settling(conflicts: &[RelPath]) -> Vec<String> {
    let mut next: Vec<_> = match conflicts.len() {
        ..=MOST_NAMED => conflicts.iter().map(|path| settle(path.as_str())).collect(),
        _ => vec!["git diff".to_owned(), format!("find . -name '*{SIDECAR}'")],
    };
    next.push("appgen resolve".to_owned());
    next
}

/// How a user settles one conflict.
fn settle(path: &str) -> String {
    match path.strip_suffix(SIDECAR) {
        Some(theirs) => format!("$EDITOR {theirs} {path} && rm {path}"),
        None => format!("$EDITOR {path}"),
    }
}

/// The JSON Schema of a report (draft 2020-12).
pub fn json_schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Document>().to_value()
}

/// What a change of a repository comes to, in one line.
pub fn headline(plan: &Plan, dry_run: bool) -> String {
    if plan.is_empty() {
        return "nothing to do".to_owned();
    }
    let count = |actions: &[Action]| plan.changes.iter().filter(|change| actions.contains(&change.action)).count();
    let conflicts = count(&[Action::Conflict, Action::Sidecar]);
    let parts: Vec<_> = [
        ("created", count(&[Action::Create])),
        ("updated", count(&[Action::Update])),
        ("deleted", count(&[Action::Delete])),
        (if conflicts == 1 { "conflict" } else { "conflicts" }, conflicts),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(word, count)| format!("{count} {word}"))
    .collect();
    format!("{}{}", if dry_run { "not written: " } else { "" }, parts.join(", "))
}

/// Prints one JSON document.
///
/// # Errors
/// The output cannot be written.
pub fn print_json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Prints an error once, after the warnings that led to it: as text on `err`, or as a document on `out`.
///
/// # Errors
/// The output cannot be written.
pub fn print_error(
    message: &str,
    warnings: &[String],
    exit: u8,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    if format == Format::Json {
        let (error, warnings) = (message.to_owned(), warnings.to_owned());
        return print_json(&FailureReport { version: FORMAT, exit, error, warnings }, out);
    }
    warnings.iter().try_for_each(|warning| writeln!(err, "warning: {warning}"))?;
    match format {
        Format::Markdown => markdown::print_error(message, out),
        Format::Github => github::print_error(message, out),
        _ => writeln!(err, "{BAD}error{BAD:#}: {message}"),
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
