//! `cargo run --example man -- DIRECTORY`: writes a manual page for appgen, and one for each subcommand. An example,
//! because in the program it would cost 0.1 to 0.2 MiB of memory at every run.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool of the developers")]

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

use appgen::cli::Cli;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// As README.md has them; `tests/release.rs` holds them against it.
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "done, or nothing to do"),
    ("1", "failed"),
    ("2", "a mistake in what was typed or in a spec, or an answer that is missing where nobody can be asked"),
    (
        "3",
        "the repository is not as it should be: drift (check, diff --exit-code), a check of verify that failed or lacks \
         a required tool",
    ),
    ("4", "written, with conflicts or texts beside files for you to settle"),
    ("5", "refused for safety; nothing was written"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: man DIRECTORY")?;
    let directory = Path::new(&directory);
    fs::create_dir_all(directory)?;
    let mut main = Cli::command().disable_help_subcommand(true);
    main.build();
    let version = format!("appgen {}", env!("CARGO_PKG_VERSION"));
    for command in [&main].into_iter().chain(main.get_subcommands()) {
        let (name, page) = page(command, &version)?;
        fs::write(directory.join(name), page)?;
    }
    Ok(())
}

/// The name of the file, and its text. Without a date, so that the same source gives the same page; a blank one, because
/// the field cannot be empty.
fn page(command: &Command, version: &str) -> io::Result<(String, Vec<u8>)> {
    let man = Man::new(command.clone()).date(" ").source(version).manual("appgen Manual");
    let name = man.get_filename();
    let title = name.trim_end_matches(".1").to_uppercase();
    let mut text = Vec::new();
    man.title(title).render(&mut text)?;
    let mut more = Roff::new();
    more.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_STATUS {
        more.control("TP", []).text([roman(*code)]).text([roman(*meaning)]);
    }
    more.to_writer(&mut text)?;
    Ok((name, text))
}
