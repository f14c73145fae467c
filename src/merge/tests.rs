use proptest::prelude::*;

use super::*;

const BASE_YAML: &str = include_str!("../../tests/merge/base.yaml");
const CI: &str = include_str!("../../tests/merge/ci.yaml");
const CARGO: &str = include_str!("../../tests/merge/Cargo.toml");
const README: &str = include_str!("../../tests/merge/README.md");
const LIB: &str = include_str!("../../tests/merge/lib.rs");
const APP: &str = include_str!("../../tests/merge/app.rs");
const KUSTOMIZATION: &str = include_str!("../../tests/merge/kustomization.yaml");
const DEPLOYMENT: &str = include_str!("../../tests/merge/deployment.yaml");

fn lists() -> Vec<String> {
    [r"^(pub )?mod \w+;$", r"^\| .* \|$", r"^          - [a-z0-9-]+$"].map(str::to_owned).to_vec()
}

fn run(path: &str, base: &str, ours: &str, next: &str) -> Merged {
    merge(path, &lists(), Sides { base, ours, next })
}

#[track_caller]
fn clean(path: &str, base: &str, ours: &str, next: &str, result: &str) {
    assert_eq!(run(path, base, ours, next), Merged::Clean(result.to_owned()));
}

#[track_caller]
fn conflict(path: &str, base: &str, ours: &str, next: &str, result: &str) {
    assert_eq!(run(path, base, ours, next), Merged::Conflict(result.to_owned()));
}

#[test]
fn one_side_alone_wins() {
    clean("a", "1\n", "2\n", "1\n", "2\n");
    clean("a", "1\n", "1\n", "2\n", "2\n");
    clean("a", "1\n", "2\n", "2\n", "2\n");
}

#[test]
fn a_deletion_never_takes_what_the_user_wrote() {
    let conflict_of = |ours: &str| matches!(run("a", "1\n2\n3\n4\n5\n", ours, "1\n5\n"), Merged::Conflict(_));
    assert!(conflict_of("1\n2\nuser\n3\n4\n5\n"));
    assert!(conflict_of("1\n2\n3 changed\n4\n5\n"));
    conflict(
        "a",
        "1\n2\n3\n",
        "1\n2 mine\n3\n",
        "1\n3\n",
        "1\n<<<<<<< yours\n2 mine\n||||||| previous template\n2\n=======\n>>>>>>> new template\n3\n",
    );
    // A table's row that the user has twice goes once.
    assert!(matches!(run("x.md", "| a |\n", "| a |\n| a |\n| m |\n", "| new |\n"), Merged::Conflict(_)));
}

#[test]
fn a_comment_of_the_users_does_not_go_with_what_it_is_about() {
    for (path, base, ours, next) in [
        ("x.yaml", "x: don't\ny: 1\n", "x: don't # mine\ny: 1\nz: 1\n", "y: 1\nnew: 1\n"),
        ("x.toml", "x = 1\ny = 1\n", "x = 1 # mine\ny = 1\nz = 1\n", "y = 1\nnew = 1\n"),
    ] {
        assert!(matches!(run(path, base, ours, next), Merged::Conflict(_)), "{path}");
    }
}

#[test]
fn a_conflict_is_no_larger_than_it_must_be() {
    conflict(
        "a",
        "1\n2\n3\n4\n",
        "1 mine\n2\n3\n4\n",
        "1 new\n2\n3\n4 new\n",
        "<<<<<<< yours\n1 mine\n||||||| previous template\n1\n=======\n1 new\n>>>>>>> new template\n2\n3\n4 new\n",
    );
    // Each line merges, and `c` would be there twice.
    conflict(
        "x.rs",
        "// head\nfn a() {}\nfn b() {}\n// tail\n",
        "// head\nfn a() {}\nfn b() {}\nfn c() {}\n// tail\n",
        "// head\nfn c() {}\nfn a() {}\nfn b() {}\n// tail\n",
        "// head\n<<<<<<< yours\nfn a() {}\nfn b() {}\nfn c() {}\n||||||| previous template\nfn a() {}\nfn b() {}\n\
         =======\nfn c() {}\nfn a() {}\nfn b() {}\n>>>>>>> new template\n// tail\n",
    );
    // A line is not the head's and the tail's.
    assert_eq!(
        whole(Sides { base: "1\n", ours: "1\n2\n1\n", next: "1\n3\n1\n" }),
        "1\n<<<<<<< yours\n2\n1\n||||||| previous template\n=======\n3\n1\n>>>>>>> new template\n"
    );
}

#[test]
fn an_addition_beside_a_changed_line_stays_beside_it() {
    clean("a.md", "1\n2\n", "1\n2\nmine\n", "1\n2 new\n", "1\n2 new\nmine\n");
    clean("a.md", "1\n2\n", "1\n2 mine\n", "1\nnew\n2\n", "1\nnew\n2 mine\n");
    assert!(matches!(run("a.md", "1\n2\n", "1\n2\nmine\n", "1\n"), Merged::Conflict(_)));
    assert!(matches!(run("a.md", "1\n2\n", "1\n2\nmine\n", "1\n2 new\nnew\n"), Merged::Conflict(_)));
}

#[test]
fn line_ends_mark_and_missing_newline_are_the_users() {
    clean("a", "1\n2\n3\n", "1 mine\r\n2\r\n3\r\n", "1\n2\n3 new\n", "1 mine\r\n2\r\n3 new\r\n");
    clean("a", "1\n2\n3\n", "\u{feff}1\n2\n3", "1\n2\n3\n4\n", "\u{feff}1\n2\n3\n4");
    clean("a", "1\n2\n", "1\r\n2\r\n", "1\n2\n3\n", "1\r\n2\r\n3\r\n");
    assert!(
        matches!(run("a", "1\n2\n", "1\r\nx\r\n", "1\ny\n"), Merged::Conflict(text) if text.matches("\r\n").count() == text.matches('\n').count())
    );
}

