//! `cargo bench`: what `appgen new` costs, as ratios within one run: processor time against a program that writes and
//! fsyncs the same files and directories from memory, and wall time with git against git's own three commands.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark may"
)]

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use support::{processor_time, run, summary};

const APPGEN: &str = env!("CARGO_BIN_EXE_appgen");
const ROUNDS: usize = 50;

fn main() {
    if let Some(source) = std::env::var_os("APPGEN_BENCH_FLOOR") {
        return floor(Path::new(&source));
    }
    if std::env::var_os("APPGEN_BENCH_PEAK").is_some() {
        // Until it executes, a child shares our memory, and its peak counts what we hold: so this process holds nothing.
        run(Command::new(APPGEN).args(["new", "a", "--yes", "--no-git"]).stdout(Stdio::null()));
        let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
        return println!("peak memory, new --no-git: {:.1} MiB", peak as f64 / 1024.0);
    }
    let place = tempfile::tempdir().unwrap();
    let new = |name: &str, more: &[&str]| {
        let mut command = Command::new(APPGEN);
        command.args(["new", name, "--yes"]).args(more).current_dir(place.path()).stdout(Stdio::null());
        command
    };
    run(&mut new("source", &["--no-git"]));
    let files = list(&place.path().join("source"));
    println!("{} files, {} bytes", files.len(), files.iter().map(|(_, text)| text.len()).sum::<usize>());
    // The floor reads one file instead of holding the bytes: that is in its favour by less than 0.2 ms.
    let packed = place.path().join("packed.json");
    fs::write(&packed, serde_json::to_vec(&files).unwrap()).unwrap();

    run(Command::new(std::env::current_exe().unwrap()).env("APPGEN_BENCH_PEAK", "1").current_dir(place.path()));
    fs::remove_dir_all(place.path().join("a")).unwrap();

    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let ours = processor_time(|| {
            run(&mut new("a", &["--no-git"]));
            fs::remove_dir_all(place.path().join("a")).unwrap();
        });
        let least = processor_time(|| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            run(command.env("APPGEN_BENCH_FLOOR", &packed).current_dir(place.path()));
            fs::remove_dir_all(place.path().join("floor")).unwrap();
        });
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

/// Writes and fsyncs the files of a packed repository, and its directories.
fn floor(source: &Path) {
    let files: Vec<(String, String)> = serde_json::from_slice(&fs::read(source).unwrap()).unwrap();
    let root = Path::new("floor");
    fs::create_dir(root).unwrap();
    let mut directories = vec![root.to_owned()];
    for (path, text) in files {
        let path = root.join(path);
        let parent = path.parent().unwrap();
        if !directories.iter().any(|directory| directory == parent) {
            fs::create_dir_all(parent).unwrap();
            directories.push(parent.to_owned());
        }
        let mut file = File::create_new(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.sync_all().unwrap();
    }
    for directory in directories {
        File::open(directory).unwrap().sync_all().unwrap();
    }
}

fn list(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}
