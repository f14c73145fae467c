//! The embedded template set is whole: every template parses, has one entry in the catalog, and the other way round.

use std::collections::BTreeSet;

use appgen::render;
use appgen::templates::{Class, TemplateSet};

#[test]
fn every_template_parses() {
    render::parse_all(&TemplateSet::embedded().unwrap()).unwrap();
}

#[test]
fn catalog_and_templates_agree() {
    let set = TemplateSet::embedded().unwrap();
    let entries: Vec<_> = set.catalog().iter().filter(|entry| entry.class != Class::CargoLock).collect();
    let named: BTreeSet<String> = entries.iter().map(|entry| entry.template()).collect();
    let there: BTreeSet<String> = set.templates().map(str::to_owned).collect();
    assert_eq!(named, there);
    let distinct: BTreeSet<_> = entries.iter().map(|entry| (&entry.path, &entry.when)).collect();
    assert_eq!(distinct.len(), entries.len(), "an entry stands twice");
    assert!(set.catalog().is_sorted_by_key(|entry| (entry.unit, entry.path.clone())), "sort by unit, then path");
}

#[test]
fn a_managed_file_says_so_and_names_the_extension() {
    let set = TemplateSet::embedded().unwrap();
    for entry in set.catalog().iter().filter(|entry| entry.class == Class::Managed) {
        if entry.path.ends_with(".json") {
            continue; // JSON has no comments.
        }
        let source = set.source(&entry.template()).unwrap();
        let first = source.lines().next().unwrap();
        assert!(first.contains("appgen"), "{}: {first}", entry.path);
    }
}

#[test]
fn the_schema_in_the_repository_is_the_one_that_we_print() {
    let set = TemplateSet::embedded().unwrap();
    let printed = serde_json::to_string_pretty(&appgen::spec::json_schema()).unwrap() + "\n";
    let stored = set.source("service/.appgen/schema.json.j2").unwrap();
    assert!(stored == printed, "run `appgen schema > templates/service/.appgen/schema.json.j2`");
}
