//! Every name of the design's table is accepted or refused before anything is written.

use crate::support;
use crate::support::Place;

fn refused(arguments: &[&str], reason: &str) {
    let place = Place::new();
    let output = support::appgen(place.path()).arg("new").args(arguments).output().unwrap();
    let run = support::Run::of(&output, place.path());
    assert_eq!(run.code, 2, "{arguments:?}: {}{}", run.out, run.err);
    assert!(run.err.contains(reason), "{arguments:?}: `{reason}` is not in {}", run.err);
    assert_eq!(place.entries(), [""; 0], "{arguments:?}");
}

#[test]
fn service_names_that_could_not_work_are_refused() {
    let forty_one = "a".repeat(41);
    for (name, reason) in [
        ("", "is empty"),
        ("ünicode", "lower-case ASCII"),
        ("My-Service", "lower-case ASCII"),
        ("my_service", "try `my-service`"),
        ("my service", "try `my-service`"),
        ("a.b", "lower-case ASCII"),
        ("../x", "is a path"),
        ("..", "is a path"),
        ("/etc/x", "is a path"),
        ("a\\b", "is a path"),
        ("a\nb", "lower-case ASCII"),
        ("1a", "does not start with a letter"),
        ("a-", "`-` at its end"),
        ("a--b", "two in a row"),
        (&forty_one, "at most 40"),
        ("fn", "Rust keyword"),
        ("async", "Rust keyword"),
        ("gen", "Rust keyword"),
        ("self", "Rust keyword"),
        ("crate", "Rust keyword"),
        ("super", "Rust keyword"),
        ("std", "reserved by Cargo"),
        ("core", "reserved by Cargo"),
        ("alloc", "reserved by Cargo"),
        ("test", "reserved by Cargo"),
        ("proc-macro", "reserved by Cargo"),
        ("build", "reserved by Cargo"),
        ("deps", "reserved by Cargo"),
        ("examples", "reserved by Cargo"),
        ("incremental", "reserved by Cargo"),
        ("public", "in PostgreSQL"),
        ("pg-x", "in PostgreSQL"),
        ("axum", "is a dependency"),
        ("tokio", "is a dependency"),
        ("rust-decimal", "is a dependency"),
        ("con", "device name"),
        ("lpt9", "device name"),
        ("on", "boolean or null in YAML"),
        ("null", "boolean or null in YAML"),
    ] {
        refused(&[name, "--yes"], reason);
    }
}

#[test]
fn environment_names_that_could_not_work_are_refused() {
    for (names, reason) in [
        ("base", "another meaning"),
        ("all", "another meaning"),
        ("overlays", "another meaning"),
        ("Prod", "lower-case ASCII"),
        ("environment-of-twenty", "at most 20"),
        ("dev,dev", "stands twice"),
        ("dev,", "is empty"),
        ("not", "operator"),
        ("no", "boolean or null in YAML"),
    ] {
        refused(&["a", "--yes", "--env", names], reason);
    }
}

#[test]
fn names_at_the_edge_are_accepted() {
    for name in ["a", "x1-y2", "a-1", "service-of-forty-characters-in-one-label", "service", "api", "bytes"] {
        let place = Place::new();
        place.run(["new", name, "--yes", "--no-git", "--env", "test,prod"]).succeeds();
        assert_eq!(place.entries(), [name]);
    }
}

/// A spec with these sections, and what must be said of it.
fn refused_spec(sections: &str, reason: &str) {
    let place = Place::new();
    let run = place.new_from(format!("version: 1\nservice: {{ name: a }}\n{sections}").as_bytes());
    assert_eq!(run.code, 2, "{sections}: {}{}", run.out, run.err);
    assert!(run.err.contains(reason), "{sections}: `{reason}` is not in {}", run.err);
    assert!(run.err.contains("--> <stdin>:"), "{sections}: no place in {}", run.err);
    assert_eq!(place.entries(), [""; 0]);
}

