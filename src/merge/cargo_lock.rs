//! Cargo.lock, package by package: what only one side changed is taken from that side, next wins where both did, and what
//! nothing needs is left out. So a lockfile that was in step with either side's Cargo.toml is in step with the merged one.
//! Never a marker, for cargo could not read it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use toml_edit::DocumentMut;

use super::Sides;
use super::shape::Shape;

/// Name, version, source.
type Id = (String, String, String);

pub fn merge(sides: Sides<'_>) -> String {
    let (shape, ours) = Shape::take(sides.ours);
    let (base, next) = (Shape::take(sides.base).1, Shape::take(sides.next).1);
    let merged = match (ours == base, next == base || next == ours) {
        (true, _) => None,
        (false, true) => Some(ours),
        (false, false) => combine(&base, &ours, &next),
    };
    // A file that cannot be read is replaced by one that can.
    merged.map_or_else(|| sides.next.to_owned(), |text| shape.restore(&text))
}

struct Lock {
    header: String,
    packages: BTreeMap<Id, Package>,
    /// What follows the packages.
    tail: String,
}

#[derive(Clone)]
struct Package {
    /// The block up to its dependencies.
    text: String,
    dependencies: Vec<Id>,
}

/// What tells packages apart between locks: of the versions that replace each other, a lock has one.
type Slot = (String, String, Vec<String>);

fn slot(id: &Id) -> Slot {
    // The workspace's own packages have no source; a new version of one replaces the old one.
    let series = if id.2.is_empty() { Vec::new() } else { series(&id.1) };
    (id.0.clone(), id.2.clone(), series)
}

fn combine(base: &str, ours: &str, next: &str) -> Option<String> {
    let [base, ours, next] = [read(base)?, read(ours)?, read(next)?];
    let [b, o, n] = [slots(&base)?, slots(&ours)?, slots(&next)?];
    let mut waiting: Vec<Slot> = o.keys().chain(n.keys()).filter(|slot| slot.1.is_empty()).cloned().collect();
    let mut chosen: BTreeMap<Slot, (Id, Package)> = BTreeMap::new();
    let mut needs: BTreeMap<Slot, BTreeSet<Slot>> = BTreeMap::new();
    while let Some(slot) = waiting.pop() {
        if chosen.contains_key(&slot) {
            continue;
        }
        let sides = [&b, &o, &n].map(|side| side.get(&slot));
        let [old, mine, new] = sides;
        let (id, package) = if new.map(|(id, _)| id) == old.map(|(id, _)| id) { mine.or(new) } else { new.or(mine) }?;
        let [old, mine, new] = sides.map(|side| side.map(|(_, package)| dependencies(package)));
        let dependencies = match (old.unwrap_or_default(), mine, new) {
            (old, Some(mine), Some(new)) => &(&new | &(&mine - &old)) - &(&old - &mine),
            (_, mine, new) => mine.or(new)?,
        };
        waiting.extend(dependencies.iter().cloned());
        chosen.insert(slot.clone(), ((*id).clone(), (*package).clone()));
        needs.insert(slot, dependencies);
    }
    let mut packages = BTreeMap::new();
    for (slot, (id, package)) in &chosen {
        let dependencies = needs[slot].iter().map(|needed| chosen.get(needed).map(|(id, _)| id.clone()));
        let dependencies = dependencies.collect::<Option<_>>()?;
        packages.insert(id.clone(), Package { dependencies, ..package.clone() });
    }
    Some(write(&Lock { header: next.header, packages, tail: ours.tail }))
}

/// None where versions that replace each other stand side by side: cargo allows it, and nothing tells them apart.
fn slots(lock: &Lock) -> Option<BTreeMap<Slot, (&Id, &Package)>> {
    let slots: BTreeMap<_, _> = lock.packages.iter().map(|(id, package)| (slot(id), (id, package))).collect();
    (slots.len() == lock.packages.len()).then_some(slots)
}

fn dependencies(package: &Package) -> BTreeSet<Slot> {
    package.dependencies.iter().map(slot).collect()
}

