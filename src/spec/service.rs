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
    /// The https address under which `docs/runbook.md` is read: alerts link to its sections. Default: its path.
    pub runbook_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    pub name: ServiceName,
    pub description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub image: String,
    pub postgres: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
}

const DEFAULT_POSTGRES: u8 = 17;

impl Service {
    pub fn resolve(written: ServiceDocument) -> Self {
        Self {
            description: written.description.unwrap_or_else(|| title(written.name.kebab())),
            owner: written.owner,
            image: written.image.unwrap_or_else(|| written.name.kebab().to_owned()),
            postgres: written.postgres.unwrap_or(DEFAULT_POSTGRES),
            runbook_url: written.runbook_url,
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
        if let Some(url) = self.runbook_url.as_ref().filter(|url| !is_page(url)) {
            let example = "https://git.example.com/team/service/-/blob/main/docs/runbook.md";
            refuse("runbook_url", format!("`{}` is not an https address such as `{example}`", url.escape_debug()));
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
    Gitlab,
    None,
}

/// The switches of the optional parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// A bounded pool of workers for jobs off the request path. Default: true.
    pub worker_pool: bool,
    /// TLS on the traffic listener: certificate and key from files. Default: false.
    pub tls: bool,
    /// Routes ask for a JSON Web Token. Default: false.
    pub jwt: bool,
    /// A page at `/docs` of the admin listener that shows the OpenAPI document; works without a network. Default: false.
    pub openapi_docs: bool,
    /// A client for calls of other services: pooled, with time limits and retries. Default: true.
    pub http_client: bool,
    /// A PodMonitor and alert rules for the Prometheus operator, and a dashboard for Grafana. Default: false.
    pub monitoring: bool,
    /// A Helm chart beside the kustomize overlays, with values for every environment. Default: false.
    pub helm: bool,
    /// Default: `github`.
    pub ci: Ci,
    /// Where the continuous integration installs appgen from, to run `appgen check`. Without it there is no such job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appgen_source: Option<AppgenSource>,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            worker_pool: true,
            tls: false,
            jwt: false,
            http_client: true,
            openapi_docs: false,
            monitoring: false,
            helm: false,
            ci: Ci::Github,
            appgen_source: None,
        }
    }
}

/// What `cargo install` is told: a version in the registry of crates, or a commit or tag of a git repository. Always a
/// fixed one: the appgen that checks a repository must hold the templates that it was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AppgenSource {
    /// An exact version, such as `1.4.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// An https address of a git repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// A tag in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// A commit in it, in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
}

/// A key, its value, whether a value is legal, and what a legal one is.
type Part<'a> = (&'static str, &'a Option<String>, fn(&str) -> bool, &'static str);

impl AppgenSource {
    /// The flags of `cargo install`; nothing in them means anything to a shell or to YAML.
    pub fn flags(&self) -> Vec<String> {
        let parts = [("version", &self.version), ("git", &self.git), ("tag", &self.tag), ("rev", &self.rev)];
        parts.into_iter().filter_map(|(flag, value)| value.as_ref().map(|value| format!("--{flag} {value}"))).collect()
    }

    fn check(&self, problems: &mut Vec<Problem>) {
        let mut refuse = |key: Option<&str>, message: String| {
            let path = ["features", "appgen_source"].into_iter().chain(key);
            problems.push(Problem::at(path, message));
        };
        let one_of_both = match (&self.version, &self.git, &self.tag, &self.rev) {
            (Some(_), None, None, None) => true,
            (None, Some(_), tag, rev) => tag.is_some() != rev.is_some(),
            _ => false,
        };
        if !one_of_both {
            refuse(None, "the source is a `version`, or a `git` with a `tag` or a `rev`".to_owned());
        }
        let parts: [Part<'_>; 4] = [
            ("version", &self.version, is_exact_version, "an exact version such as `1.4.0`"),
            ("git", &self.git, is_https_address, "an https address such as `https://github.com/acme/appgen`"),
            ("tag", &self.tag, is_tag, "a tag such as `v1.4.0`"),
            ("rev", &self.rev, is_commit, "a commit in full, 40 or 64 hexadecimal digits"),
        ];
        for (key, value, is_legal, wanted) in parts {
            if let Some(value) = value.as_ref().filter(|value| !is_legal(value)) {
                refuse(Some(key), format!("`{}` is not {wanted}", value.escape_debug()));
            }
        }
    }
}

