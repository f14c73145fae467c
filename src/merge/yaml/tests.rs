use proptest::prelude::*;
use serde_json::json;

use super::*;

fn set(path: &str, value: Json) -> Edit {
    Edit { path: path.split('.').map(str::to_owned).collect(), value: Some(value) }
}

fn remove(path: &str) -> Edit {
    Edit { path: path.split('.').map(str::to_owned).collect(), value: None }
}

#[track_caller]
fn check(before: &str, edits: &[Edit], after: &str) {
    let result = edit(before, edits, &[]).unwrap_or_else(|error| panic!("{error}\n{before}"));
    assert_eq!(result, after);
}

#[test]
fn an_entry_goes_in_sorted_place_and_keeps_everything_else() {
    check(
        "# head\nenvironments:\n  # the first\n  dev: # here\n    replicas: 1\n\n  prod:\n    replicas: 2\n    # log: x\n\n# tail\nother: 1\n",
        &[set("environments.local", json!({"replicas": 1, "contexts": ["on", "a b", "1:30", "no"]}))],
        "# head\nenvironments:\n  # the first\n  dev: # here\n    replicas: 1\n\n  local:\n    replicas: 1\n    contexts:\n      - \"on\"\n      - a b\n      - \"1:30\"\n      - \"no\"\n\n  prod:\n    replicas: 2\n    # log: x\n\n# tail\nother: 1\n",
    );
}

#[test]
fn an_entry_goes_to_the_end_of_unsorted_siblings() {
    check("b: 1\na: 2 # x\n# end\n", &[set("aa", json!("x"))], "b: 1\na: 2 # x\naa: x\n# end\n");
}

#[test]
fn parents_are_made() {
    check("version: 1\n", &[set("a.b.c", json!(true))], "version: 1\na:\n  b:\n    c: true\n");
    check("", &[set("a.b", json!(1))], "a:\n  b: 1\n");
    check("# only\n", &[set("a.b", json!(1))], "# only\na:\n  b: 1\n");
    check("{}\n", &[set("a.b", json!(1))], "a:\n  b: 1\n");
}

#[test]
fn null_and_empty_parents_become_blocks() {
    check("a: # why\nb: 1\n", &[set("a.x", json!(1))], "a: # why\n  x: 1\nb: 1\n");
    check("a:\n  # commented: 1\nb: 1\n", &[set("a.x", json!(1))], "a:\n  x: 1\n  # commented: 1\nb: 1\n");
    check("a: {} # why\nb: 1\n", &[set("a.x", json!({"v": [1]}))], "a: # why\n  x:\n    v:\n      - 1\nb: 1\n");
    check("a: ~\nb: 1\n", &[set("a.x", json!(1))], "a:\n  x: 1\nb: 1\n");
    check("s:\n    a: {}\n", &[set("s.a.x", json!(1))], "s:\n    a:\n        x: 1\n");
}

#[test]
fn flow_maps_stay_flow_maps() {
    check(
        "environments: { dev: {}, prod: {} }\n",
        &[set("environments.local", json!({"a": ["x, y", 1]}))],
        "environments: { dev: {}, local: {a: [\"x, y\", 1]}, prod: {} }\n",
    );
    check("e: { dev: {}, prod: {} }\n", &[remove("e.dev")], "e: { prod: {} }\n");
    check("e: {dev: {}, prod: {a: 1}}\n", &[set("e.dev.x", json!(1))], "e: {dev: {x: 1}, prod: {a: 1}}\n");
    check("e: {dev: 1}\nf: 1\n", &[remove("e.dev")], "f: 1\n");
}

#[test]
fn several_edits_go_in_one_pass() {
    check(
        "a:\n  x: 1\nb:\n  y: 1\nc: 3\n",
        &[set("a.z", json!(1)), set("b.y", json!("2")), remove("c"), set("a.w.v", json!(1)), set("a.w.u", json!(2))],
        "a:\n  w:\n    v: 1\n    u: 2\n  x: 1\n  z: 1\nb:\n  y: \"2\"\n",
    );
    check("a: 1\n", &[set("b", json!({"c": 1})), set("b.d", json!(2)), remove("a")], "b:\n  c: 1\n  d: 2\n");
    check("a: 1\nb:\n  c: 1\n", &[remove("b"), set("b.d", json!(2))], "a: 1\nb:\n  d: 2\n");
}