#[test]
fn lists_keep_the_additions_of_both() {
    clean(
        "lib.rs",
        "mod a;\nmod c;\n",
        "mod a;\nmod c;\nmod x;\n",
        "mod a;\nmod c;\nmod d;\n",
        "mod a;\nmod c;\nmod d;\nmod x;\n",
    );
    clean(
        "lib.rs",
        "mod c;\nmod a;\n",
        "mod c;\nmod a;\nmod x;\n",
        "mod c;\nmod a;\nmod d;\n",
        "mod c;\nmod a;\nmod x;\nmod d;\n",
    );
    clean("lib.rs", "mod a;\nmod b;\n", "mod a;\n", "mod a;\nmod b;\nmod d;\n", "mod a;\nmod d;\n");
    assert!(matches!(run("lib.rs", "mod a;\n", "pub mod a;\n", "pub(crate) mod a;\n"), Merged::Conflict(_)));
}

#[test]
fn items_stay_with_their_list() {
    // Behind the list, before it, and in it.
    clean("x.md", "| a |\n\nb\n", "| a |\n\nmine\n\nb\n", "| a |\n| new |\n\nb\n", "| a |\n| new |\n\nmine\n\nb\n");
    clean("x.md", "| a |\n", "| a |\n| m |\nmine\n", "| a |\n| new |\n", "| a |\n| m |\n| new |\nmine\n");
    clean(
        "lib.rs",
        "use x;\nmod b;\n",
        "use x;\n// mine\nmod b;\n",
        "use x;\nmod a;\nmod b;\n",
        "use x;\n// mine\nmod a;\nmod b;\n",
    );
    clean(
        "ci.yaml",
        "e:\n          - b\n          - d\n",
        "e:\n          - b\n          # mine\n          - d\n",
        "e:\n          - b\n          - c\n          - d\n",
        "e:\n          - b\n          - c\n          # mine\n          - d\n",
    );
    // What the user deleted stays deleted, and an order of his own stays.
    clean("lib.rs", "mod a;\nmod b;\n", "mod a;\n", "mod a;\nmod b;\nmod c;\n", "mod a;\nmod c;\n");
    clean("lib.rs", "mod a;\nmod b;\n", "mod b;\nmod a;\n", "mod a;\nmod b;\nmod c;\n", "mod b;\nmod a;\nmod c;\n");
    // The template's own text behind the list, and text in the place of an item.
    clean("x.md", "| a |\n", "| a |\n| m |\n", "| a |\nnew\n", "| a |\n| m |\nnew\n");
    clean("x.md", "| a |\n", "| a |\n| m |\n", "new\n", "new\n| m |\n");
    clean("x.md", "| a |\n", "mine\n", "| a |\n| new |\n", "mine\n| new |\n");
    // Both put something else there: nobody knows the order.
    assert!(matches!(run("x.md", "| a |\n", "| a |\nmine\n", "| a |\nnew\n"), Merged::Conflict(_)));
    // Where no list was, lines that look like items are none.
    assert!(matches!(run("x.md", "1\n2\n", "1\n| m |\nmine\n2\n", "1\n| new |\n2\n"), Merged::Conflict(_)));
}

#[test]
fn an_item_that_only_one_side_replaced_is_replaced() {
    clean("lib.rs", "mod a;\n", "mod z;\n", "mod a;\nmod n;\n", "mod n;\nmod z;\n");
    assert!(matches!(run("lib.rs", "mod a;\n", "mod m;\n", "mod n;\n"), Merged::Conflict(_)));
}

#[test]
fn a_clean_merge_that_does_not_parse_is_a_conflict() {
    let base = "fn a() {\n    one();\n}\n\nfn b() {}\n";
    let ours = "fn a() {\n    one();\n}\n\nfn b() {}\n\nfn c() {}\n";
    let next = "fn c() {}\n\nfn a() {\n    one();\n}\n\nfn b() {}\n";
    assert!(matches!(run("x.rs", base, ours, next), Merged::Conflict(text) if text.matches("fn c()").count() == 2));
    for item in [
        "const C: u8 = 1;",
        "fn c() {}",
        "static C: u8 = 1;",
        "enum C {}",
        "mod c {}",
        "struct C;",
        "trait C {}",
        "type C = u8;",
        "union C { c: u8 }",
    ] {
        let merged = run("x.rs", base, &format!("{base}\n{item}\n"), &format!("{item}\n\n{base}"));
        assert!(matches!(merged, Merged::Conflict(_)), "{item}");
    }
    let base = "a: 1\nb: 2\nc: 3\nd: 4\n";
    assert!(matches!(run("x.yaml", base, &format!("x: 1\n{base}"), &format!("{base}x: 2\n")), Merged::Conflict(_)));
    clean("x.yaml", base, &format!("x: 1\n{base}"), &format!("{base}x: 1\n"), &format!("x: 1\n{base}"));
    let base = "a = 1\nb = 2\nc = 3\nd = 4\n";
    assert!(matches!(run("x.toml", base, &format!("x = 1\n{base}"), &format!("{base}x = 2\n")), Merged::Conflict(_)));
    // What did not parse before need not afterwards.
    clean("x.toml", "a = 1\nb = 2\nc = 3\n", "a =\nb = 2\nc = 3\n", "a = 1\nb = 2\nc = 4\n", "a =\nb = 2\nc = 4\n");
}

