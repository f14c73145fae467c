//! Changesets: the recorded history of the schema, each one an operation. They are never edited and never renumbered;
//! replaying them gives the tables that exist.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entity::{Entity, Fields};
use super::environment::is_context;
use super::field::Field;
use super::name::{EntityName, SqlName};
use super::problem::Problem;
use super::service::check_line;

/// `0001-create-countries`: a number of four or more digits, a verb and a subject. Two branches may take one number;
/// the words tell them apart. In the order of numbers, then of words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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

    /// The subject is in snake or kebab case. What does not fit into 120 characters is cut.
    fn new(number: u32, verb: &str, subject: &str) -> Self {
        let words: Vec<_> = subject.split(['_', '-']).filter(|word| !word.is_empty()).collect();
        let mut id = format!("{number:04}-{verb}-{}", words.join("-"));
        id.truncate(120);
        Self(id.trim_end_matches('-').to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words after the number.
    pub fn slug(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, slug)| slug)
    }

    fn number(&self) -> u32 {
        self.0.split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

impl Ord for ChangesetId {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.number(), &self.0).cmp(&(other.number(), &other.0))
    }
}

impl PartialOrd for ChangesetId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
#[allow(clippy::large_enum_variant, reason = "there are as many as changesets, not millions")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    CreateTable(CreateTable),
    AddColumns(AddColumns),
    AlterColumn(AlterColumn),
    DropColumns(DropColumns),
    DropTable(DropTable),
    InsertRows(InsertRows),
    Sql(Sql),
}

impl Operation {
    /// The table that it is about; none for SQL of the user's own.
    pub fn table(&self) -> Option<&SqlName> {
        match self {
            Self::CreateTable(CreateTable { table, .. })
            | Self::AddColumns(AddColumns { table, .. })
            | Self::AlterColumn(AlterColumn { table, .. })
            | Self::DropColumns(DropColumns { table, .. })
            | Self::DropTable(DropTable { table, .. })
            | Self::InsertRows(InsertRows { table, .. }) => Some(table),
            Self::Sql(_) => None,
        }
    }

    /// What data it may destroy, or on what data it may fail; as a phrase.
    pub fn destroys(&self) -> Option<String> {
        match self {
            Self::DropTable(drop) => Some(format!("drops the table `{}`", drop.table)),
            Self::DropColumns(drop) => {
                let names: Vec<_> = drop.fields.keys().map(|name| format!("`{name}`")).collect();
                Some(format!("drops {} of `{}`", names.join(", "), drop.table))
            }
            Self::AlterColumn(alter) if alter.from.narrows_to(&alter.to) => {
                Some(format!("narrows `{}` of `{}`", alter.column, alter.table))
            }
            _ => None,
        }
    }
}

/// Creates an entity's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTable {
    pub entity: EntityName,
    pub table: SqlName,
    pub fields: Fields,
}

/// Adds columns to a table that may have rows. A required one has a `backfill`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddColumns {
    pub table: SqlName,
    pub fields: Fields,
}

/// Changes one column; both states are recorded, so that it can be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlterColumn {
    pub table: SqlName,
    pub column: SqlName,
    pub from: Field,
    pub to: Field,
}

/// Drops columns; what they were is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropColumns {
    pub table: SqlName,
    pub fields: Fields,
}

/// Drops a table; what it was is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropTable {
    pub entity: EntityName,
    pub table: SqlName,
    pub fields: Fields,
}

/// SQL that the user writes into the changeset's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    pub description: String,
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

pub type Tables = BTreeMap<SqlName, Table>;

/// The tables that exist after all changesets. Collects what cannot be replayed.
pub fn replay(changesets: &Changesets, problems: &mut Vec<Problem>) -> Tables {
    let mut tables = Tables::new();
    for (id, operation) in changesets {
        check_fields(id, operation, problems);
        replay_one(&mut tables, id, operation, problems);
    }
    tables
}

/// What a changeset brings is rendered like the fields of an entity, though the entity may be gone. What it takes away
/// is what an earlier one brought.
fn check_fields(id: &ChangesetId, operation: &Operation, problems: &mut Vec<Problem>) {
    let mut check = |key: &str, name: &SqlName, field: &Field| {
        field.check(name, &["changesets", id.as_str(), key, name.as_str()].map(str::to_owned), problems);
    };
    match operation {
        Operation::CreateTable(create) => {
            create.fields.iter().for_each(|(name, field)| check("create_table", name, field))
        }
        Operation::AddColumns(add) => add.fields.iter().for_each(|(name, field)| check("add_columns", name, field)),
        Operation::AlterColumn(alter) => check("alter_column", &alter.column, &alter.to),
        _ => {}
    }
}

