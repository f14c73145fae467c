//! A change that arrives, one that was interrupted at any of its steps, and one that is taken back. `tests/kill.rs` and
//! `tests/faults.rs` do the same to the program, with a real kill and a real disk.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::apply::{BACK, remove_directory};
use super::journal::MANIFEST;
use super::*;
use crate::plan::{Action, Change, Plan};
use crate::worktree::Worktree;

/// What makes a directory a repository.
const SPEC_FILE: &str = "appgen.yaml";

struct Repo(TempDir);

impl Repo {
    fn new(files: &[(&str, &str)]) -> Self {
        let repo = Self(TempDir::new().unwrap());
        repo.write(SPEC_FILE, "");
        files.iter().for_each(|(path, text)| repo.write(path, text));
        repo
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn tree(&self) -> Worktree {
        Worktree::enclosing(self.0.path()).unwrap()
    }

    /// Every file and directory but our records; a directory has no text.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = walkdir::WalkDir::new(self.0.path()).min_depth(1).into_iter().map(Result::unwrap);
        let entries = entries.map(|entry| {
            let name = entry.path().strip_prefix(self.0.path()).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(entry.path()).unwrap_or_default())
        });
        entries.filter(|(name, _)| !name.starts_with(".appgen") && name != SPEC_FILE).collect()
    }

    fn staged(&self, name: &str) -> PathBuf {
        self.at(".appgen/txn/staged").join(name)
    }

    /// Leaves a change as it is when it was killed right behind the commit point.
    fn interrupted(&self, changes: &[(&str, Option<&str>, Option<&str>)]) {
        let tree = self.tree();
        committed(&Guard::acquire(&tree).unwrap().0, changes);
    }

    /// Lets the new file of [`CHANGES`] arrive, and the deletion.
    fn let_two_arrive(&self) {
        fs::create_dir_all(self.at("deep/er")).unwrap();
        fs::rename(self.staged("new-0"), self.at("deep/er/new")).unwrap();
        fs::remove_dir_all(self.at("gone")).unwrap();
    }

    /// What is said when the next command takes the right to change the repository.
    fn recovered(&self) -> Vec<String> {
        let tree = self.tree();
        let (_, said) = Guard::acquire(&tree).unwrap();
        assert!(!is_interrupted(&tree) && !self.at(".appgen/txn/staged").exists());
        said
    }
}

/// Takes a change up to its commit point.
fn committed(guard: &Guard<'_>, changes: &[(&str, Option<&str>, Option<&str>)]) -> Journal {
    let staged = guard.staged();
    fs::create_dir_all(&staged).unwrap();
    let journal = change::stage(guard, "add-env x", &plan(changes)).unwrap();
    fs::rename(staged.join("manifest.new"), staged.join(MANIFEST)).unwrap();
    journal
}

fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn change((path, before, after): (&str, Option<&str>, Option<&str>)) -> Change {
    let action = match (before, after) {
        (None, _) => Action::Create,
        (_, None) => Action::Delete,
        _ => Action::Update,
    };
    let (ours, text) = (before.map(|text| text.as_bytes().to_owned()), after.map(str::to_owned));
    Change { ours, text, ..Change::new(RelPath::parse(path).unwrap(), action, None) }
}

/// A plan of paths, each with what is there before and after.
fn plan(changes: &[(&str, Option<&str>, Option<&str>)]) -> Plan {
    Plan { changes: changes.iter().copied().map(change).collect() }
}

const CHANGES: &[(&str, Option<&str>, Option<&str>)] = &[
    ("deep/er/new", None, Some("new\n")),
    ("gone/too/old", Some("old\n"), None),
    ("keep/same", Some("same\n"), Some("same\n")),
    ("text", Some("before\n"), Some("after\n")),
];
const BEFORE: &[(&str, &str)] =
    &[("gone/too/old", "old\n"), ("keep/same", "same\n"), ("text", "before\n"), ("other/file", "ours\n")];