#[test]
fn yaml_is_merged_by_keys_and_items() {
    // Both add behind the same entry; comments stay, also those that came with the template's.
    clean(
        "x.yaml",
        "a:\n  x: 1\n",
        "a:\n  x: 1\n  # mine\n  y: 2\n",
        "a:\n  x: 1\n  # theirs\n  z: 3\n",
        "a:\n  x: 1\n  # mine\n  y: 2\n  # theirs\n  z: 3\n",
    );
    clean("x.yaml", "a: [1, 2]\n", "a: [1, 2, 9] # mine\n", "a: [1, 2, 3]\n", "a: [1, 2, 3, 9] # mine\n");
    clean("x.yaml", "a: [1, 2]\n", "a: [1, 2, 9]\n", "a: [2]\n", "a: [2, 9]\n");
    clean("x.yaml", "- a\n- b\n", "- a\n- b\n- mine\n", "- a\n- new\n", "- a\n- new\n- mine\n");
    clean("x.yaml", "a: 1\n", "a: 1\nb:\n  mine: 1\n", "a: 1\nb:\n  new: 2\n", "a: 1\nb:\n  mine: 1\n  new: 2\n");
    clean(
        "x.yaml",
        "a:\n  m: 0440\n",
        "a:\n  m: 0440\n  x: 1\n",
        "a:\n  m: 0440\n  n: 0440\n",
        "a:\n  m: 0440\n  n: 0440\n  x: 1\n",
    );
    clean(
        "x.yaml",
        "a: 1\n---\nb:\n  - 1\n",
        "a: 1\n---\nb:\n  - 1\n  - 9\n",
        "a: 1\n---\nb:\n  - 1\n  - 2\n",
        "a: 1\n---\nb:\n  - 1\n  - 9\n  - 2\n",
    );
    for (base, ours, next) in [
        ("a: 1\n", "a: 2\n", "a: 3\n"),
        ("a: 1\nb: 1\n", "b: 1\n", "a: 3\nb: 1\n"),
        ("a: 1\nb: 1\n", "a: 2\nb: 1\n", "b: 1\n"),
        ("a:\n  - x\n", "a:\n  - mine\n", "a:\n  - new\n"),
        ("a:\n  - x\n  - y\n", "a:\n  - y\n", "a:\n  - new\n  - y\n"),
        ("a:\n  - name: x\n    v: 1\n", "a:\n  - name: x\n    v: 2\n", "a:\n  - name: x\n    v: 3\n"),
        // The user changed what the template takes away.
        ("- name: x\n  v: 1\n- name: y\n", "- name: x\n  v: 2\n- name: y\n", "- name: y\n"),
    ] {
        assert!(matches!(run("x.yaml", base, ours, next), Merged::Conflict(_)), "{base}{ours}{next}");
    }
}

/// Merges lists of names as trees; None where both sides changed one thing.
fn names(base: &str, ours: &str, next: &str) -> Option<String> {
    let list = |text: &str| {
        tree::Value::List(text.split_whitespace().map(|name| tree::Value::Scalar(name.to_owned())).collect())
    };
    let [base, ours, next] = [base, ours, next].map(list);
    let change = tree::reconcile(Some(&base), Some(&ours), Some(&next)).ok()?;
    let Some(tree::Value::List(items)) = tree::expected(Some(&ours), Some(&next), &change) else {
        panic!("{change:?}")
    };
    let name = |item| if let tree::Value::Scalar(name) = item { name } else { panic!("{item:?}") };
    Some(items.into_iter().map(name).collect::<Vec<_>>().join(" "))
}

#[test]
fn lists_are_merged_by_their_items() {
    // What one side removed stays away, also where the other one adds.
    assert_eq!(names("c a b", "c a", "c a b d"), Some("c a d".to_owned()));
    assert_eq!(names("c a b", "c b", "c b x"), Some("c b x".to_owned()));
    // What both added is there once.
    assert_eq!(names("c a", "c a x", "c a y x"), Some("c a x y".to_owned()));
    // What both removed may have got something else in its place by one of them, but then by both.
    assert_eq!(names("a b c", "a c y", "a c"), Some("a c y".to_owned()));
    assert_eq!(names("a b c", "a x c", "a c"), None);
    assert_eq!(names("a b c", "x c", "a x c"), Some("x c".to_owned()));
    assert_eq!(names("a b c", "a x c", "a y c"), None);
    assert_eq!(names("a b", "a x", "a"), None);
    // What took one place together stays in its order.
    assert_eq!(names("a b c", "a b c m", "a x y c"), Some("a x y c m".to_owned()));
    // An order of its own is taken over whole, or not at all.
    assert_eq!(names("a b c", "a b c", "c b a"), Some("c b a".to_owned()));
    assert_eq!(names("a b c", "a b c d", "c b a"), None);
    assert_eq!(names("a b", "a b", ""), Some(String::new()));
    assert_eq!(names("a b", "a b c", ""), None);
}

#[test]
fn documents_of_yaml_are_merged_one_by_one_or_not_at_all() {
    clean(
        "x.yaml",
        "a: 1\nb: 1\n---\nc: 1\n",
        "a: 2\nb: 1\n---\nc: 1\n",
        "a: 1\nb: 2\n---\nc: 1\n",
        "a: 2\nb: 2\n---\nc: 1\n",
    );
    assert!(matches!(run("x.yaml", "a: 1\nb: 1\n", "a: 2\nb: 1\n", "a: 1\nb: 2\n---\nc: 1\n"), Merged::Conflict(_)));
}

#[test]
fn maps_of_yaml_keep_what_only_ours_has() {
    clean("x.yaml", "x:\n  a: 1\n", "x:\n  a: 1\n  b: 2\n", "x: {}\n", "x:\n  b: 2\n");
    clean("x.yaml", "x:\n  a: 1\n", "x: # mine\n  a: 1\n", "x:\n  b: 2\n", "x: # mine\n  b: 2\n");
    // The first entry stands behind the dash.
    clean(
        "x.yaml",
        "l:\n  - x: 1\n    name: a\n    y: 1\n",
        "l:\n  - x: 1\n    name: a\n    y: 2\n",
        "l:\n  - name: a\n    y: 1\n",
        "l:\n  - name: a\n    y: 2\n",
    );
    clean("x.yaml", "a: 1 # why\n", "a: 1 # mine\n", "a: 2 # because\n", "a: 2 # mine\n");
    // Ours is in an order of its own.
    clean(
        "x.yaml",
        "z: 1\na: 1\nm: 1\n",
        "m: 2\nz: 2\na: 2\n",
        "z: 1\nnew: 1\na: 1\nm: 1\n",
        "m: 2\nz: 2\nnew: 1\na: 2\n",
    );
}

