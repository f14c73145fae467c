use std::process::ExitCode;

use appgen::{cli::Cli, commands};
use clap::Parser as _;

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
