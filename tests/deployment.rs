//! The deployment of every case, through the tools that will read it: kustomize, schemas, Pod Security, linters, Compose,
//! and real Liquibase. Budget: 5 minutes on 2 cores.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::deployment::{Checkers, charts, manifests, rendered};
use support::postgres::{Postgres, liquibase};
use support::{Place, Repo};

/// Runs a check over the default repository and every case.
fn each(check: impl Fn(&str, &Path)) {
    let place = Place::new();
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    check("default", &place.path().join("my-service"));
    for case in support::cases() {
        check(&case, &Repo::new(&case).root());
    }
}

#[test]
fn overlays_render_fit_the_schemas_and_are_restricted() {
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
                let broken = pod_security(manifest);
                assert!(broken.is_empty(), "{what}: {broken:?}");
                let has_data = manifest["kind"] == "Secret" && manifest.get("data").is_some();
                assert!(!has_data || environment.as_str() == "dev", "{what}: a secret outside dev");
            }
        }
        checkers.check_schemas(&overlays, &["1.30.0", "1.33.0", "1.37.0"]);
    });
}

fn check_names(manifest: &Value, what: &str) {
    let name = manifest["metadata"]["name"].as_str().unwrap();
    assert!(name.len() <= 63, "{what}: {name}");
    for (label, value) in manifest["metadata"]["labels"].as_object().into_iter().flatten() {
        assert!(value.as_str().is_some_and(|value| value.len() <= 63), "{what}: {label}={value}");
    }
}

/// What breaks the profile "restricted" of the Pod Security Standards (Kubernetes documentation).
fn pod_security(manifest: &Value) -> Vec<String> {
    let pod = match manifest["kind"].as_str().unwrap() {
        "Pod" => &manifest["spec"],
        "CronJob" => &manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicaSet" => &manifest["spec"]["template"]["spec"],
        _ => return Vec::new(),
    };
    let mut broken = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[field] == true {
            broken.push(field.to_owned());
        }
    }
    let volumes = [
        "name",
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        if !volume.as_object().unwrap().keys().all(|key| volumes.contains(&key.as_str())) {
            broken.push(format!("volume {}", volume["name"]));
        }
    }
    let shared = &pod["securityContext"];
    let containers = ["initContainers", "containers"].into_iter().filter_map(|key| pod[key].as_array()).flatten();
    for container in containers {
        let own = &container["securityContext"];
        let either = |key: &str| if own[key].is_null() { shared[key].clone() } else { own[key].clone() };
        let drops = own["capabilities"]["drop"].as_array().is_some_and(|drop| drop.iter().any(|name| name == "ALL"));
        let adds = own["capabilities"]["add"].as_array().into_iter().flatten().any(|name| name != "NET_BIND_SERVICE");
        let ports = container["ports"].as_array().into_iter().flatten().any(|port| !port["hostPort"].is_null());
        let checks = [
            ("privileged", own["privileged"] == true),
            ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] != false),
            ("capabilities.drop ALL", !drops),
            ("capabilities.add", adds),
            ("runAsNonRoot", either("runAsNonRoot") != true),
            ("runAsUser 0", either("runAsUser") == 0),
            (
                "seccompProfile",
                !["RuntimeDefault", "Localhost"].iter().any(|kind| either("seccompProfile")["type"] == *kind),
            ),
            ("hostPort", ports),
        ];
        broken.extend(
            checks.iter().filter(|(_, broken)| *broken).map(|(name, _)| format!("{}: {name}", container["name"])),
        );
    }
    broken
}

#[test]
fn the_check_of_pod_security_sees_a_planted_fault() {
    let Some(kubectl) = support::tool("kubectl", "the planted fault") else { return };
    let repo = Repo::new("minimal");
    let (_, text) = rendered(&kubectl, &repo.root()).remove(0);
    let mut deployment = manifests(&text).into_iter().find(|manifest| manifest["kind"] == "Deployment").unwrap();
    assert_eq!(pod_security(&deployment), [""; 0]);
    let pod = &mut deployment["spec"]["template"]["spec"];
    pod["hostNetwork"] = true.into();
    pod["containers"][0]["securityContext"]["capabilities"]["drop"] = Value::Null;
    pod["containers"][0]["securityContext"]["runAsUser"] = 0.into();
    assert_eq!(pod_security(&deployment).len(), 3);
}

