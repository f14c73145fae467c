//! How a command edits a spec. Adding what is there already, with the same values, changes nothing; adding it with other
//! values is refused with the difference.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::changeset::{self, ChangesetId, DropTable, Operation, Sql};
use super::entity::{Entity, EntityDocument};
use super::environment::{Environment, EnvironmentDocument};
use super::field::Field;
use super::grammar::show_field;
use super::handler::Handler;
use super::name::{EntityName, EnvironmentName, HandlerName, closest, title};
use super::{Spec, SpecDocument};

/// Why a spec cannot be edited in this way.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    #[error("the {kind} `{name}` is there with other values:\n{}{help}", table(.differences))]
    Differs { kind: &'static str, name: String, differences: Vec<Difference>, help: String },
    #[error("there is no {kind} `{name}`{}", suggestion.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Unknown { kind: &'static str, name: String, suggestion: Option<String> },
    #[error("`{name}` is referred to by {by}; remove those fields first")]
    Referenced { name: String, by: String },
    #[error("a repository has at least one environment")]
    LastEnvironment,
}

/// A value that is there, and another that was given for it.
#[derive(Debug)]
pub struct Difference {
    key: String,
    there: String,
    given: String,
}

impl Spec {
    /// # Errors
    /// There is none of that name.
    pub fn environment(&self, name: &EnvironmentName) -> Result<&Environment, TransitionError> {
        let known = self.environments.keys().map(EnvironmentName::kebab);
        exists("environment", name.kebab(), self.environments.contains_key(name), known)?;
        Ok(&self.environments[name])
    }
}

/// What becomes of the table of an entity that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFate {
    Kept,
    Dropped,
    /// No database has the table: its history is withdrawn.
    Withdrawn,
}

impl SpecDocument {
    /// Adds an environment whose given knobs decide; `current` is this document resolved.
    ///
    /// # Errors
    /// It exists with other values.
    pub fn add_environment(
        &mut self,
        current: &Spec,
        name: EnvironmentName,
        given: EnvironmentDocument,
    ) -> Result<(), TransitionError> {
        // Where the defaults are not written down, they are from now on: adding one must not take them away.
        for (name, environment) in &current.environments {
            self.environments.entry(name.clone()).or_insert_with(|| environment.to_document());
        }
        let Some(there) = current.environments.get(&name) else {
            self.environments.insert(name, given);
            return Ok(());
        };
        let there = there.to_document().knobs();
        let mut differences = Differences::default();
        for (knob, value) in given.knobs() {
            differences.note(&knob, Some(&value), there.get(&knob));
        }
        differences.none("environment", name.kebab(), in_the_spec("environments", name.kebab()))
    }

    /// # Errors
    /// It exists with other values.
    pub fn add_handler(&mut self, name: HandlerName, handler: Handler) -> Result<(), TransitionError> {
        let Some(there) = self.handlers.get(&name) else {
            self.handlers.insert(name, handler);
            return Ok(());
        };
        let mut differences = Differences::default();
        differences.note("method", Some(&handler.method), Some(&there.method));
        differences.note("path", Some(&handler.path), Some(&there.path));
        differences.none("handler", name.kebab(), in_the_spec("handlers", name.kebab()))
    }

    /// # Errors
    /// It exists with other values.
    pub fn add_entity(
        &mut self,
        current: &Spec,
        name: EntityName,
        entity: EntityDocument,
    ) -> Result<(), TransitionError> {
        let Some(there) = current.entities.get(&name) else {
            self.entities.insert(name, entity);
            return Ok(());
        };
        let mut differences = Differences::default();
        differences.note("table", entity.table.as_ref(), Some(&there.table));
        // What a field means is not said on the command line.
        let plain = |field: &Field| show_field(&field.column());
        for (field, value) in &entity.fields {
            differences.note(field.as_str(), Some(&plain(value)), there.fields.get(field).map(plain).as_ref());
        }
        for (field, value) in there.fields.iter().filter(|(field, _)| !entity.fields.contains_key(*field)) {
            differences.add(field.as_str(), plain(value), NOTHING.to_owned());
        }
        differences.none("entity", name.kebab(), in_the_spec("entities", name.kebab()))
    }

    /// Adds a changeset whose SQL the user writes; `slug` is words with hyphens.
    ///
    /// # Errors
    /// One with these words exists with another description.
    pub fn add_migration(&mut self, slug: &str, description: Option<String>) -> Result<ChangesetId, TransitionError> {
        let (verb, subject) = slug.split_once('-').unwrap_or(("migrate", slug));
        let words = format!("{verb}-{subject}");
        let there = self.changesets.iter().find_map(|(id, operation)| match operation {
            Operation::Sql(sql) if id.slug() == words => Some((id, sql)),
            _ => None,
        });
        let Some((id, there)) = there else {
            let description = description.unwrap_or_else(|| title(slug));
            return Ok(changeset::append(&mut self.changesets, verb, subject, Operation::Sql(Sql { description })));
        };
        let mut differences = Differences::default();
        differences.note("description", description.as_ref(), Some(&there.description));
        let help = format!("a migration is never changed; for another one, choose other words than `{slug}`");
        differences.none("migration", id.as_str(), help).map(|()| id.clone())
    }

