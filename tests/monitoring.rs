//! Alerts, their tests, the runbook that they lead to, and the room for log files. Budget: 10 seconds.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::deployment::list;
use crate::support::monitoring::{RULES, alerts, samples_in};
use crate::support::repository::Repo;
use serde_json::Value;

const COMPOSE: &str = "deploy/compose/compose.yaml";
const DASHBOARD: &str = "deploy/observability/dashboard.json";

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap()
}

fn edit(root: &Path, path: &str, from: &str, to: &str) {
    let text = read(root, path);
    assert!(text.contains(from), "{from} in {path}");
    fs::write(root.join(path), text.replace(from, to)).unwrap();
}

/// A case without the pool and the client, but with monitoring.
fn without_parts() -> (support::Place, std::path::PathBuf) {
    let place = support::Place::new();
    let spec = support::case_text("off").replace("monitoring: false", "monitoring: true");
    place.new_from(spec.as_bytes()).succeeds();
    let root = place.path().join("switched-off");
    (place, root)
}

#[test]
fn every_alert_fires_and_does_not_fire() {
    if support::tool("promtool", "the alerts").is_none() {
        return;
    }
    let script = |root: &Path| Command::new(root.join("deploy/scripts/alerts-verify")).output().unwrap();
    let (repo, (_place, small)) = (Repo::of_case("on"), without_parts());
    for root in [&repo.root(), &small] {
        let output = script(root);
        assert!(output.status.success(), "{output:?}");
        let tests = read(root, "deploy/observability/alerts.test.yaml");
        for alert in alerts(root) {
            let name = alert["alert"].as_str().unwrap();
            let checks = tests.matches(&format!("alertname: {name}\n")).count();
            assert!(checks >= 2, "{name} is tested {checks} times");
        }
    }
    // Limits that are not the tested ones, on either side.
    for (from, to) in
        [("> 0.05", "> 0.5"), ("_queue_max_tasks)", "_queue_tasks)"), ("> 0.9", "> 0.5"), ("unless", "and")]
    {
        let repo = Repo::of_case("on");
        edit(&repo.root(), RULES, from, to);
        assert!(!script(&repo.root()).status.success(), "{from} changed to {to}");
    }
}

/// Links that lead nowhere.
fn broken_links(root: &Path) -> Vec<String> {
    let runbook = read(root, "docs/runbook.md");
    let anchors: Vec<_> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| format!("docs/runbook.md#{}", heading.to_lowercase().replace(' ', "-")))
        .collect();
    let url = |alert: Value| {
        let url = alert["annotations"]["runbook_url"].as_str().unwrap().to_owned();
        // `service.runbook_url` of the case.
        url.replace("https://git.example.com/acme/orders/-/blob/main/", "")
    };
    let urls = alerts(root).into_iter().map(url);
    let own = runbook.split("](#").skip(1).map(|rest| format!("docs/runbook.md#{}", rest.split(')').next().unwrap()));
    urls.chain(own).filter(|url| !anchors.contains(url)).collect()
}

#[test]
fn every_alert_leads_to_a_section_of_the_runbook() {
    let (repo, (_place, small)) = (Repo::of_case("on"), without_parts());
    assert_eq!((alerts(&repo.root()).len(), alerts(&small).len()), (7, 6));
    for root in [&repo.root(), &small] {
        assert_eq!(broken_links(root), [""; 0]);
    }
    let begins = "https://git.example.com/acme/orders/-/blob/main/docs/runbook.md#orders";
    for alert in alerts(&repo.root()) {
        assert!(alert["annotations"]["runbook_url"].as_str().unwrap().starts_with(begins), "{alert}");
    }
    edit(&repo.root(), "docs/runbook.md", "## OrdersLatency", "## Slow");
    assert_eq!(broken_links(&repo.root()), ["docs/runbook.md#orderslatency"]);
}

