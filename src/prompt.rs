//! Asks for what flags left open. The only reader of a terminal, behind a trait so that tests can answer.

use std::io::{self, IsTerminal as _};

use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, MultiSelect};

/// Someone who answers questions.
pub trait Prompt {
    /// Asks for a line until `check` has no objection. An empty answer is the default.
    ///
    /// # Errors
    /// The terminal is gone, or the user interrupted.
    fn line(&mut self, question: &str, default: &str, check: &dyn Fn(&str) -> Result<(), String>)
    -> io::Result<String>;

    /// Asks which of the options are wanted; all of them by default.
    ///
    /// # Errors
    /// As for [`Prompt::line`].
    fn choose(&mut self, question: &str, options: &[&str]) -> io::Result<Vec<bool>>;

    /// Asks for a yes, which is the default.
    ///
    /// # Errors
    /// As for [`Prompt::line`].
    fn confirm(&mut self, question: &str) -> io::Result<bool>;

    /// Shows a line between questions.
    ///
    /// # Errors
    /// As for [`Prompt::line`].
    fn say(&mut self, text: &str) -> io::Result<()>;
}

/// Questions on the terminal's standard error, so that standard output stays the report's.
pub struct Terminal {
    theme: Box<dyn Theme>,
}

impl Terminal {
    /// None where nobody could answer: standard input or standard error is no terminal.
    pub fn open(colors: bool) -> Option<Self> {
        let theme: Box<dyn Theme> = if colors { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) };
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(Self { theme })
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

    fn choose(&mut self, question: &str, options: &[&str]) -> io::Result<Vec<bool>> {
        let chosen = MultiSelect::with_theme(self.theme.as_ref())
            .with_prompt(format!("{question} (space to toggle)"))
            .items(options)
            .defaults(&vec![true; options.len()])
            .interact()
            .map_err(from_dialoguer)?;
        Ok((0..options.len()).map(|index| chosen.contains(&index)).collect())
    }

    fn confirm(&mut self, question: &str) -> io::Result<bool> {
        Confirm::with_theme(self.theme.as_ref()).with_prompt(question).default(true).interact().map_err(from_dialoguer)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        dialoguer::console::Term::stderr().write_line(text)
    }
}

fn from_dialoguer(error: dialoguer::Error) -> io::Error {
    let dialoguer::Error::IO(error) = error;
    error
}
