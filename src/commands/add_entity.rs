//! `appgen add-entity`.

use std::io::Write;

use super::ask::{parsed, terminal};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddEntity, Global};
use crate::spec::entity::{EntityDocument, Fields};
use crate::spec::grammar::parse_field;
use crate::spec::name::{EntityName, SqlName};
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: AddEntity, out: &mut impl Write) -> Result<Exit, Failure> {
    let arguments =
        if arguments.name.is_none() || arguments.fields.is_empty() { ask(global, arguments)? } else { arguments };
    let name = parsed(&arguments.name.unwrap_or_default(), EntityName::parse)?;
    let mut fields = Fields::new();
    for text in &arguments.fields {
        let (field, value) = parse_field(text).map_err(Failure::Usage)?;
        if fields.insert(field.clone(), value).is_some() {
            return Err(Failure::Usage(format!("the field `{field}` stands twice")));
        }
    }
    let table = arguments.table.map(|table| parsed(&table, SqlName::parse)).transpose()?;
    let tree = worktree(global)?;
    let session = Session::open(global, &tree)?;
    let mut document = session.document.clone();
    document.add_entity(&session.desired()?, name, EntityDocument { table, fields })?;
    let next = vec!["make db-verify".to_owned(), "make test".to_owned()];
    session.apply(global, sets, "add-entity", document, Options { next, ..Options::default() }, out)
}

fn ask(global: &Global, given: AddEntity) -> Result<AddEntity, Failure> {
    let missing = "an entity needs a name and fields: `appgen add-entity NAME FIELD:TYPE …`";
    let mut prompt = terminal(global, missing)?;
    let name = match given.name {
        Some(name) => name,
        None => {
            let check = |text: &str| EntityName::parse(text).map(drop).map_err(|error| error.to_string());
            prompt.line("Name of the entity", "invoice", &check)?
        }
    };
    let mut fields = given.fields;
    if fields.is_empty() {
        let check = |text: &str| text.split_whitespace().try_for_each(|field| parse_field(field).map(drop));
        let line = prompt.line("Fields, separated by spaces", "code:text(20)!^ name:text(200)!", &check)?;
        fields = line.split_whitespace().map(str::to_owned).collect();
    }
    Ok(AddEntity { name: Some(name), fields, table: given.table })
}
