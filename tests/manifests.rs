//! What every rendered object holds, of whatever case and environment, by kustomize and by the chart: the policy that no
//! schema knows, and that whatever an object names is there. Budget: 15 seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support;
use crate::support::deployment::{charts, list, manifests, rendered};
use crate::support::repository::{Repo, each};
use serde_json::Value;

/// What an object of a kind contains; NAME is the service's.
const HOLDS: &str = r#"
Deployment:
  # After the migration.
  metadata: { annotations: { argocd.argoproj.io/sync-wave: "2" } }
  spec:
    revisionHistoryLimit: 5
    minReadySeconds: 5
    progressDeadlineSeconds: 180
    # A pod less than wanted at no time: with two replicas one would have to do the work of both.
    strategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
    template:
      metadata:
        annotations: { prometheus.io/scrape: "true", prometheus.io/port: "9090", prometheus.io/path: /metrics }
      spec:
        securityContext: { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 }
        # Without the hash of the template, the pods of the release before would count when a new one is placed.
        topologySpreadConstraints:
          - topologyKey: topology.kubernetes.io/zone
            maxSkew: 1
            whenUnsatisfiable: ScheduleAnyway
            labelSelector: { matchLabels: { app.kubernetes.io/name: NAME, app.kubernetes.io/component: api } }
            matchLabelKeys: [pod-template-hash]
          - topologyKey: kubernetes.io/hostname
            maxSkew: 1
            whenUnsatisfiable: ScheduleAnyway
            labelSelector: { matchLabels: { app.kubernetes.io/name: NAME, app.kubernetes.io/component: api } }
            matchLabelKeys: [pod-template-hash]
        initContainers:
          - { name: schema-wait, args: [schema-wait, --timeout, 120s] }
        containers:
          - name: api
            # A minute to start; then the process alone decides on a restart, and the database on traffic.
            startupProbe: { httpGet: { path: /livez, port: admin }, periodSeconds: 2, failureThreshold: 30 }
            livenessProbe: { httpGet: { path: /livez, port: admin }, periodSeconds: 10, failureThreshold: 3 }
            readinessProbe: { httpGet: { path: /readyz, port: admin }, periodSeconds: 5, failureThreshold: 3 }
            lifecycle: { preStop: { sleep: { seconds: 5 } } }
Job:
  metadata:
    annotations:
      argocd.argoproj.io/hook: Sync
      argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
      argocd.argoproj.io/sync-wave: "1"
  spec:
    backoffLimit: 3
    activeDeadlineSeconds: 600
    ttlSecondsAfterFinished: 86400
    template:
      spec:
        restartPolicy: Never
        securityContext: { runAsNonRoot: true, runAsUser: 1001, runAsGroup: 1001, fsGroup: 1001 }
        containers:
          - args: [update]
            resources: { limits: { cpu: "1", memory: 512Mi } }
StatefulSet:
  spec: { template: { spec: { securityContext: { runAsNonRoot: true, runAsUser: 999, fsGroup: 999 } } } }
PodDisruptionBudget:
  spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: AlwaysAllow }
HorizontalPodAutoscaler:
  apiVersion: autoscaling/v2
  spec:
    scaleTargetRef: { apiVersion: apps/v1, kind: Deployment }
    metrics: [{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 70 } } }]
    behavior:
      scaleUp:
        stabilizationWindowSeconds: 0
        selectPolicy: Max
        policies:
          - { type: Percent, value: 100, periodSeconds: 30 }
          - { type: Pods, value: 2, periodSeconds: 30 }
      scaleDown:
        stabilizationWindowSeconds: 300
        policies: [{ type: Pods, value: 1, periodSeconds: 60 }]
Namespace:
  metadata: { labels: { pod-security.kubernetes.io/enforce: restricted } }
Ingress:
  # Paths reach the service as they are: no rewriting, one rule.
  spec: { rules: [{ http: { paths: [{ path: /, pathType: Prefix }] } }] }
HTTPRoute:
  spec: { rules: [{ matches: [{ path: { type: PathPrefix, value: / } }] }] }
ExternalSecret:
  apiVersion: external-secrets.io/v1
  spec:
    secretStoreRef: { kind: ClusterSecretStore }
    target: { name: NAME-db, creationPolicy: Owner }
    data: [{ secretKey: db_password }]
"#;

