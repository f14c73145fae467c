//! What two sides of a change may differ in. Most of a repository is the same on both, and what is certain to be the same
//! is rendered on neither: the same template under the same values gives the same text.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::context::{Context, Instance};
use super::engine::Engine;
use super::{Files, RelPath, RenderError, applies, render_where};
use crate::spec::Spec;
use crate::templates::{CARGO_LOCK_DATA, CatalogEntry, Class, TemplateSet, Unit};

/// A spec and the templates that render it.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub spec: &'a Spec,
    pub set: &'a TemplateSet,
}

/// Two sides, without what is the same on both.
#[derive(Debug, Default)]
pub struct Difference {
    pub base: Files,
    pub next: Files,
    /// What both sides make, with the same text.
    pub same: BTreeSet<RelPath>,
}

/// Renders two sides as far as they may differ. A file whose text is `needed` is rendered in any case.
///
/// # Errors
/// A fault in the templates.
pub fn difference(
    base: Side<'_>,
    next: Side<'_>,
    needed: impl Fn(&RelPath, Class) -> bool,
) -> Result<Difference, RenderError> {
    let before = Context::new(base.spec);
    // An upgrade changes the templates alone.
    let changed = (base.spec != next.spec).then(|| Context::new(next.spec));
    let after = changed.as_ref().unwrap_or(&before);
    let same = Comparison::new([&before, after], [base.set, next.set]).same(needed)?;
    let base = render_where(&before, base.set, |path| !same.contains(path))?;
    let next = render_where(after, next.set, |path| !same.contains(path))?;
    Ok(Difference { base, next, same })
}

struct Comparison<'a> {
    after: &'a Context,
    sets: [&'a TemplateSet; 2],
    /// What every template sees, by its name: whether it is equal.
    shared: BTreeMap<&'static str, bool>,
    /// Instances that both sides have, by unit and name: the one before, and whether its own value is equal.
    twins: BTreeMap<(Unit, &'a str), (&'a Instance, bool)>,
}

impl<'a> Comparison<'a> {
    fn new([before, after]: [&'a Context; 2], sets: [&'a TemplateSet; 2]) -> Self {
        let shared = after.shared.iter().map(|(name, value)| (*name, before.shared.get(name) == Some(value))).collect();
        let all = |context: &'a Context| context.all().map(|(unit, instance)| ((unit, instance.name()), instance));
        let then: BTreeMap<_, _> = all(before).collect();
        let twin = |(key, instance): ((Unit, &'a str), &Instance)| {
            then.get(&key).map(|twin| (key, (*twin, twin.own == instance.own)))
        };
        Self { after, sets, shared, twins: all(after).filter_map(twin).collect() }
    }

    fn same(&self, needed: impl Fn(&RelPath, Class) -> bool) -> Result<BTreeSet<RelPath>, RenderError> {
        let mut engine = Engine::new(self.sets[1]);
        let mut same = BTreeSet::new();
        for entry in self.sets[1].catalog() {
            if !self.is_source_same(entry)? {
                continue;
            }
            let mut names = None;
            for instance in self.after.instances(entry.unit) {
                let Some((twin, own)) = self.twins.get(&(entry.unit, instance.name())) else { continue };
                let path = instance.path(&entry.path);
                if twin.path(&entry.path) != path || !applies(entry, instance)? || !applies(entry, twin)? {
                    continue;
                }
                let path = RelPath::parse(&path)?;
                if !needed(&path, entry.class)
                    && (self.is_all_equal(twin, instance, *own)
                        || self.is_equal(names_of(entry, &mut engine, &mut names)?, twin, instance, *own))
                {
                    same.insert(path);
                }
            }
        }
        Ok(same)
    }

    fn is_source_same(&self, entry: &CatalogEntry) -> Result<bool, RenderError> {
        let [then, now] = self.sets;
        if std::ptr::eq(then, now) {
            return Ok(true);
        }
        let name = source(entry);
        Ok(then.catalog().contains(entry) && then.source(&name)? == now.source(&name)?)
    }

    fn is_all_equal(&self, twin: &Instance, instance: &Instance, own: bool) -> bool {
        own && twin.facts == instance.facts && self.shared.values().all(|equal| *equal)
    }

    /// Whether everything that a template may look up under these names is equal.
    fn is_equal(&self, names: &HashSet<String>, twin: &Instance, instance: &Instance, own: bool) -> bool {
        names.iter().all(|name| {
            let (root, attribute) = name.split_once('.').unwrap_or((name, ""));
            match root {
                "on" if attribute.is_empty() => twin.facts == instance.facts,
                "on" => twin.facts.get(attribute) == instance.facts.get(attribute),
                root if instance.unit == root => own,
                // What no side has is the engine's own: a function.
                root => self.shared.get(root).is_none_or(|equal| *equal),
            }
        })
    }
}

/// What a file is made of.
fn source(entry: &CatalogEntry) -> String {
    if entry.class == Class::CargoLock { CARGO_LOCK_DATA.to_owned() } else { entry.template() }
}

/// What may be looked up for the files of an entry; found once.
fn names_of<'a>(
    entry: &CatalogEntry,
    engine: &mut Engine<'_>,
    found: &'a mut Option<HashSet<String>>,
) -> Result<&'a HashSet<String>, RenderError> {
    if found.is_none() {
        *found = Some(match entry.class {
            Class::CargoLock => ["on", "service"].map(str::to_owned).into(),
            _ => engine.names(&entry.template())?,
        });
    }
    Ok(found.get_or_insert_default())
}
