//! What holds for every input, whoever wrote it. `tests/hostile.rs` gives these functions the inputs beside this file
//! and random ones, the programs in `fuzz/` whatever leads them to new code.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use appgen::cli::Cli;
use appgen::lock::Lock;
use appgen::merge::yaml::{Edit, edit};
use appgen::merge::{Merged, Sides, cargo_lock, has_markers};
use appgen::render::{RelPath, render};
use appgen::spec::changeset::ChangesetId;
use appgen::spec::entity::{EntityDocument, Fields};
use appgen::spec::field::{Field, FieldType};
use appgen::spec::grammar::{parse_field, show_field};
use appgen::spec::handler::RoutePath;
use appgen::spec::name::{EntityName, EnvironmentName, HandlerName, ServiceName, SqlName};
use appgen::spec::pattern::{LONGEST, Pattern};
use appgen::spec::{SECTIONS, Spec, SpecDocument};
use appgen::templates::TemplateSet;
use appgen::transaction::{self, Guard};
use appgen::worktree::Worktree;
use clap::Parser as _;
use serde_json::{Value, json};

/// `appgen.yaml`: a legal one renders files that can be read, and is written so that it reads the same again.
pub fn spec(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(document) = SpecDocument::parse("input", text) else { return };
    if let Ok(edited) = edit(text, &[description()], SECTIONS) {
        let edited = SpecDocument::parse("edited", &edited).expect("an edit keeps a spec readable");
        assert_eq!(edited.service.description.as_deref(), Some(DESCRIPTION));
    }
    if let Ok(spec) = Spec::resolve(document) {
        check(&spec);
        let files = render(&spec, set()).expect("a legal spec renders");
        files.iter().for_each(|(path, file)| parses(path.as_str(), &file.text));
    }
}

const DESCRIPTION: &str = "it's \"quoted\": # {{ so }}";

fn description() -> Edit {
    Edit { path: ["service", "description"].map(str::to_owned).to_vec(), value: Some(json!(DESCRIPTION)) }
}

fn set() -> &'static TemplateSet {
    static SET: OnceLock<TemplateSet> = OnceLock::new();
    SET.get_or_init(|| TemplateSet::embedded().expect("the embedded set is whole"))
}