/// Kinds that every environment has.
const EVERYWHERE: &[&str] =
    &["ConfigMap", "Deployment", "Job", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"];

/// An environment's objects.
struct Render {
    service: String,
    objects: Vec<Value>,
    by_kustomize: bool,
    /// Secrets that `deploy` looks for before it applies anything.
    looked_for: BTreeSet<String>,
}

/// Labels and what is below `spec` of the pods that an object makes.
struct Pods<'a> {
    by: String,
    labels: &'a Value,
    spec: &'a Value,
    claims: &'a Value,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Render {
    fn new(root: &Path, manifest: &str, by_kustomize: bool) -> Self {
        let lib = fs::read_to_string(root.join("deploy/scripts/lib.bash")).unwrap();
        let line = |start: &str| lib.lines().find_map(|line| line.strip_prefix(start)).unwrap().to_owned();
        let service = line("name=");
        let looked_for = lib.split("get secret \"$name-").skip(1).map(|rest| rest.split('"').next().unwrap());
        let looked_for = looked_for.map(|suffix| format!("{service}-{suffix}")).collect();
        Self { objects: manifests(manifest), service, by_kustomize, looked_for }
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    fn named(&self, kind: &str, name: &Value) -> Option<&Value> {
        self.objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
    }

    fn pods(&self) -> Vec<Pods<'_>> {
        let template = |object: &'_ Value| match text(&object["kind"]) {
            "Pod" => Some(""),
            "Deployment" | "StatefulSet" | "Job" => Some("/spec/template"),
            "CronJob" => Some("/spec/jobTemplate/spec/template"),
            _ => None,
        };
        let with = |object| template(object).map(|path| (object, path));
        let pods = self.objects.iter().filter_map(with).map(|(object, path)| {
            let template = object.pointer(path).unwrap();
            Pods {
                by: format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"])),
                labels: &template["metadata"]["labels"],
                spec: &template["spec"],
                claims: &object["spec"]["volumeClaimTemplates"],
            }
        });
        pods.collect()
    }

    /// Whether `deploy` would find out that there is no such Secret. It asks for the database's where none is made.
    fn is_looked_for(&self, name: &str) -> bool {
        let makes_one = ["Secret", "ExternalSecret"].iter().any(|kind| self.of_kind(kind).next().is_some());
        self.looked_for.contains(name) && !(makes_one && name.ends_with("-db"))
    }

    /// A document of the service's configuration.
    fn config(&self, key: &str) -> Value {
        let found = self.of_kind("ConfigMap").find_map(|object| object["data"][key].as_str());
        serde_saphyr::from_str(found.unwrap_or_else(|| panic!("no {key}"))).unwrap()
    }
}

impl Pods<'_> {
    fn containers(&self) -> impl Iterator<Item = &Value> {
        list(&self.spec["initContainers"]).chain(list(&self.spec["containers"]))
    }

    fn has_port(&self, name: &Value) -> bool {
        self.containers().flat_map(|container| list(&container["ports"])).any(|port| port["name"] == *name)
    }

    /// Whether a selector of labels, which must not be empty, takes them.
    fn are_selected_by(&self, selector: &Value) -> bool {
        selector.as_object().is_some_and(|wanted| {
            !wanted.is_empty() && wanted.iter().all(|(key, value)| self.labels.get(key) == Some(value))
        })
    }
}

const RULES: &[fn(&Render) -> Vec<String>] =
    &[kinds, contents, pods, references, files, selectors, policies, scrapes, database];

fn violations(render: &Render) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(render)).collect()
}

fn kinds(render: &Render) -> Vec<String> {
    let missing = EVERYWHERE.iter().filter(|kind| render.of_kind(kind).next().is_none());
    let mut found: Vec<_> = missing.map(|kind| format!("no {kind}")).collect();
    let namespaces: BTreeSet<_> = render
        .objects
        .iter()
        .map(|object| {
            let metadata = &object["metadata"];
            text(&metadata[if object["kind"] == "Namespace" { "name" } else { "namespace" }])
        })
        .collect();
    if namespaces.len() != 1 || namespaces.contains("") {
        found.push(format!("namespaces {namespaces:?}"));
    }
    found
}

fn contents(render: &Render) -> Vec<String> {
    let holds: BTreeMap<String, Value> = serde_saphyr::from_str(&HOLDS.replace("NAME", &render.service)).unwrap();
    let mut found = Vec::new();
    for object in &render.objects {
        let kind = text(&object["kind"]);
        if let Some(wanted) = holds.get(kind) {
            lacking(kind, wanted, object, &mut found);
        }
        let flux = &object["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/force"];
        if kind == "Job" && render.by_kustomize && *flux != "enabled" {
            found.push("Job: Flux could not replace it".to_owned());
        }
    }
    found
}

/// Where an object is not what is wanted. It may have more keys, but no more items.
fn lacking(path: &str, wanted: &Value, actual: &Value, found: &mut Vec<String>) {
    match (wanted, actual) {
        (Value::Object(keys), _) => {
            keys.iter().for_each(|(key, wanted)| lacking(&format!("{path}/{key}"), wanted, &actual[key], found));
        }
        (Value::Array(wanted), Value::Array(actual)) if wanted.len() == actual.len() => {
            for (index, (wanted, actual)) in wanted.iter().zip(actual).enumerate() {
                lacking(&format!("{path}/{index}"), wanted, actual, found);
            }
        }
        _ if wanted == actual => {}
        _ => found.push(format!("{path}: {actual} and not {wanted}")),
    }
}

