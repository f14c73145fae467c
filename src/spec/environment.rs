//! One deployment environment and its knobs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kubernetes::{is_annotation_key, is_cidr, is_dns_label, is_dns_name, is_quantity};
use super::name::EnvironmentName;
use super::problem::Problem;
use super::service::check_line;

/// Where the environment's database runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Database {
    /// A StatefulSet beside the service, for development.
    InCluster,
    /// Somebody else's server, reached at `database_host`.
    External,
}

/// Where the environment's secrets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Secrets {
    /// An uncommitted file that kustomize turns into a Secret.
    File,
    /// A Secret that must exist in the namespace.
    Existing,
    /// An ExternalSecret of the External Secrets Operator, which fetches it from `secret_store`.
    External,
}

/// How the service is reached from outside its cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expose {
    #[default]
    None,
    /// An Ingress for `host`.
    Ingress,
    /// An HTTPRoute of the Gateway API for `host`, attached to `gateway`.
    Gateway,
    /// A Service with an address of its own.
    LoadBalancer,
}

impl Expose {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Bounds within which the number of pods follows the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscaling {
    pub min: u16,
    pub max: u16,
}

/// What a pod of the service asks for and may use, as Kubernetes quantities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Default: 100m.
    pub cpu: String,
    /// Default: 64Mi.
    pub memory: String,
    /// Default: 1.
    pub cpu_limit: String,
    /// Default: 256Mi.
    pub memory_limit: String,
}

impl Default for Resources {
    fn default() -> Self {
        let [cpu, memory, cpu_limit, memory_limit] = ["100m", "64Mi", "1", "256Mi"].map(str::to_owned);
        Self { cpu, memory, cpu_limit, memory_limit }
    }
}

/// Something outside the namespace that the service may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// A network, such as `10.20.0.0/16`.
    pub cidr: String,
    /// A TCP port.
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// An environment as it is written: every knob may be left to its default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentDocument {
    /// Pods of the service, unless there is `autoscaling`. Default: 1 in `dev`, 2 elsewhere.
    pub replicas: Option<u16>,
    /// Lets the number of pods follow the load.
    pub autoscaling: Option<Autoscaling>,
    /// Default: what is in the base; a knob that is left out has its default.
    pub resources: Option<Resources>,
    /// Seconds from the signal to stop until a pod is killed. Default: 45.
    pub grace_period: Option<u16>,
    /// Default: `in-cluster` in `dev`, `external` elsewhere.
    pub database: Option<Database>,
    /// Host name of an external database. Default: `postgres.<environment>.internal`.
    pub database_host: Option<String>,
    /// Network of an external database, or several with commas between them: `10.20.0.0/16,2001:db8::/32`. Default: every
    /// address.
    pub database_cidr: Option<String>,
    /// Default: `file` in `dev`, `existing` elsewhere.
    pub secrets: Option<Secrets>,
    /// The ClusterSecretStore of `secrets: external`.
    pub secret_store: Option<String>,
    /// Where the store keeps the database's password. Default: `<namespace>/db`.
    pub secret_key: Option<String>,
    /// Default: `debug` in `dev`, `info` elsewhere.
    pub log_level: Option<LogLevel>,
    /// Liquibase contexts. Default: the environment's name, with `testdata` in `dev` and `test`.
    pub contexts: Option<Vec<String>>,
    /// Default: `<service>-<environment>`.
    pub namespace: Option<String>,
    /// Whether the overlay makes its namespace. Default: only in `dev`.
    pub create_namespace: Option<bool>,
    /// Default: `none`.
    pub expose: Option<Expose>,
    /// Host name under which an Ingress or a Gateway serves.
    pub host: Option<String>,
    /// The Secret with the certificate of an Ingress. Default: `<service>-tls`.
    pub tls_secret: Option<String>,
    /// The class of an Ingress. Default: the cluster's own default class.
    pub ingress_class: Option<String>,
    /// The Gateway of `expose: gateway`, as `namespace/name`.
    pub gateway: Option<String>,
    /// The port of a load balancer. Default: 3000.
    pub load_balancer_port: Option<u16>,
    /// Annotations of what exposes the service.
    pub annotations: Option<BTreeMap<String, String>>,
    /// The namespace of the ingress controller or the Gateway's pods. Default: `ingress-nginx`.
    pub ingress_namespace: Option<String>,
    /// The namespace that metrics are scraped from. Default: `monitoring`.
    pub monitoring_namespace: Option<String>,
    /// What else the service may call.
    pub egress: Option<Vec<Egress>>,
}

