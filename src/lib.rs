pub mod spec;
pub mod templates;
pub mod render;
pub mod lock;
pub mod plan;
