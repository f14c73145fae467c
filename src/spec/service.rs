//! The service as a whole, and the switches of its optional parts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{ServiceName, title};
use super::problem::Problem;

/// The service as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceDocument {
    pub name: ServiceName,
    /// One line. Default: the name as words.
    pub description: Option<String>,
    /// A team, a person or an address, for CODEOWNERS and alert routing.
    pub owner: Option<String>,
    /// Container image without a tag. Default: the name.
    pub image: Option<String>,
    /// Major version of PostgreSQL, 15 to 18. Default: 17.
    pub postgres: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    pub name: ServiceName,
    pub description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub image: String,
    pub postgres: u8,
}

const DEFAULT_POSTGRES: u8 = 17;

impl Service {
    pub fn resolve(written: ServiceDocument) -> Self {
        Self {
            description: written.description.unwrap_or_else(|| title(written.name.kebab())),
            owner: written.owner,
            image: written.image.unwrap_or_else(|| written.name.kebab().to_owned()),
            postgres: written.postgres.unwrap_or(DEFAULT_POSTGRES),
            name: written.name,
        }
    }

    pub fn check(&self, problems: &mut Vec<Problem>) {
        let mut refuse = |key: &str, message: String| problems.push(Problem::at(["service", key], message));
        if let Err(reason) = check_line(&self.description) {
            refuse("description", format!("the description {reason}"));
        }
        if let Some(owner) = &self.owner
            && let Err(reason) = check_owner(owner)
        {
            refuse("owner", reason);
        }
        if let Err(reason) = check_image(&self.image) {
            refuse("image", reason);
        }
        if !(15..=18).contains(&self.postgres) {
            refuse("postgres", format!("PostgreSQL {}; the service is made for 15 to 18", self.postgres));
        }
    }
}

/// One printable line of at most 200 characters.
///
/// # Errors
/// What is wrong, as a phrase that follows the thing's name.
pub fn check_line(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        return Err("has a line break or another control character; it is one line".to_owned());
    }
    let length = text.chars().count();
    if length > 200 { Err(format!("has {length} characters; 200 are possible")) } else { Ok(()) }
}

/// # Errors
/// Why the owner could not stand in CODEOWNERS.
pub fn check_owner(owner: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "@._/+-".contains(c);
    if (1..=100).contains(&owner.len()) && owner.chars().all(legal) && owner.contains(|c: char| c.is_alphanumeric()) {
        return Ok(());
    }
    Err(format!("`{}` is not a team (`@acme/payments`), a user or an address", owner.escape_debug()))
}

/// A repository of container images without tag and digest (OCI distribution specification, "Pulling manifests").
///
/// # Errors
/// What is wrong with it.
pub fn check_image(image: &str) -> Result<(), String> {
    let shown = image.escape_debug();
    if image.contains('@') {
        return Err(format!("`{shown}` has a digest; write the image without one"));
    }
    let (host, path) = match image.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
        _ => (None, image),
    };
    if path.contains(':') {
        return Err(format!("`{shown}` has a tag; write the image without one"));
    }
    let component = |text: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(text.chars().next())
            && edge(text.chars().last())
            && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
            && !text.contains("..")
            && !text.contains("___")
    };
    let host_is_legal = host.is_none_or(|host| {
        let (name, port) = host.split_once(':').unwrap_or((host, "1"));
        component(name) && !name.contains('_') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if host_is_legal && image.len() <= 200 && path.split('/').all(component) {
        return Ok(());
    }
    Err(format!("`{shown}` is not an image such as `ghcr.io/acme/my-service`"))
}

/// Where the continuous integration of the repository runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ci {
    #[default]
    Github,
    None,
}

/// The switches of the optional parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// A bounded pool of workers for jobs off the request path. Default: true.
    pub worker_pool: bool,
    /// A page at `/docs` of the admin listener that shows the OpenAPI document; works without a network. Default: false.
    pub openapi_docs: bool,
    /// Default: `github`.
    pub ci: Ci,
}

impl Default for Features {
    fn default() -> Self {
        Self { worker_pool: true, openapi_docs: false, ci: Ci::Github }
    }
}
