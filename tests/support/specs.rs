//! Specs that cover the switches of a spec in pairs, made of its JSON schema: a switch that is added there joins by
//! itself, and a key that is no switch wants its samples in [`SAMPLES`].

use std::collections::{BTreeSet, VecDeque};

use appgen::spec::{Spec, SpecDocument, json_schema};
use serde_json::{Map, Value, json};

use super::pairwise::{Cover, Point, cover};

/// Something that a spec decides, and what it can be; nothing where the key is left out.
#[derive(Debug)]
pub struct Dimension {
    pub name: String,
    pub values: Vec<Option<Value>>,
}

/// A list of legal values in YAML for every key that is neither a boolean nor one of a few words.
const SAMPLES: &str = r#"
service.description: ["Orders: 'quoted' \"twice\", `ticks`, $(reboot), {{{ 7*7 }}}, # no comment, <b>, on"]
service.owner: ["@acme/orders"]
service.image: ["registry.example.com:5000/acme/orders"]
service.postgres: [15, 16, 18]
service.runbook_url: [https://git.example.com/acme/orders/-/blob/main/docs/runbook.md]
features.appgen_source:
  - { version: 1.4.0-rc.1 }
  - { git: https://github.com/acme/appgen, tag: release/1.4 }
  - { git: https://github.com/acme/appgen, rev: 0123456789abcdef0123456789abcdef01234567 }
environment.replicas: [1, 7]
environment.autoscaling: [{ min: 1, max: 12 }]
environment.resources: [{ cpu: 250m, cpu_limit: "2" }]
environment.grace_period: [90]
environment.database_host: [db.example.com]
environment.database_cidr: ["10.20.0.0/16,2001:db8:20::/48"]
environment.secret_store: [platform]
environment.secret_key: ["team/it's \"on\": {{ .x }} #1"]
environment.contexts: [[verify, testdata]]
environment.namespace: [shared]
environment.host: [orders.example.com]
environment.tls_secret: [orders-example-com]
environment.ingress_class: [nginx]
environment.gateway: [infra/public]
environment.load_balancer_port: [443]
environment.annotations: [{ example.com/on: "yes", example.com/size: "on: '2m' #1" }]
environment.ingress_namespace: [infra]
environment.monitoring_namespace: [observability]
environment.egress: [[{ cidr: 203.0.113.0/24, port: 443 }, { cidr: "2001:db8::/32", port: 8443 }]]
field.length: [1, 40]
field.min_length: [2]
field.pattern: ['[A-Z]{2}-[0-9]{3,}(\.[a-z]+)?']
field.min: [-5, "0.01"]
field.max: [100, "99.99"]
field.precision: [12]
field.scale: [2]
field.values: [[open, "it's closed"], [one]]
field.to: [target]
field.backfill: [7, none, true]
field.description: ["it's \"free\": 'form'; -- no comment"]
"#;

const COUNTS: &[(&str, &[usize])] =
    &[("environments", &[1, 2, 3, 8]), ("entities", &[0, 1, 2, 5]), ("handlers", &[0, 1, 2, 5])];

/// An ordinary name, the shortest, one with digits and hyphens, the longest.
const SHAPES: &[(&str, &[&str])] = &[
    ("service", &["orders", "x", "x1-y2", "service-of-forty-characters-in-one-label"]),
    ("environment", &["dev", "prod", "e", "x1-y2", "environment-of-20-ch"]),
    ("entity", &["order", "z", "x1-y2", "entity-of-forty-characters-in-that-label"]),
    ("handler", &["quote", "h", "x1-y2", "handler-of-forty-characters-in-one-label"]),
];

/// The environments beside the first.
const ENVIRONMENTS: &[&str] = &["test", "prod", "dev", "qa", "staging", "perf", "eu-1", "demo"];

/// What stands in a handler's path behind its name.
const PATHS: &[&str] = &["", "/{id}", "/{type}/items/{item_id}", "/v1.0/~x_y/{self_id}", "/{a}/{b}/{c}"];

const FIELDS: usize = 14;

/// The dimensions of the specs that appgen reads.
pub fn dimensions() -> Vec<Dimension> {
    let schema = json_schema();
    let samples: Map<String, Value> = serde_saphyr::from_str(SAMPLES).unwrap();
    let mut all = Vec::new();
    for (section, definition) in
        [("service", "ServiceDocument"), ("features", "Features"), ("environment", "EnvironmentDocument")]
    {
        for (key, property) in properties(&schema, definition).filter(|(key, _)| *key != "name") {
            let name = format!("{section}.{key}");
            let default = property.get("default").cloned();
            let values = words(&schema, property).unwrap_or_else(|| sampled(&samples, &name));
            let mut values: Vec<_> = values.into_iter().map(Some).filter(|value| *value != default).collect();
            values.insert(0, default);
            all.push(Dimension { name, values });
        }
    }
    let numbers = COUNTS.iter().map(|(name, counts)| (format!("number of {name}"), json!(counts)));
    let shapes = SHAPES.iter().map(|(name, shapes)| (format!("name of {name}"), json!(shapes)));
    for (name, values) in numbers.chain(shapes) {
        all.push(Dimension { name, values: values.as_array().unwrap().iter().cloned().map(Some).collect() });
    }
    all
}

fn properties<'a>(schema: &'a Value, definition: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let properties = schema["$defs"][definition]["properties"].as_object().unwrap_or_else(|| panic!("{definition}"));
    properties.iter().map(|(key, property)| (key.as_str(), property))
}

/// The values of a boolean, and those of a choice between a few words.
fn words(schema: &Value, property: &Value) -> Option<Vec<Value>> {
    let kinds = property["type"].as_array().cloned().unwrap_or_else(|| vec![property["type"].clone()]);
    if kinds.contains(&json!("boolean")) {
        return Some(vec![json!(false), json!(true)]);
    }
    if let Some(name) = property["$ref"].as_str() {
        return words(schema, schema.pointer(name.trim_start_matches('#')).unwrap());
    }
    if let Some(all) = property["enum"].as_array() {
        return Some(all.clone());
    }
    if let Some(word) = property.get("const") {
        return Some(vec![word.clone()]);
    }
    let choices = property["oneOf"].as_array().or_else(|| property["anyOf"].as_array())?;
    let choices = choices.iter().filter(|choice| choice["type"] != "null").map(|choice| words(schema, choice));
    Some(choices.collect::<Option<Vec<_>>>()?.concat())
}

fn sampled(samples: &Map<String, Value>, name: &str) -> Vec<Value> {
    let values = samples.get(name).and_then(Value::as_array);
    values.unwrap_or_else(|| panic!("`{name}` is a new key of the spec: it wants a line in SAMPLES")).clone()
}

/// What is wrong with a spec.
pub fn problems(spec: &Value) -> Vec<String> {
    let document: SpecDocument = match serde_json::from_value(spec.clone()) {
        Ok(document) => document,
        Err(error) => return vec![error.to_string()],
    };
    let found = Spec::resolve(document).err().unwrap_or_default();
    found.into_iter().map(|problem| problem.message).collect()
}

/// What a row decides, without entities' fields and the like that no other dimension depends on.
struct Choice<'a> {
    dimensions: &'a [Dimension],
    row: &'a [usize],
}

impl Choice<'_> {
    fn decided(&self) -> impl Iterator<Item = (&str, &Value)> {
        let values = self.dimensions.iter().zip(self.row);
        values.filter_map(|(dimension, at)| Some((dimension.name.as_str(), dimension.values[*at].as_ref()?)))
    }

    fn section(&self, section: &str) -> Map<String, Value> {
        let keys = self.decided().filter_map(|(name, value)| Some((name.strip_prefix(section)?, value)));
        keys.filter_map(|(key, value)| Some((key.strip_prefix('.')?.to_owned(), value.clone()))).collect()
    }

    fn number(&self, of: &str) -> usize {
        let name = format!("number of {of}");
        self.decided().find(|(other, _)| *other == name).unwrap().1.as_u64().unwrap() as usize
    }

    fn name(&self, of: &str) -> &str {
        let name = format!("name of {of}");
        self.decided().find(|(other, _)| *other == name).unwrap().1.as_str().unwrap()
    }

    /// The first name in its shape, then others of the same one.
    fn names(&self, of: &str, number: usize) -> Vec<String> {
        let first = self.name(of);
        let other = |at: usize| {
            let letter = char::from(b'p' + u8::try_from(at).unwrap());
            if first.len() == 1 { letter.to_string() } else { format!("{letter}{}", &first[1..]) }
        };
        std::iter::once(first.to_owned()).chain((0..).map(other).filter(|other| *other != first)).take(number).collect()
    }

    fn environments(&self) -> Vec<&str> {
        let first = self.name("environment");
        let others = ENVIRONMENTS.iter().copied().filter(|other| *other != first);
        std::iter::once(first).chain(others).take(self.number("environments")).collect()
    }

    /// The spec with environments that have no knobs but the first, and without entities and handlers.
    fn spec(&self) -> Value {
        let mut service = self.section("service");
        service.insert("name".to_owned(), json!(self.name("service")));
        let mut environments: Map<_, _> =
            self.environments().into_iter().map(|name| (name.to_owned(), json!({}))).collect();
        environments[self.name("environment")] = self.section("environment").into();
        json!({ "version": 1, "service": service, "features": self.section("features"), "environments": environments })
    }
}

