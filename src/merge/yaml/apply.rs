//! A [`Change`] becomes replacements in the text. Everything outside of them stays byte for byte.

use std::ops::Range;

use serde_saphyr::granit_parser::StructureStyle;

use super::parse::{Entry, Item, Kind, Node, line_end, line_start};
use crate::merge::tree::{Change, Slot, Value};

/// A change that has no place in the text as it is written.
#[derive(Debug)]
pub(super) struct Unfit;

pub(super) struct Editor<'text> {
    ours: &'text str,
    next: &'text str,
    /// The order of the document's own keys, where it is known.
    order: &'text [&'text str],
    /// By how much a map's children are indented.
    step: usize,
    edits: Vec<(Range<usize>, String)>,
}

/// An entry or an item of a flow collection, as it shall be written.
struct Part {
    range: Range<usize>,
    text: String,
}

impl<'text> Editor<'text> {
    /// Both texts end with a newline.
    pub(super) fn new(ours: &'text str, next: &'text str, document: Option<&Node>, order: &'text [&'text str]) -> Self {
        let step = document.and_then(|node| step(ours, node)).unwrap_or(2);
        Self { ours, next, order, step, edits: Vec::new() }
    }

    pub(super) fn finish(mut self) -> Result<String, Unfit> {
        // The sort is stable: at one place, what came first stays first.
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = String::with_capacity(self.ours.len() + 256);
        let mut done = 0;
        for (range, new) in self.edits {
            text.push_str(self.ours.get(done..range.start).ok_or(Unfit)?);
            text.push_str(&new);
            done = range.end;
        }
        text.push_str(self.ours.get(done..).ok_or(Unfit)?);
        Ok(text)
    }

    /// Changes a document. `ours` is None when the text has nothing but comments.
    pub(super) fn document(&mut self, ours: Option<&Node>, next: &Node, change: &Change) -> Result<(), Unfit> {
        let empty = ours.is_none_or(|node| matches!(node.kind, Kind::Null) || is_empty_flow(node));
        match (change, ours) {
            (Change::Keep, _) => Ok(()),
            (Change::Put | Change::Map(_), _) if empty => {
                let Kind::Map(_, entries) = &next.kind else { return Err(Unfit) };
                let lines: Vec<_> = entries.iter().map(|entry| self.entry_lines(next, entry)).collect();
                let lines = lines.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
                match ours.filter(|node| is_empty_flow(node)) {
                    Some(node) => {
                        let range = line_start(self.ours, node.span.start)..line_end(self.ours, node.span.end) + 1;
                        let range = range.start..range.end.min(self.ours.len());
                        if self.ours[range.clone()].trim_end() != &self.ours[node.span.clone()] {
                            return Err(Unfit);
                        }
                        self.edits.push((range, indented(&lines, 0)));
                    }
                    None => self.edits.push((self.ours.len()..self.ours.len(), indented(&lines, 0))),
                }
                Ok(())
            }
            (Change::Map(_) | Change::List(_), Some(ours)) => self.inside(ours, next, change, 0),
            _ => Err(Unfit),
        }
    }

    /// `column` is where the children of `ours` go when it has none; 0 when they stay in their braces.
    fn inside(&mut self, ours: &Node, next: &Node, change: &Change, column: usize) -> Result<(), Unfit> {
        match (change, &ours.kind, &next.kind) {
            (Change::Map(changes), Kind::Map(StructureStyle::Block, entries), Kind::Map(..)) => {
                self.block_map(entries, next, changes)
            }
            (Change::Map(changes), Kind::Map(StructureStyle::Flow, entries), Kind::Map(..)) => {
                self.flow_map(ours, entries, next, changes, column)
            }
            (Change::List(slots), Kind::List(StructureStyle::Block, ours), Kind::List(_, items)) => {
                self.block_list(ours, next, items, slots)
            }
            (Change::List(slots), Kind::List(StructureStyle::Flow, items), Kind::List(_, new)) => {
                self.flow_list(ours, items, new, slots)
            }
            _ => Err(Unfit),
        }
    }

    fn block_map(&mut self, entries: &[Entry], next: &Node, changes: &[(String, Change)]) -> Result<(), Unfit> {
        let first = entries.first().ok_or(Unfit)?;
        let column = self.column(first.start);
        let mut new = Vec::new();
        for (key, change) in changes {
            let ours = entries.iter().position(|entry| entry.key == *key);
            match (change, ours) {
                (Change::Remove, Some(at)) => self.remove_entry(entries, at)?,
                (Change::Remove | Change::Keep, _) => {}
                (_, None) => new.push(entry(next, key)?),
                (Change::Put, Some(at)) => self.replace_entry(&entries[at], next, entry(next, key)?)?,
                (change, Some(at)) => {
                    let next = below(next, key);
                    self.inside(&entries[at].node, next, change, column + self.step)?;
                }
            }
        }
        let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        // A single entry below the root is as sorted as an entry can be; the root of a document has an order of its own.
        let ordered = column == 0 && !self.order.is_empty();
        let sorted = !ordered && keys.is_sorted() && (keys.len() > 1 || column > 0);
        if sorted {
            new.sort_by_key(|entry| &entry.key);
        }
        let spaced = entries.len() > 1 && entries.windows(2).all(|pair| self.blank_line_before(pair[1].start));
        for entry in new {
            let after = if sorted {
                keys.partition_point(|key| **key < *entry.key).checked_sub(1)
            } else if let Some(rank) = self.rank(&entry.key).filter(|_| ordered) {
                keys.iter().rposition(|key| self.rank(key).is_some_and(|other| other < rank))
            } else {
                predecessor(&keys, next, &entry.key)
            };
            let mut lines = self.entry_lines(next, entry)?;
            // The first entry of a map in a list stands behind the dash.
            let after = after.or_else(|| (!self.starts_line(first.start)).then_some(0));
            let at = match after {
                Some(after) => {
                    if spaced {
                        lines.insert(0, String::new());
                    }
                    self.behind(entries[after].end(), column)
                }
                None => {
                    if spaced {
                        lines.push(String::new());
                    }
                    // A header above the first key of the document stays the header.
                    if column == 0 { first.start } else { self.comments_above(first.start, column) }
                }
            };
            self.edits.push((at..at, indented(&lines, column)));
        }
        Ok(())
    }

    fn rank(&self, key: &str) -> Option<usize> {
        self.order.iter().position(|known| *known == key)
    }

    fn remove_entry(&mut self, entries: &[Entry], at: usize) -> Result<(), Unfit> {
        let entry = &entries[at];
        if self.starts_line(entry.start) {
            self.remove_lines(entry.start, entry.end());
            return Ok(());
        }
        // Behind a dash: the next entry moves up to it.
        let next = entries.get(at + 1).ok_or(Unfit)?;
        if !self.ours[entry.end()..next.start].trim().is_empty() {
            return Err(Unfit);
        }
        self.edits.push((entry.start..next.start, String::new()));
        Ok(())
    }

    fn remove_lines(&mut self, start: usize, end: usize) {
        let end = (line_end(self.ours, end) + 1).min(self.ours.len());
        self.edits.push((line_start(self.ours, start)..end, String::new()));
    }

    fn replace_entry(&mut self, ours: &Entry, next: &Node, new: &Entry) -> Result<(), Unfit> {
        if let (Kind::Scalar, Some(value)) = (&ours.node.kind, self.inline(&new.node)) {
            let tagged = self.ours[ours.colon..ours.node.span.start].contains(['!', '&']);
            if tagged {
                return Err(Unfit);
            }
            self.edits.push((ours.node.span.clone(), value));
            return Ok(());
        }
        if let Some(value) = self.inline(&new.node) {
            let comment = if matches!(ours.node.kind, Kind::Null) { ours.colon } else { ours.end() };
            self.edits.push((ours.colon..comment, format!(" {value}")));
            return Ok(());
        }
        let mut lines = self.entry_lines(next, new)?;
        let key = lines.iter().position(|line| !line.starts_with('#')).ok_or(Unfit)?;
        lines.drain(..key);
        // Behind the key: an anchor, a block scalar's header, or nothing.
        let head = line_end(self.next, new.colon);
        let head = self.next.get(new.colon..head).ok_or(Unfit)?.trim_end();
        let head = if head.trim_start().starts_with('#') { "" } else { head };
        let rest = indented(&lines[1..], self.column(ours.start));
        if matches!(ours.node.kind, Kind::Null) || is_empty_flow(&ours.node) {
            let span = if is_empty_flow(&ours.node) { ours.colon..ours.node.span.end } else { ours.colon..ours.colon };
            let at = (line_end(self.ours, span.end) + 1).min(self.ours.len());
            self.edits.push((span, head.to_owned()));
            self.edits.push((at..at, rest));
        } else {
            let text = format!("{head}\n{rest}");
            self.edits.push((ours.colon..ours.end(), text.trim_end_matches('\n').to_owned()));
        }
        Ok(())
    }

    fn block_list(&mut self, ours: &[Item], next: &Node, new: &[Item], slots: &[Slot]) -> Result<(), Unfit> {
        let first = ours.first().ok_or(Unfit)?;
        let column = self.column(first.start);
        let mut kept = None;
        for slot in slots {
            match slot {
                Slot::Ours(o, n, change) => {
                    if kept.is_some_and(|kept| kept >= *o) {
                        return Err(Unfit);
                    }
                    kept = Some(*o);
                    let item = &ours[*o];
                    match change {
                        Change::Keep => {}
                        Change::Put => {
                            let lines = self.item_lines(next, new.get(*n).ok_or(Unfit)?)?;
                            let lines: Vec<_> = lines.into_iter().skip_while(|line| line.starts_with('#')).collect();
                            let text = indented(&lines, column);
                            self.edits.push((item.start..item.end(), text.trim().to_owned()));
                        }
                        change => self.inside(&item.node, &new.get(*n).ok_or(Unfit)?.node, change, 0)?,
                    }
                }
                Slot::Next(n) => {
                    let lines = self.item_lines(next, &new[*n])?;
                    let at = match kept {
                        Some(kept) => self.behind(ours[kept].end(), column),
                        None => self.comments_above(first.start, column),
                    };
                    self.edits.push((at..at, indented(&lines, column)));
                }
            }
        }
        for (index, item) in ours.iter().enumerate() {
            if !slots.iter().any(|slot| matches!(slot, Slot::Ours(o, ..) if *o == index)) {
                if !self.starts_line(item.start) {
                    return Err(Unfit);
                }
                self.remove_lines(item.start, item.end());
            }
        }
        Ok(())
    }

    fn flow_map(
        &mut self,
        ours: &Node,
        entries: &[Entry],
        next: &Node,
        changes: &[(String, Change)],
        column: usize,
    ) -> Result<(), Unfit> {
        let mut new = Vec::new();
        let part = |entry: &Entry| Part {
            range: entry.start..entry.end(),
            text: self.ours[entry.start..entry.end()].to_owned(),
        };
        let mut kept: Vec<Option<Part>> = entries.iter().map(|entry| Some(part(entry))).collect();
        for (key, change) in changes {
            let at = entries.iter().position(|entry| entry.key == *key);
            match (change, at) {
                (Change::Remove, Some(at)) => kept[at] = None,
                (Change::Remove | Change::Keep, _) => {}
                (_, None) => new.push(entry(next, key)?),
                (Change::Put, Some(at)) => {
                    let value = flow(self.next, &entry(next, key)?.node).ok_or(Unfit)?;
                    let old = &entries[at];
                    let null = matches!(old.node.kind, Kind::Null);
                    let key = &self.ours[old.start..if null { old.colon } else { old.node.span.start }];
                    let space = if null { " " } else { "" };
                    kept[at] = Some(Part { range: old.start..old.end(), text: format!("{key}{space}{value}") });
                }
                (change, Some(at)) => {
                    let old = &entries[at];
                    kept[at] = Some(self.part(old.start..old.end(), &old.node, below(next, key), change)?);
                }
            }
        }
        // `key: {}` on a line of its own becomes a block.
        let owner = self.ours[line_start(self.ours, ours.span.start)..ours.span.start].trim_end();
        if entries.is_empty() && owner.ends_with(':') && !owner.contains(['{', '[']) && column > 0 {
            let mut lines = Vec::new();
            for entry in new {
                lines.extend(self.entry_lines(next, entry)?);
            }
            let space = self.ours[..ours.span.start].trim_end_matches(' ').len();
            let at = (line_end(self.ours, ours.span.end) + 1).min(self.ours.len());
            self.edits.push((space..ours.span.end, String::new()));
            self.edits.push((at..at, indented(&lines, column)));
            return Ok(());
        }
        let mut texts = Vec::new();
        for entry in new {
            texts.push((entry.key.as_str(), flow_entry(self.next, entry).ok_or(Unfit)?));
        }
        let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let sorted = keys.is_sorted();
        let mut placed = Vec::new();
        for (key, text) in texts {
            let at = if sorted { keys.partition_point(|other| *other < key) } else { keys.len() };
            placed.push((at, text));
        }
        self.flow_parts(ours, &kept, &placed)
    }

    fn flow_list(&mut self, node: &Node, ours: &[Item], new: &[Item], slots: &[Slot]) -> Result<(), Unfit> {
        let mut kept: Vec<Option<Part>> = ours.iter().map(|_| None).collect();
        let mut placed = Vec::new();
        let mut at = 0;
        for slot in slots {
            match slot {
                Slot::Ours(o, n, change) => {
                    if at > *o {
                        return Err(Unfit);
                    }
                    at = o + 1;
                    let range = ours[*o].start..ours[*o].end();
                    kept[*o] = Some(match change {
                        Change::Put => {
                            Part { range, text: flow(self.next, &new.get(*n).ok_or(Unfit)?.node).ok_or(Unfit)? }
                        }
                        Change::Keep => Part { text: self.ours[range.clone()].to_owned(), range },
                        change => self.part(range, &ours[*o].node, &new.get(*n).ok_or(Unfit)?.node, change)?,
                    });
                }
                Slot::Next(n) => placed.push((at, flow(self.next, &new[*n].node).ok_or(Unfit)?)),
            }
        }
        self.flow_parts(node, &kept, &placed)
    }

    /// A part of a flow collection with a change inside.
    fn part(&self, range: Range<usize>, ours: &Node, next: &Node, change: &Change) -> Result<Part, Unfit> {
        let mut inner =
            Editor { ours: self.ours, next: self.next, order: self.order, step: self.step, edits: Vec::new() };
        inner.inside(ours, next, change, 0)?;
        let behind = self.ours.len() - range.end;
        let text = inner.finish()?;
        let text = text.get(range.start..text.len() - behind).ok_or(Unfit)?.to_owned();
        Ok(Part { range, text })
    }

    /// Writes the parts that stay, without those that are None, with new ones before the part of their index.
    fn flow_parts(&mut self, node: &Node, parts: &[Option<Part>], placed: &[(usize, String)]) -> Result<(), Unfit> {
        if parts.iter().all(Option::is_some) && !parts.is_empty() {
            for part in parts.iter().flatten().filter(|part| self.ours[part.range.clone()] != part.text) {
                self.edits.push((part.range.clone(), part.text.clone()));
            }
            for (at, text) in placed {
                let before = at.checked_sub(1).and_then(|at| parts[at].as_ref());
                match (before, parts.first().and_then(Option::as_ref)) {
                    (Some(part), _) => self.edits.push((part.range.end..part.range.end, format!(", {text}"))),
                    (None, Some(part)) => self.edits.push((part.range.start..part.range.start, format!("{text}, "))),
                    (None, None) => return Err(Unfit),
                }
            }
            return Ok(());
        }
        // Something goes: the line is written anew, with the parts that stay as they are.
        let whole = &self.ours[node.span.clone()];
        if whole.contains(['\n', '#']) {
            return Err(Unfit);
        }
        let mut texts = Vec::new();
        for at in 0..=parts.len() {
            texts.extend(placed.iter().filter(|(before, _)| *before == at).map(|(_, text)| text.as_str()));
            texts.extend(parts.get(at).and_then(Option::as_ref).map(|part| part.text.as_str()));
        }
        let (open, close) = (&whole[..1], &whole[whole.len() - 1..]);
        let pad = if whole[1..].starts_with(' ') { " " } else { "" };
        self.edits.push((node.span.clone(), format!("{open}{pad}{}{pad}{close}", texts.join(", "))));
        Ok(())
    }

    /// An entry of next as lines that begin at column 0, with the comments above it.
    fn entry_lines(&self, parent: &Node, entry: &Entry) -> Result<Vec<String>, Unfit> {
        if matches!(parent.kind, Kind::Map(StructureStyle::Flow, _)) {
            return flow_entry(self.next, entry).map(|line| vec![line]).ok_or(Unfit);
        }
        lines_of(self.next, entry.start, entry.end())
    }

    fn item_lines(&self, parent: &Node, item: &Item) -> Result<Vec<String>, Unfit> {
        if matches!(parent.kind, Kind::List(StructureStyle::Flow, _)) {
            return flow(self.next, &item.node).map(|value| vec![format!("- {value}")]).ok_or(Unfit);
        }
        lines_of(self.next, item.start, item.end())
    }

    /// The value as it stands behind its key, when it fits there.
    fn inline(&self, node: &Node) -> Option<String> {
        match &node.kind {
            Kind::Scalar | Kind::Map(StructureStyle::Flow, _) | Kind::List(StructureStyle::Flow, _) => {
                let before = self.next[line_start(self.next, node.span.start)..node.span.start].trim_end();
                let plain = before.is_empty() || before.ends_with([':', '-', ',', '{', '[']);
                let text = &self.next[node.span.clone()];
                (plain && !text.contains('\n')).then(|| text.to_owned())
            }
            _ => None,
        }
    }

    fn column(&self, at: usize) -> usize {
        self.ours[line_start(self.ours, at)..at].chars().count()
    }

    fn starts_line(&self, at: usize) -> bool {
        self.ours[line_start(self.ours, at)..at].trim().is_empty()
    }

    /// The line behind the content that ends at `end` and behind comments that are indented deeper than `column`.
    fn behind(&self, end: usize, column: usize) -> usize {
        let mut at = (line_end(self.ours, end) + 1).min(self.ours.len());
        loop {
            let line = &self.ours[at..line_end(self.ours, at)];
            let comment = line.trim_start();
            if !comment.starts_with('#') || line.len() - comment.len() <= column {
                return at;
            }
            at = (line_end(self.ours, at) + 1).min(self.ours.len());
        }
    }

    fn comments_above(&self, at: usize, column: usize) -> usize {
        comments_above(self.ours, at, column)
    }

    fn blank_line_before(&self, at: usize) -> bool {
        let start = self.comments_above(at, self.column(at));
        self.ours[..start].lines().next_back().is_some_and(|line| line.trim().is_empty())
    }
}