/// Applies one changeset to the tables that the earlier ones left.
pub fn replay_one(tables: &mut Tables, id: &ChangesetId, operation: &Operation, problems: &mut Vec<Problem>) {
    let (key, table) = match operation {
        Operation::CreateTable(create) => {
            check_references(tables, Some(&create.entity), &create.fields, [id.as_str(), "create_table"], problems);
            let fields = columns(&create.fields);
            if tables.insert(create.table.clone(), Table { entity: create.entity.clone(), fields }).is_some() {
                let message = format!("an earlier changeset created the table `{}`", create.table);
                problems.push(Problem::at(["changesets", id.as_str(), "create_table"], message));
            }
            return;
        }
        Operation::Sql(sql) => {
            if let Err(reason) = check_line(&sql.description) {
                let message = format!("the description {reason}");
                problems.push(Problem::at(["changesets", id.as_str(), "sql"], message));
            }
            return;
        }
        Operation::AddColumns(add) => ("add_columns", &add.table),
        Operation::AlterColumn(alter) => ("alter_column", &alter.table),
        Operation::DropColumns(drop) => ("drop_columns", &drop.table),
        Operation::DropTable(drop) => ("drop_table", &drop.table),
        Operation::InsertRows(insert) => ("insert_rows", &insert.table),
    };
    if let Operation::AddColumns(add) = operation {
        check_references(tables, None, &add.fields, [id.as_str(), key], problems);
    }
    let path = ["changesets".to_owned(), id.to_string(), key.to_owned()];
    let Some(made) = tables.get_mut(table) else {
        let message = format!("no earlier changeset creates the table `{table}`");
        problems.push(Problem::at(path, message));
        return;
    };
    let mut refuse = |message: String| problems.push(Problem::at(path.clone(), message));
    match operation {
        Operation::AddColumns(add) => {
            for (name, field) in &add.fields {
                if made.fields.insert(name.clone(), field.column()).is_some() {
                    refuse(format!("the table `{table}` has the column `{name}` already"));
                }
            }
        }
        Operation::AlterColumn(alter) => match made.fields.get_mut(&alter.column) {
            Some(field) if *field == alter.from.column() => *field = alter.to.column(),
            Some(_) => refuse(format!("`{}` of `{table}` is not what `from` says", alter.column)),
            None => refuse(format!("the table `{table}` has no column `{}`", alter.column)),
        },
        Operation::DropColumns(drop) => {
            for (name, field) in &drop.fields {
                match made.fields.shift_remove(name) {
                    Some(was) if was == field.column() => {}
                    Some(_) => refuse(format!("`{name}` of `{table}` is not what the changeset says")),
                    None => refuse(format!("the table `{table}` has no column `{name}`")),
                }
            }
        }
        Operation::DropTable(drop) => {
            if made.fields != columns(&drop.fields) || made.entity != drop.entity {
                refuse(format!("the table `{table}` is not what the changeset says"));
            }
            let entity = &drop.entity;
            let refers = |made: &Table| made.fields.values().any(|field| field.to.as_ref() == Some(entity));
            tables.remove(table);
            for (other, _) in tables.iter().filter(|(_, made)| refers(made)) {
                let message = format!("the table `{other}` still refers to `{table}`");
                problems.push(Problem::at(path.clone(), message));
            }
        }
        Operation::InsertRows(insert) => insert.check(made, &path, problems),
        Operation::CreateTable(_) | Operation::Sql(_) => {}
    }
}

/// A reference needs the table that it leads to. `own` is the entity whose table is being made.
fn check_references(
    tables: &Tables,
    own: Option<&EntityName>,
    fields: &Fields,
    [id, key]: [&str; 2],
    problems: &mut Vec<Problem>,
) {
    let has_table = |to: &EntityName| own == Some(to) || tables.values().any(|table| table.entity == *to);
    for (name, field) in fields {
        if let Some(to) = field.to.as_ref().filter(|to| !has_table(to)) {
            let message = format!("`{name}` refers to `{to}`, and no earlier changeset creates its table");
            problems.push(Problem::at(["changesets", id, key, "fields", name.as_str()], message));
        }
    }
}