fn before() -> BTreeMap<String, String> {
    files(BEFORE).into_iter().chain(files(&[("gone", ""), ("gone/too", ""), ("keep", ""), ("other", "")])).collect()
}

fn after() -> BTreeMap<String, String> {
    let made = [("deep", ""), ("deep/er", ""), ("deep/er/new", "new\n"), ("keep", ""), ("keep/same", "same\n")];
    files(&made).into_iter().chain(files(&[("other", ""), ("other/file", "ours\n"), ("text", "after\n")])).collect()
}

#[test]
fn a_change_arrives_and_is_remembered() {
    let repo = Repo::new(BEFORE);
    let tree = repo.tree();
    let (guard, said) = Guard::acquire(&tree).unwrap();
    assert_eq!(said, [""; 0]);
    assert!(last(&tree).unwrap().is_none());
    assert!(matches!(Guard::acquire(&tree), Err(CommitError::Busy(_))));
    let arrival = commit(&guard, "add-env x", &plan(CHANGES)).unwrap();
    assert_eq!((arrival.warnings, arrival.saved_meanwhile), (vec![], vec![]));
    assert_eq!(repo.files(), after());
    assert!(!is_interrupted(&tree) && !guard.staged().exists());
    assert_eq!(fs::read(repo.at(".appgen/txn/.gitignore")).unwrap(), b"*\n");

    let made = last(&tree).unwrap().unwrap();
    let texts = super::before(&tree, &made).unwrap();
    let paths: Vec<_> = made.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!((made.command.as_str(), paths), ("add-env x", vec!["deep/er/new", "gone/too/old", "keep/same", "text"]));
    let texts: Vec<_> = texts.iter().map(|text| text.as_deref()).collect();
    assert_eq!(texts, [None, Some(&b"old\n"[..]), Some(b"same\n"), Some(b"before\n")]);

    // The next one takes its place.
    commit(&guard, "sync", &plan(&[("text", Some("after\n"), Some("again\n"))])).unwrap();
    assert_eq!(last(&tree).unwrap().unwrap().command, "sync");
    assert!(!repo.at(".appgen/txn/last/new-1").exists());
}

#[test]
fn a_file_keeps_its_mode_and_a_new_one_has_that_of_its_template() {
    let mode = |repo: &Repo, path: &str| fs::metadata(repo.at(path)).unwrap().permissions().mode() & 0o7777;
    let repo = Repo::new(&[("private", "1\n"), ("script", "1\n"), ("plain", "1\n")]);
    for (path, mode) in [("private", 0o640), ("script", 0o2751), ("plain", 0o604)] {
        fs::set_permissions(repo.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut plan = plan(&[
        ("new", None, Some("2\n")),
        ("plain", Some("1\n"), Some("2\n")),
        ("private", Some("1\n"), Some("2\n")),
        ("run", None, Some("2\n")),
        ("script", Some("1\n"), Some("2\n")),
    ]);
    plan.changes[3].executable = true;
    // As with a conflict: its three sides are staged as well.
    plan.changes[4].sides = Some(("0\n".to_owned(), "2\n".to_owned()));
    // What was private is not copied for others to read.
    let aside = Change::new(RelPath::parse("private.aside").unwrap(), Action::Create, None);
    let like = Some(RelPath::parse("private").unwrap());
    plan.changes.push(Change { text: Some("1\n".to_owned()), like, ..aside });
    let tree = repo.tree();
    let (guard, _) = Guard::acquire(&tree).unwrap();
    commit(&guard, "sync", &plan).unwrap();
    assert_eq!(["private", "script", "plain"].map(|path| mode(&repo, path)), [0o640, 0o2751, 0o604]);
    assert_eq!(mode(&repo, "private.aside"), 0o640);
    assert_eq!(["new", "run"].map(|path| mode(&repo, path) & 0o111), [0, mode(&repo, "run") & 0o111]);
    assert_ne!(mode(&repo, "run") & 0o100, 0);
    let made = last(&tree).unwrap().unwrap();
    let executable: Vec<_> = made.entries.iter().map(|entry| (entry.was_executable, entry.conflict)).collect();
    let plain = (false, false);
    assert_eq!(executable, [plain, plain, plain, plain, (true, true), plain]);
    assert_eq!(mode(&repo, ".appgen/txn/last/old-2"), 0o640);
}

#[test]
fn an_interrupted_change_is_completed() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    assert!(is_interrupted(&repo.tree()));
    assert_eq!(repo.files(), before());
    assert_eq!(repo.recovered(), ["completed a change of 4 files that was interrupted"]);
    assert_eq!(repo.files(), after());
    assert_eq!(repo.recovered(), [""; 0]);
    assert_eq!(last(&repo.tree()).unwrap().unwrap().entries.len(), 4);
}

#[test]
fn an_interrupted_change_is_completed_from_wherever_it_stopped() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    repo.let_two_arrive();
    assert_eq!(repo.recovered(), ["completed a change of 4 files that was interrupted"]);
    assert_eq!(repo.files(), after());
}

