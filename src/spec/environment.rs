//! One deployment environment and its knobs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::EnvironmentName;
use super::problem::Problem;

/// Where the environment's database runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Database {
    /// A StatefulSet beside the service, for development.
    InCluster,
    /// Somebody else's server, reached at `database_host`.
    External,
}

/// Where the environment's secrets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Secrets {
    /// An uncommitted file that kustomize turns into a Secret.
    File,
    /// A Secret that must exist in the namespace.
    Existing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// An environment as it is written: every knob may be left to its default.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentDocument {
    /// Pods of the service. Default: 1 in `dev`, 2 elsewhere.
    pub replicas: Option<u16>,
    /// Default: `in-cluster` in `dev`, `external` elsewhere.
    pub database: Option<Database>,
    /// Host name of an external database. Default: `postgres.<environment>.internal`.
    pub database_host: Option<String>,
    /// Default: `file` in `dev`, `existing` elsewhere.
    pub secrets: Option<Secrets>,
    /// Default: `debug` in `dev`, `info` elsewhere.
    pub log_level: Option<LogLevel>,
    /// Liquibase contexts. Default: the environment's name, with `testdata` in `dev` and `test`.
    pub contexts: Option<Vec<String>>,
    /// Whether the overlay makes its namespace. Default: only in `dev`.
    pub create_namespace: Option<bool>,
}

impl EnvironmentDocument {
    /// Every knob that is not given is taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            replicas: self.replicas.or(other.replicas),
            database: self.database.or(other.database),
            database_host: self.database_host.or(other.database_host),
            secrets: self.secrets.or(other.secrets),
            log_level: self.log_level.or(other.log_level),
            contexts: self.contexts.or(other.contexts),
            create_namespace: self.create_namespace.or(other.create_namespace),
        }
    }
}

/// An environment with every knob decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    pub replicas: u16,
    pub database: Database,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_host: Option<String>,
    pub secrets: Secrets,
    pub log_level: LogLevel,
    pub contexts: Vec<String>,
    pub create_namespace: bool,
}

/// The context under which test data is loaded.
pub const TESTDATA: &str = "testdata";

impl Environment {
    pub fn resolve(name: &EnvironmentName, written: EnvironmentDocument) -> Self {
        let dev = name.kebab() == "dev";
        let database = written.database.unwrap_or(if dev { Database::InCluster } else { Database::External });
        let default_host = || (database == Database::External).then(|| format!("postgres.{name}.internal"));
        let default_contexts = || {
            let testdata = ["dev", "test"].contains(&name.kebab()).then(|| TESTDATA.to_owned());
            std::iter::once(name.kebab().to_owned()).chain(testdata).collect()
        };
        Self {
            replicas: written.replicas.unwrap_or(if dev { 1 } else { 2 }),
            database,
            database_host: written.database_host.or_else(default_host),
            secrets: written.secrets.unwrap_or(if dev { Secrets::File } else { Secrets::Existing }),
            log_level: written.log_level.unwrap_or(if dev { LogLevel::Debug } else { LogLevel::Info }),
            contexts: written.contexts.unwrap_or_else(default_contexts),
            create_namespace: written.create_namespace.unwrap_or(dev),
        }
    }

    /// The document that says every knob.
    pub fn to_document(&self) -> EnvironmentDocument {
        EnvironmentDocument {
            replicas: Some(self.replicas),
            database: Some(self.database),
            database_host: self.database_host.clone(),
            secrets: Some(self.secrets),
            log_level: Some(self.log_level),
            contexts: Some(self.contexts.clone()),
            create_namespace: Some(self.create_namespace),
        }
    }

    pub fn check(&self, name: &EnvironmentName, problems: &mut Vec<Problem>) {
        let mut refuse =
            |key: &str, message: String| problems.push(Problem::at(["environments", name.kebab(), key], message));
        if !(1..=1000).contains(&self.replicas) {
            refuse("replicas", format!("{} replicas; 1 to 1000 are possible", self.replicas));
        }
        match &self.database_host {
            Some(_) if self.database == Database::InCluster => {
                refuse("database_host", "an in-cluster database has its own host name".to_owned());
            }
            Some(host) if !is_host_name(host) => {
                refuse("database_host", format!("`{}` is not a host name (RFC 1123)", host.escape_debug()));
            }
            _ => {}
        }
        if self.contexts.is_empty() {
            refuse("contexts", "without a context Liquibase would run every changeset, test data too".to_owned());
        }
        for (index, context) in self.contexts.iter().enumerate() {
            if !is_context(context) {
                refuse("contexts", format!("`{}` is not a plain Liquibase context", context.escape_debug()));
            } else if self.contexts[..index].contains(context) {
                refuse("contexts", format!("`{context}` stands twice"));
            }
        }
    }
}

/// A DNS name of RFC 1123 labels, or an IPv4 address: what may stand as a host in a URL without brackets.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// One word, and no operator of Liquibase's context expressions.
pub fn is_context(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 40
        && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
        && !["and", "or", "not"].contains(&text)
}
