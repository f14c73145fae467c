//! The chart: lint, its schema, agreement with kustomize, what a release changes, and the scripts that use it.
//! `tests/deployment.rs` holds its manifests against schemas and Pod Security. Budget: 30 seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support;
use crate::support::Run;
use crate::support::deployment::{chart, charts, environments, manifests, rendered};
use crate::support::repository::Repo;
use serde_json::{Value, json};

/// Every case that has a chart, and the longest names in one.
fn with_chart() -> Vec<(String, Repo)> {
    let cases = support::cases().into_iter().map(|case| (case.clone(), Repo::of_case(&case)));
    let mut cases: Vec<_> = cases.filter(|(_, repo)| repo.root().join("deploy/helm").exists()).collect();
    assert!(cases.len() > 1);
    cases.push(("longest".to_owned(), Repo::from_spec(&longest())));
    cases
}

fn longest() -> String {
    support::case_text("longest").replace("features:\n", "features:\n  helm: true\n")
}

fn helm(program: &Path, root: &Path, command: &str, environment: &str, more: &[&str]) -> Run {
    let mut helm = Command::new(program);
    helm.args(command.split(' ')).args(chart(root, environment).unwrap()).args(more).current_dir(root);
    Run::of(&helm.output().unwrap(), root)
}

#[test]
fn every_environment_passes_the_lint() {
    let Some(program) = support::tool("helm", "the lint of the chart") else { return };
    for (case, repo) in with_chart() {
        for environment in environments(&repo.root()) {
            let run = helm(&program, &repo.root(), "lint --strict --quiet", &environment, &[]);
            assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""), "{case} {environment}");
        }
    }
    // The linter is really run.
    let (_, repo) = with_chart().remove(0);
    let path = support::files(&repo.root()).into_keys().find(|path| path.ends_with("templates/pdb.yaml")).unwrap();
    repo.edit(&path, "spec:", "spec: {{ .Values.nothing.at.all }}");
    assert_ne!(helm(&program, &repo.root(), "lint --strict", &environments(&repo.root())[0], &[]).code, 0);
}

#[test]
fn values_that_are_unknown_or_do_not_fit_are_refused() {
    let Some(program) = support::tool("helm", "the schema of values") else { return };
    let repo = Repo::of_case("on");
    let template =
        |environment: &str, set: &str| helm(&program, &repo.root(), "template", environment, &["--set-json", set]);
    assert_eq!(template("prod", "replicas=1").code, 0);
    for (set, named) in [
        ("replica=1", "replica"),
        ("image.registry=\"a\"", "registry"),
        ("resources.limits.gpu=\"1\"", "gpu"),
        ("expose.hostname=\"a\"", "hostname"),
        ("database.port=1", "port"),
        ("networkPolicy.egress=[{\"cidr\":\"10.0.0.0/8\",\"port\":1,\"to\":1}]", "to"),
        ("image.tag=\"a b\"", "/image/tag"),
        ("release=\"A\"", "/release"),
        ("release=\"of-thirteen-c\"", "/release"),
        ("contexts=[]", "/contexts"),
        ("autoscaling={\"enabled\":true}", "min"),
        ("secret={\"source\":\"external\"}", "store"),
        ("secret={\"source\":\"existing\",\"password\":\"a\"}", "password"),
        ("expose={\"kind\":\"gateway\"}", "gateway"),
        ("expose.gateway={\"namespace\":\"a\",\"name\":\"b\"}", "gateway"),
    ] {
        let run = template("prod", set);
        assert!(
            run.code != 0 && run.err.contains("schema") && run.err.contains(named),
            "{set}: {}{}",
            run.out,
            run.err
        );
    }
    // Without an environment, and without the configuration.
    let bare =
        Command::new(&program).args(["template", "deploy/helm/orders"]).current_dir(repo.root()).output().unwrap();
    let run = Run::of(&bare, &repo.root());
    assert!(run.code != 0 && run.err.contains("'alerts', 'config', 'instance', 'contexts'"), "{}", run.err);
}