impl EnvironmentDocument {
    /// Every knob that is not given is taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let (mut knobs, mut others) = (self.knobs(), other.knobs());
        if SIZES.iter().any(|size| knobs.contains_key(*size)) {
            SIZES.iter().for_each(|size| drop(others.remove(*size)));
        }
        others.append(&mut knobs);
        from_knobs(Value::Object(others))
    }

    /// The knobs that are given, by their keys.
    pub fn knobs(&self) -> Map<String, Value> {
        let Ok(Value::Object(knobs)) = serde_json::to_value(self) else { return Map::new() };
        knobs.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}

/// One of the two decides how many pods there are.
const SIZES: &[&str] = &["replicas", "autoscaling"];

/// Whatever is written as an environment is read as one.
fn from_knobs(knobs: Value) -> EnvironmentDocument {
    serde_json::from_value(knobs).expect("knobs of an environment")
}

/// An environment with every knob decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// None where the autoscaler decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<u16>,
    pub database: Database,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_cidr: Option<String>,
    pub secrets: Secrets,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_store: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    pub log_level: LogLevel,
    pub contexts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub create_namespace: bool,
    #[serde(skip_serializing_if = "Expose::is_none")]
    pub expose: Expose,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_port: Option<u16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring_namespace: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Egress>,
}

/// The context under which test data is loaded.
pub const TESTDATA: &str = "testdata";

impl Environment {
    pub fn resolve(name: &EnvironmentName, written: EnvironmentDocument) -> Self {
        let dev = name.kebab() == "dev";
        let database = written.database.unwrap_or(if dev { Database::InCluster } else { Database::External });
        let default_host = || (database == Database::External).then(|| format!("postgres.{name}.internal"));
        let default_contexts = || {
            let testdata = ["dev", "test"].contains(&name.kebab()).then(|| TESTDATA.to_owned());
            std::iter::once(name.kebab().to_owned()).chain(testdata).collect()
        };
        Self {
            replicas: written.replicas.or(written.autoscaling.is_none().then_some(if dev { 1 } else { 2 })),
            autoscaling: written.autoscaling,
            resources: written.resources,
            grace_period: written.grace_period,
            database,
            database_host: written.database_host.or_else(default_host),
            database_cidr: written.database_cidr,
            secrets: written.secrets.unwrap_or(if dev { Secrets::File } else { Secrets::Existing }),
            secret_store: written.secret_store,
            secret_key: written.secret_key,
            log_level: written.log_level.unwrap_or(if dev { LogLevel::Debug } else { LogLevel::Info }),
            contexts: written.contexts.unwrap_or_else(default_contexts),
            namespace: written.namespace,
            create_namespace: written.create_namespace.unwrap_or(dev),
            expose: written.expose.unwrap_or_default(),
            host: written.host,
            tls_secret: written.tls_secret,
            ingress_class: written.ingress_class,
            gateway: written.gateway,
            load_balancer_port: written.load_balancer_port,
            annotations: written.annotations.unwrap_or_default(),
            ingress_namespace: written.ingress_namespace,
            monitoring_namespace: written.monitoring_namespace,
            egress: written.egress.unwrap_or_default(),
        }
    }

    /// The document that says every knob.
    pub fn to_document(&self) -> EnvironmentDocument {
        from_knobs(serde_json::to_value(self).expect("knobs of an environment"))
    }

    /// How many pods there are, for people.
    pub fn size(&self) -> String {
        match (self.autoscaling, self.replicas) {
            (Some(Autoscaling { min, max }), _) => format!("{min} to {max} replicas"),
            (None, replicas) => format!("{} replicas", replicas.unwrap_or_default()),
        }
    }

    pub fn check(&self, name: &EnvironmentName, problems: &mut Vec<Problem>) {
        let mut refuse =
            |key: &str, message: String| problems.push(Problem::at(["environments", name.kebab(), key], message));
        self.check_size(&mut refuse);
        self.check_database(&mut refuse);
        self.check_exposure(&mut refuse);
        self.check_network(&mut refuse);
        if self.contexts.is_empty() {
            refuse("contexts", "without a context Liquibase would run every changeset, test data too".to_owned());
        }
        for (index, context) in self.contexts.iter().enumerate() {
            if !is_context(context) {
                refuse("contexts", format!("`{}` is not a plain Liquibase context", context.escape_debug()));
            } else if self.contexts[..index].contains(context) {
                refuse("contexts", format!("`{context}` stands twice"));
            }
        }
    }

