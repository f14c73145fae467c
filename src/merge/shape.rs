//! What a text has apart from its lines: line ends, a byte order mark, a final newline. Merges work without and give
//! back what ours had.

const MARK: char = '\u{feff}';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    mark: bool,
    crlf: bool,
    final_newline: bool,
}

impl Shape {
    /// The shape and the text without it. A text that mixes line ends keeps them: there is no one shape to give back.
    pub fn take(text: &str) -> (Self, String) {
        let body = text.strip_prefix(MARK).unwrap_or(text);
        let newlines = body.matches('\n').count();
        let crlf = newlines > 0 && body.matches("\r\n").count() == newlines;
        let shape =
            Self { mark: body.len() < text.len(), crlf, final_newline: body.is_empty() || body.ends_with('\n') };
        let mut lines = if crlf { body.replace("\r\n", "\n") } else { body.to_owned() };
        if !shape.final_newline {
            lines.push('\n');
        }
        (shape, lines)
    }

    pub fn restore(self, lines: &str) -> String {
        let lines = if self.final_newline { lines } else { lines.strip_suffix('\n').unwrap_or(lines) };
        let mark = if self.mark { MARK.to_string() } else { String::new() };
        mark + &if self.crlf { lines.replace('\n', "\r\n") } else { lines.to_owned() }
    }
}
