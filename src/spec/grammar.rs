//! The short form of a field on the command line: `code:text(3)!^` is a required and unique text of three characters.

use super::field::{Field, FieldType};
use super::name::{EntityName, SqlName, closest};

/// Types as they may be typed; the first of each is its name in the spec.
const TYPES: &[(FieldType, &[&str])] = &[
    (FieldType::Text, &["text", "string"]),
    (FieldType::Smallint, &["smallint"]),
    (FieldType::Integer, &["integer", "int"]),
    (FieldType::Bigint, &["bigint"]),
    (FieldType::Boolean, &["boolean", "bool"]),
    (FieldType::Date, &["date"]),
    (FieldType::Timestamp, &["timestamp", "timestamptz"]),
    (FieldType::Uuid, &["uuid"]),
    (FieldType::Json, &["json", "jsonb"]),
    (FieldType::Decimal, &["decimal", "numeric"]),
    (FieldType::Enum, &["enum"]),
    (FieldType::Ref, &["ref"]),
];

/// Reads `name:type`, where the type may have arguments in parentheses, followed by `!` (required), `?` (may be null,
/// the default), `^` (unique) and `+` (indexed: lists can be filtered by it).
///
/// # Errors
/// What is wrong with it, with the whole of it.
pub fn parse_field(text: &str) -> Result<(SqlName, Field), String> {
    let refuse = |reason: String| Err(format!("the field `{}`: {reason}", text.escape_debug()));
    let Some((name, kind)) = text.split_once(':') else {
        return refuse("a field is `name:type`, such as `code:text(3)!^`".to_owned());
    };
    let name = match SqlName::parse(name.trim()) {
        Ok(name) => name,
        Err(error) => return refuse(error.to_string()),
    };
    let kind = kind.trim();
    let bare = kind.trim_end_matches(['!', '?', '^', '+']);
    let flags = &kind[bare.len()..];
    if flags.contains('!') && flags.contains('?') {
        return refuse("`!` (required) and `?` (may be null) exclude each other".to_owned());
    }
    let (word, arguments) = match bare.split_once('(') {
        None => (bare, Vec::new()),
        Some((word, rest)) => match rest.strip_suffix(')') {
            Some(inner) => (word, inner.split(',').map(str::trim).collect()),
            None => return refuse("`(` without `)` at the end".to_owned()),
        },
    };
    let Some((kind, _)) = TYPES.iter().find(|(_, names)| names.contains(&word.trim())) else {
        let known = TYPES.iter().flat_map(|(_, names)| names.iter().copied());
        return refuse(match closest(word, known) {
            Some(known) => format!("there is no type `{}`; did you mean `{known}`?", word.escape_debug()),
            None => {
                let names: Vec<_> = TYPES.iter().map(|(_, names)| names[0]).collect();
                format!("there is no type `{}`; there are {}", word.escape_debug(), names.join(", "))
            }
        });
    };
    let mut field = Field {
        required: flags.contains('!'),
        unique: flags.contains('^'),
        index: flags.contains('+'),
        ..Field::new(*kind)
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("`{}` is no number", text.escape_debug()));
    let outcome = match (kind, arguments.as_slice()) {
        (FieldType::Text, [length]) => number(length).map(|length| field.length = Some(length)),
        (FieldType::Decimal, [precision, scale]) => number(precision).and_then(|precision| {
            field.precision = Some(precision);
            number(scale).map(|scale| field.scale = Some(scale))
        }),
        (FieldType::Decimal, [precision]) => number(precision).map(|precision| field.precision = Some(precision)),
        (FieldType::Enum, [_, ..]) => {
            field.values = arguments.iter().map(|&value| value.to_owned()).collect();
            Ok(())
        }
        (FieldType::Enum, []) => Err("an enum lists its values: `enum(open,closed)`".to_owned()),
        (FieldType::Ref, [entity]) => match EntityName::parse(entity) {
            Ok(entity) => {
                field.to = Some(entity);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        },
        (FieldType::Ref, _) => Err("a ref names its entity: `ref(country)`".to_owned()),
        (_, []) => Ok(()),
        _ => Err(format!("`{word}` does not take these arguments")),
    };
    match outcome {
        Ok(()) => Ok((name, field)),
        Err(reason) => refuse(reason),
    }
}

/// The short form of a field, without its name.
pub fn show_field(field: &Field) -> String {
    let word = TYPES.iter().find(|(kind, _)| *kind == field.kind).map_or("", |(_, names)| names[0]);
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let arguments = match field.kind {
        FieldType::Enum => field.values.clone(),
        FieldType::Ref => field.to.iter().map(ToString::to_string).collect(),
        _ => [number(field.length), number(field.precision), number(field.scale)].into_iter().flatten().collect(),
    };
    let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(",")) };
    let required = if field.required { "!" } else { "" };
    let unique = if field.unique { "^" } else { "" };
    let index = if field.index { "+" } else { "" };
    format!("{word}{arguments}{required}{unique}{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed() {
        for text in [
            "text",
            "text(3)!^",
            "smallint!",
            "integer!+",
            "bigint^",
            "boolean",
            "date!",
            "timestamp",
            "uuid^",
            "json",
            "decimal(12,6)!",
            "decimal(4)",
            "enum(open,closed)!",
            "ref(country)",
        ] {
            let (_, field) = parse_field(&format!("a:{text}")).unwrap();
            assert_eq!(show_field(&field), text);
        }
    }
}
