//! Fields of an entity, and the one table of field types: a type's SQL, Rust and sample values stand in one row of
//! [`FieldType::profile`]. To add a type, add a variant, its row, and (when it brings a crate) a switch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::name::{EntityName, SqlName};
use super::pattern::{LONGEST, Pattern};
use super::problem::Problem;
use super::service::check_line;

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
    /// `text`: the least number of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u32>,
    /// `text`: what the whole of it must look like, such as `[A-Z]{2}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// Numbers: the least value; for a decimal with a fraction a string, `"0.01"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// Numbers: the greatest value; for a decimal with a fraction a string, `"99.99"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
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
    /// Whether lists can be filtered by it, over an index. Unique fields and references can be in any case.
    #[serde(default, skip_serializing_if = "is_false")]
    pub index: bool,
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
    pub rust: String,
    /// Two legal values, as they stand in JSON; they differ where there are two.
    pub samples: [Value; 2],
    /// The condition that files and crates of this type depend on.
    pub fact: &'static str,
}

/// Columns that every table has besides its fields.
pub const IMPLICIT_COLUMNS: &[&str] = &["id", "version", "created_at", "updated_at"];

/// PostgreSQL's limit for `varchar(n)` (documentation, 8.3).
const LONGEST_TEXT: u32 = 10_485_760;
/// Every test of a generated entity sends as much.
const LONGEST_MIN_LENGTH: u32 = 1000;

impl Field {
    pub fn new(kind: FieldType) -> Self {
        Self {
            kind,
            length: None,
            min_length: None,
            pattern: None,
            min: None,
            max: None,
            precision: None,
            scale: None,
            values: Vec::new(),
            to: None,
            required: false,
            unique: false,
            index: false,
            backfill: None,
            description: None,
        }
    }

    pub fn profile(&self) -> Profile {
        let row = |sql: &str, rust: &str, samples, fact| Profile {
            sql: sql.to_owned(),
            rust: rust.to_owned(),
            samples,
            fact,
        };
        match self.kind {
            FieldType::Text => {
                let sql = self.length.map_or_else(|| "text".to_owned(), |length| format!("varchar({length})"));
                row(&sql, "String", self.sample_texts().map(|text| json!(text)), "text")
            }
            FieldType::Smallint => row("smallint", "i16", self.sample_numbers(), "int"),
            FieldType::Integer => row("integer", "i32", self.sample_numbers(), "int"),
            FieldType::Bigint => row("bigint", "i64", self.sample_numbers(), "int"),
            FieldType::Boolean => row("boolean", "bool", [json!(true), json!(false)], "boolean"),
            FieldType::Date => row("date", "Date", [json!("2026-01-31"), json!("2026-02-28")], "date"),
            FieldType::Timestamp => row(
                "timestamptz",
                "Timestamp",
                [json!("2026-01-31T12:30:00Z"), json!("2026-02-28T23:59:59.123456Z")],
                "timestamp",
            ),
            FieldType::Uuid => row(
                "uuid",
                "uuid::Uuid",
                // Whoever calls the field `key` would else have what gitleaks takes for one.
                [json!("11111111-1111-7111-8111-111111111111"), json!("22222222-2222-7222-8222-222222222222")],
                "uuid",
            ),
            FieldType::Json => row("jsonb", "Document", [json!({ "a": 1 }), json!([1, "b"])], "json"),
            FieldType::Decimal => {
                let (precision, scale) = self.digits();
                let sql = format!("numeric({precision},{scale})");
                Profile {
                    rust: format!("Decimal<{precision}, {scale}>"),
                    ..row(&sql, "", self.sample_numbers(), "decimal")
                }
            }
            FieldType::Enum => {
                let first = self.values.first().cloned().unwrap_or_default();
                let last = self.values.last().cloned().unwrap_or_default();
                row("text", "String", [json!(first), json!(last)], "enum")
            }
            FieldType::Ref => row("bigint", "i64", [json!(1), json!(1)], "refs"),
        }
    }