/// Where the lines begin that hold `at` and the comments directly above it, at the same indentation.
fn comments_above(text: &str, at: usize, column: usize) -> usize {
    let mut start = line_start(text, at);
    while start > 0 {
        let above = line_start(text, start - 1);
        let line = &text[above..start];
        let comment = line.trim_start();
        if !comment.starts_with('#') || line.len() - comment.len() != column {
            break;
        }
        start = above;
    }
    start
}

/// The lines of `start..end`, moved to column 0, with the comments above and the one behind.
fn lines_of(text: &str, start: usize, end: usize) -> Result<Vec<String>, Unfit> {
    let line = line_start(text, start);
    let column = start - line;
    let mut lines = Vec::new();
    if text[line..start].trim().is_empty() {
        let above = comments_above(text, start, column);
        // The header of the file belongs to the file.
        if above > 0 {
            lines.extend(text[above..line].lines().map(|comment| comment.trim_start().to_owned()));
        }
    }
    let mut own = text[start..line_end(text, end)].split('\n');
    lines.extend(own.next().map(str::to_owned));
    for line in own {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if !line.trim().is_empty() && indent < column {
            return Err(Unfit);
        }
        lines.push(line.get(column..).unwrap_or("").to_owned());
    }
    Ok(lines)
}

fn indented(lines: &[String], column: usize) -> String {
    let pad = " ".repeat(column);
    let line = |line: &String| if line.is_empty() { "\n".to_owned() } else { format!("{pad}{line}\n") };
    lines.iter().map(line).collect()
}