/// The part of a version within which releases replace each other.
fn series(version: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in version.split(['.', '-', '+']) {
        parts.push(part.to_owned());
        if part != "0" {
            break;
        }
    }
    parts
}

fn read(text: &str) -> Option<Lock> {
    const START: &str = "[[package]]\n";
    let document = DocumentMut::from_str(text).ok()?;
    let tables = document.get("package").and_then(|item| item.as_array_of_tables());
    let field = |table: &toml_edit::Table, key: &str| table.get(key).and_then(|item| item.as_str()).map(str::to_owned);
    let mut raw = Vec::new();
    for table in tables.into_iter().flatten() {
        let id = (field(table, "name")?, field(table, "version")?, field(table, "source").unwrap_or_default());
        let listed = table.get("dependencies").and_then(|item| item.as_array());
        let listed: Vec<String> =
            listed.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        raw.push((id, listed));
    }
    let (header, body) = text.split_once(START).unwrap_or((text, ""));
    let mut blocks: Vec<&str> = if raw.is_empty() { Vec::new() } else { body.split(START).collect() };
    let mut tail = String::new();
    if let Some(last) = blocks.last_mut()
        && let Some(at) = last.find("\n[")
    {
        tail = last[at + 1..].to_owned();
        *last = &last[..at];
    }
    if blocks.len() != raw.len() {
        return None;
    }
    let mut packages = BTreeMap::new();
    for ((id, listed), block) in raw.iter().zip(blocks) {
        let block = block.find("\ndependencies = [").map_or(block, |at| &block[..=at]);
        let dependencies = listed.iter().filter_map(|name| resolve(&raw, name)).collect();
        packages.insert(id.clone(), Package { text: block.trim_end().to_owned() + "\n", dependencies });
    }
    Some(Lock { header: header.to_owned(), packages, tail })
}

/// `name`, `name version` or `name version (source)`.
fn resolve(packages: &[(Id, Vec<String>)], reference: &str) -> Option<Id> {
    let mut parts = reference.splitn(3, ' ');
    let (name, version, source) = (parts.next()?, parts.next(), parts.next());
    let source = source.map(|source| source.trim_start_matches('(').trim_end_matches(')'));
    let fits = |id: &&Id| {
        // A source in a reference leaves out the commit that the package's own has.
        let same = |source: &str| id.2 == source || id.2.split('#').next() == Some(source);
        id.0 == name && version.is_none_or(|version| id.1 == version) && source.is_none_or(same)
    };
    packages.iter().map(|(id, _)| id).find(fits).cloned()
}

