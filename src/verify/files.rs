//! Which files of a repository a check reads. Files that git ignores are nobody's to check.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::git;
use crate::spec::SPEC_FILE;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Any,
    /// The manifest of the crate.
    Crate,
    Overlay,
    Chart,
    Compose,
    /// The root changelog of Liquibase.
    Changelog,
    Dockerfile,
    /// A script that sh or bash runs.
    Script,
    Yaml,
    Workflow,
    /// The pipeline for GitLab.
    Pipeline,
    /// The checks of checkov's that are not held.
    Checkov,
    /// The script that runs the tests of alerts.
    AlertTest,
}

impl Kind {
    /// What to say where a repository has no such file.
    pub(super) fn absent(self) -> &'static str {
        match self {
            Self::Any => "no file",
            Self::Crate => "no Cargo.toml",
            Self::Overlay => "no overlay in deploy/kustomize/overlays",
            Self::Chart => "no chart in deploy/helm",
            Self::Compose => "no Compose file in deploy/compose",
            Self::Changelog => "no changelog in db/changelog",
            Self::Dockerfile => "no Dockerfile",
            Self::Script => "no shell script",
            Self::Yaml => "no YAML",
            Self::Workflow => "no workflow in .github/workflows",
            Self::Pipeline => "no .gitlab-ci.yml",
            Self::Checkov => "no .checkov.yaml",
            Self::AlertTest => "no alert rules",
        }
    }

    fn is(self, path: &str, root: &Path) -> bool {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        let below = |parent: &str| directory.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
        match self {
            Self::Any => true,
            Self::Crate => path == "Cargo.toml",
            Self::Overlay => {
                let overlay = directory.strip_prefix("deploy/kustomize/overlays/");
                name == "kustomization.yaml" && overlay.is_some_and(|overlay| !overlay.contains('/'))
            }
            Self::Chart => name == "Chart.yaml" && below("deploy/helm"),
            Self::Compose => is_yaml && directory == "deploy/compose" && name.contains("compose"),
            Self::Changelog => path == "db/changelog/db.changelog-root.yaml",
            Self::Dockerfile => {
                name == "Dockerfile" || name.ends_with(".Dockerfile") || name.starts_with("Dockerfile.")
            }
            Self::Script => name.ends_with(".sh") || name.ends_with(".bash") || is_shell(&root.join(path)),
            // Templates of a chart are text until Helm has rendered them.
            Self::Yaml => is_yaml && !(below("deploy/helm") && path.contains("/templates/")),
            Self::Workflow => is_yaml && directory == ".github/workflows",
            Self::Pipeline => path == ".gitlab-ci.yml",
            Self::Checkov => path == ".checkov.yaml",
            Self::AlertTest => path == "deploy/scripts/alerts-verify",
        }
    }
}

/// Whether the first line of a file names sh or bash as its interpreter.
fn is_shell(file: &Path) -> bool {
    let mut head = [0; 128];
    let read = File::open(file).and_then(|mut file| file.read(&mut head)).unwrap_or_default();
    let text = String::from_utf8_lossy(&head[..read]);
    let interpreter = text.strip_prefix("#!").and_then(|text| text.lines().next());
    let mut words = interpreter.unwrap_or_default().split(['/', ' ']);
    words.any(|word| ["sh", "bash", "dash", "ksh"].contains(&word))
}

/// Directories at the root with other people's files, and with files that programs make.
const FOREIGN: &[&str] = &[".git", "target", "vendor", "node_modules"];
/// What the generated `.gitignore` names, for a repository that git does not keep.
const IGNORED: &[&str] = &["deploy/out/", "deploy/compose/.env", "deploy/compose/secrets/", ".appgen/txn/"];

/// The files of a repository, sorted.
#[derive(Debug)]
pub(super) struct Files {
    paths: Vec<String>,
}

impl Files {
    /// # Errors
    /// git failed, or a directory cannot be read.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let tracked = git::files(root)?;
        // A directory that an outer repository ignores is a repository of its own to us.
        let mut paths = match tracked {
            Some(paths) if paths.iter().any(|path| path == SPEC_FILE) => paths,
            _ => walk(root)?,
        };
        let is_foreign = |path: &str| path.split('/').next().is_some_and(|first| FOREIGN.contains(&first));
        // Links are left out: what they lead to is listed itself, or is not the repository's.
        paths.retain(|path| {
            !is_foreign(path) && fs::symlink_metadata(root.join(path)).is_ok_and(|found| found.is_file())
        });
        paths.sort();
        paths.dedup();
        Ok(Self { paths })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    pub(super) fn of(&self, kind: Kind, root: &Path) -> Vec<&str> {
        self.all().filter(|path| kind.is(path, root)).collect()
    }
}

fn walk(root: &Path) -> io::Result<Vec<String>> {
    let wanted =
        |entry: &walkdir::DirEntry| entry.depth() != 1 || !FOREIGN.iter().any(|name| entry.file_name() == *name);
    let mut paths = Vec::new();
    for entry in walkdir::WalkDir::new(root).into_iter().filter_entry(wanted) {
        let entry = entry?;
        let relative = entry.path().strip_prefix(root).ok().and_then(Path::to_str);
        if let Some(path) = relative.filter(|_| entry.file_type().is_file()) {
            let is_secret = path.starts_with("deploy/kustomize/overlays/") && path.contains("/secrets/");
            if !is_secret && !IGNORED.iter().any(|ignored| path.starts_with(ignored)) {
                paths.push(path.to_owned());
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_path_and_first_line() {
        let root = tempfile::tempdir().unwrap();
        let script = |line: &str| {
            fs::write(root.path().join("x"), format!("{line}\necho\n")).unwrap();
            Kind::Script.is("x", root.path())
        };
        for line in ["#!/bin/sh", "#!/usr/bin/env bash", "#! /bin/bash -eu", "#!/usr/bin/env -S bash -e"] {
            assert!(script(line), "{line}");
        }
        for line in ["#!/usr/bin/env python3", "#!/bin/zsh", "# sh", "", "\u{0}#!/bin/sh"] {
            assert!(!script(line), "{line}");
        }
        for (kind, path, is) in [
            (Kind::Overlay, "deploy/kustomize/overlays/dev/kustomization.yaml", true),
            (Kind::Overlay, "deploy/kustomize/overlays/dev/release/kustomization.yaml", false),
            (Kind::Chart, "deploy/helm/a/Chart.yaml", true),
            (Kind::Yaml, "deploy/helm/a/templates/service.yaml", false),
            (Kind::Yaml, "deploy/helm/a/values.yaml", true),
            (Kind::Dockerfile, "deploy/docker/api.Dockerfile", true),
            (Kind::Dockerfile, "docs/Dockerfiles.md", false),
            (Kind::Workflow, ".github/workflows/ci.yml", true),
            (Kind::Workflow, ".github/dependabot.yml", false),
            (Kind::Pipeline, ".gitlab-ci.yml", true),
            (Kind::Pipeline, "docs/.gitlab-ci.yml", false),
            (Kind::Compose, "deploy/compose/compose.yaml", true),
            (Kind::Compose, "deploy/observability/compose.yaml", false),
        ] {
            assert_eq!(kind.is(path, root.path()), is, "{path}");
        }
    }
}