/// The specs of the matrix, and what they cover.
pub struct Specs {
    pub dimensions: Vec<Dimension>,
    pub cover: Cover,
    pub specs: Vec<Value>,
    /// Forms of fields and handlers that no spec had room for.
    pub left_over: Vec<Value>,
}

impl Specs {
    pub fn new() -> Self {
        let dimensions = dimensions();
        let sizes: Vec<usize> = dimensions.iter().map(|dimension| dimension.values.len()).collect();
        let cover = cover(&sizes, 1, &|row| problems(&Choice { dimensions: &dimensions, row }.spec()));
        let choices: Vec<_> = cover.rows.iter().map(|row| Choice { dimensions: &dimensions, row }).collect();
        let (mut fields, mut handlers) = (Forms::new(field_forms()), Forms::new(handler_forms()));
        let specs = choices.iter().enumerate().map(|(at, choice)| {
            let mut spec = choice.spec();
            borrow_knobs(&mut spec, choice, &choices, at);
            add_entities(&mut spec, choice, &mut fields);
            add_handlers(&mut spec, choice, &mut handlers);
            assert_eq!(problems(&spec), [""; 0], "{spec:#}");
            spec
        });
        let specs = specs.collect();
        let left_over = fields.unused().chain(handlers.unused()).collect();
        Self { specs, left_over, dimensions, cover }
    }