fn write(lock: &Lock) -> String {
    let mut names: BTreeMap<&str, Vec<&Id>> = BTreeMap::new();
    for id in lock.packages.keys() {
        names.entry(&id.0).or_default().push(id);
    }
    // As short as it is unique, as cargo writes it.
    let reference = |id: &Id| {
        let alike = names.get(id.0.as_str()).map_or(&[][..], Vec::as_slice);
        match (alike.len(), alike.iter().filter(|other| other.1 == id.1).count()) {
            (0 | 1, _) => id.0.clone(),
            (_, 0 | 1) => format!("{} {}", id.0, id.1),
            _ if id.2.is_empty() => format!("{} {}", id.0, id.1),
            _ => format!("{} {} ({})", id.0, id.1, id.2.split('#').next().unwrap_or_default()),
        }
    };
    let mut text = lock.header.trim_end().to_owned() + "\n";
    for package in lock.packages.values() {
        text.push_str("\n[[package]]\n");
        text.push_str(&package.text);
        if !package.dependencies.is_empty() {
            let listed: BTreeSet<String> = package.dependencies.iter().map(reference).collect();
            text.push_str("dependencies = [\n");
            listed.iter().for_each(|name| text.push_str(&format!(" {name:?},\n")));
            text.push_str("]\n");
        }
    }
    if !lock.tail.is_empty() {
        text.push('\n');
        text.push_str(&lock.tail);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n";

    fn lock(packages: &[(&str, &str, &[&str])]) -> String {
        let mut text = HEAD.to_owned();
        for (name, version, dependencies) in packages {
            text += &format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
            if *name != "app" {
                text += "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00\"\n";
            }
            if !dependencies.is_empty() {
                let listed: String = dependencies.iter().map(|name| format!(" \"{name}\",\n")).collect();
                text += &format!("dependencies = [\n{listed}]\n");
            }
        }
        text
    }

    #[track_caller]
    fn merged(base: &str, ours: &str, next: &str, result: &str) {
        assert_eq!(merge(Sides { base, ours, next }), result);
    }

    #[test]
    fn next_wins_and_the_users_packages_stay() {
        let base = lock(&[("app", "0.1.0", &["serde"]), ("serde", "1.0.0", &[])]);
        let ours = lock(&[
            ("app", "0.1.0", &["serde", "user"]),
            ("serde", "1.0.0", &[]),
            ("syn", "2.0.0", &[]),
            ("user", "3.0.0", &["serde", "syn"]),
        ]);
        let next = lock(&[("app", "0.1.0", &["serde"]), ("serde", "1.0.5", &["syn"]), ("syn", "3.0.0", &[])]);
        let both = lock(&[
            ("app", "0.1.0", &["serde", "user"]),
            ("serde", "1.0.5", &["syn 3.0.0"]),
            ("syn", "2.0.0", &[]),
            ("syn", "3.0.0", &[]),
            ("user", "3.0.0", &["serde", "syn 2.0.0"]),
        ]);
        merged(&base, &ours, &next, &both);
        merged(&base, &base, &next, &next);
        merged(&base, &ours, &base, &ours);
    }

    #[test]
    fn what_the_user_updated_and_removed_stays_so() {
        let base = lock(&[
            ("app", "0.1.0", &["serde", "tower"]),
            ("hash", "0.3.0", &[]),
            ("serde", "1.0.0", &["hash"]),
            ("tower", "0.5.1", &["hash"]),
        ]);
        let ours = lock(&[
            ("app", "2.0.0", &["serde"]),
            ("hash", "0.3.1", &[]),
            ("hash", "0.4.0", &[]),
            ("serde", "1.2.0", &["hash 0.4.0", "mac"]),
            ("mac", "1.0.0", &["hash 0.3.1"]),
        ]);
        let next = lock(&[
            ("app", "0.1.0", &["decimal", "serde", "tower"]),
            ("decimal", "1.0.0", &["hash", "serde"]),
            ("hash", "0.3.0", &[]),
            ("serde", "1.0.0", &["hash"]),
            ("tower", "0.5.1", &["hash"]),
        ]);
        let both = lock(&[
            ("app", "2.0.0", &["decimal", "serde"]),
            ("decimal", "1.0.0", &["hash 0.3.1", "serde"]),
            ("hash", "0.3.1", &[]),
            ("hash", "0.4.0", &[]),
            ("mac", "1.0.0", &["hash 0.3.1"]),
            ("serde", "1.2.0", &["hash 0.4.0", "mac"]),
        ]);
        merged(&base, &ours, &next, &both);
        // And back: what only the template's addition needed goes with it.
        merged(
            &next,
            &both,
            &base,
            &lock(&[
                ("app", "2.0.0", &["serde"]),
                ("hash", "0.3.1", &[]),
                ("hash", "0.4.0", &[]),
                ("mac", "1.0.0", &["hash 0.3.1"]),
                ("serde", "1.2.0", &["hash 0.4.0", "mac"]),
            ]),
        );
    }

    #[test]
    fn a_lock_is_written_as_cargo_writes_it() {
        let text = include_str!("../../Cargo.lock");
        assert_eq!(read(text).map(|lock| write(&lock)).as_deref(), Some(text));
    }

    #[test]
    fn what_cannot_be_read_is_replaced() {
        let base = lock(&[("a", "1.0.0", &[])]);
        let next = lock(&[("b", "1.0.0", &[])]);
        merged(&base, "<<<<<<<\n", &next, &next);
    }
}
