//! TOML edited in place with toml_edit; what an edit does not name keeps its comments, order and blank lines.

use std::str::FromStr as _;

use indexmap::IndexMap;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Key, Table, Value as Toml};

use super::Sides;
use super::tree::{Change, Slot, Value, expected, reconcile};

/// Takes the difference between base and next over to ours; None when both changed one thing, or when the result could
/// not be proven.
pub(super) fn merge(sides: Sides<'_>) -> Option<String> {
    let [base, mut ours, next] = [sides.base, sides.ours, sides.next].map(|text| DocumentMut::from_str(text).ok());
    let (base, ours, next) = (base?, ours.as_mut()?, next?);
    let [base, mine, new] = [&base, ours, &next].map(|document| table(document.as_table()));
    let change = reconcile(Some(&base), Some(&mine), Some(&new)).ok()?;
    let wanted = expected(Some(&mine), Some(&new), &change)?;
    match &change {
        Change::Keep => {}
        Change::Map(changes) => change_table(ours.as_table_mut(), next.as_table(), changes)?,
        _ => return None,
    }
    let text = ours.to_string();
    let reached = DocumentMut::from_str(&text).ok()?;
    (table(reached.as_table()) == wanted).then_some(text)
}

pub(super) fn parses(text: &str) -> bool {
    DocumentMut::from_str(text).is_ok()
}

/// The comments, each with its `#`.
pub(super) fn comments(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['#', '"', '\'']) {
        rest = &rest[at..];
        if rest.starts_with('#') {
            let end = rest.find('\n').unwrap_or(rest.len());
            found.push(rest[..end].trim_end().to_owned());
            rest = &rest[end..];
            continue;
        }
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)).unwrap_or("\"");
        rest = &rest[quote.len()..];
        while !rest.is_empty() && !rest.starts_with(quote) {
            let escape = quote.starts_with('"') && rest.starts_with('\\');
            let step = rest.chars().take(if escape { 2 } else { 1 }).map(char::len_utf8).sum();
            rest = &rest[step..];
        }
        rest = rest.get(quote.len()..).unwrap_or("");
    }
    found
}

fn item(item: &Item) -> Value {
    match item {
        Item::None => Value::Scalar("none".to_owned()),
        Item::Value(value) => scalar(value),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => Value::List(tables.iter().map(table).collect()),
    }
}

fn table(inner: &Table) -> Value {
    let entry = |(key, value): (&str, &Item)| {
        let value = match value.as_table_like() {
            Some(list) if key.ends_with("dependencies") => {
                Value::Map(list.iter().map(|(key, value)| (key.to_owned(), dependency(value))).collect())
            }
            _ => item(value),
        };
        (key.to_owned(), value)
    };
    Value::Map(inner.iter().map(entry).collect::<IndexMap<_, _>>())
}

/// In Cargo.toml `a = "1"` says the same as `a = { version = "1" }`: the user adds features, the template a version.
fn dependency(value: &Item) -> Value {
    match value.as_str() {
        Some(_) => Value::Map([("version".to_owned(), item(value))].into_iter().collect()),
        None => item(value),
    }
}

/// What [`dependency`] reads, written out.
fn with_version(version: &Toml) -> Option<InlineTable> {
    let mut inner = InlineTable::new();
    inner.insert("version", version.as_str()?.into());
    Some(inner)
}

fn scalar(value: &Toml) -> Value {
    match value {
        Toml::String(text) => Value::Scalar(format!("string {}", text.value())),
        Toml::Array(items) => Value::List(items.iter().map(scalar).collect()),
        Toml::InlineTable(inner) => {
            Value::Map(inner.iter().map(|(key, value)| (key.to_owned(), scalar(value))).collect::<IndexMap<_, _>>())
        }
        other => Value::Scalar(format!("{} {}", other.type_name(), other.clone().decorated("", ""))),
    }
}

