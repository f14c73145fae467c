//! Killed at every system call that changes the disk, and at random. `new`: the target is absent or complete, and the
//! next `new` leaves no temporary directory behind. A change: the tree is the old one or, after the next changing
//! command, the new one. Everything happens in memory where there is such a disk: the calls are the same, and hundreds
//! of times nobody waits for a real one. Budget: 4 minutes on 2 cores.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::Place;

/// What `new` calls to change the disk, and to protect what it changes.
const SYSTEM_CALLS: &[&str] = &[
    "mkdir", "openat", "write", "fsync", "flock", "rename", "unlink", "unlinkat", "rmdir", "fchmod", "chmod", "chown",
];

const NEW: [&str; 4] = ["new", "a", "--yes", "--no-git"];

/// The target is absent or complete; the next `new` works and cleans up.
fn check(place: &Place, complete: &BTreeMap<String, String>, when: &str) {
    let target = place.path().join("a");
    if target.exists() {
        assert!(support::files(&target) == *complete, "{when}: half-written");
        fs::remove_dir_all(&target).unwrap();
    }
    place.run(NEW).succeeds();
    assert_eq!(place.entries(), ["a"], "{when}");
    fs::remove_dir_all(&target).unwrap();
}

fn complete() -> BTreeMap<String, String> {
    let place = Place::in_memory();
    place.run(NEW).succeeds();
    support::files(&place.path().join("a"))
}

