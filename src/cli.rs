//! What was typed: flags and arguments, before anything is made of them.

use std::cell::RefCell;
use std::env;
use std::ffi::OsString;
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
    /// Change files that have uncommitted edits
    #[arg(long, global = true)]
    pub allow_dirty: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Not typed: what was done about an interrupted run before the command began. It is said however the command ends.
    #[arg(skip)]
    pub recovered: RefCell<Vec<String>>,
}

/// The exit code of a command that Ctrl-C ended, as a shell reports it.
pub const INTERRUPTED: u8 = 130;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs; `appgen schema --report` describes it
    Json,
    /// For the summary of a CI job
    Markdown,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new repository
    New(New),
    /// Add an environment: its configuration and its overlay
    AddEnv(AddEnv),
    /// Add a handler: its route, its function and its test
    AddHandler(AddHandler),
    /// Add an entity: its table, its resource and its test
    AddEntity(AddEntity),
    /// Add a changeset with SQL of your own
    AddMigration(AddMigration),
    /// Remove an environment
    RemoveEnv(Remove),
    /// Remove a handler
    RemoveHandler(Remove),
    /// Remove an entity; its table is kept
    RemoveEntity(RemoveEntity),
    /// Bring the repository to what appgen.yaml says
    Sync(Sync),
    /// Bring the repository to the templates of this appgen
    Upgrade,
    /// Settle conflicts: of a git merge in appgen's files, and those that you have edited away
    Resolve,
    /// Put files back as the spec renders them; what was there stays beside them
    Restore(Paths),
    /// Take the last change back
    Undo,
    /// Show what was edited since appgen wrote it
    Diff(Diff),
    /// Show how the repository stands
    Status,
    /// Fail where the repository is not what appgen.yaml says
    Check,
    /// List what the repository's spec holds
    List,
    /// Run every check of the repository for which the tool is there
    Verify(Verify),
    /// List the tools of a repository: which are there, and how to install the others
    Doctor,
    /// Print the JSON Schema of appgen.yaml
    Schema(Schema),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Args)]
pub struct AddEnv {
    /// Name of the environment, such as `staging`
    pub name: Option<String>,
    /// Take every knob that is not given from this environment
    #[arg(long, value_name = "ENV")]
    pub from: Option<String>,
    /// Pods of the service
    #[arg(long, value_name = "N", conflicts_with = "autoscale")]
    pub replicas: Option<u16>,
    /// Let the number of pods follow the load: `2..8`
    #[arg(long, value_name = "MIN..MAX")]
    pub autoscale: Option<String>,
    /// How it is reached from outside: `none`, `ingress`, `gateway` or `load-balancer`
    #[arg(long, value_name = "WAY")]
    pub expose: Option<String>,
    /// Host name under which an Ingress or a Gateway serves
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Where the database runs: `in-cluster` or `external`
    #[arg(long, value_name = "WHERE")]
    pub database: Option<String>,
    /// Host name of an external database
    #[arg(long, value_name = "HOST")]
    pub database_host: Option<String>,
    /// Where secrets come from: `file`, `existing` or `external`
    #[arg(long, value_name = "WHERE")]
    pub secrets: Option<String>,
    /// `error`, `warn`, `info`, `debug` or `trace`
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Liquibase contexts, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub contexts: Option<Vec<String>>,
    /// Whether the overlay makes its namespace
    #[arg(long, value_name = "BOOL")]
    pub create_namespace: Option<bool>,
}

#[derive(Debug, Args)]
pub struct AddHandler {
    /// Name of the handler, such as `get-quote`
    pub name: Option<String>,
    /// GET, POST, PUT, PATCH or DELETE; default GET
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Route, such as `/api/v1/quotes/{symbol}`; default `/api/v1/NAME`
    #[arg(long)]
    pub path: Option<String>,
}

#[derive(Debug, Args)]
pub struct AddEntity {
    /// Name of the entity, such as `invoice`
    pub name: Option<String>,
    /// Fields, such as `number:text(20)!^`: `!` required, `?` may be null, `^` unique, `+` indexed
    #[arg(value_name = "FIELD:TYPE")]
    pub fields: Vec<String>,
    /// Name of the table; default: the plural of the entity's name
    #[arg(long)]
    pub table: Option<String>,
}

#[derive(Debug, Args)]
pub struct AddMigration {
    /// What it does, as words with hyphens: `fill-country-names`
    pub name: Option<String>,
    /// The same as a sentence, for the file's head
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

#[derive(Debug, Args)]
pub struct Remove {
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct RemoveEntity {
    pub name: Option<String>,
    /// Drop the table too, in a changeset that can be rolled back
    #[arg(long, conflicts_with = "unapplied")]
    pub drop_table: bool,
    /// Withdraw the table's changesets: no database has run them yet
    #[arg(long)]
    pub unapplied: bool,
}

#[derive(Debug, Args)]
pub struct Sync {
    /// Make changesets that drop or narrow columns
    #[arg(long)]
    pub allow_destructive: bool,
}

#[derive(Debug, Args)]
pub struct Paths {
    /// Paths from the root of the repository
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// Only these paths, from the root of the repository
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Exit with 3 where something differs
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Run only these checks, and fail where a tool of theirs is missing; `appgen verify -n` lists them all
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave these checks out
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Fail where a tool of these checks is missing; `all` stands for every check
    #[arg(long, value_name = "all|NAMES", value_delimiter = ',')]
    pub require: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Schema {
    /// The schema of what `--format json` prints
    #[arg(long)]
    pub report: bool,
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

/// The variables that appgen reads, all of them here.
#[derive(Debug)]
pub struct Variables {
    pub path: OsString,
    pub test_database_url: Option<OsString>,
    pub term: Option<OsString>,
}

impl Variables {
    #[expect(clippy::disallowed_methods, reason = "this is the place that may")]
    pub fn read() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Self { path: set("PATH").unwrap_or_default(), test_database_url: set("TEST_DATABASE_URL"), term: set("TERM") }
    }
}
