//! What the commands do to a repository: the algebra of adding and removing, files of the user's, refusals.
//! Budget: 2 minutes on 2 cores.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::repository::Repo;
use crate::support::{Run, series};
use proptest::prelude::*;

/// What `new` makes of the spec that a repository has.
pub fn fresh(repo: &Repo) -> BTreeMap<String, String> {
    Repo::from_spec(&repo.read("appgen.yaml")).files()
}

#[track_caller]
pub fn assert_same(left: &BTreeMap<String, String>, right: &BTreeMap<String, String>, why: &str) {
    for path in left.keys().chain(right.keys()) {
        let (left, right) = (left.get(path), right.get(path));
        assert!(left == right, "{why}: {path}\n--- left\n{}\n--- right\n{}", show(left), show(right));
    }
}

fn show(text: Option<&String>) -> &str {
    text.map_or("(nothing)", String::as_str)
}

/// Commands by which a repository grows and shrinks.
pub const COMMANDS: &[&str] = &[
    "add-env staging",
    "add-env qa --from dev",
    "add-env perf --replicas 9 --log-level warn",
    "remove-env test",
    "remove-env staging",
    "remove-env qa",
    "add-handler get-quote --path /api/v1/q/{symbol}",
    "add-handler ping --method POST --path /api/v1/ping",
    "remove-handler quote",
    "remove-handler ping",
    "remove-handler factorial",
    "add-entity invoice number:text(20)!^ country:ref(country)! state:enum(open,closed)!",
    "add-entity rate value:decimal(12,6)! at:timestamp? day:date key:uuid^ raw:json",
    "remove-entity invoice --unapplied",
    "remove-entity invoice",
    "remove-entity rate --drop-table",
    "remove-entity currency",
    "remove-entity country --drop-table",
    "add-migration fill-names",
    "sync",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: series(12), failure_persistence: None, ..ProptestConfig::default() })]

    /// For any series of commands: the spec alone decides the tree, a dry run says what is done, `sync` has nothing to
    /// do, `check` passes.
    #[test]
    fn the_spec_alone_decides(series in prop::collection::vec(0..COMMANDS.len(), 1..8)) {
        let repo = Repo::new();
        for index in series {
            let line = COMMANDS[index];
            let before = repo.files();
            let dry = repo.run(&format!("{line} -n --format json"));
            assert_same(&before, &repo.files(), &format!("{line} -n"));
            let done = repo.run(&format!("{line} --format json"));
            prop_assert_eq!(dry.code, done.code, "{}", line);
            if done.code != 0 {
                assert_same(&before, &repo.files(), line);
                continue;
            }
            let changes = |run: &Run| serde_json::from_str::<serde_json::Value>(&run.out).unwrap()["changes"].clone();
            prop_assert_eq!(changes(&dry), changes(&done));
            let after = repo.files();
            for change in changes(&done).as_array().unwrap() {
                let path = change["path"].as_str().unwrap();
                prop_assert_ne!(before.get(path), after.get(path), "{}: {} did not change", line, path);
            }
            let differing = after.keys().chain(before.keys()).filter(|path| before.get(*path) != after.get(*path));
            for path in differing {
                let listed = changes(&done).as_array().unwrap().iter().any(|change| change["path"] == *path.as_str());
                prop_assert!(listed, "{}: {} changed and is not in the report", line, path);
            }
        }
        assert_same(&repo.files(), &fresh(&repo), "new --spec");
        assert_eq!(repo.run("sync").succeeds().out, "nothing to do\n");
        repo.run("check").succeeds();
    }
}

