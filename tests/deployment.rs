//! The deployment of every case, through the tools that will read it: those of `appgen verify`, and real Liquibase.
//! Budget: 5 minutes on 2 cores.

use std::collections::BTreeSet;
use std::fs;

use crate::support;
use crate::support::Place;
use crate::support::deployment::{Checkers, charts, manifests, rendered};
use crate::support::postgres::{Postgres, liquibase};
use crate::support::repository::{Repo, each};
use appgen::verify::pod_security;
use serde_json::Value;

#[test]
fn overlays_and_charts_render_and_fit_the_schemas() {
    let what = "the overlays and charts";
    let (Some(checkers), Some(helm)) = (Checkers::find(what), support::tool("helm", what)) else { return };
    each(|case, root| {
        let mut overlays = rendered(&checkers.kubectl, root);
        overlays.extend(charts(&helm, root));
        for (environment, text) in &overlays {
            let manifests = manifests(text);
            assert!(manifests.iter().any(|manifest| manifest["kind"] == "Deployment"), "{case} {environment}");
            for manifest in &manifests {
                let what = format!("{case} {environment} {}", manifest["kind"]);
                check_names(manifest, &what);
                assert_eq!(pod_security::violations(manifest), [""; 0], "{what}");
                let has_data = manifest["kind"] == "Secret" && manifest.get("data").is_some();
                assert!(!has_data || environment.as_str() == "dev", "{what}: a secret outside dev");
            }
        }
        // `appgen verify` tries the oldest version and the newest.
        checkers.check_schemas(&overlays, &["1.33.0"]);
    });
}

fn check_names(manifest: &Value, what: &str) {
    let name = manifest["metadata"]["name"].as_str().unwrap();
    assert!(name.len() <= 63, "{what}: {name}");
    for (label, value) in manifest["metadata"]["labels"].as_object().into_iter().flatten() {
        assert!(value.as_str().is_some_and(|value| value.len() <= 63), "{what}: {label}={value}");
    }
}

#[test]
fn a_changed_configuration_rolls_the_pods() {
    let Some(kubectl) = support::tool("kubectl", "the roll by hash") else { return };
    let repo = Repo::of_case("minimal");
    let template = |manifests: &[Value]| {
        let deployment = manifests.iter().find(|manifest| manifest["kind"] == "Deployment").unwrap();
        deployment["spec"]["template"].to_string()
    };
    let before = template(&manifests(&rendered(&kubectl, &repo.root())[0].1));
    let file = repo.root().join("config/base.yaml");
    let text = fs::read_to_string(&file).unwrap().replace("max_connections: 2000", "max_connections: 1999");
    fs::write(&file, text).unwrap();
    assert_ne!(before, template(&manifests(&rendered(&kubectl, &repo.root())[0].1)));
}

#[test]
fn a_pod_lives_longer_than_its_shutdown_takes() {
    let Some(kubectl) = support::tool("kubectl", "the grace period") else { return };
    each(|case, root| {
        let read = |path: &str| -> Value {
            let text = fs::read_to_string(root.join(path)).unwrap_or_default();
            serde_saphyr::from_str(&text).unwrap_or_default()
        };
        let seconds = |value: &Value| value.as_str().and_then(|text| text.trim_end_matches('s').parse::<u64>().ok());
        let base = read("config/base.yaml");
        for (environment, text) in rendered(&kubectl, root) {
            let own = read(&format!("config/overlays/{environment}/env.yaml"));
            let setting =
                |key: &str| seconds(&own["shutdown"][key]).or_else(|| seconds(&base["shutdown"][key])).unwrap();
            let manifests = manifests(&text);
            let deployment = manifests.iter().find(|manifest| manifest["kind"] == "Deployment").unwrap();
            let pod = &deployment["spec"]["template"]["spec"];
            let stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
            let needed = stop + setting("drain_delay") + setting("grace");
            assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() >= needed, "{case} {environment}");
        }
    });
}

/// The checks of `appgen verify` that need no build and no database.
#[test]
fn checks_find_nothing() {
    let mut missing = BTreeSet::new();
    each(|case, root| {
        for row in support::verify(root, "--skip fmt,clippy,test,liquibase,rollback").1 {
            let (name, result) = (row["name"].as_str().unwrap(), row["result"].as_str().unwrap());
            assert_ne!(result, "failed", "{case} {name}: {:#}", row["output"]);
            if result == "missing" {
                missing.insert(format!("{name}: {}", row["note"]));
            }
        }
    });
    if !missing.is_empty() {
        support::skip("checks", &missing.into_iter().collect::<Vec<_>>().join("; "));
    }
}

#[test]
fn real_liquibase_migrates_and_rolls_back() {
    let what = "real Liquibase";
    let (Some(program), Some(postgres)) = (support::tool("liquibase", what), Postgres::start(what)) else { return };
    let (on, longest) = (Repo::of_case("on"), Repo::of_case("longest"));
    let place = Place::new();
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    for (database, root) in [("d", place.path().join("my-service")), ("o", on.root()), ("l", longest.root())] {
        postgres.sql("postgres", &format!("create database {database}"));
        let run = |arguments: &[&str]| liquibase(&program, &root, &postgres, database, arguments);
        let contexts = "--contexts=verify,testdata";
        run(&["update-testing-rollback", contexts]);
        run(&["update", contexts]);
        let count = "select count(*) from databasechangelog";
        let applied = postgres.sql(database, count);
        run(&["update", contexts]);
        assert_eq!(postgres.sql(database, count), applied);
        if database == "d" {
            assert_eq!(postgres.sql(database, "select count(*) from countries"), "5\n");
            assert_eq!(postgres.sql(database, "select count(*) from currencies"), "4\n");
        }
        run(&["rollback-count", applied.trim()]);
        let tables =
            "select count(*) from pg_tables where schemaname = 'public' and tablename not like 'databasechangelog%'";
        assert_eq!(postgres.sql(database, tables), "0\n");
        run(&["update", "--contexts=prod"]);
        if database == "d" {
            assert_eq!(postgres.sql(database, "select count(*) from countries"), "0\n", "test data in production");
        }
    }
}
