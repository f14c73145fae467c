//! What the templates of changesets see. History is rendered as it was: a reference leads to the table that its entity
//! had when the changeset was made, though the entity may be gone by now.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::context::{FieldValues, Targets, field_values, sql_literal};
use crate::spec::changeset::{
    AlterColumn, ChangesetId, Changesets, CreateTable, InsertRows, Operation, Table, Tables, replay_one,
};
use crate::spec::entity::Fields;
use crate::spec::field::Field;
use crate::spec::name::{EntityName, SqlName, title};

#[derive(Serialize, Default)]
pub(super) struct ChangesetValues {
    pub(super) id: String,
    op: &'static str,
    /// Relative to the root changelog.
    file: String,
    entity: String,
    title: String,
    table: String,
    context: String,
    fields: Vec<FieldValues>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<FieldValues>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<FieldValues>,
    columns: Vec<String>,
    key: String,
    rows: Vec<RowValues>,
}

#[derive(Serialize)]
struct RowValues {
    /// SQL literals in the order of `columns`.
    values: Vec<String>,
    /// The literal of the key column.
    key: String,
}

/// The values of all changesets, in order.
pub(super) fn changeset_values(changesets: &Changesets) -> Vec<ChangesetValues> {
    let mut tables = Tables::new();
    let mut values = Vec::new();
    for (id, operation) in changesets {
        // What goes is shown as it was, what comes as it will be.
        let goes = matches!(operation, Operation::DropTable(_) | Operation::DropColumns(_));
        if goes {
            values.push(ChangesetValues::new(id, operation, &tables));
        }
        replay_one(&mut tables, id, operation, &mut Vec::new());
        if !goes {
            values.push(ChangesetValues::new(id, operation, &tables));
        }
    }
    values
}

/// Where the references of these fields lead.
fn targets<'a>(tables: &Tables, fields: impl IntoIterator<Item = &'a Field>) -> Targets {
    let wanted: BTreeSet<_> = fields.into_iter().filter_map(|field| field.to.as_ref()).collect();
    let tables = tables.iter().filter(|(_, table)| wanted.contains(&table.entity));
    tables.map(|(name, table)| (table.entity.clone(), name.clone())).collect()
}

impl ChangesetValues {
    fn new(id: &ChangesetId, operation: &Operation, tables: &Tables) -> Self {
        let file = format!("changes/{id}.sql");
        let schema = |op, table: &SqlName, fields: Vec<FieldValues>| Self {
            op,
            file: file.clone(),
            table: table.to_string(),
            fields,
            ..Self::default()
        };
        let fields = |table: &SqlName, fields: &Fields| field_values(&targets(tables, fields.values()), table, fields);
        let named =
            |entity: &EntityName, values: Self| Self { entity: entity.snake(), title: title(entity.kebab()), ..values };
        let values = match operation {
            Operation::CreateTable(CreateTable { entity, table, fields: made }) => {
                named(entity, schema("create_table", table, fields(table, made)))
            }
            Operation::DropTable(drop) => {
                named(&drop.entity, schema("drop_table", &drop.table, fields(&drop.table, &drop.fields)))
            }
            Operation::AddColumns(add) => schema("add_columns", &add.table, fields(&add.table, &add.fields)),
            Operation::DropColumns(drop) => schema("drop_columns", &drop.table, fields(&drop.table, &drop.fields)),
            Operation::AlterColumn(AlterColumn { table, column, from, to }) => {
                let targets = targets(tables, [from, to]);
                let field = |field| Some(FieldValues::new(&targets, table, column, field));
                Self { from: field(from), to: field(to), ..schema("alter_column", table, Vec::new()) }
            }
            Operation::Sql(sql) => Self { op: "sql", file, title: sql.description.clone(), ..Self::default() },
            Operation::InsertRows(insert) => Self::insert_rows(id, insert, tables.get(&insert.table)),
        };
        Self { id: id.to_string(), ..values }
    }

    fn insert_rows(id: &ChangesetId, insert: &InsertRows, table: Option<&Table>) -> Self {
        let key = table.and_then(|table| insert.key(&table.fields));
        let literal = |(column, value): (&SqlName, &Value)| {
            table.and_then(|table| table.fields.get(column)).map(|field| sql_literal(field, value)).unwrap_or_default()
        };
        let rows = insert.rows.iter().map(|row| RowValues {
            values: row.iter().map(literal).collect(),
            key: key.and_then(|key| row.get_key_value(key)).map(literal).unwrap_or_default(),
        });
        Self {
            op: "insert_rows",
            file: format!("testdata/{id}.sql"),
            table: insert.table.to_string(),
            context: insert.context.clone(),
            columns: insert.rows.first().map(|row| row.keys().map(SqlName::to_string).collect()).unwrap_or_default(),
            key: key.map(SqlName::to_string).unwrap_or_default(),
            rows: rows.collect(),
            ..Self::default()
        }
    }

    pub(super) fn facts(&self) -> [(&'static str, bool); 3] {
        let (rows, sql) = (self.op == "insert_rows", self.op == "sql");
        [("schema", !rows && !sql), ("insert_rows", rows), ("sql", sql)]
    }
}

#[cfg(test)]
mod tests;