#[test]
fn a_new_entry_of_yaml_comes_as_it_is_written() {
    // With its list at its own indentation and its blank lines, without the header of the file.
    clean(
        "x.yaml",
        "# head\nb: 1\na: 1\n",
        "# head\nb: 2\na: 1\n",
        "# head\nnew:\n- 1\n\n- 2\nb: 1\na: 1\n",
        "# head\nnew:\n- 1\n\n- 2\nb: 2\na: 1\n",
    );
    clean(
        "x.yaml",
        "x:\n  a: 1\n  b: 1\n",
        "x:\n  a: 1\n  b: 2\n",
        "x:\n  a: 1\n  b: 1\n  new:\n  - 1\n\n  - 2\n",
        "x:\n  a: 1\n  b: 2\n  new:\n  - 1\n\n  - 2\n",
    );
    // A comment farther left than the entry would lose its beginning.
    assert!(matches!(
        run("x.yaml", "x:\n  a: 1\n", "x:\n  a: 2\n", "x:\n  a: 1\n  new:\n#####\n    b: 1\n"),
        Merged::Conflict(_)
    ));
    // An anchor comes with its value.
    clean("x.yaml", "a: 1\nb: 1\n", "a: 1\nb: 2\n", "a: &x 2\nb: 1\n", "a: &x 2\nb: 2\n");
}

#[test]
fn what_yaml_would_refuse_is_no_merge() {
    // Each line merges, and a key would be there twice.
    let (base, ours) = ("a: 1\n\nb: 1\n\nc: 1\n", "new: 1\na: 1\n\nb: 1\n\nc: 1\n");
    clean("x.yaml", base, ours, "a: 1\n\nb: 1\n\nc: 1\nnew: 1\n", ours);
    assert!(matches!(run("x.yaml", base, ours, "a: 1\n\nb: 1\n\nc: 1\nnew: 2\n"), Merged::Conflict(_)));
    let below = |text: &str| format!("x:\n{}", text.replace("a:", "  a:").replace("new:", "  new:"));
    let (base, ours, next) = (below("a: 1\n# -\n"), below("new: 1\na: 1\n# -\n"), below("a: 1\n# -\nnew: 2\n"));
    assert!(matches!(run("x.yaml", &base, &ours, &next), Merged::Conflict(_)));
    // The reader merges maps, however often it is told to.
    let (base, ours) = ("a: 1\n\nb: 1\n\nc: 1\n", "<<: {x: 1}\na: 1\n\nb: 1\n\nc: 1\n");
    assert!(matches!(run("x.yaml", base, ours, "a: 1\n\nb: 1\n\nc: 1\n<<: {x: 2}\n"), Merged::Conflict(_)));
    // Each line merges, and an alias would have lost its anchor.
    let (base, ours) = ("a: &x 1\n\nb: 1\n\nc: 1\n", "a: &x 1\n\nb: 1\n\nc: *x\n");
    clean("x.yaml", base, ours, "a: 1\n\nb: 1\n\nc: 1\n", ours);
}

#[test]
fn tables_of_toml_come_behind_the_users() {
    clean("x.toml", "a = 1\nb = 1\n", "a = 1\nb = 2\n", "b = 1\n\n[a]\nx = 1\n", "b = 2\n\n[a]\nx = 1\n");
    clean(
        "x.toml",
        "[a]\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n",
        "[a] # mine\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n",
        "[new]\nw = 1\n\n[new.inner]\nv = 1\n\n[[new.list]]\nu = 1\n\n[a]\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n",
        "[a] # mine\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n\n[new]\nw = 1\n\n[new.inner]\nv = 1\n\n[[new.list]]\nu = 1\n",
    );
    clean(
        "x.toml",
        "[a]\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n",
        "[a] # mine\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n",
        "# why\n[[new]]\nw = 1\n\n[new.inner]\nv = 1\n\n[a]\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n",
        "[a] # mine\nx = 1\n\n[b]\nz = 1\n\n[c]\nz = 1\n\n[d]\nz = 1\n\n# why\n[[new]]\nw = 1\n\n[new.inner]\nv = 1\n",
    );
}

#[test]
fn a_name_that_both_sides_have_twice_may_be_there_twice() {
    let text = |one: &str, other: &str| {
        format!("// {one}\n// -\n#[cfg(unix)]\nfn a() {{}}\n#[cfg(windows)]\nfn a() {{}}\n// -\n// {other}\n")
    };
    clean("x.rs", &text("1", "2"), &text("mine", "2"), &text("1", "new"), &text("mine", "new"));
}

#[test]
fn a_lone_carriage_return_is_no_reason_for_a_conflict_with_what_did_not_change() {
    clean("x.yaml", "a: 1\n", "a: 1\rb: [\n", "a: 1\n", "a: 1\rb: [\n");
}

#[test]
fn markers_are_those_of_both_ends() {
    assert!(has_markers("\u{feff}<<<<<<< yours\n=======\n>>>>>>> new template\n"));
    assert!(!has_markers("<<<<<<< yours\n"));
    assert!(!has_markers(">>>>>>> new template\n"));
    assert!(!has_markers("a <<<<<<< b\n >>>>>>> c\n"));
}