#[test]
fn what_was_put_back_by_hand_takes_the_rest_back() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    // It arrived, and somebody put back what was there before.
    fs::remove_file(repo.staged("new-3")).unwrap();
    repo.let_two_arrive();
    assert_eq!(
        repo.recovered(),
        ["took back `appgen add-env x`, which was interrupted: files of it had been put back by hand"]
    );
    assert_eq!(repo.files(), before());
}

#[test]
fn what_is_taken_back_is_taken_back_from_wherever_it_stopped() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    let tree = repo.tree();
    for arrived in ["deep/er/new", "text"] {
        let index = CHANGES.iter().position(|(path, ..)| *path == arrived).unwrap();
        fs::create_dir_all(repo.at(arrived).parent().unwrap()).unwrap();
        fs::rename(repo.staged(&format!("new-{index}")), repo.at(arrived)).unwrap();
    }
    // Killed on the way back: one file is back, and its record is used up.
    fs::rename(repo.staged(MANIFEST), repo.staged(BACK)).unwrap();
    fs::rename(repo.staged("old-2"), repo.at("keep/same")).unwrap();
    assert!(is_interrupted(&tree));
    assert_eq!(repo.recovered(), ["took back `appgen add-env x`, which had failed halfway"]);
    assert_eq!(repo.files(), before());
}

#[test]
fn what_was_saved_meanwhile_stays() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    repo.write("text", "saved\n");
    repo.write("gone/too/old", "saved\n");
    assert_eq!(
        repo.recovered(),
        [
            "completed a change of 4 files that was interrupted",
            "`gone/too/old` was changed meanwhile and stays as it is",
            "`text` was changed meanwhile and stays as it is; the new text is in `text.appgen-new`",
        ]
    );
    let there = repo.files();
    assert_eq!((there["text"].as_str(), there["text.appgen-new"].as_str()), ("saved\n", "after\n"));
    assert_eq!(there["gone/too/old"], "saved\n");
    assert!(last(&repo.tree()).unwrap().is_some());
}

#[test]
fn what_was_saved_after_it_arrived_needs_no_word() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    fs::remove_file(repo.staged("new-3")).unwrap();
    repo.write("text", "saved\n");
    assert_eq!(repo.recovered(), ["completed a change of 4 files that was interrupted"]);
    assert_eq!(repo.files()["text"], "saved\n");
}

#[test]
fn a_new_text_that_cannot_stand_beside_is_kept_in_the_record() {
    for is_file in [true, false] {
        let repo = Repo::new(BEFORE);
        repo.interrupted(CHANGES);
        repo.write("text", "saved\n");
        if is_file {
            repo.write("text.appgen-new", "of an earlier change, half settled\n");
        } else {
            fs::create_dir(repo.at("text.appgen-new")).unwrap();
        }
        let there = repo.files();
        let said = repo.recovered();
        assert!(said[1].ends_with("; the new text is in `.appgen/txn/last/new-3`"), "{said:?}");
        assert_eq!(fs::read_to_string(repo.at(".appgen/txn/last/new-3")).unwrap(), "after\n");
        assert_eq!(repo.files()["text.appgen-new"], there["text.appgen-new"]);
    }
}

