//! Ids, the replay of a history and what it refuses, and what an edit of the entities appends to it.
#![allow(clippy::unwrap_used, reason = "a test may")]

use serde_json::json;

use super::*;

fn id(text: &str) -> ChangesetId {
    ChangesetId::parse(text).unwrap()
}

#[test]
fn changesets_follow_their_numbers() {
    let mut ids = [id("10000-a"), id("9999-b"), id("0002-b"), id("0002-a")];
    ids.sort();
    assert_eq!(ids.map(String::from), ["0002-a", "0002-b", "9999-b", "10000-a"]);
    assert_eq!(id("9999-b").partial_cmp(&id("10000-a")), Some(Ordering::Less));
}

#[test]
fn an_id_is_digits_and_words() {
    let longest = format!("0001-{}", "a".repeat(115));
    for good in ["0001-a", "123456789-create-2-tables", &longest] {
        assert_eq!(ChangesetId::parse(good).unwrap().to_string(), good);
    }
    let longer = format!("{longest}a");
    let bad = ["", "0001", "001-a", "1234567890-a", "000a-a", "0001-", "0001-a-", "0001-a--b", "0001-A", "0001-a_b"];
    for bad in bad.into_iter().chain([longer.as_str(), "0001-a\n"]) {
        let reason = ChangesetId::parse(bad).unwrap_err();
        let expected = format!("`{}` is not a changeset id such as `0001-create-countries`", bad.escape_debug());
        assert_eq!(reason, expected);
    }
}

#[test]
fn a_new_id_has_the_next_number_and_fits() {
    let mut changesets = Changesets::new();
    let sql = || Operation::Sql(Sql { description: "x".to_owned() });
    assert_eq!(append(&mut changesets, "run", "_my__sql-file_", sql()).as_str(), "0001-run-my-sql-file");
    changesets.insert(id("0041-x"), sql());
    let id = append(&mut changesets, "run", "a", sql());
    assert_eq!((id.as_str(), id.slug(), id.number()), ("0042-run-a", "run-a", 42));
    // Cut where a word ends, it does not end with a dash.
    let id = append(&mut changesets, "run", &format!("{}_b", "a".repeat(110)), sql());
    assert_eq!(id.as_str(), format!("0043-run-{}", "a".repeat(110)));
    assert!(changesets.contains_key(&id));
    let id = append(&mut changesets, "run", &"a".repeat(200), sql());
    assert_eq!(id.as_str().len(), 120);
}

fn operation(value: Value) -> Operation {
    serde_json::from_value(value).unwrap()
}

/// Changesets that make an entity `shop` and one that refers to it, then do the rest.
fn history(rest: impl IntoIterator<Item = Value>) -> Changesets {
    let shop = json!({ "entity": "shop", "table": "shops", "fields": {
        "code": { "type": "text", "length": 5, "required": true, "unique": true }, "size": { "type": "integer" },
    }});
    let sale = json!({ "entity": "sale", "table": "sales", "fields": { "shop": { "type": "ref", "to": "shop" } } });
    [json!({ "create_table": shop }), json!({ "create_table": sale })]
        .into_iter()
        .chain(rest)
        .enumerate()
        .map(|(index, value)| (id(&format!("{:04}-x", index + 1)), operation(value)))
        .collect()
}

/// What is wrong with a history, each as the path of its place and the message; and the tables that it leaves.
fn replayed(rest: impl IntoIterator<Item = Value>) -> (Tables, Vec<String>) {
    let mut problems = Vec::new();
    let tables = replay(&history(rest), &mut problems);
    (tables, problems.into_iter().map(|problem| format!("{}: {}", problem.path.join("."), problem.message)).collect())
}

/// The columns of the tables, each with its type and what else it is.
fn columns_of(tables: &Tables) -> Vec<String> {
    let column = |(name, field): (&SqlName, &Field)| format!("{name} {}", serde_json::to_string(field).unwrap());
    tables
        .iter()
        .map(|(name, table)| {
            let columns: Vec<_> = table.fields.iter().map(column).collect();
            format!("{} {}: {}", table.entity, name.as_str(), columns.join(", "))
        })
        .collect()
}

const CODE: &str = r#"code {"type":"text","length":5,"required":true,"unique":true}"#;
const SALES: &str = r#"sale sales: shop {"type":"ref","to":"shop"}"#;