#[test]
fn additions_commute() {
    let lines = [
        "add-env staging",
        "add-handler get-quote --path /api/v1/q/{symbol}",
        "add-env qa --from prod",
        "add-handler ping --method POST --path /api/v1/ping",
    ];
    let all = |order: &[usize]| {
        let repo = Repo::new();
        for index in order {
            repo.run(lines[*index]).succeeds();
        }
        repo.files()
    };
    let first = all(&[0, 1, 2, 3]);
    for order in [[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
        assert_same(&first, &all(&order), "another order");
    }
    // Entities: but for the numbers of their changesets.
    let entities = ["add-entity one a:text!", "add-entity two b:integer!"];
    let both = |order: [usize; 2]| {
        let repo = Repo::new();
        for index in order {
            repo.run(entities[index]).succeeds();
        }
        let renumbered = |text: &str| text.replace("0005-create", "N-create").replace("0006-create", "N-create");
        let aside = ["appgen.yaml", "appgen.lock", "db/changelog/db.changelog-root.yaml"];
        let files = repo.files().into_iter().filter(|(path, _)| !aside.contains(&path.as_str()));
        files.map(|(path, text)| (renumbered(&path), renumbered(&text))).collect()
    };
    assert_same(&both([0, 1]), &both([1, 0]), "entities");
}

#[test]
fn adding_and_removing_is_the_identity() {
    for (add, remove) in [
        ("add-env staging --replicas 4", "remove-env staging"),
        ("add-handler get-quote", "remove-handler get-quote"),
        ("add-entity invoice number:text(20)!^ country:ref(country)!", "remove-entity invoice --unapplied"),
    ] {
        let repo = Repo::with(&[]);
        let before = repo.files();
        repo.run(add).succeeds();
        assert_ne!(before, repo.files());
        repo.run(remove).succeeds();
        assert_same(&before, &repo.files(), add);
        assert_eq!(repo.git("status --porcelain"), "", "{add}: not even an empty directory");
        repo.run(add).succeeds();
        repo.run("undo").succeeds();
        assert_same(&before, &repo.files(), "undo");
    }
}

#[test]
fn adding_again_is_nothing_and_adding_otherwise_is_refused() {
    let repo = Repo::new();
    for (line, otherwise, difference) in [
        ("add-env staging --replicas 4", "add-env staging --replicas 5", "  replicas  4      5\n"),
        ("add-env qa --from dev", "add-env qa --from prod", "  secrets           file        existing\n"),
        ("add-handler get-quote", "add-handler get-quote --method POST", "  method  GET    POST\n"),
        (
            "add-entity one a:text(5)!",
            "add-entity one a:text(6)! b:date",
            "  a  text(5)!   text(6)!\n  b  (nothing)  date\n",
        ),
        ("add-entity two a:text b:date", "add-entity two a:text --table t", "  b      date   (nothing)\n"),
        (
            "add-migration fill-names",
            "add-migration fill-names --description Fill",
            "  description  Fill names  Fill\n",
        ),
    ] {
        repo.run(line).succeeds();
        let before = repo.files();
        let again = repo.run(line).succeeds().out;
        assert!(again.starts_with("nothing to do: the ") && again.contains(" is there, with "), "{line}: {again}");
        let refused = repo.run(otherwise);
        assert_eq!(refused.code, 5, "{otherwise}");
        assert!(refused.err.contains(difference), "{}", refused.err);
        assert_same(&before, &repo.files(), otherwise);
    }
    assert_eq!(repo.run("add-env").code, 2);
    assert_eq!(repo.run("add-handler fn").code, 2);
    assert_eq!(repo.run("add-entity x").code, 2);
    assert_eq!(repo.run("add-entity x a:txt").code, 2);
    assert_eq!(repo.run("remove-env nope").code, 2);
    assert!(repo.run("remove-handler qoute").err.contains("did you mean `quote`?"));
    assert_eq!(repo.run("remove-entity country --drop-table").code, 0);
}

#[test]
fn comments_and_order_of_the_spec_survive() {
    let repo = Repo::new();
    repo.edit("appgen.yaml", "environments:\n", "# Ours are special.\nenvironments: # see the wiki\n\n");
    repo.edit("appgen.yaml", "  prod:\n", "  # Do not touch on Fridays.\n  prod:\n");
    let before = repo.read("appgen.yaml");
    repo.run("sync").succeeds();
    assert_eq!(before, repo.read("appgen.yaml"), "a comment is nothing to apply");
    repo.run("add-env staging").succeeds();
    repo.run("add-handler ping").succeeds();
    repo.run("add-entity one a:text!").succeeds();
    let after = repo.read("appgen.yaml");
    for line in before.lines() {
        assert!(after.lines().any(|other| other == line), "lost: {line}");
    }
    repo.run("remove-env staging").succeeds();
    repo.run("remove-handler ping").succeeds();
    repo.run("remove-entity one --unapplied").succeeds();
    assert_eq!(before, repo.read("appgen.yaml"));
}

#[test]
fn a_hand_edit_of_the_spec_is_drift_until_it_is_applied() {
    let repo = Repo::new();
    repo.edit("appgen.yaml", "    replicas: 2\n", "    replicas: 5\n");
    let check = repo.run("check");
    assert_eq!(check.code, 3);
    assert!(check.out.contains("appgen sync"), "{}", check.out);
    repo.run("sync").succeeds();
    repo.run("check").succeeds();
    assert!(repo.read("deploy/kustomize/overlays/prod/kustomization.yaml").contains("count: 5"));

    repo.edit("appgen.yaml", "        length: 200\n", "        length: 300\n");
    repo.run("sync").succeeds();
    assert!(repo.read("db/changelog/changes/0005-alter-countries-name.sql").contains("varchar(300)"));
    repo.edit("appgen.yaml", "        length: 300\n", "        length: 100\n");
    let before = repo.files();
    let refused = repo.run("sync");
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains("narrows `name` of `countries`") && refused.err.contains("--allow-destructive"));
    assert_same(&before, &repo.files(), "refused");
    repo.run("sync --allow-destructive").succeeds();
    repo.run("check").succeeds();
    assert_same(&repo.files(), &fresh(&repo), "new --spec");
}