/// Of the version that Compose starts.
#[test]
fn the_dashboard_fits_the_types_of_grafana() {
    let Some(program) = support::tool("dashboard-check", "the dashboard") else { return };
    let (repo, (_place, small)) = (Repo::of_case("on"), without_parts());
    let fits = |root: &Path| {
        let mut command = Command::new(&program);
        support::succeeds_quietly(command.arg(root.join(DASHBOARD)))
    };
    assert!(fits(&repo.root()) && fits(&small));
    for (from, to) in [
        (r#""gridPos""#, r#""gridpos""#),
        (r#""unit": "bytes""#, r#""units": "bytes""#),
        (r#""mode": "multi""#, r#""mode": "many""#),
        (r#""expr""#, r#""query""#),
    ] {
        let repo = Repo::of_case("on");
        edit(&repo.root(), DASHBOARD, from, to);
        assert!(!fits(&repo.root()), "{from} changed to {to}");
    }
    let compose: Value = serde_saphyr::from_str(&read(&repo.root(), COMPOSE)).unwrap();
    let version =
        compose["services"]["grafana"]["image"].as_str().unwrap().replace("grafana/grafana:", "@grafana/schema@");
    let proof = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proof")).unwrap();
    assert!(proof.contains(&version), "the types are of another version than {version}");
}

/// Where a chain from the service to a panel is broken: Prometheus' target, its rules, Grafana's datasource, the directory of
/// its dashboards, the variables of theirs.
fn broken_chain(root: &Path) -> Vec<String> {
    let parse = |path: &str| -> Value { serde_saphyr::from_str(&read(root, path)).unwrap() };
    let (compose, prometheus) = (parse(COMPOSE), parse("deploy/observability/prometheus.yaml"));
    let services = compose["services"].as_object().unwrap();
    let mut found = Vec::new();
    let mut hold = |holds: bool, what: &str| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    let listens = |address: &str| {
        let (host, port) = address.split_once(':').unwrap();
        let published = services.get(host).into_iter().flat_map(|service| list(&service["ports"]));
        published.into_iter().any(|published| published.as_str().unwrap().ends_with(&format!(":{port}")))
    };
    let target = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str().unwrap();
    hold(listens(target), "Prometheus scrapes nobody");
    let mounted = list(&services["prometheus"]["configs"]).map(|config| config["target"].as_str().unwrap());
    let mounted: Vec<_> = mounted.collect();
    hold(
        list(&prometheus["rule_files"]).all(|file| mounted.contains(&file.as_str().unwrap())),
        "Prometheus has no rules",
    );
    let provisioning = "deploy/observability/grafana/provisioning";
    let datasources = parse(&format!("{provisioning}/datasources/prometheus.yaml"));
    let [datasource] = &datasources["datasources"].as_array().unwrap()[..] else { panic!("{datasources}") };
    hold(listens(datasource["url"].as_str().unwrap().trim_start_matches("http://")), "the datasource is nowhere");
    let directory =
        parse(&format!("{provisioning}/dashboards/dashboards.yaml"))["providers"][0]["options"]["path"].clone();
    let mounts: Vec<_> = list(&services["grafana"]["volumes"]).map(|volume| volume.as_str().unwrap()).collect();
    hold(mounts.contains(&format!("../observability:{}:ro", directory.as_str().unwrap()).as_str()), "no dashboards");
    hold(mounts.contains(&"../observability/grafana/provisioning:/etc/grafana/provisioning:ro"), "no provisioning");

    let dashboard: Value = serde_json::from_str(&read(root, DASHBOARD)).unwrap();
    let variables: Vec<_> =
        list(&dashboard["templating"]["list"]).map(|variable| variable["name"].as_str().unwrap()).collect();
    let chosen = list(&dashboard["templating"]["list"]).find(|variable| variable["type"] == "datasource");
    hold(chosen.is_some_and(|variable| variable["query"] == datasource["type"]), "no datasource can be chosen");
    let text = dashboard.to_string();
    for used in text.split('$').skip(1).map(|rest| rest.trim_start_matches('{')) {
        let end = used.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(used.len());
        // Those with two lines are Grafana's own.
        hold(used.starts_with("__") || variables.contains(&&used[..end]), "a variable that is not there");
    }
    let panels: Vec<_> = list(&dashboard["panels"]).collect();
    for (index, panel) in panels.iter().enumerate() {
        hold(panels[..index].iter().all(|other| other["id"] != panel["id"]), "two panels with one id");
        hold(panels[..index].iter().all(|other| !overlap(&other["gridPos"], &panel["gridPos"])), "panels overlap");
    }
    found
}

fn overlap(one: &Value, other: &Value) -> bool {
    let meets = |from: &str, size: &str| {
        let [a, b] = [one, other].map(|place| (place[from].as_u64().unwrap(), place[size].as_u64().unwrap()));
        a.0 < b.0 + b.1 && b.0 < a.0 + a.1
    };
    meets("x", "w") && meets("y", "h")
}

#[test]
fn panels_lead_back_to_the_service() {
    let (repo, (_place, small)) = (Repo::of_case("on"), without_parts());
    for root in [&repo.root(), &small] {
        assert_eq!(broken_chain(root), [""; 0]);
    }
    let provisioning = "deploy/observability/grafana/provisioning";
    for (path, from, to, said) in [
        ("deploy/observability/prometheus.yaml", "api:9090", "api:8081", "Prometheus scrapes nobody"),
        (
            "deploy/observability/prometheus.yaml",
            "/etc/prometheus/alerts.yaml",
            "/etc/alerts.yaml",
            "Prometheus has no rules",
        ),
        (
            &format!("{provisioning}/datasources/prometheus.yaml"),
            "prometheus:9090",
            "prom:9090",
            "the datasource is nowhere",
        ),
        (
            &format!("{provisioning}/dashboards/dashboards.yaml"),
            "/etc/grafana/dashboards",
            "/dashboards",
            "no dashboards",
        ),
        (DASHBOARD, "$namespace", "$namespaces", "a variable that is not there"),
        (DASHBOARD, "\"id\": 2", "\"id\": 1", "two panels with one id"),
        (DASHBOARD, "\"x\": 12", "\"x\": 11", "panels overlap"),
    ] {
        let repo = Repo::of_case("on");
        edit(&repo.root(), path, from, to);
        assert!(broken_chain(&repo.root()).iter().any(|found| found == said), "{said}");
    }
}

#[test]
fn a_queue_is_full_near_the_configured_length() {
    let repo = Repo::of_case("on");
    let alerts = alerts(&repo.root());
    let alert = alerts.iter().find(|alert| alert["alert"] == "OrdersQueueFull").unwrap();
    let samples = samples_in(alert["expr"].as_str().unwrap());
    assert_eq!(samples.into_iter().collect::<Vec<_>>(), ["orders_worker_queue_max_tasks", "orders_worker_queue_tasks"]);
}

#[test]
fn the_samples_of_an_expression_are_found() {
    let found = samples_in(
        r#"sum by (a, le) (rate(b_total{c=~"5..", d="e"}[5m])) / on () f > 0.9 and on (g) last_over_time(h[1h]) offset 1h"#,
    );
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["b_total", "f", "h"]);
    let missing = support::monitoring::unknown_samples(&["a + sum(b)".to_owned()], "# TYPE b gauge\na{x=\"b\"} 1\n");
    assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn log_files_have_room() {
    let repo = Repo::of_case("on");
    let parse = |path: &str| -> Value { serde_saphyr::from_str(&read(&repo.root(), path)).unwrap() };
    let (config, deployment) = (parse("config/base.yaml"), parse("deploy/kustomize/base/deployment.yaml"));
    let file = &config["logging"]["sinks"]["file"];
    let mebibytes = |value: &Value| -> u64 {
        let text = value.as_str().unwrap();
        text.trim_end_matches('B').strip_suffix("Mi").unwrap().parse().unwrap()
    };
    let size = mebibytes(&file["max_size"]);
    // One that is written, one that is being compressed, and the old ones; lines of JSON shrink to a tenth.
    let needed = 2 * size + file["max_files"].as_u64().unwrap() * size / 4;
    let pod = &deployment["spec"]["template"]["spec"];
    let named = |list: &Value| list.as_array().unwrap().iter().find(|item| item["name"] == "log").unwrap().clone();
    assert!(mebibytes(&named(&pod["volumes"])["emptyDir"]["sizeLimit"]) > needed, "{needed} MiB");
    for container in [&pod["containers"][0], &pod["initContainers"][0]] {
        let directory = named(&container["volumeMounts"])["mountPath"].as_str().unwrap().to_owned();
        assert_eq!(directory, "/var/log/orders");
        assert!(file["path"].as_str().unwrap().starts_with(&format!("{directory}/")));
    }
}