#[test]
fn a_history_leaves_tables() {
    let (tables, problems) = replayed([
        json!({ "add_columns": { "table": "shops", "fields": {
            "note": { "type": "text", "required": true, "backfill": "none" },
        }}}),
        json!({ "alter_column": { "table": "shops", "column": "size",
            "from": { "type": "integer" }, "to": { "type": "bigint", "required": true, "backfill": 0 } } }),
        json!({ "sql": { "description": "fill the notes" } }),
        json!({ "insert_rows": { "table": "shops", "context": "testdata",
            "rows": [{ "code": "a", "size": null, "note": "" }] } }),
        json!({ "drop_columns": { "table": "shops", "fields": { "note": { "type": "text", "required": true } } } }),
        json!({ "add_columns": { "table": "sales", "fields": { "next": { "type": "ref", "to": "sale" } } } }),
    ]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        columns_of(&tables),
        [
            format!("{SALES}, next {}", r#"{"type":"ref","to":"sale"}"#),
            format!("shop shops: {CODE}, size {}", r#"{"type":"bigint","required":true}"#),
        ]
    );

    let (tables, problems) = replayed([
        json!({ "drop_table": { "entity": "sale", "table": "sales", "fields": { "shop": { "type": "ref", "to": "shop" } } } }),
    ]);
    assert_eq!((columns_of(&tables).len(), problems), (1, vec![]));
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let sizes = json!({ "size": { "type": "integer" } });
    let shop = || json!({ "code": { "type": "text", "length": 5, "required": true, "unique": true }, "size": { "type": "integer" } });
    let rows =
        |context: &str, rows: Value| json!({ "insert_rows": { "table": "shops", "context": context, "rows": rows } });
    let alter = |table: &str, column: &str, from: Value, to: Value| json!({ "alter_column": { "table": table, "column": column, "from": from, "to": to } });
    let integer = json!({ "type": "integer" });
    let cases: Vec<(Value, &[&str])> = vec![
        (
            json!({ "create_table": { "entity": "other", "table": "shops", "fields": sizes } }),
            &["create_table: an earlier changeset created the table `shops`"],
        ),
        (
            json!({ "create_table": { "entity": "other", "table": "others", "fields": {
                "own": { "type": "ref", "to": "other" }, "shop": { "type": "ref", "to": "shop" },
                "no": { "type": "ref", "to": "nobody" }, "id": { "type": "date" },
            }}}),
            &[
                "create_table.id: every table has its own column `id`",
                "create_table.fields.no: `no` refers to `nobody`, and no earlier changeset creates its table",
            ],
        ),
        (
            json!({ "add_columns": { "table": "nothing", "fields": sizes } }),
            &["add_columns: no earlier changeset creates the table `nothing`"],
        ),
        (
            json!({ "add_columns": { "table": "shops", "fields": {
                "size": { "type": "integer" }, "id": { "type": "date" }, "no": { "type": "ref", "to": "nobody" },
            }}}),
            &[
                "add_columns.id: every table has its own column `id`",
                "add_columns.fields.no: `no` refers to `nobody`, and no earlier changeset creates its table",
                "add_columns: the table `shops` has the column `size` already",
            ],
        ),
        (
            alter("nothing", "size", integer.clone(), integer.clone()),
            &["alter_column: no earlier changeset creates the table `nothing`"],
        ),
        (
            alter("shops", "size", json!({ "type": "bigint" }), integer.clone()),
            &["alter_column: `size` of `shops` is not what `from` says"],
        ),
        (
            alter("shops", "gone", integer.clone(), integer.clone()),
            &["alter_column: the table `shops` has no column `gone`"],
        ),
        (
            alter("shops", "size", integer.clone(), json!({ "type": "integer", "length": 5 })),
            &["alter_column.size.length: `length` does not apply to a field of this type"],
        ),
        (
            json!({ "drop_columns": { "table": "nothing", "fields": sizes } }),
            &["drop_columns: no earlier changeset creates the table `nothing`"],
        ),
        (
            json!({ "drop_columns": { "table": "shops", "fields": { "size": { "type": "bigint" }, "gone": integer } } }),
            &[
                "drop_columns: `size` of `shops` is not what the changeset says",
                "drop_columns: the table `shops` has no column `gone`",
            ],
        ),
        (
            json!({ "drop_table": { "entity": "shop", "table": "nothing", "fields": shop() } }),
            &["drop_table: no earlier changeset creates the table `nothing`"],
        ),
        (
            json!({ "drop_table": { "entity": "shop", "table": "shops", "fields": sizes } }),
            &[
                "drop_table: the table `shops` is not what the changeset says",
                "drop_table: the table `sales` still refers to `shops`",
            ],
        ),
        (
            json!({ "drop_table": { "entity": "sale", "table": "shops", "fields": shop() } }),
            &["drop_table: the table `shops` is not what the changeset says"],
        ),
        (
            json!({ "drop_table": { "entity": "shop", "table": "shops", "fields": shop() } }),
            &["drop_table: the table `sales` still refers to `shops`"],
        ),
        (json!({ "sql": { "description": " " } }), &["sql: the description is empty"]),
        (
            json!({ "insert_rows": { "table": "nothing", "context": "testdata", "rows": [] } }),
            &["insert_rows: no earlier changeset creates the table `nothing`"],
        ),
        (rows("not", json!([{ "code": "a" }])), &["insert_rows: `not` is not a plain Liquibase context"]),
        (rows("testdata", json!([])), &["insert_rows: there are no rows"]),
        (
            rows("testdata", json!([{ "size": 1 }])),
            &["insert_rows: the rows have no unique column of `shops` to be recognised by"],
        ),
        (
            rows("testdata", json!([{ "code": "a", "size": 1 }, { "size": 1, "code": "b" }])),
            &["insert_rows: every row has the columns of the first, in its order"],
        ),
        (
            rows("testdata", json!([{ "code": "a\0", "gone": 1 }, { "code": null, "gone": null }])),
            &[
                "insert_rows: a value of `code` has a NUL character, which PostgreSQL cannot store",
                "insert_rows: the table `shops` has no column `gone`",
                "insert_rows: a row without `code` would never be recognised",
                "insert_rows: the table `shops` has no column `gone`",
            ],
        ),
    ];
    for (value, expected) in cases {
        let (_, problems) = replayed([value.clone()]);
        let expected: Vec<_> = expected.iter().map(|line| format!("changesets.0003-x.{line}")).collect();
        assert_eq!(problems, expected, "{value}");
    }
}

#[test]
fn an_operation_says_what_it_is_about_and_what_it_destroys() {
    let fields = json!({ "a": { "type": "text" }, "b": { "type": "bigint" } });
    let text = |length: u32| json!({ "type": "text", "length": length });
    let alter = |from, to| json!({ "alter_column": { "table": "shops", "column": "a", "from": from, "to": to } });
    for (value, destroys) in [
        (json!({ "create_table": { "entity": "shop", "table": "shops", "fields": fields } }), None),
        (json!({ "add_columns": { "table": "shops", "fields": fields } }), None),
        (alter(text(5), text(9)), None),
        (alter(text(9), text(5)), Some("narrows `a` of `shops`")),
        (json!({ "drop_columns": { "table": "shops", "fields": fields } }), Some("drops `a`, `b` of `shops`")),
        (
            json!({ "drop_table": { "entity": "shop", "table": "shops", "fields": fields } }),
            Some("drops the table `shops`"),
        ),
        (json!({ "insert_rows": { "table": "shops", "context": "x", "rows": [] } }), None),
    ] {
        let operation = operation(value);
        assert_eq!(operation.destroys().as_deref(), destroys, "{operation:?}");
        assert_eq!(operation.table().unwrap().as_str(), "shops");
    }
    assert_eq!(operation(json!({ "sql": { "description": "x" } })).table(), None);
}

/// What the entities append to the history that makes `shop` and `sale`: the new changesets, and what is refused.
fn appended(entities: Value) -> (Vec<String>, Vec<String>) {
    let mut changesets = history([]);
    let entities: BTreeMap<EntityName, Entity> = entities
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let table = SqlName::parse(value["table"].as_str().unwrap()).unwrap();
            let fields = serde_json::from_value(value["fields"].clone()).unwrap();
            (EntityName::parse(name).unwrap(), Entity { table, fields })
        })
        .collect();
    let mut problems = Vec::new();
    append_pending(&mut changesets, &entities, &mut problems);
    let new =
        changesets.iter().skip(2).map(|(id, operation)| format!("{id} {}", serde_json::to_string(operation).unwrap()));
    let problem = |problem: Problem| {
        format!("{}: {}; {}", problem.path.join("."), problem.message, problem.help.unwrap_or_default())
    };
    (new.collect(), problems.into_iter().map(problem).collect())
}

