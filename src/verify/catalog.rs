//! The checks, as data: what each proves, which files it reads, which tools it needs, and what it runs. A new check is
//! an entry here, and a planted fault in `tests/verify.rs`.

use super::files::Kind;

/// One row of the table.
#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    /// What holds when it has passed, in half a line.
    pub proves: &'static str,
    /// Where the tree has no such file, the check does not apply.
    pub reads: Kind,
    /// Tools that it cannot do without.
    pub needs: &'static [&'static str],
    /// Tools without which a part of it is left out; needed where the check is required.
    pub wants: &'static [&'static str],
    pub work: Work,
}

/// What a check does.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// Compares the repository with its spec; appgen's own.
    Drift,
    /// Renders every overlay.
    Render,
    /// Holds what was rendered against the Pod Security Standards; appgen's own.
    PodSecurity,
    /// Runs commands one after the other, up to the first that fails. The first word is the name of a tool;
    /// `{files}` stands for all files that the check reads, `{file}` for each of them, `{environment}` for each
    /// environment of a chart; `{database}` is the address of a throwaway PostgreSQL, `{contexts}` are all of the
    /// changelog's, and `{manifests}` is where the rendered manifests are, from the copy.
    Commands(Place, &'static [&'static [&'static str]]),
}

/// Where commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the working tree, one after the other: they take every core, and lock the build directory.
    Cargo,
    /// In the working tree: they read the files that they are given.
    Tree,
    /// In a copy of what git would keep, with something in the place of every secret: they walk directories, read
    /// secrets, or leave files.
    Copy,
    /// Among the rendered manifests, which are `{files}` there.
    Manifests,
    /// The same as JSON, a list of objects for each environment; beside them are the schemas of custom resources.
    Documents,
}

/// The oldest Kubernetes that a generated repository promises to run on.
const OLDEST_KUBERNETES: &str = "1.30.0";

/// A command of Liquibase on the throwaway database, with every context of the changelog.
macro_rules! liquibase_on_database {
    ($command:literal $(, $argument:literal)*) => {
        &[
            "liquibase", CHANGELOG, SEARCH_PATH, NO_BANNER, WARNINGS, "--url={database}", "--username=app",
            "--password=unused", $command, "--contexts={contexts}" $(, $argument)*
        ]
    };
}

