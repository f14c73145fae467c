//! How a command edits a spec. Adding what is there already, with the same values, changes nothing; adding it with other
//! values is refused with the difference.

use serde::Serialize;

use super::changeset::{self, DropTable, Operation, Sql};
use super::entity::{Entity, EntityDocument};
use super::environment::EnvironmentDocument;
use super::handler::Handler;
use super::name::{EntityName, EnvironmentName, HandlerName, closest};
use super::{Spec, SpecDocument};

/// Why a spec cannot be edited in this way.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    #[error("the {kind} `{name}` exists with other values:\n{difference}edit `appgen.yaml`, then run `appgen sync`")]
    Differs { kind: &'static str, name: String, difference: String },
    #[error("there is no {kind} `{name}`{}", suggestion.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Unknown { kind: &'static str, name: String, suggestion: Option<String> },
    #[error("`{name}` is referred to by {by}; remove those fields first")]
    Referenced { name: String, by: String },
    #[error("a repository has at least one environment")]
    LastEnvironment,
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
        let there = there.to_document();
        let differences = [
            differs("replicas", given.replicas.as_ref(), there.replicas.as_ref()),
            differs("database", given.database.as_ref(), there.database.as_ref()),
            differs("database_host", given.database_host.as_ref(), there.database_host.as_ref()),
            differs("secrets", given.secrets.as_ref(), there.secrets.as_ref()),
            differs("log_level", given.log_level.as_ref(), there.log_level.as_ref()),
            differs("contexts", given.contexts.as_ref(), there.contexts.as_ref()),
            differs("create_namespace", given.create_namespace.as_ref(), there.create_namespace.as_ref()),
        ];
        same("environment", name.kebab(), &differences.concat())
    }

    /// # Errors
    /// It exists with other values.
    pub fn add_handler(&mut self, name: HandlerName, handler: Handler) -> Result<(), TransitionError> {
        let Some(there) = self.handlers.get(&name) else {
            self.handlers.insert(name, handler);
            return Ok(());
        };
        let differences = [
            differs("method", Some(&handler.method), Some(&there.method)),
            differs("path", Some(&handler.path), Some(&there.path)),
        ];
        same("handler", name.kebab(), &differences.concat())
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
        let mut differences = differs("table", entity.table.as_ref(), Some(&there.table));
        for (field, value) in &entity.fields {
            let written =
                there.fields.get(field).map(|field| super::field::Field { description: None, ..field.column() });
            differences += &differs(field.as_str(), Some(value), written.as_ref());
        }
        for field in there.fields.keys().filter(|field| !entity.fields.contains_key(*field)) {
            differences += &format!("  {field}: is there, and was not given\n");
        }
        same("entity", name.kebab(), &differences)
    }

    /// Adds a changeset whose SQL the user writes.
    pub fn add_migration(&mut self, slug: &str, description: String) -> changeset::ChangesetId {
        let (verb, subject) = slug.split_once('-').unwrap_or(("migrate", slug));
        changeset::append(&mut self.changesets, verb, subject, Operation::Sql(Sql { description }))
    }

    /// # Errors
    /// There is none of that name, or it is the last.
    pub fn remove_environment(&mut self, current: &Spec, name: &EnvironmentName) -> Result<(), TransitionError> {
        let known = current.environments.keys().map(EnvironmentName::kebab);
        exists("environment", name.kebab(), current.environments.contains_key(name), known)?;
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

/// A line for a value that differs from the one that is there.
fn differs<T: Serialize + PartialEq>(key: &str, given: Option<&T>, there: Option<&T>) -> String {
    let shown = |value: Option<&T>| value.and_then(|value| serde_json::to_string(value).ok());
    match (given, there) {
        (Some(given), there) if Some(given) != there => format!(
            "  {key}: {} is there, {} was given\n",
            shown(there).unwrap_or_else(|| "nothing".to_owned()),
            shown(Some(given)).unwrap_or_default()
        ),
        _ => String::new(),
    }
}

fn same(kind: &'static str, name: &str, difference: &str) -> Result<(), TransitionError> {
    if difference.is_empty() {
        return Ok(());
    }
    Err(TransitionError::Differs { kind, name: name.to_owned(), difference: difference.to_owned() })
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