/// Fields as columns: without what matters only while a column is added.
fn columns(fields: &Fields) -> Fields {
    fields.iter().map(|(name, field)| (name.clone(), field.column())).collect()
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
/// to, and otherwise in the order of names. A table without an entity is kept. Collects the differences for which there
/// is no operation.
pub fn append_pending(
    changesets: &mut Changesets,
    entities: &BTreeMap<EntityName, Entity>,
    problems: &mut Vec<Problem>,
) {
    let tables = replay(changesets, problems);
    for name in in_order_of_references(entities, problems) {
        let entity = &entities[&name];
        let before = tables.iter().find(|(_, made)| made.entity == name).map(|(table, _)| table);
        match (tables.get(&entity.table), before) {
            (None, Some(before)) => {
                let message = format!("`{name}` has its rows in the table `{before}`, and a table keeps its name");
                let help =
                    "give it that `table`, or move the rows to an entity of another name: `appgen add-migration`";
                problems.push(Problem::at(["entities", name.kebab(), "table"], message).help(help));
            }
            (None, None) => {
                let (table, fields) = (entity.table.clone(), columns(&entity.fields));
                let create = CreateTable { entity: name.clone(), table, fields };
                append(changesets, "create", entity.table.as_str(), Operation::CreateTable(create));
            }
            (Some(made), _) if made.entity != name => {
                let message = format!("the table `{}` was made for `{}`", entity.table, made.entity);
                let problem = Problem::at(["entities", name.kebab(), "table"], message);
                problems.push(problem.help("give the entity another `table`"));
            }
            (Some(made), _) => append_differences(changesets, &name, entity, &made.fields, problems),
        }
    }
}

/// Appends what leads from the columns of one table to the fields of its entity.
fn append_differences(
    changesets: &mut Changesets,
    name: &EntityName,
    entity: &Entity,
    made: &Fields,
    problems: &mut Vec<Problem>,
) {
    let mut refuse = |field: &SqlName, message: String, help: &str| {
        problems.push(Problem::at(["entities", name.kebab(), "fields", field.as_str()], message).help(help));
    };
    let table = &entity.table;
    let dropped: Fields = made
        .iter()
        .filter(|(column, _)| !entity.fields.contains_key(*column))
        .map(|(column, field)| (column.clone(), field.clone()))
        .collect();
    let added: Fields = entity
        .fields
        .iter()
        .filter(|(column, _)| !made.contains_key(*column))
        .map(|(column, field)| (column.clone(), field.clone()))
        .collect();
    for (column, field) in &added {
        if field.required && field.backfill.is_none() {
            refuse(
                column,
                format!("`{column}` is required, and `{table}` may have rows"),
                "say with `backfill` what they get, or leave out `required`",
            );
        }
        if field.unique && field.backfill.is_some() {
            refuse(
                column,
                format!("`{column}` is unique: its rows cannot all get one value"),
                "add it without `required` and `backfill`, fill it with a migration, then make it required",
            );
        }
    }
    for (column, from) in made {
        let Some(to) = entity.fields.get(column).filter(|to| to.column() != *from) else { continue };
        if !from.converts_to(to) {
            refuse(
                column,
                format!("`{column}` cannot become another type: the values have no conversion that always works"),
                "add a field with another name, and move the data with `appgen add-migration`",
            );
        } else if to.required && !from.required && to.backfill.is_none() {
            refuse(
                column,
                format!("`{column}` becomes required, and rows of `{table}` may have none"),
                "say with `backfill` what they get",
            );
        }
        let (column, from, to) = (column.clone(), from.clone(), to.clone());
        let alter = AlterColumn { table: table.clone(), column, from, to };
        append(changesets, "alter", &format!("{table}_{}", alter.column), Operation::AlterColumn(alter));
    }
    // With every column in the name: two branches that change one table then make two changesets.
    let subject =
        |fields: &Fields| format!("{table}_{}", fields.keys().map(SqlName::as_str).collect::<Vec<_>>().join("_"));
    if !added.is_empty() {
        let subject = subject(&added);
        append(
            changesets,
            "extend",
            &subject,
            Operation::AddColumns(AddColumns { table: table.clone(), fields: added }),
        );
    }
    if !dropped.is_empty() {
        let subject = subject(&dropped);
        append(
            changesets,
            "shrink",
            &subject,
            Operation::DropColumns(DropColumns { table: table.clone(), fields: dropped }),
        );
    }
}

/// Appends a changeset under the next free number.
pub fn append(changesets: &mut Changesets, verb: &str, subject: &str, operation: Operation) -> ChangesetId {
    let next = changesets.keys().map(ChangesetId::number).max().unwrap_or(0) + 1;
    let id = ChangesetId::new(next, verb, subject);
    changesets.insert(id.clone(), operation);
    id
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

#[cfg(test)]
mod tests;
