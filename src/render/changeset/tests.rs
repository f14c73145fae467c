//! What templates see of each operation.
#![allow(clippy::unwrap_used, reason = "a test may")]

use serde_json::json;

use super::*;

/// The values of these operations after a table `shops` and one that refers to it were made.
fn values(operations: impl IntoIterator<Item = Value>) -> Vec<ChangesetValues> {
    let shop = json!({ "entity": "coffee-shop", "table": "shops", "fields": {
        "code": { "type": "text", "length": 5, "unique": true }, "open": { "type": "date" },
    }});
    let sale =
        json!({ "entity": "sale", "table": "sales", "fields": { "shop": { "type": "ref", "to": "coffee-shop" } } });
    let made = [json!({ "create_table": shop }), json!({ "create_table": sale })];
    let changesets: Changesets = made
        .into_iter()
        .chain(operations)
        .enumerate()
        .map(|(index, value)| {
            let id = ChangesetId::parse(&format!("{:04}-x", index + 1)).unwrap();
            (id, serde_json::from_value(value).unwrap())
        })
        .collect();
    changeset_values(&changesets)
}

/// The values without those that are empty, and of each field its name, its type and where it leads.
fn seen(values: &ChangesetValues) -> Value {
    let field = |value: &Value| json!([value["name"], value["sql"], value["target"], value["target_table"]]);
    let mut seen = serde_json::to_value(values).unwrap();
    let object = seen.as_object_mut().unwrap();
    for key in ["fields", "from", "to"] {
        if let Some(value) = object.get_mut(key) {
            *value = value.as_array().map_or_else(|| field(value), |fields| fields.iter().map(field).collect());
        }
    }
    object.retain(|_, value| *value != json!("") && *value != json!([]));
    seen
}

#[test]
fn every_operation_is_seen_as_the_tables_were() {
    let note = || json!({ "note": { "type": "text" } });
    let shop = || json!({ "shop": { "type": "ref", "to": "coffee-shop" } });
    let alter = json!({ "table": "shops", "column": "open", "from": { "type": "date" }, "to": { "type": "text" } });
    let rows = json!([{ "open": null, "code": "it's" }, { "open": "2026-01-31", "code": "b" }]);
    let values = values([
        json!({ "add_columns": { "table": "shops", "fields": note() } }),
        json!({ "alter_column": alter }),
        json!({ "insert_rows": { "table": "shops", "context": "testdata", "rows": rows } }),
        json!({ "sql": { "description": "fill" } }),
        json!({ "drop_table": { "entity": "sale", "table": "sales", "fields": shop() } }),
        json!({ "drop_columns": { "table": "shops", "fields": note() } }),
        // The entity is made again, with another table.
        json!({ "drop_table": { "entity": "coffee-shop", "table": "shops", "fields": {
            "code": { "type": "text", "length": 5, "unique": true }, "open": { "type": "text" },
        }}}),
        json!({ "create_table": { "entity": "coffee-shop", "table": "cafes", "fields": { "code": { "type": "text" } } } }),
        json!({ "create_table": { "entity": "visit", "table": "visits", "fields": shop() } }),
    ]);
    let expected = [
        json!({ "id": "0001-x", "op": "create_table", "file": "changes/0001-x.sql", "entity": "coffee_shop",
            "title": "Coffee shop", "table": "shops",
            "fields": [["code", "varchar(5)", "", ""], ["open", "date", "", ""]] }),
        json!({ "id": "0002-x", "op": "create_table", "file": "changes/0002-x.sql", "entity": "sale", "title": "Sale",
            "table": "sales", "fields": [["shop", "bigint", "coffee_shop", "shops"]] }),
        json!({ "id": "0003-x", "op": "add_columns", "file": "changes/0003-x.sql", "table": "shops",
            "fields": [["note", "text", "", ""]] }),
        json!({ "id": "0004-x", "op": "alter_column", "file": "changes/0004-x.sql", "table": "shops",
            "from": ["open", "date", "", ""], "to": ["open", "text", "", ""] }),
        json!({ "id": "0005-x", "op": "insert_rows", "file": "testdata/0005-x.sql", "table": "shops",
            "context": "testdata", "columns": ["open", "code"], "key": "code", "rows": [
                { "values": ["null", "'it''s'"], "key": "'it''s'" },
                { "values": ["'2026-01-31'", "'b'"], "key": "'b'" },
            ] }),
        json!({ "id": "0006-x", "op": "sql", "file": "changes/0006-x.sql", "title": "fill" }),
        json!({ "id": "0007-x", "op": "drop_table", "file": "changes/0007-x.sql", "entity": "sale", "title": "Sale",
            "table": "sales", "fields": [["shop", "bigint", "coffee_shop", "shops"]] }),
        json!({ "id": "0008-x", "op": "drop_columns", "file": "changes/0008-x.sql", "table": "shops",
            "fields": [["note", "text", "", ""]] }),
        json!({ "id": "0009-x", "op": "drop_table", "file": "changes/0009-x.sql", "entity": "coffee_shop",
            "title": "Coffee shop", "table": "shops",
            "fields": [["code", "varchar(5)", "", ""], ["open", "text", "", ""]] }),
        json!({ "id": "0010-x", "op": "create_table", "file": "changes/0010-x.sql", "entity": "coffee_shop",
            "title": "Coffee shop", "table": "cafes", "fields": [["code", "text", "", ""]] }),
        json!({ "id": "0011-x", "op": "create_table", "file": "changes/0011-x.sql", "entity": "visit",
            "title": "Visit", "table": "visits", "fields": [["shop", "bigint", "coffee_shop", "cafes"]] }),
    ];
    assert_eq!(values.iter().map(seen).collect::<Vec<_>>(), expected);
    let (schema, rows, sql) = ((true, false, false), (false, true, false), (false, false, true));
    let facts = [schema, schema, schema, schema, rows, sql, schema, schema, schema, schema, schema];
    for (values, (schema, rows, sql)) in values.iter().zip(facts) {
        assert_eq!(values.facts(), [("schema", schema), ("insert_rows", rows), ("sql", sql)], "{}", values.id);
    }
}