#[test]
fn a_removed_entry_leaves_comments_and_takes_empty_parents() {
    check("a:\n  # about x\n  x: 1\n  y: 2\n", &[remove("a.x")], "a:\n  # about x\n  y: 2\n");
    check("a:\n  b:\n    c: 1\nd: 1\n", &[remove("a.b.c")], "d: 1\n");
    check("a:\n  b: 1\n  c: 2\nd: 1\n", &[remove("a.b"), remove("a.c")], "d: 1\n");
    check("a: 1\n", &[remove("b.c")], "a: 1\n");
    check("# c\na: 1\n", &[remove("a")], "# c\n");
}

#[test]
fn values_are_replaced_in_place() {
    check("a: 1 # one\nb: 'x'\n", &[set("a", json!(2)), set("b", json!("it's"))], "a: 2 # one\nb: it's\n");
    check("a:\n  - 1\n  - 2\nb: 1\n", &[set("a", json!([1, 3, 2]))], "a:\n  - 1\n  - 3\n  - 2\nb: 1\n");
    check("a:\n- 1\n- 2 # two\nb: 1\n", &[set("a", json!([2, 3]))], "a:\n- 2 # two\n- 3\nb: 1\n");
    check("a: [1, 2]\n", &[set("a", json!([2, 3]))], "a: [2, 3]\n");
    check("a: |\n  text\n  more\nb: 1\n", &[set("a", json!("x"))], "a: x\nb: 1\n");
    check("a: 1\nb: 1\n", &[set("a", json!({"x": 1}))], "a:\n  x: 1\nb: 1\n");
    check("a:\n  x: 1\nb: 1\n", &[set("a", json!("v"))], "a: v\nb: 1\n");
    check("a: x\n", &[set("a", json!("two\nlines\n"))], &format!("a: {}\n", emit(&json!("two\nlines\n")).trim()));
    check("a:\n  x: 1 # c\n  y: 2\n", &[set("a", json!({"x": 1, "y": 3}))], "a:\n  x: 1 # c\n  y: 3\n");
    check("a: 1\n", &[set("a", Json::Null)], "a: null\n");
    check("a: 1\nb: 2\n", &[set("a", json!([]))], "a: []\nb: 2\n");
}

#[test]
fn quoted_keys_line_ends_mark_and_missing_newline() {
    check("\"a b\":\n  'x': 1\n", &[set("a b.v", json!(1))], "\"a b\":\n  v: 1\n  'x': 1\n");
    check("\u{feff}a: 1\r\nb:\r\n  c: 1", &[set("b.d", json!(1))], "\u{feff}a: 1\r\nb:\r\n  c: 1\r\n  d: 1");
    check(
        "a:\n  on: 1\n",
        &[set("a.no", json!("yes")), set("a.y: z", json!(1))],
        "a:\n  \"no\": \"yes\"\n  on: 1\n  \"y: z\": 1\n",
    );
}

#[test]
fn what_is_no_map_or_would_change_more_is_refused() {
    assert_eq!(edit("a: 1\n", &[set("a.b", json!(1))], &[]), Err(EditError::NotAMap("a".to_owned())));
    assert_eq!(edit("a: [1]\n", &[set("a.b", json!(1))], &[]), Err(EditError::NotAMap("a".to_owned())));
    assert_eq!(edit("a: &x\n  b: 1\nc: *x\n", &[set("a.d", json!(1))], &[]), Err(EditError::Unfit));
    assert!(matches!(edit("a: [\n", &[set("a", json!(1))], &[]), Err(EditError::Parse(_))));
}

#[test]
fn a_section_goes_where_it_belongs() {
    let before = "version: 1\n# Ours.\nhandlers:\n  a: 1\nchangesets:\n  b: 1\n";
    let edited = edit(before, &[set("entities.c", json!(1))], &["version", "entities", "handlers", "changesets"]);
    assert_eq!(edited.unwrap(), "version: 1\nentities:\n  c: 1\n# Ours.\nhandlers:\n  a: 1\nchangesets:\n  b: 1\n");
}

