//! A disk that is full or read-only, files that change under us, a git that is busy or missing, records that somebody
//! else wrote: a clear message, the exit code of the design, and nothing lost. What needs root says so.
//! Budget: 2 minutes on 2 cores.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::extent::share;
use crate::support::repository::Repo;
use crate::support::{Place, Run};

/// Every command that changes a repository, as it is typed where nothing stands in its way.
const CHANGING: &[&str] = &[
    "add-env staging",
    "add-handler ping",
    "add-entity invoice number:text(20)!",
    "add-migration fill-names",
    "remove-env test",
    "remove-handler quote",
    "remove-entity currency --unapplied",
    "sync",
    "upgrade",
    "resolve",
    "restore src/db/mod.rs",
    "undo",
];

/// A change was made already: there is something to sync, to restore, to take back.
fn with_work_to_do() -> Repo {
    with_work_to_do_in(Place::new())
}

fn with_work_to_do_in(place: Place) -> Repo {
    let repo = Repo::made_in(place, &["--no-git"]);
    repo.run("add-handler last").succeeds();
    repo.edit("appgen.yaml", "    replicas: 2\n", "    replicas: 5\n");
    repo.edit("src/db/mod.rs", "\n", "\n// ours\n");
    repo
}

/// One value is changed by the user and by the spec: `sync` cannot merge that.
fn prepare_conflict(repo: &Repo) {
    repo.edit(OVERLAY, "count: 2", "count: 7");
    repo.edit("appgen.yaml", "  prod:\n    replicas: 2\n", "  prod:\n    replicas: 3\n");
}

fn settle_conflict(repo: &Repo) {
    let text = repo.read(OVERLAY);
    let (before, rest) = text.split_once("<<<<<<< yours\n").unwrap();
    let (_, rest) = rest.split_once("=======\n").unwrap();
    let (new, after) = rest.split_once(">>>>>>> new template\n").unwrap();
    repo.write(OVERLAY, &format!("{before}{new}{after}"));
}

/// The file that [`prepare_conflict`] makes a conflict in.
const OVERLAY: &str = "deploy/kustomize/overlays/prod/kustomization.yaml";

/// All that the user sees of a repository.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut files = support::files(root);
    files.retain(|path, _| !path.starts_with(".appgen/txn/"));
    files
}

#[track_caller]
fn assert_same(left: &BTreeMap<String, String>, right: &BTreeMap<String, String>, why: &str) {
    let differing = left.keys().chain(right.keys()).find(|path| left.get(*path) != right.get(*path));
    assert!(differing.is_none(), "{why}: {differing:?}");
}

#[track_caller]
fn assert_said(run: &Run, code: i32, parts: &[&str], why: &str) {
    assert_eq!(run.code, code, "{why}: {}{}", run.out, run.err);
    let said = format!("{}{}", run.out, run.err);
    for part in parts {
        assert!(said.contains(part), "{why}: no `{part}` in: {said}");
    }
}

/// Whether the test may mount and change owners; says what is skipped where not.
fn is_root(what: &str) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    let may_mount = root && support::succeeds_quietly(Command::new("unshare").args(["-m", "true"]));
    if !may_mount {
        support::skip(what, "needs root with the right to mount");
    }
    may_mount
}

