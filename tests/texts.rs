//! A text of a spec is a text in every language that it is rendered to. Where texts land is found by marks; each file is
//! read by a reader of its language, and a database by Liquibase and PostgreSQL themselves.
//! Budget: 20 seconds on 2 cores.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use appgen::render::render;
use appgen::spec::{Spec, SpecDocument};
use appgen::templates::TemplateSet;
use proptest::prelude::*;
use serde_json::Value;

use crate::hostile::properties::literal_end;
use crate::support;
use crate::support::postgres::{Postgres, liquibase as liquibase_in};
use crate::support::repository::Repo;

/// A text in YAML, which has no place for some characters but as escapes (YAML 1.2.2, 5.1).
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap();
    json.chars()
        .map(
            |c| if "\u{feff}\u{fffe}\u{ffff}".contains(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() },
        )
        .collect()
}

/// A spec in which a text stands at every place that takes any: those of one line hold `line`, the others `free`. Each
/// place has a mark of its own, with the text before and behind it.
fn spec(line: &str, free: &str) -> (String, BTreeMap<String, String>) {
    let mut places = BTreeMap::new();
    let mut at = |text: &str, name: &str| {
        let mark = format!("Z{name}Z");
        let whole = format!("{text}{mark}{text}");
        let shown = quoted(&whole);
        places.insert(mark, whole);
        shown
    };
    let mut one = |name: &str| at(line, name);
    let (first, last) = (one("first"), one("last"));
    let (name, state, was, gone) = (one("name"), one("state"), one("was"), one("gone"));
    let text = format!(
        "version: 1\n\
         service: {{ name: a, owner: '@on/off', description: {service} }}\n\
         features: {{ tls: true, jwt: true, openapi_docs: true, monitoring: true, helm: true }}\n\
         environments:\n\
        \x20 dev: {{ expose: ingress, host: a.example, annotations: {{ 'on': {ingress}, 'a/1': b }} }}\n\
        \x20 test: {{ expose: gateway, host: a.example, gateway: b/c, annotations: {{ '1': {gateway} }}, secrets: external, secret_store: s, secret_key: {key} }}\n\
        \x20 prod: {{ expose: load-balancer, annotations: {{ '2026-01-31': {balancer} }} }}\n\
         entities:\n\
        \x20 thing:\n\
        \x20   fields:\n\
        \x20     name: {{ type: text, unique: true, description: {name} }}\n\
        \x20     state: {{ type: enum, values: [{first}, {last}], required: true, index: true, description: {state} }}\n\
        \x20     body: {{ type: text }}\n\
        \x20     data: {{ type: json }}\n\
        \x20     old: {{ type: text, required: true, description: {now} }}\n\
         changesets:\n\
        \x20 0001-create-things: {{ create_table: {{ entity: thing, table: things, fields: {{ name: {{ type: text, unique: true, description: {name} }} }} }} }}\n\
        \x20 0002-extend-things:\n\
        \x20   add_columns:\n\
        \x20     table: things\n\
        \x20     fields:\n\
        \x20       state: {{ type: enum, values: [{first}, {last}], required: true, index: true, backfill: {first}, description: {state} }}\n\
        \x20       body: {{ type: text, backfill: {body} }}\n\
        \x20       data: {{ type: json, backfill: {{ {data_key}: [{data}] }} }}\n\
        \x20       old: {{ type: text, description: {was} }}\n\
        \x20 0003-alter-things: {{ alter_column: {{ table: things, column: old, from: {{ type: text, description: {was} }}, to: {{ type: text, required: true, backfill: {filled}, description: {now} }} }} }}\n\
        \x20 0004-insert-things: {{ insert_rows: {{ table: things, context: dev, rows: [{{ name: {row_key}, state: {first}, body: {row}, data: [{row_data}], old: '' }}] }} }}\n\
        \x20 0005-own: {{ sql: {{ description: {own} }} }}\n\
        \x20 0006-create-gone: {{ create_table: {{ entity: gone, table: gone, fields: {{ x: {{ type: text }}, y: {{ type: text, description: {gone} }} }} }} }}\n\
        \x20 0007-shrink-gone: {{ drop_columns: {{ table: gone, fields: {{ y: {{ type: text, description: {gone} }} }} }} }}\n\
        \x20 0008-extend-gone: {{ add_columns: {{ table: gone, fields: {{ y: {{ type: text, description: {gone} }} }} }} }}\n\
        \x20 0009-drop-gone: {{ drop_table: {{ entity: gone, table: gone, fields: {{ x: {{ type: text }}, y: {{ type: text, description: {gone} }} }} }} }}\n",
        service = one("service"),
        ingress = one("ingress"),
        gateway = one("gateway"),
        balancer = one("balancer"),
        key = one("secret"),
        now = one("now"),
        own = one("own"),
        body = at(free, "body"),
        data = at(free, "data"),
        data_key = at(free, "datakey"),
        filled = at(free, "filled"),
        row = at(free, "row"),
        row_key = at(free, "rowkey"),
        row_data = at(free, "rowdata"),
    );
    (text, places)
}

