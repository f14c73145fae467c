//! Who may import whom: the table of ARCHITECTURE.md, held against the `use crate::…` lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Each module with those it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cli", &[]),
    ("spec", &[]),
    ("prompt", &["cli", "spec"]),
    ("digest", &[]),
    ("templates", &["digest"]),
    ("render", &["spec", "templates"]),
    ("lock", &["spec", "render", "templates"]),
    ("worktree", &["spec", "render"]),
    ("merge", &[]),
    ("plan", &["spec", "render", "lock", "templates", "merge", "worktree"]),
    ("drift", &["render", "lock", "templates", "merge", "plan", "worktree"]),
    ("git", &[]),
    ("transaction", &["render", "lock", "plan", "git", "worktree"]),
    ("verify", &["cli", "git", "spec"]),
    ("report", &["cli", "render", "plan", "drift", "templates", "worktree", "verify"]),
    (
        "commands",
        &[
            "cli",
            "prompt",
            "spec",
            "templates",
            "render",
            "lock",
            "merge",
            "worktree",
            "plan",
            "drift",
            "git",
            "transaction",
            "verify",
            "report",
        ],
    ),
];

#[test]
fn modules_import_only_what_the_table_allows() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut files = Vec::new();
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    let mut seen = 0;
    for file in files {
        let inner = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
        let module = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ["main", "lib"].contains(&module) {
            continue;
        }
        let may = allowed.get(module).unwrap_or_else(|| panic!("`{module}` is not in the table"));
        let text = fs::read_to_string(&file).unwrap();
        for import in text.split("crate::").skip(1) {
            let names: Vec<String> = match import.strip_prefix('{') {
                Some(list) => {
                    let list = list.split('}').next().unwrap();
                    list.split(',').map(|name| name.split("::").next().unwrap().trim().to_owned()).collect()
                }
                None => vec![import.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned()],
            };
            for name in names.iter().filter(|name| !name.is_empty() && *name != module) {
                seen += 1;
                assert!(may.contains(&name.as_str()), "{} imports `{name}`", inner.display());
            }
        }
    }
    assert!(seen > 20, "the scan found {seen} imports; does it still read them?");
}