fn entry<'node>(node: &'node Node, key: &str) -> Result<&'node Entry, Unfit> {
    let Kind::Map(_, entries) = &node.kind else { return Err(Unfit) };
    entries.iter().find(|entry| entry.key == key).ok_or(Unfit)
}

/// What next has below a key; where nothing is but removed, next need not have it and any map does.
fn below<'node>(next: &'node Node, key: &str) -> &'node Node {
    entry(next, key).map_or(next, |entry| &entry.node)
}

/// The entry of ours after which a new key goes: the one that it follows in next, or the last.
fn predecessor(keys: &[&str], next: &Node, key: &str) -> Option<usize> {
    let Kind::Map(_, entries) = &next.kind else { return None };
    let before = entries.iter().take_while(|entry| entry.key != key);
    let mut before: Vec<&str> = before.map(|entry| entry.key.as_str()).collect();
    before.reverse();
    let find = |wanted: &str| keys.iter().position(|key| *key == wanted);
    let after = || entries.iter().find_map(|entry| find(&entry.key));
    match before.into_iter().find_map(find) {
        Some(at) => Some(at),
        None => after().map_or_else(|| keys.len().checked_sub(1), |at| at.checked_sub(1)),
    }
}

fn is_empty_flow(node: &Node) -> bool {
    matches!(&node.kind, Kind::Map(StructureStyle::Flow, entries) if entries.is_empty())
}