/// Something mounted on a directory, for as long as the value lives.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, options: &str) -> Self {
        support::succeed(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at));
        Self(at.to_owned())
    }

    fn read_only(at: &Path) -> Self {
        support::succeed(Command::new("mount").arg("--bind").args([at, at]));
        let mount = Self(at.to_owned());
        support::succeed(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(at));
        mount
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Fills the disk below `at` but for some kilobytes; returns the file that does.
fn fill(at: &Path, leave: usize) -> PathBuf {
    let path = at.join("filler");
    let mut size = 0;
    for step in [1 << 16, 1 << 12] {
        while fs::write(&path, vec![0_u8; size + step]).is_ok() {
            size += step;
        }
    }
    fs::write(&path, vec![0_u8; size - leave * 1024]).unwrap();
    path
}

#[test]
fn a_full_disk_stops_a_change_before_it_begins() {
    if !is_root("changes on a full disk") {
        return;
    }
    let place = Place::new();
    let mount = Mount::tmpfs(place.path(), "size=8m");
    let repo = with_work_to_do_in(place);
    let before = repo.files();
    for leave in [0, 4, 16] {
        let filler = fill(repo.place.path(), leave);
        for line in ["add-entity invoice number:text(20)!", "remove-env test", "sync", "restore src/db/mod.rs"] {
            let run = repo.run(line);
            assert_said(&run, 1, &["No space left", "nothing was changed", "make room"], line);
            assert_same(&before, &repo.files(), line);
            assert!(!repo.root().join(".appgen/txn/staged").exists(), "{line}");
        }
        fs::remove_file(filler).unwrap();
    }
    repo.run("sync").succeeds();
    repo.run("check").succeeds();
    drop(mount);
}

#[test]
fn however_few_inodes_are_left_a_change_is_made_whole_or_not() {
    if !is_root("changes on a disk without inodes") {
        return;
    }
    let place = Place::new();
    let mount = Mount::tmpfs(place.path(), "size=32m");
    let repo = Repo::made_in(place, &["--no-git"]);
    repo.run("add-handler ping").succeeds();
    fs::remove_dir_all(repo.root().join("config/overlays/prod")).unwrap();
    let before = repo.files();
    let used = support::succeed(Command::new("df").arg("--output=iused").arg(repo.place.path()));
    let used: usize = used.out.lines().nth(1).unwrap().trim().parse().unwrap();
    // First the staged files find no room, and then the directory that the change makes.
    let mut decided = 0;
    for more in 0.. {
        let inodes = format!("remount,nr_inodes={}", used + more);
        support::succeed(Command::new("mount").args(["-o", &inodes]).arg(repo.place.path()));
        let run = repo.run("restore config/overlays/prod/env.yaml config/overlays/prod/kustomization.yaml");
        if run.code == 0 {
            assert!(!run.out.contains("warning"), "{}", run.out);
            break;
        }
        assert_said(&run, 1, &["No space left", "nothing was changed"], "no inodes");
        assert_same(&before, &repo.files(), "no inodes");
        assert!(!repo.root().join(".appgen/txn/staged").exists());
        assert!(!repo.root().join("config/overlays/prod").exists(), "not even a directory is left");
        decided += usize::from(run.err.contains("overlays/prod`"));
    }
    assert!(decided > 0, "no change failed after it was decided");
    repo.run("check").succeeds();
    drop(mount);
}

#[test]
fn a_full_disk_leaves_nothing_of_a_new_repository() {
    if !is_root("`new` on a full disk") {
        return;
    }
    for flags in [&["--no-git"] as &[_], &[]] {
        let place = Place::new();
        let _mount = Mount::tmpfs(place.path(), "size=2m");
        for leave in [0, 64, 256] {
            let filler = fill(place.path(), leave);
            let mut command = support::appgen(place.path());
            let run = Run::of(&command.args(["new", "a", "--yes"]).args(flags).output().unwrap(), place.path());
            assert_said(&run, 1, &["cannot make `./a`", "No space left", "nothing was made"], "full disk");
            assert_eq!(place.entries(), ["filler"], "{flags:?}, {leave} KB left");
            fs::remove_file(filler).unwrap();
        }
    }
}

#[test]
fn a_read_only_repository_is_read_and_not_changed() {
    if !is_root("a read-only mount") {
        return;
    }
    for repo in [with_work_to_do(), Repo::with(&[])] {
        let before = support::files(&repo.root());
        let _mount = Mount::read_only(&repo.root());
        for line in CHANGING {
            let run = repo.run(line);
            assert_said(&run, 1, &["Read-only file system", "nothing was changed", "mount it"], line);
            assert_same(&before, &support::files(&repo.root()), line);
            let dry = repo.run(&format!("{line} --dry-run"));
            assert!(matches!(dry.code, 0 | 5) && !dry.err.contains("Read-only"), "{line}: {}", dry.err);
        }
        for line in ["check", "status", "diff", "list"] {
            assert!(matches!(repo.run(line).code, 0 | 3), "{line}");
        }
    }
    let place = Place::new();
    let _mount = Mount::read_only(place.path());
    for arguments in [&["new", "a", "--yes"] as &[_], &["new", "a", "--yes", "--no-git"]] {
        let run = Run::of(&support::appgen(place.path()).args(arguments).output().unwrap(), place.path());
        assert_said(&run, 1, &["cannot make `./a`", "Read-only file system", "nothing was made"], "new");
        assert!(place.entries().is_empty());
    }
}

/// Calls that change the disk, or say that it has changed.
const CALLS: &[&str] = &["mkdir", "openat", "write", "fsync", "rename", "unlink", "unlinkat", "rmdir", "fchmod"];

#[test]
fn whatever_call_fails_the_tree_is_the_old_one_or_the_new_one() {
    let Some(strace) = support::tool("strace", "system calls that fail") else { return };
    for (line, conflict) in [("add-env staging", false), ("remove-handler quote", false), ("sync", true)] {
        // The calls are the same, and nobody waits for a disk.
        let origin = Repo::made_in(Place::in_memory(), &["--no-git"]);
        origin.run("add-handler ping").succeeds();
        origin.edit("README.md", "\n", "\nOurs.\n");
        if conflict {
            prepare_conflict(&origin);
        }
        let (old, copy) = (origin.files(), origin.place.path().join("copy"));
        let again = || {
            let _ = fs::remove_dir_all(&copy);
            support::succeed(Command::new("cp").arg("-a").arg(origin.root()).arg(&copy));
        };
        let traced = |options: &[&str]| {
            let mut command = Command::new(&strace);
            command.arg("-qq").args(options).arg(env!("CARGO_BIN_EXE_appgen")).args(line.split(' '));
            command.current_dir(&copy).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
            Run::of(&command.output().unwrap(), origin.place.path())
        };
        let log = origin.place.path().join("log");
        again();
        let trace = format!("trace={}", CALLS.join(","));
        let run = traced(&["-o", log.to_str().unwrap(), "-e", &trace]);
        if !matches!(run.code, 0 | 4) {
            support::skip("system calls that fail", &run.err);
            return;
        }
        let new = tree(&copy);
        assert_ne!(old, new);
        let text = fs::read_to_string(&log).unwrap();
        let mut refused = 0;
        for call in CALLS {
            let calls: Vec<_> = text.lines().filter(|line| line.starts_with(&format!("{call}("))).collect();
            for (index, found) in share(calls.len()).map(|index| (index, calls[index])) {
                let read = *call == "openat" && !found.contains("O_CREAT");
                if read || found.starts_with("write(1,") || found.starts_with("write(2,") {
                    continue;
                }
                again();
                let run = traced(&["-o", "/dev/null", "-e", &format!("inject={call}:error=ENOSPC:when={}", index + 1)]);
                let (found, why) = (tree(&copy), format!("{line}: {call} {} fails: {}", index + 1, run.err));
                if run.code == 1 {
                    refused += 1;
                    assert_said(&run, 1, &["No space left", "nothing was changed"], &why);
                    assert_same(&old, &found, &why);
                } else {
                    assert!(matches!(run.code, 0 | 4), "{why}");
                    assert_same(&new, &found, &why);
                }
            }
        }
        assert!(refused > 10, "{line}: only {refused} failures were met");
    }
}

#[test]
fn a_disk_without_locks_gets_new_repositories_and_no_changes() {
    let Some(strace) = support::tool("strace", "a disk without locks") else { return };
    let place = Place::new();
    let without_locks = |directory: &Path, line: &str| {
        let mut command = Command::new(&strace);
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"]);
        command.arg(env!("CARGO_BIN_EXE_appgen")).args(line.split(' ')).current_dir(directory);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        Run::of(&command.output().unwrap(), place.path())
    };
    without_locks(place.path(), "new a --yes --no-git").succeeds();
    assert_eq!(place.entries(), ["a"]);
    let before = tree(&place.path().join("a"));
    let run = without_locks(&place.path().join("a"), "add-env staging");
    assert_said(&run, 1, &[".appgen/txn/lock", "No locks available", "nothing was changed"], "add-env");
    assert_same(&before, &tree(&place.path().join("a")), "add-env");
}

/// Runs a command until it stops itself at a system call, does something, and lets it go on.
fn stopped_at(root: &Path, line: &str, call: &str, meanwhile: impl FnOnce()) -> Option<Run> {
    stopped(
        root,
        line,
        &["-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=STOP:when=1")],
        meanwhile,
    )
}