    /// # Errors
    /// There is none of that name, or it is the last.
    pub fn remove_environment(&mut self, current: &Spec, name: &EnvironmentName) -> Result<(), TransitionError> {
        current.environment(name)?;
        if current.environments.len() == 1 {
            return Err(TransitionError::LastEnvironment);
        }
        for (name, environment) in &current.environments {
            self.environments.entry(name.clone()).or_insert_with(|| environment.to_document());
        }
        self.environments.remove(name);
        Ok(())
    }

    /// # Errors
    /// There is none of that name.
    pub fn remove_handler(&mut self, name: &HandlerName) -> Result<(), TransitionError> {
        let known = self.handlers.keys().map(HandlerName::kebab);
        exists("handler", name.kebab(), self.handlers.contains_key(name), known)?;
        self.handlers.remove(name);
        Ok(())
    }

    /// # Errors
    /// There is none of that name, or another entity refers to it.
    pub fn remove_entity(&mut self, current: &Spec, name: &EntityName, fate: TableFate) -> Result<(), TransitionError> {
        let known = self.entities.keys().map(EntityName::kebab);
        exists("entity", name.kebab(), self.entities.contains_key(name), known)?;
        let mut by = Vec::new();
        for (other, entity) in self.entities.iter().filter(|(other, _)| *other != name) {
            let fields = entity.fields.iter().filter(|(_, field)| field.to.as_ref() == Some(name));
            by.extend(fields.map(|(field, _)| format!("`{other}.{field}`")));
        }
        if !by.is_empty() {
            return Err(TransitionError::Referenced { name: name.to_string(), by: by.join(", ") });
        }
        self.entities.remove(name);
        let Some(entity) = current.entities.get(name) else { return Ok(()) };
        match fate {
            TableFate::Kept => {}
            TableFate::Dropped => {
                self.changesets = current.changesets.clone();
                let Entity { table, fields } = entity.clone();
                let fields = fields.iter().map(|(name, field)| (name.clone(), field.column())).collect();
                let drop = DropTable { entity: name.clone(), table: table.clone(), fields };
                changeset::append(&mut self.changesets, "drop", table.as_str(), Operation::DropTable(drop));
            }
            TableFate::Withdrawn => {
                // A table of that name that was dropped before is history: only what made this one is withdrawn.
                let is_its = |operation: &Operation| operation.table() == Some(&entity.table);
                let makes = |operation: &Operation| is_its(operation) && matches!(operation, Operation::CreateTable(_));
                let made = self.changesets.iter().rfind(|(_, operation)| makes(operation)).map(|(id, _)| id.clone());
                self.changesets
                    .retain(|id, operation| made.as_ref().is_some_and(|made| id < made) || !is_its(operation));
            }
        }
        Ok(())
    }
}

/// What stands for a value that is absent.
const NOTHING: &str = "(nothing)";

/// How to change what is there already.
fn in_the_spec(section: &str, name: &str) -> String {
    format!("to change it, edit `{section}.{name}` in `appgen.yaml` and run `appgen sync`")
}

/// The differences between what is there and what was given, key by key.
#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    /// Notes a value that was given and is not the one that is there.
    fn note<T: Serialize + PartialEq>(&mut self, key: &str, given: Option<&T>, there: Option<&T>) {
        if given.is_some() && given != there {
            self.add(key, shown(there), shown(given));
        }
    }

    fn add(&mut self, key: &str, there: String, given: String) {
        self.0.push(Difference { key: key.to_owned(), there, given });
    }

    /// Whether there are none.
    fn none(self, kind: &'static str, name: &str, help: String) -> Result<(), TransitionError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(TransitionError::Differs { kind, name: name.to_owned(), differences: self.0, help })
    }
}

fn shown<T: Serialize>(value: Option<&T>) -> String {
    match value.and_then(|value| serde_json::to_value(value).ok()) {
        None | Some(Value::Null) => NOTHING.to_owned(),
        Some(Value::String(text)) => text,
        Some(Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(|item| item.as_str().unwrap_or_default()).collect();
            items.join(",")
        }
        Some(other) => other.to_string(),
    }
}

/// One line for each difference, in columns.
fn table(differences: &[Difference]) -> String {
    let width = |of: fn(&Difference) -> &str, least: &str| {
        let widths = differences.iter().map(|difference| of(difference).chars().count());
        widths.chain([least.len()]).max().unwrap_or_default()
    };
    let keys = width(|difference| &difference.key, "");
    let there = width(|difference| &difference.there, "there");
    let mut text = format!("  {:keys$}  {:there$}  given\n", "", "there");
    for difference in differences {
        let _ = writeln!(text, "  {:keys$}  {:there$}  {}", difference.key, difference.there, difference.given);
    }
    text
}

fn exists<'a>(
    kind: &'static str,
    name: &str,
    there: bool,
    known: impl Iterator<Item = &'a str>,
) -> Result<(), TransitionError> {
    if there {
        return Ok(());
    }
    let suggestion = closest(name, known).map(str::to_owned);
    Err(TransitionError::Unknown { kind, name: name.to_owned(), suggestion })
}
