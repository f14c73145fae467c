//! What a spec may hold, and what is said of one that is wrong.

use std::fmt::Write as _;

use crate::support;
use crate::support::Place;
use crate::support::repository::Repo;

#[track_caller]
fn refuse(spec: &[u8]) -> String {
    let place = Place::new();
    let run = place.new_from(spec);
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    assert!(!run.err.contains("panicked"), "{}", run.err);
    assert_eq!(place.entries(), [""; 0]);
    run.err
}

#[test]
fn errors_show_the_place_the_line_and_a_suggestion() {
    let snap = |name: &str, spec: &[u8]| support::snapshot("errors", name, &refuse(spec));
    snap("unknown_key", b"version: 1\nservice:\n  name: a\n  descripton: x\n");
    snap("duplicate_key", b"version: 1\nservice:\n  name: a\nservice:\n  name: b\n");
    snap("tab", b"version: 1\nservice:\n\tname: a\n");
    snap("empty", b"");
    snap("template_syntax", b"version: 1\nservice: { name: {{{ 7*7 }}} }\n");
    snap("strict_boolean", b"version: 1\nservice: { name: a }\nfeatures: { worker_pool: on, ci: githib }\n");
    snap("other_format", b"version: 2\nservice: { name: a }\n");
    snap("keyword", b"version: 1\nservice:\n  name: fn\n");
    snap("several", b"version: 1\nservice: { name: a }\nentities:\n  b:\n    fields:\n      c: { type: ref, to: d }\n      e: { type: decimal, precision: 40 }\n");
}

#[test]
fn hostile_input_is_refused_without_a_panic() {
    let mut nested = String::from("version: ");
    nested.push_str(&"[".repeat(300));
    refuse(nested.as_bytes());
    let mut maps = String::new();
    for depth in 0..300 {
        writeln!(maps, "{}a:", " ".repeat(depth)).unwrap();
    }
    refuse(maps.as_bytes());
    refuse(b"\x7fELF\x02\x01\x01\x00\xff\xfe");
    refuse(b"\x00\x01\x02");
    refuse(b"- a\n- b\n");
    refuse(b"version: 1\nservice: &a { name: a, description: *a }\n");
    refuse(b"version: 1\n---\nversion: 1\n");
    refuse("version: 1\nservice: { name: a, description: \"a\\nb\" }\n".as_bytes());
    refuse(b"version: 1\nservice: { name: a, image: 'a b' }\n");
    refuse(b"version: 1\nservice: { name: a, image: 'a:tag' }\n");
    refuse(b"version: 1\nservice: { name: a, owner: '$(reboot)' }\n");
    refuse(b"version: 1\nservice: { name: a, postgres: 9 }\n");
    refuse(b"version: 1\nservice: { name: a }\nenvironments: { dev: { database_host: 'a; b', database: external } }\n");
    refuse(b"version: 1\nservice: { name: a }\nenvironments: { dev: { contexts: [] } }\n");
    refuse(b"version: 1\nservice: { name: a }\nenvironments: { dev: { contexts: ['a or b'] } }\n");
    refuse(&vec![b'a'; 9 * 1024 * 1024]);
}

#[test]
fn a_written_spec_makes_the_same_repository_again() {
    for case in support::cases() {
        let first = Repo::of_case(&case).files();
        let place = Place::new();
        place.new_from(first["appgen.yaml"].as_bytes()).succeeds();
        let again = support::files(&place.path().join(&place.entries()[0]));
        assert_eq!(first, again, "{case}");
    }
}

#[test]
fn a_reference_has_a_lower_number_than_what_refers_to_it() {
    let spec = b"version: 1\nservice: { name: s }\nentities:\n  b: { fields: { x: { type: ref, to: item } } }\n  item: { fields: { y: { type: text } } }\n";
    let place = Place::new();
    place.new_from(spec).succeeds();
    let files = support::files(&place.path().join("s"));
    let ids: Vec<_> = files.keys().filter_map(|path| path.strip_prefix("db/changelog/changes/")).collect();
    assert_eq!(ids, ["0001-create-items.sql", "0002-create-bs.sql"]);
}

