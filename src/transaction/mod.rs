//! The only module that changes the disk. Whoever kills us at any moment leaves the old tree, or one that the next
//! changing command completes: never one between.
#![allow(clippy::disallowed_methods, reason = "this is the module that may")]

mod change;
mod create;

pub use change::{CommitError, Finished, Guard, Journal, commit, is_interrupted, journal};
pub use create::create;
