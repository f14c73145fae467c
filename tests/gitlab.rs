//! The pipeline for GitLab beside the workflow for GitHub, and the job of it that runs the real Liquibase. Budget: 1 minute.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support;
use crate::support::Run;
use crate::support::postgres::Postgres;
use crate::support::repository::Repo;
use serde_json::Value;

/// Jobs of the one that the other has under another name, or as a workflow of its own.
const ELSEWHERE: &[(&str, &str)] =
    &[("advisories", "deny"), ("release", "build"), ("release", "publish"), ("release", "name")];

fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn both_have_the_same_jobs() {
    let (github, gitlab) = (support::case_text("on"), support::case_text("on").replace("ci: github", "ci: gitlab"));
    let tree = |spec: &str| {
        let place = support::Place::new();
        place.new_from(spec.as_bytes()).succeeds();
        support::files(&place.path().join("orders"))
    };
    let (github, gitlab) = (tree(&github), tree(&gitlab));
    let mut wanted = BTreeSet::new();
    for (path, text) in github.iter().filter(|(path, _)| path.starts_with(".github/workflows/")) {
        assert!(!gitlab.contains_key(path), "{path}");
        let jobs = keys(&parse(text)["jobs"]);
        wanted.extend(jobs.into_iter().map(|job| {
            let other = ELSEWHERE.iter().find(|(_, github)| *github == job);
            other.map_or(job, |(gitlab, _)| (*gitlab).to_owned())
        }));
    }
    let pipeline = parse(&gitlab[".gitlab-ci.yml"]);
    let global = ["default", "stages", "workflow"];
    let mut jobs = keys(&pipeline);
    jobs.retain(|key| !key.starts_with('.') && !global.contains(&key.as_str()));
    assert_eq!(jobs, wanted);

    // On a schedule the advisories run and nothing else; and only then.
    for job in &jobs {
        let inherited = |key: &str| {
            let extends = &pipeline[job]["extends"];
            let parents = extends.as_array().cloned().unwrap_or_else(|| vec![extends.clone()]);
            parents.iter().map(|parent| pipeline[parent.as_str().unwrap()][key].clone()).find(|value| !value.is_null())
        };
        let rules =
            Some(pipeline[job]["rules"].clone()).filter(|rules| !rules.is_null()).or_else(|| inherited("rules"));
        let rules = rules.unwrap_or_else(|| panic!("{job} has no rules")).to_string();
        let on_schedules = rules.contains(r#"CI_PIPELINE_SOURCE == \"schedule\""#);
        let not = rules.contains(r#"CI_PIPELINE_SOURCE != \"schedule\""#) || rules.contains("CI_COMMIT_TAG =~");
        assert_eq!((on_schedules, not), (job == "advisories", job != "advisories"), "{job}: {rules}");
    }
    let environments = pipeline["manifests"]["parallel"]["matrix"][0]["ENVIRONMENT"].as_array().unwrap();
    assert_eq!(environments, &["dev", "gateway", "prod", "public"]);
}

#[test]
fn gitlab_reads_its_file() {
    let Some(program) = support::tool("check-jsonschema", "the pipeline") else { return };
    let repo = Repo::of_case("eight");
    let check = || {
        let mut command = Command::new(&program);
        command.args(["--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml"]).current_dir(repo.root());
        support::succeeds_quietly(&mut command)
    };
    assert!(check());
    repo.edit(".gitlab-ci.yml", "  interruptible: true", "  interruptible: sometimes");
    assert!(!check(), "a planted fault");
}

/// `deploy/scripts/db-verify` as the pipeline runs it: Liquibase beside a database, without Docker.
#[test]
fn a_changelog_is_proven_beside_a_database() {
    let what = "db-verify";
    let (Some(program), Some(postgres)) = (support::tool("liquibase", what), Postgres::start(what)) else { return };
    let verify = |repo: &Repo, database: &str| {
        postgres.sql("postgres", &format!("create database {database}"));
        let url = format!("jdbc:postgresql://127.0.0.1:{}/{database}", postgres.port);
        let mut command = Command::new(repo.root().join("deploy/scripts/db-verify"));
        command.env("LIQUIBASE_HOME", program.parent().unwrap()).env("LIQUIBASE_COMMAND_URL", url);
        command.env("LIQUIBASE_COMMAND_USERNAME", "app").stdin(std::process::Stdio::null());
        Run::of(&command.output().unwrap(), &repo.root())
    };
    let repo = Repo::of_case("on");
    verify(&repo, "sound").succeeds();
    assert_ne!(postgres.sql("sound", "select count(*) from orders"), "");
    let path = support::files(&repo.root()).into_keys().find(|path| path.ends_with("-create-orders.sql")).unwrap();
    repo.edit(&path, "--rollback drop table", "--rollback select 1; -- drop table");
    assert_ne!(verify(&repo, "broken").code, 0, "a rollback that leaves its table");
    // A service without entities, on the day that it is made: the same pipeline, and nothing to do.
    let (minimal, eight) = (Repo::of_case("minimal"), Repo::of_case("eight"));
    let root = "db/changelog/db.changelog-root.yaml";
    assert_eq!(minimal.read(root), eight.read(root));
    verify(&minimal, "minimal").succeeds();
    assert_eq!(postgres.sql("minimal", "select count(*) from databasechangelog"), "0\n");
}