/// What the two tools may say differently: labels and annotations that name them, and what makes new pods of a new
/// configuration, where kustomize has a hash in the name of the ConfigMap.
const TOOLS_OWN: &[&str] = &[
    "/metadata/labels/app.kubernetes.io~1managed-by",
    "/metadata/labels/helm.sh~1chart",
    "/metadata/annotations/kustomize.toolkit.fluxcd.io~1force",
    "/spec/template/metadata/annotations/checksum~1config",
];

/// Objects of one tool. Helm keeps its record of a release in the namespace, which must therefore be there before; and
/// kustomize has no tests.
const ONE_TOOLS: &[&str] = &["Namespace/", "Pod/"];

/// Objects by kind and name, without what is a tool's own.
fn objects(manifests: Vec<Value>) -> BTreeMap<String, Value> {
    let config = config_name(&manifests);
    let mut objects = BTreeMap::new();
    for manifest in manifests {
        let text = manifest.to_string().replace(&format!("\"{config}\""), "\"CONFIG\"");
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        for path in TOOLS_OWN {
            let (parent, key) = path.rsplit_once('/').unwrap();
            if let Some(parent) = manifest.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(&key.replace("~1", "/"));
            }
        }
        let name = format!("{}/{}", manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
        if !ONE_TOOLS.iter().any(|own| name.starts_with(own)) {
            assert!(objects.insert(name.clone(), manifest).is_none(), "{name} stands twice");
        }
    }
    objects
}

/// The ConfigMap that the service's pods mount.
fn config_name(manifests: &[Value]) -> String {
    let deployment = find(manifests, "Deployment");
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    volumes.iter().find_map(|volume| volume["configMap"]["name"].as_str()).unwrap().to_owned()
}

fn find(manifests: &[Value], kind: &str) -> Value {
    manifests.iter().find(|manifest| manifest["kind"] == kind).unwrap().clone()
}

/// Names of objects that differ, with both sides of each.
fn differences(left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>) -> Vec<String> {
    let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), |value| format!("{value:#}"));
    names
        .into_iter()
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| {
            let (left, right) = (show(left.get(name)), show(right.get(name)));
            format!("{name}\n{}", similar::TextDiff::from_lines(&left, &right).unified_diff())
        })
        .collect()
}

#[test]
fn the_chart_and_the_overlays_agree_object_by_object() {
    let what = "the agreement of both";
    let (Some(kubectl), Some(program)) = (support::tool("kubectl", what), support::tool("helm", what)) else { return };
    for (case, repo) in with_chart() {
        let by_kustomize = rendered(&kubectl, &repo.root());
        for (environment, text) in by_kustomize {
            let overlay = objects(manifests(&text));
            // Kinds as well: a chart that renders too little would agree with an overlay that does.
            assert!(overlay.len() >= 9, "{case} {environment}: {:?}", overlay.keys());
            let run = helm(&program, &repo.root(), "template", &environment, &[]).succeeds();
            let chart = objects(manifests(&run.out));
            let found = differences(&overlay, &chart);
            assert!(found.is_empty(), "{case} {environment}: {}", found.join("\n"));
            let mut planted = chart.clone();
            let deployment = planted.values_mut().find(|object| object["kind"] == "Deployment").unwrap();
            deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
            assert_eq!(differences(&overlay, &planted).len(), 1);
        }
    }
}