/// Every file that the spec is rendered to, the spec itself among them.
fn rendered(text: &str) -> Files {
    static SET: OnceLock<TemplateSet> = OnceLock::new();
    let set = SET.get_or_init(|| TemplateSet::embedded().unwrap());
    let document = SpecDocument::parse("spec", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let spec = Spec::resolve(document).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
    let files = render(&spec, set).unwrap();
    let mut files: BTreeMap<_, _> = files.into_iter().map(|(path, file)| (path.to_string(), file.text)).collect();
    files.insert("appgen.yaml".to_owned(), spec.to_yaml());
    files
}

/// The texts of a file as a reader of its language sees them. Collections of JSON inside a text are read too.
fn texts(path: &str, text: &str) -> Vec<String> {
    let name = path.rsplit('/').next().unwrap();
    let extension = name.rsplit_once('.').map_or(name, |(_, extension)| extension);
    let found = match extension {
        "yaml" | "yml" => {
            serde_saphyr::from_multiple::<Value>(text).unwrap().iter().flat_map(strings).collect::<Vec<_>>()
        }
        "json" => strings(&serde_json::from_str(text).unwrap()),
        "toml" => {
            let document: toml_edit::DocumentMut = text.parse().unwrap();
            document.as_table().iter().flat_map(|(_, item)| toml_strings(item)).collect()
        }
        "rs" => rust_strings(text.parse().unwrap()),
        "sql" => text.lines().flat_map(sql_strings).collect(),
        "md" => paragraphs(text),
        "Dockerfile" => text.lines().flat_map(label).collect(),
        _ => panic!("who reads `{path}`?"),
    };
    let inner = |text: String| match serde_json::from_str::<Value>(&text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => strings(&value),
        _ => vec![text],
    };
    found.into_iter().flat_map(inner).collect()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| [vec![key.clone()], strings(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

fn toml_strings(item: &toml_edit::Item) -> Vec<String> {
    match (item.as_str(), item.as_table_like()) {
        (Some(text), _) => vec![text.to_owned()],
        (_, Some(table)) => table.iter().flat_map(|(_, item)| toml_strings(item)).collect(),
        _ => Vec::new(),
    }
}

fn rust_strings(tokens: proc_macro2::TokenStream) -> Vec<String> {
    let read = |token| match token {
        proc_macro2::TokenTree::Group(group) => rust_strings(group.stream()),
        proc_macro2::TokenTree::Literal(literal) => {
            let source = literal.to_string();
            // The compiler refuses what turns the direction of a line.
            assert!(!source.contains(['\u{202e}', '\u{2066}']), "{source}");
            syn::parse_str::<syn::LitStr>(&source).map(|literal| literal.value()).into_iter().collect()
        }
        _ => Vec::new(),
    };
    tokens.into_iter().flat_map(read).collect()
}

/// Literals, of a rollback too, and comments.
fn sql_strings(line: &str) -> Vec<String> {
    if let Some(comment) = line.strip_prefix("-- What it does: ") {
        return vec![comment.to_owned()];
    }
    let (mut rest, mut found) = (line, Vec::new());
    while let Some(at) = rest.find('\'') {
        let escapes = rest[..at].ends_with('E');
        let end = literal_end(&rest[at + 1..], escapes).unwrap_or_else(|| panic!("unclosed: {line}"));
        found.push(sql_text(&rest[at + 1..at + end], escapes));
        rest = &rest[at + 1 + end..];
    }
    found
}

/// What a literal means (PostgreSQL documentation, 4.1.2.1 and 4.1.2.2).
fn sql_text(literal: &str, escapes: bool) -> String {
    let text = literal.replace("''", "'");
    if !escapes {
        return text;
    }
    let mut letters = text.chars();
    let mut meant = String::new();
    while let Some(letter) = letters.next() {
        let code = |digits: String, radix| char::from_u32(u32::from_str_radix(&digits, radix).unwrap()).unwrap();
        meant.push(match letter {
            '\\' => match letters.next().unwrap() {
                'n' => '\n',
                'u' => code(letters.by_ref().take(4).collect(), 16),
                digit @ '0'..='7' => code([digit].into_iter().chain(letters.by_ref().take(2)).collect(), 8),
                other => panic!("`\\{other}` in {literal}"),
            },
            letter => letter,
        });
    }
    meant
}

/// What is read of Markdown outside of its code, block by block.
fn paragraphs(text: &str) -> Vec<String> {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
    let (mut all, mut block) = (Vec::new(), None::<String>);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::Paragraph) => block = Some(String::new()),
            Event::End(TagEnd::Paragraph) => all.extend(block.take()),
            Event::Text(text) => {
                if let Some(block) = &mut block {
                    block.push_str(&text);
                }
            }
            _ => {}
        }
    }
    all
}

/// The value of a label: between double quotes a `\` takes the meaning of a quote, a `\` and a `$` (Dockerfile reference,
/// "Environment replacement").
fn label(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("image.description=\"")?;
    let (mut text, mut letters) = (String::new(), rest.chars().peekable());
    loop {
        match letters.next().unwrap_or_else(|| panic!("unclosed: {line}")) {
            '"' => return Some(text),
            '$' => panic!("a variable: {line}"),
            '\\' => text.push(letters.next_if(|next| "\"\\$".contains(*next)).unwrap_or('\\')),
            letter => text.push(letter),
        }
    }
}

/// Paths with texts.
type Files = BTreeMap<String, String>;
/// How often a mark stands in a file: by path and mark.
type Counts = BTreeMap<(String, String), usize>;

fn count(files: &Files, of: impl Fn(&str, &str, &str) -> usize) -> Counts {
    let (_, places) = spec("", "");
    let mut counts = BTreeMap::new();
    for (path, text) in files {
        for mark in places.keys() {
            let count = of(path, text, mark);
            if count > 0 {
                counts.insert((path.clone(), mark.clone()), count);
            }
        }
    }
    counts
}

/// Where every text of a spec lands, found by marks.
fn positions() -> &'static (Files, Counts) {
    static POSITIONS: OnceLock<(Files, Counts)> = OnceLock::new();
    POSITIONS.get_or_init(|| {
        let files = rendered(&spec("", "").0);
        let written = count(&files, |_, text, mark| text.matches(mark).count());
        (files, written)
    })
}

