//! Killed at every system call that changes the disk, and at random. `new`: the target is absent or complete, and the
//! next `new` leaves no temporary directory behind. A change: the tree is the old one or, after the next changing
//! command, the new one. Budget: 8 minutes on 2 cores.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::Place;

/// What `new` calls to change the disk, and to protect what it changes.
const SYSTEM_CALLS: &[&str] = &["mkdir", "openat", "write", "fsync", "flock", "rename", "unlink", "rmdir"];

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
    let place = Place::new();
    place.run(NEW).succeeds();
    support::files(&place.path().join("a"))
}

#[test]
fn killed_at_every_system_call() {
    let Some(strace) = support::tool("strace", "kills at every system call") else { return };
    let complete = complete();
    let place = Place::new();
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
        let count = text.lines().filter(|line| line.contains(&format!(" {call}("))).count();
        // Where a call comes a hundred times in a row, a kill at every third shows as much.
        let step = if count > 60 && !support::everything_is_required() { count / 20 } else { 1 };
        for nth in (1..=count).step_by(step) {
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
    let place = Place::new();
    kill_at_random(&place, &NEW, 200, Duration::from_millis(40), |when| check(&place, &complete, when));
}

#[test]
fn killed_at_random_while_git_runs() {
    let Some(git) = support::tool("git", "kills while git runs") else { return };
    let complete = complete();
    let place = Place::new();
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

/// Commands that change a repository, each after what prepares it.
const CHANGES: &[(&str, &[&str])] = &[
    ("add-env staging", &[]),
    ("add-entity invoice number:text(20)!^ country:ref(country)! amount:decimal(9,2)?", &[]),
    ("remove-handler quote", &[]),
    ("undo", &["add-entity invoice number:text(20)!"]),
    ("restore README.md config/base.yaml", &[]),
    // The overlay has a conflict, and git's index gets its sides.
    ("sync", &["conflict"]),
];

fn change(directory: &std::path::Path, line: &str) -> Command {
    let mut command = support::appgen(directory);
    command.args(line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A repository with edits in which the command has something to do.
fn prepared(place: &Place, preparations: &[&str]) -> std::path::PathBuf {
    place.run(["new", "a", "--yes"]).succeeds();
    let root = place.path().join("a");
    let edit = |path: &str, from: &str, to: &str| {
        let text = fs::read_to_string(root.join(path)).unwrap();
        assert!(text.contains(from), "{path}");
        fs::write(root.join(path), text.replacen(from, to, 1)).unwrap();
    };
    edit("README.md", "\n", "\nOurs.\n");
    edit("config/base.yaml", "\n", " # ours\n");
    for line in preparations {
        if *line == "conflict" {
            edit("deploy/kustomize/overlays/prod/kustomization.yaml", "count: 2", "count: 7");
            edit("appgen.yaml", "  prod:\n    replicas: 2\n", "  prod:\n    replicas: 3\n");
        } else {
            assert!(change(&root, &format!("{line} --allow-dirty")).status().unwrap().success(), "{line}");
        }
    }
    root
}

fn tree(root: &std::path::Path) -> BTreeMap<String, String> {
    let mut files = support::files(root);
    files.retain(|path, _| !path.starts_with(".appgen/txn/"));
    files
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    support::succeed(Command::new("cp").arg("-a").arg(from).arg(to));
}

/// Old, or new once the next changing command has run: never between.
fn check_change(root: &std::path::Path, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>, when: &str) {
    // `sync` has nothing of its own to do but to complete or to drop; where a conflict is open it is refused after that.
    change(root, "sync --allow-dirty").status().unwrap();
    let found = tree(root);
    if found != *old && found != *new {
        let strange = found.iter().find(|(path, text)| old.get(*path) != Some(text) && new.get(*path) != Some(text));
        panic!("{when}: neither the old nor the new tree: {strange:?}");
    }
    let left = root.join(".appgen/txn/staged");
    assert!(!left.exists(), "{when}: {} is left", left.display());
}

#[test]
fn a_change_killed_at_every_system_call() {
    let Some(strace) = support::tool("strace", "kills at every system call of a change") else { return };
    const CALLS: &[&str] = &["mkdir", "openat", "write", "fsync", "flock", "rename", "unlink", "rmdir", "fchmod"];
    let mut kills = 0;
    for (line, preparations) in CHANGES {
        let place = Place::new();
        let origin = prepared(&place, preparations);
        let old = tree(&origin);
        let root = place.path().join("copy");
        copy(&origin, &root);
        let line = format!("{line} --allow-dirty");
        let traced = |options: &[&str]| {
            let mut command = Command::new(&strace);
            command.arg("-qq").args(options).arg(env!("CARGO_BIN_EXE_appgen")).args(line.split(' '));
            command.current_dir(&root).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
            command.env("HOME", place.path()).stdin(Stdio::null()).output().unwrap()
        };
        let log = place.path().join("log").display().to_string();
        let output = traced(&["-o", &log, "-e", &format!("trace={}", CALLS.join(","))]);
        if !matches!(output.status.code(), Some(0 | 4)) {
            support::skip("kills at every system call of a change", &String::from_utf8_lossy(&output.stderr));
            return;
        }
        let new = tree(&root);
        assert_ne!(old, new, "{line}");
        let text = fs::read_to_string(&log).unwrap();
        for call in CALLS {
            let calls: Vec<&str> = text.lines().filter(|line| line.starts_with(&format!("{call}("))).collect();
            let step = if calls.len() > 40 && !support::everything_is_required() { 7 } else { 1 };
            for nth in (1..=calls.len()).step_by(step) {
                // A file that is only opened to be read changes nothing.
                if *call == "openat" && !calls[nth - 1].contains("O_CREAT") {
                    continue;
                }
                copy(&origin, &root);
                traced(&["-o", "/dev/null", "-e", &format!("inject={call}:signal=KILL:when={nth}")]);
                check_change(&root, &old, &new, &format!("{line}: {call} {nth}"));
                kills += 1;
            }
        }
    }
    assert!(kills > 100, "only {kills} kills");
}

#[test]
fn a_change_killed_three_hundred_times_at_random() {
    for (line, preparations) in CHANGES {
        let place = Place::new();
        let origin = prepared(&place, preparations);
        let old = tree(&origin);
        let root = place.path().join("copy");
        copy(&origin, &root);
        let line = format!("{line} --allow-dirty");
        change(&root, &line).status().unwrap();
        let new = tree(&root);
        let mut state = 7_u64;
        for kill in 0..50 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let delay = Duration::from_micros((state >> 33) % 60_000);
            copy(&origin, &root);
            let mut child = change(&root, &line).spawn().unwrap();
            std::thread::sleep(delay);
            let _ = child.kill();
            child.wait().unwrap();
            check_change(&root, &old, &new, &format!("{line}: kill {kill} after {delay:?}"));
        }
    }
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