#[test]
fn entity_and_handler_names_that_could_not_work_are_refused() {
    let entity = |name: &str| format!("entities:\n  {name}: {{ fields: {{ x: {{ type: text }} }} }}\n");
    let handler = |name: &str| format!("handlers:\n  {name}: {{ method: GET, path: /x }}\n");
    for name in ["fn", "registry", "custom", "con", "a_b", "A", "\"on\"", "x-of-forty-one-characters-which-is-one-over"]
    {
        refused_spec(&entity(name), "");
        refused_spec(&handler(name), "");
    }
    refused_spec(
        &format!("{}{}", entity("country"), handler("list-countries")),
        "the entity `country` registers `list_countries` already",
    );
    refused_spec(
        "handlers:\n  a-1: { method: GET, path: /x }\n  a1: { method: GET, path: /y }\n",
        "are both `A1` in upper-camel case",
    );
    refused_spec(
        "entities:\n  a: { table: t, fields: { x: { type: text } } }\n  b: { table: t, fields: { x: { type: text } } }\n",
        "has the table `t` already",
    );
    for (field, reason) in [
        ("id", "own column"),
        ("version", "own column"),
        ("select", "reserved in PostgreSQL"),
        ("self", "not even as a raw identifier"),
        ("aB", "try `a_b`"),
        (&"a".repeat(64), "PostgreSQL keeps 63"),
    ] {
        refused_spec(&format!("entities:\n  thing: {{ fields: {{ {field}: {{ type: text }} }} }}\n"), reason);
    }
    let longest = format!("entities:\n  thing: {{ fields: {{ {}: {{ type: text }} }} }}\n", "a".repeat(63));
    Place::new().new_from(format!("version: 1\nservice: {{ name: a }}\n{longest}").as_bytes()).succeeds();
    refused_spec("entities:\n  a: { table: order, fields: { x: { type: text } } }\n", "reserved in PostgreSQL");
}

#[test]
fn routes_that_axum_would_refuse_are_refused() {
    let two = |a: &str, b: &str| format!("handlers:\n  a: {{ method: {a} }}\n  b: {{ method: {b} }}\n");
    refused_spec(&two("GET, path: /x", "GET, path: /x"), "is bound by `handlers.a`");
    refused_spec(&two("GET, path: '/x/{id}'", "POST, path: '/x/{name}'"), "overlaps `/x/{id}`");
    for path in [
        "x",
        "/x/",
        "//x",
        "/x//y",
        "/x/{}",
        "/x/{a}b",
        "/x/{a}/{a}",
        "/x?y",
        "/ä",
        "/x/..",
        "/x/*",
        "/livez",
        "/metrics/x",
    ] {
        refused_spec(&format!("handlers:\n  h: {{ method: GET, path: '{path}' }}\n"), "");
    }
    let country = "entities:\n  country: { fields: { x: { type: text } } }\n";
    refused_spec(
        &format!("{country}handlers:\n  h: {{ method: GET, path: '/api/v1/countries/{{code}}' }}\n"),
        "overlaps `/api/v1/countries/{id}` of `entities.country`",
    );
    let place = Place::new();
    let beside = "handlers:\n  a: { method: GET, path: /x }\n  b: { method: POST, path: /x }\n  c: { method: GET, path: '/x/{id}' }\n  d: { method: GET, path: /x/y }\n";
    place.new_from(format!("version: 1\nservice: {{ name: a }}\n{beside}").as_bytes()).succeeds();
}

#[test]
fn every_direct_dependency_is_refused_as_a_service_name() {
    let manifest = include_str!("../templates/service/Cargo.toml.j2");
    let mut dependencies: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.contains("dependencies]");
        } else if let (true, Some((key, value))) = (inside, line.split_once(" = ")) {
            // A renamed dependency clashes under its new name.
            assert!(!value.is_empty());
            dependencies.push(key);
        }
    }
    dependencies.sort_unstable();
    dependencies.dedup();
    let kebab: Vec<String> = dependencies.iter().map(|name| name.replace('_', "-")).collect();
    assert_eq!(kebab, appgen::spec::name::DIRECT_DEPENDENCIES);
}
