//! The command line: what is printed, and the exit codes.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support;
use crate::support::{Place, Run};
use clap::CommandFactory as _;

#[test]
fn clap_accepts_the_definition() {
    appgen::cli::Cli::command().debug_assert();
}

#[test]
fn a_reader_that_has_stopped_does_not_change_the_exit_code() {
    let place = Place::new();
    place.run(["new", "a", "--yes", "--no-git"]).succeeds();
    let root = place.path().join("a");
    let unread = |line: &str| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = support::appgen(&root);
        command.args(line.split(' ')).stdout(writer).status().unwrap().code()
    };
    assert_eq!(unread("list"), Some(0));
    assert_eq!(unread("schema"), Some(0));
    fs::remove_file(root.join("src/lib.rs")).unwrap();
    for line in ["check", "check --format json", "diff --exit-code"] {
        assert_eq!(unread(line), Some(3), "{line}");
    }
    assert_eq!(unread("add-env staging"), Some(0));
    fs::create_dir_all(root.join("config/overlays/qa")).unwrap();
    fs::write(root.join("config/overlays/qa/env.yaml"), "mine: true\n").unwrap();
    assert_eq!(unread("add-env qa"), Some(4));
}

#[test]
fn new_makes_one_commit_and_a_clean_tree() {
    let place = Place::new();
    let run = place.run(["new", "my-service", "--yes"]).succeeds();
    assert_eq!(run.err, "");
    assert!(run.out.contains("created my-service: "), "{}", run.out);
    assert!(run.out.contains("next:\n  cd my-service\n  make dev\n  make test\n"), "{}", run.out);
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-C", "my-service"])
            .args(arguments)
            .current_dir(place.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(git(&["status", "--porcelain", "--ignored"]), "");
    assert_eq!(git(&["log", "--format=%an %s"]), "appgen Create my-service with appgen 0.1.0\n");
    assert_eq!(git(&["branch", "--show-current"]), "main\n");
}

#[test]
fn hooks_signing_and_conversions_of_the_user_stay_out() {
    let place = Place::new();
    fs::create_dir(place.path().join("hooks")).unwrap();
    let hook = place.path().join("hooks/pre-commit");
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    support::succeed(std::process::Command::new("chmod").arg("755").arg(&hook));
    let config = format!(
        "[user]\nname = Ann\nemail = ann@example.com\nsigningkey = none\n[commit]\ngpgsign = true\n\
         [core]\nhooksPath = {}\nautocrlf = true\nexcludesFile = {}\n",
        place.path().join("hooks").display(),
        place.path().join("ignore").display(),
    );
    fs::write(place.path().join("ignore"), "*.lock\n*.md\n").unwrap();
    fs::write(place.path().join(".gitconfig"), config).unwrap();
    place.run(["new", "a", "--yes"]).succeeds();
    let mut log = std::process::Command::new("git");
    log.args(["-C", "a", "log", "--format=%an"]).env("HOME", place.path()).current_dir(place.path());
    assert_eq!(support::succeed(&mut log).out, "Ann\n");
    let mut tracked = std::process::Command::new("git");
    tracked.args(["-C", "a", "ls-files", "Cargo.lock", "README.md"]).current_dir(place.path());
    assert_eq!(support::succeed(&mut tracked).out, "Cargo.lock\nREADME.md\n");
}

#[test]
fn without_git_there_is_a_warning() {
    let place = Place::new();
    let mut command = support::appgen(place.path());
    let run = Run::of(&command.env("PATH", "/nonexistent").args(["new", "a", "--yes"]).output().unwrap(), place.path());
    let run = run.succeeds();
    assert!(run.out.contains("warning: `git` is not on PATH"), "{}", run.out);
    assert_eq!(place.entries(), ["a"]);
}

#[test]
fn nothing_is_nested_inside_a_repository() {
    let place = Place::new();
    place.run(["new", "outer", "--yes"]).succeeds();
    let run = place.run(["-C", "outer", "new", "inner", "--yes"]).succeeds();
    assert!(run.out.contains("is a git repository already"), "{}", run.out);
    assert!(!place.path().join("outer/inner/.git").exists());
    assert!(place.path().join("outer/inner/Cargo.toml").exists());
}

#[test]
fn an_occupied_target_is_refused() {
    let place = Place::new();
    fs::write(place.path().join("file"), "").unwrap();
    fs::create_dir_all(place.path().join("full/x")).unwrap();
    fs::create_dir(place.path().join("empty")).unwrap();
    symlink("empty", place.path().join("link")).unwrap();
    for name in ["file", "full", "link"] {
        let run = place.run(["new", name, "--yes"]);
        assert_eq!(run.code, 5, "{name}: {}{}", run.out, run.err);
        assert!(run.err.contains("choose another name"), "{}", run.err);
    }
    place.run(["new", "empty", "--yes", "--no-git"]).succeeds();
    let run = place.run(["-C", "nowhere", "new", "a", "--yes"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`nowhere` does not exist"), "{}", run.err);
}

#[test]
fn without_a_terminal_a_missing_answer_names_the_flags() {
    let place = Place::new();
    for arguments in [&["new"][..], &["new", "a"], &["new", "--yes"], &["new", "a", "--no-input"]] {
        let run = Run::of(&support::appgen(place.path()).args(arguments).output().unwrap(), place.path());
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.err.contains("--yes"), "{arguments:?}: {}", run.err);
    }
    assert_eq!(place.entries(), [""; 0]);
}

#[test]
fn a_dry_run_lists_what_the_run_creates() {
    let place = Place::new();
    let dry = place.run(["new", "a", "--yes", "--dry-run", "--format", "json"]).succeeds();
    assert_eq!(place.entries(), [""; 0]);
    let wet = place.run(["new", "a", "--yes", "--no-git", "--format", "json"]).succeeds();
    let parse = |run: &Run| serde_json::from_str::<serde_json::Value>(&run.out).unwrap();
    let (dry, wet) = (parse(&dry), parse(&wet));
    assert_eq!(dry["changes"], wet["changes"]);
    assert_eq!((&dry["dry_run"], &wet["dry_run"]), (&true.into(), &false.into()));
    let listed: Vec<_> = wet["changes"].as_array().unwrap().iter().map(|c| c["path"].as_str().unwrap()).collect();
    let files = support::files(&place.path().join("a"));
    assert_eq!(listed, files.keys().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_diff_can_be_applied() {
    let place = Place::new();
    let diff = place.run(["new", "a", "--yes", "-n", "--diff"]).succeeds();
    let patch: String =
        diff.out.lines().take_while(|line| !line.starts_with("would create")).map(|l| format!("{l}\n")).collect();
    fs::create_dir(place.path().join("b")).unwrap();
    fs::write(place.path().join("patch"), patch).unwrap();
    let mut apply = std::process::Command::new("git");
    apply.args(["apply", "--whitespace=nowarn", "../patch"]).current_dir(place.path().join("b"));
    support::succeed(&mut apply);
    place.run(["new", "a", "--yes", "--no-git"]).succeeds();
    assert_eq!(support::files(&place.path().join("a")), support::files(&place.path().join("b")));
}

#[test]
fn a_failure_in_json_is_one_document() {
    let place = Place::new();
    let run = place.run(["new", "fn", "--yes", "--format", "json"]);
    assert_eq!(run.code, 2);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["exit"], 2);
    assert!(report["error"].as_str().unwrap().contains("Rust keyword"));
}

#[test]
fn version_schema_completions_and_list() {
    let place = Place::new();
    assert!(place.run(["--version"]).succeeds().out.starts_with("appgen 0.1.0"));
    let schema: serde_json::Value = serde_json::from_str(&place.run(["schema"]).succeeds().out).unwrap();
    assert_eq!(schema["title"], "appgen.yaml");
    assert_eq!(schema["additionalProperties"], false);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.run(["completions", shell]).succeeds().out.contains("appgen"), "{shell}");
    }
    assert_eq!(place.run(["list"]).code, 1);
    place.run(["new", "a", "--yes", "--no-git"]).succeeds();
    support::snapshot("cli", "list", &place.run(["-C", "a/config", "list"]).succeeds().out);
    let list: serde_json::Value =
        serde_json::from_str(&place.run(["-C", "a", "list", "--format", "json"]).succeeds().out).unwrap();
    assert_eq!(list["handlers"]["quote"]["method"], "GET");
}

#[test]
fn a_spec_serves_many_names() {
    let place = Place::new();
    fs::write(place.path().join("spec.yaml"), support::case_text("off")).unwrap();
    place.run(["new", "one", "--spec", "spec.yaml", "--env", "dev,prod", "--no-git"]).succeeds();
    let text = fs::read_to_string(place.path().join("one/appgen.yaml")).unwrap();
    assert!(text.contains("name: one") && text.contains("  prod:"), "{text}");
    let run = place.run(["new", "--spec", "nowhere.yaml"]);
    assert_eq!((run.code, run.err.contains("cannot read `nowhere.yaml`")), (2, true));
}
