//! What templates see: the spec with everything computed that a template should not compute. Values are only ever
//! added here, so that an older template set renders as before.

use std::collections::BTreeMap;

use minijinja::context;
use minijinja::value::{Serde, Value, merge_maps};
use serde::Serialize;
use serde_json::Value as Json;

use super::changeset::changeset_values;
use super::engine::sql_string;
use super::{json_schema, samples};
use crate::spec::Spec;
use crate::spec::entity::{Entity, Fields};
use crate::spec::environment::{Autoscaling, Database, Egress, Environment, Expose, Resources, Secrets};
use crate::spec::field::{Field, FieldType, decimal_text};
use crate::spec::handler::{Example, Handler};
use crate::spec::name::{EntityName, EnvironmentName, HandlerName, SqlName, pascal, plural, title};
use crate::spec::pattern::Pattern;
use crate::spec::service::{AppgenSource, Ci};
use crate::spec::{entity_functions, entity_path};
use crate::templates::Unit;

/// What holds for a spec or for one instance of a unit: the conditions of the catalog, and `on.…` in templates.
pub type Facts = BTreeMap<&'static str, bool>;

/// The context of a whole spec.
pub struct Context {
    pub service_name: String,
    pub facts: Facts,
    /// What every template sees, by its name.
    pub shared: BTreeMap<&'static str, Value>,
    instances: BTreeMap<Unit, Vec<Instance>>,
}

/// One environment, handler, … or the service as a whole: what a template is rendered with.
pub struct Instance {
    /// The name under which templates see its own value; empty for the service as a whole, as are the next two.
    pub unit: &'static str,
    name: String,
    pub own: Value,
    service: String,
    pub facts: Facts,
    /// Everything that a template sees.
    pub values: Value,
}

