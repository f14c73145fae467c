//! The examples that a new service starts with: two reference tables with a little test data, a handler, a job.

use indexmap::IndexMap;
use serde_json::json;

use super::changeset::{self, InsertRows, Operation};
use super::entity::{EntityDocument, Fields};
use super::environment::TESTDATA;
use super::field::{Field, FieldType};
use super::handler::{Example, Handler, Method, RoutePath};
use super::name::{EntityName, HandlerName, SqlName};
use super::{Spec, SpecDocument};

const COUNTRIES: &[[&str; 2]] =
    &[["DE", "Germany"], ["FR", "France"], ["GB", "United Kingdom"], ["JP", "Japan"], ["US", "United States"]];
const CURRENCIES: &[[&str; 3]] =
    &[["EUR", "Euro", "€"], ["GBP", "Pound sterling", "£"], ["JPY", "Yen", "¥"], ["USD", "US dollar", "$"]];

/// Adds the example entities and handlers.
pub fn add_to(document: &mut SpecDocument) {
    document.entities.insert(
        entity("country"),
        EntityDocument {
            table: None,
            fields: Fields::from_iter([
                (column("code"), Field { unique: true, ..text(2, "ISO 3166-1 alpha-2 code") }),
                (column("name"), text(200, "Short name in English")),
            ]),
        },
    );
    document.entities.insert(
        entity("currency"),
        EntityDocument {
            table: None,
            fields: Fields::from_iter([
                (column("code"), Field { unique: true, ..text(3, "ISO 4217 code") }),
                (column("name"), text(100, "Name in English")),
                (column("symbol"), Field { required: false, ..text(8, "Sign before or behind an amount") }),
            ]),
        },
    );
    document.handlers.insert(
        handler("quote"),
        Handler {
            method: Method::Get,
            path: path("/api/v1/quotes/{symbol}"),
            example: document.features.http_client.then_some(Example::Quote),
        },
    );
    if document.features.worker_pool {
        document.handlers.insert(
            handler("factorial"),
            Handler { method: Method::Post, path: path("/api/v1/factorials"), example: Some(Example::Factorial) },
        );
    }
}

/// Adds the test data of the example entities.
pub fn add_rows_to(spec: &mut Spec) {
    let countries = COUNTRIES.iter().map(|values| row(["code", "name"], *values));
    let currencies = CURRENCIES.iter().map(|values| row(["code", "name", "symbol"], *values));
    for (table, rows) in [("countries", countries.collect()), ("currencies", currencies.collect::<Vec<_>>())] {
        let insert = InsertRows { table: column(table), context: TESTDATA.to_owned(), rows };
        changeset::append(&mut spec.changesets, "insert", table, Operation::InsertRows(insert));
    }
}

fn row<const N: usize>(columns: [&str; N], values: [&str; N]) -> IndexMap<SqlName, serde_json::Value> {
    columns.into_iter().map(column).zip(values.into_iter().map(|value| json!(value))).collect()
}

fn text(length: u32, description: &str) -> Field {
    Field {
        length: Some(length),
        required: true,
        description: Some(description.to_owned()),
        ..Field::new(FieldType::Text)
    }
}

fn entity(name: &str) -> EntityName {
    EntityName::parse(name).expect("a literal")
}

fn handler(name: &str) -> HandlerName {
    HandlerName::parse(name).expect("a literal")
}

fn column(name: &str) -> SqlName {
    SqlName::parse(name).expect("a literal")
}

fn path(path: &str) -> RoutePath {
    RoutePath::parse(path).expect("a literal")
}
