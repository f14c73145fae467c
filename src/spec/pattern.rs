//! What a whole text must look like: a regular expression of a small dialect in which every expression means the same to
//! the service (regex-lite), to PostgreSQL, and to whoever reads the OpenAPI document (ECMA 262, with `u` too).
//!
//! Left out is what differs between them: `.` and `\d \w \s` (line breaks, Unicode, the collation), anchors (the whole
//! text has to fit anyway), back references, looking around, lazy repetition, and ranges beyond digits and letters.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("maxLength" = 200))]
pub struct Pattern(String);

/// The longest text that is looked for as a sample, and the greatest number of repetitions (PostgreSQL documentation,
/// 9.7.3.1).
pub const LONGEST: usize = 255;

/// A pattern that repeats repetitions must stay small to compile: parts after all are written out.
const MOST_PARTS: usize = 1000;
const DEEPEST: usize = 16;

impl Pattern {
    /// # Errors
    /// What is wrong with it, with what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !(1..=200).contains(&text.len()) {
            return Err(format!("a pattern has 1 to 200 characters, not {}", text.len()));
        }
        let parts = Parser::parse(text)?.parts();
        if parts > MOST_PARTS {
            return Err(format!(
                "`{text}` is {parts} parts when its repetitions are written out; {MOST_PARTS} are possible"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    fn tree(&self) -> Node {
        Parser::parse(&self.0).expect("it was parsed before")
    }

    /// The expression that the whole text is held against, for each of the three readers.
    pub fn anchored(&self) -> String {
        format!("^(?:{})$", self.0)
    }

    pub fn matches(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        self.tree().ends(&letters, BTreeSet::from([0])).contains(&letters.len())
    }

    /// Two texts of `shortest` to `longest` characters that fit, different where the pattern has two of one length.
    pub fn samples(&self, shortest: usize, longest: usize) -> Option<[String; 2]> {
        let tree = self.tree();
        let fits = |length: &usize| tree.lengths.has(*length) && (shortest..=longest).contains(length);
        // The empty text only where there is no other.
        let length = (1..=LONGEST).find(fits).or_else(|| Some(0).filter(fits))?;
        Some([End::First, End::Last].map(|end| {
            let mut text = String::new();
            tree.write(length, end, &mut text);
            text
        }))
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

/// An expression, with the lengths of its texts: they are asked for again and again.
#[derive(Debug)]
struct Node {
    kind: Kind,
    lengths: Lengths,
}

#[derive(Debug)]
enum Kind {
    /// One character in, or for `negated` outside, the ranges.
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: usize,
        most: Option<usize>,
    },
}

/// Which of the possible texts is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// Whether there is a text of each length up to [`LONGEST`]: a bit for each, as there are thousands of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths([u128; 2]);

const _: () = assert!(LONGEST == 2 * 128 - 1);

impl Lengths {
    const NONE: Self = Self([0, 0]);
    /// The empty text alone.
    const ZERO: Self = Self([1, 0]);
    const ONE: Self = Self([2, 0]);

    fn has(&self, length: usize) -> bool {
        self.0[length / 128] >> (length % 128) & 1 == 1
    }

    fn or(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// The lengths of one text behind another.
    fn plus(self, other: Self) -> Self {
        (0..=LONGEST).filter(|length| self.has(*length)).fold(Self::NONE, |all, length| all.or(other.longer_by(length)))
    }

    fn longer_by(self, length: usize) -> Self {
        let [low, high] = self.0;
        match length {
            0 => self,
            1..128 => Self([low << length, high << length | low >> (128 - length)]),
            _ => Self([0, low << (length - 128)]),
        }
    }
}

impl From<Kind> for Node {
    fn from(kind: Kind) -> Self {
        let lengths = match &kind {
            Kind::Class { .. } => Lengths::ONE,
            Kind::Sequence(nodes) => nodes.iter().fold(Lengths::ZERO, |all, node| all.plus(node.lengths)),
            Kind::Choice(nodes) => nodes.iter().fold(Lengths::NONE, |all, node| all.or(node.lengths)),
            Kind::Repeat { node, least, most } => {
                let mut all = (0..*least).fold(Lengths::ZERO, |all, _| all.plus(node.lengths));
                for _ in *least..most.unwrap_or(least + LONGEST) {
                    let more = all.or(all.plus(node.lengths));
                    if more == all {
                        break;
                    }
                    all = more;
                }
                all
            }
        };
        Self { kind, lengths }
    }
}

impl Node {
    fn parts(&self) -> usize {
        match &self.kind {
            Kind::Class { ranges, .. } => ranges.len(),
            Kind::Sequence(nodes) | Kind::Choice(nodes) => nodes.iter().map(Self::parts).sum(),
            Kind::Repeat { node, least, most } => node.parts() * most.unwrap_or(least + 1).max(1),
        }
    }

    fn holds(ranges: &[(char, char)], negated: bool, letter: char) -> bool {
        ranges.iter().any(|(from, to)| (*from..=*to).contains(&letter)) != negated
    }

    /// Where a match may end that begins at one of these places.
    fn ends(&self, letters: &[char], starts: BTreeSet<usize>) -> BTreeSet<usize> {
        match &self.kind {
            Kind::Class { ranges, negated } => {
                let fits = |at: &usize| letters.get(*at).is_some_and(|letter| Self::holds(ranges, *negated, *letter));
                starts.into_iter().filter(fits).map(|at| at + 1).collect()
            }
            Kind::Sequence(nodes) => nodes.iter().fold(starts, |starts, node| node.ends(letters, starts)),
            Kind::Choice(nodes) => nodes.iter().flat_map(|node| node.ends(letters, starts.clone())).collect(),
            Kind::Repeat { node, least, most } => {
                let mut all = (0..*least).fold(starts, |starts, _| node.ends(letters, starts));
                // From the places only where no match ended before: repetitions inside each other would take for ever.
                let mut new = all.clone();
                for _ in *least..most.unwrap_or(usize::MAX) {
                    new = node.ends(letters, new).difference(&all).copied().collect();
                    if new.is_empty() {
                        break;
                    }
                    all.extend(&new);
                }
                all
            }
        }
    }

    /// Writes a text of exactly this length, which is one of `lengths`.
    fn write(&self, length: usize, end: End, out: &mut String) {
        match &self.kind {
            Kind::Class { ranges, negated } => out.push(Self::letter(ranges, *negated, end)),
            Kind::Choice(nodes) => {
                let mut fitting = nodes.iter().filter(|node| node.lengths.has(length));
                let node = if end == End::First { fitting.next() } else { fitting.next_back() };
                node.expect("one has the length").write(length, end, out);
            }
            Kind::Sequence(nodes) => {
                // What the nodes behind each can be.
                let mut behind = vec![Lengths::ZERO];
                for node in nodes[1..].iter().rev() {
                    behind.push(behind[behind.len() - 1].plus(node.lengths));
                }
                let mut left = length;
                for (node, behind) in nodes.iter().zip(behind.iter().rev()) {
                    left = node.write_one_of(left, *behind, end, out);
                }
            }
            Kind::Repeat { node, least, .. } => {
                // The lengths of no, one, two, … repetitions, up to the first number of them that has this one.
                let mut times = vec![Lengths::ZERO];
                while times.len() <= *least || !times[times.len() - 1].has(length) {
                    times.push(times[times.len() - 1].plus(node.lengths));
                }
                times.pop();
                let mut left = length;
                for behind in times.iter().rev() {
                    left = node.write_one_of(left, *behind, end, out);
                }
            }
        }
    }

    /// Writes a text which leaves room for one of the lengths behind it, and returns that.
    fn write_one_of(&self, left: usize, behind: Lengths, end: End, out: &mut String) -> usize {
        let fits = |own: &usize| self.lengths.has(*own) && behind.has(left - own);
        let own = (0..=left).find(fits).expect("the length was found possible");
        self.write(own, end, out);
        left - own
    }

    fn letter(ranges: &[(char, char)], negated: bool, end: End) -> char {
        match (negated, end) {
            (false, End::First) => ranges[0].0,
            (false, End::Last) => ranges[ranges.len() - 1].1,
            (true, _) => {
                let mut outside = ('!'..='~').filter(|letter| Self::holds(ranges, true, *letter));
                let letter = if end == End::First { outside.next() } else { outside.next_back() };
                letter.unwrap_or('é')
            }
        }
    }
}

/// What stands for itself outside a class besides letters and digits; the other signs behind a `\`.
const PLAIN: &str = " _-,:;@/!#%&='\"<>~`";
const ESCAPED: &str = r"^$\.*+?()[]{}|";
/// What stands for itself in a class, and what does behind a `\`.
const PLAIN_IN_CLASS: &str = " _,:;@/!#%&='\"<>~`.*+?$";
const ESCAPED_IN_CLASS: &str = r"^$\.*+?()[]{}|-";

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn parse(text: &'a str) -> Result<Node, String> {
        let mut parser = Self { text, rest: text, depth: 0 };
        let node = parser.choice()?;
        match parser.peek() {
            None => Ok(node),
            Some(_) => parser.refuse("`)` without `(`"),
        }
    }

    fn refuse<T>(&self, reason: &str) -> Result<T, String> {
        let at = self.text.len() - self.rest.len();
        Err(format!("the pattern `{}` at {}: {reason}", self.text.escape_debug(), at + 1))
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn choice(&mut self) -> Result<Node, String> {
        let mut nodes = vec![self.sequence()?];
        while self.eat("|") {
            nodes.push(self.sequence()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Kind::Choice(nodes).into() })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while self.peek().is_some_and(|letter| !"|)".contains(letter)) {
            let node = self.atom()?;
            nodes.push(self.repeated(node)?);
        }
        if nodes.is_empty() {
            self.refuse("nothing where an expression belongs")
        } else {
            Ok(Kind::Sequence(nodes).into())
        }
    }

    fn atom(&mut self) -> Result<Node, String> {
        let one = |letter| Ok(Kind::Class { ranges: vec![(letter, letter)], negated: false }.into());
        match self.peek() {
            Some('(') => {
                self.take();
                if !self.eat("?:") && self.peek() == Some('?') {
                    return self.refuse("of groups with `?` only `(?:…)` is possible");
                }
                self.depth += 1;
                if self.depth > DEEPEST {
                    return self.refuse("too many groups inside each other");
                }
                let node = self.choice()?;
                self.depth -= 1;
                if self.eat(")") { Ok(node) } else { self.refuse("`(` without `)`") }
            }
            Some('[') => {
                self.take();
                self.class()
            }
            Some('\\') => match self.escape(ESCAPED)? {
                Some(letter) => one(letter),
                None => {
                    self.refuse(r"only a sign can stand behind `\`: write `[0-9]` for `\d`, `[A-Za-z0-9_]` for `\w`")
                }
            },
            Some('^' | '$') => self.refuse(r"the whole text must fit in any case; leave out `^` and `$`"),
            Some('.') => {
                self.refuse(r"`.` is not the same everywhere; write a class such as `[ -~]` or `[^,]`, or `\.`")
            }
            Some(letter) if letter.is_ascii_alphanumeric() || PLAIN.contains(letter) => {
                self.take();
                one(letter)
            }
            _ => self.refuse(r"letters, digits and signs of ASCII are possible; a sign with a meaning goes behind `\`"),
        }
    }

    /// Reads `\x` where `x` is one of these.
    fn escape(&mut self, possible: &str) -> Result<Option<char>, String> {
        let letter = self.rest[1..].chars().next();
        Ok(letter.filter(|letter| possible.contains(*letter)).inspect(|_| self.rest = &self.rest[2..]))
    }

    /// Behind `[`.
    fn class(&mut self) -> Result<Node, String> {
        let negated = self.eat("^");
        let mut ranges = Vec::new();
        while !self.eat("]") {
            let from = self.in_class()?;
            // The other readers know `[a&&b]` and `[a~~b]` as set operations.
            if "&~".contains(from) && self.peek() == Some(from) {
                return self.refuse("the same sign stands twice");
            }
            if !self.eat("-") {
                ranges.push((from, from));
                continue;
            }
            let to = self.in_class()?;
            let same = |of: fn(&char) -> bool| of(&from) && of(&to);
            let ascends = from <= to
                && (same(char::is_ascii_digit) || same(char::is_ascii_lowercase) || same(char::is_ascii_uppercase));
            let printable = (from, to) == (' ', '~');
            if !ascends && !printable {
                return self
                    .refuse(r"a range is one of digits, of small or of capital letters, or `[ -~]`; `\-` is a hyphen");
            }
            ranges.push((from, to));
        }
        if ranges.is_empty() { self.refuse("an empty class") } else { Ok(Kind::Class { ranges, negated }.into()) }
    }

    fn in_class(&mut self) -> Result<char, String> {
        match self.peek() {
            Some('\\') => match self.escape(ESCAPED_IN_CLASS)? {
                Some(letter) => Ok(letter),
                None => self.refuse(r"only a sign can stand behind `\`: write `0-9` for `\d`"),
            },
            Some(letter) if letter.is_ascii_alphanumeric() || PLAIN_IN_CLASS.contains(letter) => {
                self.take();
                Ok(letter)
            }
            None => self.refuse("`[` without `]`"),
            _ => self.refuse(r"in a class this goes behind `\`, or is not possible"),
        }
    }

    fn repeated(&mut self, node: Node) -> Result<Node, String> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let bounds = self.rest[1..].split_once('}').and_then(|(bounds, _)| {
                    let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number <= LONGEST);
                    let plain = bounds.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
                    let bounds = match bounds.split_once(',') {
                        None => (number(bounds)?, Some(number(bounds)?)),
                        Some((least, "")) => (number(least)?, None),
                        Some((least, most)) => (number(least)?, Some(number(most)?)),
                    };
                    Some(bounds).filter(|(least, most)| plain && most.is_none_or(|most| *least <= most && most > 0))
                });
                let Some(bounds) = bounds else {
                    return self.refuse("a repetition is `{2}`, `{2,}` or `{2,5}`, of at most 255");
                };
                while self.peek() != Some('}') {
                    self.take();
                }
                bounds
            }
            _ => return Ok(node),
        };
        self.take();
        if self.peek().is_some_and(|letter| "*+?{".contains(letter)) {
            return self.refuse("a repetition of a repetition: put the first into a group");
        }
        Ok(Kind::Repeat { node: Box::new(node), least, most }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fit_and_have_the_wanted_length() {
        for pattern in ["(?:ab|a)b?", r"[0-9]{3}-[0-9]{4}|none", "(a|b{2,3}|(c?d)*)+", "[^,;!]+", "[ -~]*"] {
            let pattern = Pattern::parse(pattern).unwrap();
            for (shortest, longest) in [(0, 255), (3, 5), (8, 8)] {
                for sample in pattern.samples(shortest, longest).into_iter().flatten() {
                    assert!(pattern.matches(&sample), "{}: {sample}", pattern.0);
                    assert!((shortest..=longest).contains(&sample.chars().count()), "{}: {sample}", pattern.0);
                }
            }
        }
        let samples = |pattern: &str| Pattern::parse(pattern).unwrap().samples(0, LONGEST).unwrap();
        assert_eq!(samples("[A-Z]{2}"), ["AA", "ZZ"]);
        assert_eq!(samples("a*"), ["a", "a"]);
        assert_eq!(Pattern::parse("[A-Z]{2}").unwrap().samples(3, 9), None);
    }

    /// In seconds; what is given up would be years.
    #[test]
    fn repetitions_inside_each_other_take_no_time() {
        let deep = Pattern::parse("((((((((((a?)*)*)*)*)+)*)*)*)*)*[a-z]").unwrap();
        assert_eq!(deep.samples(250, LONGEST).unwrap()[1], format!("{}z", "a".repeat(249)));
        assert!(deep.matches(&"a".repeat(5000)));
        assert!(!deep.matches(&("a".repeat(5000) + "!")));
        let bounded = Pattern::parse("(([ab]{2,5}){2,5}){2,5}").unwrap();
        assert!(bounded.matches(&"ab".repeat(62)) && !bounded.matches(&"ab".repeat(63)) && !bounded.matches("abababa"));
    }

    #[test]
    fn what_the_readers_would_not_agree_on_is_refused() {
        for (pattern, reason) in [
            ("", "1 to 200"),
            (".*", "not the same everywhere"),
            ("^a$", "leave out"),
            (r"\d", "[0-9]"),
            (r"[\w]", "0-9"),
            ("(?i)a", "only `(?:…)`"),
            ("(?=a)", "only `(?:…)`"),
            ("a*?", "repetition of a repetition"),
            ("a{2}{3}", "repetition of a repetition"),
            ("a{3,2}", "a repetition is"),
            ("a{256}", "a repetition is"),
            ("a{+1}", "a repetition is"),
            ("[9-0]", "a range"),
            ("[A-z]", "a range"),
            ("[a-]", "behind"),
            ("[]a]", "empty class"),
            ("[[:alpha:]]", "behind"),
            ("[a&&b]", "twice"),
            ("(a", "without"),
            ("a)", "without"),
            ("[a", "without"),
            ("a||b", "nothing"),
            ("()", "nothing"),
            ("*", "behind"),
            ("é", "ASCII"),
            (r"\", "sign"),
            ("((a{255}){255}){255}", "parts"),
        ] {
            let refused = Pattern::parse(pattern).unwrap_err();
            assert!(refused.contains(reason), "{pattern}: {refused}");
        }
    }
}
