//! The wizards, answered through a pseudo-terminal as a person would.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support;
use crate::support::Place;
use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect as _, Session};

const ENTER: &str = "\r";
const DOWN: &str = "\x1b[B";

/// Starts appgen on a terminal of its own; `line` is its arguments.
fn start(directory: &Path, line: &str) -> OsSession {
    let mut command = support::appgen_on_a_terminal(directory);
    command.args(line.split(' ')).args(["--color", "never"]).env("TERM", "xterm");
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session
}

/// Waits for each text and types the answer to it.
fn answer(session: &mut OsSession, script: &[(&str, &str)]) {
    for (question, answer) in script {
        session.expect(*question).unwrap_or_else(|error| panic!("{question}: {error}"));
        session.send(answer).unwrap();
    }
    session.expect(Eof).unwrap();
}

/// A repository `a` with the examples.
fn repository() -> Place {
    let place = Place::new();
    place.run(["new", "a", "--yes", "--no-git"]).succeeds();
    place
}

/// Runs a wizard in a repository and returns the spec that it leaves.
fn run(place: &Place, line: &str, script: &[(&str, &str)]) -> String {
    let root = place.path().join("a");
    answer(&mut start(&root, line), script);
    support::succeed(support::appgen(&root).arg("check"));
    fs::read_to_string(root.join("appgen.yaml")).unwrap()
}

#[test]
fn six_answers_make_a_repository() {
    let place = Place::new();
    let script = [
        ("Name of the service", "My Service\r"),
        ("try `my-service`", "\u{15}orders\r"),
        ("What it is for", "Keeps orders\r"),
        ("Container image", "ghcr.io/acme/orders\r"),
        ("Environments", "dev,prod\r"),
        ("Parts", ENTER),
        ("Write them?", "y"),
        ("created orders", ""),
        ("make dev", ""),
    ];
    answer(&mut start(place.path(), "new --no-git"), &script);
    assert_eq!(place.entries(), ["orders"]);
    let spec = fs::read_to_string(place.path().join("orders/appgen.yaml")).unwrap();
    for line in [
        "  description: Keeps orders\n",
        "  image: ghcr.io/acme/orders\n",
        "  prod:\n",
        "  country:\n",
        "  worker_pool: true\n",
    ] {
        assert!(spec.contains(line), "{line} is not in {spec}");
    }
    assert!(!spec.contains("  test:\n"), "{spec}");
}

#[test]
fn a_part_can_be_left_out_and_a_no_writes_nothing() {
    let place = Place::new();
    // A space takes the first part, the worker pool, away.
    let script = [
        ("What it is for", ENTER),
        ("Container image", ENTER),
        ("Parts", " \r"),
        ("Write them?", "n"),
        ("nothing was written", ""),
    ];
    answer(&mut start(place.path(), "new orders --env dev --no-git"), &script);
    assert_eq!(place.entries(), [""; 0]);
}

#[test]
fn an_environment_starts_from_another() {
    let script = [
        ("Name of the environment", "prod\r"),
        ("there is an environment `prod` already", "\u{15}staging\r"),
        ("Start from", "\x1b[B\x1b[B\r"),
        ("Replicas", "3\r"),
        ("Database", ENTER),
        ("Host name", ENTER),
        ("kubectl kustomize deploy/kustomize/overlays/staging", ""),
    ];
    let spec = run(&repository(), "add-env", &script);
    let staging = spec.split("  staging:\n").nth(1).unwrap();
    assert!(staging.starts_with("    replicas: 3\n    database: external\n"), "{spec}");
}

#[test]
fn a_handler_is_a_name_a_method_and_a_path() {
    let script = [
        ("Name of the handler", "get-rate\r"),
        ("Method", "\x1b[B\r"),
        ("Path", "/api/v1/countries\r"),
        ("is bound by `entities.country`", "\u{15}/api/v1/rates\r"),
        ("$EDITOR src/handlers/get_rate.rs", ""),
    ];
    let spec = run(&repository(), "add-handler", &script);
    assert!(spec.contains("  get-rate:\n    method: POST\n    path: /api/v1/rates\n"), "{spec}");
}

#[test]
fn fields_are_asked_for_until_an_empty_line() {
    let script = [
        ("Name of the entity", "invoice\r"),
        ("Table", ENTER),
        ("Field", "number:txt(20)\r"),
        ("did you mean `text`?", "\u{15}number:text(20)!^\r"),
        ("number:text(20)!^", ""),
        ("Field", "country:ref(country)!\r"),
        ("country:ref(country)!", ""),
        ("Field", ENTER),
        ("0005-create-invoices.sql", ""),
    ];
    let spec = run(&repository(), "add-entity", &script);
    assert!(spec.contains("  invoice:\n    table: invoices\n    fields:\n      number:\n"), "{spec}");
    assert!(spec.contains("  0005-create-invoices:\n"), "{spec}");
}

#[test]
fn a_migration_is_words_and_a_sentence() {
    let script = [("What it does", "fill-names\r"), ("The same", "Names in English\r"), ("make db-verify", "")];
    let spec = run(&repository(), "add-migration", &script);
    assert!(spec.contains("  0005-fill-names:\n    sql:\n      description: Names in English\n"), "{spec}");
}

