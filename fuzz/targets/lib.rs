//! The properties are those of the ordinary tests.
#[path = "../../tests/hostile/properties.rs"]
pub mod properties;