impl Instance {
    /// The path of a file of this instance.
    pub fn path(&self, pattern: &str) -> String {
        let path = pattern.replace("__service__", &self.service);
        match self.unit {
            "" => path,
            unit => path.replace(&format!("__{unit}__"), &self.name),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Context {
    pub fn new(spec: &Spec) -> Self {
        Self::build(spec, spec_facts(spec))
    }

    /// The context of a spec for which exactly these facts are said to hold.
    pub fn with_facts(spec: &Spec, on: &[&str]) -> Self {
        let mut facts = spec_facts(spec);
        for (fact, holds) in &mut facts {
            *holds = on.contains(fact);
        }
        Self::build(spec, facts)
    }

    pub fn instances(&self, unit: Unit) -> &[Instance] {
        self.instances.get(&unit).map_or(&[], Vec::as_slice)
    }

    pub fn all(&self) -> impl Iterator<Item = (Unit, &Instance)> {
        self.instances.iter().flat_map(|(unit, instances)| instances.iter().map(|instance| (*unit, instance)))
    }

    fn build(spec: &Spec, facts: Facts) -> Self {
        let service = ServiceValues::new(spec);
        let environments: Vec<_> =
            spec.environments.iter().map(|(name, value)| EnvironmentValues::new(spec, name, value)).collect();
        let targets = spec.entities.iter().map(|(name, entity)| (name.clone(), entity.table.clone())).collect();
        let mut entities: Vec<_> =
            spec.entities.iter().map(|(name, value)| EntityValues::new(&targets, name, value)).collect();
        entities.sort_by(|a, b| a.snake.cmp(&b.snake));
        let mut handlers: Vec<_> = spec.handlers.iter().map(|(name, value)| HandlerValues::new(name, value)).collect();
        handlers.sort_by(|a, b| a.snake.cmp(&b.snake));
        let changesets = changeset_values(&spec.changesets);

        let install = spec.features.appgen_source.as_ref().map(AppgenSource::flags).unwrap_or_default();
        let shared = BTreeMap::from([
            ("service", Value::from(Serde(&service))),
            ("features", Value::from(Serde(&spec.features))),
            ("appgen_install", Value::from(install)),
            ("environments", Value::from(Serde(&environments))),
            ("entities", Value::from(Serde(&entities))),
            ("handlers", Value::from(Serde(&handlers))),
            ("changesets", Value::from(Serde(&changesets))),
        ]);
        let all = Value::from(shared.clone());
        let instance = |unit: &'static str, name: &str, own: Value, more: &[(&'static str, bool)]| {
            let mut facts = facts.clone();
            facts.extend(more.iter().copied());
            let on = context! { on => Serde(&facts) };
            let values = match unit {
                "" => merge_maps([on, all.clone()]),
                unit => merge_maps([Value::from(BTreeMap::from([(unit, own.clone())])), on, all.clone()]),
            };
            Instance { unit, name: name.to_owned(), own, service: service.name.clone(), facts, values }
        };
        // Lists inside `shared` are made once; an item of one is the same value again.
        let item = |list: &str, index: usize| shared[list].get_item(&Value::from(index)).unwrap_or_default();
        let instances = BTreeMap::from([
            (Unit::Service, vec![instance("", "", Value::default(), &[])]),
            (
                Unit::Environment,
                Vec::from_iter(
                    (environments.iter().enumerate())
                        .map(|(index, env)| instance("env", &env.name, item("environments", index), &env.facts())),
                ),
            ),
            (
                Unit::Handler,
                Vec::from_iter((handlers.iter().enumerate()).map(|(index, handler)| {
                    instance("handler", &handler.snake, item("handlers", index), &handler.facts())
                })),
            ),
            (
                Unit::Entity,
                Vec::from_iter((entities.iter().enumerate()).map(|(index, entity)| {
                    instance("entity", &entity.snake, item("entities", index), &entity.facts())
                })),
            ),
            (
                Unit::Changeset,
                Vec::from_iter((changesets.iter().enumerate()).map(|(index, changeset)| {
                    instance("changeset", &changeset.id, item("changesets", index), &changeset.facts())
                })),
            ),
        ]);
        Self { service_name: service.name.clone(), facts, shared, instances }
    }
}

fn spec_facts(spec: &Spec) -> Facts {
    let any =
        |holds: &dyn Fn(&Field) -> bool| spec.entities.values().flat_map(|entity| entity.fields.values()).any(holds);
    let field = |kinds: &[FieldType]| any(&|field| kinds.contains(&field.kind));
    let example = |example| spec.handlers.values().any(|handler| handler.example == Some(example));
    BTreeMap::from([
        ("worker_pool", spec.features.worker_pool),
        ("tls", spec.features.tls),
        ("jwt", spec.features.jwt),
        ("openapi_docs", spec.features.openapi_docs),
        ("http_client", spec.features.http_client),
        ("monitoring", spec.features.monitoring),
        ("helm", spec.features.helm),
        ("ci_github", spec.features.ci == Ci::Github),
        ("ci_gitlab", spec.features.ci == Ci::Gitlab),
        ("appgen_source", spec.features.appgen_source.is_some()),
        ("owner", spec.service.owner.is_some()),
        ("entities", !spec.entities.is_empty()),
        ("handlers", !spec.handlers.is_empty()),
        ("factorial", example(Example::Factorial)),
        ("quote", example(Example::Quote)),
        ("int", field(&[FieldType::Smallint, FieldType::Integer, FieldType::Bigint])),
        ("boolean", field(&[FieldType::Boolean])),
        ("date", field(&[FieldType::Date])),
        ("timestamp", field(&[FieldType::Timestamp])),
        ("uuid", field(&[FieldType::Uuid])),
        ("json", field(&[FieldType::Json])),
        ("decimal", field(&[FieldType::Decimal])),
        ("enum", field(&[FieldType::Enum])),
        ("refs", field(&[FieldType::Ref])),
        ("pattern", any(&|field| field.pattern.is_some())),
        ("range", any(&|field| field.min.is_some() || field.max.is_some())),
    ])
}

#[derive(Serialize)]
struct ServiceValues {
    name: String,
    snake: String,
    pascal: String,
    screaming: String,
    title: String,
    description: String,
    owner: String,
    image: String,
    postgres: u8,
    /// What the traffic port speaks, which is its name as well, and the port of the Service.
    scheme: &'static str,
    port: u16,
    /// Where docs/runbook.md is read.
    runbook_url: String,
}

impl ServiceValues {
    fn new(spec: &Spec) -> Self {
        let service = &spec.service;
        let name = service.name.kebab();
        let (scheme, port) = if spec.features.tls { ("https", 443) } else { ("http", 80) };
        Self {
            scheme,
            port,
            runbook_url: service.runbook_url.clone().unwrap_or_else(|| "docs/runbook.md".to_owned()),
            name: name.to_owned(),
            snake: service.name.snake(),
            pascal: pascal(name),
            screaming: service.name.snake().to_ascii_uppercase(),
            title: title(name),
            description: service.description.clone(),
            owner: service.owner.clone().unwrap_or_default(),
            image: service.image.clone(),
            postgres: service.postgres,
        }
    }
}

#[derive(Serialize)]
struct EnvironmentValues {
    name: String,
    /// `app.kubernetes.io/instance`: tells the variants of a service apart, in one namespace too.
    instance: String,
    /// Zero where the autoscaler decides.
    replicas: u16,
    /// How many pods there are, and how they are reached, for people.
    size: String,
    exposure: String,
    autoscaling: Option<Autoscaling>,
    resources: Option<Resources>,
    /// Seconds: until a pod is killed, and what of it the requests get.
    grace_period: u16,
    shutdown_grace: u16,
    database: Database,
    database_host: String,
    /// Empty for a database in the cluster, which is found by its labels.
    database_cidrs: Vec<String>,
    secrets: Secrets,
    secret_store: String,
    secret_key: String,
    log_level: crate::spec::environment::LogLevel,
    contexts: Vec<String>,
    contexts_csv: String,
    namespace: String,
    create_namespace: bool,
    expose: Expose,
    host: String,
    tls_secret: String,
    ingress_class: String,
    gateway: String,
    gateway_namespace: String,
    load_balancer_port: u16,
    annotations: BTreeMap<String, String>,
    ingress_namespace: String,
    monitoring_namespace: String,
    egress: Vec<Egress>,
}

/// What a pod has before its requests get the rest of its grace period: preStop, `shutdown.drain_delay`, and some to
/// spare, in seconds.
const BEFORE_AND_BEHIND_THE_GRACE: u16 = 15;

impl EnvironmentValues {
    fn new(spec: &Spec, name: &EnvironmentName, environment: &Environment) -> Self {
        let this = environment.clone();
        let service = &spec.service.name;
        let instance = format!("{service}-{name}");
        let namespace = this.namespace.unwrap_or_else(|| instance.clone());
        let grace_period = this.grace_period.unwrap_or(45);
        let size = match this.autoscaling {
            Some(Autoscaling { min, max }) => format!("{min} to {max}"),
            None => this.replicas.unwrap_or(0).to_string(),
        };
        let (host, port) = (this.host.as_deref().unwrap_or_default(), this.load_balancer_port.unwrap_or(3000));
        let exposure = match this.expose {
            Expose::None => "inside the cluster".to_owned(),
            Expose::Ingress => format!("Ingress {host}"),
            Expose::Gateway => format!("Gateway {}, {host}", this.gateway.as_deref().unwrap_or_default()),
            Expose::LoadBalancer => format!("load balancer, port {port}"),
        };
        let gateway = this.gateway.unwrap_or_default();
        let database_cidrs = match (this.database, &this.database_cidr) {
            (Database::InCluster, _) => Vec::new(),
            (Database::External, Some(cidrs)) => cidrs.split(',').map(str::to_owned).collect(),
            // Every address, of either family.
            (Database::External, None) => vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
        };
        let (gateway_namespace, gateway) = gateway.split_once('/').unwrap_or_default();
        Self {
            name: name.to_string(),
            instance,
            replicas: this.replicas.unwrap_or(0),
            size,
            exposure,
            autoscaling: this.autoscaling,
            resources: this.resources,
            grace_period,
            shutdown_grace: grace_period.saturating_sub(BEFORE_AND_BEHIND_THE_GRACE),
            database: this.database,
            database_host: this.database_host.unwrap_or_else(|| format!("{service}-db")),
            database_cidrs,
            secrets: this.secrets,
            secret_store: this.secret_store.unwrap_or_default(),
            secret_key: this.secret_key.unwrap_or_else(|| format!("{namespace}/db")),
            log_level: this.log_level,
            contexts_csv: this.contexts.join(","),
            contexts: this.contexts,
            namespace,
            create_namespace: this.create_namespace,
            expose: this.expose,
            host: this.host.unwrap_or_default(),
            tls_secret: this.tls_secret.unwrap_or_else(|| format!("{service}-tls")),
            ingress_class: this.ingress_class.unwrap_or_default(),
            gateway: gateway.to_owned(),
            gateway_namespace: gateway_namespace.to_owned(),
            load_balancer_port: port,
            annotations: this.annotations,
            ingress_namespace: this.ingress_namespace.unwrap_or_default(),
            monitoring_namespace: this.monitoring_namespace.unwrap_or_default(),
            egress: this.egress,
        }
    }

