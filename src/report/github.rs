//! A report as workflow commands of GitHub Actions, which show up beside the files of a pull request ("Workflow commands
//! for GitHub Actions", GitHub documentation).

use std::io::{self, Write};

use super::Report;
use crate::drift::Drift;
use crate::plan::{Action, SIDECAR};

pub(super) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for Drift { path, problem, fix } in &report.drift {
        annotate(out, "error", &[("file", path)], &format!("{path} {problem}; run: {fix}"))?;
    }
    for change in &report.changes {
        let path = change.path.as_str();
        let (path, problem) = match change.action {
            Action::Conflict => (path, "has conflict markers"),
            Action::Sidecar => (path.strip_suffix(SIDECAR).unwrap_or(path), "has a new text beside it"),
            Action::Missing => (path, "is missing"),
            _ => continue,
        };
        annotate(out, "error", &[("file", path)], &format!("{path} {problem}"))?;
    }
    for mention in &report.mentions {
        let place = [("file", mention.path.as_str()), ("line", &mention.line.to_string())];
        annotate(out, "warning", &place, &format!("names what was removed: {}", mention.text))?;
    }
    for warning in &report.warnings {
        annotate(out, "warning", &[], warning)?;
    }
    writeln!(out, "{}", report.headline)
}

pub(super) fn print_error(message: &str, out: &mut impl Write) -> io::Result<()> {
    annotate(out, "error", &[], message)
}

/// Neither a value nor the text may end the command or look like another one.
pub(super) fn annotate(out: &mut impl Write, level: &str, place: &[(&str, &str)], text: &str) -> io::Result<()> {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let value = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    write!(out, "::{level} title=appgen")?;
    for (key, text) in place {
        write!(out, ",{key}={}", value(text))?;
    }
    writeln!(out, "::{}", data(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_command() {
        let mut out = Vec::new();
        annotate(&mut out, "error", &[("file", "a,b:c%\n")], "one\n::set-output::two 100%").unwrap();
        let expected = "::error title=appgen,file=a%2Cb%3Ac%25%0A::one%0A::set-output::two 100%25\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