#[test]
fn what_is_deleted_stays_deleted_or_is_drift() {
    let repo = Repo::new();
    fs::remove_file(repo.root().join("Makefile")).unwrap();
    repo.run("check").succeeds();
    assert!(repo.run("status").succeeds().out.contains("deleted  Makefile"));
    repo.run("add-env staging").succeeds();
    assert!(!repo.root().join("Makefile").exists());
    fs::remove_file(repo.root().join("src/db/mod.rs")).unwrap();
    let check = repo.run("check");
    assert_eq!(check.code, 3);
    assert!(check.out.contains("src/db/mod.rs is missing\n  appgen restore src/db/mod.rs"), "{}", check.out);
    repo.run("restore src/db/mod.rs").succeeds();
    repo.run("check").succeeds();
}

#[test]
fn history_is_frozen() {
    let repo = Repo::new();
    let path = "db/changelog/changes/0001-create-countries.sql";
    let original = repo.read(path);
    repo.edit(path, "varchar(200)", "varchar(201)");
    let check = repo.run("check");
    assert_eq!(check.code, 3);
    assert!(check.out.contains("databases have run it"), "{}", check.out);
    repo.run("add-entity one a:text!").succeeds();
    repo.run("remove-entity currency").succeeds();
    assert!(repo.read(path).contains("varchar(201)"), "no command rewrites a changeset, not even a spoilt one");
    repo.run(&format!("restore {path}")).succeeds();
    assert_eq!(repo.read(path), original);
    assert!(repo.read(&format!("{path}.appgen-old")).contains("varchar(201)"));
}

#[test]
fn recorded_history_is_not_edited_in_the_spec() {
    let in_history = |text: &str, from: &str, to: &str| {
        let (head, history) = text.split_once("\nchangesets:\n").unwrap();
        assert!(history.contains(from), "{from}");
        format!("{head}\nchangesets:\n{}", history.replacen(from, to, 1))
    };
    let repo = Repo::new();
    let original = repo.read("appgen.yaml");
    let withdrawn = {
        let start = original.find("  0003-insert-countries:\n").unwrap();
        let size = original[start..].find("  0004-").unwrap();
        format!("{}{}", &original[..start], &original[start + size..])
    };
    let cases: [(&str, String, i32, &str); 3] = [
        (
            "a changeset",
            in_history(&original, "length: 200", "length: 300"),
            5,
            "changes the changeset `0001-create-countries`",
        ),
        ("no changeset", withdrawn.clone(), 5, "withdraws the changeset `0003-insert-countries`"),
        (
            "a table",
            original.replacen("table: countries", "table: nations", 1),
            2,
            "in the table `countries`, and a table keeps its name",
        ),
    ];
    for (name, spec, code, message) in cases {
        repo.write("appgen.yaml", &spec);
        let before = repo.files();
        let run = repo.run("sync");
        assert_eq!(run.code, code, "{name}: {}{}", run.out, run.err);
        assert!(run.err.contains(message), "{name}: {}", run.err);
        assert_same(&before, &repo.files(), name);
    }
    // What is said in so many words is done.
    repo.write("appgen.yaml", &withdrawn);
    repo.run("sync --allow-destructive").succeeds();
    assert!(!repo.root().join("db/changelog/testdata/0003-insert-countries.sql").exists());
    repo.run("check").succeeds();
}

