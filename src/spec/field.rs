//! Fields of an entity, and the one table of field types: a type's SQL, Rust and sample values stand in one row of
//! [`FieldType::profile`]. To add a type, add a variant, its row, and (when it brings a crate) a switch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::name::{EntityName, SqlName};
use super::problem::Problem;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Text of at most `length` characters, or of any length.
    Text,
    Smallint,
    Integer,
    Bigint,
    Boolean,
    /// A calendar date, `2026-01-31`.
    Date,
    /// A point in time with a zone, RFC 3339.
    Timestamp,
    Uuid,
    /// Any JSON value, stored as `jsonb`.
    Json,
    /// An exact number of `precision` digits, `scale` of them after the point; a string in JSON.
    Decimal,
    /// One of `values`.
    Enum,
    /// The id of a row of another entity, named by `to`.
    Ref,
}

/// A field as it stands in the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// `text`: the greatest number of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// `decimal`: the number of digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<u32>,
    /// `decimal`: how many of the digits stand after the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// `enum`: the legal values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `ref`: the entity that is referred to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<EntityName>,
    /// Whether a value must be given (`not null`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether no two rows may share a value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// What rows get that are there already when the field is added or becomes required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Value>,
    /// What the field means; becomes the comment on the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What a field type is in each language that we render.
pub struct Profile {
    pub sql: String,
    pub rust: &'static str,
    /// Two different legal values, as they stand in JSON.
    pub samples: [Value; 2],
    /// The condition that files and crates of this type depend on.
    pub fact: &'static str,
}

/// Columns that every table has besides its fields.
pub const IMPLICIT_COLUMNS: &[&str] = &["id", "version", "created_at", "updated_at"];

/// PostgreSQL's limit for `varchar(n)` (documentation, 8.3).
const LONGEST_TEXT: u32 = 10_485_760;

impl Field {
    pub fn new(kind: FieldType) -> Self {
        Self {
            kind,
            length: None,
            precision: None,
            scale: None,
            values: Vec::new(),
            to: None,
            required: false,
            unique: false,
            backfill: None,
            description: None,
        }
    }

