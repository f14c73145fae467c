//! What checkov says of manifests, Dockerfiles and workflows. `.checkov.yaml` of the generated repository has the checks
//! that are not held, each with its reason. Budget: 30 seconds.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::Place;
use crate::support::deployment::{charts, rendered};
use crate::support::repository::Repo;
use serde_json::Value;

/// What checkov reads of a repository, in a directory of its own: bases and patches are nothing that is deployed.
fn lay_out(to: &Path, root: &Path) {
    let tools = ["kubectl", "helm"].map(|tool| support::tool(tool, "checkov").unwrap());
    for (tool, renders) in [("kustomize", rendered(&tools[0], root)), ("helm", charts(&tools[1], root))] {
        for (environment, text) in renders {
            fs::write(to.join(format!("{tool}-{environment}.yaml")), text).unwrap();
        }
    }
    for (path, text) in support::files(root) {
        if path.starts_with("deploy/docker/") || path.starts_with(".github/") || path == ".checkov.yaml" {
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
    let name = |check: &Value| format!("{} {}", check["check_id"], check["resource"]);
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
    let (place, on) = (Place::new(), Repo::of_case("on"));
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    for root in [place.path().join("my-service"), on.root()] {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path(), &root);
        let (failed, passed) = scan(&program, directory.path());
        assert!(failed.is_empty() && passed > 300, "{passed} pass, and {failed:#?}");
    }
    // It is really run, and every reason is needed.
    let directory = tempfile::tempdir().unwrap();
    lay_out(directory.path(), &on.root());
    let file = directory.path().join(".checkov.yaml");
    let config = fs::read_to_string(&file).unwrap();
    let reasons: Vec<_> = config.lines().filter(|line| line.starts_with("  - CKV")).collect();
    assert!(!reasons.is_empty());
    for reason in reasons {
        fs::write(&file, config.replace(&format!("{reason}\n"), "")).unwrap();
        let (failed, _) = scan(&program, directory.path());
        assert!(!failed.is_empty(), "{reason} is not needed any more");
    }
}