    /// A value as it is called.
    pub fn called(&self, (dimension, value): Point) -> String {
        let dimension = &self.dimensions[dimension];
        match &dimension.values[value] {
            Some(value) => format!("{} {value}", dimension.name),
            None => format!("no {}", dimension.name),
        }
    }
}

/// The environments beside the first have the knobs that the first ones of other rows have, where these are legal.
fn borrow_knobs(spec: &mut Value, choice: &Choice<'_>, all: &[Choice<'_>], at: usize) {
    for (number, name) in choice.environments().into_iter().enumerate().skip(1) {
        let lenders = all.iter().cycle().skip(at + number).take(all.len());
        let mut legal = lenders.map(|lender| {
            let mut with = spec.clone();
            with["environments"][name] = lender.section("environment").into();
            with
        });
        *spec = legal.find(|spec| problems(spec).is_empty()).unwrap();
    }
}

/// Forms that are shared out in turn.
struct Forms {
    waiting: VecDeque<Value>,
    new: usize,
}

impl Forms {
    fn new(forms: Vec<Value>) -> Self {
        Self { new: forms.len(), waiting: forms.into() }
    }

    /// The first that fits; it waits for its next turn behind the others.
    fn take<T>(&mut self, fits: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let (at, taken) = self.waiting.iter().enumerate().find_map(|(at, form)| Some((at, fits(form)?)))?;
        let form = self.waiting.remove(at).unwrap();
        self.waiting.push_back(form);
        self.new = if at < self.new { self.new - 1 } else { self.new };
        Some(taken)
    }

    fn unused(self) -> impl Iterator<Item = Value> {
        self.waiting.into_iter().take(self.new)
    }
}

fn add_entities(spec: &mut Value, choice: &Choice<'_>, forms: &mut Forms) {
    let names = choice.names("entity", choice.number("entities"));
    for (number, name) in names.iter().enumerate() {
        let target = if number == 0 { name } else { &names[number - 1] };
        add_entity(spec, name, target, FIELDS, forms);
    }
}

/// An entity with so many fields; its references are to `target`.
fn add_entity(spec: &mut Value, name: &str, target: &str, fields: usize, forms: &mut Forms) {
    let mut entity = json!({ "fields": {} });
    for number in 0..fields {
        let fits = |form: &Value| {
            let mut form = form.clone();
            if form.get("to").is_some() {
                form["to"] = json!(target);
            }
            let mut with = entity.clone();
            let column = format!("{}_{number}", form["type"].as_str().unwrap());
            with["fields"][column] = form;
            let mut entities = json!({ target: { "fields": { "name": { "type": "text" } } } });
            entities[name] = with.clone();
            let alone = json!({ "version": 1, "service": { "name": "orders" }, "entities": entities });
            problems(&alone).is_empty().then_some(with)
        };
        entity = forms.take(fits).unwrap_or_else(|| panic!("no field for the entity `{name}`: {entity:#}"));
    }
    spec["entities"][name] = entity;
}