#[test]
fn a_configuration_rolls_the_pods_and_a_release_makes_a_job() {
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    if [support::tool("kubectl", "the release"), support::tool("helm", "the release")].contains(&None) {
        return;
    }
    let repo = Repo::from_spec(&longest());
    let root = repo.root();
    let secrets = root.join("deploy/kustomize/overlays/dev/secrets");
    fs::create_dir_all(&secrets).unwrap();
    let render = |password: &str, tag: &str| {
        fs::write(secrets.join("db_password"), password).unwrap();
        let run = support::succeed(Command::new(root.join("deploy/scripts/render")).args(["dev", "--helm", tag]));
        assert_eq!(run.out.trim(), "deploy/out/dev/helm.yaml");
        let all = manifests(&fs::read_to_string(root.join(run.out.trim())).unwrap());
        for manifest in &all {
            let name = manifest["metadata"]["name"].as_str().unwrap();
            assert!(name.len() <= 63, "{name}");
        }
        ["Job", "Secret", "Deployment"].map(|kind| find(&all, kind))
    };
    let [job, secret, deployment] = render("one", COMMIT);
    let config = root.join("config/overlays/dev/env.yaml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("level: debug", "level: trace")).unwrap();
    let [same, other_secret, other_deployment] = render("another", COMMIT);
    assert_ne!(secret["data"], other_secret["data"]);
    assert_ne!(deployment["spec"]["template"], other_deployment["spec"]["template"]);
    assert_eq!(job, same);
    let name = |job: &Value| job["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name(&job).ends_with("-migrate-0123456789ab"), "{}", name(&job));
    let image = job["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
    assert!(image.ends_with(&format!("-liquibase:{COMMIT}")), "{image}");
    let [newer, ..] = render("another", "1.2.0");
    assert!(name(&newer).ends_with("-migrate-1-2-0"), "{}", name(&newer));
}

#[test]
fn an_environment_that_is_added_has_its_values() {
    let Some(program) = support::tool("helm", "the values of an environment") else { return };
    let repo = Repo::of_case("eight");
    repo.run("add-env ninth --replicas 7").succeeds();
    let run = helm(&program, &repo.root(), "template", "ninth", &[]).succeeds();
    assert_eq!(find(&manifests(&run.out), "Deployment")["spec"]["replicas"], 7);
    repo.run("remove-env ninth").succeeds();
    assert!(!repo.root().join("deploy/helm/eight/values-ninth.yaml").exists());
}

/// What the pod of `helm test` runs, against a listener of ours.
#[test]
fn the_test_of_a_release_wants_an_answer() {
    let Some(program) = support::tool("helm", "the test of a release") else { return };
    let repo = Repo::of_case("eight");
    let (_, text) = charts(&program, &repo.root()).remove(0);
    let pod = find(&manifests(&text), "Pod");
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    let container = &pod["spec"]["containers"][0];
    let words = |key: &str| -> Vec<String> { serde_json::from_value(container[key].clone()).unwrap() };
    let (command, script) = (words("command"), words("args").remove(0));
    let probe = |port: u16| {
        let script = script.replace("/dev/tcp/eight/80", &format!("/dev/tcp/127.0.0.1/{port}"));
        assert!(script.contains("127.0.0.1"), "{script}");
        Command::new(&command[0]).args(&command[1..]).arg(script).stderr(Stdio::null()).output().unwrap()
    };
    for (answer, passes) in [("200 OK", true), ("404 Not Found", true), ("503 Service Unavailable", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            write!(reader.get_mut(), "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").unwrap();
            head
        });
        let output = probe(port);
        assert!(served.join().unwrap().starts_with("GET / HTTP/1.1\r\nHost: eight\r\n"));
        assert_eq!(output.status.success(), passes, "{answer}: {output:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(!probe(nobody).status.success());
}

/// Each call is a line. A release is there where RELEASE says so.
const KUBECTL: &str = r#"#!/usr/bin/env bash
[[ $1 != kustomize ]] || exec "$REAL_KUBECTL" "$@"
echo "kubectl $*" >>"$CALLS"
case "$*" in
    *'apply -f -'*) cat >/dev/null ;;
    *owner=helm*name) echo ${RELEASE:-} ;;
    *status.conditions*) echo Complete ;;
    *'get deployment,'*'--output name') echo deployment.apps/eight ;;
    'get customresourcedefinition/'*) exit 1 ;;
esac
"#;

const HELM: &str = r#"#!/usr/bin/env bash
[[ $1 != template ]] || exec "$REAL_HELM" "$@"
echo "helm $*" >>"$CALLS"
"#;

