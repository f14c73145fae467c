//! What matters of what a tool said: the part that says what is wrong, of a length that a person reads.

use anstream::adapter::strip_str;

/// More lines than this are left to the log.
const MOST: usize = 30;

/// How lines begin that tell of progress, or of where in the tool it happened.
const NOISE: &[&str] = &[
    "running ",
    // kubernetes-validate, of each manifest that passes
    "INFO ",
    "Starting Liquibase ",
    "Liquibase Version: ",
    "Liquibase Open Source ",
    "Running Changeset: ",
    // Rust, of a panic
    "stack backtrace:",
    "note: Some details are omitted, ",
];

/// The same for lines that are indented: the words of cargo, the frames of Java and of Rust.
const INDENTED_NOISE: &[&str] = &[
    "Compiling ",
    "Checking ",
    "Downloading ",
    "Downloaded ",
    "Blocking waiting for ",
    "Finished ",
    "Running ",
    "Doc-tests ",
    "at ",
    "... ",
];

/// The lines that matter, and how many more there are.
pub(super) fn excerpt(said: &str) -> (Vec<String>, usize) {
    let text = strip_str(said).to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    // Rust's test runner tells what failed after everything that did not.
    let start = lines.iter().position(|line| *line == "failures:").unwrap_or_default();
    let mut kept: Vec<String> = Vec::new();
    for line in lines[start..].iter().filter(|line| !is_noise(line)) {
        let repeats_an_empty_one = line.is_empty() && kept.last().is_none_or(String::is_empty);
        if !repeats_an_empty_one {
            kept.push((*line).to_owned());
        }
    }
    while kept.last().is_some_and(String::is_empty) {
        kept.pop();
    }
    let more = kept.len().saturating_sub(MOST);
    kept.truncate(MOST);
    (kept, more)
}

fn is_noise(line: &str) -> bool {
    let passed = line.starts_with("test ") && (line.ends_with(" ok") || line.ends_with(" ignored"));
    let begins = |text: &str, noise: &[&str]| noise.iter().any(|noise| text.starts_with(noise));
    let text = line.trim_start();
    let is_frame = text.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    passed || begins(line, NOISE) || text.len() < line.len() && (is_frame || begins(text, INDENTED_NOISE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(said: &str) -> Vec<String> {
        excerpt(said).0
    }

    #[test]
    fn progress_and_frames_are_left_out() {
        let said = "   Compiling a v0.1.0\n\n\x1b[31merror\x1b[0m: no\n\n\nat the end\n    Finished dev\n\n";
        assert_eq!(lines(said), ["error: no", "", "at the end"]);
        let java = "Caused by: X\n\tat a.B.c(B.java:1)\n\t... 32 more\nNext";
        assert_eq!(lines(java), ["Caused by: X", "Next"]);
    }

    #[test]
    fn of_tests_what_failed_is_told() {
        let said = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nplanted\n";
        assert_eq!(lines(said), ["failures:", "", "---- b stdout ----", "planted"]);
        let panic = "planted\nstack backtrace:\n   0: core::panicking\n             at ./a.rs:1:2\n  10: main\nnote: Some details are omitted, run\n";
        assert_eq!(lines(panic), ["planted"]);
    }

    #[test]
    fn the_rest_is_counted() {
        let said: String = (0..50).map(|number| format!("line {number}\n")).collect();
        let (kept, more) = excerpt(&said);
        assert_eq!((kept.len(), more), (MOST, 20));
    }
}
