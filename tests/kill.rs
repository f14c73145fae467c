//! Killed at every system call that changes the disk, or at every third where there are many, and at random. `new`: the
//! target is absent or complete, and the next `new` leaves no temporary directory behind. A change: the tree is the old
//! one or, after the next changing command, the new one. Everything happens in memory where there is such a disk: the
//! calls are the same, and hundreds of times nobody waits for a real one. Budget: 2 minutes on 2 cores.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::Place;
use crate::support::extent::share;
use crate::support::postgres::within;

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
    // Whom the killed one had just forked has its lock for a moment longer: what is left goes with a later one then.
    within(Duration::from_secs(1), &format!("{when}: nothing is left"), || {
        place.run(NEW).succeeds();
        let entries = place.entries();
        fs::remove_dir_all(&target).unwrap();
        entries == ["a"]
    });
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
        for nth in share(calls.len()) {
            // What is read changes nothing.
            if *call == "openat" && !calls[nth].contains("O_CREAT") {
                continue;
            }
            let nth = nth + 1;
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
        // A git whose appgen was killed may still be writing.
        within(Duration::from_secs(1), "the last one is removed", || {
            !self.root.exists() || fs::remove_dir_all(&self.root).is_ok()
        });
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
            for nth in share(calls.len()) {
                let text = calls[nth];
                // What is read changes nothing, and what is said comes after the change.
                let said = text.starts_with("write(1,") || text.starts_with("write(2,");
                if said || (*call == "openat" && !text.contains("O_CREAT")) {
                    continue;
                }
                let nth = nth + 1;
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

/// What a program told the kernel to put on the disk, or to call by another name, call by call.
struct Calls(Vec<(String, PathBuf)>);

impl Calls {
    /// Reads what `strace -y` wrote: the name of each call with its last path.
    fn read(log: &Path) -> Self {
        let text = fs::read_to_string(log).unwrap();
        let call = |line: &str| {
            // Another thread may be at work before a call is done.
            let (call, result) = line.rsplit_once(" = ").or(line.split_once(" <unfinished ...>"))?;
            let (name, arguments) = call.split_once('(')?;
            // Behind the number of the thread.
            let name = name.rsplit(' ').next()?;
            let path = match name {
                "fsync" => arguments.split_once('<')?.1.split_once('>')?.0,
                "rename" => arguments.rsplit('"').nth(1)?,
                "openat" if !arguments.contains("O_CREAT") => return None,
                _ => arguments.split('"').nth(1)?,
            };
            (!result.starts_with('-')).then(|| (name.to_owned(), PathBuf::from(path)))
        };
        Self(text.lines().filter_map(call).collect())
    }

    /// Where the first of these calls stands.
    fn first(&self, wanted: impl Fn(&str, &Path) -> bool) -> usize {
        self.0.iter().position(|(name, path)| wanted(name, path)).unwrap()
    }

    /// Of the calls in a range, the paths of those that are wanted, each with where it stands.
    fn of(&self, range: std::ops::Range<usize>, wanted: &[&str]) -> Vec<(usize, &Path)> {
        let calls = range.map(|at| (at, &self.0[at])).filter(|(_, (name, _))| wanted.contains(&name.as_str()));
        calls.map(|(at, (_, path))| (at, path.as_path())).collect()
    }

    #[track_caller]
    fn assert_synced(&self, path: &Path, range: std::ops::Range<usize>, what: &str) {
        let synced = self.of(range, &["fsync"]).iter().any(|(_, synced)| *synced == path);
        assert!(synced, "{what}: {} was not synced", path.display());
    }
}

const TRACED: &[&str] = &["-y", "-s", "400", "-e", "trace=openat,rename,fsync,unlink,mkdir", "-o"];

/// Nobody can pull the plug here: that what must be on the disk is there before the next step is seen in the calls.
#[test]
fn a_change_is_on_the_disk_before_its_commit_point_and_before_its_end() {
    let what = "the order of writes";
    let Some(strace) = support::tool("strace", what) else { return };
    for_every_change(|case| {
        case.again();
        let root = fs::canonicalize(&case.root).unwrap();
        let log = case.place.path().join("log");
        let output = case.traced(&strace, &[TRACED, &[log.to_str().unwrap()]].concat());
        if !matches!(output.status.code(), Some(0 | 4)) {
            return support::skip(what, &String::from_utf8_lossy(&output.stderr));
        }
        let calls = Calls::read(&log);
        let records = root.join(".appgen");
        let (staged, transactions) = (records.join("txn/staged"), records.join("txn"));
        let commit = calls.first(|name, path| name == "rename" && path == staged.join("manifest.json"));
        let mut last = 0;
        for (at, path) in calls.of(0..commit, &["openat"]) {
            if path.starts_with(&staged) {
                calls.assert_synced(path, at..commit, &case.line);
                last = at;
            }
        }
        for directory in [&staged, &transactions, &records, &root] {
            calls.assert_synced(directory, last..commit, &case.line);
        }
        let end = calls.0.len();
        calls.assert_synced(&staged, commit..end, &case.line);
        let arrived = calls.of(commit..end, &["rename", "unlink"]);
        let arrived: Vec<_> = arrived.into_iter().filter(|(_, path)| !path.starts_with(&records)).collect();
        assert!(!arrived.is_empty(), "{}: nothing arrived", case.line);
        for (at, path) in arrived {
            let inside = path.ancestors().skip(1).take_while(|directory| directory.starts_with(&root));
            for directory in inside.filter(|directory| directory.is_dir()) {
                calls.assert_synced(directory, at..end, &case.line);
            }
        }
        let kept = calls.first(|name, path| name == "rename" && path == transactions.join("last"));
        calls.assert_synced(&transactions, kept..end, &case.line);
    });
}

#[test]
fn a_new_repository_is_on_the_disk_before_it_has_its_name() {
    let what = "the order of writes of `new`";
    let Some(strace) = support::tool("strace", what) else { return };
    let place = Place::in_memory();
    let log = place.path().join("log");
    let mut command = Command::new(strace);
    command.args(["-f", "-qq"]).args(TRACED).arg(&log).arg(env!("CARGO_BIN_EXE_appgen")).args(NEW);
    let output = command.current_dir(place.path()).output().unwrap();
    if !output.status.success() {
        return support::skip(what, &String::from_utf8_lossy(&output.stderr));
    }
    let calls = Calls::read(&log);
    let (root, end) = (fs::canonicalize(place.path()).unwrap(), calls.0.len());
    let named = calls.first(|name, path| name == "rename" && path.ends_with("a"));
    let made = calls.of(0..named, &["openat", "mkdir"]);
    let made: Vec<_> = made.into_iter().filter(|(_, path)| path.to_string_lossy().contains(".appgen-new-a")).collect();
    assert!(made.len() > 150, "{}", made.len());
    for (at, path) in made {
        calls.assert_synced(&root.join(path), at..named, "new");
    }
    calls.assert_synced(&root, named..end, "new");
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
        // As a clone has it: each must find, or make, the directory of the lock.
        let _ = fs::remove_dir_all(root.join(".appgen/txn"));
        let line = |name: &str| format!("add-handler {name}-{round} --path /{name}/{round}");
        let start = |name: &&str| change(&root, &line(name)).stderr(Stdio::piped()).spawn().unwrap();
        let children: Vec<_> = ["one", "two", "six"].iter().map(start).collect();
        let outcomes: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        let codes = || outcomes.iter().map(|outcome| outcome.status.code());
        assert!(codes().any(|code| code == Some(0)), "{outcomes:?}");
        assert!(codes().all(|code| matches!(code, Some(0 | 5))), "{outcomes:?}");
        let written = fs::read_to_string(root.join("appgen.yaml")).unwrap();
        for (name, code) in ["one", "two", "six"].iter().zip(codes()) {
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