/// The scripts of a repository with a chart, over a kubectl and a helm that write down how they were called.
struct Scripts {
    repo: Repo,
    place: support::Place,
    tools: [PathBuf; 2],
}

impl Scripts {
    fn new(what: &str) -> Option<Self> {
        let tools = [support::tool("kubectl", what)?, support::tool("helm", what)?];
        let (repo, place) = (Repo::of_case("eight"), support::Place::new());
        for (name, text) in [("kubectl", KUBECTL), ("helm", HELM)] {
            let file = place.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let secret = "deploy/kustomize/overlays/dev/secrets/db_password";
        repo.write(secret, "not-a-secret");
        Some(Self { repo, place, tools })
    }

    fn run(&self, line: &str, release: &str) -> (Run, String) {
        let (script, arguments) = line.split_once(' ').unwrap();
        let calls = self.place.path().join("calls");
        let _ = fs::remove_file(&calls);
        let path = format!("{}:{}", self.place.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.repo.root().join("deploy/scripts").join(script));
        command.args(arguments.split(' ')).env("PATH", path).env("CALLS", &calls).env("RELEASE", release);
        command.env("REAL_KUBECTL", &self.tools[0]).env("REAL_HELM", &self.tools[1]).stdin(Stdio::null());
        let run = Run::of(&command.output().unwrap(), self.place.path());
        (run, fs::read_to_string(calls).unwrap_or_default())
    }
}

#[test]
fn a_deployment_by_helm_checks_installs_and_tests() {
    let Some(scripts) = Scripts::new("deploy --helm") else { return };
    let (run, calls) = scripts.run("deploy dev --helm 1.4.0", "");
    run.succeeds();
    let at = |what: &str| calls.find(what).unwrap_or_else(|| panic!("{what} in\n{calls}"));
    let order = [
        at("kubectl apply -f deploy/kustomize/overlays/dev/namespace.yaml"),
        at("delete job eight-migrate-1-4-0 --ignore-not-found"),
        at("helm upgrade --install eight deploy/helm/eight --namespace eight-dev"),
        at("helm test eight --namespace eight-dev"),
    ];
    assert!(order.is_sorted(), "{calls}");
    assert!(!calls.contains("get namespace"), "it is made: {calls}");
    assert!(calls.contains("--set-string image.tag=1.4.0,release=1-4-0"), "{calls}");
    assert!(!calls.contains("not-a-secret"), "{calls}");
    assert!(scripts.repo.read("deploy/out/dev/deploy.log").contains("release: 1.4.0, by Helm\n"));

    // What must be there is looked for.
    let (_, calls) = scripts.run("deploy prod-eu --helm 1.4.0", "");
    assert!(
        calls.contains("kubectl get namespace eight-prod-eu\n") && calls.contains("get secret eight-db\n"),
        "{calls}"
    );
}

#[test]
fn what_helm_has_deployed_stays_helms() {
    const RELEASE: &str = "secret/sh.helm.release.v1.eight.v1";
    let Some(scripts) = Scripts::new("a release of Helm's") else { return };
    let (run, calls) = scripts.run("deploy dev 1.4.0", RELEASE);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("is a release of Helm's: deploy/scripts/deploy dev --helm 1.4.0"), "{}", run.out);
    assert!(!calls.contains("apply"), "{calls}");
    let (run, calls) = scripts.run("migrate dev 1.4.0", RELEASE);
    run.succeeds();
    assert_eq!(calls.matches(" apply ").count(), 1, "the Job alone: {calls}");
    let (run, calls) = scripts.run("migrate dev 1.4.0", "");
    run.succeeds();
    assert_eq!(calls.matches(" apply ").count(), 2, "{calls}");
    let (run, calls) = scripts.run("delete dev --yes", RELEASE);
    run.succeeds();
    assert!(calls.ends_with("--namespace eight-dev delete secret --selector owner=helm,name=eight\n"), "{calls}");
    for line in ["deploy dev --helmet", "render dev --helm --helm 1 2"] {
        assert_eq!(scripts.run(line, "").0.code, 2, "{line}");
    }
}
