//! A pattern of a field means one thing: to us, to the service's engine, and to the `check` in PostgreSQL.

use crate::support::postgres::Postgres;
use appgen::spec::pattern::Pattern;

const PATTERNS: &[&str] = &[
    "[A-Z]{2}",
    "[a-z][a-z0-9_]*",
    "(?:ab|a)b?",
    r"[0-9]{3}-[0-9]{4}|none",
    r"\+?[0-9]+(\.[0-9]{1,2})?",
    "[^,;]+",
    r"[\[\]\-\^\\x]{1,3}",
    "(a|b{2,3}|(c?d)*)+",
    r"x{0,2}\{\}\|",
    "[ -~]*",
    r"it's \$\{HOME\}[.]?|%&'<>~`/!#:;@= ",
    "[.*+?$&~]+",
    "[^ -~]",
];

/// Texts that tell right readers of the patterns from wrong ones: line breaks at the end, letters beyond ASCII that a
/// collation or a case folding would count in.
const TEXTS: &[&str] = &[
    "",
    "A",
    "AB",
    "ABC",
    "ab",
    "abb",
    "a",
    "b",
    "bb",
    "bbb",
    "bbbb",
    "cd",
    "d",
    "a_9",
    "9a",
    "555-1234",
    "none",
    "nonee",
    "+1.50",
    "1.505",
    "1.",
    ",",
    "x",
    "x\n",
    "\n",
    "a\n",
    "\nAB",
    "AB\n",
    "é",
    "É",
    "١",
    "ſ",
    "[]-",
    "^\\x",
    "^\\xx",
    "{}|",
    "xx{}|",
    "xxx{}|",
    "it's ${HOME}",
    "it's ${HOME}.",
    "%&'<>~`/!#:;@= ",
    "a b",
    "&&",
    "~.$",
    "\u{1F600}",
    "ẞ",
    "\t",
];

#[test]
fn every_reader_reads_a_pattern_as_we_do() {
    let postgres = Postgres::start("patterns in PostgreSQL");
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    for written in PATTERNS {
        let pattern = Pattern::parse(written).unwrap();
        let ours: Vec<bool> = TEXTS.iter().map(|text| pattern.matches(text)).collect();
        let engine = regex_lite::Regex::new(&pattern.anchored()).unwrap();
        let theirs: Vec<bool> = TEXTS.iter().map(|text| engine.is_match(text)).collect();
        assert_eq!(ours, theirs, "{written}");
        let Some(postgres) = &postgres else { continue };
        let rows: Vec<_> =
            TEXTS.iter().map(|text| format!("{} ~ {}", literal(text), literal(&pattern.anchored()))).collect();
        let answer = postgres.sql("postgres", &format!("select unnest(array[{}])", rows.join(", ")));
        assert_eq!(ours, answer.lines().map(|line| line == "t").collect::<Vec<_>>(), "{written}");
    }
}