/// The same, with the arguments by which strace stops it.
fn stopped(root: &Path, line: &str, at: &[&str], meanwhile: impl FnOnce()) -> Option<Run> {
    let strace = support::tool("strace", "files that change meanwhile")?;
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(strace);
    // As the tracee's own child, strace leaves us the process number.
    command.args(["-D", "-f", "-o"]).arg(log.path()).args(at);
    command.arg(env!("CARGO_BIN_EXE_appgen")).args(line.split(' ')).current_dir(root);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", root);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !fs::read_to_string(log.path()).unwrap().contains("stopped by SIGSTOP") {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{line} never came to {at:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    meanwhile();
    support::succeed(Command::new("kill").args(["-CONT", &child.id().to_string()]));
    Some(Run::of(&child.wait_with_output().unwrap(), root.parent().unwrap()))
}

#[test]
fn a_file_that_changes_before_the_commit_stops_the_change() {
    type Meddle = (&'static str, fn(&Repo));
    let meddles: [Meddle; 5] = [
        ("saved", |repo| repo.edit("README.md", "\n", "\nSaved meanwhile.\n")),
        ("deleted", |repo| fs::remove_file(repo.root().join("README.md")).unwrap()),
        ("linked", |repo| {
            fs::rename(repo.root().join("README.md"), repo.place.path().join("elsewhere")).unwrap();
            symlink("../elsewhere", repo.root().join("README.md")).unwrap();
        }),
        ("made", |repo| {
            fs::create_dir_all(repo.root().join("config/overlays/staging")).unwrap();
            repo.write("config/overlays/staging/env.yaml", "mine: true\n");
        }),
        ("spec", |repo| repo.edit("appgen.yaml", "\n", "\n# Saved meanwhile.\n")),
    ];
    for (why, meddle) in meddles {
        let repo = Repo::with(&["--no-git"]);
        repo.run("add-handler ping").succeeds();
        let mut before = BTreeMap::new();
        let run = stopped_at(&repo.root(), "add-env staging", "mkdir", || {
            meddle(&repo);
            before = repo.files();
        });
        let Some(run) = run else { return };
        assert_said(&run, 5, &["changed while the change was being prepared", "run the command again"], why);
        assert_same(&before, &repo.files(), why);
        assert!(!repo.root().join(".appgen/txn/staged").exists(), "{why}");
        if why == "saved" {
            repo.run("add-env staging").succeeds();
            assert!(repo.read("README.md").contains("Saved meanwhile."));
        }
    }
}

#[test]
fn what_appgen_keeps_itself_may_change_as_soon_as_it_was_read() {
    for path in ["appgen.yaml", "appgen.lock"] {
        let repo = Repo::with(&["--no-git"]);
        let readme = repo.root().join("README.md").display().to_string();
        let mut before = BTreeMap::new();
        // The spec and the lock are read; the files are about to be.
        let at = ["-P", &readme, "-e", "trace=openat", "-e", "inject=openat:signal=STOP:when=1"];
        let run = stopped(&repo.root(), "add-env staging", &at, || {
            repo.edit(path, "\n", "\n# Saved meanwhile.\n");
            before = repo.files();
        });
        let Some(run) = run else { return };
        assert_said(&run, 5, &[&format!("`{path}` changed while the change was being prepared")], path);
        assert_same(&before, &repo.files(), path);
    }
}

#[test]
fn a_file_that_changes_after_the_commit_stays() {
    let repo = Repo::with(&["--no-git"]);
    repo.run("add-handler ping").succeeds();
    let copy = repo.copy();
    let run = stopped_at(&repo.root(), "add-env staging", "rename", || {
        repo.edit("README.md", "\n", "\nSaved meanwhile.\n");
    });
    let Some(run) = run else { return };
    let warning = "`README.md` was changed meanwhile and stays as it is; the new text is in `README.md.appgen-new`";
    assert_said(&run, 4, &[warning], "saved");
    assert!(repo.read("README.md").contains("Saved meanwhile."));
    copy.run("add-env staging").succeeds();
    assert_eq!(repo.read("README.md.appgen-new"), copy.read("README.md"));
    assert_said(&repo.run("check"), 3, &["README.md.appgen-new"], "check");
    // Nothing is merged on top of what is still to be settled.
    assert_said(&repo.run("add-env qa"), 5, &["README.md", "appgen resolve"], "add-env");
    assert_said(
        &run,
        4,
        &["$EDITOR README.md README.md.appgen-new && rm README.md.appgen-new", "appgen resolve"],
        "next",
    );
    assert_said(&repo.run("resolve"), 4, &["1 open:\n  README.md"], "resolve");
    // Nor is it forgotten when another change becomes the last one.
    repo.edit("Makefile", "\n", "\n# ours\n");
    repo.run("restore Makefile").succeeds();
    assert_said(&repo.run("add-env qa"), 5, &["README.md", "appgen resolve"], "add-env");
    repo.remove("README.md.appgen-new");
    repo.run("resolve").succeeds();
    repo.run("add-env qa").succeeds();
    // What stands where the new text would is none.
    let copy = copy.copy();
    fs::remove_dir_all(copy.root().join("config/overlays/staging")).unwrap();
    symlink("dev", copy.root().join("config/overlays/staging")).unwrap();
    copy.run("add-handler pong").succeeds();
}

#[test]
fn a_target_that_appears_while_a_repository_is_made_is_kept() {
    type Appear = (&'static str, fn(&Path), &'static str);
    let appearances: [Appear; 3] = [
        (
            "directory",
            |target| {
                fs::create_dir(target).unwrap();
                fs::write(target.join("theirs"), "theirs").unwrap();
            },
            "exists and is not empty",
        ),
        ("file", |target| fs::write(target, "theirs").unwrap(), "exists and is no directory"),
        ("link", |target| symlink("nowhere", target).unwrap(), "exists and is no directory"),
    ];
    for (what, appear, message) in appearances {
        let place = Place::new();
        let target = place.path().join("a");
        let run = stopped_at(place.path(), "new a --yes --no-git", "fsync", || appear(&target));
        let Some(run) = run else { return };
        assert_said(&run, 5, &[message, "choose another name"], what);
        assert_eq!(place.entries(), ["a"], "{what}");
        assert!(target.is_symlink() || !target.join("Cargo.toml").exists(), "{what}");
    }
}

/// Kills a change when it has moved some of its files.
fn killed_halfway(repo: &Repo, line: &str) -> bool {
    let Some(strace) = support::tool("strace", "changes that are killed halfway") else { return false };
    let mut command = Command::new(strace);
    command.args(["-qq", "-o", "/dev/null", "-e", "inject=rename:signal=KILL:when=3"]);
    command.arg(env!("CARGO_BIN_EXE_appgen")).args(line.split(' ')).current_dir(repo.root());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", repo.place.path());
    assert!(!command.output().unwrap().status.success());
    assert!(repo.root().join(".appgen/txn/staged/manifest.json").exists(), "{line} was not killed halfway");
    true
}

#[test]
fn an_interrupted_change_that_is_completed_is_said_even_by_a_command_that_is_refused() {
    let line = "add-env dev --replicas 9";
    for format in ["text", "json"] {
        let repo = Repo::with(&["--no-git"]);
        if !killed_halfway(&repo, "add-env staging") {
            return;
        }
        assert_said(&repo.run("check"), 3, &["was interrupted", "appgen sync"], "check");
        let dry = repo.run("add-env qa --dry-run");
        assert!(dry.out.contains("the next command that writes completes it"), "{}", dry.out);
        let run = repo.run(&format!("{line} --format {format}"));
        assert_eq!(run.code, 5, "{}", run.err);
        let warning = "completed a change of";
        if format == "json" {
            let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
            assert!(report["error"].as_str().unwrap().contains("replicas"), "{report}");
            assert!(report["warnings"][0].as_str().unwrap().contains(warning), "{report}");
            assert!(run.err.is_empty(), "{}", run.err);
        } else {
            assert!(run.err.starts_with(&format!("warning: {warning}")), "{}", run.err);
            assert!(run.err.contains("error: "), "{}", run.err);
        }
        repo.run("check").succeeds();
        let next = repo.run(line);
        assert!(!next.err.contains("warning"), "said once: {}", next.err);
    }
}

#[test]
fn an_interrupted_change_that_was_put_back_by_hand_is_taken_back_whole() {
    let repo = Repo::with(&[]);
    let before = repo.files();
    if !killed_halfway(&repo, "add-env staging") {
        return;
    }
    assert_ne!(before, repo.files());
    // What anybody would do about a tree that is half changed; our records are ignored and survive it.
    repo.git("checkout -q -- .");
    repo.git("clean -qfd");
    assert_eq!(before, repo.files());
    let run = repo.run("sync").succeeds();
    assert!(run.out.contains("took back `appgen add-env`"), "{}", run.out);
    assert_same(&before, &repo.files(), "half of the change came back");
    repo.run("add-env staging").succeeds();
    repo.run("check").succeeds();
}

#[test]
fn edits_after_an_interrupted_change_stay() {
    let repo = Repo::with(&["--no-git"]);
    if !killed_halfway(&repo, "add-env staging") {
        return;
    }
    // One file that has arrived, and one that has not.
    let arrived = repo.read(".appgen/txn/staged/manifest.json");
    let journal: serde_json::Value = serde_json::from_str(&arrived).unwrap();
    let path = |entry: &serde_json::Value| entry["path"].as_str().unwrap().to_owned();
    let there: Vec<_> = journal["entries"].as_array().unwrap().iter().map(path).collect();
    let is_staged = |index: usize| repo.root().join(format!(".appgen/txn/staged/new-{index}")).exists();
    let changed = there.iter().enumerate().filter(|(_, path)| repo.root().join(path).exists());
    let changed = changed.filter(|(_, path)| !path.starts_with("appgen."));
    let (waiting, done): (Vec<_>, Vec<_>) = changed.partition(|(index, _)| is_staged(*index));
    for (_, path) in [waiting[0], done[0]] {
        repo.write(path, &format!("{}# edited since\n", repo.read(path)));
    }
    let run = repo.run("sync --allow-dirty");
    for (_, path) in [waiting[0], done[0]] {
        assert!(repo.read(path).ends_with("# edited since\n"), "{path}: {}{}", run.out, run.err);
    }
    let warning = format!("`{}` was changed meanwhile and stays as it is; the new text is in", waiting[0].1);
    assert_said(&run, 5, &[&warning, "appgen resolve"], "sync");
    assert!(!run.err.contains(&format!("`{}` was changed", done[0].1)), "{}", run.err);
}

#[test]
fn records_of_another_version_are_not_guessed_at() {
    let repo = Repo::with(&["--no-git"]);
    repo.run("add-env staging").succeeds();
    let journal = repo.read(".appgen/txn/last/manifest.json");
    for strange in [journal.replacen("\"format\":1", "\"format\":2", 1), "{\"entries\":[]}".to_owned(), String::new()] {
        repo.write(".appgen/txn/last/manifest.json", &strange);
        let undo = repo.run("undo");
        assert_said(&undo, 5, &["last/manifest.json", "another version of appgen", "remove"], "undo");
        repo.run("add-env qa -n").succeeds();
        let before = repo.files();
        fs::create_dir(repo.root().join(".appgen/txn/staged")).unwrap();
        repo.write(".appgen/txn/staged/manifest.json", &strange);
        for line in CHANGING {
            let run = repo.run(line);
            assert_said(&run, 5, &["staged/manifest.json", "another version of appgen", "remove"], line);
            assert_same(&before, &repo.files(), line);
        }
        fs::remove_dir_all(repo.root().join(".appgen/txn/staged")).unwrap();
    }
    repo.run("add-env qa").succeeds();
    repo.run("undo").succeeds();
}

#[test]
fn a_record_that_somebody_slipped_in_cannot_write_where_git_looks() {
    let repo = Repo::with(&[]);
    let staged = repo.root().join(".appgen/txn/staged");
    for path in [".git/hooks/post-checkout", ".GIT/config", "../outside", "/tmp/outside"] {
        fs::create_dir_all(&staged).unwrap();
        let entry = format!(
            "{{\"path\":\"{path}\",\"before\":null,\"after\":\"{}\",\"was_executable\":true,\"conflict\":false}}",
            appgen::lock::sha256(b"#!/bin/sh\n")
        );
        let journal = format!("{{\"format\":1,\"command\":\"sync\",\"entries\":[{entry}]}}");
        fs::write(staged.join("manifest.json"), journal).unwrap();
        fs::write(staged.join("new-0"), "#!/bin/sh\n").unwrap();
        assert_said(&repo.run("sync"), 5, &["is not a path inside the repository"], path);
        assert!(!repo.root().join(".git/hooks/post-checkout").exists());
        assert!(!repo.place.path().join("outside").exists());
    }
}

#[test]
fn links_do_not_lead_our_records_out_of_the_repository() {
    for link in [".appgen", ".appgen/txn", ".appgen/txn/lock", ".appgen/txn/.gitignore", ".appgen/txn/last"] {
        let repo = Repo::with(&["--no-git"]);
        repo.run("add-handler ping").succeeds();
        let outside = repo.place.path().join("outside");
        fs::rename(repo.root().join(link), &outside).unwrap();
        symlink(&outside, repo.root().join(link)).unwrap();
        let before = fs::metadata(&outside).unwrap().modified().unwrap();
        for line in CHANGING {
            assert_said(&repo.run(line), 5, &["is a symbolic link", "remove it"], &format!("{link}: {line}"));
        }
        assert_eq!(fs::metadata(&outside).unwrap().modified().unwrap(), before, "{link}");
    }
}

#[test]
fn a_file_where_a_directory_is_needed_is_refused_before_anything_is_written() {
    let repo = Repo::with(&["--no-git"]);
    repo.write("config/overlays/staging", "mine\n");
    let before = repo.files();
    let run = repo.run("add-env staging");
    assert_said(&run, 5, &["config/overlays/staging/", "is below a file that is no directory", "in the way"], "file");
    assert_same(&before, &repo.files(), "file");
}

#[test]
fn a_lock_that_cannot_be_used_stops_every_command() {
    type Case = (&'static str, fn(&Repo), i32, &'static str);
    let cases: [Case; 6] = [
        ("missing", |repo| fs::remove_file(repo.root().join("appgen.lock")).unwrap(), 5, "`appgen.lock` is missing"),
        ("spoilt", |repo| repo.write("appgen.lock", "format: 1\nspec: [\n"), 1, "git checkout -- appgen.lock"),
        ("newer", |repo| repo.edit("appgen.lock", "format: 1", "format: 2"), 5, "install the appgen that wrote it"),
        (
            "markers",
            |repo| repo.edit("appgen.lock", "format", "<<<<<<< HEAD\n=======\n>>>>>>> theirs\nformat"),
            5,
            "appgen resolve",
        ),
        (
            "linked",
            |repo| {
                fs::rename(repo.root().join("appgen.lock"), repo.place.path().join("elsewhere")).unwrap();
                symlink("../elsewhere", repo.root().join("appgen.lock")).unwrap();
            },
            5,
            "`appgen.lock` is a symbolic link",
        ),
        (
            "a path into git",
            |repo| {
                let text = repo.read("appgen.lock");
                repo.write(
                    "appgen.lock",
                    &text.replacen("\nfiles:\n", "\nfiles:\n  .git/config: { class: once, sha256: '' }\n", 1),
                );
            },
            1,
            "is not a path inside the repository",
        ),
    ];
    for (case, spoil, code, message) in cases {
        let repo = with_work_to_do();
        spoil(&repo);
        let before = repo.files();
        for line in CHANGING {
            // Undo needs no lock: it puts back what the last change replaced. Without a lock `upgrade` starts a new
            // one, and with markers in it `resolve` asks git for its sides.
            let alone = *line == "undo" || (*line == "upgrade" && case == "missing");
            let code = if *line == "resolve" && case == "markers" { 5 } else { code };
            let message = if *line == "resolve" && case == "markers" { "git's index does not hold" } else { message };
            if !alone {
                let run = repo.run(&format!("{line} --allow-dirty"));
                assert_said(&run, code, &[message], &format!("{case}: {line}"));
                assert_same(&before, &repo.files(), &format!("{case}: {line}"));
            }
        }
    }
}

#[test]
fn a_forged_lock_loses_nothing() {
    type Forgery = (&'static str, fn(&Repo));
    let forgeries: [Forgery; 4] = [
        ("another value", |repo| repo.edit("appgen.lock", "replicas: 2", "replicas: 9")),
        ("an environment more", |repo| {
            let (spec, lock) = (repo.read("appgen.yaml"), repo.read("appgen.lock"));
            repo.run("add-env staging").succeeds();
            let forged = repo.read("appgen.lock");
            repo.run("undo").succeeds();
            assert_eq!((repo.read("appgen.yaml"), repo.read("appgen.lock")), (spec, lock));
            repo.write("appgen.lock", &forged);
        }),
        ("an environment less", |repo| {
            let lock = repo.read("appgen.lock");
            repo.run("remove-env test --allow-dirty").succeeds();
            let forged = repo.read("appgen.lock");
            repo.run("undo").succeeds();
            assert_eq!(repo.read("appgen.lock"), lock);
            repo.write("appgen.lock", &forged);
        }),
        ("a hash of a changeset", |repo| {
            let text = repo.read("appgen.lock");
            let (head, tail) = text.split_once("class: frozen\n").unwrap();
            let tail = tail.replacen("sha256: ", "sha256: 0", 1);
            repo.write("appgen.lock", &format!("{head}class: frozen\n{tail}"));
        }),
    ];
    let edits =
        [("README.md", "Ours, once.\n"), ("config/overlays/test/env.yaml", "# ours\n"), ("src/app.rs", "// ours\n")];
    for (why, forge) in forgeries {
        let repo = Repo::with(&["--no-git"]);
        for (path, line) in edits {
            repo.write(path, &format!("{}{line}", repo.read(path)));
        }
        forge(&repo);
        assert_said(&repo.run("check"), 3, &[], why);
        let before = repo.files();
        let run = repo.run("sync");
        assert!(matches!(run.code, 0 | 4 | 5), "{why}: {}", run.err);
        let after = repo.files();
        for (path, text) in &before {
            let beside = after.get(&format!("{path}.appgen-new")).map_or("", String::as_str);
            let there = format!("{}{beside}", after.get(path).map_or("", String::as_str));
            if path != "appgen.lock" {
                for line in text.lines() {
                    assert!(there.contains(line), "{why}: {path} lost `{line}`");
                }
            }
        }
    }
}

#[test]
fn a_git_that_is_busy_hears_of_conflicts_later() {
    let repo = Repo::with(&[]);
    prepare_conflict(&repo);
    let lock = repo.root().join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let run = repo.run("sync --allow-dirty");
    assert_said(&run, 4, &["warning: git does not know of the conflicts", "index.lock", "appgen resolve"], "sync");
    assert!(repo.read(OVERLAY).contains("count: 7") && repo.read(OVERLAY).contains("count: 3"));
    assert_eq!(repo.git("ls-files --unmerged"), "");
    settle_conflict(&repo);
    repo.run("resolve").succeeds();
    fs::remove_file(&lock).unwrap();
    repo.run("check").succeeds();

    // And the other way round: git knows of the conflict, and cannot be told that it is settled.
    let repo = Repo::with(&[]);
    prepare_conflict(&repo);
    assert_eq!(repo.run("sync --allow-dirty").code, 4);
    assert_eq!(repo.git("ls-files --unmerged").lines().count(), 3);
    settle_conflict(&repo);
    fs::write(repo.root().join(".git/index.lock"), "").unwrap();
    let run = repo.run("resolve").succeeds();
    assert!(run.out.contains(&format!("when it can, run `git add {OVERLAY}`")), "{}", run.out);
    fs::remove_file(repo.root().join(".git/index.lock")).unwrap();
    assert_said(&repo.run("check"), 3, &["unmerged in git's index", &format!("git add {OVERLAY}")], "check");
    repo.git(&format!("add {OVERLAY}"));
    repo.run("check").succeeds();
}

#[test]
fn undo_takes_conflicts_out_of_gits_index_too() {
    let repo = Repo::with(&[]);
    repo.edit(OVERLAY, "count: 2", "count: 7");
    repo.git("commit -qam ours");
    repo.edit("appgen.yaml", "  prod:\n    replicas: 2\n", "  prod:\n    replicas: 3\n");
    let before = repo.files();
    assert_eq!(repo.run("sync").code, 4);
    assert_eq!(repo.git("ls-files --unmerged").lines().count(), 3);
    repo.run("undo").succeeds();
    assert_same(&before, &repo.files(), "undo");
    assert_eq!(repo.git("ls-files --unmerged"), "");
    assert_eq!(repo.git("status --porcelain"), " M appgen.yaml\n");
}

#[test]
fn no_git_is_no_hindrance() {
    let nothing = Place::new();
    for flags in [&[] as &[_], &["--no-git"]] {
        let origin = Repo::with(flags);
        for line in CHANGING {
            let repo = origin.copy();
            let without_git = |line: &str| {
                let mut command = repo.command(line);
                Run::of(&command.env("PATH", nothing.path()).output().unwrap(), repo.place.path())
            };
            match *line {
                "undo" => drop(without_git("add-handler ping").succeeds()),
                "sync" => repo.edit("appgen.yaml", "    replicas: 2\n", "    replicas: 5\n"),
                "restore src/db/mod.rs" => repo.edit("src/db/mod.rs", "\n", "\n// ours\n"),
                _ => {}
            }
            without_git(line).succeeds();
            without_git("check").succeeds();
        }
        prepare_conflict(&origin);
        let mut command = origin.command("sync");
        let run = Run::of(&command.env("PATH", nothing.path()).output().unwrap(), origin.place.path());
        assert_said(&run, 4, &[], "conflict");
        assert!(!run.out.contains("warning"), "{}", run.out);
    }
    let repo = Repo::with(&[]);
    repo.edit("appgen.lock", "format", "<<<<<<< HEAD\n=======\n>>>>>>> theirs\nformat");
    let run = Run::of(&repo.command("resolve").env("PATH", nothing.path()).output().unwrap(), repo.place.path());
    assert_said(&run, 1, &["`git` is not on PATH"], "resolve");
}

/// appgen as somebody else, who can reach the binary.
fn as_nobody(repo: &Repo, line: &str) -> Run {
    as_nobody_with(repo, "--clear-groups", line)
}

fn as_nobody_with(repo: &Repo, groups: &str, line: &str) -> Run {
    let binary = repo.place.path().join("appgen");
    if !binary.exists() {
        // Not by this process: whom another test starts meanwhile would have the copy open for writing, and a program that
        // is open for writing cannot be started.
        support::succeed(Command::new("cp").arg(env!("CARGO_BIN_EXE_appgen")).arg(&binary));
        fs::set_permissions(repo.place.path(), Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", groups]).arg(binary).args(line.split(' '));
    command.current_dir(repo.root()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    Run::of(&command.stdin(Stdio::null()).output().unwrap(), repo.place.path())
}

fn give_to_nobody(repo: &Repo) {
    support::succeed(Command::new("chown").args(["-R", "65534:65534"]).arg(repo.root()));
}

#[test]
fn what_a_group_shares_stays_the_groups() {
    if !is_root("files of a group") {
        return;
    }
    let repo = Repo::with(&["--no-git"]);
    support::succeed(Command::new("chown").args(["-R", "1234:65533"]).arg(repo.root()));
    support::succeed(Command::new("chmod").args(["-R", "g+rwX,o="]).arg(repo.root()));
    as_nobody_with(&repo, "--groups=65533", "add-env staging").succeeds();
    let there = fs::metadata(repo.root().join("README.md")).unwrap();
    assert_eq!((there.uid(), there.gid(), there.mode() & 0o777), (65534, 65533, 0o660));
}

#[test]
fn what_cannot_be_read_or_written_by_this_user_is_named() {
    if !is_root("files that a user may not read") {
        return;
    }
    let repo = Repo::with(&["--no-git"]);
    give_to_nobody(&repo);
    let mode = |path: &str, mode| fs::set_permissions(repo.root().join(path), Permissions::from_mode(mode)).unwrap();
    let before = repo.files();
    for path in ["README.md", "appgen.yaml", "appgen.lock"] {
        mode(path, 0o000);
        let run = as_nobody(&repo, "add-env staging");
        assert_said(&run, 1, &[&format!("cannot read `{path}`"), "Permission denied"], path);
        assert_same(&before, &repo.files(), path);
        mode(path, 0o644);
    }
    // Only the last step meets it: everything is staged by then.
    for path in ["deploy/kustomize/overlays", "config/overlays", "src/handlers"] {
        mode(path, 0o555);
        let run = as_nobody(&repo, if path == "src/handlers" { "remove-handler quote" } else { "add-env staging" });
        assert_said(&run, 1, &[path, "Permission denied", "nothing was changed", "the one who owns it"], path);
        assert_same(&before, &repo.files(), path);
        assert!(!repo.root().join(".appgen/txn/staged").exists(), "{path}");
        mode(path, 0o755);
    }
    as_nobody(&repo, "add-env staging").succeeds();
    fs::remove_dir_all(repo.root().join(".appgen/txn")).unwrap();
    mode(".appgen", 0o555);
    fs::set_permissions(repo.root(), Permissions::from_mode(0o555)).unwrap();
    assert_said(&as_nobody(&repo, "add-env qa"), 1, &[".appgen/txn", "nothing was changed"], ".appgen");
}

#[test]
fn root_leaves_a_repository_to_its_owner() {
    if !is_root("a repository of somebody else's") {
        return;
    }
    let repo = Repo::with(&["--no-git"]);
    repo.edit("README.md", "\n", "\nOurs.\n");
    give_to_nobody(&repo);
    for line in ["add-env staging", "add-handler ping", "remove-env test", "undo"] {
        repo.run(line).succeeds();
        let strangers = support::succeed(Command::new("find").arg(repo.root()).args(["!", "-uid", "65534"]));
        assert_eq!(strangers.out, "", "{line}");
    }
    as_nobody(&repo, "add-env qa").succeeds();

    // git does not look into somebody else's repository, and so nobody knows what is committed.
    let repo = Repo::with(&[]);
    repo.edit("README.md", "\n", "\nOurs.\n");
    give_to_nobody(&repo);
    let before = repo.files();
    let run = repo.run("add-env staging");
    assert_said(&run, 1, &["dubious ownership", "safe.directory"], "somebody else's");
    assert_same(&before, &repo.files(), "somebody else's");
    repo.run("add-env staging --allow-dirty").succeeds();
}

#[test]
fn modes_and_links_of_files_are_kept() {
    let repo = Repo::with(&["--no-git"]);
    let path = repo.root().join("README.md");
    repo.edit("README.md", "\n", "\nOurs, and private.\n");
    for (path, mode) in [("README.md", 0o600), ("appgen.yaml", 0o640), ("Cargo.toml", 0o755)] {
        fs::set_permissions(repo.root().join(path), Permissions::from_mode(mode)).unwrap();
    }
    // Another name of the same file keeps the old text, as with git.
    let twin = repo.place.path().join("twin");
    fs::hard_link(&path, &twin).unwrap();
    let before = repo.read("README.md");
    let modes = || {
        ["README.md", "appgen.yaml", "Cargo.toml"]
            .map(|path| fs::metadata(repo.root().join(path)).unwrap().permissions().mode() & 0o7777)
    };
    repo.run("add-env staging").succeeds();
    repo.run("add-entity one a:decimal(5,2)!").succeeds();
    assert_eq!(modes(), [0o600, 0o640, 0o755]);
    assert_eq!(fs::read_to_string(&twin).unwrap(), before);
    assert_ne!(repo.read("README.md"), before);
    for entry in fs::read_dir(repo.root().join(".appgen/txn/last")).unwrap() {
        let entry = entry.unwrap();
        if fs::read_to_string(entry.path()).unwrap().contains("and private") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "a copy that others can read");
        }
    }
    repo.run("undo").succeeds();
    assert_eq!(modes(), [0o600, 0o640, 0o755]);
}