/// The entity `shop` with these fields instead of its `size`.
fn shop(table: &str, others: Value) -> Value {
    let mut fields = json!({ "code": { "type": "text", "length": 5, "required": true, "unique": true } });
    fields.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    json!({ "shop": { "table": table, "fields": fields } })
}

#[test]
fn what_entities_have_is_appended_to_the_history() {
    let none = (vec![], vec![]);
    assert_eq!(appended(json!({})), none, "a table without an entity is kept");
    let integer = json!({ "type": "integer" });
    assert_eq!(appended(shop("shops", json!({ "size": integer }))), none);
    // What matters only while a column is added is no difference.
    assert_eq!(appended(shop("shops", json!({ "size": { "type": "integer", "backfill": 1 } }))), none);

    let (new, problems) = appended(json!({
        "a": { "table": "ones", "fields": { "b": { "type": "ref", "to": "b" }, "own": { "type": "ref", "to": "a" } } },
        "b": { "table": "twos", "fields": { "n": { "type": "integer", "required": true, "backfill": 1 } } },
    }));
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        new,
        [
            r#"0003-create-twos {"create_table":{"entity":"b","table":"twos","fields":{"n":{"type":"integer","required":true}}}}"#,
            r#"0004-create-ones {"create_table":{"entity":"a","table":"ones","fields":{"b":{"type":"ref","to":"b"},"own":{"type":"ref","to":"a"}}}}"#,
        ]
    );

    let (new, problems) = appended(shop(
        "shops",
        json!({
            "size": { "type": "bigint" }, "x": { "type": "date" },
            "y": { "type": "text", "required": true, "backfill": "none" }, "z": { "type": "uuid", "unique": true },
        }),
    ));
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        new,
        [
            r#"0003-alter-shops-size {"alter_column":{"table":"shops","column":"size","from":{"type":"integer"},"to":{"type":"bigint"}}}"#,
            r#"0004-extend-shops-x-y-z {"add_columns":{"table":"shops","fields":{"x":{"type":"date"},"y":{"type":"text","required":true,"backfill":"none"},"z":{"type":"uuid","unique":true}}}}"#,
        ]
    );

    let (new, problems) = appended(shop("shops", json!({})));
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        new,
        [r#"0003-shrink-shops-size {"drop_columns":{"table":"shops","fields":{"size":{"type":"integer"}}}}"#]
    );
}

