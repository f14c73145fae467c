//! Every suite, in one program: it is linked once, and `tests/proof` shares its parts out.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod architecture;
mod checkov;
mod cli;
mod containers;
mod deployment;
mod diagram;
mod difference;
mod edits;
mod environments;
mod everyday;
mod evolution;
mod faults;
mod generated;
mod gitlab;
mod helm;
mod history;
mod kill;
mod living;
mod manifests;
mod migrations;
mod monitoring;
mod names;
mod patterns;
mod release;
mod reports;
mod scripts;
mod snapshots;
mod spec;
mod support;
mod switches;
mod templates;
mod upgrade;
mod verify;
mod wizard;
mod workflows;
