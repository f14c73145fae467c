//! The service. Read `app` first: it holds the state, the start and the order of the shutdown.

pub mod app;
pub mod commands;
pub mod config;
pub mod server;
pub mod middleware;
pub mod admin;
pub mod readiness;
pub mod handlers;
pub mod entities;
pub mod extract;
pub mod error;
pub mod db;
pub mod worker;
pub mod telemetry;
pub mod build;
