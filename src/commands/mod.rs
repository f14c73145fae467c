//! One file for each subcommand. Here: the exhaustive match, and how a failure becomes an exit code.

mod add_entity;
mod add_env;
mod add_handler;
mod add_migration;
mod ask;
mod check;
mod diff;
mod doctor;
mod list;
mod new;
mod remove;
mod resolve;
mod restore;
mod session;
mod status;
mod sync;
mod undo;
mod upgrade;
mod verify;

use std::io;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::CommandFactory as _;

use crate::cli::{Cli, Command, Global};
use crate::lock::LockError;
use crate::plan::{LOCK_FILE, PlanError};
use crate::render::RenderError;
use crate::report;
use crate::spec::problem::SpecError;
use crate::spec::transition::TransitionError;
use crate::templates::{Sets, TemplateError};
use crate::transaction::{self, CommitError};
use crate::verify::SiteError;
use crate::worktree::{TargetError, Worktree};

/// Why a command ended without doing its work. The variants are the exit codes.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Failed(String),
    /// A mistake in what was typed or in a spec, or an answer that is missing and cannot be asked for.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    fn exit(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 5,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::NotEmpty(_) | TargetError::NotADirectory(_) => Self::Refused(error.to_string()),
            TargetError::NoParent(_) => Self::Usage(error.to_string()),
            TargetError::Unreadable { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        Self::Failed(format!("{error}; this is a defect of appgen"))
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        RenderError::Set(error).into()
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let message = format!("`{LOCK_FILE}`: {error}");
        match error {
            LockError::Newer(_) | LockError::Markers => Self::Refused(message),
            LockError::Malformed(_) => Self::Failed(message),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Render(error) => error.into(),
            PlanError::Read(_) => Self::Failed(error.to_string()),
            PlanError::Refused(_) => Self::Refused(error.to_string()),
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Io { .. } | CommitError::HalfMade { .. } => Self::Failed(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<SiteError> for Failure {
    fn from(error: SiteError) -> Self {
        match error {
            SiteError::Busy(_) => Self::Refused(error.to_string()),
            SiteError::Target { .. } | SiteError::Signals(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<TransitionError> for Failure {
    fn from(error: TransitionError) -> Self {
        match error {
            TransitionError::Unknown { .. } => Self::Usage(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// The repository is not as it should be: only of `check`, `verify` and `diff --exit-code`.
    Drift = 3,
    /// Written, with conflicts, or with texts beside files that were saved meanwhile: somebody must settle them.
    Conflicts = 4,
}

impl Exit {
    /// Of a change: whether anything is left for somebody to settle.
    fn settled(is_settled: bool) -> Self {
        if is_settled { Self::Done } else { Self::Conflicts }
    }
}

/// Runs one command with the template sets of this binary.
pub fn run(cli: Cli) -> ExitCode {
    let color = match cli.global.color {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    };
    let mut out = AutoStream::new(io::stdout().lock(), color);
    // Questions are asked on standard error: it is locked only while an error is printed.
    let mut err = AutoStream::new(io::stderr(), color);
    ExitCode::from(run_with(cli, Sets::embedded(), &mut out, &mut err))
}

/// Runs one command with chosen template sets, prints what is to be said, an error included, and returns the exit code.
pub fn run_with(cli: Cli, sets: Result<Sets, TemplateError>, out: &mut impl io::Write, err: &mut impl io::Write) -> u8 {
    let Cli { global, command } = cli;
    let done = sets.map_err(Failure::from).and_then(|sets| dispatch(&global, &sets, command, out));
    let flushed = |exit| report::unless_closed(out.flush()).map(|()| exit).map_err(Failure::from);
    match done.and_then(flushed) {
        Ok(exit) => exit as u8,
        Err(failure) => {
            let exit = failure.exit();
            // Nothing is left to be done where even the error cannot be printed.
            let _ = report::print_error(&failure.to_string(), &global.recovered.take(), exit, global.format, out, err);
            exit
        }
    }
}

/// Runs a command that only reads. It shows one state of the repository, not the beginning of one and the end of the next.
fn read_only(
    global: &Global,
    out: &mut impl io::Write,
    command: impl Fn(&Worktree, &mut Vec<u8>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let tree = session::worktree(global)?;
    let (exit, shown) = transaction::undisturbed(&tree, || {
        let mut shown = Vec::new();
        (command(&tree, &mut shown), shown)
    });
    report::unless_closed(out.write_all(&shown))?;
    exit
}

fn dispatch(global: &Global, sets: &Sets, command: Command, out: &mut impl io::Write) -> Result<Exit, Failure> {
    match command {
        Command::New(arguments) => new::run(global, sets, arguments, out),
        Command::AddEnv(arguments) => add_env::run(global, sets, arguments, out),
        Command::AddHandler(arguments) => add_handler::run(global, sets, arguments, out),
        Command::AddEntity(arguments) => add_entity::run(global, sets, arguments, out),
        Command::AddMigration(arguments) => add_migration::run(global, sets, arguments, out),
        Command::RemoveEnv(arguments) => remove::environment(global, sets, arguments, out),
        Command::RemoveHandler(arguments) => remove::handler(global, sets, arguments, out),
        Command::RemoveEntity(arguments) => remove::entity(global, sets, arguments, out),
        Command::Sync(arguments) => sync::run(global, sets, arguments, out),
        Command::Upgrade => upgrade::run(global, sets, out),
        Command::Resolve => resolve::run(global, sets, out),
        Command::Restore(arguments) => restore::run(global, sets, arguments, out),
        Command::Undo => undo::run(global, out),
        Command::Diff(arguments) => read_only(global, out, |tree, out| diff::run(global, sets, &arguments, tree, out)),
        Command::Status => read_only(global, out, |tree, out| status::run(global, sets, tree, out)),
        Command::Check => read_only(global, out, |tree, out| check::run(global, sets, tree, out)),
        Command::List => read_only(global, out, |tree, out| list::run(global, tree, out)),
        Command::Verify(arguments) => verify::run(global, sets, arguments, out),
        Command::Doctor => doctor::run(global, out),
        Command::Schema(arguments) => {
            let schema = if arguments.report { report::json_schema() } else { crate::spec::json_schema() };
            report::unless_closed(report::print_json(&schema, out))?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "appgen", &mut script);
            report::unless_closed(out.write_all(&script))?;
            Ok(Exit::Done)
        }
    }
}
