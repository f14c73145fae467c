//! The template engine: minijinja with delimiters that occur in no target language, and filters that put any string
//! safely into a position of one.

use std::borrow::Cow;
use std::collections::HashSet;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

use super::RenderError;
use crate::spec::yaml;
use crate::templates::TemplateSet;

pub(super) struct Engine<'set> {
    set: &'set TemplateSet,
    environment: Environment<'set>,
    /// What was loaded last, where nothing in it is to be rendered, as in nearly half of what there is.
    plain: Option<Cow<'set, str>>,
}

impl<'set> Engine<'set> {
    pub(super) fn new(set: &'set TemplateSet) -> Self {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .variable_delimiters("{{{", "}}}")
            .comment_delimiters("{{#", "#}}")
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .expect("the delimiters differ");
        environment.set_syntax(syntax);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(|out, state, value| match value.is_none() {
            true => Err(minijinja::Error::new(ErrorKind::InvalidOperation, "`none` has no text")),
            // Booleans print as `True` otherwise: minijinja follows Python.
            false if value.is_true() && value.kind() == minijinja::value::ValueKind::Bool => Ok(out.write_str("true")?),
            false if value.kind() == minijinja::value::ValueKind::Bool => Ok(out.write_str("false")?),
            false => minijinja::escape_formatter(out, state, value),
        });
        environment.add_filter("yaml", |text: String| yaml(&text).trim_end().to_owned());
        environment.add_filter("toml", json_string);
        environment.add_filter("json", json_string);
        environment.add_filter("rust", |text: String| format!("{text:?}"));
        environment.add_filter("sql", |text: String| sql_string(&text));
        environment.add_filter("sh", |text: String| format!("'{}'", text.replace('\'', r"'\''")));
        environment.add_filter("docker", |text: String| json_string(text).replace('$', r"\$"));
        environment.add_filter("md", |text: String| markdown(&text));
        environment.add_filter("mermaid", |text: String| mermaid(&text));
        Self { set, environment, plain: None }
    }

    /// Parses a template and forgets the one before: the catalog's entries are rendered one after the other.
    pub(super) fn load(&mut self, name: &str) -> Result<(), RenderError> {
        let source = self.set.source(name)?;
        self.environment.clear_templates();
        if !source.contains("{{") && !source.contains("{%") {
            self.plain = Some(source);
            return Ok(());
        }
        self.plain = None;
        self.environment
            .add_template_owned(name.to_owned(), source)
            .map_err(|source| RenderError::Template { name: name.to_owned(), source })
    }

    /// The names that a template may look up and does not give itself, with the attributes behind them: `on.tls`.
    pub(super) fn names(&mut self, name: &str) -> Result<HashSet<String>, RenderError> {
        self.load(name)?;
        if self.plain.is_some() {
            return Ok(HashSet::new());
        }
        let template = self.environment.get_template(name);
        let template = template.map_err(|source| RenderError::Template { name: name.to_owned(), source })?;
        Ok(template.undeclared_variables(true))
    }

    /// Renders the template that was loaded last.
    pub(super) fn render(&self, name: &str, values: &Value) -> Result<String, RenderError> {
        if let Some(text) = &self.plain {
            return Ok(text.clone().into_owned());
        }
        let render = || self.environment.get_template(name)?.render(values.clone());
        let mut text = render().map_err(|source| RenderError::Template { name: name.to_owned(), source })?;
        // It was made as large as it might get, and all texts wait until the last is there.
        text.shrink_to_fit();
        Ok(text)
    }
}

/// A JSON string; every JSON string is a basic string of TOML 1.0 as well.
fn json_string(text: String) -> String {
    serde_json::Value::String(text).to_string()
}

/// A string literal of SQL (PostgreSQL documentation, 4.1.2). Liquibase replaces `${…}` in formatted SQL, reads its
/// lines, and takes a quote behind a backslash for a part of the text: what could mean something to it is written as an
/// escape.
pub(super) fn sql_string(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    let misread = text.contains("${") || text.contains(r"\'") || text.ends_with('\\');
    if !misread && !text.contains(char::is_control) {
        return format!("'{quoted}'");
    }
    let escape = |c: char| match c {
        '\\' => r"\134".to_owned(),
        '\n' => r"\n".to_owned(),
        c if c.is_control() => format!(r"\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    let escaped: String = quoted.chars().map(escape).collect();
    format!("E'{}'", escaped.replace("${", r"\044{"))
}

/// Text inside a quoted label of a diagram (Mermaid documentation, "Entity codes to escape characters").
fn mermaid(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_alphanumeric() || " ,.:/-_()".contains(c) => c.to_string(),
            c => format!("#{};", u32::from(c)),
        })
        .collect()
}

/// A paragraph that Markdown shows as it is (CommonMark 0.31, 2.4 "Backslash escapes"). At its beginning a hyphen or
/// a number would be a list.
fn markdown(text: &str) -> String {
    let text = text.trim();
    let first = text.find(|c: char| !c.is_ascii_digit());
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let begins = first == Some(at) && "-=.)".contains(c);
        if begins || r"\`*_{}[]<>#+|$~&!".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::mermaid;

    #[test]
    fn labels_of_diagrams_end_where_they_are_meant_to() {
        assert_eq!(mermaid("Ingress a-b.example.com, 1"), "Ingress a-b.example.com, 1");
        assert_eq!(mermaid("a\"] --> b`#<\n"), "a#34;#93; --#62; b#96;#35;#60;#10;");
    }
}