/// A spec reads the same again.
fn check(spec: &Spec) {
    let written = spec.to_yaml();
    let read = SpecDocument::parse("written", &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    let again = Spec::resolve(read).unwrap_or_else(|problems| panic!("{problems:?}\n{written}"));
    assert_eq!(again, *spec, "{written}");
}

/// `appgen.lock`: what can be read names no file outside, and is written so that it reads the same again.
pub fn lock(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(lock) = Lock::parse("input", text) else { return };
    check(&lock.spec);
    lock.conflicts.iter().chain(lock.files.keys()).for_each(stays_inside);
    let written = lock.to_yaml();
    let again = Lock::parse("written", &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again, lock, "{written}");
}

fn stays_inside(path: &RelPath) {
    let path = path.as_str();
    assert!(!path.is_empty() && !path.chars().any(char::is_control), "{path:?}");
    assert!(!path.split('/').any(|part| matches!(part, "" | "." | ".." | ".git")), "{path:?}");
}

/// What separates the three texts of a merge in one input; the first line is their path.
const SEPARATOR: &str = "\n=====\n";

/// Three texts of a file: a side that changed nothing gives way, and a clean merge of what can be read can be read.
pub fn merge(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some((path, texts)) = text.split_once('\n') else { return };
    let mut texts = texts.split(SEPARATOR);
    let (Some(base), Some(ours), Some(next)) = (texts.next(), texts.next(), texts.next()) else { return };
    let sides = Sides { base, ours, next };
    let merge =
        |sides| if path == "Cargo.lock" { Merged::Clean(cargo_lock::merge(sides).0) } else { merged(path, sides) };
    assert_eq!(merge(Sides { ours: base, ..sides }), Merged::Clean(next.to_owned()));
    assert_eq!(merge(Sides { next: base, ..sides }), Merged::Clean(ours.to_owned()));
    assert_eq!(merge(Sides { ours: next, ..sides }), Merged::Clean(next.to_owned()));
    match merge(sides) {
        Merged::Conflict(text) => assert!(has_markers(&text), "{text}"),
        Merged::Clean(text) if [base, ours, next].iter().all(|side| fault(path, side).is_none()) => parses(path, &text),
        Merged::Clean(_) => {}
    }
}

/// With the kinds of lists that the catalog has.
fn merged(path: &str, sides: Sides<'_>) -> Merged {
    let lists = [r"^(pub )?mod \w+;$", r"^\| .* \|$", r"^          - [a-z0-9-]+$"].map(str::to_owned);
    appgen::merge::merge(path, &lists, sides)
}

/// What is typed: names, routes, patterns, fields, whole command lines. What is legal reads the same again, and makes a
/// legal spec.
pub fn grammar(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = Cli::try_parse_from(["appgen"].into_iter().chain(text.lines()));
    for line in text.lines() {
        word(line);
    }
    let fields: Fields = text.lines().filter_map(|line| parse_field(line).ok()).collect();
    if let (Ok(name), Ok(service)) = (EntityName::parse("thing"), ServiceName::parse("a")) {
        let mut document = SpecDocument::named(service);
        document.entities.insert(name, EntityDocument { table: None, fields });
        if let Ok(spec) = Spec::resolve(document) {
            check(&spec);
        }
    }
}

fn word(text: &str) {
    let _ = (ServiceName::parse(text), EnvironmentName::parse(text), HandlerName::parse(text), SqlName::parse(text));
    let _ = (RoutePath::parse(text), ChangesetId::parse(text));
    if let Ok((name, field)) = parse_field(text) {
        let (_, again) = parse_field(&format!("{name}:{}", show_field(&field))).expect("what is shown can be typed");
        assert_eq!(again, field);
    }
    if let Ok(pattern) = Pattern::parse(text) {
        for sample in pattern.samples(0, LONGEST).into_iter().flatten() {
            assert!(pattern.matches(&sample), "{text}: {sample:?}");
        }
        let field = Field { pattern: Some(pattern), ..Field::new(FieldType::Text) };
        let _ = field.profile();
    }
}

/// The journal of a change, as a repository could bring it: nothing outside of the repository is touched, whatever is
/// linked to it.
pub fn journal(input: &[u8]) {
    ["manifest.json", "back.json"].iter().for_each(|name| recovers(input, name));
}

fn recovers(input: &[u8], name: &str) {
    let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let (root, outside) = (place.path().join("root"), place.path().join("outside"));
    let records = [root.join(".appgen/txn/staged"), root.join(".appgen/txn/last")];
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("kept"), KEPT).expect("a file");
    for (directory, name) in records.iter().zip([name, "manifest.json"]) {
        fs::create_dir_all(directory).expect("a directory");
        fs::write(directory.join(name), input).expect("a file");
        fs::write(directory.join("new-0"), "new").expect("a file");
        fs::write(directory.join("old-0"), "old").expect("a file");
        std::os::unix::fs::symlink(outside.join("kept"), directory.join("old-1")).expect("a link");
    }
    fs::write(root.join("appgen.yaml"), "").expect("a file");
    std::os::unix::fs::symlink(&outside, root.join("directory")).expect("a link");
    std::os::unix::fs::symlink(outside.join("kept"), root.join("file")).expect("a link");
    let tree = Worktree::enclosing(&root).expect("a repository");
    if let Ok(Some(journal)) = transaction::last(&tree) {
        journal.entries.iter().for_each(|entry| stays_inside(&entry.path));
        let before = transaction::before(&tree, &journal).unwrap_or_default();
        assert!(!before.iter().flatten().any(|bytes| bytes == KEPT), "a file from outside was read");
    }
    let _ = Guard::acquire(&tree);
    assert_eq!(names(&outside), ["kept"]);
    assert_eq!(names(place.path()), ["outside", "root"]);
    assert_eq!(fs::read(outside.join("kept")).expect("a file"), KEPT);
}

const KEPT: &[u8] = b"nobody's business";

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn parses(path: &str, text: &str) {
    if let Some(fault) = fault(path, text) {
        panic!("`{path}`: {fault}\n{text}");
    }
}

/// What a reader of such a file says against it. The templates of a chart are text until Helm has rendered them.
fn fault(path: &str, text: &str) -> Option<String> {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "rs" => syn::parse_file(text).err().map(|error| error.to_string()),
        "toml" | "lock" => text.parse::<toml_edit::DocumentMut>().err().map(|error| error.to_string()),
        "yaml" | "yml" if !path.contains("/templates/") => {
            serde_saphyr::from_multiple::<Value>(text).err().map(|error| error.to_string())
        }
        "json" => serde_json::from_str::<Value>(text).err().map(|error| error.to_string()),
        "sql" => unclosed(text).map(|line| format!("a literal of `{line}` goes on in the next line")),
        _ => None,
    }
}

/// The first line that ends inside a literal: what Liquibase reads of the next one would be the user's to say. A comment
/// has none.
fn unclosed(sql: &str) -> Option<&str> {
    sql.lines().filter(|line| !line.starts_with("-- ")).find(|line| {
        let (mut rest, mut open) = (*line, false);
        while let Some(at) = rest.find('\'') {
            let escapes = rest[..at].ends_with('E');
            rest = &rest[at + 1..];
            match literal_end(rest, escapes) {
                Some(end) => rest = &rest[end..],
                None => {
                    open = true;
                    break;
                }
            }
        }
        open
    })
}

/// Where a literal ends whose first quote was read (PostgreSQL documentation, 4.1.2).
pub fn literal_end(text: &str, escapes: bool) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if escapes => drop(letters.next()),
            '\'' if letters.next_if(|(_, next)| *next == '\'').is_none() => return Some(at + 1),
            _ => {}
        }
    }
    None
}
