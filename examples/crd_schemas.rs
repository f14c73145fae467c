//! Writes `src/verify/custom_resources.json`: the schema of the custom resources that a generated repository may have, made
//! of the definitions that their projects publish.
//!
//! ```text
//! cargo run --example crd_schemas -- DEFINITIONS.yaml   # tests/proof makes that file
//! ```
#![allow(clippy::disallowed_methods, reason = "a tool of the developers")]

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

type Error = Box<dyn std::error::Error>;

#[allow(dead_code, reason = "a test takes the rest")]
fn main() -> Result<(), Error> {
    let definitions = std::env::args().nth(1).ok_or("usage: crd_schemas DEFINITIONS.yaml")?;
    let schema = schema(&fs::read_to_string(definitions)?)?;
    Ok(fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify/custom_resources.json"), schema)?)
}

/// One schema for the objects of an environment, each held against the definition of its kind. Objects of other kinds
/// pass.
pub fn schema(definitions: &str) -> Result<String, Error> {
    let definitions: Vec<Value> = serde_saphyr::from_multiple(definitions)?;
    let definitions = definitions.iter().filter(|definition| !definition.is_null());
    let conditions = definitions.map(conditions).collect::<Result<Vec<_>, _>>()?.concat();
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Made by examples/crd_schemas.rs of definitions of the Gateway API, the External Secrets Operator and \
                     the Prometheus Operator, all under the Apache License 2.0.",
        "type": "array",
        "items": { "allOf": conditions },
    });
    Ok(serde_json::to_string(&schema)? + "\n")
}

/// What holds for the objects of a kind: their version is served, and they have its fields alone.
fn conditions(definition: &Value) -> Result<Vec<Value>, Error> {
    let spec = &definition["spec"];
    let (group, kind) = (spec["group"].as_str().ok_or("no group")?, &spec["names"]["kind"]);
    let versions = spec["versions"].as_array().ok_or("no versions")?;
    let mut names = Vec::new();
    let mut conditions = Vec::new();
    for version in versions.iter().filter(|version| version["served"] == true) {
        let name = format!("{group}/{}", version["name"].as_str().ok_or("no name")?);
        let mut schema = closed(&version["schema"]["openAPIV3Schema"]);
        schema["properties"]["metadata"] = metadata();
        if let Some(fields) = schema["properties"].as_object_mut() {
            // The cluster's own.
            fields.remove("status");
        }
        let is_it = json!({ "kind": { "const": kind }, "apiVersion": { "const": name } });
        conditions.push(json!({ "if": { "properties": is_it }, "then": schema }));
        names.push(name);
    }
    let is_of_group = json!({ "kind": { "const": kind }, "apiVersion": { "pattern": format!("^{group}/") } });
    let is_served = json!({ "properties": { "apiVersion": { "enum": names } } });
    conditions.push(json!({ "if": { "properties": is_of_group }, "then": is_served }));
    Ok(conditions)
}

/// A definition leaves it open.
fn metadata() -> Value {
    let strings = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "namespace"],
        "properties": {
            "name": { "type": "string" },
            "namespace": { "type": "string" },
            "labels": strings,
            "annotations": strings,
        },
    })
}

/// Without texts and what is Kubernetes' own, and with every object closed that does not say to be open.
fn closed(schema: &Value) -> Value {
    let Value::Object(from) = schema else { return schema.clone() };
    let mut to = Map::new();
    for (key, value) in from {
        let value = match key.as_str() {
            "description" | "default" | "example" => continue,
            key if key.starts_with("x-kubernetes-") => continue,
            // Go's way to ignore case, which a schema of JSON does not have.
            "pattern" if value.as_str().is_some_and(|pattern| pattern.contains("(?i)")) => continue,
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                Value::Object(fields.map(|(name, schema)| (name.clone(), closed(schema))).collect())
            }
            "items" | "additionalProperties" => closed(value),
            // Conditions on what is described beside them, so not to be closed.
            _ => value.clone(),
        };
        to.insert(key.clone(), value);
    }
    let is_open = from.get("x-kubernetes-preserve-unknown-fields").is_some_and(|open| open == true);
    if to.contains_key("properties") && !to.contains_key("additionalProperties") && !is_open {
        to.insert("additionalProperties".to_owned(), false.into());
    }
    if from.get("nullable").is_some_and(|nullable| nullable == true) {
        to.remove("nullable");
        return json!({ "anyOf": [{ "type": "null" }, to] });
    }
    Value::Object(to)
}