#[test]
fn withdrawing_a_table_leaves_an_earlier_one_of_its_name_in_history() {
    let repo = Repo::new();
    repo.run("add-entity one a:text!").succeeds();
    repo.run("remove-entity one --drop-table").succeeds();
    let before = repo.files();
    repo.run("add-entity one b:integer!").succeeds();
    repo.run("remove-entity one --unapplied").succeeds();
    assert_same(&before, &repo.files(), "add and withdraw");
    // A kept table refers to it: its history needs the other's.
    repo.run("add-entity two a:text!").succeeds();
    repo.run("add-entity three two:ref(two)!").succeeds();
    repo.run("remove-entity three").succeeds();
    let before = repo.files();
    let refused = repo.run("remove-entity two --unapplied");
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(
        refused.err.contains("`two` refers to `two`, and no earlier changeset creates its table"),
        "{}",
        refused.err
    );
    assert_same(&before, &repo.files(), "refused");
}

#[test]
fn managed_files_are_refused_and_named() {
    let repo = Repo::new();
    repo.edit("src/handlers/registry.rs", "use ", "// mine\nuse ");
    let before = repo.files();
    let refused = repo.run("add-handler ping");
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains("src/handlers/custom.rs"), "{}", refused.err);
    assert!(refused.err.contains("appgen restore src/handlers/registry.rs"), "{}", refused.err);
    assert_same(&before, &repo.files(), "refused");
    assert_eq!(repo.run("check").code, 3);
}

#[test]
fn removing_keeps_what_is_edited_and_says_who_names_it() {
    let repo = Repo::with(&[]);
    repo.edit("src/handlers/quote.rs", "\n", "\n// my own\n");
    repo.write(
        "src/handlers/custom.rs",
        &(repo.read("src/handlers/custom.rs") + "// calls crate::handlers::quote::quote\n"),
    );
    repo.commit();
    let run = repo.run("remove-handler quote").succeeds();
    assert!(run.out.contains("keep     src/handlers/quote.rs"), "{}", run.out);
    assert!(
        run.out.contains("src/handlers/custom.rs:") && run.out.contains("calls crate::handlers::quote"),
        "{}",
        run.out
    );
    assert!(repo.root().join("src/handlers/quote.rs").exists());
    repo.run("check").succeeds();
}

#[test]
fn uncommitted_edits_are_not_merged_into() {
    let repo = Repo::with(&[]);
    repo.edit("README.md", "\n", "\nOurs.\n");
    let refused = repo.run("add-env staging");
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains("README.md") && refused.err.contains("--allow-dirty"), "{}", refused.err);
    repo.run("add-env staging --allow-dirty").succeeds();
    assert!(repo.read("README.md").contains("Ours."));
    // What appgen itself wrote last is not an edit: additions follow one another.
    repo.run("add-env qa").succeeds();
    repo.run("add-handler ping").succeeds();
    assert!(repo.read("README.md").contains("Ours."));
}

#[test]
fn a_committed_description_of_the_api_is_to_be_made_again() {
    let repo = Repo::with(&["--no-git"]);
    let asks = |line: &str| {
        let run = repo.run(line);
        assert_eq!(run.code, 0, "{line}: {}", run.err);
        run.out.contains("\n  make openapi\n")
    };
    assert!(!asks("add-handler ping"));
    repo.write("openapi.json", "{}\n");
    assert!(asks("add-handler pong"));
    assert!(asks("add-entity invoice number:text(20)!"));
    assert!(!asks("add-env staging"));
}

#[test]
fn additions_follow_one_another_whatever_lies_between() {
    let repo = Repo::with(&[]);
    repo.edit("config/base.yaml", "max_connections: 2000", "max_connections: 500");
    repo.commit();
    // The second leaves the configuration alone, which the third changes again.
    for line in
        ["add-handler ping", "add-env staging", "add-entity one a:text!", "remove-env staging", "remove-handler ping"]
    {
        repo.run(line).succeeds();
    }
    assert!(repo.read("config/base.yaml").contains("max_connections: 500"));
    repo.run("add-env staging").succeeds();
    repo.edit("config/base.yaml", "max_body_bytes: 1048576", "max_body_bytes: 1");
    let refused = repo.run("add-handler ping");
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains("config/base.yaml") && refused.err.contains("--allow-dirty"), "{}", refused.err);
}