#[test]
fn toml_is_merged_by_keys_and_items() {
    clean(
        "Cargo.toml",
        "[a]\nx = { version = \"1\", features = [\"a\"] }\n",
        "[a]\nx = { version = \"1\", features = [\"a\", \"mine\"] } # mine\n",
        "[a]\nx = { version = \"2\", features = [\"a\", \"new\"] }\n",
        "[a]\nx = { version = \"2\", features = [\"a\", \"mine\", \"new\"] } # mine\n",
    );
    clean(
        "x.toml",
        "[a]\nb = 1\nd = 2\n",
        "[a]\nb = 1\nd = 2\nx = 3\n",
        "[a]\nb = 1\nd = 2\ne = 3\n",
        "[a]\nb = 1\nd = 2\ne = 3\nx = 3\n",
    );
    clean(
        "x.toml",
        "a = [\n  1, # one\n  2,\n]\n",
        "a = [\n  1, # one\n  2,\n  9, # mine\n]\n",
        "a = [\n  1, # one\n  2,\n  3,\n]\n",
        "a = [\n  1, # one\n  2,\n  3,\n  9, # mine\n]\n",
    );
    clean(
        "x.toml",
        "[a]\nx = 1\n",
        "[a]\nx = 1\n\n[mine]\ny = 1\n",
        "[a]\nx = 1\n\n# why\n[new]\ny = 1\n",
        "[a]\nx = 1\n\n[mine]\ny = 1\n\n# why\n[new]\ny = 1\n",
    );
    let bumped = "[dependencies]\na = \"2\"\n";
    let with = |version: u8| format!("[dependencies]\na = {{ version = \"{version}\", features = [\"x\"] }}\n");
    clean("Cargo.toml", "[dependencies]\na = \"1\"\n", &with(1), bumped, &with(2));
    clean("Cargo.toml", "[dependencies]\na = \"1\"\n", bumped, &with(1), &with(2));
    let table = "[dependencies.a]\nversion = \"1\"\nfeatures = [\"x\"]\n";
    clean(
        "Cargo.toml",
        "[dependencies]\na = { version = \"1\" }\n",
        table,
        "[dependencies]\na = { version = \"2\" }\n",
        &table.replace('1', "2"),
    );
    // Elsewhere a text is no version.
    let elsewhere = |text: &str| text.replace("dependencies", "other");
    let [base, ours, next] = ["[dependencies]\na = \"1\"\n", &with(1), bumped].map(elsewhere);
    assert!(matches!(run("Cargo.toml", &base, &ours, &next), Merged::Conflict(_)));
    clean(
        "Cargo.toml",
        "[[bench]]\nname = \"a\"\n",
        "[[bench]]\nname = \"a\"\n\n[[bench]]\nname = \"mine\"\n",
        "[[bench]]\nname = \"a\"\n\n[[bench]]\nname = \"new\"\n",
        "[[bench]]\nname = \"a\"\n\n[[bench]]\nname = \"mine\"\n\n[[bench]]\nname = \"new\"\n",
    );
    assert!(matches!(run("x.toml", "a = 1\n", "a = 2\n", "a = 3\n"), Merged::Conflict(_)));
    // A value that is there keeps its comment, and a comment alone is not worth a conflict.
    clean("x.toml", "a = 1\n", "a = 1 # mine\n", "a = 3\n", "a = 3 # mine\n");
    clean("x.toml", "a = 1 # old\n", "a = 2 # old\n", "a = 1 # new\n", "a = 2 # old\n");
    assert_eq!(toml::comments("# a\nb = \"#\" # c\nd = '''\n# no\n''' # e\n"), ["# a", "# c", "# e"]);
}

#[test]
fn a_new_key_goes_where_it_belongs_in_toml() {
    // Among sorted keys in its place, otherwise behind the key that it follows in the template. One key is not sorted.
    clean("x.toml", "b = 1\nd = 2\n", "b = 1\nd = 2\nx = 3\n", "b = 1\nd = 2\nz = 3\n", "b = 1\nd = 2\nx = 3\nz = 3\n");
    clean("x.toml", "d = 1\nb = 2\n", "d = 9\nb = 2\n", "d = 1\nm = 5\nb = 2\n", "d = 9\nm = 5\nb = 2\n");
    clean("x.toml", "m = 1\n", "m = 2\n", "m = 1\nb = 3\n", "m = 2\nb = 3\n");
}

type Replace = (&'static str, &'static str);