/// Three numbers and, after a hyphen, an identifier (Semantic Versioning 2.0.0, without build metadata).
fn is_exact_version(text: &str) -> bool {
    let (numbers, pre) = text.split_once('-').unwrap_or((text, "0"));
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|number| number.to_string() == part);
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    text.len() <= 64
        && numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && pre.split('.').all(is_word)
}

/// A host and a path without user, query and anything that a shell or YAML would read.
fn is_https_address(text: &str) -> bool {
    let legal = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    text.len() <= 140
        && text.strip_prefix("https://").is_some_and(|rest| rest.contains('/') && rest.split('/').all(legal))
}

/// The address of a page to which `#section` can be appended.
fn is_page(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~/:@%+".contains(c);
    text.len() <= 140
        && text
            .strip_prefix("https://")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.chars().all(legal))
}

/// A ref's name (git-check-ref-format(1)) of plain characters.
fn is_tag(text: &str) -> bool {
    let legal = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && !part.contains("..")
            && !part.ends_with('.')
            && !part.ends_with(".lock")
    };
    text.len() <= 100 && text.split('/').all(legal)
}

fn is_commit(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

impl Features {
    pub fn check(&self, problems: &mut Vec<Problem>) {
        let Some(source) = &self.appgen_source else { return };
        source.check(problems);
        if self.ci == Ci::None {
            let message = "there is no continuous integration that would install it: `features.ci` is `none`";
            problems.push(Problem::at(["features", "appgen_source"], message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_can_be_appended_to_the_address_of_a_runbook() {
        for legal in ["https://a.example/b", "https://git.example.com:8443/a/-/blob/main/docs/run~book%20.md"] {
            assert!(is_page(legal), "{legal}");
        }
        for illegal in
            ["", "https://", "http://a.example/b", "https:///b", "https://a/b#c", "https://a/b?c", "https://a b"]
        {
            assert!(!is_page(illegal), "{illegal}");
        }
    }

    #[test]
    fn sources_that_reach_a_shell_are_plain() {
        let source = |version: &str, git: &str, tag: &str, rev: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            AppgenSource { version: some(version), git: some(git), tag: some(tag), rev: some(rev) }
        };
        let problems = |source: &AppgenSource| {
            let mut problems = Vec::new();
            source.check(&mut problems);
            problems
        };
        let (address, commit) = ("https://github.com/acme/appgen", "0123456789abcdef0123456789abcdef01234567");
        for legal in [
            source("1.4.0", "", "", ""),
            source("0.1.0-rc.1", "", "", ""),
            source("", address, "v1.4.0", ""),
            source("", "https://git.acme.example/team/appgen.git", "release/1.4", ""),
            source("", address, "", commit),
        ] {
            assert_eq!(problems(&legal), [], "{legal:?}");
        }
        for illegal in [
            source("", "", "", ""),
            source("1.4.0", address, "v1", ""),
            source("1.4.0", "", "v1", ""),
            source("", address, "", ""),
            source("", address, "v1", commit),
            source("", "", "v1", ""),
            source("1.4", "", "", ""),
            source("^1.4.0", "", "", ""),
            source("01.4.0", "", "", ""),
            source("1.4.0-", "", "", ""),
            source("1.4.0; reboot", "", "", ""),
            source("", "http://github.com/acme/appgen", "v1", ""),
            source("", "https://user:word@github.com/acme/appgen", "v1", ""),
            source("", "https://github.com/acme/appgen?a=$(reboot)", "v1", ""),
            source("", "https://github.com/../appgen", "v1", ""),
            source("", "https://github.com/acme/appgen: x", "v1", ""),
            source("", "https://github.com", "v1", ""),
            source("", address, "--path", ""),
            source("", address, "v1 --force", ""),
            source("", address, "v1..2", ""),
            source("", address, "a\nb", ""),
            source("", address, "", "main"),
            source("", address, "", &commit.to_uppercase()),
        ] {
            assert_ne!(problems(&illegal), [], "{illegal:?}");
        }
    }
}