#[test]
fn a_recorded_history_that_cannot_be_replayed_is_refused() {
    let spec = |changesets: &str| {
        format!(
            "version: 1\nservice: {{ name: s }}\nentities:\n  b: {{ fields: {{ x: {{ type: text }} }} }}\nchangesets:\n{changesets}"
        )
    };
    let create = "  0001-create-bs: { create_table: { entity: b, table: bs, fields: { x: { type: text } } } }\n";
    for (changesets, reason) in [
        (
            format!(
                "{create}  0002-create-bs: {{ create_table: {{ entity: b, table: bs, fields: {{ x: {{ type: text }} }} }} }}\n"
            ),
            "an earlier changeset created the table `bs`",
        ),
        (
            "  0001-drop-bs: { drop_table: { entity: b, table: bs, fields: { x: { type: text } } } }\n".to_owned(),
            "no earlier changeset creates the table `bs`",
        ),
        (
            format!(
                "{create}  0002-extend-bs: {{ add_columns: {{ table: bs, fields: {{ x: {{ type: text }} }} }} }}\n"
            ),
            "has the column `x` already",
        ),
        (
            format!(
                "{create}  0002-shrink-bs: {{ drop_columns: {{ table: bs, fields: {{ y: {{ type: text }} }} }} }}\n"
            ),
            "has no column `y`",
        ),
        (
            format!(
                "{create}  0002-shrink-bs: {{ drop_columns: {{ table: bs, fields: {{ x: {{ type: integer }} }} }} }}\n"
            ),
            "`x` of `bs` is not what the changeset says",
        ),
        (create.replace("0001-", "001-"), "is not a changeset id"),
        (create.replace("0001-create-bs", "0001-Create-bs"), "is not a changeset id"),
        (create.replace("-bs", &"-bs".repeat(40)), "is not a changeset id"),
        (
            format!(
                "{create}  0002-alter-bs: {{ alter_column: {{ table: bs, column: x, from: {{ type: integer }}, to: {{ type: text }} }} }}\n"
            ),
            "is not what `from` says",
        ),
        (
            "  0001-create-bs: { create_table: { entity: c, table: bs, fields: { x: { type: text } } } }\n".to_owned(),
            "the table `bs` was made for `c`",
        ),
    ] {
        let refused = refuse(spec(&changesets).as_bytes());
        assert!(refused.contains(reason), "{changesets}\n{refused}");
    }
    let unique = create.replace("type: text", "type: text, unique: true");
    for (create, context, rows, reason) in [
        (&*unique, "dev", "[{ x: null }]", "a row without `x` would never be recognised"),
        (&unique, "dev", "[]", "there are no rows"),
        (&unique, "dev", "[{ x: a }, { y: b }]", "every row has the columns of the first"),
        (&unique, "dev", "[{ x: a, y: b }]", "has no column `y`"),
        (&unique, "'!dev'", "[{ x: a }]", "is not a plain Liquibase context"),
        (create, "dev", "[{ x: a }]", "no unique column of `bs`"),
    ] {
        let insert =
            format!("  0002-insert-bs: {{ insert_rows: {{ table: bs, context: {context}, rows: {rows} }} }}\n");
        let refused = refuse(spec(&format!("{create}{insert}")).as_bytes());
        assert!(refused.contains(reason), "{rows}\n{refused}");
    }
}

