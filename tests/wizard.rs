//! The wizard, answered through a pseudo-terminal as a person would.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod support;

use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Eof, Expect as _, Session};
use support::Place;

const ENTER: &str = "\r";

fn start(place: &Place, arguments: &[&str]) -> OsSession {
    let mut command = support::appgen_on_a_terminal(place.path());
    command.arg("new").args(arguments).args(["--no-git", "--color", "never"]).env("TERM", "xterm");
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session
}

#[test]
fn six_answers_make_a_repository() {
    let place = Place::new();
    let mut session = start(&place, &[]);
    for (question, answer) in [
        ("Name of the service", "My Service\r"),
        ("try `my-service`", "\u{15}orders\r"),
        ("What it is for", "Keeps orders\r"),
        ("Container image", "ghcr.io/acme/orders\r"),
        ("Environments", "dev,prod\r"),
        ("Parts", ENTER),
        ("Write them?", "y"),
        ("created orders", ""),
    ] {
        session.expect(question).unwrap_or_else(|error| panic!("{question}: {error}"));
        session.send(answer).unwrap();
    }
    session.expect("make dev").unwrap();
    session.expect(Eof).unwrap();
    assert_eq!(place.entries(), ["orders"]);
    let spec = std::fs::read_to_string(place.path().join("orders/appgen.yaml")).unwrap();
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
    let mut session = start(&place, &["orders", "--env", "dev"]);
    // A space takes the first part, the worker pool, away.
    for (question, answer) in
        [("What it is for", ENTER), ("Container image", ENTER), ("Parts", " \r"), ("Write them?", "n")]
    {
        session.expect(question).unwrap_or_else(|error| panic!("{question}: {error}"));
        session.send(answer).unwrap();
    }
    session.expect("nothing was written").unwrap();
    session.expect(Eof).unwrap();
    assert_eq!(place.entries(), [""; 0]);
}
