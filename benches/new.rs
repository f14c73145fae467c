//! `cargo bench --bench new`: what `appgen new` costs, as ratios within one run: processor time against a program that
//! writes and fsyncs the same files and directories, and wall time with git against git's own three commands.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark may"
)]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::{APPGEN, floor, pack, peak, processor_time, run, summary};

const ROUNDS: usize = 50;

fn main() {
    if support::is_helper() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let new = |name: &str, more: &[&str]| {
        let mut command = Command::new(APPGEN);
        command.args(["new", name, "--yes"]).args(more).current_dir(place.path()).stdout(Stdio::null());
        command
    };
    run(&mut new("source", &["--no-git"]));
    let packed = place.path().join("packed.json");
    let (files, bytes) = pack(&place.path().join("source"), &packed);
    println!("{files} files, {bytes} bytes");

    let peak = peak(place.path(), &["new", "a", "--yes", "--no-git"]);
    fs::remove_dir_all(place.path().join("a")).unwrap();
    println!("peak memory, new --no-git: {peak:.1} MiB");

    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let ours = processor_time(|| run(&mut new("a", &["--no-git"])));
        fs::remove_dir_all(place.path().join("a")).unwrap();
        let least = processor_time(|| run(&mut floor(&packed, place.path())));
        fs::remove_dir_all(place.path().join("floor")).unwrap();
        ratios.push(ours.as_secs_f64() / least.as_secs_f64());
    }
    println!("cpu, new --no-git / floor: {}", summary(&mut ratios));

    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run(&mut new("a", &[]));
        let ours = start.elapsed();
        fs::remove_dir_all(place.path().join("a/.git")).unwrap();
        let start = Instant::now();
        for arguments in
            [&["init", "-q"][..], &["add", "."], &["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"]]
        {
            run(Command::new("git").args(arguments).current_dir(place.path().join("a")));
        }
        let git = start.elapsed();
        fs::remove_dir_all(place.path().join("a")).unwrap();
        ratios.push(ours.as_secs_f64() / git.as_secs_f64());
    }
    println!("wall, new / git's three commands: {}", summary(&mut ratios));
}
