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

#[test]
fn the_difference_leads_from_base_to_next() {
    let base = json!({"a": {"x": 1, "y": 2}, "b": 1, "c": {"d": 1}});
    let next = json!({"a": {"x": 1, "z": 3}, "c": 5, "e": {"f": {}}});
    let edits = difference(&base, &next);
    let edited = edit(&emit(&base), &edits, &[]).unwrap();
    assert_eq!(json(&edited).unwrap(), next);
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
