//! `cargo bench --bench peers`: the processor time of appgen and of other generators for the same files, and of an update
//! of ten edited ones, in memory. Copier and cargo-generate are taken from PATH; what is not there is said. With `-- DIRECTORY` the
//! table goes there.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark may"
)]

#[path = "support/sets.rs"]
mod sets;
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sets::{CHANGED, branches, child, git, line, reset};
use support::{in_memory, list, median, processor_time, run};

const ROUNDS: usize = 9;

/// What stands for the name in the templates of the others.
const NAME: &str = "my-service";

/// Copier with delimiters that occur in no file.
const COPIER: &str = r###"_templates_suffix: ""
_envops:
  variable_start_string: "[[["
  variable_end_string: "]]]"
  block_start_string: "[%%"
  block_end_string: "%%]"
  comment_start_string: "[##"
  comment_end_string: "##]"
project_name:
  type: str
  default: my-service
"###;

fn main() {
    if support::is_helper() || sets::is_child() {
        return;
    }
    let place = in_memory();
    let place = place.path();
    let (old, next) = (place.join("old"), place.join("next"));
    for (directory, set) in [(&old, "old"), (&next, "new")] {
        fs::create_dir(directory).unwrap();
        run(&mut child(set, directory, &["new", NAME, "--yes"]));
    }
    let (old, next) = (old.join(NAME), next.join(NAME));
    branches(&old, &next);
    let files = list(&next);
    let size: usize = files.iter().map(|(_, text)| text.len()).sum();
    let mut table = format!(
        "The default repository: {} files, {size} bytes. Processor time, medians of {ROUNDS} rounds.\n\n\
         | program | what | ms | appgen is faster by |\n|---|---|--:|--:|\n",
        files.len()
    );
    let mut row = |program: &str, what: &str, seconds: f64, ours: f64| {
        writeln!(table, "| {program} | {what} | {:.1} | {:.1} |", seconds * 1e3, seconds / ours).unwrap();
    };

    let new = time(&place.join("made"), |at| {
        run(&mut child("new", at, &["new", NAME, "--yes", "--no-git"]));
    });
    row("appgen", "new, without git", new, new);
    if let Some(version) = version("cargo-generate") {
        let template = place.join("liquid");
        liquid(&template, &files);
        let seconds = time(&place.join("made"), |at| {
            let mut generate = Command::new("cargo-generate");
            generate.args(["generate", "--silent", "--vcs", "none", "--name", NAME, "--path"]).arg(&template);
            run(generate.arg("--destination").arg(at).stdout(Stdio::null()));
            assert_eq!(list(&at.join(NAME)).len(), files.len());
        });
        row(&version, "generate, without git", seconds, new);
    }
    let copier = version("copier");
    if let Some(version) = &copier {
        let template = place.join("jinja");
        jinja(&template, &files);
        let seconds = time(&place.join("made"), |at| {
            run(&mut self::copier(&["copy", "--defaults", "--quiet"], &template, &at.join(NAME)));
            assert_eq!(list(&at.join(NAME)).len(), files.len() + 1);
        });
        row(version, "copy, without git", seconds, new);
    }

    let upgrade = rounds(|| {
        let seconds = processor_time(|| run(&mut child("new", &old, &["upgrade"]))).as_secs_f64();
        reset(&old);
        seconds
    });
    row("appgen", "upgrade of ten edited files", upgrade, upgrade);
    let merge = rounds(|| {
        let merge = processor_time(|| run(&mut git(&old, &["merge", "--quiet", "--no-edit", "next"])));
        run(&mut git(&old, &["reset", "--quiet", "--hard", "HEAD^1"]));
        merge.as_secs_f64()
    });
    row("git", "merge of the same trees", merge, upgrade);
    if let Some(version) = &copier {
        let project = project_to_update(place, &files);
        let update = rounds(|| {
            let update = processor_time(|| {
                let mut update = Command::new("copier");
                update.args(["update", "--defaults", "--quiet"]).current_dir(&project);
                run(update.stdout(Stdio::null()));
            });
            let status = git(&project, &["status", "--porcelain"]).stdout(Stdio::piped()).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&status.stdout).lines().count(), CHANGED.len() + 1);
            reset(&project);
            update.as_secs_f64()
        });
        row(version, "update of ten edited files", update, upgrade);
    }
    print!("{table}");
    let directory = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if let Some(directory) = directory {
        fs::write(Path::new(&directory).join("peers.md"), table).unwrap();
    }
}

/// Its name and version. None, with a line that says so, where it is not there.
fn version(program: &str) -> Option<String> {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        println!("skipped: {program} is not in PATH");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn rounds(mut round: impl FnMut() -> f64) -> f64 {
    median(&mut (0..ROUNDS).map(|_| round()).collect::<Vec<_>>())
}

/// Of what is made in a directory, which is there and empty each time.
fn time(directory: &Path, make: impl Fn(&Path)) -> f64 {
    rounds(|| {
        fs::create_dir(directory).unwrap();
        let seconds = processor_time(|| make(directory)).as_secs_f64();
        fs::remove_dir_all(directory).unwrap();
        seconds
    })
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A template of cargo-generate. What has its delimiters in it is copied as it is.
fn liquid(template: &Path, files: &[(String, String)]) {
    let mut excluded = Vec::new();
    for (path, text) in files {
        if ["{{", "{%"].iter().any(|delimiter| text.contains(delimiter)) {
            excluded.push(path);
            write(template, path, text);
        } else {
            write(template, path, &text.replace(NAME, "{{ project-name }}"));
        }
    }
    write(template, "cargo-generate.toml", &format!("[template]\nexclude = {excluded:?}\n"));
}

/// A template of copier.
fn jinja(template: &Path, files: &[(String, String)]) {
    for (path, text) in files {
        write(template, path, &text.replace(NAME, "[[[ project_name ]]]"));
    }
    write(template, "copier.yml", COPIER);
    write(template, "[[[ _copier_conf.answers_file ]]]", "[[[ _copier_answers|to_nice_yaml -]]]\n");
}

fn copier(arguments: &[&str], template: &Path, to: &Path) -> Command {
    let mut command = Command::new("copier");
    command.args(arguments).arg(template).arg(to).stdout(Stdio::null());
    command
}

/// A project of the first version of a template, with an edit in each of the files that the second one changes.
fn project_to_update(place: &Path, files: &[(String, String)]) -> std::path::PathBuf {
    let (template, project) = (place.join("versions"), place.join("project"));
    jinja(&template, files);
    run(&mut git(&template, &["init", "--quiet", "--initial-branch", "main"]));
    commit(&template, "v1");
    let first = template.display().to_string();
    run(&mut copier(&["copy", "--defaults", "--quiet", "--vcs-ref", "v1"], Path::new(&first), &project));
    for path in CHANGED {
        let text = fs::read_to_string(template.join(path)).unwrap();
        let second = text.find('\n').unwrap() + 1;
        fs::write(template.join(path), [&text[..second], line(path), &text[second..]].concat()).unwrap();
        let text = fs::read_to_string(project.join(path)).unwrap();
        fs::write(project.join(path), text + line(path)).unwrap();
    }
    commit(&template, "v2");
    run(&mut git(&project, &["init", "--quiet", "--initial-branch", "main"]));
    commit(&project, "edited");
    project
}

fn commit(repository: &Path, tag: &str) {
    run(&mut git(repository, &["add", "--all"]));
    run(&mut git(repository, &["commit", "--quiet", "-m", tag]));
    run(&mut git(repository, &["tag", tag]));
}