/// What users do to their files while the template changes nearby.
const EVERYDAY: &[(&str, &str, Replace, Replace)] = &[
    // Both append to a map of maps.
    (
        "config/base.yaml",
        BASE_YAML,
        (
            "    handler: delete_currency\n",
            "    handler: delete_currency\n  mine:\n    method: GET\n    path: /mine\n    handler: mine\n",
        ),
        (
            "    handler: delete_currency\n",
            "    handler: delete_currency\n  list_cities:\n    method: GET\n    path: /api/v1/cities\n    handler: list_cities\n",
        ),
    ),
    // The user adds a key where the template adds one.
    (
        "config/base.yaml",
        BASE_YAML,
        ("  max_connections: 10000\n", "  max_connections: 10000\n  mine: 1\n"),
        ("  max_connections: 10000\n", "  max_connections: 10000\n  keep_alive: 5s\n"),
    ),
    // A comment where the template adds a key.
    (
        "config/base.yaml",
        BASE_YAML,
        ("  max_connections: 10000\n", "  # enough for us\n  max_connections: 10000\n"),
        ("  max_connections: 10000\n", "  max_connections: 10000\n  keep_alive: 5s\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  max_connections: 10000\n", "  max_connections: 10000 # enough for us\n"),
        ("  max_connections: 10000\n", "  max_connections: 10000\n  keep_alive: 5s\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  max_connections: 10000\n", "  max_connections: 500\n"),
        ("  max_connections: 10000\n", "  max_connections: 10000\n  keep_alive: 5s\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  max_connections: 10000\n", "  max_connections: 500\n"),
        ("  max_body_bytes: 1048576\n", "  max_body_bytes: 2097152\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  max_connections: 10000\n", ""),
        ("  max_connections: 10000\n", "  max_connections: 10000\n  keep_alive: 5s\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  workers: 4\n  queue: 1000\n", "  queue: 1000\n  workers: 4\n"),
        ("  task_timeout: 20s\n", "  task_timeout: 30s\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  workers: 4\n  queue: 1000\n", "  queue: 1000\n  workers: 8\n"),
        ("  queue: 1000\n", "  queue: 2000\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  db_duration: true\n", "  db_duration: false\n"),
        ("  db_calls: true\n  db_duration: true\n", "  db_calls: true\n  db_duration: true\n  queue_length: true\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  pool:\n    max: 16\n    acquire_timeout: 250ms\n", "  pool: { max: 16, acquire_timeout: 250ms }\n"),
        ("    max: 16\n", "    max: 32\n"),
    ),
    ("config/base.yaml", BASE_YAML, ("  level: info\n", "  level: debug\n"), ("  level: info\n", "  level: warn\n")),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  listen: \"0.0.0.0:9090\"\n", "  listen: '0.0.0.0:9090'\n"),
        ("  readyz_needs_database: true\n", "  readyz_needs_database: true\n  pprof: false\n"),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("  factorial:\n    method: POST\n    path: /api/v1/factorials\n    handler: factorial\n", ""),
        (
            "handlers:\n  factorial:\n",
            "handlers:\n  alpha:\n    method: GET\n    path: /a\n    handler: alpha\n  factorial:\n",
        ),
    ),
    (
        "config/base.yaml",
        BASE_YAML,
        ("    path: /api/v1/factorials\n", "    path: /factorials\n    timeout: 3s\n"),
        ("    path: /api/v1/factorials\n", "    path: /api/v1/factorials\n    max_body_bytes: 100\n"),
    ),
    // CI: steps, lists, actions pinned anew.
    (
        ".github/workflows/ci.yaml",
        CI,
        ("      - run: cargo test --locked\n", "      - run: cargo test --locked\n      - run: make smoke\n"),
        ("      - run: cargo test --locked\n", "      - run: cargo test --locked\n      - run: cargo audit\n"),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("      - run: cargo fmt --check\n", "      # ours is strict\n      - run: cargo fmt --check\n"),
        (
            "      - uses: Swatinem/rust-cache@e18b497796c12c097a38f9edb9d0641fb99eee32 # v2.9.1\n",
            "      - uses: Swatinem/rust-cache@aaaaaaaaaaaa2c097a38f9edb9d0641fb99eee32 # v2.9.2\n",
        ),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("      - run: cargo fmt --check\n", ""),
        (
            "      - run: cargo clippy --locked --all-targets -- --deny warnings\n",
            "      - run: cargo clippy --locked --all-targets --all-features -- --deny warnings\n",
        ),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("          - prod\n", "          - prod\n          - qa\n"),
        ("          - prod\n", "          - prod\n          - staging\n"),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        (
            "          - dev\n          - prod\n          - test\n",
            "          - test\n          - prod\n          - dev\n",
        ),
        ("          - prod\n", "          - prod\n          - staging\n"),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("    branches: [main]\n", "    branches: [main, develop]\n"),
        ("    branches: [main]\n", "    branches: [main]\n    tags: [v*]\n"),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("    branches: [main]\n", "    branches: [main, develop]\n"),
        ("    branches: [main]\n", "    branches: [main, release]\n"),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("permissions: {}\n", "permissions:\n  contents: read\n"),
        (
            "permissions: {}\n\nconcurrency:\n",
            "permissions: {}\n\ndefaults:\n  run:\n    shell: bash\n\nconcurrency:\n",
        ),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("    timeout-minutes: 30\n", "    timeout-minutes: 60\n"),
        (
            "    runs-on: ubuntu-24.04\n    timeout-minutes: 30\n",
            "    runs-on: ubuntu-26.04\n    timeout-minutes: 30\n",
        ),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("      REQUIRE_DATABASE: \"1\"\n", "      REQUIRE_DATABASE: \"1\"\n      RUST_LOG: debug\n"),
        ("      REQUIRE_DATABASE: \"1\"\n", "      REQUIRE_DATABASE: \"1\"\n      RUST_BACKTRACE: \"1\"\n"),
    ),
    (
        ".github/workflows/ci.yaml",
        CI,
        ("        image: postgres:17\n", "        image: postgres:18\n"),
        ("        image: postgres:17\n", "        image: postgres:17.2\n"),
    ),
    // Cargo.toml.
    (
        "Cargo.toml",
        CARGO,
        ("uuid = {", "ulid = \"1\"\nuuid = {"),
        ("tracing-subscriber = { version = \"0.3.23\"", "tracing-subscriber = { version = \"0.3.24\""),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("uuid = { version = \"1.29.3\"", "zeta = \"1\"\nuuid = { version = \"1.29.3\""),
        ("uuid = { version = \"1.29.3\"", "uuid = { version = \"1.30.0\""),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("features = [\"macros\", \"net\", ", "features = [\"fs\", \"macros\", \"net\", "),
        ("tokio = { version = \"1.54.1\"", "tokio = { version = \"1.55.0\""),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("\"signal\", \"sync\", \"time\"] }\n", "\"signal\", \"sync\", \"time\", \"fs\"] }\n"),
        ("\"signal\", \"sync\", \"time\"] }\n", "\"signal\", \"sync\", \"time\", \"process\"] }\n"),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("serde_json = \"1.0.154\"\n", "serde_json = { version = \"1.0.154\", features = [\"raw_value\"] }\n"),
        ("serde_json = \"1.0.154\"\n", "serde_json = \"1.0.155\"\n"),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("version = \"0.1.0\"\n", "version = \"1.4.0\"\n"),
        ("description = \"My service\"\n", "description = \"My other service\"\n"),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("use_self = \"warn\"\n", "use_self = \"warn\"\nwildcard_imports = \"warn\"\n"),
        ("use_self = \"warn\"\n", "use_self = \"warn\"\nunwrap_in_result = \"warn\"\n"),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("[profile.dev]\n", "[features]\nextra = []\n\n[profile.dev]\n"),
        ("[profile.dev]\n", "[lints.rustdoc]\nbroken = \"warn\"\n\n[profile.dev]\n"),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("anyhow = \"1.0.104\"\n", "# pinned by us\nanyhow = \"1.0.104\"\n"),
        ("anyhow = \"1.0.104\"\n", "anyhow = \"1.0.105\"\n"),
    ),
    (
        "Cargo.toml",
        CARGO,
        ("codegen-units = 16\nlto = false\n", "codegen-units = 16\nlto = false\ndebug = 1\n"),
        ("codegen-units = 16\nlto = false\n", "codegen-units = 32\nlto = false\nincremental = true\n"),
    ),
    // Rust.
    (
        "src/lib.rs",
        LIB,
        ("pub mod build;\n", "pub mod build;\npub mod mine;\n"),
        ("pub mod build;\n", "pub mod build;\npub mod cache;\n"),
    ),
    ("src/lib.rs", LIB, ("pub mod db;\n", "mod db;\n"), ("pub mod db;\n", "pub mod db;\npub mod cache;\n")),
    (
        "src/lib.rs",
        LIB,
        ("pub mod server;\npub mod middleware;\n", "pub mod middleware;\npub mod server;\n"),
        ("pub mod middleware;\n", "pub mod middleware;\npub mod limits;\n"),
    ),
    (
        "src/app.rs",
        APP,
        ("    pub workers: Workers,\n}", "    pub workers: Workers,\n    pub mine: Mine,\n}"),
        ("    pub draining: Arc<Draining>,\n", "    pub draining: Arc<Draining>,\n    pub cache: Cache,\n"),
    ),
    (
        "src/app.rs",
        APP,
        ("    pub workers: Workers,\n}", "    pub workers: Workers,\n    pub mine: Mine,\n}"),
        ("    pub workers: Workers,\n}", "    pub workers: Workers,\n    pub cache: Cache,\n}"),
    ),
    (
        "src/app.rs",
        APP,
        (
            "        .layer(from_fn_with_state(state.clone(), middleware::observe))\n",
            "        .layer(mine())\n        .layer(from_fn_with_state(state.clone(), middleware::observe))\n",
        ),
        ("        .fallback(async || AppError::NotFound)\n", "        .fallback(async || AppError::Absent)\n"),
    ),
    // README.
    (
        "README.md",
        README,
        ("| `/api/v1/factorials` | POST |\n", "| `/api/v1/factorials` | POST |\n| `/mine` | GET |\n"),
        ("| `/api/v1/factorials` | POST |\n", "| `/api/v1/factorials` | POST |\n| `/api/v1/hello` | GET |\n"),
    ),
    (
        "README.md",
        README,
        ("| prod | 2 | external | existing | prod |\n", "| prod | 4 | external | existing | prod |\n"),
        (
            "| prod | 2 | external | existing | prod |\n",
            "| prod | 2 | external | existing | prod |\n| staging | 2 | external | existing | test |\n",
        ),
    ),
    (
        "README.md",
        README,
        ("| dev | 1 | in-cluster | file | dev,testdata |\n", ""),
        (
            "| prod | 2 | external | existing | prod |\n",
            "| prod | 2 | external | existing | prod |\n| staging | 2 | external | existing | test |\n",
        ),
    ),
    (
        "README.md",
        README,
        (
            "An HTTP service in Rust (axum) over PostgreSQL, generated by appgen and yours to change.\n",
            "The best service.\n",
        ),
        ("generated by appgen and yours to change.\n", "made by appgen and yours to change.\n"),
    ),
    (
        "README.md",
        README,
        (
            "- **Offline images**: `cargo vendor` before `deploy/scripts/build`.\n",
            "- **Offline images**: `cargo vendor` before `deploy/scripts/build`.\n\n## Ours\n",
        ),
        (
            "- **Offline images**: `cargo vendor` before `deploy/scripts/build`.\n",
            "- **Offline images**: `cargo vendor` first.\n",
        ),
    ),
    // Kustomize.
    (
        "deploy/kustomize/base/kustomization.yaml",
        KUSTOMIZATION,
        ("  - migrate-job.yaml\n", "  - migrate-job.yaml\n  - hpa.yaml\n"),
        ("  - migrate-job.yaml\n", "  - migrate-job.yaml\n  - service-monitor.yaml\n"),
    ),
    (
        "deploy/kustomize/base/kustomization.yaml",
        KUSTOMIZATION,
        ("  - pdb.yaml\n", ""),
        ("  - migrate-job.yaml\n", "  - migrate-job.yaml\n  - service-monitor.yaml\n"),
    ),
    (
        "deploy/kustomize/base/kustomization.yaml",
        KUSTOMIZATION,
        (
            "      - LIQUIBASE_COMMAND_USERNAME=my_service\n",
            "      - LIQUIBASE_COMMAND_USERNAME=my_service\n      - MINE=1\n",
        ),
        (
            "      - LIQUIBASE_COMMAND_USERNAME=my_service\n",
            "      - LIQUIBASE_COMMAND_USERNAME=my_service\n      - LIQUIBASE_LOG_LEVEL=INFO\n",
        ),
    ),
    (
        "deploy/kustomize/base/deployment.yaml",
        DEPLOYMENT,
        (
            "              value: /run/secrets/my-service/db_password\n",
            "              value: /run/secrets/my-service/db_password\n            - name: MINE\n              value: \"1\"\n",
        ),
        (
            "              value: /run/secrets/my-service/db_password\n",
            "              value: /run/secrets/my-service/db_password\n            - name: APP__NEW\n              value: \"1\"\n",
        ),
    ),
    (
        "deploy/kustomize/base/deployment.yaml",
        DEPLOYMENT,
        (
            "              cpu: 100m\n              memory: 64Mi\n",
            "              cpu: 200m\n              memory: 128Mi\n",
        ),
        (
            "              memory: 64Mi\n            limits:\n",
            "              memory: 64Mi\n              ephemeral-storage: 1Gi\n            limits:\n",
        ),
    ),
    (
        "deploy/kustomize/base/deployment.yaml",
        DEPLOYMENT,
        (
            "            periodSeconds: 10\n            timeoutSeconds: 2\n",
            "            periodSeconds: 30\n            timeoutSeconds: 5\n",
        ),
        (
            "            timeoutSeconds: 2\n            failureThreshold: 3\n          readinessProbe:\n",
            "            timeoutSeconds: 2\n            failureThreshold: 3\n            terminationGracePeriodSeconds: 10\n          readinessProbe:\n",
        ),
    ),
    (
        "deploy/kustomize/base/deployment.yaml",
        DEPLOYMENT,
        ("            sizeLimit: 64Mi\n", "            sizeLimit: 1Gi\n        - name: mine\n          emptyDir: {}\n"),
        (
            "            sizeLimit: 64Mi\n",
            "            sizeLimit: 64Mi\n        - name: cache\n          emptyDir: {}\n",
        ),
    ),
    (
        "deploy/kustomize/base/deployment.yaml",
        DEPLOYMENT,
        (
            "        prometheus.io/scrape: \"true\"\n",
            "        mine/annotation: x\n        prometheus.io/scrape: \"true\"\n",
        ),
        (
            "        prometheus.io/scrape: \"true\"\n        prometheus.io/port: \"9090\"\n        prometheus.io/path: /metrics\n",
            "",
        ),
    ),
];

