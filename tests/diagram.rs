//! The diagram in the generated README, read by Mermaid itself. Budget: 15 seconds.

use std::fs;
use std::process::Command;

use crate::support;
use crate::support::deployment::environments;
use crate::support::repository::Repo;

#[test]
fn every_environment_is_in_a_diagram_that_mermaid_reads() {
    let Some(program) = support::tool("mermaid-check", "the diagram") else { return };
    let repos: Vec<_> = support::cases().iter().map(|case| Repo::of_case(case)).collect();
    // It takes seconds to start.
    let readmes = repos.iter().map(|repo| repo.root().join("README.md"));
    let found = support::succeed(Command::new(&program).args(readmes)).out;
    let diagrams: Vec<_> = found.split("# ").skip(1).collect();
    assert_eq!(diagrams.len(), repos.len());
    for (repo, found) in repos.iter().zip(diagrams) {
        for environment in environments(&repo.root()) {
            let edge = format!("env_{} -> service\n", environment.replace('-', "_"));
            assert!(found.contains(&edge), "{environment}: {found}");
        }
        for edge in ["service -> traffic\n", "pods -> database\n", "job -> database\n"] {
            assert!(found.contains(edge), "{edge}: {found}");
        }
    }
    for node in [
        "env_dev dev: inside the cluster\n",
        "env_gateway gateway: Gateway infra/public, api.example.com\n",
        "env_public public: load balancer, port 443\n",
        "env_prod prod: Ingress orders.example.com\n",
        "service Service orders, port 443\n",
    ] {
        assert!(found.contains(node), "{node} in {found}");
    }
    // The parser is really run.
    let repo = Repo::of_case("on");
    let readme = repo.root().join("README.md");
    fs::write(&readme, repo.read("README.md").replace("\"]) --> service", "\" --> service")).unwrap();
    assert!(!support::succeeds_quietly(Command::new(&program).arg(readme)));
}
