//! Changesets: the recorded history of the schema, each one an operation. They are never edited and never renumbered;
//! replaying them gives the tables that exist.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entity::{Entity, Fields};
use super::environment::is_context;
use super::name::{EntityName, SqlName};
use super::problem::Problem;

/// `0001-create-countries`: a number of four or more digits, a verb and a subject. Two branches may take one number;
/// the words tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9]{4,9}-[a-z0-9]+(-[a-z0-9]+)*$", "maxLength" = 120))]
pub struct ChangesetId(String);

impl ChangesetId {
    /// # Errors
    /// The reason for which the id is refused.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || Err(format!("`{}` is not a changeset id such as `0001-create-countries`", text.escape_debug()));
        let Some((number, slug)) = text.split_once('-') else { return refuse() };
        let digits = (4..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !digits || text.len() > 120 || !slug.split('-').all(word) {
            return refuse();
        }
        Ok(Self(text.to_owned()))
    }

    fn new(number: u32, verb: &str, subject: &SqlName) -> Self {
        Self(format!("{number:04}-{verb}-{}", subject.as_str().replace('_', "-")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn number(&self) -> u32 {
        self.0.split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

impl TryFrom<String> for ChangesetId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<ChangesetId> for String {
    fn from(id: ChangesetId) -> Self {
        id.0
    }
}

impl fmt::Display for ChangesetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one changeset does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    CreateTable(CreateTable),
    InsertRows(InsertRows),
}

/// Creates an entity's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTable {
    pub entity: EntityName,
    pub table: SqlName,
    pub fields: Fields,
}

/// Inserts rows that are not there yet, under a context that keeps them out of production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InsertRows {
    pub table: SqlName,
    pub context: String,
    /// Each row has the same columns, a unique one among them.
    pub rows: Vec<IndexMap<SqlName, Value>>,
}

pub type Changesets = BTreeMap<ChangesetId, Operation>;

/// A table as the changesets left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub entity: EntityName,
    pub fields: Fields,
}

/// The tables that exist after all changesets. Collects what cannot be replayed.
pub fn replay(changesets: &Changesets, problems: &mut Vec<Problem>) -> BTreeMap<SqlName, Table> {
    let mut tables = BTreeMap::new();
    for (id, operation) in changesets {
        let path = |key: &str| ["changesets".to_owned(), id.to_string(), key.to_owned()];
        match operation {
            Operation::CreateTable(create) => {
                let table = Table { entity: create.entity.clone(), fields: create.fields.clone() };
                if tables.insert(create.table.clone(), table).is_some() {
                    let message = format!("an earlier changeset created the table `{}`", create.table);
                    problems.push(Problem::at(path("create_table"), message));
                }
            }
            Operation::InsertRows(insert) => match tables.get(&insert.table) {
                Some(table) => insert.check(table, &path("insert_rows"), problems),
                None => {
                    let message = format!("no earlier changeset creates the table `{}`", insert.table);
                    problems.push(Problem::at(path("insert_rows"), message));
                }
            },
        }
    }
    tables
}

impl InsertRows {
    /// The unique columns by which a row is recognised.
    pub fn key<'a>(&self, fields: &'a Fields) -> Option<&'a SqlName> {
        let given = self.rows.first()?;
        fields.iter().find(|(name, field)| field.unique && given.contains_key(*name)).map(|(name, _)| name)
    }

    fn check(&self, table: &Table, path: &[String], problems: &mut Vec<Problem>) {
        let mut refuse = |message: String| problems.push(Problem::at(path.to_vec(), message));
        if !is_context(&self.context) {
            refuse(format!("`{}` is not a plain Liquibase context", self.context.escape_debug()));
        }
        let Some(first) = self.rows.first() else { return refuse("there are no rows".to_owned()) };
        if self.key(&table.fields).is_none() {
            refuse(format!("the rows have no unique column of `{}` to be recognised by", self.table));
        }
        for row in &self.rows {
            if !row.keys().eq(first.keys()) {
                refuse("every row has the columns of the first, in its order".to_owned());
            }
            for (column, value) in row {
                if !table.fields.contains_key(column) {
                    refuse(format!("the table `{}` has no column `{column}`", self.table));
                }
                if value.is_null() && Some(column) == self.key(&table.fields) {
                    refuse(format!("a row without `{column}` would never be recognised"));
                }
                if value.as_str().is_some_and(|text| text.contains('\0')) {
                    refuse(format!("a value of `{column}` has a NUL character, which PostgreSQL cannot store"));
                }
            }
        }
    }
}

/// Appends the changesets that lead from the recorded history to `entities`: a table is created after those it refers
/// to, and otherwise in the order of names. Collects the differences for which there is no operation.
pub fn append_pending(
    changesets: &mut Changesets,
    entities: &BTreeMap<EntityName, Entity>,
    problems: &mut Vec<Problem>,
) {
    let tables = replay(changesets, problems);
    let mut next = changesets.keys().map(ChangesetId::number).max().unwrap_or(0) + 1;
    for name in in_order_of_references(entities, problems) {
        let entity = &entities[&name];
        match tables.get(&entity.table) {
            None => {
                let create =
                    CreateTable { entity: name.clone(), table: entity.table.clone(), fields: entity.fields.clone() };
                let id = ChangesetId::new(next, "create", &entity.table);
                changesets.insert(id, Operation::CreateTable(create));
                next += 1;
            }
            Some(table) if table.fields != entity.fields || table.entity != name => problems.push(
                Problem::at(["entities", name.kebab()], format!("`{name}` differs from what its changesets made"))
                    .help(format!("write the fields as `changesets` has them for the table `{}`", entity.table)),
            ),
            Some(_) => {}
        }
    }
    for (table, made) in &tables {
        if !entities.values().any(|entity| entity.table == *table) {
            let message = format!("the changesets make the table `{table}`, and no entity has it");
            problems.push(Problem::at(["changesets"], message).help(format!("add the entity `{}`", made.entity)));
        }
    }
}

/// Appends rows for `table` under a context.
pub fn append_rows(changesets: &mut Changesets, insert: InsertRows) {
    let next = changesets.keys().map(ChangesetId::number).max().unwrap_or(0) + 1;
    changesets.insert(ChangesetId::new(next, "insert", &insert.table), Operation::InsertRows(insert));
}

fn in_order_of_references(entities: &BTreeMap<EntityName, Entity>, problems: &mut Vec<Problem>) -> Vec<EntityName> {
    let mut ordered: Vec<EntityName> = Vec::new();
    let mut waiting: Vec<&EntityName> = entities.keys().collect();
    while !waiting.is_empty() {
        let ready = |name: &&EntityName| {
            entities[*name].references().all(|to| to == *name || ordered.contains(to) || !entities.contains_key(to))
        };
        let Some(index) = waiting.iter().position(ready) else {
            let names: Vec<_> = waiting.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("the references among {} form a circle", names.join(", "));
            problems.push(Problem::at(["entities", waiting[0].kebab()], message));
            return ordered;
        };
        ordered.push(waiting.remove(index).clone());
    }
    ordered
}