#[test]
fn a_changed_entity_makes_changesets() {
    // What is there, what is wanted, what comes of it.
    for (there, wanted, outcome) in [
        ("{ type: text, length: 5 }", "{ type: text, length: 9 }", "varchar(9)"),
        ("{ type: text }", "{ type: text, required: true }", "becomes required"),
        ("{ type: text }", "{ type: text, required: true, backfill: x }", "set not null"),
        ("{ type: text, required: true }", "{ type: text }", "drop not null"),
        ("{ type: text }", "{ type: integer }", "cannot become another type"),
        ("{ type: integer }", "{ type: text }", "alter column x type text"),
        ("{ type: integer }", "{ type: bigint, unique: true }", "unique (x)"),
        ("{ type: enum, values: [a] }", "{ type: enum, values: [a, b] }", "check (x in ('a', 'b'))"),
        ("{ type: text }", "{ type: text }, y: { type: text, required: true }", "may have rows"),
        ("{ type: text }", "{ type: text }, y: { type: text, unique: true, backfill: q }", "cannot all get one value"),
        ("{ type: text }", "{ type: text }, y: { type: integer, required: true, backfill: 7 }", "default 7"),
        ("{ type: text }", "{ type: text }, y: { type: integer, backfill: seven }", "is no value of this field"),
        ("{ type: text }, y: { type: date }", "{ type: text }", "drop column y"),
        ("{ type: text }", "{ type: text, index: true }", "create index bs_x_idx on bs (x, id)"),
        ("{ type: text, index: true }", "{ type: text }", "drop index bs_x_idx"),
        ("{ type: text, index: true }", "{ type: text, unique: true }", "drop index bs_x_idx"),
        ("{ type: text }", "{ type: text, min_length: 2 }", "check (char_length(x) >= 2)"),
        ("{ type: text }", "{ type: text, pattern: '[a-z]+' }", "check (x ~ '^(?:[a-z]+)$')"),
        ("{ type: integer, min: 0 }", "{ type: integer, min: 0, max: 9 }", "check (x >= 0 and x <= 9)"),
        ("{ type: integer, max: 9 }", "{ type: integer }", "drop constraint bs_x_check"),
        ("{ type: decimal, scale: 2 }", "{ type: decimal, scale: 2, min: '-0.5' }", "check (x >= -0.50)"),
        ("{ type: decimal, scale: 2 }", "{ type: decimal, scale: 2, min: 0.5 }", "write it as a string"),
        ("{ type: decimal, scale: 2 }", "{ type: decimal, scale: 2, max: '0.005' }", "is no value of this field"),
        ("{ type: smallint }", "{ type: smallint, max: 40000 }", "is no value of this field"),
        ("{ type: integer }", "{ type: integer, min: 2, max: 1 }", "`min` is more than `max`"),
        ("{ type: text }", "{ type: text, min: 1 }", "does not apply"),
        ("{ type: text }", "{ type: text, pattern: 'a.*' }", "not the same everywhere"),
        ("{ type: text, length: 2 }", "{ type: text, length: 2, pattern: '[a-z]{3}' }", "no text of at most"),
        ("{ type: text, length: 2 }", "{ type: text, length: 2, min_length: 3 }", "is more than `length`"),
        ("{ type: json }", "{ type: json, index: true }", "does not apply"),
        ("{ type: text, unique: true }", "{ type: text, unique: true, index: true }", "has an index already"),
        ("{ type: text }", "{ type: text }, after: { type: date, index: true }", "is a parameter of their pages"),
        (
            "{ type: text }",
            "{ type: text }, y: { type: text, pattern: 'a+', backfill: b }",
            "is no value of this field",
        ),
        ("{ type: text }", "{ type: text }, y: { type: integer, min: 5, backfill: 4 }", "is no value of this field"),
    ] {
        let spec = format!(
            "version: 1\nservice: {{ name: s }}\nentities:\n  b: {{ fields: {{ x: {wanted} }} }}\nchangesets:\n  \
             0001-create-bs: {{ create_table: {{ entity: b, table: bs, fields: {{ x: {there} }} }} }}\n"
        );
        let place = Place::new();
        let run = place.new_from(spec.as_bytes());
        let said = match run.code {
            0 => {
                let files = support::files(&place.path().join("s"));
                files.into_iter().filter(|(path, _)| path.contains("changes/0002")).map(|(_, text)| text).collect()
            }
            _ => run.err,
        };
        assert!(said.contains(outcome), "{there} -> {wanted}:\n{said}");
    }
}

#[test]
fn sections_are_written_in_their_order() {
    use appgen::spec::{SECTIONS, Spec, SpecDocument};
    let document = SpecDocument::parse("on", &support::case_text("on")).unwrap();
    let yaml = Spec::resolve(document).unwrap().to_yaml();
    let keys = yaml.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let keys: Vec<_> = keys.filter_map(|line| line.split(':').next()).collect();
    assert_eq!(keys, SECTIONS);
}
