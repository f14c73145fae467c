//! Three parsed documents, whatever they were written in: what has to happen to ours so that it also holds what
//! changed from base to next. The formats' modules turn a [`Change`] into edits of the text.

use std::collections::HashSet;

use indexmap::IndexMap;

/// A parsed value. Scalars are compared as they are spelled, so `0440` never turns into `440` on the way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(String),
    Map(IndexMap<String, Self>),
    List(Vec<Self>),
}

/// What happens at one place of ours. `Put` takes what next has at the same place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Keep,
    Remove,
    Put,
    Map(Vec<(String, Self)>),
    List(Vec<Slot>),
}

/// One item of a list as it shall be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Slot {
    /// An item of ours, by its index in ours and, where next has it too, in next.
    Ours(usize, usize, Change),
    /// An item that is new in next.
    Next(usize),
}

/// Both sides changed the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clash;

pub(super) fn reconcile(base: Option<&Value>, ours: Option<&Value>, next: Option<&Value>) -> Result<Change, Clash> {
    if next == base || next == ours {
        return Ok(Change::Keep);
    }
    match (base, ours, next) {
        (Some(Value::Map(base)), Some(Value::Map(ours)), Some(Value::Map(next))) => maps(base, ours, next),
        (None, Some(Value::Map(ours)), Some(Value::Map(next))) => maps(&IndexMap::new(), ours, next),
        (Some(Value::List(base)), Some(Value::List(ours)), Some(Value::List(next))) => lists(base, ours, next),
        (_, _, Some(_)) if ours == base => Ok(Change::Put),
        (_, _, None) if ours == base => Ok(Change::Remove),
        _ => Err(Clash),
    }
}

type Map = IndexMap<String, Value>;

fn maps(base: &Map, ours: &Map, next: &Map) -> Result<Change, Clash> {
    let mut changes = Vec::new();
    for key in next.keys().chain(base.keys().filter(|key| !next.contains_key(*key))) {
        match reconcile(base.get(key), ours.get(key), next.get(key))? {
            Change::Keep => {}
            change => changes.push((key.clone(), change)),
        }
    }
    let emptied =
        !ours.is_empty() && ours.len() == changes.iter().filter(|(_, change)| *change == Change::Remove).count();
    // Without its last entry a block map would read as null.
    Ok(if emptied && next.is_empty() { Change::Put } else { Change::Map(changes) })
}

fn lists(base: &[Value], ours: &[Value], next: &[Value]) -> Result<Change, Clash> {
    let whole = || if ours == base { Ok(Change::Put) } else { Err(Clash) };
    let Some([base_ids, our_ids, next_ids]) = ids([base, ours, next]) else { return whole() };
    let find = |ids: &[String], id: &String| ids.iter().position(|other| other == id);
    let common = |from: &[String], to: &[String]| -> Vec<String> {
        from.iter().filter(|id| to.contains(*id)).cloned().collect()
    };
    if next.is_empty() || common(&base_ids, &next_ids) != common(&next_ids, &base_ids) {
        return whole();
    }

    // What ours has, in its order; `None` where next took an item away.
    let mut slots: Vec<(&String, Option<Slot>)> = Vec::new();
    for (index, id) in our_ids.iter().enumerate() {
        let (b, n) = (find(&base_ids, id), find(&next_ids, id));
        let slot = match (b, n) {
            (Some(b), None) if ours[index] != base[b] => return Err(Clash),
            (Some(_), None) => None,
            (None, None) => Some(Slot::Ours(index, usize::MAX, Change::Keep)),
            (b, Some(n)) => {
                let change = reconcile(b.map(|b| &base[b]), Some(&ours[index]), Some(&next[n]))?;
                Some(Slot::Ours(index, n, change))
            }
        };
        slots.push((id, slot));
    }
    replaced_by_both(&base_ids, &our_ids, &next_ids)?;
    for (b, id) in base_ids.iter().enumerate() {
        let changed = find(&next_ids, id).is_some_and(|n| next[n] != base[b]);
        if changed && !our_ids.contains(id) {
            return Err(Clash);
        }
    }

    let sorted = [&base_ids, &our_ids, &next_ids].iter().all(|ids| ids.is_sorted()) && base_ids.len() > 1;
    let last_common = next_ids.iter().rposition(|id| base_ids.contains(id));
    for (n, id) in next_ids.iter().enumerate() {
        if base_ids.contains(id) || our_ids.contains(id) {
            continue;
        }
        let place_of = |wanted: &String| slots.iter().position(|(id, _)| *id == wanted);
        let at = if let Some(gone) = replaces(&base_ids, &next_ids, n).and_then(place_of) {
            // Behind what took the place together with it.
            let with = n.checked_sub(1).map(|n| &next_ids[n]).filter(|id| !base_ids.contains(id));
            with.and_then(place_of).unwrap_or(gone) + 1
        } else if sorted {
            slots.iter().position(|(other, _)| *other > id).unwrap_or(slots.len())
        } else if last_common.is_none_or(|last| n > last) {
            slots.len()
        } else {
            let before = next_ids[..n].iter().rev().find_map(place_of).map(|at| at + 1);
            let after = || next_ids[n..].iter().find_map(place_of);
            before.or_else(after).unwrap_or(slots.len())
        };
        slots.insert(at, (id, Some(Slot::Next(n))));
    }
    let slots: Vec<Slot> = slots.into_iter().filter_map(|(_, slot)| slot).collect();
    if slots.is_empty() { Err(Clash) } else { Ok(Change::List(slots)) }
}

