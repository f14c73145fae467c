//! Values for the tests of a generated entity: what each field refuses, and what it keeps exactly.

use serde_json::{Value, json};

use crate::spec::field::{Field, FieldType, decimal_text};

/// JSON values that the field refuses. One of them for each thing that it validates.
pub(super) fn refused(field: &Field) -> Vec<Value> {
    let mut refused = match field.kind {
        FieldType::Text => vec![json!(1), json!("\0")],
        FieldType::Smallint => vec![json!("1"), json!(1.5), json!(32768)],
        FieldType::Integer => vec![json!("1"), json!(1.5), json!(2_147_483_648_i64)],
        FieldType::Bigint | FieldType::Ref => vec![json!("1"), json!(1.5), json!(u64::MAX)],
        FieldType::Boolean => vec![json!("true"), json!(1)],
        FieldType::Date => ["2026-02-30", "2026-2-3", "+2026-01-31", "2026-01-31T00:00:00Z"].map(|t| json!(t)).to_vec(),
        FieldType::Timestamp => {
            ["2026-01-31", "2026-01-31T12:30:00", "2026-01-31T25:00:00Z", "9999-12-31T23:59:59-01:00"]
                .map(|t| json!(t))
                .to_vec()
        }
        FieldType::Uuid => vec![json!("none"), json!(1)],
        FieldType::Json => vec![json!({ "a": ["\0"] })],
        FieldType::Decimal => {
            let (precision, scale) = field.digits();
            let over = 10_i128.pow(precision);
            let finer = format!("0.{}1", "0".repeat(scale as usize));
            vec![json!(1), json!(1.5), json!("1e1"), json!("01"), json!(decimal_text(over, scale)), json!(finer)]
        }
        FieldType::Enum => vec![json!("no such value"), json!(1)],
    };
    if let Some(length) = field.length.filter(|length| *length <= 10_000) {
        refused.push(json!("a".repeat(length as usize + 1)));
    }
    if let Some(length) = field.min_length {
        refused.push(json!("a".repeat(length as usize - 1)));
    }
    if let Some(pattern) = &field.pattern {
        // Most patterns are for one line.
        refused.extend(["\n", "é", ""].iter().find(|text| !pattern.matches(text)).map(|text| json!(text)));
    }
    let [least, most] = field.bounds();
    let beyond = [least.map(|least| least - 1), most.map(|most| most + 1)];
    refused.extend(beyond.into_iter().flatten().map(|units| match field.kind {
        FieldType::Decimal => json!(decimal_text(units, field.digits().1)),
        // A number of 65 bits has no place in JSON's writer here; it is refused as any other.
        _ => i64::try_from(units).map_or(json!(u64::MAX), |units| json!(units)),
    }));
    refused
}

/// JSON values that the field accepts, each with how it comes back: offsets normalised, the scale filled up, nothing
/// rounded.
pub(super) fn kept(field: &Field) -> Vec<[Value; 2]> {
    let same = |value: Value| [value.clone(), value];
    let within = |units: &i128| {
        let [least, most] = field.bounds();
        least.is_none_or(|least| least <= *units) && most.is_none_or(|most| *units <= most)
    };
    match field.kind {
        FieldType::Decimal => {
            let (precision, scale) = field.digits();
            let most = 10_i128.pow(precision) - 1;
            let all = [most, -most, 0, 1, -1].into_iter().filter(within);
            let mut kept: Vec<_> = all.map(|units| same(json!(decimal_text(units, scale)))).collect();
            let one = 10_i128.pow(scale);
            if precision > scale && within(&one) {
                kept.push([json!("1"), json!(decimal_text(one, scale))]);
            }
            kept
        }
        FieldType::Timestamp => vec![
            [json!("2026-01-31T01:30:00.5+02:00"), json!("2026-01-30T23:30:00.5Z")],
            [json!("2026-01-31T01:30:00.1234567Z"), json!("2026-01-31T01:30:00.123456Z")],
            same(json!("0000-01-01T00:00:00Z")),
            same(json!("9999-12-31T23:59:59.999999Z")),
        ],
        FieldType::Date => ["0000-01-01", "2024-02-29", "9999-12-31"].map(|date| same(json!(date))).to_vec(),
        FieldType::Bigint => {
            [i64::MIN, i64::MAX].into_iter().filter(|v| within(&i128::from(*v))).map(|v| same(json!(v))).collect()
        }
        FieldType::Json => vec![same(json!({ "b": [null, true, "ü"], "a": 0.1 })), same(json!("")), same(json!(false))],
        FieldType::Text if field.pattern.is_none() && field.min_length.is_none() => vec![same(json!("é"))],
        _ => Vec::new(),
    }
}