#[test]
fn killed_at_every_system_call() {
    let Some(strace) = support::tool("strace", "kills at every system call") else { return };
    let complete = complete();
    let place = Place::in_memory();
    let traced = |options: &[&str]| {
        let mut command = Command::new(&strace);
        command.args(["-f", "-qq"]).args(options).arg(env!("CARGO_BIN_EXE_appgen")).args(NEW);
        command.current_dir(place.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(Stdio::null()).output().unwrap()
    };
    let log = place.path().join("log").display().to_string();
    let output = traced(&["-o", &log, "-e", &format!("trace={}", SYSTEM_CALLS.join(","))]);
    if !output.status.success() {
        support::skip("kills at every system call", &String::from_utf8_lossy(&output.stderr));
        return;
    }
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    fs::remove_dir_all(place.path().join("a")).unwrap();
    let mut kills = 0;
    for call in SYSTEM_CALLS {
        let calls: Vec<_> = text.lines().filter(|line| line.contains(&format!(" {call}("))).collect();
        // Where a call comes a hundred times in a row, a kill at every third shows as much.
        let step = if calls.len() > 60 && !support::everything_is_required() { calls.len() / 20 } else { 1 };
        for nth in (1..=calls.len()).step_by(step) {
            // What is read changes nothing.
            if *call == "openat" && !calls[nth - 1].contains("O_CREAT") {
                continue;
            }
            traced(&["-o", "/dev/null", "-e", &format!("inject={call}:signal=KILL:when={nth}")]);
            check(&place, &complete, &format!("{call} {nth}"));
            kills += 1;
        }
    }
    assert!(kills > 100, "only {kills} kills");
}

/// Starts and kills `appgen` after a delay below `longest`, again and again.
fn kill_at_random(place: &Place, arguments: &[&str], kills: u32, longest: Duration, check: impl Fn(&str)) {
    // A fixed sequence (Knuth's multiplier): a failure can be seen again.
    let mut state = 42_u64;
    for kill in 0..kills {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_micros((state >> 33) % longest.as_micros() as u64);
        let mut command = support::appgen(place.path());
        let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        let _ = child.kill();
        child.wait().unwrap();
        check(&format!("kill {kill} after {delay:?}"));
    }
}

#[test]
fn killed_two_hundred_times_at_random() {
    let complete = complete();
    let place = Place::in_memory();
    kill_at_random(&place, &NEW, 200, Duration::from_millis(40), |when| check(&place, &complete, when));
}

#[test]
fn killed_at_random_while_git_runs() {
    let Some(git) = support::tool("git", "kills while git runs") else { return };
    let complete = complete();
    let place = Place::in_memory();
    let target = place.path().join("a");
    kill_at_random(&place, &["new", "a", "--yes"], 100, Duration::from_millis(80), |when| {
        if target.exists() {
            let git =
                |arguments: &[&str]| support::succeed(Command::new(&git).args(arguments).current_dir(&target)).out;
            assert_eq!(git(&["status", "--porcelain"]), "", "{when}");
            assert_eq!(git(&["rev-list", "--count", "HEAD"]), "1\n", "{when}");
            git(&["fsck", "--strict"]);
        }
        check(&place, &complete, when);
    });
}

/// What a command finds when it begins.
#[derive(Clone, Copy)]
enum Given {
    /// Files with edits of the user's.
    Edits,
    /// The same after another change.
    Change(&'static str),
    /// An edit of the spec by hand.
    Spec,
    /// An edit of the spec and of a file, which nobody can merge. git's index gets its sides.
    Conflict,
    /// A merge of two branches that git could not finish.
    Merge,
    /// Templates that this appgen does not hold.
    OtherTemplates,
}

/// Every command that changes a repository.
const CHANGES: &[(&str, Given)] = &[
    ("add-env staging", Given::Edits),
    ("add-handler ping", Given::Change("remove-handler quote")),
    ("add-entity invoice number:text(20)!^ country:ref(country)! amount:decimal(9,2)?", Given::Edits),
    ("add-migration fill-names", Given::Edits),
    ("remove-env test", Given::Edits),
    ("remove-handler quote", Given::Edits),
    ("remove-entity currency --drop-table", Given::Edits),
    ("remove-entity currency --unapplied", Given::Edits),
    ("sync", Given::Spec),
    ("sync", Given::Conflict),
    ("upgrade", Given::OtherTemplates),
    ("resolve", Given::Merge),
    ("restore README.md config/base.yaml", Given::Edits),
    ("undo", Given::Change("add-entity invoice number:text(20)!")),
];

/// One row of the table, made.
struct Case {
    line: String,
    place: Place,
    origin: PathBuf,
    root: PathBuf,
    old: BTreeMap<String, String>,
    new: BTreeMap<String, String>,
    /// How long the command takes here.
    takes: Duration,
}

impl Case {
    fn new((line, given): (&str, Given)) -> Self {
        let place = Place::in_memory();
        let origin = place.path().join("origin");
        prepare(&place, &origin, given);
        let (root, old) = (place.path().join("copy"), tree(&origin));
        let mut case = Self {
            line: format!("{line} --allow-dirty"),
            place,
            origin,
            root,
            new: BTreeMap::new(),
            old,
            takes: Duration::ZERO,
        };
        case.again();
        let start = Instant::now();
        let status = change(&case.root, &case.line).status().unwrap();
        case.takes = start.elapsed();
        assert!(matches!(status.code(), Some(0 | 4)), "{line}: {status}");
        case.new = tree(&case.root);
        assert_ne!(case.old, case.new, "{line}");
        case
    }

    /// The repository as it was before the command.
    fn again(&self) {
        if self.root.exists() {
            fs::remove_dir_all(&self.root).unwrap();
        }
        support::succeed(Command::new("cp").arg("-a").args([&self.origin, &self.root]));
    }

    /// The command under strace.
    fn traced(&self, strace: &Path, options: &[&str]) -> std::process::Output {
        let mut command = Command::new(strace);
        command.arg("-qq").args(options).arg(env!("CARGO_BIN_EXE_appgen")).args(self.line.split(' '));
        command.current_dir(&self.root).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.place.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// Old, or new once the next changing command has run: never between.
    fn check(&self, when: &str) {
        // A command that has nothing to do but to complete or to drop what it finds: what it is asked for is not there.
        let next = change(&self.root, "remove-env none").status().unwrap();
        assert!(matches!(next.code(), Some(2 | 5)), "{}: {when}: {next}", self.line);
        let (old, new, found) = (&self.old, &self.new, tree(&self.root));
        if found != *old && found != *new {
            let strange =
                found.iter().find(|(path, text)| old.get(*path) != Some(text) && new.get(*path) != Some(text));
            panic!("{}: {when}: neither the old nor the new tree: {strange:?}", self.line);
        }
        let left = self.root.join(".appgen/txn/staged");
        assert!(!left.exists(), "{}: {when}: {} is left", self.line, left.display());
        let ignored = fs::read_to_string(self.root.join(".appgen/txn/.gitignore")).unwrap();
        assert_eq!(ignored, "*\n", "{}: {when}", self.line);
    }
}

fn change(directory: &Path, line: &str) -> Command {
    let mut command = support::appgen(directory);
    command.args(line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Makes a repository in which the command has something to do.
fn prepare(place: &Place, root: &Path, given: Given) {
    let git = matches!(given, Given::Merge | Given::Conflict);
    let flags: &[&str] = if git { &["--yes"] } else { &["--yes", "--no-git"] };
    support::succeed(support::appgen(place.path()).args(["new", "a"]).args(flags));
    fs::rename(place.path().join("a"), root).unwrap();
    let edit = |path: &str, from: &str, to: &str| {
        let text = fs::read_to_string(root.join(path)).unwrap();
        assert!(text.contains(from), "{path}");
        fs::write(root.join(path), text.replacen(from, to, 1)).unwrap();
    };
    let run = |line: &str| assert!(change(root, line).status().unwrap().success(), "{line}");
    edit("README.md", "\n", "\nOurs.\n");
    edit("config/base.yaml", "\n", " # ours\n");
    match given {
        Given::Edits => {}
        Given::Change(line) => run(&format!("{line} --allow-dirty")),
        Given::Spec => edit("appgen.yaml", "    replicas: 2\n", "    replicas: 5\n"),
        Given::Conflict => {
            edit("deploy/kustomize/overlays/prod/kustomization.yaml", "count: 2", "count: 7");
            edit("appgen.yaml", "  prod:\n    replicas: 2\n", "  prod:\n    replicas: 3\n");
        }
        Given::Merge => {
            let git = |line: &str| {
                let mut command = Command::new("git");
                command.args(["-c", "user.name=x", "-c", "user.email=x@localhost"]).args(line.split(' '));
                command.current_dir(root).stdout(Stdio::null()).status().unwrap().success()
            };
            assert!(git("checkout -qb theirs"));
            run("add-handler get-two --allow-dirty");
            assert!(git("add -A") && git("commit -qm theirs") && git("checkout -q main"));
            run("add-handler get-one --allow-dirty");
            assert!(git("add -A") && git("commit -qm ours"));
            assert!(!git("merge -q theirs"), "git merged by itself");
        }
        Given::OtherTemplates => edit("appgen.lock", "templates: dev+", "templates: dev+0"),
    }
}

fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut files = support::files(root);
    files.retain(|path, _| !path.starts_with(".appgen/txn/"));
    files
}

/// Takes every row of the table, on two threads.
fn for_every_change(check: impl Fn(Case) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = CHANGES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(Case::new(*row));
                }
            });
        }
    });
}

