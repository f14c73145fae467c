//! `appgen add-entity`.

use std::io::Write;

use super::ask::{Current, parsed, wizard};
use super::session::{Options, Session, worktree};
use super::{Exit, Failure};
use crate::cli::{AddEntity, Global};
use crate::prompt::Prompt;
use crate::spec::entity::{EntityDocument, Fields};
use crate::spec::field::{Field, FieldType};
use crate::spec::grammar::parse_field;
use crate::spec::name::{EntityName, SqlName, plural};
use crate::templates::Sets;

pub(super) fn run(global: &Global, sets: &Sets, arguments: AddEntity, out: &mut impl Write) -> Result<Exit, Failure> {
    let tree = worktree(global)?;
    let arguments = if arguments.name.is_some() && !arguments.fields.is_empty() {
        arguments
    } else {
        let missing = "an entity needs a name and fields: `appgen add-entity NAME FIELD:TYPE … [--table T]`";
        let (mut prompt, current) = wizard(global, &tree, missing)?;
        ask(arguments, &current, prompt.as_mut())?
    };
    let name = parsed(&arguments.name.unwrap_or_default(), EntityName::parse)?;
    let fields = read_fields(&arguments.fields).map_err(Failure::Usage)?;
    let table = arguments.table.map(|table| parsed(&table, SqlName::parse)).transpose()?;
    let session = Session::open(global, &tree)?;
    let mut document = session.document.clone();
    document.add_entity(&session.desired()?, name.clone(), EntityDocument { table, fields })?;
    let next = vec!["make db-verify".to_owned(), "make test".to_owned()];
    let idle = format!("the entity `{name}` is there, with these values");
    session.apply(global, sets, "add-entity", document, Options { next, idle, ..Options::default() }, out)
}

fn read_fields(texts: &[String]) -> Result<Fields, String> {
    let mut fields = Fields::new();
    for text in texts {
        let (field, value) = parse_field(text.trim())?;
        if fields.insert(field.clone(), value).is_some() {
            return Err(format!("the field `{field}` stands twice"));
        }
    }
    Ok(fields)
}

const GRAMMAR: &str = "\
Fields, one a line, such as `code:text(3)!^`; an empty line ends them.
  text text(N) smallint integer bigint decimal(P,S) boolean date timestamp uuid json enum(A,B) ref(ENTITY)
  ! required   ? may be null (the default)   ^ unique";

fn ask(given: AddEntity, current: &Current, prompt: &mut dyn Prompt) -> Result<AddEntity, Failure> {
    let objection = |name: &str, table: Option<&str>, fields: &[String]| {
        let name = EntityName::parse(name.trim()).map_err(|error| error.to_string())?;
        let table = table.map(|table| SqlName::parse(table.trim())).transpose().map_err(|error| error.to_string())?;
        if current.document.entities.contains_key(&name) {
            return Err(format!("there is an entity `{name}` already"));
        }
        let mut fields = read_fields(fields)?;
        if fields.is_empty() {
            // With a field that no entity objects to, what is wrong is the name's or the table's.
            fields.extend(SqlName::parse("trial").map(|trial| (trial, Field::new(FieldType::Text))));
        }
        current.objection(|document, spec| document.add_entity(spec, name, EntityDocument { table, fields }))
    };
    let name = match given.name {
        Some(name) => {
            objection(&name, given.table.as_deref(), &[]).map_err(Failure::Usage)?;
            name
        }
        None => prompt.line("Name of the entity, such as `invoice`", "", &|text| {
            // Where the default for the table is no name for one, the next question asks for another.
            let default = EntityName::parse(text.trim()).map(|name| plural(&name.snake()));
            let free = default.is_ok_and(|table| SqlName::parse(&table).is_ok());
            objection(text, given.table.as_deref().or((!free).then_some("appgen_trial")), &[])
        })?,
    };
    let table = match given.table {
        Some(table) => table,
        None => {
            let default = plural(&parsed(&name, EntityName::parse)?.snake());
            prompt.line("Table", &default, &|text| objection(&name, Some(text), &[]))?
        }
    };
    let mut fields = given.fields;
    if fields.is_empty() {
        prompt.say(GRAMMAR)?;
        loop {
            let answer = prompt.line("Field", "", &|text| match text.trim() {
                "" if fields.is_empty() => Err("an entity has at least one field".to_owned()),
                "" => Ok(()),
                text => objection(&name, Some(&table), &[fields.as_slice(), &[text.to_owned()]].concat()),
            })?;
            match answer.trim() {
                "" => break,
                field => fields.push(field.to_owned()),
            }
        }
    }
    Ok(AddEntity { name: Some(name), fields, table: Some(table) })
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::{Script, current};
    use super::*;

    #[test]
    fn fields_are_asked_for_one_by_one_and_held_against_the_spec() {
        let mut script = Script::new(&[
            ("Name", "country"),
            ("Name", "invoice"),
            ("Table", "countries"),
            ("Table", ""),
            ("Field", ""),
            ("Field", "number"),
            ("Field", "number:text(20)!^"),
            ("Field", "number:date"),
            ("Field", "id:uuid"),
            ("Field", "land:ref(contry)"),
            ("Field", "land:ref(country)!"),
            ("Field", ""),
        ]);
        let given = AddEntity { name: None, fields: Vec::new(), table: None };
        let answers = ask(given, &current(), &mut script).unwrap();
        assert_eq!(answers.table.as_deref(), Some("invoices"));
        assert_eq!(answers.fields, ["number:text(20)!^", "land:ref(country)!"]);
        let expected = [
            "there is an entity `country` already",
            "has the table `countries` already",
            "at least one field",
            "`name:type`",
            "`number` stands twice",
            "its own column `id`",
            "did you mean `country`?",
        ];
        assert_eq!(script.objections.len(), expected.len(), "{:#?}", script.objections);
        for (objection, expected) in script.objections.iter().zip(expected) {
            assert!(objection.contains(expected), "{objection}");
        }
    }

    #[test]
    fn a_name_whose_plural_is_no_table_gets_another() {
        let mut script = Script::new(&[("Name", "reference"), ("Table", ""), ("Table", "sources")]);
        let given = AddEntity { name: None, fields: vec!["a:text".to_owned()], table: None };
        assert_eq!(ask(given, &current(), &mut script).unwrap().table.as_deref(), Some("sources"));
        assert!(script.objections[0].contains("`references` is reserved"), "{:?}", script.objections);
    }
}
