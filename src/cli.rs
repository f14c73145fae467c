//! What was typed: flags and arguments, before anything is made of them.

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

/// Scaffolds a production-grade axum service.
#[derive(Debug, Parser)]
#[command(name = "appgen", version = VERSION, max_term_width = 100, propagate_version = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// The version, and the commit where the build knew it.
const VERSION: &str = env!("APPGEN_VERSION");

#[derive(Debug, Args)]
pub struct Global {
    /// Work in this directory
    #[arg(short = 'C', long, global = true, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub directory: PathBuf,
    /// Show what would be done, and do nothing
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,
    /// Show the text of every change
    #[arg(long, global = true)]
    pub diff: bool,
    /// How to report
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Never ask; a missing answer is an error
    #[arg(long, global = true)]
    pub no_input: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new repository
    New(New),
    /// List what the repository's spec holds
    List,
    /// Print the JSON Schema of appgen.yaml
    Schema,
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Args)]
pub struct New {
    /// Name of the service and of its directory, such as `my-service`
    pub name: Option<String>,
    /// Read the spec from a file, or from standard input with `-`
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Environments, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub env: Vec<String>,
    /// Leave out the example entities, handlers and job
    #[arg(long, conflicts_with = "spec")]
    pub no_examples: bool,
    /// Make no git repository
    #[arg(long)]
    pub no_git: bool,
    /// Take the default for every question
    #[arg(short, long)]
    pub yes: bool,
}