#[test]
fn a_change_killed_at_every_system_call() {
    let Some(strace) = support::tool("strace", "kills at every system call of a change") else { return };
    let kills = AtomicUsize::new(0);
    for_every_change(|case| {
        case.again();
        let log = case.place.path().join("log").display().to_string();
        let output = case.traced(&strace, &["-o", &log, "-e", &format!("trace={}", SYSTEM_CALLS.join(","))]);
        if !matches!(output.status.code(), Some(0 | 4)) {
            support::skip("kills at every system call of a change", &String::from_utf8_lossy(&output.stderr));
            return;
        }
        let text = fs::read_to_string(&log).unwrap();
        for call in SYSTEM_CALLS {
            let calls: Vec<&str> = text.lines().filter(|line| line.starts_with(&format!("{call}("))).collect();
            let step = if support::everything_is_required() { 1 } else { 7 };
            for nth in (1..=calls.len()).step_by(step) {
                let text = calls[nth - 1];
                // What is read changes nothing, and what is said comes after the change.
                let said = text.starts_with("write(1,") || text.starts_with("write(2,");
                if said || (*call == "openat" && !text.contains("O_CREAT")) {
                    continue;
                }
                case.again();
                case.traced(&strace, &["-o", "/dev/null", "-e", &format!("inject={call}:signal=KILL:when={nth}")]);
                case.check(&format!("{call} {nth}"));
                kills.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let kills = kills.into_inner();
    assert!(kills > 100, "only {kills} kills");
}

#[test]
fn a_change_killed_three_hundred_times_at_random() {
    let times = 300_usize.div_ceil(CHANGES.len());
    for_every_change(|case| {
        let mut state = 7_u64;
        for kill in 0..times {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let delay = Duration::from_micros((state >> 33) % case.takes.as_micros() as u64);
            case.again();
            let mut child = change(&case.root, &case.line).spawn().unwrap();
            std::thread::sleep(delay);
            let _ = child.kill();
            child.wait().unwrap();
            case.check(&format!("kill {kill} after {delay:?}"));
        }
    });
}

#[test]
fn two_changes_at_once() {
    let place = Place::new();
    place.run(["new", "a", "--yes", "--no-git"]).succeeds();
    let root = place.path().join("a");
    for round in 0..10 {
        let line = |name: &str| format!("add-handler {name}-{round} --path /{name}/{round}");
        let mut children: Vec<_> =
            ["one", "two", "six"].iter().map(|name| change(&root, &line(name)).spawn().unwrap()).collect();
        let codes: Vec<_> = children.iter_mut().map(|child| child.wait().unwrap().code()).collect();
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 5))), "{codes:?}");
        let written = fs::read_to_string(root.join("appgen.yaml")).unwrap();
        for (name, code) in ["one", "two", "six"].iter().zip(codes) {
            assert_eq!(written.contains(&format!("{name}-{round}")), code == Some(0));
        }
        assert!(change(&root, "check").status().unwrap().success());
    }
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    let mut children: Vec<_> = ["a", "b", "c", "d", "a"]
        .iter()
        .map(|name| {
            let mut command = support::appgen(place.path());
            command.args(["new", name, "--yes", "--no-git"]).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    let succeeded = children.iter_mut().filter_map(|child| child.wait().unwrap().success().then_some(())).count();
    assert!(succeeded >= 4, "{succeeded} of 5");
    assert_eq!(place.entries(), ["a", "b", "c", "d"]);
    assert_eq!(support::files(&place.path().join("a")), complete());
}
