//! A repository that people work in stays whole: with edits that do not name what comes and goes, its overlays render and
//! fit the schemas after every addition, change and removal and after the merge of two branches; after each run of
//! commands of one kind, of the nightly run after every command, it is formatted, compiled and linted; and its tests pass
//! on a real PostgreSQL. What a command touched decides what is run after it.
//! Budget: 5 minutes on 2 cores over warm dependencies; without `APPGEN_REQUIRE=all` a second, and a line that says so.

use std::collections::BTreeSet;
use std::fs;

use crate::support::deployment::{Checkers, rendered};
use crate::support::extent::wanted;
use crate::support::generated::{cargo, is_asked_for, lint, one_at_a_time, prove};
use crate::support::repository::Repo;

/// The release whose schemas the overlays are held against; `tests/deployment.rs` takes several.
const KUBERNETES: &[&str] = &["1.33.0"];

/// New files of the user's.
const OWN_FILES: &[(&str, &str)] = &[
    (
        "src/discount.rs",
        "//! What a customer saves.

/// The price after a discount in percent, as text.
pub fn discounted(price: u32, percent: u32) -> String {
    let price = u64::from(price) * u64::from(100 - percent.min(100)) / 100;
    itoa::Buffer::new().format(price).to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_rounded_down() {
        assert_eq!(super::discounted(999, 10), \"899\");
    }
}
",
    ),
    (
        "src/handlers/custom.rs",
        "//! Handlers of our own.

use super::registry::Entry;
use crate::{discount::discounted, openapi::Operation};

/// Registered beside the generated handlers; a name that both have is an error at the start.
pub const CUSTOM: &[Entry] = &[Entry {
    name: \"discount\",
    bind: |method| axum::routing::on(method, discount),
    describe: || Operation::new(\"prices\", \"A price with its discount\"),
}];

async fn discount() -> String {
    discounted(1000, 20)
}
",
    ),
    (
        "tests/api/discount.rs",
        "//! The discount, through the listener.

use crate::{app::TestApp, http::get};

#[tokio::test]
async fn is_answered() {
    let app = TestApp::without_database().await;
    assert_eq!(get(app.traffic, \"/api/v1/discount\").await.expect(200).text, \"800\");
}
",
    ),
    (
        "deploy/kustomize/overlays/prod/team.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: a
spec:
  template:
    metadata:
      annotations:
        example.com/team: ours
",
    ),
    (
        "db/changelog/custom/audits.sql",
        "--liquibase formatted sql\n\n--changeset ours:audits\ncreate table audits (at timestamptz);\n--rollback drop table audits;\n",
    ),
];

/// Lines of the user's in generated files: the file, the line before which or after which they stand, the lines.
const OWN_LINES: &[(&str, Place, &str)] = &[
    ("src/lib.rs", Place::After("pub mod config;\n"), "pub mod discount;\n"),
    ("tests/api/main.rs", Place::Before("mod http;\n"), "mod discount;\n"),
    ("Cargo.toml", Place::After("[dependencies]\n"), "itoa = \"1\" # ours\n"),
    (
        "config/base.yaml",
        Place::End,
        "  discount:\n    method: GET\n    path: /api/v1/discount\n    handler: discount\n",
    ),
    ("config/base.yaml", Place::After("  max_connections: 2000\n"), "  # Ours: as many as the balancer has.\n"),
    ("config/overlays/prod/env.yaml", Place::End, "server:\n  max_connections: 500\n"),
    ("deploy/kustomize/overlays/prod/kustomization.yaml", Place::Patches, "  - path: team.yaml\n"),
    ("Makefile", Place::End, "\n.PHONY: audit\naudit: ## Ours\n\tcargo audit\n"),
    ("README.md", Place::End, "\n## Ours\n\nAsk the team.\n"),
];

#[derive(Clone, Copy)]
enum Place {
    Before(&'static str),
    After(&'static str),
    End,
    /// At the head of the list of patches, which is made where there is none.
    Patches,
}

/// A repository that its user has worked in, committed.
fn lived_in() -> Repo {
    let repo = Repo::with(&[]);
    for (path, text) in OWN_FILES {
        repo.write(path, text);
    }
    for (path, place, lines) in OWN_LINES {
        let text = repo.read(path);
        let has_patches = text.contains("\npatches:\n");
        repo.write(
            path,
            &match place {
                Place::Before(line) => text.replacen(line, &format!("{lines}{line}"), 1),
                Place::After(line) => text.replacen(line, &format!("{line}{lines}"), 1),
                Place::Patches if has_patches => text.replacen("\npatches:\n", &format!("\npatches:\n{lines}"), 1),
                Place::Patches => format!("{text}patches:\n{lines}"),
                Place::End => format!("{text}{lines}"),
            },
        );
    }
    cargo(&repo.root(), &["update", "--workspace", "--offline", "--quiet"]);
    assert_edits_are_there(&repo);
    repo.commit();
    repo
}

#[track_caller]
fn assert_edits_are_there(repo: &Repo) {
    for (path, text) in OWN_FILES {
        assert_eq!(repo.read(path), *text, "{path}");
    }
    for (path, _, lines) in OWN_LINES {
        assert!(repo.read(path).contains(lines), "{path} lost\n{lines}\n{}", repo.read(path));
    }
}

/// How much of the code is proven after a command.
#[derive(PartialEq)]
enum Proof {
    /// Its tests.
    Tests,
    /// That it is formatted, compiles and passes the lints.
    Lints,
    /// The next step of another kind covers this one, but in the nightly run.
    Later,
}

/// Runs a command, and proves what it touched.
#[track_caller]
fn step(repo: &Repo, checkers: &Checkers, proof: Proof, line: &str) {
    let touched = touch(repo, line);
    let any = |wanted: fn(&str) -> bool| touched.iter().any(|path| wanted(path));
    if any(|path| path.starts_with("deploy/") || path.starts_with("config/")) {
        checkers.check(&repo.root(), KUBERNETES);
        let (_, prod) = rendered(&checkers.kubectl, &repo.root()).into_iter().find(|(name, _)| name == "prod").unwrap();
        assert!(prod.contains("example.com/team: ours"), "{line}");
    }
    if proof == Proof::Tests {
        prove(&repo.root());
    } else if (proof == Proof::Lints || wanted() == "all")
        && any(|path| path.ends_with(".rs") || path.starts_with("Cargo."))
    {
        lint(&repo.root());
    }
}

/// Runs a command, after which every edit is there and nothing drifts; the paths that it touched.
#[track_caller]
fn touch(repo: &Repo, line: &str) -> BTreeSet<String> {
    let before = repo.files();
    repo.run(line).succeeds();
    let after = repo.files();
    let paths = before.keys().chain(after.keys());
    let touched: BTreeSet<String> = paths.filter(|path| before.get(*path) != after.get(*path)).cloned().collect();
    assert!(!touched.is_empty(), "{line} did nothing");
    assert_edits_are_there(repo);
    repo.run("check").succeeds();
    touched
}

#[test]
fn every_command_leaves_a_repository_that_builds() {
    let what = "the builds of a repository with edits";
    if !is_asked_for(what) {
        return;
    }
    let Some(checkers) = Checkers::find(what) else { return };
    one_at_a_time(|| {
        let repo = lived_in();
        let step = |proof: Proof, line: &str| step(&repo, &checkers, proof, line);
        let methods = [("get", "GET"), ("place", "POST"), ("put", "PUT"), ("mend", "PATCH"), ("drop", "DELETE")];
        step(Proof::Later, "add-env qa --from dev");
        for (name, method) in methods {
            let path = "/api/v1/shops/{shop}/items/{item}";
            step(Proof::Later, &format!("add-handler {name}-item --method {method} --path {path}"));
        }
        step(
            Proof::Lints,
            "add-entity invoice number:text(20)!^ country:ref(country)! state:enum(open,closed)! small:smallint \
             count:integer! total:bigint paid:boolean! due:date! seen:timestamp key:uuid^ raw:json \
             amount:decimal(12,2)! note:text",
        );
        step(Proof::Later, "add-entity tag label:text!");
        step(Proof::Tests, "add-migration fill-notes");

        let invoice = |field: &str, from: &str, to: &str| {
            let text = repo.read("appgen.yaml");
            let at = text.find("\n  invoice:\n").unwrap();
            let at = at + text[at..].find(&format!("\n      {field}:\n")).unwrap();
            let (before, rest) = text.split_at(at);
            assert!(rest.contains(from), "{field}: {from}");
            repo.write("appgen.yaml", &format!("{before}{}", rest.replacen(from, to, 1)));
        };
        invoice("number", "length: 20", "length: 40");
        invoice("count", "type: integer", "type: bigint");
        invoice("note", "type: text", "type: text\n        required: true\n        backfill: none");
        invoice("due", "        required: true\n", "");
        invoice("state", "- closed\n", "- closed\n          - late\n");
        invoice(
            "amount",
            "\n      amount:\n",
            "\n      payer:\n        type: ref\n        to: country\n      amount:\n",
        );
        step(Proof::Lints, "sync");
        invoice("raw", "\n      raw:\n        type: json\n", "\n");
        invoice("number", "length: 40", "length: 10");
        invoice("note", "type: text", "type: enum\n        values:\n          - none\n          - some");
        step(Proof::Tests, "sync --allow-destructive");
        repo.commit();

        for (name, _) in methods {
            step(Proof::Later, &format!("remove-handler {name}-item"));
        }
        step(Proof::Lints, "remove-handler factorial");
        step(Proof::Later, "remove-entity tag --unapplied");
        step(Proof::Tests, "remove-entity currency");
        step(Proof::Later, "remove-entity invoice --drop-table");
        step(Proof::Later, "remove-env qa");
        step(Proof::Tests, "remove-env test");
    });
}

#[test]
fn two_branches_that_both_add_build_when_they_are_merged() {
    if !is_asked_for("the builds of merged branches") {
        return;
    }
    let Some(checkers) = Checkers::find("the overlays of merged branches") else { return };
    let (ours, theirs) = (
        ["add-handler see-one --path /api/v1/singles/{id}", "add-env qa", "add-entity one a:text!"],
        ["add-handler see-two --method PUT", "add-env staging", "add-entity two b:decimal(5,2)! country:ref(country)!"],
    );
    one_at_a_time(|| {
        let repo = lived_in();
        repo.git("checkout -qb theirs");
        theirs.iter().for_each(|line| drop(repo.run(line).succeeds()));
        repo.commit();
        repo.git("checkout -q main");
        ours.iter().for_each(|line| drop(repo.run(line).succeeds()));
        repo.commit();
        assert!(repo.git("merge theirs").contains("CONFLICT"), "both inserted in the same gaps");
        repo.run("resolve").succeeds();
        repo.git("commit -qm merged");
        assert_eq!(repo.git("status --porcelain"), "");
        repo.run("check").succeeds();
        assert_edits_are_there(&repo);
        checkers.check(&repo.root(), KUBERNETES);
        prove(&repo.root());
    });
}

/// How a thing is added, how it is removed, and lines of the user's by their file; those that name it are marked `<-`.
type Naming = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const NAMING: &[Naming] = &[
    (
        "add-handler get-quote --path /api/v1/prices/{symbol}",
        "remove-handler get-quote",
        &[
            ("src/handlers/custom.rs", "\n// misget_quote, get_quotes\nuse super::get_quote::handle; // <-\n"),
            (
                "tests/api/mine.rs",
                "fn mine() {\n    get(\"/api/v1/prices/ABC\"); // <-\n    get(\"/api/v1/price\");\n}\n",
            ),
            ("config/overlays/prod/env.yaml", "handlers:\n  get_quote: # <-\n    enabled: false\n"),
            ("Makefile", "\ntry:\n\tcurl localhost:8080/api/v1/prices/ABC # <-\n"),
            ("deploy/scripts/ours", "#!/bin/sh\necho get-quote # <-\n"),
            ("README.md", "\nOurs: see `get-quote`. <-\n"),
        ],
    ),
    (
        "add-entity order-item sku:text! --table positions",
        "remove-entity order-item",
        &[
            ("src/handlers/custom.rs", "\n// reorder_item\nuse crate::entities::order_item::Entity; // <-\n"),
            ("src/mine.rs", "/// `OrderItem` // <-\nconst SQL: &str = \"select 1 from positions\"; // <-\n"),
            ("tests/api/mine.rs", "// GET /api/v1/order-items/1 <-\n// list_order_items <-\n// dispositions\n"),
            ("db/changelog/custom/view.sql", "create view v as select * from positions; -- <-\n"),
            ("config/base.yaml", "# create_order_item is off <-\n"),
        ],
    ),
    (
        "add-env staging",
        "remove-env staging",
        &[
            ("Makefile", "\nship:\n\tdeploy/scripts/deploy staging # <-\n# stagings\n"),
            (".github/workflows/ours.yaml", "on: push\nenv:\n  OVERLAY: deploy/kustomize/overlays/staging # <-\n"),
            ("deploy/compose/ours.env", "NAMESPACE=a-staging # <-\n"),
            ("src/handlers/custom.rs", "\n// Only in staging. <-\n"),
        ],
    ),
];

#[test]
fn a_removal_lists_every_line_that_names_what_is_gone() {
    for (add, remove, edits) in NAMING {
        let repo = Repo::with(&[]);
        repo.run(add).succeeds();
        let mut wanted = BTreeSet::new();
        for (path, lines) in *edits {
            let file = repo.root().join(path);
            let text = fs::read_to_string(&file).unwrap_or_default() + lines;
            repo.write(path, &text);
            let named = text.lines().enumerate().filter(|(_, line)| line.contains("<-"));
            wanted.extend(named.map(|(number, line)| (path.to_string(), number as u64 + 1, line.trim().to_owned())));
        }
        repo.commit();
        let report = repo.run(&format!("{remove} -n --format json")).succeeds().out;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let mentions = report["mentions"].as_array().unwrap().iter().map(|mention| {
            let text = |key: &str| mention[key].as_str().unwrap().to_owned();
            (text("path"), mention["line"].as_u64().unwrap(), text("text"))
        });
        // Lines move where generated ones above them go: the numbers are those of the files afterwards.
        let run = repo.run(remove).succeeds();
        let mentions: BTreeSet<_> = mentions.collect();
        let texts = |set: &BTreeSet<(String, u64, String)>| -> BTreeSet<(String, String)> {
            set.iter().map(|(path, _, text)| (path.clone(), text.clone())).collect()
        };
        assert_eq!(texts(&mentions), texts(&wanted), "{remove}");
        for (path, line, text) in &mentions {
            assert_eq!(repo.read(path).lines().nth(*line as usize - 1).unwrap().trim(), text, "{path}:{line}");
            assert!(run.out.contains(&format!("  {path}:{line}: {text}\n")), "{}", run.out);
        }
        repo.run("check").succeeds();
    }
}
