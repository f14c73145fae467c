//! A handler and its route; which routes can stand beside each other.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{is_rust_keyword, is_snake_case};

/// Methods that a handler can be bound to (RFC 9110, 9.3; RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// Whether a request of this method has a body with a meaning (RFC 9110, 9.3).
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// A worked example that stands in a handler's body instead of a skeleton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Example {
    /// Runs the factorial job of the worker pool; needs `features.worker_pool`.
    Factorial,
    /// Asks another service; needs `features.http_client`.
    Quote,
}

impl Example {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Factorial => "factorial",
            Self::Quote => "quote",
        }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Handler {
    pub method: Method,
    pub path: RoutePath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
}

/// `/api/v1/quotes/{symbol}`: static segments and whole-segment parameters, at most 100 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^/([A-Za-z0-9._~-]+|\{[a-z][a-z0-9_]*\})(/([A-Za-z0-9._~-]+|\{[a-z][a-z0-9_]*\}))*$", "maxLength" = 100))]
pub struct RoutePath(String);

/// What the service keeps for itself, on the admin listener or for later.
const RESERVED_PATHS: &[&str] = &["/livez", "/readyz", "/metrics", "/version", "/config", "/openapi.json", "/docs"];

impl RoutePath {
    /// # Errors
    /// What is wrong with the path, with a path that would do where there is one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug();
        if !text.starts_with('/') {
            return Err(format!("`{shown}` does not start with `/`"));
        }
        if text.len() > 100 {
            return Err(format!("the path has {} characters; 100 are possible", text.len()));
        }
        if text.len() > 1 && text.ends_with('/') {
            return Err(format!("`{shown}` ends with `/`; try `{}`", text.trim_end_matches('/').escape_debug()));
        }
        let mut parameters = Vec::new();
        for segment in text[1..].split('/') {
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(parameter) => {
                    if !is_snake_case(parameter) || ["self", "super", "crate"].contains(&parameter) {
                        return Err(format!("`{{{}}}` is not a parameter such as `{{id}}`", parameter.escape_debug()));
                    }
                    if parameters.contains(&parameter) {
                        return Err(format!("the parameter `{{{parameter}}}` stands twice"));
                    }
                    parameters.push(parameter);
                }
                None => check_static(segment, text)?,
            }
        }
        let reserved =
            |path: &&&str| text == **path || text.strip_prefix(**path).is_some_and(|rest| rest.starts_with('/'));
        if let Some(path) = RESERVED_PATHS.iter().find(reserved) {
            return Err(format!("`{path}` is the service's own; try `/api/v1{text}`"));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path up to its first parameter.
    pub fn literal_prefix(&self) -> &str {
        self.0.split('{').next().unwrap_or_default()
    }

    /// The parameters in order, each with its Rust identifier.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.split('/').filter_map(|segment| {
            let name = segment.strip_prefix('{')?.strip_suffix('}')?;
            Some((name, if is_rust_keyword(name) { format!("r#{name}") } else { name.to_owned() }))
        })
    }

    /// The path with its parameters' names left out: two paths of one shape are one node of the router.
    pub fn shape(&self) -> String {
        let segments = self.0.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    }
}

fn check_static(segment: &str, path: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if segment.is_empty() {
        return Err(format!("`{}` has an empty segment", path.escape_debug()));
    }
    if segment == "." || segment == ".." {
        return Err(format!("`{}` has a `{segment}` segment, which clients resolve away", path.escape_debug()));
    }
    if let Some(c) = segment.chars().find(|c| !legal(*c)) {
        return Err(format!(
            "`{}` has `{}`: a segment is letters, digits and `-._~`, or a whole `{{parameter}}`",
            path.escape_debug(),
            c.escape_debug()
        ));
    }
    Ok(())
}

impl TryFrom<String> for RoutePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<RoutePath> for String {
    fn from(path: RoutePath) -> Self {
        path.0
    }
}