/// The last item of `base` whose place the new item `n` of `next` or its neighbours took.
fn replaces<'ids>(base: &'ids [String], next: &[String], n: usize) -> Option<&'ids String> {
    gaps(base, next).into_iter().find(|gap| gap.1.contains(&n))?.0.last().map(|b| &base[*b])
}

/// Whether ours and next both put something else in the place of an item. A plain removal by one side is fine.
fn replaced_by_both(base: &[String], ours: &[String], next: &[String]) -> Result<(), Clash> {
    let our_gaps = gaps(base, ours);
    for (removed, added) in gaps(base, next) {
        let Some(gone) = removed.iter().find(|b| !ours.contains(&base[**b])) else { continue };
        let adopted = added.iter().all(|n| ours.contains(&next[*n]));
        let replaced =
            our_gaps.iter().any(|(out, into)| out.contains(gone) && into.iter().any(|o| !next.contains(&ours[*o])));
        if !adopted || (replaced && added.is_empty()) {
            return Err(Clash);
        }
    }
    Ok(())
}

/// Runs of items that left `from` between those that both lists have, each with what came into `to` in its place. The
/// common items must be in one order; where they are not, the runs are coarser, never wrong.
fn gaps(from: &[String], to: &[String]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut found = Vec::new();
    let (mut f, mut t) = (0, 0);
    loop {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        while f < from.len() && !to[t..].contains(&from[f]) {
            removed.push(f);
            f += 1;
        }
        while t < to.len() && (f == from.len() || to[t] != from[f]) {
            added.push(t);
            t += 1;
        }
        if !removed.is_empty() {
            found.push((removed, added));
        }
        if f == from.len() {
            return found;
        }
        f += 1;
        t += 1;
    }
}

/// What tells the items of three lists apart: their `name`, where all are maps that have one, or their whole value.
/// None when two items of a list are alike.
fn ids(lists: [&[Value]; 3]) -> Option<[Vec<String>; 3]> {
    let named = |value: &Value| match value {
        Value::Map(map) => match map.get("name") {
            Some(Value::Scalar(name)) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    let by = |id: &dyn Fn(&Value) -> Option<String>| -> Option<[Vec<String>; 3]> {
        let mut found = [const { Vec::new() }; 3];
        for (ids, list) in found.iter_mut().zip(lists) {
            let mut seen = HashSet::new();
            for value in list {
                let id = id(value)?;
                if !seen.insert(id.clone()) {
                    return None;
                }
                ids.push(id);
            }
        }
        Some(found)
    };
    by(&named).or_else(|| {
        by(&|value| {
            Some(match value {
                Value::Scalar(text) => text.clone(),
                other => format!("{other:?}"),
            })
        })
    })
}

/// What ours is after the change; the edited text is held against it.
pub(super) fn expected(ours: Option<&Value>, next: Option<&Value>, change: &Change) -> Option<Value> {
    match change {
        Change::Keep => ours.cloned(),
        Change::Remove => None,
        Change::Put => next.cloned(),
        Change::Map(changes) => {
            let Some(Value::Map(ours)) = ours else { return None };
            let next = if let Some(Value::Map(next)) = next { Some(next) } else { None };
            let mut map = ours.clone();
            for (key, change) in changes {
                match expected(ours.get(key), next.and_then(|next| next.get(key)), change) {
                    Some(value) => map.insert(key.clone(), value),
                    None => map.shift_remove(key),
                };
            }
            Some(Value::Map(map))
        }
        Change::List(slots) => {
            let (Some(Value::List(ours)), Some(Value::List(next))) = (ours, next) else { return None };
            let item = |slot: &Slot| match slot {
                Slot::Ours(o, n, change) => expected(ours.get(*o), next.get(*n), change),
                Slot::Next(n) => next.get(*n).cloned(),
            };
            slots.iter().map(item).collect::<Option<_>>().map(Value::List)
        }
    }
}
