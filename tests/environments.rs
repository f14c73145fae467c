//! What an environment's manifests may have of their own, and what a migration Job depends on. Budget: 20 seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::support;
use crate::support::deployment::{manifests, rendered};
use crate::support::repository::Repo;
use serde_json::Value;

/// Kinds and names that a knob switches.
const SWITCHED: &[&str] = &[
    "ExternalSecret/orders-db",
    "HTTPRoute/orders",
    "HorizontalPodAutoscaler/orders",
    "Ingress/orders",
    "Namespace/ENV",
    "NetworkPolicy/orders-db",
    "Secret/orders-db",
    "Service/orders-db",
    "Service/orders-public",
    "StatefulSet/orders-db",
];

/// Where a knob stands in an object that every environment has.
const KNOBS: &[&str] = &[
    "ConfigMap/orders-config/data/env.yaml",
    "ConfigMap/orders-migrate/data/LIQUIBASE_COMMAND_",
    "Deployment/orders/spec/replicas",
    "Deployment/orders/spec/template/spec/containers/0/resources/",
    "Deployment/orders/spec/template/spec/terminationGracePeriodSeconds",
    "NetworkPolicy/orders-migrate/spec/egress/1/to/",
    "NetworkPolicy/orders/spec/egress/",
    "NetworkPolicy/orders/spec/ingress/0/from/",
    "NetworkPolicy/orders/spec/ingress/1/from/0/namespaceSelector/",
];

/// Every value of an environment by its path, with the environment's own name and the configuration's hash replaced.
fn values(environment: &str, manifests: &[Value]) -> BTreeMap<String, Value> {
    let deployment = manifests.iter().find(|manifest| manifest["kind"] == "Deployment").unwrap();
    let namespace = deployment["metadata"]["namespace"].as_str().unwrap();
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let config = volumes.iter().find_map(|volume| volume["configMap"]["name"].as_str()).unwrap();
    let own = [namespace.to_owned(), format!("orders-{environment}")];
    let mut found = BTreeMap::new();
    for manifest in manifests {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let kind = manifest["kind"].as_str().unwrap();
        let name = if kind == "Namespace" { "ENV" } else { name }.replace(config, "orders-config");
        flatten(&format!("{kind}/{name}"), manifest, &mut |path, value| {
            let value = match value.as_str() {
                Some(text) if own.iter().any(|own| own == text) => "ENV".into(),
                Some(text) if text == config => "orders-config".into(),
                _ => value.clone(),
            };
            found.insert(path.to_owned(), value);
        });
    }
    found
}

fn flatten(path: &str, value: &Value, keep: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(&format!("{path}/{key}"), value, keep)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| flatten(&format!("{path}/{index}"), value, keep));
        }
        value => keep(path, value),
    }
}

/// Paths whose values differ, though no knob stands there.
fn undeclared(left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let is_declared = |path: &str| {
        KNOBS.iter().any(|knob| path.starts_with(knob))
            || SWITCHED.iter().any(|object| path.strip_prefix(object).is_some_and(|rest| rest.starts_with('/')))
    };
    let paths = left.keys().chain(right.keys());
    paths.filter(|path| left.get(*path) != right.get(*path) && !is_declared(path)).cloned().collect()
}

#[test]
fn environments_differ_in_knobs_only() {
    let Some(kubectl) = support::tool("kubectl", "the environments") else { return };
    let repo = Repo::of_case("on");
    let all: Vec<_> = rendered(&kubectl, &repo.root())
        .into_iter()
        .map(|(environment, text)| values(&environment, &manifests(&text)))
        .collect();
    for other in &all[1..] {
        assert_eq!(undeclared(&all[0], other), BTreeSet::new());
    }
    let mut faulty = all[1].clone();
    let path = "Deployment/orders/spec/template/spec/containers/0/imagePullPolicy";
    assert!(faulty.insert(path.to_owned(), "Always".into()).is_some());
    assert_eq!(undeclared(&all[0], &faulty), [path.to_owned()].into());
}

#[test]
fn a_migration_belongs_to_its_release_alone() {
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    if support::tool("kubectl", "the migration").is_none() {
        return;
    }
    let repo = Repo::of_case("longest");
    let root = repo.root();
    let secrets = root.join("deploy/kustomize/overlays/dev/secrets");
    fs::create_dir_all(&secrets).unwrap();
    let render = |password: &str, tag: &str| {
        fs::write(secrets.join("db_password"), password).unwrap();
        let run = support::succeed(Command::new(root.join("deploy/scripts/render")).args(["dev", tag]));
        let all = manifests(&fs::read_to_string(root.join(run.out.trim())).unwrap());
        ["Job", "Secret", "Deployment"]
            .map(|kind| all.iter().find(|manifest| manifest["kind"] == kind).unwrap().clone())
    };
    let [job, secret, deployment] = render("one", COMMIT);
    let config = root.join("config/base.yaml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("max_connections: 2000", "max_connections: 1999")).unwrap();
    let [same, other_secret, other_deployment] = render("another", COMMIT);
    assert_ne!(secret, other_secret);
    assert_ne!(deployment["spec"]["template"], other_deployment["spec"]["template"]);
    assert_eq!(job, same);
    let name = |job: &Value| job["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name(&job).ends_with("-migrate-0123456789ab") && name(&job).len() <= 63, "{}", name(&job));
    let [newer, ..] = render("another", "1.2.0");
    assert_ne!(name(&newer), name(&job));
}