/// A value in flow style, in one line.
fn flow(text: &str, node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Null => Some("null".to_owned()),
        Kind::Scalar => {
            let written = &text[node.span.clone()];
            let quoted = written.starts_with(['"', '\'']);
            // What ends a plain scalar in flow style does not in block style.
            if !quoted && written.contains([',', '[', ']', '{', '}', '\n']) {
                let Value::Scalar(value) = &node.value else { return None };
                return value.strip_prefix("string ").map(|value| serde_json::Value::from(value).to_string());
            }
            (!written.contains('\n')).then(|| written.to_owned())
        }
        Kind::BlockScalar => {
            let Value::Scalar(value) = &node.value else { return None };
            value.strip_prefix("string ").map(|value| serde_json::Value::from(value).to_string())
        }
        Kind::Map(_, entries) => {
            let entries: Option<Vec<_>> = entries.iter().map(|entry| flow_entry(text, entry)).collect();
            entries.map(|entries| format!("{{{}}}", entries.join(", ")))
        }
        Kind::List(_, items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| flow(text, &item.node)).collect();
            items.map(|items| format!("[{}]", items.join(", ")))
        }
    }
}

fn flow_entry(text: &str, entry: &Entry) -> Option<String> {
    let value = flow(text, &entry.node)?;
    let key = text[entry.start..entry.colon].trim_end_matches(':').trim_end();
    let safe = key.starts_with(['"', '\'']) || !key.contains([',', '[', ']', '{', '}']);
    let key = if safe { key.to_owned() } else { serde_json::Value::from(entry.key.as_str()).to_string() };
    Some(format!("{key}: {value}"))
}

/// By how much the first nested block map is indented.
fn step(text: &str, node: &Node) -> Option<usize> {
    let Kind::Map(StructureStyle::Block, entries) = &node.kind else { return None };
    let column = |at: usize| at - line_start(text, at);
    entries.iter().find_map(|entry| match &entry.node.kind {
        Kind::Map(StructureStyle::Block, inner) => column(inner.first()?.start).checked_sub(column(entry.start)),
        _ => None,
    })
}
