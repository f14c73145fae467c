//! The JSON Schema (draft 2020-12, which OpenAPI 3.1 speaks) of a field's values, as exact as a schema can be.

use serde_json::{Map, Value, json};

use crate::spec::field::{Field, FieldType};
use crate::spec::pattern::Pattern;

pub(super) fn of(field: &Field) -> Value {
    let [least, most] = field.bounds();
    let integer = |from: i128, to: i128| {
        // Numbers of JSON Schema are those of JSON: 64 bits fit.
        let number = |value: i128| json!(i64::try_from(value).unwrap_or_default());
        json!({ "type": "integer", "minimum": number(least.unwrap_or(from)), "maximum": number(most.unwrap_or(to)) })
    };
    let mut schema = match field.kind {
        FieldType::Text => text(field),
        FieldType::Smallint => integer(i16::MIN.into(), i16::MAX.into()),
        FieldType::Integer => integer(i32::MIN.into(), i32::MAX.into()),
        FieldType::Bigint => integer(i64::MIN.into(), i64::MAX.into()),
        FieldType::Ref => integer(1, i64::MAX.into()),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Date => json!({ "type": "string", "format": "date" }),
        FieldType::Timestamp => json!({ "type": "string", "format": "date-time" }),
        FieldType::Uuid => json!({ "type": "string", "format": "uuid" }),
        FieldType::Json => json!({ "type": ["object", "array", "string", "number", "boolean"] }),
        FieldType::Decimal => json!({ "type": "string", "format": "decimal", "pattern": decimal(field, least) }),
        FieldType::Enum => json!({ "type": "string", "enum": field.values }),
    };
    if let Value::Object(schema) = &mut schema {
        if !field.required {
            with_null(schema);
        }
        if let Some(description) = &field.description {
            schema.insert("description".to_owned(), json!(description));
        }
    }
    schema
}

fn text(field: &Field) -> Value {
    let mut schema = json!({ "type": "string" });
    if let Some(length) = field.length {
        schema["maxLength"] = json!(length);
    }
    if let Some(length) = field.min_length {
        schema["minLength"] = json!(length);
    }
    // PostgreSQL has no place for NUL.
    let any = || r"^[^\u0000]*$".to_owned();
    schema["pattern"] = json!(field.pattern.as_ref().map_or_else(any, Pattern::anchored));
    schema
}

/// The digits of a decimal. Of its bounds only that it is not negative has a place in a pattern.
fn decimal(field: &Field, least: Option<i128>) -> String {
    let (precision, scale) = field.digits();
    let sign = if least.is_some_and(|least| least >= 0) { "" } else { "-?" };
    let whole = match precision - scale {
        0 => "0".to_owned(),
        1 => "[0-9]".to_owned(),
        digits => format!("(?:0|[1-9][0-9]{{0,{}}})", digits - 1),
    };
    let fraction = if scale == 0 { String::new() } else { format!(r"(?:\.[0-9]{{1,{scale}}})?") };
    format!("^{sign}{whole}{fraction}$")
}

fn with_null(schema: &mut Map<String, Value>) {
    for (key, nothing) in [("type", json!("null")), ("enum", Value::Null)] {
        match schema.get_mut(key) {
            Some(Value::Array(items)) => items.push(nothing),
            Some(one) => *one = json!([one.clone(), nothing]),
            None => {}
        }
    }
}

/// A value as `json!` reads it: a number that is no `i32` needs its type.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_err()) => {
            format!("{number}_i64")
        }
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}: {}", json!(key), literal(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        value => shown(&value.to_string()),
    }
}

/// JSON as a part of Rust source. Characters that nobody sees are escaped: the compiler refuses those that turn the
/// direction of a line (the lint `text_direction_codepoint_in_literal`).
pub(super) fn shown(json: &str) -> String {
    json.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.escape_debug().to_string() }).collect()
}
