//! Switches of the spec that are turned in a repository that is there: what `sync` makes of it is what `new` makes, and
//! turning back leaves nothing. Budget: 10 seconds.

use crate::support::repository::Repo;

#[test]
fn a_switch_that_is_turned_is_as_good_as_one_that_was_set() {
    for (from, to) in [
        ("helm: false", "helm: true"),
        ("ci: github", "ci: gitlab"),
        ("ci: github", "ci: none"),
        ("tls: false", "tls: true"),
        ("jwt: false", "jwt: true"),
        ("openapi_docs: false", "openapi_docs: true"),
        ("monitoring: false", "monitoring: true"),
        ("  postgres: 17\n", "  postgres: 17\n  runbook_url: https://a.example/runbook.md\n"),
    ] {
        let repo = Repo::new();
        let before = repo.files();
        repo.edit("appgen.yaml", from, to);
        repo.run("sync").succeeds();
        let turned = repo.files();
        assert!(turned == Repo::from_spec(&repo.read("appgen.yaml")).files(), "{to}");
        assert!(turned != before, "{to}");
        repo.run("check").succeeds();
        repo.edit("appgen.yaml", to, from);
        repo.run("sync").succeeds();
        assert!(repo.files() == before, "{to} and back");
    }
}

#[test]
fn the_pipeline_of_gitlab_takes_in_what_is_added() {
    let repo = Repo::new();
    repo.edit("appgen.yaml", "ci: github", "ci: gitlab");
    repo.run("sync").succeeds();
    repo.edit(".gitlab-ci.yml", "timeout: 30 minutes", "timeout: 45 minutes");
    repo.run("add-env staging --allow-dirty").succeeds();
    let pipeline = repo.read(".gitlab-ci.yml");
    assert!(pipeline.contains("\n          - staging\n") && pipeline.contains("timeout: 45 minutes"), "{pipeline}");
    assert!(!repo.root().join(".github").exists());
}