#[test]
fn every_form_of_a_file_is_kept() {
    for (form, make) in [
        ("CRLF", (|text: &str| text.replace('\n', "\r\n")) as fn(&str) -> String),
        ("byte order mark", |text| format!("\u{feff}{text}")),
        ("no final newline", |text| text.trim_end_matches('\n').to_owned()),
    ] {
        for path in ["README.md", "config/base.yaml", "src/handlers/registry.rs", "appgen.yaml", "Cargo.toml"] {
            let repo = Repo::new();
            repo.write(path, &make(&repo.read(path)));
            repo.run("add-entity one a:decimal(5,2)!").succeeds();
            repo.run("add-handler ping").succeeds();
            repo.run("check").succeeds();
            let plain = Repo::new();
            plain.run("add-entity one a:decimal(5,2)!").succeeds();
            plain.run("add-handler ping").succeeds();
            let kept = repo.read(path) == make(&plain.read(path));
            assert!(kept, "{form}: {path}\n{}", repo.read(path));
        }
    }
}

#[test]
fn strange_repositories_get_a_clear_message_and_lose_nothing() {
    type Case = (&'static str, fn(&Repo), i32, &'static str);
    let cases: &[Case] = &[
        ("no lock", |repo| fs::remove_file(repo.root().join("appgen.lock")).unwrap(), 5, "`appgen.lock` is missing"),
        ("spoilt lock", |repo| repo.write("appgen.lock", "format: 1\nspec: [\n"), 1, "git checkout -- appgen.lock"),
        (
            "newer lock",
            |repo| repo.edit("appgen.lock", "format: 1", "format: 2"),
            5,
            "install the appgen that wrote it",
        ),
        (
            "unknown templates",
            |repo| repo.edit("appgen.lock", "templates: dev+", "templates: dev+f"),
            5,
            "appgen upgrade",
        ),
        ("markers", |repo| repo.edit("appgen.lock", "format", "<<<<<<< HEAD\nformat"), 5, "appgen resolve"),
        (
            "symbolic link",
            |repo| {
                fs::rename(repo.root().join("README.md"), repo.place.path().join("elsewhere")).unwrap();
                std::os::unix::fs::symlink("../elsewhere", repo.root().join("README.md")).unwrap();
            },
            5,
            "`README.md` is a symbolic link",
        ),
        (
            "linked directory",
            |repo| {
                fs::rename(repo.root().join("config"), repo.place.path().join("elsewhere")).unwrap();
                std::os::unix::fs::symlink("../elsewhere", repo.root().join("config")).unwrap();
            },
            5,
            "is behind a symbolic link",
        ),
        (
            "directory in the way",
            |repo| fs::create_dir_all(repo.root().join("src/handlers/ping.rs")).unwrap(),
            5,
            "is a directory",
        ),
    ];
    for (name, spoil, code, message) in cases {
        let repo = Repo::new();
        spoil(&repo);
        let before = repo.files();
        let run = repo.run(if name.contains("linked") { "add-env staging" } else { "add-handler ping" });
        assert_eq!(run.code, *code, "{name}: {}{}", run.out, run.err);
        assert!(run.err.contains(message), "{name}: {}", run.err);
        assert_same(&before, &repo.files(), name);
    }
}

#[test]
fn a_spec_in_another_encoding_is_refused_with_the_place_and_stays() {
    let repo = Repo::new();
    let path = repo.root().join("appgen.yaml");
    let spec = [repo.read("appgen.yaml").as_bytes(), b"# caf\xe9\n"].concat();
    fs::write(&path, &spec).unwrap();
    let line = spec.iter().filter(|byte| **byte == b'\n').count();
    let commands = ["sync", "add-handler ping", "check", "list", "upgrade", "resolve"];
    for command in commands {
        let run = repo.run(command);
        assert_eq!(run.code, 2, "{command}: {}{}", run.out, run.err);
        let wanted = format!("appgen.yaml:{line}:6: no UTF-8 text from here on: save the file as UTF-8");
        assert!(run.err.contains(&wanted), "{command}: {}", run.err);
        assert!(fs::read(&path).unwrap() == spec, "{command}");
    }
    // Nobody but appgen writes the lock.
    fs::write(&path, &spec[..spec.len() - 7]).unwrap();
    fs::write(repo.root().join("appgen.lock"), b"# caf\xe9\n").unwrap();
    for command in commands.into_iter().filter(|command| *command != "list") {
        let run = repo.run(command);
        assert_eq!(run.code, 1, "{command}: {}{}", run.out, run.err);
        assert!(run.err.contains("appgen.lock:1:6: no UTF-8 text") && run.err.contains("git checkout"), "{}", run.err);
    }
}