#[test]
fn what_was_saved_meanwhile_is_not_taken_back() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    fs::remove_file(repo.staged("new-0")).unwrap();
    repo.write("text", "saved\n");
    assert_eq!(
        repo.recovered(),
        [
            "took back `appgen add-env x`, which was interrupted: files of it had been put back by hand",
            "`text` was changed meanwhile and stays as it is",
        ]
    );
    assert_eq!(repo.files()["text"], "saved\n");
}

#[test]
fn those_who_save_while_a_change_arrives_are_named() {
    let repo = Repo::new(BEFORE);
    let tree = repo.tree();
    let (guard, _) = Guard::acquire(&tree).unwrap();
    let journal = committed(&guard, CHANGES);
    repo.write("text", "saved\n");
    let arrival = guard.complete(&journal).unwrap();
    assert_eq!(arrival.saved_meanwhile.iter().map(RelPath::as_str).collect::<Vec<_>>(), ["text"]);
    assert_eq!(arrival.warnings.len(), 1);
}

#[test]
fn what_changed_before_the_commit_point_stops_the_change() {
    for (path, text) in [("text", "saved\n"), ("deep/er/new", "saved\n"), ("keep/same", "saved\n"), ("text", "after\n")]
    {
        let repo = Repo::new(BEFORE);
        repo.write(path, text);
        let there = repo.files();
        let tree = repo.tree();
        let (guard, _) = Guard::acquire(&tree).unwrap();
        let error = commit(&guard, "sync", &plan(CHANGES)).unwrap_err();
        assert!(matches!(&error, CommitError::ChangedMeanwhile(at) if at.as_str() == path), "{error}");
        assert_eq!(repo.files(), there);
        assert!(!guard.staged().exists() && last(&tree).unwrap().is_none());
    }
}

#[test]
fn a_disk_that_fails_halfway_gets_the_old_tree_back() {
    let repo = Repo::new(BEFORE);
    let tree = repo.tree();
    let (guard, _) = Guard::acquire(&tree).unwrap();
    let journal = committed(&guard, CHANGES);
    // The last file cannot be moved: it is not there any more.
    fs::remove_file(repo.staged("new-3")).unwrap();
    assert!(matches!(guard.complete(&journal), Err(CommitError::Io { .. })));
    assert_eq!(repo.files(), before());
    assert!(!guard.staged().exists());
}

#[test]
fn a_way_back_that_cannot_be_recorded_is_not_gone() {
    let repo = Repo::new(BEFORE);
    let tree = repo.tree();
    let (guard, _) = Guard::acquire(&tree).unwrap();
    let journal = committed(&guard, CHANGES);
    // A directory has the name of the record.
    fs::create_dir(repo.staged(BACK)).unwrap();
    assert!(matches!(guard.back(&journal), Err(CommitError::Io { .. })));
    drop(guard);
    assert!(matches!(Guard::acquire(&tree), Err(CommitError::Journal { .. })));
    assert_eq!(repo.files(), before());
}

#[test]
fn what_cannot_be_synced_removed_or_read_is_an_error() {
    let place = TempDir::new().unwrap();
    let (file, nothing) = (place.path().join("file"), place.path().join("nothing"));
    fs::write(&file, "").unwrap();
    assert!(sync(std::slice::from_ref(&file)).is_ok() && sync(std::slice::from_ref(&nothing)).is_err());
    assert!(remove_directory(&file).is_err() && remove_directory(&nothing).is_ok());
    assert!(recorded(&file).unwrap().is_empty());
    std::os::unix::fs::symlink(&file, place.path().join("link")).unwrap();
    assert!(recorded(&place.path().join("link")).is_err());
}

