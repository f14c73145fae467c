//! YAML with the places of its keys, values and items in the text, from granit's events.

use std::iter::Peekable;
use std::ops::Range;

use indexmap::IndexMap;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag};

use crate::merge::tree::Value;

/// A value and its place. Of a block scalar the place is its content, without the header.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Nothing is written down.
    Null,
    /// A scalar or an alias.
    Scalar,
    /// `|` or `>`.
    BlockScalar,
    Map(StructureStyle, Vec<Entry>),
    List(StructureStyle, Vec<Item>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) start: usize,
    /// Behind the colon.
    pub(super) colon: usize,
    pub(super) node: Node,
}

#[derive(Debug)]
pub(super) struct Item {
    /// The dash, or the value in flow style.
    pub(super) start: usize,
    pub(super) node: Node,
}

impl Entry {
    pub(super) fn end(&self) -> usize {
        self.node.span.end
    }
}

impl Item {
    pub(super) fn end(&self) -> usize {
        self.node.span.end
    }
}

/// Every document of a stream.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    // The iterator goes on after an error in ways we do not need.
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        match event {
            Event::Comment(..)
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            event => events.push((event, span)),
        }
    }
    let mut reader = Reader { text, events: events.into_iter().peekable() };
    let mut documents = Vec::new();
    while reader.events.peek().is_some() {
        documents.push(reader.node(0)?);
    }
    Ok(documents)
}

/// The comments, each with its `#`.
pub(in crate::merge) fn comments(text: &str) -> Vec<String> {
    let comment = |event| match event {
        Ok((Event::Comment(text, _), _)) => Some(format!("#{text}")),
        _ => None,
    };
    Parser::new_from_str(text).take_while(Result::is_ok).filter_map(comment).collect()
}

struct Reader<'text, I: Iterator<Item = (Event<'text>, Span)>> {
    text: &'text str,
    events: Peekable<I>,
}

/// Deeper documents are not edited; the parser itself allows more.
const MAX_DEPTH: usize = 100;

impl<'text, I: Iterator<Item = (Event<'text>, Span)>> Reader<'text, I> {
    fn next(&mut self) -> Result<(Event<'text>, Range<usize>), String> {
        let (event, span) = self.events.next().ok_or("the document ends early")?;
        let range = span.byte_range().filter(|range| self.text.get(range.clone()).is_some());
        Ok((event, range.ok_or("a value has no place in the text")?))
    }

    fn node(&mut self, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err("too deep".to_owned());
        }
        let (event, span) = self.next()?;
        match event {
            Event::Scalar(text, style, _, tag) => Ok(self.scalar(&text, style, tag.as_deref(), span)),
            Event::Alias(_) => {
                let value = Value::Scalar(format!("alias {}", &self.text[span.clone()]));
                Ok(Node { span, kind: Kind::Scalar, value })
            }
            Event::MappingStart(_, _, Some(_)) | Event::SequenceStart(_, _, Some(_)) => {
                Err("a collection has a tag".to_owned())
            }
            Event::MappingStart(style, ..) => self.map(style, span, depth),
            Event::SequenceStart(style, ..) => self.list(style, span, depth),
            _ => Err("an unexpected event".to_owned()),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Range<usize>) -> Node {
        let written = &self.text[span.clone()];
        let plain = style == ScalarStyle::Plain;
        let typed = if plain && !is_string(text) { "plain" } else { "string" };
        let tag = tag.map(|tag| format!("{tag:?} ")).unwrap_or_default();
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let kind = match block {
            true => Kind::BlockScalar,
            false if plain && written.is_empty() => Kind::Null,
            false => Kind::Scalar,
        };
        let end = span.start + written.trim_end().len();
        let span = if block { span.start..end } else { span };
        Node { span, kind, value: Value::Scalar(format!("{tag}{typed} {text}")) }
    }

    fn map(&mut self, style: StructureStyle, start: Range<usize>, depth: usize) -> Result<Node, String> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut map = IndexMap::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => {
                    let flow = style == StructureStyle::Flow;
                    let first = entries.first().map_or(start.start, |entry| entry.start);
                    let last = entries.last().map_or(start.end, Entry::end);
                    let span = if flow { start.start..span.end } else { first..last };
                    return Ok(Node { span, kind: Kind::Map(style, entries), value: Value::Map(map) });
                }
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err("a key is an alias or a collection".to_owned()),
            };
            let after = self.text[span.end..].trim_start_matches([' ', '\t']);
            let colon = after.starts_with(':').then(|| self.text.len() - after.len() + 1);
            let colon = colon.ok_or("a key without its colon")?;
            let mut node = self.node(depth + 1)?;
            if matches!(node.kind, Kind::Null) {
                // The parser's place is before the colon, or behind an anchor.
                let behind = node.span.end.max(colon);
                node.span = behind..behind;
            }
            if map.insert(key.clone(), node.value.clone()).is_some() {
                return Err(format!("the key `{key}` occurs twice"));
            }
            entries.push(Entry { key, start: span.start, colon, node });
        }
    }

    fn list(&mut self, style: StructureStyle, start: Range<usize>, depth: usize) -> Result<Node, String> {
        let flow = style == StructureStyle::Flow;
        let mut items: Vec<Item> = Vec::new();
        loop {
            if matches!(self.events.peek(), Some((Event::SequenceEnd, _))) {
                let (_, span) = self.next()?;
                let first = items.first().map_or(start.start, |item| item.start);
                let last = items.last().map_or(start.end, Item::end);
                let span = if flow { start.start..span.end } else { first..last };
                let value = Value::List(items.iter().map(|item| item.node.value.clone()).collect());
                return Ok(Node { span, kind: Kind::List(style, items), value });
            }
            let mut node = self.node(depth + 1)?;
            let start = if flow { node.span.start } else { self.dash(node.span.start)? };
            if matches!(node.kind, Kind::Null) {
                let behind = start + 1;
                node.span = behind..behind;
            }
            items.push(Item { start, node });
        }
    }

    /// The dash that begins the item whose value begins at `value`.
    fn dash(&self, value: usize) -> Result<usize, String> {
        let own = line_start(self.text, value);
        let before = &self.text[own..value];
        let here = before.rmatch_indices('-').map(|(at, _)| at).find(|at| {
            let rest = &before[at + 1..];
            let free = before[..*at].chars().next_back().is_none_or(|c| c == ' ');
            free && (rest.is_empty() || rest.starts_with(' '))
        });
        if let Some(at) = here {
            return Ok(own + at);
        }
        // The value stands below its dash: the last of those that begin the line above.
        let mut start = own;
        let above = self.text[..own].split_inclusive('\n').rev().find(|line| {
            start -= line.len();
            !line.trim_start().is_empty() && !line.trim_start().starts_with('#')
        });
        let dashes = above.unwrap_or_default().split(|c| c != '-' && c != ' ').next().unwrap_or_default();
        dashes.rfind('-').map(|at| start + at).ok_or_else(|| "an item without its dash".to_owned())
    }
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The newline at or behind `at`, or the end of the text.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// Whether a plain scalar is surely text, so that it equals the same text in quotes.
fn is_string(text: &str) -> bool {
    const WORDS: [&str; 11] = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let typed = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    !text.starts_with(typed) && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}