#[test]
fn everyday_edits_seldom_conflict() {
    let mut conflicts = Vec::new();
    for (path, base, ours, next) in EVERYDAY {
        let [mine, new] = [ours, next].map(|(from, to)| {
            assert_eq!(base.matches(from).count().min(1), 1, "{path}: {from}");
            base.replacen(from, to, 1)
        });
        let result = run(path, base, &mine, &new);
        if let Merged::Conflict(_) = result {
            conflicts.push((*path, ours.1));
        }
    }
    // Two values, a line of prose and a field in one place that both sides changed.
    let expected = [
        ("config/base.yaml", "  level: debug\n"),
        (".github/workflows/ci.yaml", "        image: postgres:18\n"),
        ("src/app.rs", "    pub workers: Workers,\n    pub mine: Mine,\n}"),
        ("README.md", "The best service.\n"),
    ];
    assert_eq!(conflicts, expected);
}

/// A random edit of a text's lines. What is new carries a number, so that it can be found again.
#[derive(Debug, Clone)]
enum Random {
    Insert(prop::sample::Index, &'static str),
    Delete(prop::sample::Index),
    Append(prop::sample::Index, &'static str),
    Duplicate(prop::sample::Index),
    Swap(prop::sample::Index),
}

fn edits() -> impl Strategy<Value = Vec<Random>> {
    let line = prop::sample::select(vec![
        "# note @",
        "  key@: 1",
        "      - item-@",
        "key@ = 1",
        "pub mod m@;",
        "| row @ | x |",
        "// note @",
        "[t@]",
        "text @",
        "    run: |",
        "",
        "]",
        "}",
        "  - name: n@",
        "    - {a: @}",
        "f@ = [\"#\", 'x'] # y",
    ]);
    let edit = prop_oneof![
        4 => (any::<prop::sample::Index>(), line).prop_map(|(at, line)| Random::Insert(at, line)),
        2 => any::<prop::sample::Index>().prop_map(Random::Delete),
        1 => (any::<prop::sample::Index>(), prop::sample::select(vec![" # @", "@", " @ |"])).prop_map(|(at, end)| Random::Append(at, end)),
        1 => any::<prop::sample::Index>().prop_map(Random::Duplicate),
        1 => any::<prop::sample::Index>().prop_map(Random::Swap),
    ];
    prop::collection::vec(edit, 0..8)
}

/// Edits are near each other: that is where merges are hard.
fn edited(text: &str, who: &str, window: &prop::sample::Index, edits: &[Random]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let start = window.index(lines.len());
    let near = |at: &prop::sample::Index, length: usize| (start + at.index(8)).min(length - 1);
    for (number, edit) in edits.iter().enumerate() {
        let number = format!("{who}{number}");
        match edit {
            Random::Insert(at, line) => {
                let at = near(at, lines.len());
                lines.insert(at, line.replace('@', &number));
            }
            Random::Delete(at) if lines.len() > 1 => {
                let at = near(at, lines.len());
                lines.remove(at);
            }
            Random::Delete(_) => {}
            Random::Append(at, end) => {
                let at = near(at, lines.len());
                lines[at] += &end.replace('@', &number);
            }
            Random::Duplicate(at) => {
                let at = near(at, lines.len());
                lines.insert(at, lines[at].clone());
            }
            Random::Swap(at) => {
                let at = near(at, lines.len());
                let other = (at + 1).min(lines.len() - 1);
                lines.swap(at, other);
            }
        }
    }
    lines.join("\n") + "\n"
}

/// A user's line is there, or, where values were merged into it, what made it the user's.
fn kept(line: &str, base: &str, result: &str) -> bool {
    if base.lines().chain(result.lines()).any(|other| other == line) {
        return true;
    }
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.starts_with("user")).map(str::to_owned).collect()
    };
    words(line).iter().all(|word| result.contains(word.as_str()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_of_the_user_is_in_the_result(
        file in 0_usize..8,
        window in any::<prop::sample::Index>(),
        mine in edits(),
        new in edits(),
    ) {
        let (path, base) = [
            ("config/base.yaml", BASE_YAML), ("ci.yaml", CI), ("Cargo.toml", CARGO), ("README.md", README),
            ("src/lib.rs", LIB), ("src/app.rs", APP), ("kustomization.yaml", KUSTOMIZATION), ("deployment.yaml", DEPLOYMENT),
        ][file];
        let (ours, next) = (edited(base, "user", &window, &mine), edited(base, "new", &window, &new));
        let merged = run(path, base, &ours, &next);
        let (Merged::Clean(text) | Merged::Conflict(text)) = &merged;
        for line in ours.lines() {
            prop_assert!(kept(line, base, text), "{line}\n---\n{text}");
        }
        if let Merged::Clean(text) = &merged && ours != base {
            let format = Format::of(path);
            let accepted = format.accepts(Sides { base, ours: &ours, next: &next }, text);
            prop_assert!(accepted, "{text}");
        }
        prop_assert_eq!(run(path, base, base, &next), Merged::Clean(next.clone()));
        prop_assert_eq!(run(path, base, &ours, base), Merged::Clean(ours.clone()));
        // Merging once more changes nothing: what was taken over is not taken over twice.
        if let Merged::Clean(text) = &merged {
            prop_assert_eq!(run(path, &next, text, &next), Merged::Clean(text.clone()));
        }
    }
}