fn pods(render: &Render) -> Vec<String> {
    let mut found = Vec::new();
    for pods in render.pods() {
        let mut refuse = |what: String| found.push(format!("{}: {what}", pods.by));
        for key in ["enableServiceLinks", "automountServiceAccountToken"] {
            if pods.spec[key] != false {
                refuse(key.to_owned());
            }
        }
        for volume in list(&pods.spec["volumes"]) {
            let directory = volume.get("emptyDir");
            if directory.is_some_and(|directory| mebibytes(&directory["sizeLimit"]).is_none()) {
                refuse(format!("{} may fill the disk of its node", volume["name"]));
            }
        }
        let images: BTreeSet<_> = pods.containers().map(|container| text(&container["image"])).collect();
        if images.len() != 1 {
            refuse(format!("another image waits for the schema: {images:?}"));
        }
        for container in pods.containers() {
            let secret_in =
                |list_of: &str, key: &str| list(&container[list_of]).any(|item| item.pointer(key).is_some());
            if secret_in("env", "/valueFrom/secretKeyRef") || secret_in("envFrom", "/secretRef") {
                refuse("a secret in the environment".to_owned());
            }
            for (name, probe) in container.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("Probe")) {
                if probe.get("initialDelaySeconds").is_some() {
                    refuse(format!("{name} waits though the startup probe is there for that"));
                }
                let port = &probe["httpGet"]["port"];
                if !port.is_null() && !pods.has_port(port) {
                    refuse(format!("{name} asks a port {port}"));
                }
            }
        }
    }
    found
}

fn mebibytes(quantity: &Value) -> Option<u64> {
    let quantity = quantity.as_str()?;
    let (number, unit) = quantity.split_at(quantity.len().checked_sub(2)?);
    Some(number.parse::<u64>().ok()? * if unit == "Gi" { 1024 } else { 1 })
}

/// Names of objects that are not there.
fn references(render: &Render) -> Vec<String> {
    let external: BTreeSet<_> =
        render.of_kind("ExternalSecret").map(|object| text(&object["spec"]["target"]["name"])).collect();
    let mut found = Vec::new();
    let mut need = |kind: &str, name: &Value, by: &str| {
        let otherwise = kind == "Secret" && (external.contains(text(name)) || render.is_looked_for(text(name)));
        if render.named(kind, name).is_none() && !otherwise {
            found.push(format!("{by}: there is no {kind} {name}"));
        }
    };
    for pods in render.pods() {
        need("ServiceAccount", &pods.spec["serviceAccountName"], &pods.by);
        for volume in list(&pods.spec["volumes"]) {
            for (kind, path) in [("ConfigMap", "/configMap/name"), ("Secret", "/secret/secretName")] {
                if let Some(name) = volume.pointer(path) {
                    need(kind, name, &pods.by);
                }
            }
        }
        for source in pods.containers().flat_map(|container| list(&container["envFrom"])) {
            need("ConfigMap", &source["configMapRef"]["name"], &pods.by);
        }
    }
    for object in render.of_kind("StatefulSet") {
        need("Service", &object["spec"]["serviceName"], "StatefulSet");
    }
    for object in render.of_kind("HorizontalPodAutoscaler") {
        need("Deployment", &object["spec"]["scaleTargetRef"]["name"], "HorizontalPodAutoscaler");
    }
    for (kind, backend, key) in [
        ("Ingress", "/spec/rules/0/http/paths/0/backend/service", "/port/name"),
        ("HTTPRoute", "/spec/rules/0/backendRefs/0", "/port"),
    ] {
        for backend in render.of_kind(kind).map(|object| object.pointer(backend).unwrap()) {
            need("Service", &backend["name"], kind);
            let port = backend.pointer(key).unwrap();
            let service = render.named("Service", &backend["name"]);
            let ports = service.into_iter().flat_map(|service| list(&service["spec"]["ports"]));
            if !ports.into_iter().any(|has| [&has["name"], &has["port"]].contains(&port)) {
                need("port of Service", port, kind);
            }
        }
    }
    found
}

