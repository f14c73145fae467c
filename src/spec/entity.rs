//! An entity: a table, a REST resource, and the fields of both.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::name::{EntityName, SqlName, plural};
use super::problem::Problem;

/// Fields in the order in which the user wrote them: the order of columns and of keys in JSON.
pub type Fields = IndexMap<SqlName, Field>;

/// An entity as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityDocument {
    /// Default: the plural of the entity's name.
    pub table: Option<SqlName>,
    pub fields: Fields,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entity {
    pub table: SqlName,
    pub fields: Fields,
}

/// PostgreSQL allows 1600 columns a table; a statement with more than a few hundred parameters helps nobody.
const MOST_FIELDS: usize = 200;

impl Entity {
    pub fn resolve(name: &EntityName, written: EntityDocument, problems: &mut Vec<Problem>) -> Option<Self> {
        let table = match written.table.map_or_else(|| SqlName::parse(&plural(&name.snake())), Ok) {
            Ok(table) => table,
            Err(error) => {
                let problem = Problem::at(["entities", name.kebab()], format!("the table's default name: {error}"));
                problems.push(problem.help("give it a name with `table:`"));
                return None;
            }
        };
        let path = |key: &str| vec!["entities".to_owned(), name.to_string(), key.to_owned()];
        if !(1..=MOST_FIELDS).contains(&written.fields.len()) {
            let message = format!("{} fields; an entity has 1 to {MOST_FIELDS}", written.fields.len());
            problems.push(Problem::at(path("fields"), message));
        }
        for (field_name, field) in &written.fields {
            let mut at = path("fields");
            at.push(field_name.to_string());
            field.check(field_name, &at, problems);
            if field.to.as_ref() == Some(name) && field.required {
                problems.push(Problem::at(at, "a required reference to itself: no first row could ever be written"));
            }
        }
        Some(Self { table, fields: written.fields })
    }

    /// The entities that this one refers to.
    pub fn references(&self) -> impl Iterator<Item = &EntityName> {
        self.fields.values().filter_map(|field| field.to.as_ref())
    }
}
