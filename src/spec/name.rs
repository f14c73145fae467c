//! Names as a user types them, parsed once. Whatever passed here may stand bare in a path, a manifest, a shell line or
//! Rust source; templates rely on it.

use std::fmt;

use heck::{ToKebabCase, ToSnakeCase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a name is refused, and what to try instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", suggestion.as_ref().map(|s| format!("; try `{s}`")).unwrap_or_default())]
pub struct NameError {
    pub reason: String,
    pub suggestion: Option<String>,
}

impl NameError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), suggestion: None }
    }

    fn or(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

/// Strict and reserved keywords of Rust 2024 (The Rust Reference, "Keywords").
const RUST_KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Plain scalars that some YAML reader takes for a boolean or a null (YAML 1.1, "Language-Independent Types").
const YAML_WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Device names that no file of a Windows checkout may have ("Naming Files, Paths, and Namespaces", Microsoft).
const WINDOWS_DEVICES: &[&str] = &[
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Crate and directory names that Cargo or rustc keep for themselves.
const CARGO_RESERVED: &[&str] =
    &["std", "core", "alloc", "test", "proc-macro", "build", "deps", "examples", "incremental"];

/// Direct dependencies of the generated package under any switch: a binary of the same name fails with E0464.
/// `tests/names.rs` holds this list against the template.
pub const DIRECT_DEPENDENCIES: &[&str] = &[
    "anyhow",
    "axum",
    "base64",
    "flate2",
    "futures-util",
    "http-body-util",
    "hyper",
    "hyper-rustls",
    "hyper-util",
    "percent-encoding",
    "prometheus-client",
    "rand",
    "rcgen",
    "regex-lite",
    "ring",
    "rlimit",
    "rust-decimal",
    "rustls",
    "rustls-native-certs",
    "secrecy",
    "serde",
    "serde-json",
    "serde-path-to-error",
    "serde-yaml",
    "socket2",
    "subtle",
    "time",
    "tokio",
    "tokio-postgres",
    "tokio-postgres-rustls",
    "tokio-rustls",
    "tokio-util",
    "tower",
    "tracing",
    "tracing-log",
    "tracing-subscriber",
    "utoipa",
    "utoipa-swagger-ui",
    "uuid",
];

/// Names that PostgreSQL keeps for roles and databases of its own.
const POSTGRES_RESERVED: &[&str] = &["public", "none", "postgres", "template0", "template1"];

/// Words with a grammatical meaning in a Liquibase context expression.
const CONTEXT_OPERATORS: &[&str] = &["and", "or", "not"];

pub fn is_rust_keyword(snake: &str) -> bool {
    RUST_KEYWORDS.binary_search(&snake).is_ok()
}

/// The shape that all names share: an RFC 1123 label that starts with a letter and is at most `max` characters long.
fn check_label(kind: &str, text: &str, max: usize) -> Result<(), NameError> {
    let suggestion = || {
        let ascii: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let kebab = ascii.to_kebab_case();
        let label: String = kebab.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(max).collect();
        let label = label.trim_end_matches('-').to_owned();
        (!label.is_empty() && label != text && check_words(kind, &label).is_ok()).then_some(label)
    };
    let refuse = |reason: String| NameError { reason, suggestion: suggestion() };
    if text.is_empty() {
        return Err(NameError::new(format!("the {kind} name is empty")));
    }
    if text.contains(['/', '\\']) || text == "." || text == ".." {
        return Err(refuse(format!("`{}` is a path, and a {kind} name is one word", text.escape_debug())));
    }
    if let Some(c) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        return Err(refuse(format!(
            "`{}` has `{}`, and a {kind} name has only lower-case ASCII letters, digits and `-`",
            text.escape_debug(),
            c.escape_debug()
        )));
    }
    if text.len() > max {
        return Err(refuse(format!("`{text}` has {} characters, and a {kind} name has at most {max}", text.len())));
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(refuse(format!("`{text}` does not start with a letter")));
    }
    if text.ends_with('-') || text.contains("--") {
        return Err(refuse(format!("`{text}` has a `-` at its end or two in a row")));
    }
    check_words(kind, text)
}

fn check_words(kind: &str, text: &str) -> Result<(), NameError> {
    if is_rust_keyword(&text.replace('-', "_")) {
        return Err(NameError::new(format!("`{text}` is a Rust keyword")).or(format!("{text}-{kind}")));
    }
    if YAML_WORDS.contains(&text) {
        return Err(NameError::new(format!("`{text}` reads as a boolean or null in YAML")).or(format!("{text}-{kind}")));
    }
    if WINDOWS_DEVICES.contains(&text) {
        return Err(NameError::new(format!("`{text}` is a device name on Windows")).or(format!("{text}-{kind}")));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $max:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = "^[a-z]([a-z0-9-]*[a-z0-9])?$", "maxLength" = $max))]
        pub struct $type(String);

        impl $type {
            /// # Errors
            /// The reason for which the name is refused.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<(), NameError> = $check;
                check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// `get-quote`, as it was typed.
            pub fn kebab(&self) -> &str {
                &self.0
            }

            /// `get_quote`.
            pub fn snake(&self) -> String {
                self.0.replace('-', "_")
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Name of the service: package, binary, image, Kubernetes objects.
    ServiceName, 40, |text| {
        check_label("service", text, 40)?;
        if CARGO_RESERVED.contains(&text) {
            return Err(NameError::new(format!("`{text}` is reserved by Cargo or rustc")).or(format!("{text}-service")));
        }
        if text.starts_with("pg-") || POSTGRES_RESERVED.contains(&text) {
            return Err(NameError::new(format!("`{text}` cannot be a database and its owner in PostgreSQL"))
                .or(format!("{}-service", text.trim_start_matches("pg-"))));
        }
        if DIRECT_DEPENDENCIES.contains(&text) {
            return Err(NameError::new(format!("`{text}` is a dependency of the generated package"))
                .or(format!("{text}-service")));
        }
        Ok(())
    }
);

name_type!(
    /// Name of a deployment environment: a directory, a label, part of a namespace.
    EnvironmentName, 20, |text| {
        check_label("environment", text, 20)?;
        if ["base", "all", "overlays"].contains(&text) {
            return Err(NameError::new(format!("`{text}` has another meaning among the overlays")));
        }
        if CONTEXT_OPERATORS.contains(&text) {
            return Err(NameError::new(format!("`{text}` is an operator in a Liquibase context expression")));
        }
        Ok(())
    }
);

name_type!(
    /// Name of a handler: a module, a registered function, a key in the configuration.
    HandlerName, 40, |text| {
        check_label("handler", text, 40)?;
        if ["custom", "registry"].contains(&text) {
            return Err(NameError::new(format!("`{text}` is a module of the generated service"))
                .or(format!("{text}-handler")));
        }
        Ok(())
    }
);

name_type!(
    /// Name of an entity, in the singular: a module, and with its plural a table and a path.
    EntityName, 40, |text| {
        check_label("entity", text, 40)?;
        if ["custom", "registry"].contains(&text) {
            return Err(NameError::new(format!("`{text}` is a module of the generated service"))
                .or(format!("{text}-entity")));
        }
        Ok(())
    }
);

/// Turns one word into upper-camel case (RFC 430).
pub fn pascal(kebab: &str) -> String {
    kebab
        .split('-')
        .map(|word| {
            let (head, tail) = word.split_at(word.len().min(1));
            head.to_ascii_uppercase() + tail
        })
        .collect()
}

/// `my-service` -> `My service`.
pub fn title(kebab: &str) -> String {
    let words = kebab.replace('-', " ");
    let (head, tail) = words.split_at(words.len().min(1));
    head.to_ascii_uppercase() + tail
}

/// Lower-case ASCII letters, digits and single `_` inside, a letter first: an identifier to Rust and to SQL.
pub fn is_snake_case(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
        && !text.ends_with('_')
        && !text.contains("__")
}

/// The regular English plural: enough for a default that the user sees and may replace.
pub fn plural(snake: &str) -> String {
    let vowel_before_y = ["ay", "ey", "oy", "uy"].iter().any(|end| snake.ends_with(end));
    if snake.ends_with('y') && !vowel_before_y && snake.len() > 1 {
        format!("{}ies", &snake[..snake.len() - 1])
    } else if ["s", "x", "z", "ch", "sh"].iter().any(|end| snake.ends_with(end)) {
        format!("{snake}es")
    } else {
        format!("{snake}s")
    }
}

/// Words that PostgreSQL reserves (PostgreSQL documentation, appendix C, "reserved"), with Liquibase's own tables.
const SQL_RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "databasechangelog",
    "databasechangeloglock",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    // names of system columns, which no table may define
    "cmax",
    "cmin",
    "ctid",
    "tableoid",
    "xmax",
    "xmin",
];

