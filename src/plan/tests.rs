//! Every decision about one file, by what is written down of it, what the templates make before and after, and what is
//! on the disk.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

use std::fs;

use tempfile::TempDir;

use super::*;

/// A repository on disk, and what the templates make of it before and after.
struct Case {
    place: TempDir,
    written: BTreeMap<RelPath, Written>,
    difference: Difference,
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn file(class: Class, text: &str) -> Rendered {
    Rendered {
        text: text.to_owned(),
        class,
        executable: false,
        optional: false,
        lists: Vec::new(),
        extension: None,
        renamed_from: None,
    }
}

fn renamed(class: Class, text: &str, from: &str) -> Rendered {
    Rendered { renamed_from: Some(path(from)), ..file(class, text) }
}

/// The case of one file, `a`: how it is made before and after, and what is there.
fn one(base: Option<Rendered>, next: Option<Rendered>, there: Option<&[u8]>) -> Case {
    let case = Case::new();
    let case = base.into_iter().fold(case, |case, file| case.base("a", file));
    let case = next.into_iter().fold(case, |case, file| case.next("a", file));
    there.into_iter().fold(case, |case, bytes| case.there("a", bytes))
}

impl Case {
    fn new() -> Self {
        let place = TempDir::new().unwrap();
        fs::write(place.path().join(SPEC_FILE), "").unwrap();
        Self { place, written: BTreeMap::new(), difference: Difference::default() }
    }

    fn base(mut self, at: &str, file: Rendered) -> Self {
        self.difference.base.insert(path(at), file);
        self
    }

    fn next(mut self, at: &str, file: Rendered) -> Self {
        self.difference.next.insert(path(at), file);
        self
    }

    fn same(mut self, at: &str) -> Self {
        self.difference.same.insert(path(at));
        self
    }

    /// An earlier run wrote this.
    fn written(mut self, at: &str, file: &Rendered) -> Self {
        self.written.insert(path(at), Written::new(file));
        self
    }

    fn there(self, at: &str, bytes: &[u8]) -> Self {
        fs::write(self.place.path().join(at), bytes).unwrap();
        self
    }

    fn tree(&self) -> Worktree {
        Worktree::enclosing(self.place.path()).unwrap()
    }

    /// The decisions. What is written knows what it takes the place of.
    fn reconciled(&self) -> Reconciled {
        let done = reconcile(&self.written, &self.difference, &self.tree()).unwrap();
        for change in done.plan.written() {
            let there = fs::read(self.place.path().join(change.path.as_str())).ok();
            assert_eq!(change.ours, there, "{change:?}");
        }
        done
    }

    fn refused(&self) -> Vec<String> {
        match reconcile(&self.written, &self.difference, &self.tree()) {
            Err(PlanError::Refused(reasons)) => reasons,
            other => panic!("{other:?}"),
        }
    }

    /// Each change in a line: what happens, to what, and the text that is there afterwards.
    fn says(&self) -> Vec<String> {
        self.reconciled().says()
    }
}

impl Reconciled {
    fn says(&self) -> Vec<String> {
        let line = |change: &Change| {
            let edited = if change.edited { " edited" } else { "" };
            let text = change.text.as_ref().map_or(String::new(), |text| format!(" {text:?}"));
            format!("{:?} {}{edited}{text}", change.action, change.path)
        };
        self.plan.changes.iter().map(line).collect()
    }

    fn conflicts(&self) -> Vec<&str> {
        self.conflicts.iter().map(RelPath::as_str).collect()
    }