/// Mounts without a volume and the other way round; files that variables name and that no mount has.
fn files(render: &Render) -> Vec<String> {
    let mut found = Vec::new();
    for pods in render.pods() {
        let volumes = list(&pods.spec["volumes"]).map(|volume| text(&volume["name"]));
        let volumes: BTreeSet<_> =
            volumes.chain(list(pods.claims).map(|claim| text(&claim["metadata"]["name"]))).collect();
        let mounts = pods.containers().flat_map(|container| list(&container["volumeMounts"]));
        let mounted: BTreeSet<_> = mounts.map(|mount| text(&mount["name"])).collect();
        if volumes != mounted {
            found.push(format!("{}: volumes {volumes:?}, mounts {mounted:?}", pods.by));
        }
        for container in pods.containers() {
            for variable in list(&container["env"]).filter(|variable| text(&variable["value"]).starts_with('/')) {
                let path = Path::new(text(&variable["value"]));
                let parent = path.parent().unwrap();
                let mut mounts = list(&container["volumeMounts"]);
                let mount = mounts.find(|mount| Path::new(text(&mount["mountPath"])) == parent);
                let mount = mount.map(|mount| text(&mount["name"]));
                let file = path.file_name().unwrap().to_str().unwrap();
                if !mount.is_some_and(|volume| render.has_file(&pods, volume, file)) {
                    found.push(format!("{}: {} is not there for {}", pods.by, path.display(), variable["name"]));
                }
            }
        }
    }
    found
}

impl Render {
    fn has_file(&self, pods: &Pods<'_>, volume: &str, file: &str) -> bool {
        let Some(volume) = list(&pods.spec["volumes"]).find(|has| has["name"] == volume) else {
            // A directory below the mount of a claim: on the mount itself stands lost+found, and initdb refuses.
            let size = list(pods.claims).find(|claim| claim["metadata"]["name"] == volume);
            return size.and_then(|claim| mebibytes(&claim["spec"]["resources"]["requests"]["storage"])) >= Some(1024);
        };
        let holds = |kind: &str, name: &Value| self.named(kind, name).map(|object| object["data"].get(file).is_some());
        if let Some(name) = volume.pointer("/configMap/name") {
            return holds("ConfigMap", name) == Some(true);
        }
        let name = &volume["secret"]["secretName"];
        let mut external = self.of_kind("ExternalSecret").filter(|object| object["spec"]["target"]["name"] == *name);
        let fetched = external.next().map(|object| list(&object["spec"]["data"]).any(|item| item["secretKey"] == file));
        // Of one that exists only the name is known.
        holds("Secret", name).or(fetched).unwrap_or_else(|| self.is_looked_for(text(name)))
    }
}

/// A selector takes the pods that it is meant for and no others.
fn selectors(render: &Render) -> Vec<String> {
    let all = render.pods();
    let mut found = Vec::new();
    let mut take = |what: &str, selector: &Value, wanted: &[String]| {
        let taken: Vec<_> =
            all.iter().filter(|pods| pods.are_selected_by(selector)).map(|pods| pods.by.clone()).collect();
        if taken != wanted {
            found.push(format!("{what} selects {taken:?} and not {wanted:?}"));
        }
    };
    let api = [format!("Deployment/{}", render.service)];
    let db = [format!("StatefulSet/{}-db", render.service)];
    for object in &render.objects {
        let name = text(&object["metadata"]["name"]);
        let is_db = name.ends_with("-db");
        match text(&object["kind"]) {
            "Service" => {
                take(&format!("Service/{name}"), &object["spec"]["selector"], if is_db { &db } else { &api });
            }
            kind @ ("Deployment" | "StatefulSet" | "PodDisruptionBudget" | "PodMonitor") => {
                let selector = &object["spec"]["selector"]["matchLabels"];
                take(&format!("{kind}/{name}"), selector, if is_db { &db } else { &api });
            }
            _ => {}
        }
    }
    for service in render.of_kind("Service") {
        let pods = all.iter().find(|pods| pods.are_selected_by(&service["spec"]["selector"]));
        for port in list(&service["spec"]["ports"]) {
            if !pods.is_some_and(|pods| pods.has_port(&port["targetPort"])) {
                found.push(format!("{} leads to a port {}", service["metadata"]["name"], port["targetPort"]));
            }
        }
    }
    found
}

/// Each pod is closed both ways but for what is named; whoever stands in the same namespace is left alone.
fn policies(render: &Render) -> Vec<String> {
    let all = render.pods();
    let mut found = Vec::new();
    // `helm test` runs for seconds, and calls the Service alone.
    for pods in all.iter().filter(|pods| !pods.by.starts_with("Pod/")) {
        let mut policies = render.of_kind("NetworkPolicy");
        if !policies.any(|policy| pods.are_selected_by(&policy["spec"]["podSelector"]["matchLabels"])) {
            found.push(format!("{} has no NetworkPolicy", pods.by));
        }
    }
    for policy in render.of_kind("NetworkPolicy") {
        let name = text(&policy["metadata"]["name"]);
        let spec = &policy["spec"];
        let mut refuse = |what: String| found.push(format!("NetworkPolicy/{name}: {what}"));
        if spec["policyTypes"] != serde_json::json!(["Ingress", "Egress"]) {
            refuse("open one way".to_owned());
        }
        let selected: Vec<_> =
            all.iter().filter(|pods| pods.are_selected_by(&spec["podSelector"]["matchLabels"])).collect();
        if selected.len() != 1 {
            refuse(format!("selects {} of the kinds of pods", selected.len()));
        }
        for (way, key) in [("ingress", "from"), ("egress", "to")] {
            for rule in list(&spec[way]) {
                let (peers, ports) = (list(&rule[key]).collect::<Vec<_>>(), list(&rule["ports"]).collect::<Vec<_>>());
                if peers.is_empty() || ports.is_empty() {
                    refuse(format!("{way} to everybody, or to every port: {rule}"));
                }
                for peer in peers {
                    let may_call = way == "ingress" && calls_from_the_namespace(peer);
                    if !may_call && !names_somebody(peer) {
                        refuse(format!("{way} with {peer}"));
                    }
                }
                let named = ports.iter().map(|port| &port["port"]).filter(|port| port.is_string());
                for port in named.filter(|_| way == "ingress") {
                    if !selected.iter().all(|pods| pods.has_port(port)) {
                        refuse(format!("no port {port}"));
                    }
                }
            }
        }
    }
    found
}