/// A table or column: an SQL identifier that needs no quotes, at most 63 bytes (PostgreSQL's NAMEDATALEN).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z]([a-z0-9_]*[a-z0-9])?$", "maxLength" = 63))]
pub struct SqlName(String);

impl SqlName {
    /// # Errors
    /// The reason for which the name is refused.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let snake = text.to_snake_case();
        let refuse = |reason: String| {
            let error = NameError::new(reason);
            if snake != text && Self::parse(&snake).is_ok() { error.or(snake.clone()) } else { error }
        };
        if !is_snake_case(text) {
            return Err(refuse(format!(
                "`{}` is not a plain SQL name: lower-case ASCII letters, digits and single `_`, a letter first",
                text.escape_debug()
            )));
        }
        if text.len() > 63 {
            return Err(NameError::new(format!("`{text}` has {} bytes, and PostgreSQL keeps 63", text.len())));
        }
        if SQL_RESERVED.contains(&text) {
            return Err(NameError::new(format!("`{text}` is reserved in PostgreSQL")));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a Rust identifier: raw where it is a keyword.
    pub fn rust_identifier(&self) -> String {
        if is_rust_keyword(&self.0) { format!("r#{}", self.0) } else { self.0.clone() }
    }
}

impl TryFrom<String> for SqlName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<SqlName> for String {
    fn from(name: SqlName) -> Self {
        name.0
    }
}

impl fmt::Display for SqlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The known word that was probably meant: within an edit distance of a third of the longer one.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= word.len().max(candidate.len()))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted_for_the_binary_search() {
        assert!(RUST_KEYWORDS.is_sorted());
    }

    #[test]
    fn plurals_are_the_regular_ones() {
        for (one, many) in [("country", "countries"), ("currency", "currencies"), ("box", "boxes"), ("day", "days")] {
            assert_eq!(plural(one), many);
        }
    }

    #[test]
    fn plurals_of_the_shortest_words() {
        for (one, many) in [("y", "ys"), ("by", "bies"), ("key", "keys"), ("s", "ses"), ("quiz", "quizes"), ("a", "as")]
        {
            assert_eq!(plural(one), many);
        }
    }

    #[test]
    fn a_title_starts_with_a_capital() {
        assert_eq!(["my-service", "a", ""].map(title), ["My service", "A", ""]);
        assert_eq!(["get-quote", "a-1", ""].map(pascal), ["GetQuote", "A1", ""]);
    }

    #[test]
    fn the_closest_word_is_within_a_third() {
        let known = ["health", "metrics", "ready"];
        assert_eq!(closest("helth", known), Some("health"));
        assert_eq!(closest("ready", known), Some("ready"));
        // Two of five letters are more than a third; two of six are a third.
        assert_eq!(closest("redux", known), None);
        assert_eq!(closest("heatlx", known), Some("health"));
        assert_eq!(closest("ab", ["ab"]), Some("ab"));
        assert_eq!(closest("x", []), None);
    }

    #[test]
    fn a_refused_column_comes_with_the_same_in_snake_case_where_that_passes() {
        let refused = |text: &str| SqlName::parse(text).unwrap_err();
        assert_eq!(refused("unitPrice").suggestion.as_deref(), Some("unit_price"));
        assert_eq!(refused("a-b_").suggestion.as_deref(), Some("a_b"));
        for text in ["Select", "1a", "", "order"] {
            assert_eq!(refused(text).suggestion, None, "{text}");
        }
        assert_eq!(refused("order").reason, "`order` is reserved in PostgreSQL");
        let longest = "a".repeat(63);
        assert_eq!(SqlName::parse(&longest).unwrap().as_str(), longest);
        assert!(refused(&format!("{longest}a")).reason.ends_with("has 64 bytes, and PostgreSQL keeps 63"));
        let rust = |text: &str| SqlName::parse(text).unwrap().rust_identifier();
        assert_eq!((rust("type"), rust("kind")), ("r#type".to_owned(), "kind".to_owned()));
    }

    #[test]
    fn a_refusal_says_why_and_what_to_try() {
        let said = |text: &str| ServiceName::parse(text).unwrap_err().to_string();
        for (text, expected) in [
            ("", "the service name is empty"),
            ("a/b", "`a/b` is a path, and a service name is one word; try `a-b`"),
            ("a\\b", "`a\\\\b` is a path, and a service name is one word; try `a-b`"),
            (".", "`.` is a path, and a service name is one word"),
            ("..", "`..` is a path, and a service name is one word"),
            ("Fn", "`Fn` has `F`, and a service name has only lower-case ASCII letters, digits and `-`"),
            ("a.b", "`a.b` has `.`, and a service name has only lower-case ASCII letters, digits and `-`; try `a-b`"),
            ("1st", "`1st` does not start with a letter; try `st`"),
            ("1", "`1` does not start with a letter"),
            ("a-", "`a-` has a `-` at its end or two in a row; try `a`"),
            ("a--b", "`a--b` has a `-` at its end or two in a row; try `a-b`"),
            ("async", "`async` is a Rust keyword; try `async-service`"),
            ("off", "`off` reads as a boolean or null in YAML; try `off-service`"),
            ("lpt1", "`lpt1` is a device name on Windows; try `lpt1-service`"),
            ("build", "`build` is reserved by Cargo or rustc; try `build-service`"),
            ("pg-main", "`pg-main` cannot be a database and its owner in PostgreSQL; try `main-service`"),
            ("postgres", "`postgres` cannot be a database and its owner in PostgreSQL; try `postgres-service`"),
            ("tokio", "`tokio` is a dependency of the generated package; try `tokio-service`"),
        ] {
            assert_eq!(said(text), expected);
        }
        let longest = "a".repeat(40);
        assert_eq!(ServiceName::parse(&longest).unwrap().kebab(), longest);
        let longer = format!("{longest}a");
        let expected = format!("`{longer}` has 41 characters, and a service name has at most 40; try `{longest}`");
        assert_eq!(said(&longer), expected);
        // Cut where a word ends, what is tried has no dash at its end.
        let cut = "a".repeat(39);
        assert!(said(&format!("{cut}-b")).ends_with(&format!("; try `{cut}`")));
        for text in ["base", "all", "overlays", "and", "or", "not"] {
            assert_eq!(EnvironmentName::parse(text).unwrap_err().suggestion, None, "{text}");
        }
        for text in ["custom", "registry"] {
            assert_eq!(HandlerName::parse(text).unwrap_err().suggestion, Some(format!("{text}-handler")));
            assert_eq!(EntityName::parse(text).unwrap_err().suggestion, Some(format!("{text}-entity")));
        }
        assert_eq!(EnvironmentName::parse("dev-2").unwrap().snake(), "dev_2");
    }

    #[test]
    fn a_refused_name_comes_with_one_that_passes() {
        for text in ["My Service", "fn", "../x", "1st-service", "test", "Ünicode", "a_b", "on", "con"] {
            let error = ServiceName::parse(text).unwrap_err();
            if let Some(suggestion) = error.suggestion {
                assert!(ServiceName::parse(&suggestion).is_ok(), "{text} -> {suggestion}");
            }
        }
    }
}
