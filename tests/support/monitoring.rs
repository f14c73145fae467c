//! What alert rules and panels ask Prometheus for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

pub const RULES: &str = "deploy/kustomize/components/monitoring/prometheus-rule.yaml";

/// The alerts of a generated repository.
pub fn alerts(root: &Path) -> Vec<Value> {
    let manifest: Value = serde_saphyr::from_str(&fs::read_to_string(root.join(RULES)).unwrap()).unwrap();
    let groups = manifest["spec"]["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The expressions of its alerts and of its dashboard's panels.
pub fn expressions(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("deploy/observability/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets: Vec<_> = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone()).collect();
    let expression = |value: &Value| value["expr"].as_str().unwrap().to_owned();
    alerts(root).iter().chain(&targets).map(expression).collect()
}

/// The names of the samples that an expression reads: words that are no keyword, no function and no label.
pub fn samples_in(expression: &str) -> BTreeSet<String> {
    const KEYWORDS: &[&str] = &["sum", "max", "group", "and", "or", "unless", "offset"];
    const BEFORE_LABELS: &[&str] = &["by", "on"];
    let mut samples = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let past = |closing: char| rest.find(closing).map_or("", |at| &rest[at + 1..]);
        rest = match first {
            '{' => past('}'),
            '[' => past(']'),
            _ if end == 0 => &rest[first.len_utf8()..],
            _ => {
                let word = &rest[..end];
                let is_called = rest[end..].trim_start().starts_with('(');
                if BEFORE_LABELS.contains(&word) {
                    past(')')
                } else {
                    if !first.is_ascii_digit() && !is_called && !KEYWORDS.contains(&word) {
                        samples.insert(word.to_owned());
                    }
                    &rest[end..]
                }
            }
        };
    }
    samples
}

/// Samples that are read and that a scrape does not have.
pub fn unknown_samples(expressions: &[String], scrape: &str) -> BTreeSet<String> {
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let shown: BTreeSet<_> = scrape.lines().filter(|line| !line.starts_with('#')).map(name).collect();
    expressions.iter().flat_map(|text| samples_in(text)).filter(|sample| !shown.contains(sample)).collect()
}
