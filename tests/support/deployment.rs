//! Overlays, rendered and held against the schemas of Kubernetes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The tools that read an overlay.
pub struct Checkers {
    pub kubectl: PathBuf,
    validate: PathBuf,
}

impl Checkers {
    /// None, with one line that says so, where one of them is not installed.
    pub fn find(what: &str) -> Option<Self> {
        Some(Self { kubectl: super::tool("kubectl", what)?, validate: super::tool("kubernetes-validate", what)? })
    }

    /// Every overlay renders, and fits the schemas of these versions.
    #[track_caller]
    pub fn check(&self, root: &Path, versions: &[&str]) {
        self.check_schemas(&rendered(&self.kubectl, root), versions);
    }

    #[track_caller]
    pub fn check_schemas(&self, overlays: &[(String, String)], versions: &[&str]) {
        let all: Vec<&str> = overlays.iter().map(|(_, text)| text.as_str()).collect();
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        fs::write(&file, all.join("---\n")).unwrap();
        for version in versions {
            let mut validate = Command::new(&self.validate);
            super::succeed(validate.args(["-k", version, "--strict", "--no-warn"]).arg(file.path()));
        }
    }
}

/// The names of a repository's environments. Of one that was removed the secrets, which are not in git, may be left.
pub fn environments(root: &Path) -> Vec<String> {
    let overlays = fs::read_dir(root.join("deploy/kustomize/overlays")).unwrap().map(Result::unwrap);
    let is_there = |entry: &fs::DirEntry| entry.path().join("kustomization.yaml").exists();
    let mut names: Vec<_> = overlays.filter(is_there).map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every overlay's manifests. Secrets come from a file that is never committed, so it is written first.
#[track_caller]
pub fn rendered(kubectl: &Path, root: &Path) -> Vec<(String, String)> {
    let render = |environment: String| {
        let overlay = root.join("deploy/kustomize/overlays").join(&environment);
        let text = fs::read_to_string(overlay.join("kustomization.yaml")).unwrap();
        if text.contains("secrets/db_password") {
            fs::create_dir_all(overlay.join("secrets")).unwrap();
            fs::write(overlay.join("secrets/db_password"), "not-a-secret").unwrap();
        }
        let run = super::succeed(Command::new(kubectl).arg("kustomize").arg(&overlay));
        assert_eq!(run.err, "", "{environment}");
        (environment, run.out)
    };
    environments(root).into_iter().map(render).collect()
}

/// What `helm` is told of an environment of a repository; nothing where there is no chart.
pub fn chart(root: &Path, environment: &str) -> Option<Vec<String>> {
    let charts = fs::read_dir(root.join("deploy/helm")).ok()?.map(Result::unwrap);
    let chart = charts.map(|entry| entry.file_name().into_string().unwrap()).next()?;
    let overlay = fs::read_to_string(root.join(format!("deploy/kustomize/overlays/{environment}/kustomization.yaml")));
    let overlay: Value = serde_saphyr::from_str(&overlay.unwrap()).unwrap();
    let mut arguments = vec![
        format!("deploy/helm/{chart}"),
        format!("--namespace={}", overlay["namespace"].as_str().unwrap()),
        format!("--values=deploy/helm/{chart}/values-{environment}.yaml"),
        "--set-file=config.base=config/base.yaml".to_owned(),
        format!("--set-file=config.env=config/overlays/{environment}/env.yaml"),
    ];
    if root.join(super::monitoring::RULES).exists() {
        arguments.push(format!("--set-file=alerts={}", super::monitoring::RULES));
    }
    let values = fs::read_to_string(root.join(format!("deploy/helm/{chart}/values-{environment}.yaml"))).unwrap();
    if values.contains("source: file") {
        arguments.push("--set=secret.password=not-a-secret".to_owned());
    }
    Some(arguments)
}

/// The chart's manifests for every environment, the pod of `helm test` among them.
#[track_caller]
pub fn charts(helm: &Path, root: &Path) -> Vec<(String, String)> {
    let render = |environment: String| {
        let run = super::succeed(Command::new(helm).arg("template").args(chart(root, &environment)?).current_dir(root));
        assert_eq!(run.err, "", "{environment}");
        Some((environment, run.out))
    };
    environments(root).into_iter().filter_map(render).collect()
}

pub fn manifests(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// The items of a list, none where there is no list.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