/// Pods of the same namespace may call.
fn calls_from_the_namespace(peer: &Value) -> bool {
    *peer == serde_json::json!({ "podSelector": {} })
}

/// A network, or labels on either side.
fn names_somebody(peer: &Value) -> bool {
    let is_full = |selector: &Value| selector.as_object().is_some_and(|selector| !selector.is_empty());
    peer["ipBlock"]["cidr"].is_string()
        || peer.as_object().is_some_and(|peer| !peer.is_empty() && peer.values().all(is_full))
}

/// Annotations, PodMonitor and pod name one port and one path.
fn scrapes(render: &Render) -> Vec<String> {
    let deployment = render.of_kind("Deployment").next().unwrap();
    let template = &deployment["spec"]["template"];
    let mut found = Vec::new();
    let annotations = &template["metadata"]["annotations"];
    let number: Option<u64> = text(&annotations["prometheus.io/port"]).parse().ok();
    let mut ports = list(&template["spec"]["containers"][0]["ports"]);
    let port = ports.find(|port| port["containerPort"].as_u64() == number && number.is_some());
    for monitor in render.of_kind("PodMonitor") {
        let endpoints = &monitor["spec"]["podMetricsEndpoints"];
        let endpoint = &endpoints[0];
        if list(endpoints).count() != 1
            || Some(&endpoint["port"]) != port.map(|port| &port["name"])
            || endpoint["path"] != annotations["prometheus.io/path"]
        {
            found.push(format!("PodMonitor: {endpoints}"));
        }
    }
    if port.is_none() {
        found.push(format!("there is no port for {annotations}"));
    }
    found
}

/// The service and its migrations go to one database, and that is there if it is in the cluster.
fn database(render: &Render) -> Vec<String> {
    let (base, own) = (render.config("base.yaml"), render.config("env.yaml"));
    let setting = |key: &str| own["database"].get(key).unwrap_or(&base["database"][key]).clone();
    let name = format!("{}-migrate", render.service).into();
    let migration = render.named("ConfigMap", &name).map(|object| object["data"].clone()).unwrap_or_default();
    let url = format!("jdbc:postgresql://{}:{}/{}?", text(&setting("host")), setting("port"), text(&setting("name")));
    let mut found = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let migrates = text(&migration["LIQUIBASE_COMMAND_URL"]);
    hold(migrates.starts_with(&url), format!("migrations go to {migrates}, the service to {url}"));
    hold(migration["LIQUIBASE_COMMAND_USERNAME"] == setting("user"), format!("migrations by {migration}"));
    hold(!text(&migration["LIQUIBASE_COMMAND_CONTEXTS"]).is_empty(), "no contexts: every changeset runs".to_owned());
    let Some(server) = render.of_kind("StatefulSet").next() else {
        let is_closed = setting("sslmode") == "require" && migrates.contains("sslmode=require");
        hold(is_closed, "the password goes over the network as plain text".to_owned());
        return found;
    };
    let service = render.named("Service", &setting("host"));
    let port = service.map(|service| service["spec"]["ports"][0]["port"].clone());
    hold(port == Some(setting("port")), format!("there is no Service for {url}"));
    let variables = list(&server["spec"]["template"]["spec"]["containers"][0]["env"]);
    let variables: BTreeMap<_, _> = variables.map(|has| (text(&has["name"]), has["value"].clone())).collect();
    hold(variables["POSTGRES_DB"] == setting("name"), "the server has another database".to_owned());
    hold(variables["POSTGRES_USER"] == setting("user"), "the server has another user".to_owned());
    found
}

/// How an overlay that is rendered breaks the policy.
pub fn violations_of_an_overlay(root: &Path, manifest: &str) -> Vec<String> {
    violations(&Render::new(root, manifest, true))
}

