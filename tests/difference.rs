//! What a change says is the same on both sides is the same: held against rendering both sides whole, for every pair of
//! cases and for every small change of the largest.

use crate::support;
use crate::support::{case_text, cases};
use appgen::render::{Files, Side, difference, render};
use appgen::spec::{Spec, SpecDocument};
use appgen::templates::TemplateSet;
use serde_json::Value;

fn resolve(text: &str) -> Option<Spec> {
    Spec::resolve(SpecDocument::parse("spec", text).ok()?).ok()
}

/// How many files are rendered for the first side, `then`, and how many of them are the same on the second.
fn check(base: Side<'_>, then: &Files, next: Side<'_>) -> (usize, usize) {
    let now = render(next.spec, next.set).unwrap();
    let found = difference(base, next, |_, _| false).unwrap();
    for path in &found.same {
        assert!(then[path] == now[path], "{path} is not the same:\n{}\n{}", then[path].text, now[path].text);
    }
    for (whole, part) in [(then, &found.base), (&now, &found.next)] {
        let rest: Vec<_> = whole.keys().filter(|path| !found.same.contains(*path)).collect();
        assert!(rest == part.keys().collect::<Vec<_>>(), "{rest:?}");
        assert!(part.iter().all(|(path, file)| whole[path] == *file));
    }
    (then.len(), found.same.len())
}

#[test]
fn of_every_pair_of_cases() {
    let set = TemplateSet::embedded().unwrap();
    let specs: Vec<Spec> = cases().iter().map(|case| resolve(&case_text(case)).unwrap()).collect();
    for base in &specs {
        let then = render(base, &set).unwrap();
        for next in &specs {
            let (all, same) = check(Side { spec: base, set: &set }, &then, Side { spec: next, set: &set });
            assert_eq!(all == same, base == next);
        }
    }
}

/// Every value of a document changed, one at a time, and every entry left out.
fn variants(document: &Value) -> Vec<Value> {
    let inner: Vec<(String, Vec<Value>)> = match document {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), variants(value))).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), variants(value))).collect(),
        Value::Bool(value) => return vec![Value::from(!value)],
        Value::Number(number) => return vec![Value::from(number.as_i64().unwrap() + 1)],
        Value::String(text) => return vec![Value::from(format!("{text}x"))],
        Value::Null => return Vec::new(),
    };
    let mut found = Vec::new();
    for (key, values) in inner {
        for value in values {
            let mut changed = document.clone();
            match &mut changed {
                Value::Object(map) => map[&key] = value,
                changed => changed[key.parse::<usize>().unwrap()] = value,
            }
            found.push(changed);
        }
        if let Value::Object(map) = document {
            let mut map = map.clone();
            map.remove(&key);
            found.push(Value::Object(map));
        }
    }
    found
}

#[test]
fn of_every_small_change() {
    let set = TemplateSet::embedded().unwrap();
    let base = resolve(&case_text("on")).unwrap();
    let document = serde_saphyr::from_str(&case_text("on")).unwrap();
    let then = render(&base, &set).unwrap();
    let (mut changed, mut most) = (0, 0);
    // Each takes a tenth of a second.
    let step = if support::everything_is_required() { 1 } else { 3 };
    for variant in variants(&document).iter().step_by(step) {
        let Some(next) = resolve(&variant.to_string()) else { continue };
        let (all, same) = check(Side { spec: &base, set: &set }, &then, Side { spec: &next, set: &set });
        changed += usize::from(next != base);
        most += usize::from(same * 10 > all * 9);
    }
    assert!(changed > 50 && most * 2 > changed, "{changed} changes, of which {most} leave nine tenths as they are");
}

#[test]
fn of_another_set() {
    let set = TemplateSet::embedded().unwrap();
    let later = support::changed_set(&[
        ("service/Makefile.j2", "\n", "\n# A line more.\n"),
        ("environment/config/overlays/__env__/env.yaml.j2", "\n", "\n# A line more.\n"),
    ]);
    let spec = resolve(&case_text("eight")).unwrap();
    let side = Side { spec: &spec, set: &set };
    let (all, same) = check(side, &render(&spec, &set).unwrap(), Side { spec: &spec, set: &later });
    assert_eq!(all - same, 1 + 8);
}
