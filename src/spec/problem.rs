//! What is wrong in a spec, and where. A [`Problem`] names a key by its path from the root of the document;
//! [`SpecError`] finds the place in the text and shows the line.

use std::fmt;

use serde_saphyr::granit_parser::{Event, Parser, Span};

/// One thing that is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The keys that lead to the value; empty where only the place is known.
    pub path: Vec<String>,
    /// 1-based line and column, where the parser already told them.
    pub place: Option<(usize, usize)>,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn at(path: impl IntoIterator<Item = impl Into<String>>, message: impl Into<String>) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), place: None, message: message.into(), help: None }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A spec that is refused: every problem with its place and its line, ready to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// What the user calls the document: a file name, `<stdin>`, or nothing when flags alone made the spec.
    origin: Option<String>,
    text: String,
    pub problems: Vec<Problem>,
}

impl SpecError {
    pub fn new(origin: Option<&str>, text: &str, problems: Vec<Problem>) -> Self {
        Self { origin: origin.map(str::to_owned), text: text.to_owned(), problems }
    }
}

impl std::error::Error for SpecError {}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(&problem.message)?;
            match &self.origin {
                Some(origin) => write_place(f, origin, &self.text, problem)?,
                None if !problem.path.is_empty() => write!(f, "\n  --> {}", problem.path.join("."))?,
                None => {}
            }
            if let Some(help) = &problem.help {
                write!(f, "\n  = help: {help}")?;
            }
        }
        Ok(())
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, origin: &str, text: &str, problem: &Problem) -> fmt::Result {
    let Some((line, column)) = problem.place.or_else(|| locate(text, &problem.path)) else {
        return write!(f, "\n  --> {origin}");
    };
    write!(f, "\n  --> {origin}:{line}:{column}")?;
    let Some(source) = text.lines().nth(line - 1) else { return Ok(()) };
    // Control characters would act on the terminal and a tab would shift the caret.
    let source: String = source.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let margin = " ".repeat(line.to_string().len());
    let indent = " ".repeat(column.saturating_sub(1).min(160));
    write!(f, "\n {margin} |\n {line} | {source}\n {margin} | {indent}^")
}

/// The 1-based line and column of the key at `path`, or of its nearest ancestor that is written down.
fn locate(text: &str, path: &[String]) -> Option<(usize, usize)> {
    let mut events = Parser::new_from_str(text)
        .map_while(Result::ok)
        .filter(|(event, _)| !matches!(event, Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..)));
    let (root, _) = events.next()?;
    let mut found = None;
    if matches!(root, Event::MappingStart(..)) {
        descend(&mut events, path, &mut found);
    }
    found
}

/// Walks one mapping whose start was read. Returns once the path's first key was followed to its end.
fn descend<'a>(
    events: &mut impl Iterator<Item = (Event<'a>, Span)>,
    path: &[String],
    found: &mut Option<(usize, usize)>,
) {
    let Some((wanted, rest)) = path.split_first() else { return };
    while let Some((key, span)) = events.next() {
        let Event::Scalar(name, ..) = key else { return };
        let Some((value, _)) = events.next() else { return };
        if name == *wanted {
            *found = Some((span.start.line(), span.start.col() + 1));
            if matches!(value, Event::MappingStart(..)) {
                descend(events, rest, found);
            }
            return;
        }
        if matches!(value, Event::MappingStart(..) | Event::SequenceStart(..)) {
            skip(events);
        }
    }
}

/// Reads up to the end of a collection whose start was read.
fn skip<'a>(events: &mut impl Iterator<Item = (Event<'a>, Span)>) {
    let mut depth = 1_usize;
    for (event, _) in events {
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_behind_other_collections() {
        let text = "a:\n  - {x: [1, 2]}\nb: {c: 1, d: {e: 2}}\n";
        let path = ["b", "d", "e"].map(str::to_owned);
        assert_eq!(locate(text, &path), Some((3, 15)));
    }

    #[test]
    fn the_nearest_ancestor_stands_in_for_an_absent_key() {
        let path = ["service", "owner"].map(str::to_owned);
        assert_eq!(locate("version: 1\nservice:\n  name: a\n", &path), Some((2, 1)));
    }
}
