//! The schemas of the custom resources that a repository may have: tools that know Kubernetes' own kinds pass over these.

/// A schema of JSON for the list of an environment's objects. `examples/crd_schemas.rs` writes it.
pub const SCHEMA: &str = include_str!("custom_resources.json");