    fn facts(&self) -> Vec<(&'static str, bool)> {
        let mut facts = vec![
            ("db_in_cluster", self.database == Database::InCluster),
            ("db_external", self.database == Database::External),
            ("secrets_file", self.secrets == Secrets::File),
            ("secrets_existing", self.secrets == Secrets::Existing),
            ("secrets_external", self.secrets == Secrets::External),
            ("create_namespace", self.create_namespace),
            ("autoscaling", self.autoscaling.is_some()),
            ("resources", self.resources.is_some()),
            ("ingress", self.expose == Expose::Ingress),
            ("ingress_class", !self.ingress_class.is_empty()),
            ("gateway", self.expose == Expose::Gateway),
            ("load_balancer", self.expose == Expose::LoadBalancer),
            ("annotations", !self.annotations.is_empty()),
            ("ingress_namespace", !self.ingress_namespace.is_empty()),
            ("monitoring_namespace", !self.monitoring_namespace.is_empty()),
            ("egress", !self.egress.is_empty()),
            ("grace_period", self.grace_period != 45),
        ];
        const NETWORK: &[&str] = &["ingress_namespace", "monitoring_namespace", "egress"];
        const PATCHING: &[&str] = &["db_external", "resources", "grace_period", "load_balancer"];
        let any = |of: &[&str]| facts.iter().any(|(fact, holds)| *holds && of.contains(fact));
        let (network, patches) = (any(NETWORK), any(PATCHING));
        facts.extend([("network", network), ("patches", network || patches)]);
        facts
    }
}

#[derive(Serialize)]
struct EntityValues {
    name: String,
    snake: String,
    pascal: String,
    title: String,
    plural: String,
    table: String,
    path: String,
    functions: [String; 5],
    fields: Vec<FieldValues>,
    /// The fields that lists can be filtered by, unique ones first.
    filters: Vec<FieldValues>,
    refs: Vec<RefValues>,
    /// What its file imports of the modules beside it.
    use_page: &'static str,
    use_values: String,
    use_extract: &'static str,
}

/// A reference of an entity: the field, and the entity it leads to.
#[derive(Serialize)]
struct RefValues {
    field: String,
    entity: String,
    required: bool,
    path: String,
}

impl EntityValues {
    fn new(targets: &Targets, name: &EntityName, entity: &Entity) -> Self {
        let refs = entity.fields.iter().filter_map(|(field, value)| {
            let to = value.to.as_ref()?;
            Some(RefValues {
                field: field.to_string(),
                entity: to.snake(),
                required: value.required,
                path: entity_path(to),
            })
        });
        let fields = field_values(targets, &entity.table, &entity.fields);
        let mut filters: Vec<_> = fields.iter().filter(|field| field.filters).cloned().collect();
        filters.sort_by_key(|field| !field.unique);
        for (index, filter) in filters.iter_mut().enumerate() {
            // Behind `after` and the limit.
            filter.filter_parameter = index + 3;
        }
        // What JSON has no type for, in order.
        let own = |kind: FieldType, name: &'static str| fields.iter().any(|field| field.kind == kind).then_some(name);
        let mut values: Vec<_> = [
            own(FieldType::Date, "Date"),
            own(FieldType::Decimal, "Decimal"),
            own(FieldType::Json, "Document"),
            Some("Timestamp"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let use_values = match values.len() {
            1 => format!("values::{}", values.remove(0)),
            _ => format!("values::{{{}}}", values.join(", ")),
        };
        let patterns = fields.iter().any(|field| !field.pattern.is_empty());
        Self {
            use_page: if filters.is_empty() { "page::Filter" } else { "page::{self, Filter}" },
            use_values,
            use_extract: if patterns { "extract::{Fields, Pattern}" } else { "extract::Fields" },
            filters,
            fields,
            name: name.to_string(),
            snake: name.snake(),
            pascal: pascal(name.kebab()),
            title: title(name.kebab()),
            plural: plural(&name.snake()),
            table: entity.table.to_string(),
            path: entity_path(name),
            functions: entity_functions(name),
            refs: refs.collect(),
        }
    }

    fn facts(&self) -> [(&'static str, bool); 1] {
        [("refs", !self.refs.is_empty())]
    }
}

#[derive(Serialize, Clone)]
pub(super) struct FieldValues {
    name: String,
    ident: String,
    kind: FieldType,
    sql: String,
    rust: String,
    rust_base: String,
    required: bool,
    unique: bool,
    /// Whether lists can be filtered by it.
    filters: bool,
    /// Where its value stands in statements that filter; 0 in the list of all fields.
    filter_parameter: usize,
    has_index: bool,
    length: u32,
    min_length: u32,
    /// Anchored; empty where there is none.
    pattern: String,
    /// Bounds of a number as they stand in SQL; empty where there is none.
    min: String,
    max: String,
    /// The same as constants of Rust.
    rust_min: String,
    rust_max: String,
    precision: u32,
    scale: u32,
    values: Vec<String>,
    description: String,
    sample: String,
    sample_update: String,
    /// `sample` as the value of a query parameter.
    sample_query: String,
    /// The JSON Schema of its values, for `json!`.
    json_schema: String,
    /// JSON that the field refuses.
    refused: Vec<String>,
    /// JSON that it accepts, and as what it comes back.
    kept: Vec<[String; 2]>,
    target: String,
    target_table: String,
    /// The literal of `backfill`; empty where there is none.
    backfill: String,
    sql_check: Vec<String>,
    unique_name: String,
    index_name: String,
    check_name: String,
    fk_name: String,
    is_text: bool,
}

/// The table of each entity that can be referred to.
pub(super) type Targets = BTreeMap<EntityName, SqlName>;

pub(super) fn field_values(targets: &Targets, table: &SqlName, fields: &Fields) -> Vec<FieldValues> {
    fields.iter().map(|(name, field)| FieldValues::new(targets, table, name, field)).collect()
}

impl FieldValues {
    pub(super) fn new(targets: &Targets, table: &SqlName, name: &SqlName, field: &Field) -> Self {
        let profile = field.profile();
        let (precision, scale) = field.digits();
        let target_table = field.to.as_ref().and_then(|to| targets.get(to)).map(SqlName::to_string);
        let [min, max] = field.bounds().map(|bound| bound.map(|units| decimal_text(units, scale)).unwrap_or_default());
        let [rust_min, rust_max] = field.bounds().map(|bound| match (bound, field.kind) {
            (None, _) => String::new(),
            (Some(units), FieldType::Decimal) => format!("Decimal::units({units})"),
            (Some(units), _) => units.to_string(),
        });
        let [sample, sample_update] = profile.samples.clone();
        Self {
            name: name.to_string(),
            ident: name.rust_identifier(),
            kind: field.kind,
            sql: profile.sql,
            rust: if field.required { profile.rust.clone() } else { format!("Option<{}>", profile.rust) },
            rust_base: profile.rust,
            required: field.required,
            unique: field.unique,
            filters: field.filters(),
            filter_parameter: 0,
            has_index: field.has_index(),
            length: field.length.unwrap_or(0),
            min_length: field.min_length.unwrap_or(0),
            pattern: field.pattern.as_ref().map(Pattern::anchored).unwrap_or_default(),
            precision,
            scale,
            values: field.values.clone(),
            description: field.description.clone().unwrap_or_default(),
            sample_query: sample.as_str().map_or_else(|| sample.to_string(), percent_encoded),
            sample: json_schema::shown(&sample.to_string()),
            sample_update: json_schema::shown(&sample_update.to_string()),
            json_schema: json_schema::literal(&json_schema::of(field)),
            refused: samples::refused(field).iter().map(Json::to_string).collect(),
            kept: samples::kept(field).iter().map(|values| values.each_ref().map(Json::to_string)).collect(),
            target: field.to.as_ref().map(EntityName::snake).unwrap_or_default(),
            target_table: target_table.unwrap_or_default(),
            backfill: field.backfill.as_ref().map(|value| sql_literal(field, value)).unwrap_or_default(),
            sql_check: sql_checks(name, field, &min, &max),
            min,
            max,
            rust_min,
            rust_max,
            unique_name: constraint_name(table, name, "key"),
            index_name: constraint_name(table, name, "idx"),
            check_name: constraint_name(table, name, "check"),
            fk_name: constraint_name(table, name, "fkey"),
            is_text: matches!(field.kind, FieldType::Text | FieldType::Enum),
        }
    }
}

/// What `check` holds a column to.
fn sql_checks(name: &SqlName, field: &Field, min: &str, max: &str) -> Vec<String> {
    let mut checks = Vec::new();
    if field.kind == FieldType::Enum {
        let values: Vec<_> = field.values.iter().map(|value| sql_string(value)).collect();
        checks.push(format!("{name} in ({})", values.join(", ")));
    }
    checks.extend(field.min_length.map(|length| format!("char_length({name}) >= {length}")));
    checks.extend(field.pattern.as_ref().map(|pattern| format!("{name} ~ {}", sql_string(&pattern.anchored()))));
    checks.extend((!min.is_empty()).then(|| format!("{name} >= {min}")));
    checks.extend((!max.is_empty()).then(|| format!("{name} <= {max}")));
    checks
}

/// Text as a part of a URI (RFC 3986, 2.1).
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// The name of a constraint or an index after PostgreSQL's own pattern. Where the parts do not fit into 63 bytes both
/// are cut, and a checksum of the whole keeps two such names apart.
fn constraint_name(table: &SqlName, column: &SqlName, suffix: &str) -> String {
    let whole = format!("{table}_{column}_{suffix}");
    if whole.len() <= 63 {
        return whole;
    }
    // FNV-1a, 32 bits.
    let sum = whole.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let cut = |name: &SqlName| name.as_str().chars().take(22).collect::<String>();
    format!("{}_{}_{sum:08x}_{suffix}", cut(table), cut(column))
}

#[derive(Serialize)]
struct HandlerValues {
    name: String,
    snake: String,
    pascal: String,
    title: String,
    method: crate::spec::handler::Method,
    path: String,
    params: Vec<ParamValues>,
    example: &'static str,
    has_body: bool,
}

#[derive(Serialize)]
struct ParamValues {
    name: String,
    ident: String,
}

impl HandlerValues {
    fn new(name: &HandlerName, handler: &Handler) -> Self {
        let param = |(name, ident): (&str, String)| ParamValues { name: name.to_owned(), ident };
        Self {
            name: name.to_string(),
            snake: name.snake(),
            pascal: pascal(name.kebab()),
            title: title(name.kebab()),
            method: handler.method,
            path: handler.path.as_str().to_owned(),
            params: handler.path.parameters().map(param).collect(),
            example: handler.example.map_or("", Example::as_str),
            has_body: handler.method.has_body(),
        }
    }

    fn facts(&self) -> [(&'static str, bool); 5] {
        [
            ("skeleton", self.example.is_empty()),
            ("factorial", self.example == "factorial"),
            ("quote", self.example == "quote"),
            ("has_params", !self.params.is_empty()),
            ("has_body", self.has_body),
        ]
    }
}

/// A literal that PostgreSQL converts to the column's type.
pub(super) fn sql_literal(field: &Field, value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        value if field.kind == FieldType::Json => sql_string(&value.to_string()),
        Json::Bool(value) => value.to_string(),
        Json::Number(value) => value.to_string(),
        Json::String(text) => sql_string(text),
        Json::Array(_) | Json::Object(_) => sql_string(&value.to_string()),
    }
}
