//! How commands get at what was typed: on the command line, or in answer to a question.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Failure;
use crate::cli::{Format, Global};
use crate::prompt::{Prompt, Terminal};

/// Someone to ask, if anybody can be asked.
pub(super) fn anybody(global: &Global) -> Option<Box<dyn Prompt>> {
    if global.no_input || global.format == Format::Json {
        return None;
    }
    let colors = global.color != clap::ColorChoice::Never
        && anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    Terminal::open(colors).map(|terminal| Box::new(terminal) as Box<dyn Prompt>)
}

/// Someone to ask; `missing` says what is missing where nobody can be asked.
pub(super) fn terminal(global: &Global, missing: &str) -> Result<Box<dyn Prompt>, Failure> {
    anybody(global).ok_or_else(|| Failure::Usage(missing.to_owned()))
}

/// A name or path; what is wrong with it is a mistake in what was typed.
pub(super) fn parsed<T, E: ToString>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Failure> {
    parse(text.trim()).map_err(|error| Failure::Usage(error.to_string()))
}

/// One of the words of the spec that a flag takes.
pub(super) fn choice<T: DeserializeOwned>(flag: &str, text: Option<&str>) -> Result<Option<T>, Failure> {
    let Some(text) = text else { return Ok(None) };
    serde_json::from_value(Value::String(text.to_owned())).map(Some).map_err(|error| {
        // serde says: unknown variant `x`, expected one of `a`, `b`
        let expected = error.to_string();
        let expected = expected.split_once("expected ").map_or("another word", |(_, expected)| expected);
        Failure::Usage(format!("`{}` is not possible for {flag}: {expected}", text.escape_debug()))
    })
}