    pub fn profile(&self) -> Profile {
        let row = |sql: &str, rust, samples, fact| Profile { sql: sql.to_owned(), rust, samples, fact };
        match self.kind {
            FieldType::Text => {
                let length = self.length.map_or(8, |length| length.min(8)) as usize;
                let sql = self.length.map_or_else(|| "text".to_owned(), |length| format!("varchar({length})"));
                row(&sql, "String", [json!("a".repeat(length)), json!("b".repeat(length))], "text")
            }
            FieldType::Smallint => row("smallint", "i16", [json!(1), json!(2)], "int"),
            FieldType::Integer => row("integer", "i32", [json!(1), json!(2)], "int"),
            FieldType::Bigint => row("bigint", "i64", [json!(1), json!(2)], "int"),
            FieldType::Boolean => row("boolean", "bool", [json!(true), json!(false)], "boolean"),
            FieldType::Date => row("date", "time::Date", [json!("2026-01-31"), json!("2026-02-28")], "date"),
            FieldType::Timestamp => row(
                "timestamptz",
                "Timestamp",
                [json!("2026-01-31T12:30:00Z"), json!("2026-02-28T23:59:59.123456Z")],
                "timestamp",
            ),
            FieldType::Uuid => row(
                "uuid",
                "uuid::Uuid",
                [json!("018f2a5e-7d3b-7c1a-9a55-3b1f0c2d4e5f"), json!("018f2a5e-7d3b-7c1a-9a55-3b1f0c2d4e60")],
                "uuid",
            ),
            FieldType::Json => row("jsonb", "serde_json::Value", [json!({ "a": 1 }), json!([1, "b"])], "json"),
            FieldType::Decimal => {
                let (precision, scale) = self.digits();
                let sample = |digit: &str| {
                    let whole = if precision > scale { digit } else { "0" };
                    let fraction = digit.repeat(scale as usize);
                    json!(if scale == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") })
                };
                let sql = format!("numeric({precision},{scale})");
                row(&sql, "rust_decimal::Decimal", [sample("1"), sample("2")], "decimal")
            }
            FieldType::Enum => {
                let first = self.values.first().cloned().unwrap_or_default();
                let last = self.values.last().cloned().unwrap_or_default();
                row("text", "String", [json!(first), json!(last)], "enum")
            }
            FieldType::Ref => row("bigint", "i64", [json!(1), json!(1)], "refs"),
        }
    }

    /// Digits and digits after the point of a `decimal`.
    pub fn digits(&self) -> (u32, u32) {
        (self.precision.unwrap_or(18), self.scale.unwrap_or(0))
    }

    /// The column that the field is: without what matters only while it is added.
    #[must_use]
    pub fn column(&self) -> Self {
        Self { backfill: None, ..self.clone() }
    }

    /// Whether PostgreSQL converts every value of this field to the other's type, or refuses it: none is changed
    /// silently but by rounding a decimal ("Assignment casts", documentation of `create cast`).
    pub fn converts_to(&self, other: &Self) -> bool {
        use FieldType::{Bigint, Decimal, Enum, Integer, Json, Ref, Smallint, Text};
        match (self.kind, other.kind) {
            (Ref, Ref) => self.to == other.to,
            (Ref, _) | (_, Ref) => false,
            (from, to) if from == to => true,
            (Smallint | Integer | Bigint | Decimal, Smallint | Integer | Bigint | Decimal) => true,
            (Text, Enum) => true,
            (Json, Text) => false,
            (_, Text) => true,
            _ => false,
        }
    }

    /// Whether some value of this field has no place in the other, which it converts to.
    pub fn narrows_to(&self, other: &Self) -> bool {
        use FieldType::{Bigint, Decimal, Enum, Integer, Smallint, Text};
        let digits = |field: &Self| match field.kind {
            Smallint => (5, 0),
            Integer => (10, 0),
            Bigint => (19, 0),
            _ => {
                let (precision, scale) = field.digits();
                (precision.saturating_sub(scale), scale)
            }
        };
        let narrower = match (self.kind, other.kind) {
            (Text | Enum, Text) => match (self.length, other.length) {
                (_, None) => false,
                (Some(from), Some(to)) => to < from,
                (None, Some(to)) => {
                    self.kind == Text || self.values.iter().any(|value| value.chars().count() > to as usize)
                }
            },
            (Text, Enum) => true,
            (Enum, Enum) => self.values.iter().any(|value| !other.values.contains(value)),
            (Smallint | Integer | Bigint | Decimal, Smallint | Integer | Bigint | Decimal) => {
                let ((whole, fraction), (other_whole, other_fraction)) = (digits(self), digits(other));
                // The greatest integers are no power of ten: a decimal of as many digits may be too great for one.
                let equal_is_less = self.kind == Decimal && other.kind != Decimal;
                other_whole < whole || other_fraction < fraction || (equal_is_less && other_whole == whole)
            }
            (_, Text) => other.length.is_some(),
            _ => false,
        };
        narrower || (other.unique && !self.unique)
    }

    /// Collects what is wrong with this field, whose place in the spec is `path`.
    pub fn check(&self, name: &SqlName, path: &[String], problems: &mut Vec<Problem>) {
        let mut refuse = |key: Option<&str>, message: String| {
            problems.push(Problem::at(path.iter().cloned().chain(key.map(str::to_owned)), message));
        };
        if IMPLICIT_COLUMNS.contains(&name.as_str()) {
            refuse(None, format!("every table has its own column `{name}`"));
        }
        if ["self", "super", "crate"].contains(&name.as_str()) {
            refuse(None, format!("`{name}` cannot be a field in Rust, not even as a raw identifier"));
        }
        let foreign = [
            ("length", self.length.is_some(), self.kind == FieldType::Text),
            ("precision", self.precision.is_some(), self.kind == FieldType::Decimal),
            ("scale", self.scale.is_some(), self.kind == FieldType::Decimal),
            ("values", !self.values.is_empty(), self.kind == FieldType::Enum),
            ("to", self.to.is_some(), self.kind == FieldType::Ref),
        ];
        if let Some(value) = self.backfill.as_ref().filter(|value| !self.accepts(value)) {
            refuse(Some("backfill"), format!("{value} is no value of this field"));
        }
        for (key, given, fits) in foreign {
            if given && !fits {
                refuse(Some(key), format!("`{key}` does not apply to a field of this type"));
            }
        }
        match self.kind {
            FieldType::Text if self.length.is_some_and(|length| !(1..=LONGEST_TEXT).contains(&length)) => {
                refuse(Some("length"), format!("the length of a text is 1 to {LONGEST_TEXT} characters"));
            }
            FieldType::Decimal => {
                let (precision, scale) = self.digits();
                if !(1..=28).contains(&precision) {
                    refuse(Some("precision"), "a decimal has 1 to 28 digits".to_owned());
                } else if scale > precision {
                    refuse(Some("scale"), format!("{scale} digits after the point of {precision} in all"));
                }
            }
            FieldType::Enum => self.check_values(&mut refuse),
            FieldType::Ref if self.to.is_none() => {
                refuse(None, "a `ref` names the entity it refers to: `to: country`".to_owned());
            }
            FieldType::Boolean | FieldType::Json if self.unique => {
                refuse(Some("unique"), "a field of this type cannot be unique".to_owned());
            }
            _ => {}
        }
    }

    /// Whether a JSON value looks like one of this field. What PostgreSQL must decide, such as whether a date exists,
    /// is left to it.
    fn accepts(&self, value: &Value) -> bool {
        let within = |least: i64, most: i64| value.as_i64().is_some_and(|value| (least..=most).contains(&value));
        let text = value.as_str().filter(|text| !text.contains('\0'));
        match self.kind {
            FieldType::Text => {
                text.is_some_and(|text| self.length.is_none_or(|length| text.chars().count() <= length as usize))
            }
            FieldType::Smallint => within(i16::MIN.into(), i16::MAX.into()),
            FieldType::Integer => within(i32::MIN.into(), i32::MAX.into()),
            FieldType::Bigint => within(i64::MIN, i64::MAX),
            FieldType::Boolean => value.is_boolean(),
            FieldType::Date | FieldType::Timestamp | FieldType::Uuid => text.is_some_and(|text| !text.is_empty()),
            FieldType::Json => !value.is_null(),
            FieldType::Decimal => {
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = |text: &str| {
                    let (whole, fraction) =
                        text.strip_prefix('-').unwrap_or(text).split_once('.').unwrap_or((text, "0"));
                    digits(whole.trim_start_matches('-')) && digits(fraction)
                };
                value.is_number() || text.is_some_and(number)
            }
            FieldType::Enum => text.is_some_and(|text| self.values.iter().any(|legal| legal == text)),
            FieldType::Ref => within(1, i64::MAX),
        }
    }

    fn check_values(&self, refuse: &mut impl FnMut(Option<&str>, String)) {
        if self.values.is_empty() {
            refuse(None, "an `enum` lists its values: `values: [open, closed]`".to_owned());
        }
        for (index, value) in self.values.iter().enumerate() {
            if value.is_empty() || value.chars().count() > 63 || value.chars().any(char::is_control) {
                refuse(Some("values"), format!("`{}` is not 1 to 63 printable characters", value.escape_debug()));
            }
            if self.values[..index].contains(value) {
                refuse(Some("values"), format!("`{value}` stands twice"));
            }
        }
    }
}