#[test]
fn every_render_holds_the_policy_and_names_what_is_there() {
    let what = "the policy of manifests";
    let (Some(kubectl), Some(helm)) = (support::tool("kubectl", what), support::tool("helm", what)) else { return };
    let mut seen = BTreeSet::new();
    each(|case, root| {
        for (tool, renders) in [("kustomize", rendered(&kubectl, root)), ("helm", charts(&helm, root))] {
            for (environment, text) in renders {
                let render = Render::new(root, &text, tool == "kustomize");
                assert_eq!(violations(&render), [""; 0], "{case} {environment} by {tool}");
                // The namespaces of other environments are somebody's who says so in the cluster.
                let makes_its_namespace = render.of_kind("Namespace").next().is_some();
                assert_eq!(makes_its_namespace, environment == "dev" && tool == "kustomize", "{case} {environment}");
                seen.extend(render.objects.iter().map(|object| object["kind"].as_str().unwrap().to_owned()));
            }
        }
    });
    // No kind goes without a look because no case has it any more.
    let holds: BTreeMap<String, Value> = serde_saphyr::from_str(HOLDS).unwrap();
    assert!(holds.keys().all(|kind| seen.contains(kind)), "{seen:?}");
}

/// Where a fault is planted, what it is, and what is said of it.
const FAULTS: &[(&str, &str, &str, &str, &str)] = &[
    ("dev", "PodDisruptionBudget", "/kind", "Nothing", "no PodDisruptionBudget"),
    ("dev", "Service", "/metadata/namespace", "default", "namespaces"),
    ("dev", "Deployment", "/spec/strategy/rollingUpdate/maxUnavailable", "1", "maxUnavailable: 1 and not 0"),
    ("dev", "Deployment", "/spec/template/spec/topologySpreadConstraints", "[]", "topologySpreadConstraints"),
    ("dev", "Job", "/metadata/annotations/kustomize.toolkit.fluxcd.io~1force", "disabled", "Flux"),
    (
        "dev",
        "StatefulSet",
        "/spec/template/spec/enableServiceLinks",
        "true",
        "StatefulSet/orders-db: enableServiceLinks",
    ),
    ("dev", "Job", "/spec/template/spec/volumes/1/emptyDir", "{}", "may fill the disk"),
    ("dev", "Deployment", "/spec/template/spec/initContainers/0/image", "busybox", "another image"),
    ("dev", "Job", "/spec/template/spec/containers/0/env/0", "{valueFrom: {secretKeyRef: {}}}", "a secret in the env"),
    ("dev", "Deployment", "/spec/template/spec/containers/0/readinessProbe/httpGet/port", "https2", "asks a port"),
    ("dev", "Deployment", "/spec/template/spec/serviceAccountName", "default", "no ServiceAccount \"default\""),
    ("dev", "Job", "/spec/template/spec/containers/0/envFrom/0/configMapRef/name", "x", "no ConfigMap \"x\""),
    ("public", "Job", "/spec/template/spec/volumes/0/secret/secretName", "x", "no Secret \"x\""),
    ("dev", "StatefulSet", "/spec/serviceName", "x", "no Service \"x\""),
    ("prod", "HorizontalPodAutoscaler", "/spec/scaleTargetRef/name", "x", "no Deployment \"x\""),
    ("prod", "Ingress", "/spec/rules/0/http/paths/0/backend/service/port/name", "x", "no port of Service \"x\""),
    ("gateway", "HTTPRoute", "/spec/rules/0/backendRefs/0/port", "80", "no port of Service 80"),
    ("gateway", "ExternalSecret", "/spec/target/name", "x", "no Secret"),
    ("gateway", "ExternalSecret", "/spec/data/0/secretKey", "x", "db_password is not there"),
    ("dev", "Deployment", "/spec/template/spec/containers/0/volumeMounts/0/mountPath", "/etc/x", "is not there for"),
    ("dev", "StatefulSet", "/spec/template/spec/containers/0/env/3/value", "/pgdata", "/pgdata is not there"),
    ("dev", "StatefulSet", "/spec/volumeClaimTemplates/0/spec/resources/requests/storage", "100Mi", "is not there"),
    ("dev", "StatefulSet", "/spec/volumeClaimTemplates/0/metadata/name", "x", "mounts"),
    ("dev", "PodDisruptionBudget", "/spec/selector/matchLabels/app.kubernetes.io~1component", "x", "selects []"),
    ("dev", "Service", "/spec/selector", "{app.kubernetes.io/name: orders}", "selects [\"Deployment/orders\", "),
    ("dev", "Service", "/spec/ports/0/targetPort", "x", "leads to a port \"x\""),
    ("dev", "NetworkPolicy", "/spec/podSelector", "{}", "has no NetworkPolicy"),
    ("dev", "NetworkPolicy", "/spec/policyTypes", "[Ingress]", "open one way"),
    ("dev", "NetworkPolicy", "/spec/ingress/0/from", "[]", "to everybody"),
    ("dev", "NetworkPolicy", "/spec/ingress/1/from/0/namespaceSelector", "{}", "ingress with"),
    ("dev", "NetworkPolicy", "/spec/egress/0/to/0", "{podSelector: {}}", "egress with"),
    ("dev", "NetworkPolicy", "/spec/ingress/0/ports/0/port", "x", "no port \"x\""),
    ("dev", "PodMonitor", "/spec/podMetricsEndpoints/0/port", "https", "PodMonitor"),
    ("dev", "Deployment", "/spec/template/spec/containers/0/ports/1/containerPort", "9091", "there is no port for"),
];

