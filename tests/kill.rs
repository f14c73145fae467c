//! `appgen new` killed at every system call that changes the disk, and at random: the target is absent or complete, and
//! the next `new` leaves no temporary directory behind. Budget: 4 minutes on 2 cores.
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