    fn sample_texts(&self) -> [String; 2] {
        let shortest = self.min_length.unwrap_or(0) as usize;
        let longest = self.length.map_or(usize::MAX, |length| length as usize);
        match &self.pattern {
            Some(pattern) => pattern.samples(shortest, longest).unwrap_or_default(),
            None => ["a", "b"].map(|letter| letter.repeat(longest.min(8).max(shortest))),
        }
    }

    /// Numbers near one and two that lie between the bounds.
    fn sample_numbers(&self) -> [Value; 2] {
        let (_, scale) = self.digits();
        let [least, most] = self.bounds();
        let (least, most) = (least.unwrap_or(i128::MIN), most.unwrap_or(i128::MAX));
        // Ones, or where there is no place for them before the point, behind it: 1.11, 0.11.
        let (all, fraction) = if self.kind == FieldType::Decimal { self.digits() } else { (1, 0) };
        let digits = if all > fraction { fraction + 1 } else { fraction };
        let ones = (0..digits).fold(0_i128, |ones, _| ones * 10 + 1);
        let clamp = |number: i128| number.max(least).min(most);
        let first = clamp(ones);
        let second = [ones * 2, first.saturating_add(1), first.saturating_sub(1)].map(clamp);
        let second = second.into_iter().find(|second| *second != first).unwrap_or(first);
        [first, second].map(|number| match self.kind {
            FieldType::Decimal => json!(decimal_text(number, scale)),
            _ => json!(i64::try_from(number).unwrap_or_default()),
        })
    }

    /// `min` and `max` in units of the last digit.
    pub fn bounds(&self) -> [Option<i128>; 2] {
        [&self.min, &self.max].map(|bound| bound.as_ref().and_then(|bound| self.units(bound)))
    }

    /// A number of this field in units of its last digit; none where it is no number that the field can hold.
    fn units(&self, value: &Value) -> Option<i128> {
        let text = match value {
            Value::Number(number) => number.as_i64()?.to_string(),
            Value::String(text) if self.kind == FieldType::Decimal => text.clone(),
            _ => return None,
        };
        let within =
            |least: i64, most: i64| text.parse().ok().filter(|v: &i64| (least..=most).contains(v)).map(i128::from);
        match self.kind {
            FieldType::Smallint => within(i16::MIN.into(), i16::MAX.into()),
            FieldType::Integer => within(i32::MIN.into(), i32::MAX.into()),
            FieldType::Bigint => within(i64::MIN, i64::MAX),
            FieldType::Decimal => {
                let (precision, scale) = (self.digits().0 as usize, self.digits().1 as usize);
                let digits = text.strip_prefix('-').unwrap_or(&text);
                let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
                let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
                let whole = if plain(whole) { whole.trim_start_matches('0') } else { return None };
                let fraction = if plain(fraction) { fraction.trim_end_matches('0') } else { return None };
                if fraction.len() > scale || whole.len() > precision.saturating_sub(scale) {
                    return None;
                }
                let units: i128 = format!("0{whole}{fraction:0<scale$}").parse().ok()?;
                Some(if text.starts_with('-') { -units } else { units })
            }
            _ => None,
        }
    }

    /// The bounds as numbers that those of a field with another scale can be compared with: what stands before the
    /// point, and what behind it.
    fn comparable_bounds(&self) -> [Option<(i128, i128)>; 2] {
        let scale = if self.kind == FieldType::Decimal { self.digits().1.min(28) } else { 0 };
        let unit = 10_i128.pow(scale);
        let split = |units: i128| (units.div_euclid(unit), units.rem_euclid(unit) * 10_i128.pow(28 - scale));
        self.bounds().map(|bound| bound.map(split))
    }

    /// Whether lists can be filtered by this field.
    pub fn filters(&self) -> bool {
        self.unique || self.index || self.kind == FieldType::Ref
    }

    /// Whether the field has an index that is not there to keep it unique.
    pub fn has_index(&self) -> bool {
        self.filters() && !self.unique
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
        narrower || (other.unique && !self.unique) || self.validates_less_than(other)
    }