    fn check_size(&self, refuse: &mut impl FnMut(&str, String)) {
        if let Some(replicas) = self.replicas.filter(|replicas| !(1..=1000).contains(replicas)) {
            refuse("replicas", format!("{replicas} replicas; 1 to 1000 are possible"));
        }
        if let Some(Autoscaling { min, max }) = self.autoscaling {
            if self.replicas.is_some() {
                refuse(
                    "replicas",
                    "`autoscaling` decides how many pods there are; leave one of the two out".to_owned(),
                );
            }
            if !(1 <= min && min < max && max <= 1000) {
                refuse(
                    "autoscaling",
                    format!("{min} to {max} pods; `min` is at least 1 and below `max`, at most 1000"),
                );
            }
        }
        if let Some(seconds) = self.grace_period.filter(|seconds| !(LEAST_GRACE..=3600).contains(seconds)) {
            refuse("grace_period", format!("{seconds} seconds; {LEAST_GRACE} to 3600 are possible"));
        }
        let Some(resources) = &self.resources else { return };
        for quantity in [&resources.cpu, &resources.memory, &resources.cpu_limit, &resources.memory_limit] {
            if !is_quantity(quantity) {
                refuse("resources", format!("`{}` is no quantity such as 250m or 128Mi", quantity.escape_debug()));
            }
        }
    }

    fn check_database(&self, refuse: &mut impl FnMut(&str, String)) {
        let in_cluster = self.database == Database::InCluster;
        if let Some(host) = &self.database_host {
            if in_cluster {
                refuse("database_host", "an in-cluster database has its own host name".to_owned());
            } else if !is_dns_name(host) {
                refuse("database_host", format!("`{}` is not a host name (RFC 1123)", host.escape_debug()));
            }
        }
        if let Some(cidr) = &self.database_cidr {
            if in_cluster {
                refuse("database_cidr", "an in-cluster database is no network of its own".to_owned());
            } else if let Some(wrong) = cidr.split(',').find(|cidr| !is_cidr(cidr)) {
                refuse("database_cidr", not_a_network(wrong));
            }
        }
        let external = self.secrets == Secrets::External;
        match &self.secret_store {
            None if external => {
                refuse("secrets", "an external secret needs its `secret_store`, a ClusterSecretStore".to_owned());
            }
            Some(store) if external && !is_dns_name(store) => {
                refuse("secret_store", format!("`{}` is no name of an object (RFC 1123)", store.escape_debug()));
            }
            _ => {}
        }
        for (key, given) in [("secret_store", &self.secret_store), ("secret_key", &self.secret_key)] {
            if given.is_some() && !external {
                refuse(key, format!("`{key}` goes with `secrets: external`"));
            }
        }
        if let Some(Err(reason)) = self.secret_key.as_deref().map(check_line) {
            refuse("secret_key", format!("the key {reason}"));
        }
    }

    fn check_exposure(&self, refuse: &mut impl FnMut(&str, String)) {
        let by = |ways: &[Expose]| ways.contains(&self.expose);
        let routed = by(&[Expose::Ingress, Expose::Gateway]);
        match &self.host {
            None if routed => refuse("expose", "say with `host` under which name the service is reached".to_owned()),
            Some(host) if routed && !is_dns_name(host) => {
                refuse("host", format!("`{}` is not a host name (RFC 1123)", host.escape_debug()));
            }
            _ => {}
        }
        match &self.gateway {
            None if by(&[Expose::Gateway]) => {
                refuse("expose", "say with `gateway` which Gateway serves it, as `namespace/name`".to_owned());
            }
            Some(gateway) if !gateway.split_once('/').is_some_and(|(a, b)| is_dns_label(a) && is_dns_name(b)) => {
                refuse("gateway", format!("`{}` is not `namespace/name`", gateway.escape_debug()));
            }
            _ => {}
        }
        if self.load_balancer_port == Some(0) {
            refuse("load_balancer_port", "0 is no port".to_owned());
        }
        let fits = [
            ("host", self.host.is_some(), routed, "`expose: ingress` or `gateway`"),
            ("tls_secret", self.tls_secret.is_some(), by(&[Expose::Ingress]), "`expose: ingress`"),
            ("ingress_class", self.ingress_class.is_some(), by(&[Expose::Ingress]), "`expose: ingress`"),
            ("gateway", self.gateway.is_some(), by(&[Expose::Gateway]), "`expose: gateway`"),
            (
                "load_balancer_port",
                self.load_balancer_port.is_some(),
                by(&[Expose::LoadBalancer]),
                "`expose: load-balancer`",
            ),
            ("annotations", !self.annotations.is_empty(), !self.expose.is_none(), "`expose`"),
        ];
        for (key, _, _, with) in fits.iter().filter(|(_, given, fits, _)| *given && !fits) {
            refuse(key, format!("`{key}` goes with {with}"));
        }
        for (key, value) in [("tls_secret", &self.tls_secret), ("ingress_class", &self.ingress_class)] {
            if let Some(value) = value.as_ref().filter(|value| !is_dns_name(value)) {
                refuse(key, format!("`{}` is no name of an object (RFC 1123)", value.escape_debug()));
            }
        }
        for (key, value) in &self.annotations {
            if !is_annotation_key(key) {
                refuse("annotations", format!("`{}` is no key of an annotation", key.escape_debug()));
            } else if let Err(reason) = check_line(value) {
                refuse("annotations", format!("the value of `{key}` {reason}"));
            }
        }
    }

