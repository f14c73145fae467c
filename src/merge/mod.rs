//! Three texts in, one text or a conflict out: what a template changed, taken over into a file that its user changed.
//! Pure: nothing here knows of files.
//!
//! Every line that the user wrote is in the result or between markers. A clean result parses if ours did.

pub mod cargo_lock;
mod rust;
pub mod shape;
#[cfg(test)]
mod tests;
mod text;
mod toml;
mod tree;
pub mod yaml;

use std::collections::HashMap;

use self::shape::Shape;
use self::text::Hunk;

/// The three sides of a merge: what the template made of the old spec, what the user has, what the template makes now.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    pub base: &'a str,
    pub ours: &'a str,
    pub next: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    Clean(String),
    /// The whole text, with diff3 markers.
    Conflict(String),
}

/// Merges the file at `path`. `lists` are patterns of lines that form lists to which both sides may add.
pub fn merge(path: &str, lists: &[String], sides: Sides<'_>) -> Merged {
    // With the line ends that next has.
    if sides.ours == sides.base {
        return Merged::Clean(sides.next.to_owned());
    }
    let (shape, ours) = Shape::take(sides.ours);
    let (base, next) = (Shape::take(sides.base).1, Shape::take(sides.next).1);
    let lines = Sides { base: &base, ours: &ours, next: &next };
    match merge_lines(Format::of(path), lists, lines) {
        Merged::Clean(text) => Merged::Clean(shape.restore(&text)),
        Merged::Conflict(text) => Merged::Conflict(shape.restore(&text)),
    }
}

fn merge_lines(format: Format, lists: &[String], sides: Sides<'_>) -> Merged {
    if sides.next == sides.base || sides.ours == sides.next {
        return Merged::Clean(sides.ours.to_owned());
    }
    if sides.ours == sides.base {
        return Merged::Clean(sides.next.to_owned());
    }
    let mut hunks = text::merge(lists, sides);
    if matches!(format, Format::Rust | Format::Other) {
        text::settle_additions(&mut hunks);
    }
    let conflicts = hunks.iter().any(|hunk| matches!(hunk, Hunk::Conflict { .. }));
    if !conflicts {
        let text = text::assemble(&hunks, text::marked);
        if keeps_lines(sides, &text) && format.accepts(sides, &text) {
            return Merged::Clean(text);
        }
    }
    match structural(format, &hunks, sides) {
        Some(text) => Merged::Clean(text),
        None if conflicts => Merged::Conflict(text::assemble(&hunks, text::marked)),
        // The pieces fit, but the whole does not.
        None => Merged::Conflict(whole(sides)),
    }
}

/// The merge of keys and items. First only where lines conflict, so that the rest takes over comments as well; then of
/// the whole.
fn structural(format: Format, hunks: &[Hunk<'_>], sides: Sides<'_>) -> Option<String> {
    let merge = match format {
        Format::Yaml => yaml::merge,
        Format::Toml => toml::merge,
        Format::Rust | Format::Other => return None,
    };
    let side = |choose: fn(&Hunk<'_>) -> String| text::assemble(hunks, choose);
    let [base, ours, next] = [
        side(|hunk| if let Hunk::Conflict { base, .. } = hunk { base.concat() } else { String::new() }),
        side(|hunk| if let Hunk::Conflict { ours, .. } = hunk { ours.concat() } else { String::new() }),
        side(|hunk| if let Hunk::Conflict { next, .. } = hunk { next.concat() } else { String::new() }),
    ];
    let narrow = Sides { base: &base, ours: &ours, next: &next };
    [narrow, sides]
        .into_iter()
        .filter_map(merge)
        .find(|text| keeps_comments(format, sides, text) && format.accepts(sides, text))
}

/// The whole file as one conflict, without the lines that all sides begin and end with.
fn whole(sides: Sides<'_>) -> String {
    let [base, ours, next] =
        [sides.base, sides.ours, sides.next].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let shortest = base.len().min(ours.len()).min(next.len());
    let same = |b: usize, o: usize, n: usize| base[b] == ours[o] && base[b] == next[n];
    let head = (0..shortest).take_while(|at| same(*at, *at, *at)).count();
    let tail = (1..=shortest - head).take_while(|at| same(base.len() - at, ours.len() - at, next.len() - at)).count();
    let middle = |lines: &[&'_ str]| lines[head..lines.len() - tail].concat();
    let conflict = format!(
        "<<<<<<< yours\n{}||||||| previous template\n{}=======\n{}>>>>>>> new template\n",
        middle(&ours),
        middle(&base),
        middle(&next)
    );
    ours[..head].concat() + &conflict + &ours[ours.len() - tail..].concat()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Rust,
    Toml,
    Yaml,
    Other,
}

impl Format {
    fn of(path: &str) -> Self {
        match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("rs") => Self::Rust,
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Other,
        }
    }

    /// Whether a merged text may stand. What was broken before the merge is not held against it.
    fn accepts(self, sides: Sides<'_>, text: &str) -> bool {
        match self {
            Self::Rust => rust::accepts(sides, text),
            Self::Toml => toml::parses(text) || !toml::parses(sides.ours),
            Self::Yaml => yaml::parses(text) || !yaml::parses(sides.ours),
            Self::Other => true,
        }
    }
}

/// The invariant: what the user wrote is still there.
fn keeps_lines(sides: Sides<'_>, text: &str) -> bool {
    keeps(sides.base.lines(), sides.ours.lines(), text.lines())
}

/// The invariant for a text whose values are proven already.
fn keeps_comments(format: Format, sides: Sides<'_>, text: &str) -> bool {
    let comments = if format == Format::Toml { toml::comments } else { yaml::comments };
    let [base, ours, text] = [sides.base, sides.ours, text].map(comments);
    keeps(base.iter(), ours.iter(), text.iter())
}

/// Whether what ours has more of than base is in `text`, as often.
fn keeps<T: AsRef<str>>(
    base: impl Iterator<Item = T>,
    ours: impl Iterator<Item = T>,
    text: impl Iterator<Item = T>,
) -> bool {
    let mut missing: HashMap<String, isize> = HashMap::new();
    ours.for_each(|line| *missing.entry(line.as_ref().to_owned()).or_default() += 1);
    for line in base.chain(text) {
        if let Some(count) = missing.get_mut(line.as_ref()) {
            *count -= 1;
        }
    }
    missing.values().all(|count| *count <= 0)
}

/// Whether a text has the markers of a conflict.
pub fn has_markers(text: &str) -> bool {
    // A byte order mark stands before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Seven, unless gitattributes(5) asks for more with `conflict-marker-size`.
    let is_marker = |line: &str, sign: char| {
        let label = line.trim_start_matches(sign);
        line.len() - label.len() >= 7 && label.starts_with(' ')
    };
    let marked = |sign: char| text.lines().any(|line| is_marker(line, sign));
    marked('<') && marked('>')
}