/// Renders a text at every place, and finds that very text at every position.
fn is_text_everywhere(line: &str, free: &str) {
    let (plain, positions) = positions();
    let (text, places) = spec(line, free);
    let files = rendered(&text);
    assert!(files.keys().eq(plain.keys()));
    let marked: BTreeSet<&String> = positions.keys().map(|(path, _)| path).collect();
    for path in marked {
        let read = texts(path, &files[path]);
        for ((_, mark), count) in positions.iter().filter(|((at, _), _)| at == path) {
            let whole = &places[mark];
            let whole = if path.ends_with(".md") { whole.trim() } else { whole };
            let in_a_query = percent_encoded(whole);
            let times = |text: &String| text.matches(whole).count().max(text.matches(&in_a_query).count());
            let found: usize = read.iter().map(times).sum();
            assert_eq!(found, *count, "{path}: {whole:?} at {mark}\n{}", files[path]);
        }
        if path.ends_with(".sql") {
            assert_eq!(directives(&files[path]), directives(&plain[path]), "{path}\n{}", files[path]);
        }
    }
}

/// As the value of a query has it (RFC 3986, 2).
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// What Liquibase takes from the lines of formatted SQL: a word behind hyphens. It does not mind spaces and capitals.
fn directives(sql: &str) -> Vec<Option<String>> {
    let word = |line: &str| {
        let rest = line.trim_start().strip_prefix("--")?;
        Some(rest.trim_start_matches(['-', ' ', '\t']).split([' ', '\t']).next()?.to_ascii_lowercase())
    };
    sql.lines().map(word).collect()
}

#[test]
fn every_position_of_a_text_is_read() {
    let (files, written) = positions();
    let mut table = String::new();
    for ((path, mark), count) in written {
        writeln!(table, "{path}: {} × {count}", mark.trim_matches('Z')).unwrap();
    }
    support::snapshot("texts", "positions", &table);
    let marked: BTreeMap<_, _> = files
        .iter()
        .filter(|(path, _)| written.keys().any(|(at, _)| at == *path))
        .map(|(a, b)| (a.clone(), b.clone()))
        .collect();
    let read = count(&marked, |path, text, mark| texts(path, text).iter().map(|text| text.matches(mark).count()).sum());
    assert_eq!(&read, written);
}

