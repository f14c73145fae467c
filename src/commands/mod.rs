//! One file for each subcommand. Here: the exhaustive match, and how a failure becomes an exit code.

mod list;
mod new;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::render::RenderError;
use crate::report;
use crate::spec::problem::SpecError;
use crate::templates::TemplateError;
use crate::worktree::TargetError;

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
    /// Whoever reads our output has stopped reading (`appgen list | head -1`).
    #[error("the reader of the output is gone")]
    OutputClosed,
}

impl Failure {
    fn exit(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 5,
            Self::OutputClosed => 0,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(error.to_string()),
        }
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

/// Runs one command and prints what is to be said, an error included.
pub fn run(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let choice = match global.color {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    };
    let mut out = AutoStream::new(io::stdout().lock(), choice);
    let mut err = AutoStream::new(io::stderr().lock(), choice);
    let done = match command {
        Command::New(arguments) => {
            // Questions are printed by the terminal itself, which needs the lock.
            drop(err);
            let done = new::run(&global, arguments, &mut out);
            err = AutoStream::new(io::stderr().lock(), choice);
            done
        }
        Command::List => list::run(&global, &mut out),
        Command::Schema => report::print_json(&crate::spec::json_schema(), &mut out).map_err(Failure::from),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "appgen", &mut script);
            out.write_all(&script).map_err(Failure::from)
        }
    };
    match done.and_then(|()| out.flush().map_err(Failure::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            let exit = failure.exit();
            // Nothing is left to be done where even the error cannot be printed.
            let _ = report::print_error(&failure.to_string(), exit, global.format, &mut out, &mut err);
            ExitCode::from(exit)
        }
    }
}
