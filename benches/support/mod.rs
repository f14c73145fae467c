//! What the benchmarks measure with.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

pub const APPGEN: &str = env!("CARGO_BIN_EXE_appgen");

pub fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// A directory in memory where there is such a place: programs are compared there, and not what the disk does meanwhile.
pub fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// User and system time of the children that ran meanwhile.
pub fn processor_time(body: impl FnOnce()) -> Duration {
    let children = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let total = usage.user_time() + usage.system_time();
        Duration::from_micros(total.num_microseconds().try_into().unwrap())
    };
    let before = children();
    body();
    children() - before
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of ratios, and their range.
pub fn summary(ratios: &mut [f64]) -> String {
    let median = median(ratios);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    format!("median {median:.2} ({least:.2} to {most:.2}), {} rounds", ratios.len())
}

/// This benchmark once more, for what needs a process of its own.
pub fn this(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role);
    command
}

const ROLE: &str = "APPGEN_BENCH_ROLE";
const ARGUMENTS: &str = "APPGEN_BENCH_ARGUMENTS";

/// Whether this process is one of those that `peak` and `floor` start; then it has done its work.
pub fn is_helper() -> bool {
    let arguments = std::env::var(ARGUMENTS).unwrap_or_default();
    match std::env::var(ROLE).as_deref() {
        Ok("peak") => {
            let arguments = arguments.split('\n');
            run(Command::new(APPGEN).env_remove(ROLE).args(arguments).stdout(std::process::Stdio::null()));
            #[allow(clippy::print_stdout, reason = "it is read by whoever started this")]
            {
                println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss());
            }
            true
        }
        Ok("floor") => {
            write_and_sync(Path::new(&arguments));
            true
        }
        _ => false,
    }
}

/// Peak memory of appgen in MiB. Until it executes, a child shares the memory of its parent, and its peak counts what
/// that holds: so its parent is a process that holds nothing.
pub fn peak(directory: &Path, arguments: &[&str]) -> f64 {
    let mut helper = this("peak");
    let output = helper.env(ARGUMENTS, arguments.join("\n")).current_dir(directory).output().unwrap();
    let kib: f64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    kib / 1024.0
}

/// The files of a repository in one file, for `floor`. Returns how many, and their bytes.
pub fn pack(repository: &Path, packed: &Path) -> (usize, usize) {
    let files = list(repository);
    fs::write(packed, serde_json::to_vec(&files).unwrap()).unwrap();
    (files.len(), files.iter().map(|(_, text)| text.len()).sum())
}

/// A program that writes and fsyncs packed files, and their directories, to `floor`. It reads one file instead of
/// holding the bytes: that is in its favour by less than 0.2 ms.
pub fn floor(packed: &Path, directory: &Path) -> Command {
    let mut helper = this("floor");
    helper.env(ARGUMENTS, packed).current_dir(directory);
    helper
}

fn write_and_sync(packed: &Path) {
    let files: Vec<(String, String)> = serde_json::from_slice(&fs::read(packed).unwrap()).unwrap();
    let root = Path::new("floor");
    fs::create_dir(root).unwrap();
    let mut directories = std::collections::BTreeSet::from([root.to_owned()]);
    for (path, text) in files {
        let path = root.join(path);
        let parent = path.parent().unwrap();
        if !directories.contains(parent) {
            fs::create_dir_all(parent).unwrap();
            directories.insert(parent.to_owned());
        }
        let mut file = File::create_new(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.sync_all().unwrap();
    }
    for directory in directories {
        File::open(directory).unwrap().sync_all().unwrap();
    }
}

/// Every file below, by its path from there, but git's.
pub fn list(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != ".git" {
                    waiting.push(path);
                }
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}