#[test]
fn what_is_removed_is_shown_and_confirmed() {
    let place = repository();
    let before = support::files(&place.path().join("a"));
    let no = [
        ("Which handler", &[DOWN, ENTER].concat()[..]),
        ("delete   src/handlers/quote.rs", ""),
        ("Remove the handler `quote`?", ENTER),
        ("nothing was changed", ""),
    ];
    answer(&mut start(&place.path().join("a"), "remove-handler"), &no);
    let mut after = support::files(&place.path().join("a"));
    after.retain(|path, _| !path.starts_with(".appgen/txn/"));
    assert_eq!(before, after);

    let yes = [("Which handler", &[DOWN, ENTER].concat()[..]), ("Remove the handler `quote`?", "y"), ("2 deleted", "")];
    assert!(!run(&place, "remove-handler", &yes).contains("  quote:\n"));
    let yes = [("Which environment", &[DOWN, ENTER].concat()[..]), ("Remove the environment `prod`?", "y")];
    assert!(!run(&place, "remove-env", &yes).contains("  prod:\n"));
    let yes = [
        ("Which entity", &[DOWN, ENTER].concat()[..]),
        ("Its table", &[DOWN, ENTER].concat()[..]),
        ("0005-drop-currencies.sql", ""),
        ("Remove the entity `currency`?", "y"),
    ];
    let spec = run(&place, "remove-entity", &yes);
    assert!(spec.contains("  0005-drop-currencies:\n") && !spec.contains("  currency:\n"), "{spec}");
}

#[test]
fn files_to_restore_are_chosen_among_those_that_differ() {
    let place = repository();
    let root = place.path().join("a");
    fs::remove_file(root.join("src/db/mod.rs")).unwrap();
    fs::write(root.join("README.md"), "mine\n").unwrap();
    // The first is the README; the second is chosen.
    let chosen = [DOWN, " ", ENTER].concat();
    let script = [("README.md (edited", ""), ("src/db/mod.rs (missing)", &chosen[..]), ("1 created", "")];
    run(&place, "restore", &script);
    assert_eq!(fs::read_to_string(root.join("README.md")).unwrap(), "mine\n");
}

#[test]
fn a_loss_is_asked_for() {
    let place = repository();
    let path = place.path().join("a/appgen.yaml");
    let spec = fs::read_to_string(&path).unwrap().replacen("        length: 200\n", "        length: 100\n", 1);
    fs::write(&path, spec).unwrap();
    let root = place.path().join("a");
    let no = [("narrows `name` of `countries`", ENTER), ("--allow-destructive", "")];
    answer(&mut start(&root, "sync"), &no);
    // Whoever saves the spec while the question stands is not overwritten.
    let mut session = start(&root, "sync");
    session.expect("narrows `name` of `countries`").unwrap();
    let saved = fs::read_to_string(&path).unwrap() + "# Saved meanwhile.\n";
    fs::write(&path, &saved).unwrap();
    answer(&mut session, &[("Make the changesets?", "y"), ("`appgen.yaml` changed while the change", "")]);
    assert_eq!(fs::read_to_string(&path).unwrap(), saved);
    let spec = run(&place, "sync", &[("narrows `name` of `countries`", "y"), ("0005-alter-countries-name", "")]);
    assert!(spec.contains("  0005-alter-countries-name:\n"), "{spec}");
}

#[test]
fn whoever_leaves_by_ctrl_c_gets_the_cursor_back_and_nothing_else() {
    const HIDDEN: &str = "\x1b[?25l";
    const SHOWN: &str = "\x1b[?25h";
    let place = Place::new();
    let mut session = start(place.path(), "new orders --no-git");
    for question in ["What it is for", "Container image", "Environments"] {
        session.expect(question).unwrap();
        session.send(ENTER).unwrap();
    }
    session.expect(HIDDEN).unwrap();
    session.expect("Parts").unwrap();
    session.send("\x03").unwrap();
    session.expect(SHOWN).unwrap();
    session.expect(Eof).unwrap();
    let ended = session.get_process().wait().unwrap();
    assert!(matches!(ended, WaitStatus::Exited(_, 130)), "{ended:?}");
    assert!(place.entries().is_empty());
}

#[test]
fn without_a_terminal_or_with_no_input_nobody_is_asked() {
    let place = repository();
    let root = place.path().join("a");
    let before = support::files(&root);
    for (line, flags) in [
        ("add-env", "`appgen add-env NAME"),
        ("add-handler", "`appgen add-handler NAME"),
        ("add-entity", "`appgen add-entity NAME FIELD:TYPE"),
        ("add-entity invoice", "`appgen add-entity NAME FIELD:TYPE"),
        ("add-migration", "`appgen add-migration NAME"),
        ("remove-env", "`appgen remove-env NAME`"),
        ("remove-handler", "`appgen remove-handler NAME`"),
        ("remove-entity --drop-table", "`appgen remove-entity NAME`"),
        ("restore", "`appgen restore PATH"),
    ] {
        let run = support::Run::of(&support::appgen(&root).args(line.split(' ')).output().unwrap(), &root);
        assert_eq!(run.code, 2, "{line}: {}", run.err);
        assert!(run.err.contains("missing") || run.err.contains("needs"), "{line}: {}", run.err);
        assert!(run.err.contains(flags), "{line}: {}", run.err);
        answer(&mut start(&root, &format!("{line} --no-input")), &[(flags, "")]);
    }
    assert_eq!(before, support::files(&root));
}