#[test]
fn what_was_private_stays_private_when_it_is_put_beside_and_comes_back_as_such() {
    let repo = Repo::new();
    repo.edit("config/base.yaml", "\n", "\n# mine alone\n");
    let mode = |path: &str| fs::metadata(repo.root().join(path)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(repo.root().join("config/base.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
    repo.run("restore config/base.yaml").succeeds();
    assert!(repo.read("config/base.yaml.appgen-old").contains("# mine alone"));
    assert_eq!(["config/base.yaml", "config/base.yaml.appgen-old"].map(mode), [0o600, 0o600]);
    fs::set_permissions(repo.root().join("src/handlers/quote.rs"), fs::Permissions::from_mode(0o600)).unwrap();
    repo.run("remove-handler quote").succeeds();
    repo.run("undo").succeeds();
    assert_eq!(mode("src/handlers/quote.rs"), 0o600);
}

#[test]
fn what_git_ignores_is_not_searched_for_names_that_are_gone() {
    let repo = Repo::with(&[]);
    for path in ["deploy/compose/.env", "docs/notes.md"] {
        repo.write(path, "the-secret-of=quote\n");
    }
    let run = repo.run("remove-handler quote").succeeds();
    assert!(run.out.contains("docs/notes.md:1"), "{}", run.out);
    assert!(!run.out.contains("compose/.env"), "{}", run.out);
}

#[test]
fn a_file_of_the_users_in_the_way_is_not_touched() {
    let repo = Repo::new();
    // A handler body that is there already is adopted; an overlay that is not ours gets ours beside it.
    repo.write("src/handlers/ping.rs", "pub async fn ping() -> &'static str { \"mine\" }\n");
    let run = repo.run("add-handler ping").succeeds();
    assert!(run.out.contains("adopt    src/handlers/ping.rs"), "{}", run.out);
    assert!(repo.read("src/handlers/ping.rs").contains("mine"));
    fs::create_dir_all(repo.root().join("config/overlays/staging")).unwrap();
    repo.write("config/overlays/staging/env.yaml", "mine: true\n");
    let run = repo.run("add-env staging");
    assert_eq!(run.code, 4, "{}{}", run.out, run.err);
    assert_eq!(repo.read("config/overlays/staging/env.yaml"), "mine: true\n");
    assert!(repo.root().join("config/overlays/staging/env.yaml.appgen-new").exists());
    let refused = repo.run("add-env qa");
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains("appgen resolve"), "{}", refused.err);
    assert_eq!(repo.run("check").code, 3);
    assert_eq!(repo.run("resolve").code, 4);
    fs::remove_file(repo.root().join("config/overlays/staging/env.yaml.appgen-new")).unwrap();
    repo.run("resolve").succeeds();
    repo.run("check").succeeds();
    repo.run("add-env qa").succeeds();
    // A changeset that is not ours is no changeset of the entity's.
    let changeset = "db/changelog/changes/0005-create-invoices.sql";
    repo.write(changeset, "-- mine\n");
    assert_eq!(repo.run("add-entity invoice number:text(20)!").code, 4);
    assert_eq!(repo.read(changeset), "-- mine\n");
    assert!(repo.read(&format!("{changeset}.appgen-new")).contains("invoices"));
}

#[test]
fn a_conflict_has_markers_and_stages_and_can_be_settled() {
    let repo = Repo::with(&[]);
    // The same value on both sides, to different values: nobody can merge that.
    repo.edit("deploy/kustomize/overlays/prod/kustomization.yaml", "count: 2", "count: 7");
    repo.commit();
    repo.edit("appgen.yaml", "  prod:\n    replicas: 2\n", "  prod:\n    replicas: 3\n");
    let run = repo.run("sync");
    assert_eq!(run.code, 4, "{}{}", run.out, run.err);
    let path = "deploy/kustomize/overlays/prod/kustomization.yaml";
    let text = repo.read(path);
    for line in ["<<<<<<< yours", "||||||| previous template", ">>>>>>> new template", "count: 7", "count: 3"] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let stages = repo.git("ls-files --unmerged");
    assert!(stages.lines().count() == 3 && stages.lines().all(|stage| stage.starts_with("100644 ")), "{stages}");
    assert!(repo.git(&format!("show :2:{path}")).contains("count: 7"));
    assert!(repo.git(&format!("show :3:{path}")).contains("count: 3"));
    assert_eq!(repo.run("add-env staging").code, 5);
    let before: Vec<_> = text.lines().take_while(|line| !line.starts_with("<<<<<<<")).collect();
    let after: Vec<_> = text.lines().skip_while(|line| !line.starts_with(">>>>>>>")).skip(1).collect();
    let settled = [
        before,
        text.lines()
            .skip_while(|line| !line.starts_with("======="))
            .skip(1)
            .take_while(|line| !line.starts_with(">>>>>>>"))
            .collect(),
        after,
    ]
    .concat()
    .join("\n")
        + "\n";
    repo.write(path, &settled);
    repo.run("resolve").succeeds();
    assert_eq!(repo.git("ls-files --unmerged"), "");
    repo.run("check").succeeds();
    repo.run("add-env staging --allow-dirty").succeeds();
}

#[test]
fn branches_that_both_add_are_merged() {
    for (kind, ours, theirs) in [
        ("handlers apart", "add-handler aaa", "add-handler zzz"),
        ("handlers in one gap", "add-handler get-one", "add-handler get-two"),
        ("environments", "add-env qa", "add-env staging"),
        ("environments apart", "add-env aa", "add-env zz"),
        ("entities", "add-entity one a:text!", "add-entity two b:decimal(5,2)!"),
        ("a handler and an entity", "add-handler get-one", "add-entity two b:integer!"),
        ("removed and added", "remove-handler quote", "add-handler get-two"),
    ] {
        let repo = Repo::with(&[]);
        repo.git("checkout -qb theirs");
        repo.run(theirs).succeeds();
        repo.edit("README.md", "## ", "Theirs wrote this.\n\n## ");
        repo.commit();
        repo.git("checkout -q main");
        repo.run(ours).succeeds();
        repo.edit("Makefile", "\n", "\n# ours wrote this\n");
        repo.commit();
        let said = repo.git("merge theirs");
        if said.contains("CONFLICT") {
            let run = repo.run("resolve");
            assert_eq!(run.code, 0, "{kind}: {}{}\n{}", run.out, run.err, repo.git("diff"));
            assert_eq!(repo.git("ls-files --unmerged"), "", "{kind}");
            repo.git("commit -qm merged");
        }
        let check = repo.run("check");
        assert_eq!(check.code, 0, "{kind}: {}{}", check.out, check.err);
        let mut files = repo.files();
        assert!(files["README.md"].contains("Theirs wrote this."), "{kind}");
        assert!(files["Makefile"].contains("# ours wrote this"), "{kind}");
        files.insert("README.md".to_owned(), files["README.md"].replacen("Theirs wrote this.\n\n", "", 1));
        files.insert("Makefile".to_owned(), files["Makefile"].replacen("\n# ours wrote this\n", "\n", 1));
        assert_same(&files, &fresh(&repo), kind);
    }
}

#[test]
fn what_was_settled_by_hand_in_a_merge_stays() {
    let repo = Repo::with(&[]);
    let registry = "src/handlers/registry.rs";
    let branch = |name: &str, edit: bool| {
        repo.run(&format!("add-handler get-{name}")).succeeds();
        repo.edit("Makefile", "\n", &format!("\n# {name}\n"));
        if edit {
            repo.edit(registry, "\n", "\n// Written by hand.\n");
        }
        repo.commit();
    };
    repo.git("checkout -qb theirs");
    branch("two", true);
    repo.git("checkout -q main");
    branch("one", false);
    assert!(repo.git("merge theirs").contains("CONFLICT (content): Merge conflict in Makefile"));
    let of_git = |line: &&str| ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|marker| line.starts_with(marker));
    let settled: String =
        repo.read("Makefile").lines().filter(|line| !of_git(line)).map(|line| format!("{line}\n")).collect();
    repo.write("Makefile", &settled);

    // git is busy at first: the files are done, and its index is not.
    let lock = repo.root().join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let run = repo.run("resolve").succeeds();
    assert!(run.out.contains("`Makefile` has no conflict markers: it stays as it is"), "{}", run.out);
    assert!(run.out.contains("git does not know what is settled"), "{}", run.out);
    assert_eq!(repo.read("Makefile"), settled);
    assert!(!repo.read(registry).contains("by hand"));
    assert!(repo.read(&format!("{registry}.appgen-old")).contains("// Written by hand.\n"));
    fs::remove_file(&lock).unwrap();
    let journal = repo.read(".appgen/txn/last/manifest.json");
    repo.run("resolve").succeeds();
    assert_eq!(repo.git("ls-files --unmerged"), "");
    // Nothing was left to do, and so the first can still be taken back.
    assert_eq!(repo.read(".appgen/txn/last/manifest.json"), journal);
    assert_eq!(repo.read("Makefile"), settled);
    repo.remove(&format!("{registry}.appgen-old"));
    repo.run("check").succeeds();
    for name in ["one", "two"] {
        assert!(repo.read(registry).contains(&format!("get_{name}")), "{name}");
    }
}

#[test]
fn what_git_must_not_merge_is_merged_all_the_same() {
    for attributes in ["Makefile -merge\nCargo.lock -merge\n", "* conflict-marker-size=12\n"] {
        let repo = Repo::with(&[]);
        let all = repo.read(".gitattributes") + attributes;
        repo.write(".gitattributes", &all);
        repo.commit();
        let branch = |line: &str, target: &str| {
            repo.run(line).succeeds();
            repo.write("Makefile", &format!("{}\n{target}:\n\ttrue\n", repo.read("Makefile")));
            repo.commit();
        };
        repo.git("checkout -qb theirs");
        branch("add-entity two b:decimal(5,2)!", "theirs");
        repo.git("checkout -q main");
        let cargo_lock = repo.read("Cargo.lock") + "\n[[package]]\nname = \"zzz\"\nversion = \"1.0.0\"\n";
        repo.write("Cargo.lock", &cargo_lock);
        branch("add-entity one a:text!", "ours");
        let said = repo.git("merge theirs");
        assert!(said.contains("Merge conflict in Makefile"), "{said}");
        let run = repo.run("resolve");
        assert_eq!(run.code, 4, "{attributes}: {}{}", run.out, run.err);
        let text = repo.read("Makefile");
        assert!(["<<<<<<<", "ours:", "theirs:", ">>>>>>>"].iter().all(|part| text.contains(part)), "{text}");
        let cargo_lock = repo.read("Cargo.lock");
        for package in ["rust_decimal", "zzz"] {
            assert!(cargo_lock.contains(&format!("name = \"{package}\"")), "{attributes}: {package}");
        }
    }
}

#[test]
fn branches_that_both_change_one_entity_are_merged() {
    let repo = Repo::with(&[]);
    let field = "  country:\n    table: countries\n    fields:\n";
    let add = |names: [&str; 2]| {
        let fields = names.map(|name| format!("      {name}:\n        type: integer\n")).concat();
        repo.edit("appgen.yaml", field, &format!("{field}{fields}"));
        repo.run("sync").succeeds();
        repo.commit();
    };
    repo.git("checkout -qb theirs");
    add(["area", "people"]);
    repo.git("checkout -q main");
    add(["calling_code", "rank"]);
    assert!(repo.git("merge theirs").contains("CONFLICT"));
    let run = repo.run("resolve");
    assert_eq!(run.code, 0, "{}{}\n{}", run.out, run.err, repo.git("diff"));
    repo.run("check").succeeds();
    for name in ["area-people", "calling-code-rank"] {
        assert!(repo.root().join(format!("db/changelog/changes/0005-extend-countries-{name}.sql")).exists());
    }
    assert_same(&repo.files(), &fresh(&repo), "merged");
}

#[test]
fn undo_takes_back_once_and_refuses_after_an_edit() {
    let repo = Repo::new();
    assert_eq!(repo.run("undo").code, 5);
    let before = repo.files();
    repo.run("add-entity one a:text!").succeeds();
    repo.run("undo").succeeds();
    assert_same(&before, &repo.files(), "undo");
    assert_eq!(repo.run("undo").code, 5);
    repo.run("add-handler ping").succeeds();
    repo.edit("src/handlers/ping.rs", "\n", "\n// mine\n");
    let after = repo.files();
    let refused = repo.run("undo");
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains("src/handlers/ping.rs"), "{}", refused.err);
    assert_same(&after, &repo.files(), "refused");
}
