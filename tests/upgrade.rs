//! Template sets: how a repository goes from one to another, and that a released set renders the same bytes for ever.
//! Nothing is released yet, so a small set in three versions stands for what a release will freeze.
//! Budget: 1 minute on 2 cores.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::Place;
use appgen::cli::Cli;
use appgen::commands::run_with;
use appgen::render::digests;
use appgen::spec::{Spec, SpecDocument};
use appgen::templates::{ARCHIVE, Sets, TemplateSet};
use clap::Parser as _;

/// Path, unit, class, further keys of the catalog, and the text; of three versions.
type File = (&'static str, &'static str, &'static str, &'static str, &'static str);

const EXECUTABLE: &str = r#", "executable": true"#;

const V1: &[File] = &[
    ("README.md", "service", "merged", r#", "optional": true"#, "# {{{ service.name }}}\n\nOne.\n\nTwo.\n\nThree.\n"),
    (
        "Cargo.toml",
        "service",
        "merged",
        "",
        "[package]\nname = \"{{{ service.name }}}\"\n\n[dependencies]\nserde = \"1.0\"\n",
    ),
    ("config.yaml", "service", "merged", "", "server:\n  port: 80\n  host: all\n"),
    ("old.txt", "service", "merged", EXECUTABLE, "a\nb\nc\nd\n"),
    ("gone.txt", "service", "merged", "", "nobody needs this\n"),
    ("list.rs", "service", "managed", r#", "extension": "own.rs""#, "// Managed by appgen.\n"),
    ("own.rs", "service", "once", "", "// yours\n"),
    ("env/__env__.yaml", "environment", "merged", "", "name: {{{ env.name }}}\nreplicas: {{{ env.replicas }}}\n"),
    ("changes/__changeset__.sql", "changeset", "frozen", r#", "when": ["schema"]"#, "-- {{{ changeset.id }}}\n"),
];

const V2: &[File] = &[
    (
        "README.md",
        "service",
        "merged",
        r#", "optional": true"#,
        "# {{{ service.name }}}\n\nOne, and more.\n\nTwo.\n\nThree.\n",
    ),
    (
        "Cargo.toml",
        "service",
        "merged",
        "",
        "[package]\nname = \"{{{ service.name }}}\"\n\n[dependencies]\nserde = \"1.1\"\nuuid = \"1\"\n",
    ),
    ("config.yaml", "service", "merged", "", "server:\n  port: 8080\n  host: all\nlogging: info\n"),
    ("old.txt", "service", "merged", EXECUTABLE, "a\nb\nc\nd\ne\n"),
    ("added.txt", "service", "merged", "", "new in 2\n"),
    ("list.rs", "service", "managed", r#", "extension": "own.rs""#, "// Managed by appgen.\nmod a;\n"),
    ("own.rs", "service", "once", "", "// yours, in the words of 2\n"),
    (
        "env/__env__.yaml",
        "environment",
        "merged",
        "",
        "name: {{{ env.name }}}\nreplicas: {{{ env.replicas }}}\nlevel: {{{ env.log_level }}}\n",
    ),
    (
        "changes/__changeset__.sql",
        "changeset",
        "frozen",
        r#", "when": ["schema"]"#,
        "-- a better head\n-- {{{ changeset.id }}}\n",
    ),
];

const V3: &[File] = &[
    (
        "README.md",
        "service",
        "merged",
        r#", "optional": true"#,
        "# {{{ service.name }}}\n\nOne, and more.\n\nTwo.\n\nThree, finally.\n",
    ),
    (
        "Cargo.toml",
        "service",
        "merged",
        "",
        "[package]\nname = \"{{{ service.name }}}\"\n\n[dependencies]\nserde = \"1.1\"\nuuid = \"1\"\n",
    ),
    ("config.yaml", "service", "merged", "", "server:\n  port: 8080\n  host: all\nlogging: info\n"),
    ("new.txt", "service", "merged", r#", "executable": true, "renamed_from": "old.txt""#, "a\nb\nc\nd\ne\n"),
    ("added.txt", "service", "merged", "", "new in 2\n"),
    ("list.rs", "service", "managed", r#", "extension": "own.rs""#, "// Managed by appgen.\nmod a;\nmod b;\n"),
    ("own.rs", "service", "once", "", "// yours, in the words of 2\n"),
    (
        "overlays/__env__.yaml",
        "environment",
        "merged",
        r#", "renamed_from": "env/__env__.yaml""#,
        "name: {{{ env.name }}}\nreplicas: {{{ env.replicas }}}\nlevel: {{{ env.log_level }}}\n",
    ),
    (
        "changes/__changeset__.sql",
        "changeset",
        "frozen",
        r#", "when": ["schema"]"#,
        "-- a better head\n-- {{{ changeset.id }}}\n",
    ),
];

fn set(files: &[File]) -> TemplateSet {
    let mut sources: BTreeMap<String, Cow<'static, str>> = BTreeMap::new();
    let mut catalog = Vec::new();
    for (path, unit, class, more, text) in files {
        sources.insert(format!("{unit}/{path}.j2"), Cow::Borrowed(text));
        catalog.push(format!(r#"{{"path": "{path}", "unit": "{unit}", "class": "{class}"{more}}}"#));
    }
    sources.insert("catalog.json".to_owned(), Cow::Owned(format!("[{}]", catalog.join(","))));
    TemplateSet::new(sources).unwrap()
}

/// The sets of the appgen that was released with the last of these versions: the earlier ones are archives.
fn sets(versions: &[&[File]]) -> Sets {
    let (current, earlier) = versions.split_last().unwrap();
    let archive = |files: &&[File]| {
        let set = set(files);
        (set.version(), Cow::Owned(set.to_archive().unwrap()))
    };
    Sets::new(set(current), earlier.iter().map(archive).collect())
}

struct Outcome {
    code: u8,
    said: String,
}

fn run(directory: &Path, versions: &[&[File]], line: &str) -> Outcome {
    let directory = directory.display().to_string();
    let arguments = ["appgen", "-C", &directory].into_iter().chain(line.split(' '));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_with(Cli::parse_from(arguments), Ok(sets(versions)), &mut out, &mut err);
    let said = String::from_utf8_lossy(&[out, err].concat()).into_owned();
    Outcome { code, said: anstream::adapter::strip_str(&said).to_string() }
}

#[track_caller]
fn succeeds(outcome: Outcome) -> Outcome {
    assert_eq!(outcome.code, 0, "{}", outcome.said);
    outcome
}

fn repository(versions: &[&[File]]) -> Place {
    let place = Place::new();
    succeeds(run(place.path(), versions, "new a --yes --no-git"));
    place
}

fn tree(place: &Place) -> BTreeMap<String, String> {
    let mut files = support::files(&place.path().join("a"));
    files.retain(|path, _| !path.starts_with(".appgen/txn/"));
    files
}

fn write(place: &Place, path: &str, text: &str) {
    fs::write(place.path().join("a").join(path), text).unwrap();
}

#[test]
fn one_step_is_two_steps_is_new() {
    let (one, two) = (repository(&[V1]), repository(&[V1]));
    succeeds(run(&one.path().join("a"), &[V1, V2, V3], "upgrade"));
    succeeds(run(&two.path().join("a"), &[V1, V2], "upgrade"));
    succeeds(run(&two.path().join("a"), &[V1, V2, V3], "upgrade"));
    assert_eq!(tree(&one), tree(&two));
    let (mut upgraded, mut new) = (tree(&one), tree(&repository(&[V1, V2, V3])));
    // What was written once is as the first version wrote it.
    for path in ["changes/0001-create-countries.sql", "changes/0002-create-currencies.sql", "own.rs", "appgen.lock"] {
        assert_ne!(upgraded.remove(path), new.remove(path), "{path}");
    }
    assert_eq!(upgraded, new);
    assert!(!upgraded.contains_key("gone.txt") && !upgraded.contains_key("old.txt"));
    assert!(upgraded.contains_key("overlays/dev.yaml") && !upgraded.contains_key("env/dev.yaml"));
    succeeds(run(&one.path().join("a"), &[V1, V2, V3], "check"));
    assert!(succeeds(run(&one.path().join("a"), &[V1, V2, V3], "upgrade")).said.contains("nothing to do"));
}

#[test]
fn other_commands_stay_with_the_set_of_the_lock() {
    let place = repository(&[V1]);
    succeeds(run(&place.path().join("a"), &[V1, V2, V3], "add-env staging"));
    assert_eq!(tree(&place)["env/staging.yaml"], "name: staging\nreplicas: 2\n");
    succeeds(run(&place.path().join("a"), &[V1, V2, V3], "check"));
    let status = succeeds(run(&place.path().join("a"), &[V1, V2, V3], "status")).said;
    assert!(status.contains("`appgen upgrade` brings"), "{status}");
}

#[test]
fn edits_survive_an_upgrade() {
    let place = repository(&[V1]);
    write(&place, "README.md", "# a\n\nOne.\n\nTwo, ours.\n\nThree.\n");
    write(&place, "Cargo.toml", "[package]\nname = \"a\"\n\n[dependencies]\nserde = \"1.0\"\ntime = \"0.3\" # ours\n");
    write(&place, "config.yaml", "server:\n  port: 80\n  host: ours # local\n");
    write(&place, "old.txt", "a\nB\nc\nd\n");
    write(&place, "gone.txt", "somebody needs this\n");
    write(&place, "own.rs", "fn ours() {}\n");
    write(&place, "env/dev.yaml", "name: dev\nreplicas: 5 # ours\n");
    let outcome = succeeds(run(&place.path().join("a"), &[V1, V2, V3], "upgrade"));
    let files = tree(&place);
    assert_eq!(files["README.md"], "# a\n\nOne, and more.\n\nTwo, ours.\n\nThree, finally.\n");
    assert!(files["Cargo.toml"].contains("serde = \"1.1\"") && files["Cargo.toml"].contains("time = \"0.3\" # ours"));
    assert!(files["config.yaml"].contains("port: 8080") && files["config.yaml"].contains("host: ours # local"));
    assert_eq!(files["new.txt"], "a\nB\nc\nd\ne\n");
    let mode = fs::metadata(place.path().join("a/new.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "it moved as the script that it is");
    assert!(!files.contains_key("old.txt"));
    assert_eq!(files["gone.txt"], "somebody needs this\n");
    assert!(outcome.said.contains("keep     gone.txt"), "{}", outcome.said);
    assert_eq!(files["own.rs"], "fn ours() {}\n");
    let overlay = &files["overlays/dev.yaml"];
    assert!(overlay.contains("replicas: 5 # ours\n") && overlay.contains("level: debug\n"), "{overlay}");
    assert_eq!(files["changes/0001-create-countries.sql"], "-- 0001-create-countries\n");
}

#[test]
fn what_says_the_same_already_is_ours() {
    let place = repository(&[V1]);
    write(&place, "added.txt", "new in 2\n");
    succeeds(run(&place.path().join("a"), &[V1, V2], "upgrade"));
    write(&place, "list.rs", "mod a;\n// Managed by appgen.\n");
    succeeds(run(&place.path().join("a"), &[V1, V2, V3], "upgrade"));
    let files = tree(&place);
    assert_eq!(files["added.txt"], "new in 2\n");
    assert_eq!(files["list.rs"], "// Managed by appgen.\nmod a;\nmod b;\n");
    assert!(!files.keys().any(|path| path.ends_with(".appgen-new")), "{:?}", files.keys());
}

#[test]
fn an_upgrade_can_be_taken_back() {
    let place = repository(&[V1]);
    write(&place, "old.txt", "a\nB\nc\nd\n");
    let before = tree(&place);
    succeeds(run(&place.path().join("a"), &[V1, V2, V3], "upgrade"));
    succeeds(run(&place.path().join("a"), &[V1, V2, V3], "undo"));
    assert_eq!(before, tree(&place));
}

#[test]
fn without_a_base_nothing_that_differs_is_touched() {
    for lose in ["the set", "the lock"] {
        let place = repository(&[V1]);
        write(&place, "README.md", "# mine\n");
        if lose == "the lock" {
            fs::remove_file(place.path().join("a/appgen.lock")).unwrap();
        }
        let before = tree(&place);
        // This appgen never heard of the first version.
        let outcome = run(&place.path().join("a"), &[V3], "upgrade");
        assert_eq!(outcome.code, 4, "{lose}: {}", outcome.said);
        let after = tree(&place);
        for (path, text) in before.iter().filter(|(path, _)| *path != "appgen.lock") {
            assert_eq!(after.get(path), Some(text), "{lose}: {path}");
        }
        assert_eq!(after["README.md.appgen-new"], "# a\n\nOne, and more.\n\nTwo.\n\nThree, finally.\n");
        assert_eq!(after["added.txt"], "new in 2\n");
        assert_eq!(run(&place.path().join("a"), &[V3], "add-env staging").code, 5);
    }
}

/// Renders what was recorded of released sets, and compares.
fn replay(frozen: &Path) -> usize {
    let mut replayed = 0;
    let Ok(entries) = fs::read_dir(frozen.join("fixtures")) else { return 0 };
    for entry in entries {
        let fixtures = entry.unwrap().path();
        let name = fixtures.file_name().unwrap().to_str().unwrap().to_owned();
        let archive = fs::read(frozen.join(format!("{name}{ARCHIVE}"))).unwrap();
        let set = TemplateSet::from_archive(&name, &archive).unwrap();
        for case in fs::read_dir(fixtures).unwrap() {
            let path = case.unwrap().path();
            let recorded: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let document = SpecDocument::parse("case", recorded["spec"].as_str().unwrap()).unwrap();
            let rendered = digests(&Spec::resolve(document).unwrap(), &set).unwrap();
            let rendered: BTreeMap<_, _> = rendered.iter().map(|(path, hash)| (path.as_str(), hash.as_str())).collect();
            let recorded = recorded["files"].as_object().unwrap();
            let recorded: BTreeMap<_, _> =
                recorded.iter().map(|(path, hash)| (path.as_str(), hash.as_str().unwrap())).collect();
            assert_eq!(rendered, recorded, "{name}, {}", path.display());
            replayed += 1;
        }
    }
    replayed
}

#[test]
fn released_sets_render_the_same_bytes_for_ever() {
    // Today there are none; those that a release adds are replayed from then on.
    replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("frozen"));
}

#[test]
fn a_frozen_set_is_the_set() {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--example", "freeze", "--", "9.9.9"]).arg(place.path());
    support::succeed(command.current_dir(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(replay(&place.path().join("frozen")), support::cases().len());
    let names: Vec<_> = fs::read_dir(place.path().join("frozen")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let archive = names.iter().find(|path| path.to_str().unwrap().ends_with(ARCHIVE)).unwrap();
    let again = TemplateSet::from_archive("x", &fs::read(archive).unwrap()).unwrap();
    let embedded = TemplateSet::embedded().unwrap();
    assert!(again.templates().eq(embedded.templates()));
    assert_eq!(again.to_archive().unwrap(), fs::read(archive).unwrap(), "the same set gives the same bytes");
    // A fixture that differs is noticed.
    let case = fs::read_dir(place.path().join("frozen/fixtures"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("minimal.json");
    let text = fs::read_to_string(&case).unwrap();
    fs::write(&case, text.replacen("\"Cargo.toml\": \"", "\"Cargo.toml\": \"0", 1)).unwrap();
    assert!(std::panic::catch_unwind(|| replay(&place.path().join("frozen"))).is_err());
}
