//! What checkov says of manifests, Dockerfiles and workflows. `.checkov.yaml` of the generated repository has the checks
//! that are not held, each with its reason. Budget: 30 seconds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::deployment::{charts, rendered};
use crate::support::repository::{Repo, each};
use serde_json::Value;

/// What checkov reads of a repository, in a directory of its own: bases and patches are nothing that is deployed.
fn lay_out(to: &Path, root: &Path) {
    fs::create_dir_all(to).unwrap();
    let tools = ["kubectl", "helm"].map(|tool| support::tool(tool, "checkov").unwrap());
    for (tool, renders) in [("kustomize", rendered(&tools[0], root)), ("helm", charts(&tools[1], root))] {
        for (environment, text) in renders {
            fs::write(to.join(format!("{tool}-{environment}.yaml")), text).unwrap();
        }
    }
    for (path, text) in support::files(root) {
        if path.starts_with("deploy/docker/") || path.starts_with(".github/") {
            fs::create_dir_all(to.join(&path).parent().unwrap()).unwrap();
            fs::write(to.join(path), text).unwrap();
        }
    }
}

/// The checks that fail, and how many pass, of each of checkov's frameworks.
fn scan(program: &Path, directory: &Path) -> (Vec<String>, usize) {
    let mut checkov = Command::new(program);
    checkov.args(["--skip-download", "--compact", "--quiet", "--output", "json", "--directory", "."]);
    checkov.args(["--config-file", ".checkov.yaml", "--framework", "kubernetes", "dockerfile", "github_actions"]);
    let output = checkov.current_dir(directory).output().unwrap();
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let reports = reports.as_array().cloned().unwrap_or_else(|| vec![reports]);
    assert_eq!(reports.len(), 3, "a framework found nothing to read: {output:?}");
    let failed = reports.iter().flat_map(|report| report["results"]["failed_checks"].as_array().unwrap());
    let name = |check: &Value| format!("{} {} {}", check["check_id"], check["file_path"], check["resource"]);
    let passed = reports.iter().map(|report| report["summary"]["passed"].as_u64().unwrap() as usize).sum();
    (failed.map(name).collect(), passed)
}

#[test]
fn nothing_fails_without_a_written_reason() {
    let what = "checkov";
    let Some(program) = support::tool("checkov", what) else { return };
    if ["kubectl", "helm"].iter().any(|tool| support::tool(tool, what).is_none()) {
        return;
    }
    // All in one scan: most of its time it starts.
    let all = tempfile::tempdir().unwrap();
    let mut configs = BTreeSet::new();
    each(|case, root| {
        lay_out(&all.path().join(case), root);
        configs.insert(fs::read_to_string(root.join(".checkov.yaml")).unwrap());
    });
    assert_eq!(configs.len(), 1, "the reasons are the same everywhere");
    let config = configs.pop_first().unwrap();
    fs::write(all.path().join(".checkov.yaml"), &config).unwrap();
    let (failed, passed) = scan(&program, all.path());
    assert!(failed.is_empty() && passed > 3000, "{passed} pass, and {failed:#?}");
    // It is really run, and every reason is needed.
    let directory = tempfile::tempdir().unwrap();
    lay_out(directory.path(), &Repo::of_case("on").root());
    let file = directory.path().join(".checkov.yaml");
    let reasons: Vec<_> = config.lines().filter(|line| line.starts_with("  - CKV")).collect();
    assert!(!reasons.is_empty());
    for reason in reasons {
        fs::write(&file, config.replace(&format!("{reason}\n"), "")).unwrap();
        let (failed, _) = scan(&program, directory.path());
        assert!(!failed.is_empty(), "{reason} is not needed any more");
    }
}