fn add_handlers(spec: &mut Value, choice: &Choice<'_>, forms: &mut Forms) {
    for name in choice.names("handler", choice.number("handlers")) {
        let fits = |form: &Value| {
            let mut with = spec.clone();
            let mut form = form.clone();
            form["path"] = json!(format!("/api/v1/{name}{}", form["path"].as_str().unwrap()));
            with["handlers"][&name] = form;
            problems(&with).is_empty().then_some(with)
        };
        *spec = forms.take(fits).unwrap_or_else(|| panic!("no route for the handler `{name}`: {spec:#}"));
    }
}

/// Every legal field of one type with every set of switches, and with each other key beside what the type cannot do
/// without.
fn field_forms() -> Vec<Value> {
    let schema = json_schema();
    let samples: Map<String, Value> = serde_saphyr::from_str(SAMPLES).unwrap();
    let (switches, keys): (Vec<_>, Vec<_>) = properties(&schema, "Field")
        .filter(|(key, _)| *key != "type")
        .partition(|(_, property)| words(&schema, property).is_some());
    let sampled: Vec<(&str, Value)> = keys
        .iter()
        .flat_map(|(key, _)| sampled(&samples, &format!("field.{key}")).into_iter().map(move |value| (*key, value)))
        .collect();
    let is_legal = |field: &Value| {
        let target = json!({ "fields": { "name": { "type": "text" } } });
        let entities = json!({ "target": target, "other": { "fields": { "field": field } } });
        problems(&json!({ "version": 1, "service": { "name": "orders" }, "entities": entities })).is_empty()
    };
    let with = |field: &Value, key: &str, value: &Value| {
        let mut field = field.clone();
        field[key] = value.clone();
        field
    };
    let mut forms: Vec<(usize, Value)> = Vec::new();
    for kind in words(&schema, &schema["$defs"]["FieldType"]).unwrap() {
        let bare = json!({ "type": kind });
        let needing = sampled.iter().map(|(key, value)| with(&bare, key, value));
        let least = std::iter::once(bare.clone()).chain(needing).find(|field| is_legal(field)).unwrap();
        let sets = (0..1_usize << switches.len()).map(|set| {
            let on = switches.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
            on.fold(least.clone(), |field, (_, (key, _))| with(&field, key, &json!(true)))
        });
        let others = sampled.iter().map(|(key, value)| with(&least, key, value));
        let mut seen = BTreeSet::new();
        let legal = sets.chain(others).filter(|field| is_legal(field) && seen.insert(field.to_string()));
        forms.extend(legal.enumerate());
    }
    // Every type once, then again: an entity has many types.
    forms.sort_by_key(|(number, _)| *number);
    forms.into_iter().map(|(_, field)| field).collect()
}

/// Every method with every kind of path, and every example with a route that fits it.
fn handler_forms() -> Vec<Value> {
    let schema = json_schema();
    let methods = words(&schema, &schema["$defs"]["Method"]).unwrap();
    let of_path = |path: &&'static str| {
        methods.iter().map(|method| json!({ "method": method, "path": path })).collect::<Vec<_>>()
    };
    let routes: Vec<Value> = PATHS.iter().flat_map(of_path).collect();
    let examples = words(&schema, &schema["$defs"]["Example"]).unwrap().into_iter().map(|example| {
        let mut forms = routes.iter().map(|route| {
            let mut form = route.clone();
            form["example"] = example.clone();
            form
        });
        let fits = |form: &Value| {
            let mut form = form.clone();
            form["path"] = json!(format!("/example{}", form["path"].as_str().unwrap()));
            problems(&json!({ "version": 1, "service": { "name": "orders" }, "handlers": { "h": form } })).is_empty()
        };
        forms.find(fits).unwrap_or_else(|| panic!("no route for the example {example}"))
    });
    examples.chain(routes.iter().cloned()).collect()
}

/// A service with so many entities, which have fields of all forms between them.
pub fn wide(entities: usize) -> Value {
    let mut spec = json!({ "version": 1, "service": { "name": "wide" }, "entities": {} });
    let mut forms = Forms::new(field_forms());
    let name = |number: usize| format!("entity-{number:02}");
    for number in 0..entities {
        add_entity(&mut spec, &name(number), &name(number.saturating_sub(1)), FIELDS, &mut forms);
    }
    assert_eq!(forms.unused().next(), None);
    spec
}