#[test]
fn each_rule_sees_its_fault() {
    let Some(kubectl) = support::tool("kubectl", "the faults of manifests") else { return };
    let repo = Repo::of_case("on");
    let renders: BTreeMap<_, _> = rendered(&kubectl, &repo.root()).into_iter().collect();
    for (environment, kind, path, value, said) in FAULTS {
        let mut render = Render::new(&repo.root(), &renders[*environment], true);
        let object = render.objects.iter_mut().find(|object| object["kind"] == *kind).unwrap();
        *object.pointer_mut(path).unwrap_or_else(|| panic!("{kind} has no {path}")) =
            serde_saphyr::from_str(value).unwrap();
        let found = violations(&render);
        assert!(found.iter().any(|found| found.contains(said)), "{kind} {path}: {found:#?}");
    }
    for (from, to, said) in [
        ("host: orders-db", "host: orders", "migrations go to"),
        ("LIQUIBASE_COMMAND_USERNAME: orders", "LIQUIBASE_COMMAND_USERNAME: postgres", "migrations by"),
        ("LIQUIBASE_COMMAND_CONTEXTS: dev,testdata", "LIQUIBASE_COMMAND_CONTEXTS: \"\"", "no contexts"),
        ("name: POSTGRES_DB\n          value: orders", "name: POSTGRES_DB\n          value: x", "another database"),
        ("name: POSTGRES_USER\n          value: orders", "name: POSTGRES_USER\n          value: x", "another user"),
        (
            "name: orders-db\n  namespace: orders-dev\nspec:\n  clusterIP",
            "name: x\n  namespace: orders-dev\nspec:\n  clusterIP",
            "no Service for",
        ),
        ("sslmode: require", "sslmode: prefer", "as plain text"),
    ] {
        let environment = if from.starts_with("sslmode") { "prod" } else { "dev" };
        let text = renders[environment].replacen(from, to, 1);
        assert_ne!(text, renders[environment], "{from}");
        let found = violations(&Render::new(&repo.root(), &text, true));
        assert!(found.iter().any(|found| found.contains(said)), "{to}: {found:#?}");
    }
}

const EVERYBODY: &str = "[{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}]";
/// Of both address families.
const DATABASE: &str = "[{ipBlock: {cidr: 10.20.0.0/16}}, {ipBlock: {cidr: '2001:db8:20::/48'}}]";

