//! appgen renders a repository from a spec and keeps it alive. One flow serves every command:
//!
//! ```text
//! flags + questions ──> answers ──> Spec (appgen.yaml)
//!                                     │
//!                    TemplateSet ──> render ──> plan ──> transaction ──> disk
//!                                                 └────> report (text | JSON)
//! ```
//!
//! The modules below are in reading order; `tests/architecture.rs` holds who may import whom.

pub mod cli;
pub mod commands;
mod digest;
pub mod drift;
pub mod git;
pub mod lock;
pub mod merge;
pub mod plan;
pub mod prompt;
pub mod render;
pub mod report;
pub mod spec;
pub mod templates;
pub mod transaction;
pub mod verify;
pub mod worktree;