    fn check_network(&self, refuse: &mut impl FnMut(&str, String)) {
        let namespaces = [
            ("namespace", &self.namespace),
            ("ingress_namespace", &self.ingress_namespace),
            ("monitoring_namespace", &self.monitoring_namespace),
        ];
        for (key, namespace) in namespaces {
            if let Some(name) = namespace.as_ref().filter(|name| !is_dns_label(name)) {
                refuse(key, format!("`{}` is no name of a namespace (RFC 1123 label)", name.escape_debug()));
            }
        }
        for egress in &self.egress {
            if !is_cidr(&egress.cidr) {
                refuse("egress", not_a_network(&egress.cidr));
            }
            if egress.port == 0 {
                refuse("egress", "0 is no port".to_owned());
            }
        }
    }
}

fn not_a_network(text: &str) -> String {
    format!("`{}` is no network such as 10.20.0.0/16, with zeros behind its prefix", text.escape_debug())
}

/// preStop (5 s), `shutdown.drain_delay` (5 s), ten for the requests, and five to spare.
const LEAST_GRACE: u16 = 25;

/// One word, and no operator of Liquibase's context expressions.
pub fn is_context(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 40
        && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
        && !["and", "or", "not"].contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let name = EnvironmentName::parse("prod").unwrap();
        let written: EnvironmentDocument = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Vec::new();
        Environment::resolve(&name, written).check(&name, &mut problems);
        problems.into_iter().map(|problem| format!("{}: {}", problem.path[2..].join("."), problem.message)).collect()
    }

    #[test]
    fn knobs_that_do_not_go_together_are_refused() {
        for (yaml, key) in [
            ("{ replicas: 2, autoscaling: { min: 2, max: 4 } }", "replicas"),
            ("{ autoscaling: { min: 4, max: 4 } }", "autoscaling"),
            ("{ grace_period: 20 }", "grace_period"),
            ("{ resources: { cpu: 1 core } }", "resources"),
            ("{ database: in-cluster, database_cidr: 10.0.0.0/8 }", "database_cidr"),
            ("{ database_cidr: 10.0.0.1/8 }", "database_cidr"),
            ("{ database_cidr: '10.0.0.0/8,::1/8' }", "database_cidr"),
            ("{ database_cidr: '10.0.0.0/8, ::/0' }", "database_cidr"),
            ("{ database_cidr: '10.0.0.0/8,' }", "database_cidr"),
            ("{ secrets: external }", "secrets"),
            ("{ secret_store: platform }", "secret_store"),
            ("{ expose: ingress }", "expose"),
            ("{ expose: gateway, host: a.example.com }", "expose"),
            ("{ expose: gateway, host: a.example.com, gateway: public }", "gateway"),
            ("{ host: a.example.com }", "host"),
            ("{ expose: load-balancer, tls_secret: tls }", "tls_secret"),
            ("{ expose: load-balancer, load_balancer_port: 0 }", "load_balancer_port"),
            ("{ annotations: { a: b } }", "annotations"),
            ("{ expose: load-balancer, annotations: { 'a b': c } }", "annotations"),
            ("{ namespace: Shared }", "namespace"),
            ("{ egress: [{ cidr: everywhere, port: 443 }] }", "egress"),
        ] {
            let problems = problems(yaml);
            assert!(problems.len() == 1 && problems[0].starts_with(&format!("{key}: ")), "{yaml}: {problems:?}");
        }
        assert_eq!(problems("{}"), [""; 0]);
    }

    #[test]
    fn what_is_taken_from_another_environment_gives_way_to_what_is_given() {
        let document = |yaml: &str| serde_saphyr::from_str::<EnvironmentDocument>(yaml).unwrap();
        let other = document("{ autoscaling: { min: 2, max: 4 }, log_level: warn, contexts: [a] }");
        let taken = document("{ replicas: 7, log_level: debug }").or(other);
        assert_eq!(taken.knobs(), document("{ replicas: 7, log_level: debug, contexts: [a] }").knobs());
    }
}
