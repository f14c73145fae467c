//! How commands get at what was typed: on the command line, or in answer to a question. A wizard asks for what is
//! missing and for nothing that was given, and holds each answer against the spec at once.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Failure;
use super::session::Session;
use crate::cli::{Format, Global};
use crate::prompt::{Prompt, Terminal};
use crate::spec::transition::TransitionError;
use crate::spec::{Spec, SpecDocument};
use crate::worktree::Worktree;

/// Someone to ask, if anybody can be asked.
pub(super) fn anybody(global: &Global) -> Option<Box<dyn Prompt>> {
    if global.no_input || global.format != Format::Text {
        return None;
    }
    Terminal::open(has_colors(global)).map(|terminal| Box::new(terminal) as Box<dyn Prompt>)
}

/// Whether what is drawn on standard error has colours.
pub(super) fn has_colors(global: &Global) -> bool {
    global.color != clap::ColorChoice::Never
        && anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Someone to ask, and the spec that the answers are for; `missing` says what to give where nobody can be asked. The
/// repository is not locked meanwhile: an answer may take a while.
pub(super) fn wizard(global: &Global, tree: &Worktree, missing: &str) -> Result<(Box<dyn Prompt>, Current), Failure> {
    let prompt = anybody(global).ok_or_else(|| Failure::Usage(missing.to_owned()))?;
    let session = Session::read(tree)?;
    Ok((prompt, Current { spec: session.desired()?, document: session.document }))
}

/// The spec as it is while questions are asked.
pub(super) struct Current {
    pub(super) document: SpecDocument,
    /// The document, resolved.
    pub(super) spec: Spec,
}

impl Current {
    /// Why the spec could not be edited like this: the objection to an answer.
    pub(super) fn objection(
        &self,
        edit: impl FnOnce(&mut SpecDocument, &Spec) -> Result<(), TransitionError>,
    ) -> Result<(), String> {
        let mut document = self.document.clone();
        edit(&mut document, &self.spec).map_err(|error| error.to_string())?;
        let first = |problems: Vec<_>| problems.into_iter().next();
        match Spec::resolve(document).map_err(first) {
            Ok(_) | Err(None) => Ok(()),
            Err(Some(problem)) => Err(match problem.help {
                Some(help) => format!("{}; {help}", problem.message),
                None => problem.message,
            }),
        }
    }
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

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;
    use crate::spec::SPEC_FILE;

    /// Answers questions from a list, and fails on one that is not expected. An answer to which the wizard objects is
    /// followed by the next one, as on a terminal.
    pub(in crate::commands) struct Script {
        answers: VecDeque<(&'static str, &'static str)>,
        pub(in crate::commands) objections: Vec<String>,
    }

    impl Script {
        pub(in crate::commands) fn new(answers: &[(&'static str, &'static str)]) -> Self {
            Self { answers: answers.iter().copied().collect(), objections: Vec::new() }
        }

        fn next(&mut self, question: &str) -> &'static str {
            let (start, answer) = self.answers.pop_front().unwrap_or_else(|| panic!("asked {question}"));
            assert!(question.starts_with(start), "asked {question}, not {start}");
            answer
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                assert!(self.answers.is_empty(), "not asked: {:?}", self.answers);
            }
        }
    }

    impl Prompt for Script {
        fn line(
            &mut self,
            question: &str,
            default: &str,
            check: &dyn Fn(&str) -> Result<(), String>,
        ) -> io::Result<String> {
            loop {
                let answer = match self.next(question) {
                    "" => default,
                    answer => answer,
                };
                match check(answer) {
                    Ok(()) => return Ok(answer.to_owned()),
                    Err(objection) => self.objections.push(objection),
                }
            }
        }

        fn select(&mut self, question: &str, options: &[&str]) -> io::Result<usize> {
            let answer = self.next(question);
            let found = options.iter().position(|option| option.starts_with(answer));
            Ok(found.unwrap_or_else(|| panic!("{answer} is not among {options:?}")))
        }

        fn choose(&mut self, question: &str, options: &[&str], _all: bool) -> io::Result<Vec<bool>> {
            let answer = self.next(question);
            Ok(options.iter().map(|option| option.starts_with(answer)).collect())
        }

        fn confirm(&mut self, question: &str, default: bool) -> io::Result<bool> {
            let answer = self.next(question);
            Ok(if answer.is_empty() { default } else { answer == "y" })
        }

        fn say(&mut self, _text: &str) -> io::Result<()> {
            Ok(())
        }
    }

    /// The spec of a small repository: `dev` and `prod`, a handler, two entities.
    pub(in crate::commands) fn current() -> Current {
        let text = "version: 1\nservice: {name: a}\nenvironments: {dev: {}, prod: {replicas: 4}}\n\
            handlers: {quote: {method: GET, path: '/api/v1/quotes/{symbol}'}}\n\
            entities:\n  country: {fields: {code: {type: text}}}\n  currency: {fields: {country: {type: ref, to: country}}}\n";
        let document = SpecDocument::parse(SPEC_FILE, text).unwrap();
        Current { spec: Spec::resolve(document.clone()).unwrap(), document }
    }
}