/// Of the case `on`: the environment, the object, and what a knob has put there.
const KNOBS: &[(&str, &str, &str, &str)] = &[
    ("dev", "Deployment/orders", "/spec/replicas", "1"),
    ("dev", "ConfigMap/orders-migrate", "/data/LIQUIBASE_COMMAND_CONTEXTS", "dev,testdata"),
    ("dev", "env.yaml", "/logging/level", "debug"),
    ("gateway", "HTTPRoute/orders", "/spec/parentRefs", "[{name: public, namespace: infra}]"),
    ("gateway", "HTTPRoute/orders", "/spec/hostnames", "[api.example.com]"),
    ("gateway", "Deployment/orders", "/metadata/namespace", "shared"),
    ("gateway", "Secret/orders-db", "", "null"),
    ("gateway", "ExternalSecret/orders-db", "/spec/secretStoreRef/name", "platform"),
    ("gateway", "ExternalSecret/orders-db", "/spec/data/0/remoteRef/key", r#"'team/it''s "on": {{ .x }} #1'"#),
    (
        "gateway",
        "NetworkPolicy/orders",
        "/spec/ingress/0/from/1/namespaceSelector/matchExpressions/0/values",
        "[infra]",
    ),
    ("public", "Ingress/orders", "", "null"),
    ("public", "Deployment/orders", "/spec/replicas", "1"),
    ("public", "Service/orders-public", "/spec/type", "LoadBalancer"),
    ("public", "Service/orders-public", "/spec/ports/0/port", "443"),
    (
        "public",
        "Service/orders-public",
        "/metadata/annotations",
        r#"{service.beta.kubernetes.io/load-balancer-type: "on: 'nlb' #1"}"#,
    ),
    ("public", "NetworkPolicy/orders", "/spec/ingress/0/from/2/ipBlock/cidr", "0.0.0.0/0"),
    ("public", "NetworkPolicy/orders", "/spec/ingress/0/from/3/ipBlock/cidr", "'::/0'"),
    ("public", "NetworkPolicy/orders", "/spec/egress/1/to", EVERYBODY),
    ("public", "NetworkPolicy/orders-migrate", "/spec/egress/1/to", EVERYBODY),
    ("public", "env.yaml", "/logging/level", "info"),
    // The autoscaler owns the number of pods: one in the Deployment would reset it at every apply.
    ("prod", "Deployment/orders", "/spec/replicas", "null"),
    ("prod", "HorizontalPodAutoscaler/orders", "/spec/minReplicas", "3"),
    ("prod", "HorizontalPodAutoscaler/orders", "/spec/maxReplicas", "12"),
    (
        "prod",
        "Deployment/orders",
        "/spec/template/spec/containers/0/resources",
        "{requests: {cpu: 250m, memory: 128Mi}, limits: {cpu: '2', memory: 512Mi}}",
    ),
    ("prod", "Deployment/orders", "/spec/template/spec/terminationGracePeriodSeconds", "90"),
    ("prod", "env.yaml", "/database/host", "db.prod.example.com"),
    (
        "prod",
        "ConfigMap/orders-migrate",
        "/data/LIQUIBASE_COMMAND_URL",
        "jdbc:postgresql://db.prod.example.com:5432/orders?sslmode=require&ApplicationName=orders-migrate",
    ),
    ("prod", "ConfigMap/orders-migrate", "/data/LIQUIBASE_COMMAND_CONTEXTS", "prod"),
    ("prod", "env.yaml", "/logging/level", "warn"),
    ("prod", "Ingress/orders", "/spec/ingressClassName", "nginx"),
    ("prod", "Ingress/orders", "/spec/rules/0/host", "orders.example.com"),
    ("prod", "Ingress/orders", "/spec/tls", "[{hosts: [orders.example.com], secretName: orders-example-com}]"),
    (
        "prod",
        "Ingress/orders",
        "/metadata/annotations",
        r#"{nginx.ingress.kubernetes.io/proxy-body-size: 2m, example.com/on: "yes"}"#,
    ),
    ("prod", "NetworkPolicy/orders", "/spec/egress/1/to", DATABASE),
    ("prod", "NetworkPolicy/orders-migrate", "/spec/egress/1/to", DATABASE),
    (
        "prod",
        "NetworkPolicy/orders",
        "/spec/egress/3",
        "{to: [{ipBlock: {cidr: '2001:db8::/32'}}], ports: [{port: 8443, protocol: TCP}]}",
    ),
    (
        "prod",
        "NetworkPolicy/orders",
        "/spec/ingress/1/from/0/namespaceSelector/matchLabels",
        "{kubernetes.io/metadata.name: observability}",
    ),
];

/// The same of exposures whose own knobs are left out.
const LEFT_OUT: &[(&str, &str, &str, &str)] = &[
    ("lb", "Service/a-public", "/spec/ports/0/port", "3000"),
    ("web", "Ingress/a", "/metadata/annotations", "null"),
    ("web", "Ingress/a", "/spec/ingressClassName", "null"),
    ("web", "Ingress/a", "/spec/tls", "[{hosts: [a.example.com], secretName: a-tls}]"),
    ("web", "Deployment/a", "/spec/replicas", "2"),
    ("web", "ConfigMap/a-migrate", "/data/LIQUIBASE_COMMAND_CONTEXTS", "web"),
];

#[test]
fn knobs_reach_the_manifests() {
    let what = "the knobs";
    let (Some(kubectl), Some(helm)) = (support::tool("kubectl", what), support::tool("helm", what)) else { return };
    let exposed = "lb: { expose: load-balancer }, web: { expose: ingress, host: a.example.com }";
    let left_out =
        format!("{{ version: 1, service: {{ name: a }}, features: {{ helm: true }}, environments: {{ {exposed} }} }}");
    for (repo, knobs) in [(Repo::of_case("on"), KNOBS), (Repo::from_spec(&left_out), LEFT_OUT)] {
        let root = repo.root();
        for (tool, renders) in [("kustomize", rendered(&kubectl, &root)), ("helm", charts(&helm, &root))] {
            let renders = renders.into_iter().map(|(name, text)| (name, Render::new(&root, &text, true)));
            let renders: BTreeMap<_, _> = renders.collect();
            for (environment, object, path, value) in knobs {
                let render = &renders[*environment];
                let found = match object.split_once('/') {
                    Some((kind, name)) => render.named(kind, &name.into()).cloned().unwrap_or_default(),
                    None => render.config(object),
                };
                let wanted: Value = serde_saphyr::from_str(value).unwrap();
                let found = found.pointer(path).unwrap_or(&Value::Null);
                assert_eq!(*found, wanted, "{environment} by {tool}: {object}{path}");
            }
        }
    }
}