#[test]
fn differences_without_an_operation_are_refused() {
    let one = |entities: Value| {
        let (_, problems) = appended(entities);
        let [problem] = problems.try_into().unwrap();
        problem
    };
    let size = || json!({ "size": { "type": "integer" } });
    assert_eq!(
        one(shop("stores", size())),
        "entities.shop.table: `shop` has its rows in the table `shops`, and a table keeps its name; \
         give it that `table`, or move the rows to an entity of another name: `appgen add-migration`"
    );
    assert_eq!(
        one(json!({ "store": { "table": "shops", "fields": size() } })),
        "entities.store.table: the table `shops` was made for `shop`; give the entity another `table`"
    );
    assert_eq!(
        one(shop("shops", json!({ "size": { "type": "integer" }, "x": { "type": "date", "required": true } }))),
        "entities.shop.fields.x: `x` is required, and `shops` may have rows; \
         say with `backfill` what they get, or leave out `required`"
    );
    let unique = json!({ "type": "integer", "required": true, "unique": true, "backfill": 1 });
    assert_eq!(
        one(shop("shops", json!({ "size": { "type": "integer" }, "x": unique }))),
        "entities.shop.fields.x: `x` is unique: its rows cannot all get one value; \
         add it without `required` and `backfill`, fill it with a migration, then make it required"
    );
    assert_eq!(
        one(shop("shops", json!({ "size": { "type": "date" } }))),
        "entities.shop.fields.size: `size` cannot become another type: the values have no conversion that always works; \
         add a field with another name, and move the data with `appgen add-migration`"
    );
    assert_eq!(
        one(shop("shops", json!({ "size": { "type": "integer", "required": true } }))),
        "entities.shop.fields.size: `size` becomes required, and rows of `shops` may have none; \
         say with `backfill` what they get"
    );
    let (_, problems) =
        appended(shop("shops", json!({ "size": { "type": "integer", "required": true, "backfill": 0 } })));
    assert_eq!(problems, [""; 0]);
    let a = json!({ "table": "ones", "fields": { "b": { "type": "ref", "to": "b" } } });
    let b = json!({ "table": "twos", "fields": { "a": { "type": "ref", "to": "a" } } });
    assert_eq!(one(json!({ "a": a, "b": b })), "entities.a: the references among `a`, `b` form a circle; ");
}

#[test]
fn a_row_is_recognised_by_the_first_unique_column_that_it_has() {
    let fields: Fields = serde_json::from_value(json!({
        "a": { "type": "text", "unique": true }, "b": { "type": "text" }, "c": { "type": "text", "unique": true },
    }))
    .unwrap();
    let key = |rows: Value| {
        let insert: InsertRows = serde_json::from_value(json!({ "table": "t", "context": "x", "rows": rows })).unwrap();
        insert.key(&fields).map(SqlName::to_string)
    };
    assert_eq!(key(json!([{ "c": "", "b": "" }])).as_deref(), Some("c"));
    assert_eq!(key(json!([{ "c": "", "a": "" }])).as_deref(), Some("a"));
    assert_eq!(key(json!([{ "b": "" }])), None);
    assert_eq!(key(json!([])), None);
}
