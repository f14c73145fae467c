//! The deployment of every case, through the tools that will read it: those of `appgen verify`, and real Liquibase.
//! Budget: 5 minutes on 2 cores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::support;
use crate::support::Place;
use crate::support::deployment::{Checkers, charts, manifests, rendered};
use crate::support::postgres::{Postgres, liquibase};
use crate::support::repository::{Repo, each};
use appgen::verify::{custom_resources, pod_security};
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

#[path = "../examples/crd_schemas.rs"]
mod crd_schemas;

/// Of overlays and charts. Tools that know the schemas of Kubernetes alone say nothing of these.
#[test]
fn custom_resources_fit_the_definitions_of_their_projects() {
    let what = "custom resources";
    let tools = ["kubectl", "helm", "check-jsonschema"].map(|tool| support::tool(tool, what));
    let [Some(kubectl), Some(helm), Some(check)] = tools else { return };
    let place = Place::new();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("SCHEMA", custom_resources::SCHEMA);
    let fits = || {
        let mut command = Command::new(&check);
        support::succeeds_quietly(command.args(["--schemafile", "SCHEMA", "objects.json"]).current_dir(place.path()))
    };
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut all = Vec::new();
    each(|_, root| {
        for (_, text) in rendered(&kubectl, root).into_iter().chain(charts(&helm, root)) {
            for object in manifests(&text).into_iter().filter(is_custom) {
                seen.insert(format!("{} {}", object["apiVersion"], object["kind"]).replace('"', ""), object.clone());
                all.push(object);
            }
        }
    });
    let kinds: Vec<_> = seen.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "external-secrets.io/v1 ExternalSecret",
            "gateway.networking.k8s.io/v1 HTTPRoute",
            "monitoring.coreos.com/v1 PodMonitor",
            "monitoring.coreos.com/v1 PrometheusRule",
        ]
    );
    write("objects.json", &Value::from(all).to_string());
    assert!(fits(), "{}", fs::read_to_string(place.path().join("objects.json")).unwrap());
    // A field that there is not, at each depth; a version that nobody serves; a namespace that is forgotten.
    for (kind, mut object) in seen {
        let mut paths = vec![String::new()];
        deepest(&object["spec"], "/spec".to_owned(), &mut paths);
        for path in paths {
            let mut faulty = object.clone();
            faulty.pointer_mut(&path).unwrap()["planted"] = "x".into();
            write("objects.json", &serde_json::json!([faulty]).to_string());
            assert!(!fits(), "{kind}: a field in `{path}`");
        }
        let group = object["apiVersion"].as_str().unwrap().split('/').next().unwrap().to_owned();
        object["apiVersion"] = format!("{group}/v0").into();
        write("objects.json", &serde_json::json!([object]).to_string());
        assert!(!fits(), "{kind}: a version");
    }
}

/// Whether another project than Kubernetes has made the kind.
fn is_custom(object: &Value) -> bool {
    let group = object["apiVersion"].as_str().unwrap().split('/').next().unwrap();
    let of_kubernetes =
        ["networking.k8s.io", "rbac.authorization.k8s.io", "policy", "apps", "batch", "autoscaling", "v1"];
    !of_kubernetes.contains(&group)
}

/// The objects on the way to the deepest place, but maps of names that the user chooses.
fn deepest(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in
                fields.iter().filter(|(key, _)| !["matchLabels", "labels", "annotations"].contains(&key.as_str()))
            {
                deepest(value, format!("{path}/{}", key.replace('/', "~1")), found);
            }
            found.push(path);
        }
        Value::Array(items) => items.iter().take(1).for_each(|item| deepest(item, format!("{path}/0"), found)),
        _ => {}
    }
}

/// The schemas are what the projects publish; `tests/proof` fetches that.
#[test]
fn the_schemas_of_custom_resources_are_made_of_the_definitions() {
    let what = "the schemas of custom resources";
    let Some(definitions) = support::tool("custom-resource-definitions.yaml", what) else { return };
    let schema = crd_schemas::schema(&fs::read_to_string(definitions).unwrap()).unwrap();
    assert!(schema == custom_resources::SCHEMA, "run `cargo run --example crd_schemas` with the definitions");
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
