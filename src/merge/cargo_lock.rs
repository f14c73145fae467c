//! Cargo.lock, package by package and edge by edge: what either side added stays, what either side took away goes, and
//! where both chose a version next wins. What nothing needs any more is left out, so that `--locked` accepts the result
//! though no cargo ran. Never a marker, for cargo could not read it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use toml_edit::DocumentMut;

use super::Sides;
use super::shape::Shape;

/// Name, version, source.
type Id = (String, String, String);

/// The merged text, and whether ours differed from base, so that `cargo update --workspace` is due.
pub fn merge(sides: Sides<'_>) -> (String, bool) {
    let (shape, ours) = Shape::take(sides.ours);
    let (base, next) = (Shape::take(sides.base).1, Shape::take(sides.next).1);
    if ours == base {
        return (sides.next.to_owned(), false);
    }
    let merged = if next == base || next == ours { Some(ours.clone()) } else { combine(&base, &ours, &next) };
    // A file that cannot be read is replaced by one that can.
    (merged.map_or_else(|| sides.next.to_owned(), |text| shape.restore(&text)), true)
}

struct Lock {
    header: String,
    packages: BTreeMap<Id, Package>,
    /// What follows the packages.
    tail: String,
}

struct Package {
    /// The block up to its dependencies.
    text: String,
    dependencies: Vec<Id>,
}

/// Name, series, source: of each of these cargo locks one version. The workspace's own packages have no source.
type Slot = (String, Vec<String>, String);

/// What is locked for a slot.
struct Locked<'a> {
    id: &'a Id,
    text: &'a str,
    dependencies: BTreeSet<Slot>,
}

type Slots<'a> = BTreeMap<Slot, Locked<'a>>;

fn slots(lock: &Lock) -> Slots<'_> {
    lock.packages
        .iter()
        .map(|(id, package)| {
            let dependencies = package.dependencies.iter().map(slot).collect();
            (slot(id), Locked { id, text: &package.text, dependencies })
        })
        .collect()
}

fn slot(id: &Id) -> Slot {
    let series = if id.2.is_empty() { Vec::new() } else { series(&id.1) };
    (id.0.clone(), series.into_iter().map(str::to_owned).collect(), id.2.clone())
}

fn combine(base: &str, ours: &str, next: &str) -> Option<String> {
    let (base, ours, next) = (read(base)?, read(ours)?, read(next)?);
    let sides = [slots(&base), slots(&ours), slots(&next)];
    let mut waiting: Vec<Slot> =
        sides[1..].iter().flat_map(BTreeMap::keys).filter(|slot| slot.2.is_empty()).cloned().collect();
    let mut edges: BTreeMap<Slot, BTreeSet<Slot>> = BTreeMap::new();
    while let Some(slot) = waiting.pop() {
        if edges.contains_key(&slot) {
            continue;
        }
        let dependencies = dependencies(&slot, &sides);
        waiting.extend(dependencies.iter().cloned());
        edges.insert(slot, dependencies);
    }
    let mut packages = BTreeMap::new();
    for (slot, dependencies) in &edges {
        let Locked { id, text, .. } = chosen(slot, &sides)?;
        let dependencies = dependencies.iter().map(|to| Some(chosen(to, &sides)?.id.clone()));
        let dependencies = dependencies.collect::<Option<_>>()?;
        packages.insert((*id).clone(), Package { text: (*text).to_owned(), dependencies });
    }
    Some(write(&Lock { header: next.header, packages, tail: next.tail }))
}

/// The edges that both sides have or one added. A side that has not the package at all took none away.
fn dependencies(slot: &Slot, [base, ours, next]: &[Slots<'_>; 3]) -> BTreeSet<Slot> {
    let of = |side: &Slots<'_>, to: &Slot| side.get(slot).is_some_and(|locked| locked.dependencies.contains(to));
    let either = [ours, next].into_iter().filter_map(|side| side.get(slot)).flat_map(|locked| &locked.dependencies);
    either
        .filter(|to| match (of(ours, to), of(next, to)) {
            (true, false) => !of(base, to) || !next.contains_key(slot),
            (false, true) => !of(base, to) || !ours.contains_key(slot),
            (both, _) => both,
        })
        .cloned()
        .collect()
}

/// The version: that of the side which changed it, and next's where both did.
fn chosen<'a, 'b>(slot: &Slot, [base, ours, next]: &'b [Slots<'a>; 3]) -> Option<&'b Locked<'a>> {
    match (base.get(slot), ours.get(slot), next.get(slot)) {
        (Some(base), Some(ours), Some(next)) if base.text == next.text => Some(ours),
        (_, ours, next) => next.or(ours),
    }
}