#[test]
fn records_that_cannot_be_read_are_not_guessed_at() {
    for text in ["{}", "", "{\"format\":2,\"command\":\"x\",\"entries\":[]}"] {
        let repo = Repo::new(&[]);
        repo.interrupted(&[]);
        fs::write(repo.staged(MANIFEST), text).unwrap();
        let error = Guard::acquire(&repo.tree()).unwrap_err().to_string();
        assert!(error.contains("another version of appgen wrote it, or it is damaged"), "{error}");
    }
}

#[test]
fn an_ignore_file_that_was_cut_off_is_written_again() {
    let repo = Repo::new(&[]);
    repo.recovered();
    for text in ["", "*"] {
        fs::write(repo.at(".appgen/txn/.gitignore"), text).unwrap();
        repo.recovered();
        assert_eq!(fs::read(repo.at(".appgen/txn/.gitignore")).unwrap(), b"*\n");
    }
}

#[test]
fn what_was_not_committed_is_dropped() {
    let repo = Repo::new(BEFORE);
    repo.interrupted(CHANGES);
    fs::remove_file(repo.staged(MANIFEST)).unwrap();
    assert!(!is_interrupted(&repo.tree()));
    assert_eq!(repo.recovered(), [""; 0]);
    assert_eq!(repo.files(), before());
}

#[test]
fn advice_fits_the_fault() {
    let said = |kind: ErrorKind| advice(&io::Error::from(kind));
    for (kind, expected) in [
        (ErrorKind::StorageFull, "make room on the disk"),
        (ErrorKind::QuotaExceeded, "make room on the disk"),
        (ErrorKind::ReadOnlyFilesystem, "mount it so that it can be written"),
        (ErrorKind::PermissionDenied, "run appgen as the one who owns it"),
        (ErrorKind::Other, "see to the disk"),
    ] {
        assert_eq!(said(kind), expected);
    }
}

#[test]
fn what_a_dying_git_still_writes_into_is_removed_as_well() {
    const FILES: usize = 2000;
    let place = TempDir::new().unwrap();
    let left = place.path().join(".appgen-new-a-1-0");
    fs::create_dir(&left).unwrap();
    (0..FILES).for_each(|file| fs::write(left.join(file.to_string()), "").unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while fs::read_dir(&left).is_ok_and(|files| files.count() == FILES) {}
            // Whoever goes through the directory has passed the place of some of these.
            (0..50).for_each(|late| drop(fs::write(left.join(format!("late-{late}")), "")));
        });
        create::sweep(place.path());
    });
    assert!(!left.exists());
}

#[test]
fn what_has_the_name_of_a_directory_that_became_the_target_is_left_alone() {
    let place = TempDir::new().unwrap();
    let target = place.path().join("a");
    let staging = create::Staging::new(place.path(), &target).unwrap();
    let name = staging.path.clone();
    fs::rename(&name, &target).unwrap();
    fs::create_dir(&name).unwrap();
    staging.done();
    assert!(name.exists() && target.exists());
    // What did not become one is removed.
    let failed = create::Staging::new(place.path(), &target).unwrap();
    let name = failed.path.clone();
    assert!(name.exists());
    drop(failed);
    assert!(!name.exists());
}

#[test]
fn who_may_not_give_a_file_away_keeps_it() {
    let failed = |kind: ErrorKind| owner::or_not_permitted(Err(io::Error::from(kind))).map_err(|error| error.kind());
    assert_eq!(failed(ErrorKind::PermissionDenied), Ok(()));
    assert_eq!(failed(ErrorKind::ReadOnlyFilesystem), Err(ErrorKind::ReadOnlyFilesystem));
    assert!(owner::or_not_permitted(Ok(())).is_ok());
}