    /// Whether the other refuses, by a length, a pattern or a bound, what this field accepts.
    fn validates_less_than(&self, other: &Self) -> bool {
        let ([least, most], [other_least, other_most]) = (self.comparable_bounds(), other.comparable_bounds());
        let shortest = |field: &Self| field.min_length.unwrap_or(0);
        shortest(self) < shortest(other)
            || (other.pattern.is_some() && self.pattern != other.pattern)
            || other_least.is_some_and(|bound| least.is_none_or(|least| least < bound))
            || other_most.is_some_and(|bound| most.is_none_or(|most| most > bound))
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
        let number =
            matches!(self.kind, FieldType::Smallint | FieldType::Integer | FieldType::Bigint | FieldType::Decimal);
        let foreign = [
            ("length", self.length.is_some(), self.kind == FieldType::Text),
            ("min_length", self.min_length.is_some(), self.kind == FieldType::Text),
            ("pattern", self.pattern.is_some(), self.kind == FieldType::Text),
            ("min", self.min.is_some(), number),
            ("max", self.max.is_some(), number),
            ("index", self.index, self.kind != FieldType::Json),
            ("precision", self.precision.is_some(), self.kind == FieldType::Decimal),
            ("scale", self.scale.is_some(), self.kind == FieldType::Decimal),
            ("values", !self.values.is_empty(), self.kind == FieldType::Enum),
            ("to", self.to.is_some(), self.kind == FieldType::Ref),
        ];
        if let Some(Err(reason)) = self.description.as_deref().map(check_line) {
            refuse(None, format!("the description {reason}"));
        }
        if let Some(value) = self.backfill.as_ref().filter(|value| !self.accepts(value)) {
            refuse(Some("backfill"), format!("{value} is no value of this field"));
        }
        for (key, given, fits) in foreign {
            if given && !fits {
                refuse(Some(key), format!("`{key}` does not apply to a field of this type"));
            }
        }
        match self.kind {
            FieldType::Text => self.check_text(&mut refuse),
            FieldType::Smallint | FieldType::Integer | FieldType::Bigint => self.check_bounds(&mut refuse),
            FieldType::Decimal => {
                let (precision, scale) = self.digits();
                if !(1..=28).contains(&precision) {
                    refuse(Some("precision"), "a decimal has 1 to 28 digits".to_owned());
                } else if scale > precision {
                    refuse(Some("scale"), format!("{scale} digits after the point of {precision} in all"));
                } else {
                    self.check_bounds(&mut refuse);
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
        if self.index && (self.unique || self.kind == FieldType::Ref) {
            refuse(Some("index"), "a field that is unique or a reference has an index already".to_owned());
        }
        if self.filters() && ["after", "limit"].contains(&name.as_str()) {
            refuse(None, format!("lists are filtered by this field, but `{name}` is a parameter of their pages"));
        }
    }

    /// Whether a JSON value looks like one of this field. What PostgreSQL must decide, such as whether a date exists,
    /// is left to it.
    fn accepts(&self, value: &Value) -> bool {
        let text = value.as_str().filter(|text| !text.contains('\0'));
        match self.kind {
            FieldType::Text => {
                let shortest = self.min_length.unwrap_or(0) as usize;
                let longest = self.length.map_or(usize::MAX, |length| length as usize);
                text.is_some_and(|text| {
                    (shortest..=longest).contains(&text.chars().count())
                        && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
                })
            }
            FieldType::Smallint | FieldType::Integer | FieldType::Bigint | FieldType::Decimal => {
                let [least, most] = self.bounds();
                self.units(value).is_some_and(|units| {
                    least.is_none_or(|least| least <= units) && most.is_none_or(|most| units <= most)
                })
            }
            FieldType::Boolean => value.is_boolean(),
            FieldType::Date | FieldType::Timestamp | FieldType::Uuid => text.is_some_and(|text| !text.is_empty()),
            FieldType::Json => !value.is_null(),
            FieldType::Enum => text.is_some_and(|text| self.values.iter().any(|legal| legal == text)),
            FieldType::Ref => value.as_i64().is_some_and(|id| id > 0),
        }
    }

    fn check_text(&self, refuse: &mut impl FnMut(Option<&str>, String)) {
        if self.length.is_some_and(|length| !(1..=LONGEST_TEXT).contains(&length)) {
            refuse(Some("length"), format!("the length of a text is 1 to {LONGEST_TEXT} characters"));
        }
        let shortest = self.min_length.unwrap_or(1);
        if !(1..=LONGEST_MIN_LENGTH).contains(&shortest) {
            refuse(Some("min_length"), format!("the least length of a text is 1 to {LONGEST_MIN_LENGTH} characters"));
        } else if self.length.is_some_and(|length| length < shortest) {
            refuse(Some("min_length"), "the least length is more than `length`".to_owned());
        } else if let Some(pattern) = &self.pattern {
            let longest = self.length.map_or(usize::MAX, |length| length as usize);
            if pattern.samples(self.min_length.unwrap_or(0) as usize, longest).is_none() {
                let message = format!("no text of at most {LONGEST} characters fits both the pattern and the length");
                refuse(Some("pattern"), message);
            }
        }
    }

    fn check_bounds(&self, refuse: &mut impl FnMut(Option<&str>, String)) {
        let [least, most] = self.bounds();
        for (key, written, bound) in [("min", &self.min, least), ("max", &self.max, most)] {
            if let (Some(written), None) = (written, bound) {
                let decimal = self.kind == FieldType::Decimal && written.is_f64();
                let hint = if decimal { "; write it as a string, it would be a float otherwise" } else { "" };
                refuse(Some(key), format!("{written} is no value of this field{hint}"));
            }
        }
        if least.zip(most).is_some_and(|(least, most)| least > most) {
            refuse(Some("min"), "`min` is more than `max`".to_owned());
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

/// A decimal from units of its last digit: 111 with a scale of 2 is `1.11`.
pub fn decimal_text(units: i128, scale: u32) -> String {
    let width = scale as usize + 1;
    let digits = format!("{:0>width$}", units.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let sign = if units < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(yaml: &str) -> Field {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn what_refuses_more_is_narrower() {
        for (from, to, narrower) in [
            ("{ type: text }", "{ type: text, min_length: 1 }", true),
            ("{ type: text, min_length: 2 }", "{ type: text, min_length: 1 }", false),
            ("{ type: text }", "{ type: text, pattern: 'a' }", true),
            ("{ type: text, pattern: 'a' }", "{ type: text, pattern: 'b' }", true),
            ("{ type: text, pattern: 'a' }", "{ type: text }", false),
            ("{ type: integer }", "{ type: integer, min: 0 }", true),
            ("{ type: integer, min: 0 }", "{ type: integer, min: -1 }", false),
            ("{ type: integer, max: 5 }", "{ type: integer, max: 4 }", true),
            ("{ type: integer, max: 5 }", "{ type: decimal, precision: 20, scale: 2, max: '5.01' }", false),
            ("{ type: integer, min: -2 }", "{ type: decimal, precision: 20, scale: 2, min: '-1.99' }", true),
            ("{ type: text }", "{ type: text, index: true }", false),
        ] {
            assert_eq!(field(from).narrows_to(&field(to)), narrower, "{from} -> {to}");
        }
    }

    #[test]
    fn samples_lie_between_the_bounds() {
        let samples = |yaml: &str| field(yaml).profile().samples.map(|sample| sample.to_string());
        assert_eq!(samples("{ type: integer, min: 5, max: 5 }"), ["5", "5"]);
        assert_eq!(samples("{ type: integer, max: -7 }"), ["-7", "-8"]);
        assert_eq!(samples("{ type: decimal, precision: 5, scale: 2, min: '1.5' }"), ["\"1.50\"", "\"2.22\""]);
        assert_eq!(samples("{ type: decimal, precision: 2, scale: 2 }"), ["\"0.11\"", "\"0.22\""]);
        assert_eq!(samples("{ type: text, min_length: 9 }"), ["\"aaaaaaaaa\"", "\"bbbbbbbbb\""]);
        assert_eq!(samples("{ type: text, length: 3, pattern: '[a-z]+' }"), ["\"a\"", "\"z\""]);
    }
}