#[test]
fn a_changed_configuration_rolls_the_pods() {
    let Some(kubectl) = support::tool("kubectl", "the roll by hash") else { return };
    let repo = Repo::new("minimal");
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
fn knobs_reach_the_manifests() {
    let Some(kubectl) = support::tool("kubectl", "the knobs") else { return };
    let repo = Repo::new("on");
    let overlays: BTreeMap<String, Vec<Value>> =
        rendered(&kubectl, &repo.root()).into_iter().map(|(name, text)| (name, manifests(&text))).collect();
    let find = |environment: &str, kind: &str| {
        overlays[environment].iter().find(|manifest| manifest["kind"] == kind).cloned().unwrap_or_default()
    };
    // The autoscaler owns the number of pods: one in the Deployment would reset it at every apply.
    assert_eq!(find("prod", "Deployment")["spec"]["replicas"], Value::Null);
    assert_eq!(find("prod", "HorizontalPodAutoscaler")["spec"]["maxReplicas"], 12);
    assert_eq!(find("public", "Deployment")["spec"]["replicas"], 1);
    assert_eq!(find("prod", "Ingress")["spec"]["rules"][0]["host"], "orders.example.com");
    assert_eq!(find("gateway", "HTTPRoute")["spec"]["parentRefs"][0]["namespace"], "infra");
    assert_eq!(find("gateway", "Deployment")["metadata"]["namespace"], "shared");
    assert_eq!(find("gateway", "Secret"), Value::Null);
    assert_eq!(find("gateway", "ExternalSecret")["spec"]["secretStoreRef"]["name"], "platform");
    assert_eq!(find("public", "Ingress"), Value::Null);
    let policy = |environment: &str| {
        let named = |manifest: &&Value| manifest["kind"] == "NetworkPolicy" && manifest["metadata"]["name"] == "orders";
        overlays[environment].iter().find(named).unwrap()["spec"].to_string()
    };
    for knob in ["10.20.0.0/16", "203.0.113.0/24", "2001:db8::/32", "observability"] {
        assert!(policy("prod").contains(knob), "{knob}");
    }
    assert!(policy("gateway").contains(r#""values":["infra"]"#));
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

/// A linter's name, its arguments, and which files it reads.
type Linter = (&'static str, &'static [&'static str], &'static str);

const YAMLLINT: &str = "{extends: default, rules: {line-length: {max: 160}, document-start: disable, truthy: {check-keys: false}, \
    comments: {min-spaces-from-content: 1}, braces: {max-spaces-inside: 1}}}";

const LINTERS: &[Linter] = &[
    ("shellcheck", &[], "scripts"),
    ("shfmt", &["-d"], "scripts"),
    ("hadolint", &[], "Dockerfile"),
    ("actionlint", &[], ".github/workflows"),
    ("zizmor", &["--offline", "--quiet"], ".github/workflows"),
    ("check-jsonschema", &["--builtin-schema", "vendor.compose-spec"], "compose.yaml"),
    ("check-jsonschema", &["--builtin-schema", "vendor.gitlab-ci"], ".gitlab-ci.yml"),
    ("yamllint", &["-s", "-d", YAMLLINT], ".yaml"),
];

#[test]
fn linters_find_nothing() {
    for (linter, arguments, kind) in LINTERS {
        let Some(program) = support::tool(linter, kind) else { continue };
        each(|_, root| {
            let files: Vec<_> = support::files(root)
                .into_iter()
                .filter(|(path, text)| match *kind {
                    "scripts" => path.starts_with("deploy/") && (text.starts_with("#!") || path.ends_with(".bash")),
                    // appgen.yaml is written by a program, the lock is nobody's to read, a chart's templates are Go's.
                    ".yaml" => {
                        let others = ["appgen", "config/"].iter().any(|start| path.starts_with(start));
                        path.ends_with(".yaml") && !others && !path.contains("/templates/")
                    }
                    kind => path.contains(kind),
                })
                .map(|(path, _)| path)
                .collect();
            if !files.is_empty() {
                support::succeed(Command::new(&program).args(*arguments).args(&files).current_dir(root));
            }
        });
    }
}

#[test]
fn compose_reads_its_file() {
    let Some(program) = support::tool("docker-compose", "Compose") else { return };
    each(|_, root| {
        fs::write(root.join("deploy/compose/secrets/db_password"), "not-a-secret").unwrap();
        support::succeed(
            Command::new(&program).args(["-f", "deploy/compose/compose.yaml", "config", "-q"]).current_dir(root),
        );
    });
}

#[test]
fn nothing_secret_is_in_the_tree() {
    let Some(program) = support::tool("gitleaks", "secrets") else { return };
    each(|_, root| {
        support::succeed(Command::new(&program).args(["dir", "--no-banner", "--redact", "."]).current_dir(root));
    });
}

#[test]
fn real_liquibase_migrates_and_rolls_back() {
    let what = "real Liquibase";
    let (Some(program), Some(postgres)) = (support::tool("liquibase", what), Postgres::start(what)) else { return };
    let (on, longest) = (Repo::new("on"), Repo::new("longest"));
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