#[test]
fn a_new_repository_is_there_whole_or_not_at_all() {
    let place = TempDir::new().unwrap();
    let target = place.path().join("made");
    // What a killed run left; and what belongs to one that lives.
    let (dead, alive) = (place.path().join(".appgen-new-made-1-0"), place.path().join(".appgen-new-made-2-0"));
    for path in [&dead, &alive] {
        fs::create_dir(path).unwrap();
        fs::write(path.join("part"), "").unwrap();
    }
    fs::write(place.path().join(".appgen-new-file"), "").unwrap();
    fs::create_dir(place.path().join("others")).unwrap();
    let lock = File::open(&alive).unwrap();
    lock.try_lock().unwrap();

    let mut whole = plan(&[("a/b/c", None, Some("1\n")), ("a/d", None, Some("2\n")), ("e", None, Some("3\n"))]);
    whole.changes[1].executable = true;
    assert_eq!(create(&target, &whole, None).unwrap(), None);
    let mut names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".appgen-new-file", ".appgen-new-made-2-0", "made", "others"]);
    assert_eq!(fs::read_to_string(target.join("a/b/c")).unwrap(), "1\n");
    let mode = |path: &str| fs::metadata(target.join(path)).unwrap().permissions().mode();
    assert_eq!((mode("a/d") & 0o100, mode("e") & 0o111), (0o100, 0));

    // A target that is taken stays as it is, and nothing is left beside it.
    assert!(create(&target, &plan(&[("other", None, Some(""))]), None).is_err());
    assert!(!target.join("other").exists());
    // So does a plan that cannot be written.
    assert!(create(&place.path().join("no"), &plan(&[("a", None, Some("")), ("a/b", None, Some(""))]), None).is_err());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 4);
}

#[test]
fn of_many_who_come_at_once_to_an_untouched_repository_nobody_fails() {
    let repo = Repo::new(&[]);
    for _ in 0..50 {
        let start = std::sync::Barrier::new(8);
        let come = || {
            let tree = repo.tree();
            start.wait();
            Guard::acquire(&tree).map(|_| ())
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(come)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
        let other: Vec<_> = outcomes.iter().filter(|one| !matches!(one, Ok(()) | Err(CommitError::Busy(_)))).collect();
        assert!(other.is_empty(), "{other:?}");
        remove_directory(&repo.at(".appgen")).unwrap();
    }
}

#[test]
fn a_reader_waits_for_a_change_and_reads_again_where_one_was_made() {
    let repo = Repo::new(BEFORE);
    let tree = repo.tree();
    // As a change does that arrives while somebody reads: the first reading saw it begin.
    let mut readings = 0;
    let read = undisturbed(&tree, || {
        readings += 1;
        if readings == 1 {
            let (guard, _) = Guard::acquire(&tree).unwrap();
            let journal = committed(&guard, CHANGES);
            std::thread::scope(|scope| {
                let reader = scope.spawn(|| undisturbed(&tree, || repo.files()));
                std::thread::sleep(std::time::Duration::from_millis(100));
                assert!(!reader.is_finished());
                guard.complete(&journal).unwrap();
                assert_eq!(reader.join().unwrap(), after());
            });
            return before();
        }
        repo.files()
    });
    assert_eq!((readings, read), (2, after()));

    // Where nobody is at work, nobody waits: a change that was killed is there for longer.
    repo.interrupted(&[("text", Some("after\n"), Some("again\n"))]);
    let (start, mut readings) = (std::time::Instant::now(), 0);
    undisturbed(&tree, || readings += 1);
    // Nor for one who only has the right.
    repo.recovered();
    let guard = Guard::acquire(&tree).unwrap();
    undisturbed(&tree, || readings += 1);
    assert_eq!(readings, 2);
    assert!(start.elapsed() < change::ARRIVAL / 2, "somebody was waited for");
    drop(guard);
}

#[test]
fn whoever_comes_second_waits_for_his_turn() {
    let repo = Repo::new(BEFORE);
    let tree = repo.tree();
    let (first, _) = Guard::acquire(&tree).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Guard::acquire(&tree).map(|_| ()));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap().unwrap();
    });
}