    fn recorded(&self) -> Vec<(&str, String)> {
        self.files.iter().map(|(path, written)| (path.as_str(), written.sha256.clone())).collect()
    }
}

const NOTHING: &[&str] = &[];
const CLASSES: [Class; 3] = [Class::Merged, Class::Managed, Class::CargoLock];

#[test]
fn a_new_repository_has_its_spec_and_its_lock() {
    use crate::spec::SpecDocument;
    use crate::spec::name::ServiceName;
    let spec = Spec::resolve(SpecDocument::named(ServiceName::parse("a").unwrap())).unwrap();
    let plan = Plan::create(&spec, &TemplateSet::embedded().unwrap()).unwrap();
    let text = |at: &str| plan.changes.iter().find(|change| change.path == path(at)).unwrap().text.clone().unwrap();
    assert_eq!(text(SPEC_FILE), spec.to_yaml());
    assert_eq!(Lock::parse(LOCK_FILE, &text(LOCK_FILE)).unwrap().spec, spec);
    assert!(plan.changes.is_sorted_by(|a, b| a.path < b.path));
    assert!(plan.changes.iter().all(|change| change.action == Action::Create && change.text.is_some()));
}

#[test]
fn what_the_templates_do_not_change_is_left_alone() {
    for class in CLASSES {
        let text = file(class, "one\n");
        for there in [None, Some(&b"other\n"[..])] {
            assert_eq!(one(Some(text.clone()), Some(text.clone()), there).says(), NOTHING);
        }
    }
}

#[test]
fn a_file_without_edits_becomes_the_next_one() {
    for class in CLASSES {
        let case = one(Some(file(class, "one\n")), Some(file(class, "two\n")), Some(b"one\n"));
        let done = case.reconciled();
        assert_eq!(done.says(), ["Update a \"two\\n\""]);
        assert_eq!((done.conflicts(), done.recorded()), (vec![], vec![]));
        // In the form that it has.
        let case = one(Some(file(class, "one\n")), Some(file(class, "two\n")), Some(b"one\r\n"));
        assert_eq!(case.says(), ["Update a \"two\\r\\n\""]);
        let case = one(Some(file(class, "one\n")), Some(file(class, "two\n")), Some(b"two"));
        assert_eq!(case.says(), NOTHING, "it is the next one already");
    }
}

#[test]
fn a_file_without_edits_becomes_the_next_one_in_whatever_language() {
    let of = |text: &str| Case::new().base("a.yaml", file(Class::Merged, text)).there("a.yaml", text.as_bytes());
    for text in ["a: 1\n", "{{ broken\n"] {
        let case = of(text).next("a.yaml", file(Class::Merged, "a: [\n"));
        assert_eq!(case.says(), ["Update a.yaml \"a: [\\n\""]);
    }
}

#[test]
fn a_file_that_somebody_removed_is_missed_unless_nothing_needs_it() {
    for class in CLASSES {
        let next = file(class, "two\n");
        assert_eq!(one(Some(file(class, "one\n")), Some(next.clone()), None).says(), ["Missing a"]);
        let optional = Rendered { optional: true, ..next };
        assert_eq!(one(Some(file(class, "one\n")), Some(optional), None).says(), NOTHING);
    }
}

#[test]
fn edits_are_merged() {
    let merged = |ours: &str, next: &str| {
        one(Some(file(Class::Merged, "1\n2\n3\n")), Some(file(Class::Merged, next)), Some(ours.as_bytes()))
    };
    assert_eq!(merged("1\n2\n3\nours\n", "0\n1\n2\n3\n").says(), ["Update a edited \"0\\n1\\n2\\n3\\nours\\n\""]);
    // The change is there already, and more.
    assert_eq!(merged("0\n1\n2\n3\nours\n", "0\n1\n2\n3\n").says(), NOTHING);

    let conflict = merged("1\nours\n3\n", "1\ntheirs\n3\n").reconciled();
    let change = &conflict.plan.changes[0];
    assert_eq!((change.action, change.edited, conflict.conflicts()), (Action::Conflict, true, vec!["a"]));
    assert!(change.text.as_ref().unwrap().contains("<<<<<<<"));
    assert_eq!(change.sides, Some(("1\n2\n3\n".to_owned(), "1\ntheirs\n3\n".to_owned())));
    assert_eq!(conflict.plan.conflicts().map(RelPath::as_str).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_lockfile_is_merged_by_packages() {
    let packages = |names: &[&str]| {
        let entry = |name: &&str| format!("\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
        format!("version = 4\n{}", names.iter().map(entry).collect::<String>())
    };
    let [base, ours, next] = [&["a"][..], &["a", "ours"], &["a", "next"]].map(packages);
    let case = one(Some(file(Class::CargoLock, &base)), Some(file(Class::CargoLock, &next)), Some(ours.as_bytes()));
    assert_eq!(case.says(), [format!("Update a edited {:?}", packages(&["a", "next", "ours"]))]);
    let case = one(Some(file(Class::CargoLock, &base)), Some(file(Class::CargoLock, &next)), None);
    assert_eq!(case.there("a", packages(&["a", "next", "ours"]).as_bytes()).says(), NOTHING, "it has both");
}

#[test]
fn a_file_that_is_generated_whole_is_refused_with_edits() {
    let next = file(Class::Managed, "2\n1\n0\n");
    let case = one(Some(file(Class::Managed, "1\n2\n")), Some(next.clone()), Some(b"2\n1\n"));
    assert_eq!(case.says(), ["Update a edited \"2\\n1\\n0\\n\""], "what sorted the lines is no edit");

    let edited = |next: Rendered| one(Some(file(Class::Managed, "1\n2\n")), Some(next), Some(b"1\nours\n"));
    let [reason] = edited(next.clone()).refused().try_into().unwrap();
    assert_eq!(reason, "`a` is generated whole and has edits; `appgen restore a` (your text stays beside it)");
    let extended = Rendered { extension: Some("own".to_owned()), ..next.clone() };
    let case = edited(extended)
        .base("b", file(Class::Managed, "1\n"))
        .next("b", next)
        .there("b", b"ours\n")
        .base("c", file(Class::Merged, "1\n"))
        .next("c", file(Class::Merged, "2\n"))
        .there("c", b"1\n");
    let reasons = case.refused();
    assert_eq!(reasons.len(), 2, "every one is named: {reasons:?}");
    assert!(reasons[0].contains("move yours into `own`, then `appgen restore a`"), "{reasons:?}");
}

#[test]
fn a_new_file_does_not_take_the_place_of_another() {
    for class in CLASSES {
        let next = || Some(Rendered { executable: true, ..file(class, "one\n") });
        let created = one(None, next(), None).reconciled();
        assert_eq!(
            (created.says(), created.plan.changes[0].executable),
            (vec!["Create a \"one\\n\"".to_owned()], true)
        );
        assert_eq!(one(None, next(), Some(b"one\r\n")).says(), NOTHING);

        let case = one(None, next(), Some(b"ours\n"));
        let beside = case.reconciled();
        assert_eq!(beside.says(), ["Sidecar a.appgen-new \"one\\n\""]);
        assert_eq!(beside.conflicts(), ["a"]);
        assert!(beside.plan.changes[0].executable);
        let again = case.there("a.appgen-new", b"old\n").reconciled();
        assert_eq!(again.plan.conflicts().count(), 1);
    }
}

#[test]
fn bytes_that_are_no_text_are_not_merged() {
    for class in CLASSES {
        let case = one(Some(file(class, "one\n")), Some(file(class, "two\n")), Some(b"\xff\n"));
        let done = case.reconciled();
        assert_eq!((done.says(), done.conflicts()), (vec!["Sidecar a.appgen-new \"two\\n\"".to_owned()], vec!["a"]));
        assert_eq!(one(Some(file(class, "one\n")), None, Some(b"\xff\n")).says(), ["Keep a"]);
    }
}

#[test]
fn a_file_that_is_no_longer_made_goes_unless_it_has_edits() {
    for class in CLASSES {
        let base = || Some(file(class, "one\n"));
        assert_eq!(one(base(), None, None).says(), NOTHING);
        assert_eq!(one(base(), None, Some(b"one\r\n")).says(), ["Delete a"]);
        let kept = one(base(), None, Some(b"ours\n")).reconciled();
        assert_eq!((kept.says(), kept.plan.is_empty()), (vec!["Keep a".to_owned()], true));
    }
}

#[test]
fn what_is_written_once_is_written_once() {
    for class in [Class::Once, Class::Frozen] {
        let (first, second) = (file(class, "one\n"), file(class, "two\n"));
        let hash = |file: &Rendered| vec![("a", Written::new(file).sha256)];

        let created = one(None, Some(first.clone()), None).reconciled();
        assert_eq!((created.says(), created.recorded()), (vec!["Create a \"one\\n\"".to_owned()], hash(&first)));
        let there = one(None, Some(first.clone()), Some(b"one\r\n")).reconciled();
        assert_eq!((there.says(), there.recorded()), (vec![], hash(&first)));

        for there in [None, Some(&b"one\n"[..]), Some(b"ours\n")] {
            let case = one(Some(first.clone()), Some(second.clone()), there).written("a", &first);
            let left = case.reconciled();
            assert_eq!((left.says(), left.recorded()), (vec![], hash(&first)), "{there:?}");
        }
        for (there, says) in
            [(None, None), (Some(&b"one\r\n"[..]), Some("Delete a")), (Some(b"ours\n"), Some("Keep a"))]
        {
            for base in [None, Some(first.clone())] {
                let gone = one(base, None, there).written("a", &first).reconciled();
                let says: Vec<_> = says.map(str::to_owned).into_iter().collect();
                assert_eq!((gone.says(), gone.recorded()), (says, vec![]), "{there:?}");
            }
        }
        // No run wrote it: it is not known, and not touched.
        assert_eq!(one(Some(first.clone()), None, Some(b"one\n")).says(), NOTHING);
    }
    let adopted = one(None, Some(file(Class::Once, "one\n")), Some(b"ours\n")).reconciled();
    assert_eq!((adopted.says(), adopted.recorded().len()), (vec!["Adopt a".to_owned()], 1));
    assert!(adopted.plan.is_empty() && adopted.conflicts().is_empty());
    let beside = one(None, Some(file(Class::Frozen, "one\n")), Some(b"ours\n")).reconciled();
    assert_eq!((beside.says(), beside.conflicts()), (vec!["Sidecar a.appgen-new \"one\\n\"".to_owned()], vec!["a"]));
}

#[test]
fn what_both_sides_make_keeps_its_record() {
    let once = file(Class::Once, "one\n");
    let done = Case::new().same("a").written("a", &once).same("b").there("a", b"ours\n").reconciled();
    assert_eq!((done.says(), done.recorded()), (vec![], vec![("a", Written::new(&once).sha256)]));
}

#[test]
fn edits_move_with_a_file_that_is_renamed() {
    let moving = |next: &str, there: &[u8]| {
        let case = Case::new().base("a", file(Class::Merged, "1\n2\n3\n")).there("a", there);
        case.next("b", renamed(Class::Merged, next, "a"))
    };
    assert_eq!(moving("1\n2\n3\n", b"1\n2\n3\n").says(), ["Delete a", "Create b \"1\\n2\\n3\\n\""]);
    assert_eq!(moving("1\n2\n3\n", b"1\r\nours\r\n3").says(), ["Delete a edited", "Create b \"1\\r\\nours\\r\\n3\""]);
    assert_eq!(
        moving("0\n1\n2\n3\n", b"1\n2\n3\nours\n").says(),
        ["Delete a edited", "Create b \"0\\n1\\n2\\n3\\nours\\n\""]
    );
    let conflict = moving("1\ntheirs\n3\n", b"1\nours\n3\n").reconciled();
    assert_eq!(conflict.conflicts(), ["b"]);
    assert_eq!(
        conflict.plan.changes.iter().map(|change| change.action).collect::<Vec<_>>(),
        [Action::Delete, Action::Conflict]
    );
    let executable = Rendered { executable: true, ..renamed(Class::Merged, "1\n", "a") };
    let case = Case::new().base("a", file(Class::Merged, "1\n")).there("a", b"1\n").next("b", executable);
    assert!(case.reconciled().plan.changes[1].executable);
    // He removed it, moved it himself, or has something else there.
    let removed = Case::new().base("a", file(Class::Merged, "1\n")).next("b", renamed(Class::Merged, "1\n", "a"));
    assert_eq!(removed.says(), ["Create b \"1\\n\""]);
    assert_eq!(removed.there("b", b"1\n").says(), NOTHING);
    assert_eq!(
        moving("1\n2\n3\n", b"1\n2\n3\n").there("b", b"ours\n").says(),
        ["Sidecar b.appgen-new \"1\\n2\\n3\\n\""]
    );
}

#[test]
fn a_rename_is_one_only_while_the_old_name_is_free_and_the_new_one_is_new() {
    let case = || {
        let case = Case::new().base("a", file(Class::Merged, "1\n")).there("a", b"1\n");
        case.next("b", renamed(Class::Merged, "1\n", "a"))
    };
    assert_eq!(case().next("a", file(Class::Merged, "2\n")).says(), ["Update a \"2\\n\"", "Create b \"1\\n\""]);
    assert_eq!(case().same("a").says(), ["Create b \"1\\n\""]);
    assert_eq!(
        case().base("b", file(Class::Merged, "0\n")).there("b", b"0\n").says(),
        ["Delete a", "Update b \"1\\n\""]
    );
    let nobody = Case::new().there("a", b"1\n").next("b", renamed(Class::Merged, "1\n", "a"));
    assert_eq!(nobody.says(), ["Create b \"1\\n\""]);
}

#[test]
fn what_is_written_once_moves_with_its_record() {
    let first = file(Class::Once, "one\n");
    let case = |there: &[u8]| {
        let case = Case::new().base("a", first.clone()).written("a", &first).there("a", there);
        case.next("b", renamed(Class::Once, "two\n", "a"))
    };
    let moved = case(b"ours\n").reconciled();
    assert_eq!(moved.says(), ["Delete a", "Create b \"ours\\n\""]);
    assert_eq!(moved.recorded(), [("b", Written::new(&first).sha256)]);
    // In its place in the list of what was written, it is known by either name.
    let settled = case(b"ours\n").written("b", &first).reconciled();
    assert_eq!((settled.says(), settled.recorded().len()), (vec!["Keep a".to_owned()], 1));
    // The base does not tell that it was written, only the record does.
    let case = Case::new().base("a", first.clone()).there("a", b"one\n");
    assert_eq!(case.next("b", renamed(Class::Once, "one\n", "a")).says(), ["Create b \"one\\n\""]);
}

#[test]
fn what_is_no_file_is_in_the_way() {
    for directory in ["a", "a.appgen-new"] {
        let case = one(None, Some(file(Class::Merged, "1\n")), None);
        fs::create_dir(case.place.path().join(directory)).unwrap();
        let case = if directory == "a" { case } else { case.there("a", b"ours\n") };
        let [reason] = case.refused().try_into().unwrap();
        assert_eq!(reason, format!("`{directory}` is a directory; appgen writes files only: move what is in the way"));
    }
}

#[test]
fn own_files_are_replaced_in_the_order_of_paths() {
    let case = one(Some(file(Class::Merged, "1\n")), Some(file(Class::Merged, "2\n")), Some(b"1\n"));
    let mut done = case.reconciled();
    done.plan.set_own("z", None, "new\n".to_owned()).unwrap();
    done.plan.set_own(SPEC_FILE, Some("spec as it was read\n"), "spec\n".to_owned()).unwrap();
    done.plan.set_own("a", Some("1\n"), "1\n".to_owned()).unwrap();
    assert_eq!(done.says(), ["Update a \"2\\n\"", "Update appgen.yaml \"spec\\n\"", "Create z \"new\\n\""]);
    assert!(!done.plan.is_empty());
    assert_eq!(done.plan.written().count(), 3);
}

#[test]
fn pristine_is_what_has_the_lines_that_were_written() {
    let hash = sha256(b"one\ntwo\n");
    assert!(is_pristine(b"one\ntwo\n", &hash) && is_pristine(b"one\r\ntwo", &hash));
    assert!(!is_pristine(b"two\none\n", &hash) && !is_pristine(b"\xff", &hash));
    assert!(is_pristine(b"\xff", &sha256(b"\xff")));
    assert!(same_lines("b\na\n", "a\nb\n") && !same_lines("a\n", "a\na\n"));
}