/// Every check, in the order of the table: appgen's own, code, cluster, database, linters.
pub const CHECKS: &[Check] = &[
    Check {
        name: "drift",
        proves: "the repository is what appgen.yaml says",
        reads: Kind::Any,
        needs: &[],
        wants: &[],
        work: Work::Drift,
    },
    Check {
        name: "fmt",
        proves: "Rust is formatted",
        reads: Kind::Crate,
        needs: &["rustfmt"],
        wants: &[],
        work: Work::Commands(Place::Cargo, &[&["rustfmt", "--check"]]),
    },
    Check {
        name: "clippy",
        proves: "Rust has no lints, warnings denied",
        reads: Kind::Crate,
        needs: &["clippy"],
        wants: &[],
        work: Work::Commands(Place::Cargo, &[&["clippy", "--all-targets", "--locked", "--", "-D", "warnings"]]),
    },
    Check {
        name: "test",
        proves: "the service builds and passes its tests",
        reads: Kind::Crate,
        needs: &["cargo"],
        wants: &["postgresql"],
        work: Work::Commands(Place::Cargo, &[&["cargo", "test", "--locked"]]),
    },
    Check {
        name: "kustomize",
        proves: "every overlay renders, without a warning",
        reads: Kind::Overlay,
        needs: &["kubectl"],
        wants: &[],
        work: Work::Render,
    },
    Check {
        name: "kubernetes-validate",
        proves: "manifests fit Kubernetes 1.30 and the newest",
        reads: Kind::Overlay,
        needs: &["kubectl", "kubernetes-validate"],
        wants: &[],
        work: Work::Commands(
            Place::Manifests,
            &[
                &["kubernetes-validate", "-k", OLDEST_KUBERNETES, "--strict", "--no-warn", "{files}"],
                &["kubernetes-validate", "--strict", "--no-warn", "{files}"],
            ],
        ),
    },
    Check {
        name: "custom-resources",
        proves: "custom resources fit the schemas of their kinds",
        reads: Kind::Overlay,
        needs: &["kubectl", "check-jsonschema"],
        wants: &[],
        work: Work::Commands(
            Place::Documents,
            &[&["check-jsonschema", "--schemafile", CUSTOM_RESOURCES_SCHEMA, "{files}"]],
        ),
    },
    Check {
        name: "pod-security",
        proves: "pods are \"restricted\" (Pod Security Standards)",
        reads: Kind::Overlay,
        needs: &["kubectl"],
        wants: &[],
        work: Work::PodSecurity,
    },
    Check {
        name: "helm",
        proves: "the chart is clean, and renders with all values",
        reads: Kind::Chart,
        needs: &["helm"],
        wants: &[],
        // The script knows what the chart is given: it lints it, and renders it.
        work: Work::Commands(Place::Copy, &[&["deploy/scripts/render", "{environment}", "--helm"]]),
    },
    Check {
        name: "compose",
        proves: "Compose reads its file",
        reads: Kind::Compose,
        needs: &["docker-compose"],
        wants: &[],
        work: Work::Commands(Place::Copy, &[&["docker-compose", "-f", "{file}", "config", "--quiet"]]),
    },
    Check {
        name: "compose-schema",
        proves: "the Compose file fits its specification",
        reads: Kind::Compose,
        needs: &["check-jsonschema"],
        wants: &[],
        work: Work::Commands(
            Place::Tree,
            &[&["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "{files}"]],
        ),
    },
    Check {
        name: "liquibase",
        proves: "the changelog is complete (no database needed)",
        reads: Kind::Changelog,
        needs: &["liquibase"],
        wants: &[],
        work: Work::Commands(
            Place::Copy,
            &[&["liquibase", CHANGELOG, SEARCH_PATH, NO_BANNER, WARNINGS, OFFLINE, "validate"]],
        ),
    },
    Check {
        name: "rollback",
        proves: "changesets apply, roll back and apply again",
        reads: Kind::Changelog,
        needs: &["liquibase", "postgresql"],
        wants: &[],
        // The second update has nothing to do, and none of the changesets is left when the third one begins.
        work: Work::Commands(
            Place::Copy,
            &[
                liquibase_on_database!("update"),
                liquibase_on_database!("update"),
                liquibase_on_database!("rollback-to-date", "--date=2000-01-01"),
                liquibase_on_database!("update"),
            ],
        ),
    },
    Check {
        name: "hadolint",
        proves: "Dockerfiles are clean",
        reads: Kind::Dockerfile,
        needs: &["hadolint"],
        wants: &[],
        work: Work::Commands(Place::Tree, &[&["hadolint", "{files}"]]),
    },
    Check {
        name: "shellcheck",
        proves: "scripts are clean",
        reads: Kind::Script,
        needs: &["shellcheck"],
        wants: &[],
        work: Work::Commands(Place::Tree, &[&["shellcheck", "{files}"]]),
    },
    Check {
        name: "shfmt",
        proves: "scripts are formatted",
        reads: Kind::Script,
        needs: &["shfmt"],
        wants: &[],
        work: Work::Commands(Place::Tree, &[&["shfmt", "-d", "{files}"]]),
    },
    Check {
        name: "yamllint",
        proves: "YAML is clean",
        reads: Kind::Yaml,
        needs: &["yamllint"],
        wants: &[],
        work: Work::Commands(Place::Tree, &[&["yamllint", "--strict", "{files}"]]),
    },
    Check {
        name: "actionlint",
        proves: "workflows are valid",
        reads: Kind::Workflow,
        needs: &["actionlint"],
        wants: &[],
        work: Work::Commands(Place::Tree, &[&["actionlint", "{files}"]]),
    },
    Check {
        name: "zizmor",
        proves: "workflows are safe",
        reads: Kind::Workflow,
        needs: &["zizmor"],
        wants: &[],
        work: Work::Commands(Place::Tree, &[&["zizmor", "--offline", "--quiet", "{files}"]]),
    },
    Check {
        name: "gitlab-schema",
        proves: "GitLab reads the pipeline",
        reads: Kind::Pipeline,
        needs: &["check-jsonschema"],
        wants: &[],
        work: Work::Commands(
            Place::Tree,
            &[&[
                "check-jsonschema",
                "--builtin-schema",
                "vendor.gitlab-ci",
                // `!reference` is GitLab's own.
                "--data-transform",
                "gitlab-ci",
                "{files}",
            ]],
        ),
    },
    Check {
        name: "checkov",
        proves: "no finding without a reason in .checkov.yaml",
        reads: Kind::Checkov,
        needs: &["checkov", "kubectl"],
        wants: &[],
        // Not the kustomize tree and not the chart: bases, patches and templates are nothing that is deployed.
        work: Work::Commands(
            Place::Copy,
            &[&[
                "checkov",
                "--skip-download",
                "--compact",
                "--quiet",
                "--config-file",
                ".checkov.yaml",
                "--framework",
                "kubernetes",
                "dockerfile",
                "github_actions",
                "--skip-path",
                "deploy/kustomize",
                "--skip-path",
                "deploy/helm",
                "--directory",
                ".",
                "--directory",
                "{manifests}",
            ]],
        ),
    },
    Check {
        name: "promtool",
        proves: "every alert fires when it should, and only then",
        reads: Kind::AlertTest,
        needs: &["promtool"],
        wants: &[],
        work: Work::Commands(Place::Tree, &[&["{file}"]]),
    },
    Check {
        name: "gitleaks",
        proves: "nothing secret is in the tree",
        reads: Kind::Any,
        needs: &["gitleaks"],
        wants: &[],
        work: Work::Commands(Place::Copy, &[&["gitleaks", "dir", "--no-banner", "--redact", "."]]),
    },
];

/// The name of [`super::custom_resources::SCHEMA`] as a file. No environment has a capital letter.
pub(super) const CUSTOM_RESOURCES_SCHEMA: &str = "SCHEMA.json";

const CHANGELOG: &str = "--changelog-file=db.changelog-root.yaml";
const SEARCH_PATH: &str = "--search-path=db/changelog";
const NO_BANNER: &str = "--show-banner=false";
const WARNINGS: &str = "--log-level=warning";
const OFFLINE: &str = "--url=offline:postgresql?outputLiquibaseSql=none";