/// Each of at most 24 characters: twice in the value of an enum.
const TEXTS: &[&str] = &[
    "'; DROP TABLE things; --",
    "$(reboot) `reboot`",
    "${HOME} $$ %PATH% $1",
    "{{ 7*7 }} {{{ 7*7 }}}",
    "{% raw %}{# x #}",
    "#{x} #! # y",
    "it's \"quoted\" `here`",
    "\\",
    "\\'",
    "\\n\\t\\u0041\\x41\\0",
    "- a",
    "1. a",
    "2) a",
    "=== ",
    "    a",
    "rollback drop table x;",
    "Changeset me:1",
    "comment x",
    "*/ // <!-- --> /* ",
    "a: b",
    "1:30",
    "on",
    "~",
    "&a *b !c %d @e |f >g",
    "]]> </script> <b>",
    "\u{202e}abc\u{202c}",
    "\u{2066}\u{200f}\u{200b}\u{ad}",
    "\u{1f600}\u{1f468}\u{200d}\u{1f469}",
    "e\u{301}\u{e000}\u{fffe}\u{10ffff}",
    "_a_ **b** ~~c~~ [d](e)",
    "https://a.example/?b=c&d",
    "E'a' U&'b' $$c$$",
    "\"",
];

#[test]
fn text_is_text_in_every_language() {
    for text in TEXTS {
        is_text_everywhere(text, text);
        is_text_everywhere(text, &format!("\n--rollback {text}\r\n\t--changeset {text}:1\n"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_text_in_every_language(letters in prop::collection::vec(any::<char>(), 0..12), free in any::<String>()) {
        let line: String = letters.into_iter().filter(|c| !c.is_control() && !"\u{2028}\u{2029}\u{feff}".contains(*c)).collect();
        is_text_everywhere(&line, &free.replace('\0', ""));
    }
}

/// Liquibase and PostgreSQL themselves: what was put into a spec is what a database holds.
#[test]
fn a_database_holds_the_very_texts() {
    let what = "texts in a database";
    let Some(liquibase) = support::tool("liquibase", what) else { return };
    let Some(postgres) = Postgres::start(what) else { return };
    let free: Vec<_> =
        TEXTS.iter().map(|text| format!("{text}\n--rollback {text}\r\n--changeset me:1\t{text}")).collect();
    let mut fields = String::new();
    for (index, text) in TEXTS.iter().enumerate() {
        let text = quoted(text);
        writeln!(fields, "        f{index}: {{ type: enum, values: [{text}], backfill: {text}, description: {text} }}")
            .unwrap();
    }
    let rows: Vec<_> = free.iter().map(|text| format!("{{ name: {} }}", quoted(text))).collect();
    let spec = format!(
        "version: 1\nservice: {{ name: a }}\nchangesets:\n\
        \x20 0001-create-things: {{ create_table: {{ entity: thing, table: things, fields: {{ name: {{ type: text, unique: true }} }} }} }}\n\
        \x20 0002-insert: {{ insert_rows: {{ table: things, context: dev, rows: [{rows}] }} }}\n\
        \x20 0003-extend-things:\n    add_columns:\n      table: things\n      fields:\n{fields}\
        \x20 0004-own: {{ sql: {{ description: rollback drop table things; }} }}\n\
        \x20 0005-quote: {{ sql: {{ description: \"it's: a'\" }} }}\n",
        rows = rows.join(", "),
    );
    let repo = Repo::from_spec(&spec);
    let run = |arguments: &[&str]| liquibase_in(&liquibase, &repo.root(), &postgres, "postgres", arguments);
    run(&["update", "--contexts=dev"]);
    // In hexadecimal digits: psql leaves characters out that it knows no width of.
    let read = |text: &str, from: &str, order: &str| {
        let sql =
            format!("select string_agg(encode(convert_to({text}, 'UTF8'), 'hex'), ' ' order by {order}) from {from}");
        postgres.sql("postgres", &sql).trim().split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let texts: Vec<_> = TEXTS.iter().map(|text| hex(text)).collect();
    assert_eq!(read("name", "things", "id"), free.iter().map(|text| hex(text)).collect::<Vec<_>>());
    let columns = "pg_attribute where attrelid = 'things'::regclass and attname ~ '^f[0-9]'";
    assert_eq!(read("col_description(attrelid, attnum)", columns, "attnum"), texts);
    let filled: Vec<_> = (0..TEXTS.len()).map(|index| format!("(f{index})")).collect();
    let filled =
        format!("(select * from things limit 1) as row, lateral (values {}) as filled (text)", filled.join(", "));
    let values = postgres.sql("postgres", &format!("select encode(convert_to(text, 'UTF8'), 'hex') from {filled}"));
    assert_eq!(values.lines().collect::<Vec<_>>(), texts);
    run(&["rollback-count", "--count=4", "--contexts=dev"]);
    assert_eq!(postgres.sql("postgres", "select count(*) from things").trim(), "0");
}