fn change_item(ours: &mut Item, next: &Item, change: &Change) -> Option<()> {
    match (change, ours, next) {
        (Change::Map(changes), Item::Table(ours), Item::Table(next)) => change_table(ours, next, changes),
        (Change::Map(changes), Item::Table(ours), Item::Value(Toml::InlineTable(next))) => {
            change_table(ours, &next.clone().into_table(), changes)
        }
        (Change::List(slots), Item::ArrayOfTables(ours), Item::ArrayOfTables(next)) => change_tables(ours, next, slots),
        (change, Item::Value(ours), Item::Value(next)) => change_value(ours, next, change),
        _ => None,
    }
}

fn change_table(ours: &mut Table, next: &Table, changes: &[(String, Change)]) -> Option<()> {
    let values = |table: &Table| -> Vec<String> {
        table.iter().filter(|(_, item)| item.is_value()).map(|(key, _)| key.to_owned()).collect()
    };
    let sorted = values(ours).len() > 1 && values(ours).is_sorted();
    for (key, change) in changes {
        let new = next.get_key_value(key);
        match (change, ours.get_mut(key)) {
            (Change::Remove, _) => {
                ours.remove(key);
            }
            (Change::Put, Some(Item::Value(old))) if new.is_some_and(|(_, new)| new.is_value()) => {
                let mut value = new?.1.as_value()?.clone();
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            (Change::Put, Some(_)) => {
                // Another kind of table, where the old one stood: nothing of its layout fits.
                ours.remove(key);
                let (key, item) = new?;
                ours.insert_formatted(key, placed(item));
            }
            (Change::Put, None) => {
                let (key, item) = new?;
                insert(ours, next, key, placed(item), sorted);
            }
            (change, Some(old)) => change_item(old, new?.1, change)?,
            (_, None) => return None,
        }
    }
    Some(())
}

/// Inserts in sorted place, or behind the key that it follows in next.
fn insert(ours: &mut Table, next: &Table, key: &Key, item: Item, sorted: bool) {
    if !item.is_value() {
        ours.insert_formatted(key, apart(item));
        return;
    }
    let keys: Vec<String> = ours.iter().map(|(key, _)| key.to_owned()).collect();
    let at = if sorted {
        keys.iter().position(|other| other.as_str() > key.get())
    } else {
        let before: Vec<&str> = next.iter().map(|(other, _)| other).take_while(|other| *other != key.get()).collect();
        let behind = before.iter().rev().find_map(|before| keys.iter().position(|key| key == before));
        behind.map(|at| at + 1)
    };
    ours.insert_formatted(key, item);
    // A table has no insertion in the middle: what comes behind is taken out and put back.
    for later in keys.iter().skip(at.unwrap_or(keys.len())) {
        if let Some((key, item)) = ours.remove_entry(later) {
            ours.insert_formatted(&key, item);
        }
    }
}

/// With a blank line above, which the first table of its own document has not.
fn apart(mut item: Item) -> Item {
    let first = match &mut item {
        Item::Table(table) => Some(table),
        Item::ArrayOfTables(tables) => tables.get_mut(0),
        _ => None,
    };
    if let Some(decor) = first.map(Table::decor_mut) {
        let above = decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
        if !above.starts_with('\n') {
            decor.set_prefix(format!("\n{above}"));
        }
    }
    item
}

/// A copy without the place that it had in its own document.
fn placed(item: &Item) -> Item {
    fn forget(table: &mut Table) {
        table.set_position(None);
        for (_, item) in table.iter_mut() {
            match item {
                Item::Table(inner) => forget(inner),
                Item::ArrayOfTables(tables) => tables.iter_mut().for_each(forget),
                _ => {}
            }
        }
    }
    let mut item = item.clone();
    match &mut item {
        Item::Table(table) => forget(table),
        Item::ArrayOfTables(tables) => tables.iter_mut().for_each(forget),
        _ => {}
    }
    item
}

fn change_tables(ours: &mut ArrayOfTables, next: &ArrayOfTables, slots: &[Slot]) -> Option<()> {
    let mut tables = ArrayOfTables::new();
    for slot in slots {
        match slot {
            Slot::Ours(o, n, change) => {
                let mut item = Item::Table(ours.get(*o)?.clone());
                match change {
                    Change::Keep => {}
                    Change::Put => item = placed(&Item::Table(next.get(*n)?.clone())),
                    change => change_item(&mut item, &Item::Table(next.get(*n)?.clone()), change)?,
                }
                tables.push(item.into_table().ok()?);
            }
            Slot::Next(n) => tables.push(placed(&Item::Table(next.get(*n)?.clone())).into_table().ok()?),
        }
    }
    *ours = tables;
    Some(())
}

fn change_value(ours: &mut Toml, next: &Toml, change: &Change) -> Option<()> {
    match (change, ours, next) {
        (Change::Put, ours, next) | (Change::Map(_), ours @ Toml::String(_), next @ Toml::String(_)) => {
            let decor = ours.decor().clone();
            *ours = next.clone();
            *ours.decor_mut() = decor;
            Some(())
        }
        (Change::Map(changes), Toml::InlineTable(ours), Toml::InlineTable(next)) => change_inline(ours, next, changes),
        (Change::Map(changes), Toml::InlineTable(ours), version) => {
            change_inline(ours, &with_version(version)?, changes)
        }
        (Change::Map(changes), ours, Toml::InlineTable(next)) => {
            let decor = ours.decor().clone();
            let mut inner = with_version(ours)?;
            change_inline(&mut inner, next, changes)?;
            *ours = Toml::InlineTable(inner);
            *ours.decor_mut() = decor;
            Some(())
        }
        (Change::List(slots), Toml::Array(ours), Toml::Array(next)) => change_array(ours, next, slots),
        _ => None,
    }
}

fn change_inline(ours: &mut InlineTable, next: &InlineTable, changes: &[(String, Change)]) -> Option<()> {
    let one_line = !ours.to_string().contains('\n');
    let mut reformat = false;
    for (key, change) in changes {
        let new = next.get_key_value(key);
        match (change, ours.get_mut(key)) {
            (Change::Remove, _) => {
                ours.remove(key);
                reformat = true;
            }
            (Change::Put, None) => {
                let (key, item) = new?;
                ours.insert_formatted(key, item.as_value()?.clone());
                reformat = true;
            }
            (change, Some(old)) => change_value(old, new?.1.as_value()?, change)?,
            (_, None) => return None,
        }
    }
    if reformat {
        if !one_line {
            return None;
        }
        ours.fmt();
    }
    Some(())
}

fn change_array(ours: &mut Array, next: &Array, slots: &[Slot]) -> Option<()> {
    let one_line = !ours.to_string().contains('\n');
    let comma = ours.trailing_comma();
    let indent = ours
        .iter()
        .next()
        .and_then(|item| item.decor().prefix()?.as_str())
        .and_then(|prefix| prefix.rfind('\n').map(|newline| prefix[newline..].to_owned()));
    let mut items: Vec<(Toml, bool)> = Vec::new();
    for slot in slots {
        match slot {
            Slot::Ours(o, n, change) => {
                let mut item = ours.get(*o)?.clone();
                if *change != Change::Keep {
                    change_value(&mut item, next.get(*n)?, change)?;
                }
                items.push((item, false));
            }
            Slot::Next(n) => items.push((next.get(*n)?.clone(), true)),
        }
    }
    let mut trailing = ours.trailing().as_str().unwrap_or("").to_owned();
    if !one_line {
        let indent = indent?;
        // What stands behind a comma, `# like this`, belongs to the item before it.
        for at in 0..items.len() {
            if !items[at].1 {
                continue;
            }
            let following = items.get(at + 1).filter(|(_, new)| !new);
            let text = match following {
                Some((item, _)) => item.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or("").to_owned(),
                None => trailing.clone(),
            };
            let (head, rest) = text.split_at(text.find('\n').unwrap_or(0));
            *items[at].0.decor_mut() = toml_edit::Decor::new(format!("{head}{indent}"), "");
            match items.get_mut(at + 1).filter(|(_, new)| !new) {
                Some((item, _)) => item.decor_mut().set_prefix(rest),
                None => rest.clone_into(&mut trailing),
            }
        }
    }
    let decor = ours.decor().clone();
    let mut array = Array::new();
    items.into_iter().for_each(|(item, _)| array.push_formatted(item));
    if one_line {
        array.fmt();
    } else {
        array.set_trailing(trailing);
        array.set_trailing_comma(comma);
    }
    *array.decor_mut() = decor;
    *ours = array;
    Some(())
}
