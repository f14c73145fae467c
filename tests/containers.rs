//! Dockerfiles, their context and Compose of every case, read as texts: what an engine would say too late, or only a newer
//! one, or nobody. `tests/docker` runs them. Budget: 5 seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::repository::each;
use serde_json::{Value, json};

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The instructions of a Dockerfile, each on one line.
fn instructions(dockerfile: &str) -> Vec<String> {
    let lines = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

const DOCKERFILES: &[(&str, &[&str])] = &[
    (
        "deploy/docker/api.Dockerfile",
        &["FROM rust:${RUST_VERSION}-bookworm AS build", "FROM gcr.io/distroless/cc-debian12:nonroot"],
    ),
    ("deploy/docker/liquibase.Dockerfile", &["FROM liquibase/liquibase:4.28"]),
];

/// `# syntax`, `COPY --link` and heredocs need a frontend that is fetched, or an engine that is new.
#[test]
fn any_engine_with_buildkit_builds_the_images() {
    each(|case, root| {
        for (path, bases) in DOCKERFILES {
            let text = read(root, path);
            let has_syntax = text.lines().any(|line| line.replace(' ', "").to_lowercase().starts_with("#syntax="));
            assert!(!has_syntax && !text.contains("<<"), "{case} {path}");
            let instructions = instructions(&text);
            assert!(!instructions.iter().any(|line| line.contains("--link")), "{case} {path}");
            let from: Vec<_> = instructions.iter().filter(|line| line.starts_with("FROM ")).collect();
            assert_eq!(&from, bases, "{case} {path}");
            // They change at every build: whatever stands behind them is not cached.
            let runtime = instructions.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
            let first = instructions[runtime..].iter().position(|line| line.starts_with("ARG ")).unwrap();
            let behind = instructions[runtime + first..].iter().map(|line| line.split(' ').next().unwrap());
            assert!(behind.into_iter().all(|word| ["ARG", "ENV", "LABEL"].contains(&word)), "{case} {path}");
        }
        // The pipeline compiles with the compiler of the image.
        if let Ok(pipeline) = fs::read_to_string(root.join(".gitlab-ci.yml")) {
            let version = read(root, DOCKERFILES[0].0)
                .lines()
                .find_map(|line| line.strip_prefix("ARG RUST_VERSION=").map(str::to_owned));
            assert!(pipeline.contains(&format!("image: rust:{}.0-bookworm\n", version.unwrap())), "{case}");
            assert!(pipeline.contains("name: liquibase/liquibase:4.28\n"), "{case}");
        }
    });
}

/// What is in the context is what a Dockerfile copies, and nothing that a work tree has beside it.
#[test]
fn the_context_is_what_is_copied() {
    each(|case, root| {
        let text = read(root, ".dockerignore");
        let mut patterns = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(patterns.next(), Some("*"), "{case}: an allow-list");
        let (named, excluded): (Vec<_>, Vec<_>) = patterns.partition(|pattern| pattern.starts_with('!'));
        let named: Vec<_> = named.into_iter().map(|pattern| &pattern[1..]).collect();
        assert_eq!(excluded, ["**/kustomization.yaml"], "{case}");
        assert!(!named.iter().any(|pattern| pattern.contains(['*', '?'])), "{case} {named:?}");
        let copied: Vec<_> = DOCKERFILES
            .iter()
            .flat_map(|(path, _)| instructions(&read(root, path)))
            .filter(|line| line.starts_with("COPY ") && !line.contains("--from="))
            .flat_map(|line| {
                let words: Vec<_> = line.split_whitespace().skip(1).map(|word| word.replace(['[', ']'], "")).collect();
                words[..words.len() - 1].to_vec()
            })
            .collect();
        let is_in = |path: &str, directory: &str| path == directory || path.starts_with(&format!("{directory}/"));
        for source in &copied {
            assert!(
                named.iter().any(|named| is_in(named, source) || is_in(source, named)),
                "{case}: {source} is kept out"
            );
        }
        for named in &named {
            assert!(copied.iter().any(|source| is_in(named, source)), "{case}: nobody copies {named}");
        }
        let beside =
            [".git", "target", "deploy/compose/.env", "deploy/compose/secrets", "deploy/kustomize", "appgen.yaml"];
        for path in beside {
            assert!(!named.iter().any(|named| is_in(path, named) || is_in(named, path)), "{case}: {path} enters");
        }
    });
}

/// Cargo refuses a manifest that names a target whose file is not there, also where it builds the dependencies alone.
#[test]
fn dependencies_are_built_over_what_the_manifest_names() {
    let mut named = 0;
    each(|case, root| {
        let lines = instructions(&read(root, "deploy/docker/api.Dockerfile"));
        let build = lines.iter().position(|line| line.contains("cargo build")).unwrap();
        let copied: Vec<_> = lines[..build]
            .iter()
            .filter(|line| line.starts_with("COPY "))
            .flat_map(|line| line.split_whitespace().skip(1).map(|word| word.replace(['[', ']'], "")))
            .collect();
        let manifest = read(root, "Cargo.toml");
        for (kind, directory) in [("bench", "benches"), ("test", "tests"), ("example", "examples"), ("bin", "src/bin")]
        {
            for target in manifest.split(&format!("[[{kind}]]\n")).skip(1) {
                named += 1;
                assert!(copied.iter().any(|path| path == directory), "{case}: {target} is not there yet");
                let name = target.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
                assert!(root.join(directory).join(format!("{}.rs", name.trim_matches('"'))).exists(), "{case} {name}");
            }
        }
    });
    assert!(named > 0);
}

/// Who waits for whom, and for what.
const WAITS: &[(&str, &str, &str)] = &[
    ("api", "db", "service_healthy"),
    ("api", "migrate", "service_completed_successfully"),
    ("grafana", "prometheus", "service_healthy"),
    ("migrate", "db", "service_healthy"),
    ("psql", "db", "service_healthy"),
];

const PROFILES: &[(&str, &str)] =
    &[("grafana", "observability"), ("liquibase", "tools"), ("prometheus", "observability"), ("psql", "tools")];

#[test]
fn compose_waits_and_is_reached_from_this_machine_alone() {
    each(|case, root| {
        let compose: Value = serde_saphyr::from_str(&read(root, "deploy/compose/compose.yaml")).unwrap();
        assert!(compose.get("version").is_none(), "{case}: obsolete");
        let services = compose["services"].as_object().unwrap();
        let mut waits = Vec::new();
        let mut profiles = Vec::new();
        let mut ports = BTreeMap::new();
        for (name, service) in services {
            let what = format!("{case} {name}");
            assert!(service.get("container_name").is_none(), "{what}: a second project could not start");
            for (other, wait) in service["depends_on"].as_object().into_iter().flatten() {
                let condition = wait["condition"].as_str().unwrap();
                let is_probed = services[other].get("healthcheck").is_some();
                assert!(is_probed || condition != "service_healthy", "{what}: {other} has no health");
                waits.push((name.as_str(), other.as_str(), condition));
            }
            for profile in service["profiles"].as_array().into_iter().flatten() {
                profiles.push((name.as_str(), profile.as_str().unwrap()));
            }
            for port in service["ports"].as_array().into_iter().flatten() {
                let port = port.as_str().unwrap();
                let published = port.strip_prefix("127.0.0.1:${").and_then(|rest| rest.split_once(":-"));
                let (variable, rest) = published.unwrap_or_else(|| panic!("{what}: {port}"));
                let number = rest.split('}').next().unwrap();
                let other = ports.insert(number.to_owned(), variable.to_owned());
                assert_eq!(other, None, "{what}: two want {number}");
            }
            let image = service["image"].as_str().map(|image| image.rsplit_once(':').unwrap_or((image, "latest")).1);
            assert_ne!(image, Some("latest"), "{what}");
            if !["db", "prometheus", "grafana"].contains(&name.as_str()) && service.get("extends").is_none() {
                assert_eq!((&service["read_only"], &service["cap_drop"]), (&json!(true), &json!(["ALL"])), "{what}");
            }
            for kind in ["secrets", "configs"] {
                for used in service[kind].as_array().into_iter().flatten() {
                    let used = used["source"].as_str().or(used.as_str()).unwrap();
                    assert!(compose[kind].get(used).is_some(), "{what}: {kind}/{used} is nowhere");
                }
            }
        }
        waits.sort_unstable();
        profiles.sort_unstable();
        assert_eq!(waits, WAITS, "{case}");
        assert_eq!(profiles, PROFILES, "{case}");
        assert_eq!(services["db"].get("ports"), None, "{case}: psql goes through the network of the project");
        assert_eq!(services["api"]["restart"], "on-failure", "{case}: its database may come later");
        // The example says each variable with the default that holds.
        let example = read(root, "deploy/compose/.env.example");
        let variables: BTreeSet<_> = ports.values().collect();
        assert_eq!(variables.len(), ports.len(), "{case}");
        for (number, variable) in &ports {
            assert!(example.contains(&format!("# {variable}={number}\n")), "{case}: {variable}");
        }
        // Made before the start: by secrets-init, and of the alert rules by `up`.
        for file in ["configs", "secrets"].iter().flat_map(|kind| compose[kind].as_object().unwrap().values()) {
            let path = file["file"].as_str().unwrap();
            let is_made = ["./secrets/db_password", "../out/alerts.yaml"].contains(&path);
            assert!(is_made || root.join("deploy/compose").join(path).exists(), "{case}: {path}");
        }
    });
}
