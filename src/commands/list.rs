//! `appgen list`: what the repository's spec holds.

use std::io::Write;

use serde_json::json;

use super::session::read;
use super::{Exit, Failure};
use crate::cli::{Format, Global};
use crate::report;
use crate::spec::problem::SpecError;
use crate::spec::{SPEC_FILE, Spec, SpecDocument, entity_path};
use crate::worktree::Worktree;

pub(super) fn run(global: &Global, tree: &Worktree, out: &mut impl Write) -> Result<Exit, Failure> {
    let text = read(tree, SPEC_FILE)?.unwrap_or_default();
    let document = SpecDocument::parse(SPEC_FILE, &text)?;
    let spec = Spec::resolve(document).map_err(|problems| SpecError::new(Some(SPEC_FILE), &text, problems))?;
    match global.format {
        Format::Json => report::print_json(&as_json(&spec), out)?,
        _ => print_text(&spec, out)?,
    }
    Ok(Exit::Done)
}

fn as_json(spec: &Spec) -> serde_json::Value {
    json!({
        "version": report::FORMAT,
        "service": spec.service,
        "features": spec.features,
        "environments": spec.environments,
        "entities": spec.entities,
        "handlers": spec.handlers,
    })
}

fn print_text(spec: &Spec, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}: {}", spec.service.name, spec.service.description)?;
    writeln!(out, "\nenvironments")?;
    for (name, environment) in &spec.environments {
        let contexts = environment.contexts.join(",");
        writeln!(out, "  {:<20} {}, contexts {contexts}", name.kebab(), environment.size())?;
    }
    if !spec.entities.is_empty() {
        writeln!(out, "\nentities")?;
    }
    for (name, entity) in &spec.entities {
        writeln!(out, "  {:<20} {} ({} fields)", name.kebab(), entity_path(name), entity.fields.len())?;
    }
    if !spec.handlers.is_empty() {
        writeln!(out, "\nhandlers")?;
    }
    for (name, handler) in &spec.handlers {
        let method = format!("{:?}", handler.method).to_uppercase();
        writeln!(out, "  {:<20} {method} {}", name.kebab(), handler.path.as_str())?;
    }
    Ok(())
}
