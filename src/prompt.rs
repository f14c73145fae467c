//! Asks for what flags left open. The only reader of a terminal, behind a trait so that tests can answer.

use std::io::{self, IsTerminal as _};

use dialoguer::console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, MultiSelect, Select};

use crate::cli::INTERRUPTED;

/// Someone who answers questions.
pub trait Prompt {
    /// Asks for a line until `check` has no objection. An empty answer is the default.
    ///
    /// # Errors
    /// The terminal is gone, or the user interrupted.
    fn line(&mut self, question: &str, default: &str, check: &dyn Fn(&str) -> Result<(), String>)
    -> io::Result<String>;

    /// Asks which one of the options it is; the first by default.
    ///
    /// # Errors
    /// As for [`Prompt::line`].
    fn select(&mut self, question: &str, options: &[&str]) -> io::Result<usize>;

    /// Asks which of the options are wanted; by default all of them, or none.
    ///
    /// # Errors
    /// As for [`Prompt::line`].
    fn choose(&mut self, question: &str, options: &[&str], all: bool) -> io::Result<Vec<bool>>;

    /// Asks for a yes or a no, of which one is the default.
    ///
    /// # Errors
    /// As for [`Prompt::line`].
    fn confirm(&mut self, question: &str, default: bool) -> io::Result<bool>;

    /// Shows text between questions.
    ///
    /// # Errors
    /// As for [`Prompt::line`].
    fn say(&mut self, text: &str) -> io::Result<()>;
}

/// Questions on the terminal's standard error, so that standard output stays the report's.
pub struct Terminal {
    theme: Box<dyn Theme>,
    colors: bool,
}

impl Terminal {
    /// None where nobody could answer: standard input or standard error is no terminal.
    pub fn open(colors: bool) -> Option<Self> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        // A menu hides the cursor: whoever leaves it by Ctrl-C gets it back. A handler that is there already does it.
        let _ = ctrlc::set_handler(|| interrupted());
        let theme: Box<dyn Theme> = if colors { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) };
        Some(Self { theme, colors })
    }
}

impl Prompt for Terminal {
    fn line(
        &mut self,
        question: &str,
        default: &str,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> io::Result<String> {
        let input = Input::<String>::with_theme(self.theme.as_ref())
            .with_prompt(question)
            .allow_empty(true)
            .validate_with(|text: &String| check(text));
        let input = if default.is_empty() { input } else { input.default(default.to_owned()) };
        input.interact_text().map_err(from_dialoguer)
    }

    fn select(&mut self, question: &str, options: &[&str]) -> io::Result<usize> {
        let select = Select::with_theme(self.theme.as_ref()).with_prompt(question).report(true);
        select.items(options).default(0).interact().map_err(from_dialoguer)
    }

    fn choose(&mut self, question: &str, options: &[&str], all: bool) -> io::Result<Vec<bool>> {
        let chosen = MultiSelect::with_theme(self.theme.as_ref())
            .with_prompt(format!("{question} (space to toggle, enter when done)"))
            .items(options)
            .defaults(&vec![all; options.len()])
            .interact()
            .map_err(from_dialoguer)?;
        Ok((0..options.len()).map(|index| chosen.contains(&index)).collect())
    }

    fn confirm(&mut self, question: &str, default: bool) -> io::Result<bool> {
        let confirm = Confirm::with_theme(self.theme.as_ref()).with_prompt(question).default(default);
        confirm.interact().map_err(from_dialoguer)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let plain = anstream::adapter::strip_str(text).to_string();
        Term::stderr().write_line(if self.colors { text } else { &plain })
    }
}

fn from_dialoguer(error: dialoguer::Error) -> io::Error {
    let dialoguer::Error::IO(error) = error;
    if error.kind() == io::ErrorKind::Interrupted {
        // The signal's handler is on its way, on a thread of its own: whoever comes first ends us in the same way.
        interrupted();
    }
    error
}

fn interrupted() -> ! {
    // Where not even that can be written, the terminal is gone.
    let _ = Term::stderr().show_cursor();
    std::process::exit(INTERRUPTED.into())
}