/// Every entry and item with its text, below the path of its keys and indices.
fn places(text: &str) -> Vec<String> {
    fn walk(text: &str, node: &Node, path: &str, found: &mut Vec<String>) {
        match &node.kind {
            parse::Kind::Map(_, entries) => {
                for entry in entries {
                    let path = format!("{path}.{}", entry.key);
                    found.push(format!("{path} {:?}", &text[entry.start..entry.end()]));
                    walk(text, &entry.node, &path, found);
                }
            }
            parse::Kind::List(_, items) => {
                for (at, item) in items.iter().enumerate() {
                    let path = format!("{path}.{at}");
                    found.push(format!("{path} {:?}", &text[item.start..item.end()]));
                    walk(text, &item.node, &path, found);
                }
            }
            parse::Kind::Null => assert!(node.span.is_empty(), "{path}"),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for document in parse::parse(text).unwrap() {
        walk(text, &document, "", &mut found);
    }
    found
}

#[test]
fn every_entry_and_item_has_its_place() {
    assert_eq!(
        places("a: 1 # one\nb:\n  c:   # none\n  d: &x\n"),
        [r#".a "a: 1""#, r#".b "b:\n  c:   # none\n  d: &x""#, r#".b.c "c:""#, r#".b.d "d: &x""#]
    );
    assert_eq!(
        places("- &a- x\n- \n- - y-z\n  - w\n"),
        [r#".0 "- &a- x""#, r#".1 "-""#, r#".2 "- - y-z\n  - w""#, r#".2.0 "- y-z""#, r#".2.1 "- w""#]
    );
    assert_eq!(places("a:\n  # none\n\nb: &y\n# two\nc: 1\n"), [r#".a "a:""#, r#".b "b: &y""#, r#".c "c: 1""#]);
    assert_eq!(places("a: &x # one\nb: !t # two\n"), [r#".a "a: &x""#, r#".b "b: !t""#]);
    // Below its dash, which may stand behind others.
    assert_eq!(
        places("l:\n  -\n    # one\n\n    a: 1\n  - - # two\n      b\n    -\n      c\n  - -\n      d: 1\n"),
        [
            r#".l "l:\n  -\n    # one\n\n    a: 1\n  - - # two\n      b\n    -\n      c\n  - -\n      d: 1""#,
            r#".l.0 "-\n    # one\n\n    a: 1""#,
            r#".l.0.a "a: 1""#,
            r#".l.1 "- - # two\n      b\n    -\n      c""#,
            r#".l.1.0 "- # two\n      b""#,
            r#".l.1.1 "-\n      c""#,
            r#".l.2 "- -\n      d: 1""#,
            r#".l.2.0 "-\n      d: 1""#,
            r#".l.2.0.d "d: 1""#,
        ]
    );
    assert_eq!(
        places("a: [x, {b: 1}]\n"),
        [r#".a "a: [x, {b: 1}]""#, r#".a.0 "x""#, r#".a.1 "{b: 1}""#, r#".a.1.b "b: 1""#]
    );
}

#[test]
fn what_is_too_deep_or_tagged_is_not_read() {
    let nested = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
    assert!(parse::parse(&nested(100)).is_ok());
    assert!(parse::parse(&nested(101)).is_err());
    let nested = |depth: usize| "{a: ".repeat(depth) + "1" + &"}".repeat(depth);
    assert!(parse::parse(&nested(100)).is_ok() && parse::parse(&nested(101)).is_err());
    assert!(parse::parse("a: !x {b: 1}\n").is_err());
    assert!(parse::parse("a: !x\n  - 1\n").is_err());
    assert!(parse::parse("{a: 1}: 1\n").is_err());
}

#[test]
fn quotes_are_no_difference_for_what_is_text_without() {
    let value = |text: &str| parse::parse(text).unwrap().pop().unwrap().value;
    for text in ["a", "nothing", "yesterday", "x1"] {
        assert_eq!(value(text), value(&format!("\"{text}\"")), "{text}");
    }
    for text in ["1", "+1", "-1", ".5", "~", "null", "Null", "true", "no", "ON", "y"] {
        assert_ne!(value(text), value(&format!("\"{text}\"")), "{text}");
    }
}

#[test]
fn a_new_entry_goes_behind_comments_that_belong_to_the_one_before() {
    check(
        "e:\n  dev:\n    r: 1\n    # one\n    # two\n  # about prod\n  prod: 1\n",
        &[set("e.local", json!(1))],
        "e:\n  dev:\n    r: 1\n    # one\n    # two\n  local: 1\n  # about prod\n  prod: 1\n",
    );
}

#[test]
fn sorted_is_what_is_sorted_as_a_whole() {
    check("s:\n  b: 1\n  a: 2\n  c: 3\n", &[set("s.aa", json!(1))], "s:\n  b: 1\n  a: 2\n  c: 3\n  aa: 1\n");
    check("s:\n  m: 1\n", &[set("s.b", json!(1))], "s:\n  b: 1\n  m: 1\n");
    check("m: 1\n", &[set("b", json!(1))], "m: 1\nb: 1\n");
    check("a: 1\nm: 1\n", &[set("b", json!(1))], "a: 1\nb: 1\nm: 1\n");
    // The order of the document's keys is not that of keys below them.
    let edited = edit("v: 1\ns:\n  a: 1\n  c: 1\n", &[set("s.b", json!(1))], &["v", "s"]);
    assert_eq!(edited.unwrap(), "v: 1\ns:\n  a: 1\n  b: 1\n  c: 1\n");
}

#[test]
fn an_empty_map_inside_of_a_flow_map_stays_one() {
    check("x: {\n  a: {},\n  b: 1\n}\n", &[set("x.a.c", json!(1))], "x: {\n  a: {c: 1},\n  b: 1\n}\n");
}

#[test]
fn a_removal_of_what_is_not_there_is_none() {
    check("a: 1\n", &[remove("b.c"), set("z", json!(1))], "a: 1\nz: 1\n");
    check("a: 1\nb: 2\n", &[remove("a"), remove("a.x")], "b: 2\n");
    check("a:\n  x: 1\nb: 2\n", &[remove("a.y"), set("b", json!(3))], "a:\n  x: 1\nb: 3\n");
}

const SPEC: &str = include_str!("../../../tests/merge/appgen.yaml");

/// Paths of every map entry.
fn paths(json: &Json, path: &[String], found: &mut Vec<Vec<String>>) {
    for (key, value) in json.as_object().into_iter().flatten() {
        let path = [path, std::slice::from_ref(key)].concat();
        paths(value, &path, found);
        found.push(path);
    }
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-99_i64..99).prop_map(Json::from),
        prop::sample::select(vec![
            "on",
            "1:30",
            "no",
            "",
            " a",
            "a: b",
            "# x",
            "two\nlines",
            "tail\n",
            "- a",
            "{x}",
            "é",
            "'",
            "\"",
            "0440",
            "*x",
            "&y",
            "!z",
            "%a",
            "@b",
            "---",
            "a #b",
            "[",
            "x, y",
            "\t"
        ])
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let key = prop::sample::select(vec!["a", "b c", "on", "1", "x: y", "z", ""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::vec((key, inner), 0..3).prop_map(|entries| Json::Object(
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_entry_can_be_set_and_removed(
        places in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(value()), any::<bool>()), 1..5),
        line_ends in any::<bool>(),
    ) {
        let mut known = Vec::new();
        paths(&json(SPEC).unwrap(), &[], &mut known);
        let mut edits: Vec<Edit> = Vec::new();
        for (place, value, new) in places {
            let mut path = place.get(&known).clone();
            if new {
                path.pop();
                path.push("new".to_owned());
            }
            // What an earlier edit made a scalar has nothing inside.
            if !edits.iter().any(|edit| path.starts_with(&edit.path) || edit.path.starts_with(&path)) {
                edits.push(Edit { path, value });
            }
        }
        let text = if line_ends { SPEC.replace('\n', "\r\n") } else { SPEC.to_owned() };
        let edited = edit(&text, &edits, &[]);
        prop_assert!(edited.is_ok(), "{edited:?} {edits:?}");
        let edited = edited.unwrap();
        for comment in SPEC.lines().filter(|line| line.trim_start().starts_with("#!")) {
            prop_assert!(edited.contains(comment), "{comment}\n{edited}");
        }
        prop_assert_eq!(edited.contains('\r'), line_ends);
    }
}