/// The part of a version within which releases replace each other.
fn series(version: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in version.split(['.', '-', '+']) {
        parts.push(part);
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
    let (mut ids, mut listed) = (Vec::new(), Vec::new());
    for table in tables.into_iter().flatten() {
        ids.push((field(table, "name")?, field(table, "version")?, field(table, "source").unwrap_or_default()));
        listed.push(table.get("dependencies").map(|item| {
            let items = item.as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<_>>()
        }));
    }
    let (header, body) = text.split_once(START).unwrap_or((text, ""));
    let mut blocks: Vec<&str> = if ids.is_empty() { Vec::new() } else { body.split(START).collect() };
    let mut tail = String::new();
    if let Some(last) = blocks.last_mut()
        && let Some(at) = last.find("\n[")
    {
        tail = last[at + 1..].to_owned();
        *last = &last[..at];
    }
    if blocks.len() != ids.len() {
        return None;
    }
    let mut packages = BTreeMap::new();
    for ((id, listed), block) in ids.iter().zip(listed).zip(blocks) {
        let (text, listed) = match (listed, block.find("\ndependencies = [")) {
            (Some(listed), Some(at)) => (&block[..=at], listed),
            (None, _) => (block, Vec::new()),
            // In another form than cargo's.
            (Some(_), None) => return None,
        };
        let dependencies = listed.iter().filter_map(|name| resolve(&ids, name)).collect();
        packages.insert(id.clone(), Package { text: text.trim_end().to_owned() + "\n", dependencies });
    }
    Some(Lock { header: header.to_owned(), packages, tail })
}

/// `name`, `name version` or `name version (source)`.
fn resolve(packages: &[Id], reference: &str) -> Option<Id> {
    let mut parts = reference.splitn(3, ' ');
    let (name, version, source) = (parts.next()?, parts.next(), parts.next());
    let source = source.map(|source| source.trim_start_matches('(').trim_end_matches(')'));
    let fits = |id: &&Id| {
        // A source in a reference leaves out the commit that the package's own has.
        let same = |source: &str| id.2 == source || id.2.split('#').next() == Some(source);
        id.0 == name && version.is_none_or(|version| id.1 == version) && source.is_none_or(same)
    };
    packages.iter().find(fits).cloned()
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

    #[test]
    fn both_sides_additions_stay_and_next_wins() {
        let base = lock(&[("app", "0.1.0", &["serde"]), ("serde", "1.0.0", &[])]);
        let ours = lock(&[
            ("app", "0.1.0", &["serde", "user"]),
            ("serde", "1.0.0", &[]),
            ("syn", "2.0.0", &[]),
            ("user", "3.0.0", &["serde", "syn"]),
        ]);
        let next = lock(&[("app", "0.1.0", &["serde"]), ("serde", "1.0.5", &["syn"]), ("syn", "3.0.0", &[])]);
        let merged = lock(&[
            ("app", "0.1.0", &["serde", "user"]),
            ("serde", "1.0.5", &["syn 3.0.0"]),
            ("syn", "2.0.0", &[]),
            ("syn", "3.0.0", &[]),
            ("user", "3.0.0", &["serde", "syn 2.0.0"]),
        ]);
        assert_eq!(merge(Sides { base: &base, ours: &ours, next: &next }), (merged, true));
        assert_eq!(merge(Sides { base: &base, ours: &base, next: &next }), (next.clone(), false));
        assert_eq!(merge(Sides { base: &base, ours: &ours, next: &base }), (ours, true));
    }

    #[test]
    fn what_a_side_updated_or_took_away_stays_so() {
        let base = lock(&[
            ("app", "0.1.0", &["old", "serde", "tokio"]),
            ("old", "1.0.0", &["rest"]),
            ("rest", "1.0.0", &[]),
            ("serde", "1.0.0", &[]),
            ("tokio", "1.0.0", &[]),
        ]);
        let ours =
            lock(&[("app", "0.2.0", &["serde", "tokio"]), ("serde", "1.0.7", &[]), ("tokio", "1.0.0", &["serde"])]);
        let next = lock(&[
            ("app", "0.1.0", &["decimal", "old", "serde", "tokio"]),
            ("decimal", "1.0.0", &["tokio"]),
            ("old", "1.0.0", &["rest"]),
            ("rest", "1.0.0", &[]),
            ("serde", "1.0.0", &[]),
            ("tokio", "1.0.5", &[]),
        ]);
        let merged = lock(&[
            ("app", "0.2.0", &["decimal", "serde", "tokio"]),
            ("decimal", "1.0.0", &["tokio"]),
            ("serde", "1.0.7", &[]),
            ("tokio", "1.0.5", &["serde"]),
        ]);
        assert_eq!(merge(Sides { base: &base, ours: &ours, next: &next }).0, merged);
        // What only the template needed goes with it; what the user needs as well stays.
        let ours = lock(&[
            ("app", "0.1.0", &["mine", "old", "serde", "tokio"]),
            ("mine", "1.0.0", &["rest"]),
            ("old", "1.0.0", &["rest"]),
            ("rest", "1.0.0", &[]),
            ("serde", "1.0.0", &[]),
            ("tokio", "1.0.0", &[]),
        ]);
        let next = lock(&[("app", "0.1.0", &["tokio"]), ("tokio", "1.0.0", &[])]);
        let merged = lock(&[
            ("app", "0.1.0", &["mine", "tokio"]),
            ("mine", "1.0.0", &["rest"]),
            ("rest", "1.0.0", &[]),
            ("tokio", "1.0.0", &[]),
        ]);
        assert_eq!(merge(Sides { base: &base, ours: &ours, next: &next }).0, merged);
    }

    #[test]
    fn a_lock_is_written_as_cargo_writes_it() {
        let text = include_str!("../../Cargo.lock");
        assert_eq!(read(text).map(|lock| write(&lock)).as_deref(), Some(text));
        let alike = format!(
            r#"{HEAD}
[[package]]
name = "app"
version = "0.1.0"
dependencies = [
 "x 1.0.0",
 "x 1.0.0 (git+https://example.com/x)",
 "x 1.0.0 (registry+https://github.com/rust-lang/crates.io-index)",
 "x 2.0.0",
]

[[package]]
name = "x"
version = "1.0.0"

[[package]]
name = "x"
version = "1.0.0"
source = "git+https://example.com/x#0123"

[[package]]
name = "x"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "00"

[[package]]
name = "x"
version = "2.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "00"

[[patch.unused]]
name = "y"
version = "1.0.0"
"#
        );
        assert_eq!(read(&alike).map(|lock| write(&lock)), Some(alike));
    }

    #[test]
    fn releases_replace_each_other_within_their_series() {
        let base = lock(&[("app", "0.1.0", &[])]);
        let ours = lock(&[("app", "0.1.0", &["one", "zero"]), ("one", "1.2.0", &[]), ("zero", "0.8.5", &[])]);
        let next = lock(&[("app", "0.1.0", &["one", "zero"]), ("one", "1.4.1", &[]), ("zero", "0.9.1", &[])]);
        let merged = lock(&[
            ("app", "0.1.0", &["one", "zero 0.8.5", "zero 0.9.1"]),
            ("one", "1.4.1", &[]),
            ("zero", "0.8.5", &[]),
            ("zero", "0.9.1", &[]),
        ]);
        assert_eq!(merge(Sides { base: &base, ours: &ours, next: &next }).0, merged);
    }

    #[test]
    fn what_cannot_be_read_is_replaced() {
        let base = lock(&[("a", "1.0.0", &[])]);
        let next = lock(&[("b", "1.0.0", &[])]);
        assert_eq!(merge(Sides { base: &base, ours: "<<<<<<<\n", next: &next }), (next.clone(), true));
        for strange in ["dependencies  = [\n \"a\",\n]\n", "dependencies  = []\n", "\"dependencies\" = []\n"] {
            let ours = lock(&[("a", "1.0.0", &[])]) + strange;
            assert_eq!(merge(Sides { base: &base, ours: &ours, next: &next }), (next.clone(), true), "{strange}");
        }
        // But not where there is nothing new.
        assert_eq!(merge(Sides { base: &base, ours: "<<<<<<<\n", next: &base }), ("<<<<<<<\n".to_owned(), true));
    }
}
