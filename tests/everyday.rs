//! The fixed table of 56: what users do to their files every day, and then appgen adds to the same place.
//!
//! - 7 **kinds** of edit: an item of the user's own in the very gap where the template adds, a comment there, another
//!   value beside it, the neighbour deleted, the items reordered, the same written in another form, and edits elsewhere
//!   in the file.
//! - 4 **layouts**, the shapes of the files to which templates add: a map of blocks (YAML), a list of items (YAML), a
//!   table of pairs (TOML), and a list of lines (Markdown, Rust).
//! - 2 **additions** for each layout: in the middle and at the end, or of two commands.
//!
//! Each is run through `appgen` on a repository whose edits are committed. `snapshots/everyday/table.snap` shows the
//! outcomes: at most 3 may be conflicts. A clean result is the user's file with the template's lines in it, nothing else.
//! A star marks those in which a merge of lines alone conflicts: the table is to be a hard one.
//!
//! With APPGEN_REQUIRE=all every clean result is built, and what other programs read is given to them. Those with the
//! same sources are built once. Budget: 1 minute, and 3 minutes more for the builds, on 2 cores.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support;
use crate::support::generated::{cargo, check, is_asked_for, one_at_a_time, target};
use crate::support::{Place, Run};
use similar::TextMerge;

const KINDS: [&str; 7] = [
    "own item in the gap",
    "comment in the gap",
    "neighbour changed",
    "neighbour deleted",
    "reordered",
    "written otherwise",
    "edited elsewhere",
];

/// What is replaced in a file, once.
type Replace = (&'static str, &'static str, &'static str);

struct Layout {
    name: &'static str,
    additions: [Addition; 2],
}

struct Addition {
    /// Where the template adds.
    gap: &'static str,
    path: &'static str,
    /// What `appgen new` is told.
    new: &'static [&'static str],
    /// What the command needs to be changed first.
    prepared: &'static [Replace],
    command: &'static str,
    /// One for each kind.
    edits: [&'static [Replace]; 7],
}

const BASE: &str = "config/base.yaml";
const CI: &str = ".github/workflows/ci.yaml";
const README: &str = "README.md";
const TESTS: &str = "tests/api/main.rs";

const LAYOUTS: [Layout; 4] = [
    Layout {
        name: "map of blocks",
        additions: [
            Addition {
                gap: "middle",
                path: BASE,
                new: &[],
                prepared: &[],
                command: "add-handler get-quote",
                edits: [
                    &[(
                        BASE,
                        "  quote:\n",
                        "  old_quote:\n    method: GET\n    path: /quotes/{symbol}\n    handler: quote\n  quote:\n",
                    )],
                    &[(BASE, "  quote:\n", "  # Prices as of yesterday.\n  quote:\n")],
                    &[(BASE, "    handler: factorial\n", "    handler: factorial\n    timeout: 3s\n")],
                    &[(
                        BASE,
                        "  factorial:\n    method: POST\n    path: /api/v1/factorials\n    handler: factorial\n",
                        "",
                    )],
                    &[
                        (
                            BASE,
                            "  factorial:\n    method: POST\n    path: /api/v1/factorials\n    handler: factorial\n",
                            "",
                        ),
                        (
                            BASE,
                            "    handler: quote\n",
                            "    handler: quote\n  factorial:\n    method: POST\n    path: /api/v1/factorials\n    handler: factorial\n",
                        ),
                    ],
                    &[(
                        BASE,
                        "  factorial:\n    method: POST\n    path: /api/v1/factorials\n    handler: factorial\n",
                        "  factorial: { method: POST, path: /api/v1/factorials, handler: factorial }\n",
                    )],
                    &[
                        (BASE, "  level: info\n", "  level: debug # until it is stable\n"),
                        (BASE, "    path: /api/v1/countries\n", "    path: /countries\n"),
                    ],
                ],
            },
            Addition {
                gap: "end",
                path: BASE,
                new: &[],
                prepared: &[],
                command: "add-entity region code:text(3)!^ name:text(100)!",
                edits: [
                    &[(
                        BASE,
                        "    handler: delete_currency\n",
                        "    handler: delete_currency\n  old_quote:\n    method: GET\n    path: /quotes/{symbol}\n    handler: quote\n",
                    )],
                    &[(
                        BASE,
                        "    handler: delete_currency\n",
                        "    handler: delete_currency\n  # Deleting is for administrators.\n",
                    )],
                    &[(BASE, "    handler: delete_currency\n", "    handler: delete_currency\n    enabled: false\n")],
                    &[(
                        BASE,
                        "  delete_currency:\n    method: DELETE\n    path: /api/v1/currencies/{id}\n    handler: delete_currency\n",
                        "",
                    )],
                    &[
                        (
                            BASE,
                            "  delete_currency:\n    method: DELETE\n    path: /api/v1/currencies/{id}\n    handler: delete_currency\n",
                            "",
                        ),
                        (
                            BASE,
                            "  update_currency:\n",
                            "  delete_currency:\n    method: DELETE\n    path: /api/v1/currencies/{id}\n    handler: delete_currency\n  update_currency:\n",
                        ),
                    ],
                    &[(
                        BASE,
                        "  delete_currency:\n    method: DELETE\n    path: /api/v1/currencies/{id}\n    handler: delete_currency\n",
                        "  delete_currency: { method: DELETE, path: \"/api/v1/currencies/{id}\", handler: delete_currency }\n",
                    )],
                    &[
                        (BASE, "server:\n", "# Ours is small.\nserver:\n"),
                        (BASE, "  workers: 4\n  queue: 1000\n", "  queue: 50\n  workers: 2\n"),
                    ],
                ],
            },
        ],
    },
    Layout {
        name: "list of items",
        additions: [
            Addition {
                gap: "middle",
                path: CI,
                new: &[],
                prepared: &[],
                command: "add-env staging",
                edits: [
                    &[(CI, "          - prod\n", "          - prod\n          - qa\n")],
                    &[(CI, "          - test\n", "          # The one that testers use.\n          - test\n")],
                    &[(CI, "          - prod\n", "          - prod-eu\n")],
                    &[(CI, "          - prod\n", "")],
                    &[(
                        CI,
                        "          - dev\n          - prod\n          - test\n",
                        "          - prod\n          - test\n          - dev\n",
                    )],
                    &[(
                        CI,
                        "        environment:\n          - dev\n          - prod\n          - test\n",
                        "        environment: [dev, prod, test]\n",
                    )],
                    &[
                        (CI, "    branches: [main]\n", "    branches: [main, develop]\n"),
                        (
                            CI,
                            "      - run: cargo test --locked\n",
                            "      - run: cargo test --locked\n      - run: make smoke\n",
                        ),
                    ],
                ],
            },
            Addition {
                gap: "end",
                path: CI,
                new: &[],
                prepared: &[],
                command: "add-env zone",
                edits: [
                    &[(CI, "          - test\n", "          - test\n          - uat\n")],
                    &[(CI, "          - test\n", "          - test\n          # More to come.\n")],
                    &[(CI, "          - test\n", "          - test # Frankfurt only\n")],
                    &[(CI, "          - test\n", "")],
                    &[(
                        CI,
                        "          - dev\n          - prod\n          - test\n",
                        "          - test\n          - dev\n          - prod\n",
                    )],
                    &[(
                        CI,
                        "          - dev\n          - prod\n          - test\n",
                        "          - \"dev\"\n          - \"prod\"\n          - \"test\"\n",
                    )],
                    &[
                        (CI, "permissions: {}\n", "permissions:\n  contents: read\n"),
                        (
                            CI,
                            "      ENVIRONMENT: ${{ matrix.environment }}\n",
                            "      ENVIRONMENT: ${{ matrix.environment }}\n      VERBOSE: \"1\"\n",
                        ),
                    ],
                ],
            },
        ],
    },
    Layout {
        name: "table of pairs",
        additions: [
            Addition {
                gap: "below",
                path: "Cargo.toml",
                new: &[],
                prepared: &[],
                command: "add-entity rate value:decimal(12,6)!",
                edits: [
                    &[
                        ("Cargo.toml", "rlimit = \"0.11.0\"\n", "rlimit = \"0.11.0\"\nquote = \"1\"\n"),
                        ("Cargo.lock", " \"prometheus-client\",\n", " \"prometheus-client\",\n \"quote\",\n"),
                    ],
                    &[("Cargo.toml", "rlimit = \"0.11.0\"\n", "rlimit = \"0.11.0\"\n# No OpenSSL.\n")],
                    &[("Cargo.toml", "rlimit = \"0.11.0\"\n", "rlimit = \"0.11\"\n")],
                    &[
                        ("Cargo.toml", "rlimit = \"0.11.0\"\n", ""),
                        (
                            "Cargo.toml",
                            "[dev-dependencies]\n",
                            "[dependencies.rlimit]\nversion = \"0.11.0\"\n\n[dev-dependencies]\n",
                        ),
                    ],
                    &[
                        ("Cargo.toml", "rlimit = \"0.11.0\"\n", ""),
                        ("Cargo.toml", "[dependencies]\n", "[dependencies]\nrlimit = \"0.11.0\"\n"),
                    ],
                    &[(
                        "Cargo.toml",
                        "rlimit = \"0.11.0\"\n",
                        "rlimit = { version = \"0.11.0\", default-features = true }\n",
                    )],
                    &[
                        ("Cargo.toml", "version = \"0.1.0\"\n", "version = \"1.4.0\"\n"),
                        ("Cargo.lock", "version = \"0.1.0\"\ndep", "version = \"1.4.0\"\ndep"),
                        ("Cargo.toml", "lto = \"thin\"\n", "lto = \"fat\"\n"),
                    ],
                ],
            },
            Addition {
                gap: "above",
                path: "Cargo.toml",
                new: &[],
                prepared: &[(
                    "appgen.yaml",
                    "        description: Sign before or behind an amount\n",
                    "        description: Sign before or behind an amount\n      rate: { type: decimal }\n",
                )],
                command: "sync",
                edits: [
                    &[
                        ("Cargo.toml", "\nrustls = {", "\nring = \"0.17\"\nrustls = {"),
                        ("Cargo.lock", " \"rand\",\n", " \"rand\",\n \"ring\",\n"),
                    ],
                    &[("Cargo.toml", "\nrustls = {", "\n# No OpenSSL.\nrustls = {")],
                    &[("Cargo.toml", "\nrustls = { version = \"0.23.46\"", "\nrustls = { version = \"0.23\"")],
                    &[
                        (
                            "Cargo.toml",
                            "\nrustls = { version = \"0.23.46\", default-features = false, features = [\"ring\", \"std\", \"tls12\"] }\n",
                            "\n",
                        ),
                        (
                            "Cargo.toml",
                            "[dev-dependencies]\n",
                            "[dependencies.rustls]\nversion = \"0.23.46\"\ndefault-features = false\nfeatures = [\"ring\", \"std\", \"tls12\"]\n\n[dev-dependencies]\n",
                        ),
                    ],
                    &[
                        ("Cargo.toml", "secrecy = { version = \"0.10.3\", features = [\"serde\"] }\n", ""),
                        (
                            "Cargo.toml",
                            "\nrustls = {",
                            "\nsecrecy = { version = \"0.10.3\", features = [\"serde\"] }\nrustls = {",
                        ),
                    ],
                    &[(
                        "Cargo.toml",
                        "features = [\"ring\", \"std\", \"tls12\"] }\n",
                        "features = [\n    \"ring\",\n    \"std\",\n    \"tls12\",\n] }\n",
                    )],
                    &[
                        ("Cargo.toml", "publish = false\n", "publish = false\nlicense = \"MIT\"\n"),
                        ("Cargo.toml", "use_self = \"warn\"\n", "use_self = \"warn\"\n\n[features]\nextra = []\n"),
                    ],
                ],
            },
        ],
    },
    Layout {
        name: "list of lines",
        additions: [
            Addition {
                gap: "Markdown",
                path: README,
                new: &[],
                prepared: &[],
                command: "add-handler status",
                edits: [
                    &[(
                        README,
                        "| `/api/v1/quotes/{symbol}` | GET |\n",
                        "| `/api/v1/quotes/{symbol}` | GET |\n| `/mine` | GET, ours |\n",
                    )],
                    &[(
                        README,
                        "| `/api/v1/quotes/{symbol}` | GET |\n",
                        "| `/api/v1/quotes/{symbol}` | GET |\n\nQuotes come from the exchange.\n",
                    )],
                    &[(
                        README,
                        "| `/api/v1/quotes/{symbol}` | GET |\n",
                        "| `/api/v1/quotes/{symbol}` | GET, as of yesterday |\n",
                    )],
                    &[(README, "| `/api/v1/quotes/{symbol}` | GET |\n", "")],
                    &[(
                        README,
                        "| `/api/v1/factorials` | POST |\n| `/api/v1/quotes/{symbol}` | GET |\n",
                        "| `/api/v1/quotes/{symbol}` | GET |\n| `/api/v1/factorials` | POST |\n",
                    )],
                    &[(
                        README,
                        "| `/api/v1/factorials` | POST |\n| `/api/v1/quotes/{symbol}` | GET |\n",
                        "| `/api/v1/factorials`      | POST |\n| `/api/v1/quotes/{symbol}` | GET  |\n",
                    )],
                    &[
                        (README, "# Everyday\n", "# The everyday service\n"),
                        (README, "## Deploy\n", "## On call\n\nAsk the reference team.\n\n## Deploy\n"),
                    ],
                ],
            },
            Addition {
                gap: "Rust",
                path: TESTS,
                new: &["--no-examples"],
                prepared: &[],
                command: "add-entity region code:text(3)!^ name:text(100)!",
                edits: [
                    &[(TESTS, "mod routes;\n", "mod routes;\nmod mine;\n")],
                    &[(TESTS, "mod routes;\n", "mod routes;\n// What is ours follows.\n")],
                    &[(TESTS, "mod routes;\n", "pub mod routes;\n")],
                    &[(TESTS, "mod routes;\n", "")],
                    &[(TESTS, "mod readiness;\nmod routes;\n", "mod routes;\nmod readiness;\n")],
                    &[(TESTS, "mod routes;\n", "mod routes; // every one\n")],
                    &[
                        (TESTS, "need nothing;", "need nothing at all;"),
                        (TESTS, "mod app;\n", "mod app;\npub mod data;\n"),
                    ],
                ],
            },
        ],
    },
];

/// Files of the user's own that an edit names.
const OWN: &[(&str, &str)] =
    &[("tests/api/mine.rs", "#[test]\nfn mine() {}\n"), ("tests/api/data.rs", "pub const ROWS: usize = 3;\n")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Clean,
    Conflict,
    Sidecar,
}

/// One of the 56, run.
struct Done {
    layout: &'static Layout,
    addition: &'static Addition,
    kind: usize,
    /// Or what is wrong with it.
    outcome: Result<Outcome, String>,
    /// Whether a merge of lines alone conflicts.
    is_hard: bool,
    /// The repository afterwards.
    files: BTreeMap<String, String>,
}

impl Done {
    fn name(&self) -> String {
        name(self.layout, self.addition, self.kind)
    }
}

fn name(layout: &Layout, addition: &Addition, kind: usize) -> String {
    format!("{}, {}, {}", layout.name, addition.gap, KINDS[kind])
}

fn clean() -> impl Iterator<Item = &'static Done> {
    table().iter().filter(|done| done.outcome == Ok(Outcome::Clean))
}

/// Every one, in the order of layouts, additions and kinds.
fn table() -> &'static [Done] {
    static TABLE: OnceLock<Vec<Done>> = OnceLock::new();
    TABLE.get_or_init(|| {
        std::thread::scope(|scope| {
            let running: Vec<_> = LAYOUTS
                .iter()
                .map(|layout| {
                    scope.spawn(move || {
                        layout.additions.iter().flat_map(|addition| column(layout, addition)).collect::<Vec<_>>()
                    })
                })
                .collect();
            running.into_iter().flat_map(|layout| layout.join().unwrap()).collect()
        })
    })
}

/// One addition, after an edit of each kind.
fn column(layout: &'static Layout, addition: &'static Addition) -> Vec<Done> {
    let place = Place::new();
    let made = ["new", "everyday", "--yes"].iter().chain(addition.new);
    Run::of(&support::appgen(place.path()).args(made).output().unwrap(), place.path()).succeeds();
    let plain = place.path().join("everyday");
    let base = support::files(&plain);

    let untouched = copy(&plain);
    edit(untouched.path(), addition.prepared);
    run(untouched.path(), addition.command).succeeds();
    let pristine = support::files(untouched.path());

    let one = |(kind, edits): (usize, &&[Replace])| {
        let place = copy(&plain);
        let root = place.path();
        edit(root, edits);
        let ours = support::files(root);
        git(root, &["add", "-A"]);
        git(root, &["commit", "-qm", "an edit"]);
        edit(root, addition.prepared);
        let done = run(root, addition.command);
        let files = support::files(root);
        let sides = [&base, &ours, &pristine, &files].map(|files| files[addition.path].as_str());
        let is_hard = TextMerge::from_lines(sides[0], sides[1], sides[2]).is_conflicted();
        let outcome = classify(root, &done, &files).and_then(|outcome| match outcome {
            Outcome::Clean => check_merged(sides).map(|()| outcome),
            _ => check_nothing_lost(&ours, &base, &files).map(|()| outcome),
        });
        Done { layout, addition, kind, outcome, is_hard, files }
    };
    addition.edits.iter().enumerate().map(one).collect()
}

fn copy(repository: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    support::succeed(Command::new("cp").arg("-a").arg(repository.join(".")).arg(place.path()));
    place
}

fn edit(root: &Path, edits: &[Replace]) {
    for (path, from, to) in edits {
        let text = fs::read_to_string(root.join(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        fs::write(root.join(path), text.replacen(from, to, 1)).unwrap();
        for (path, text) in OWN {
            let module = format!("mod {};", Path::new(path).file_stem().unwrap().to_str().unwrap());
            if to.contains(&module) {
                fs::write(root.join(path), text).unwrap();
            }
        }
    }
}

fn run(root: &Path, line: &str) -> Run {
    Run::of(&support::appgen(root).args(line.split(' ')).output().unwrap(), root)
}

fn git(root: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "core.hooksPath=/dev/null"]);
    support::succeed(command.args(arguments).current_dir(root));
}

/// What came of it; the exit code and `check` must say the same.
fn classify(root: &Path, done: &Run, files: &BTreeMap<String, String>) -> Result<Outcome, String> {
    let marked = files.values().any(|text| appgen::merge::has_markers(text));
    let beside = files.keys().any(|path| path.ends_with(".appgen-new"));
    let outcome = match (marked, beside) {
        (false, false) => Outcome::Clean,
        (true, _) => Outcome::Conflict,
        (false, true) => Outcome::Sidecar,
    };
    let check = run(root, "check");
    let codes = if outcome == Outcome::Clean { (0, 0) } else { (4, 3) };
    if (done.code, check.code) == codes {
        return Ok(outcome);
    }
    Err(format!("{outcome:?}, but {}, {}\n{}{}{}{}", done.code, check.code, done.out, done.err, check.out, check.err))
}

/// A clean result is what the user had with the template's lines in it: none is missing, none is twice, and nothing that
/// the user took away is back. Only where both changed one line there is another one instead, with the words of both.
fn check_merged([base, ours, next, result]: [&str; 4]) -> Result<(), String> {
    let mut missing = counted(ours);
    next.lines().for_each(|line| *missing.entry(line).or_default() += 1);
    base.lines().chain(result.lines()).for_each(|line| *missing.entry(line).or_default() -= 1);
    let [lost, new] = [1, -1].map(|sign| -> Vec<&str> {
        missing.iter().filter(|(_, count)| **count * sign > 0).map(|(line, _)| *line).collect()
    });
    let all_lost: BTreeSet<&str> = lost.iter().flat_map(|line| words(line)).collect();
    let is_combined = lost.iter().all(|line| new.iter().any(|new| words(line).is_subset(&words(new))))
        && new.iter().all(|line| !words(line).is_empty() && words(line).is_subset(&all_lost));
    if is_combined { Ok(()) } else { Err(format!("- {lost:#?}\n+ {new:#?}\n{result}")) }
}

/// Every line that the user added is somewhere in the file that he added it to.
fn check_nothing_lost(
    ours: &BTreeMap<String, String>,
    base: &BTreeMap<String, String>,
    files: &BTreeMap<String, String>,
) -> Result<(), String> {
    for (path, text) in ours {
        let before = base.get(path).map_or("", String::as_str);
        for line in text.lines().filter(|line| !before.lines().any(|other| other == *line)) {
            if !files[path].lines().any(|other| other == line) {
                return Err(format!("{path} lost {line:?}"));
            }
        }
    }
    Ok(())
}

fn counted(text: &str) -> BTreeMap<&str, isize> {
    let mut counts = BTreeMap::new();
    text.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    counts
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && !"_-/.".contains(c))
        .filter(|word| word.contains(char::is_alphanumeric))
        .collect()
}

#[test]
fn fifty_six_everyday_edits() {
    let done = table();
    assert_eq!(done.len(), 56);
    let wrong: Vec<_> =
        done.iter().filter_map(|cell| Some(format!("{}: {}", cell.name(), cell.outcome.as_ref().err()?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let mut shown = format!("{:<22}", "");
    for layout in &LAYOUTS {
        write!(shown, "{:<22}", layout.name).unwrap();
    }
    write!(shown, "\n{:<22}", "").unwrap();
    for addition in LAYOUTS.iter().flat_map(|layout| &layout.additions) {
        write!(shown, "{:<11}", addition.gap).unwrap();
    }
    for (kind, name) in KINDS.iter().enumerate() {
        write!(shown, "\n{name:<22}").unwrap();
        for cell in done.iter().filter(|cell| cell.kind == kind) {
            let word = match &cell.outcome {
                Ok(Outcome::Clean) => "clean",
                Ok(Outcome::Conflict) => "CONFLICT",
                Ok(Outcome::Sidecar) => "SIDECAR",
                Err(_) => unreachable!("none is wrong"),
            };
            let star = if cell.is_hard { " *" } else { "" };
            write!(shown, "{:<11}", format!("{word}{star}")).unwrap();
        }
    }
    let unsettled = done.iter().filter(|cell| cell.outcome != Ok(Outcome::Clean)).count();
    let hard = done.iter().filter(|cell| cell.is_hard).count();
    write!(shown, "\n\n{unsettled} of {} are left to the user. * {hard} where lines alone conflict.", done.len())
        .unwrap();
    let shown: Vec<_> = shown.lines().map(str::trim_end).collect();
    support::snapshot("everyday", "table", &shown.join("\n"));
    assert!(unsettled <= 3, "{unsettled} conflicts");
    assert!(hard >= 28, "only {hard} would conflict line by line");
}

/// What a build reads.
fn sources(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_source = |path: &&String| {
        let directory = path.split('/').next().unwrap_or_default();
        ["src", "benches", "tests", "db"].contains(&directory) || path.starts_with("Cargo.") || path.ends_with(".toml")
    };
    files.iter().filter(|(path, _)| is_source(path)).map(|(path, text)| (path.clone(), text.clone())).collect()
}

#[test]
fn clean_results_build() {
    if !is_asked_for("the builds of everyday edits") {
        return;
    }
    let mut built: Vec<BTreeMap<String, String>> = Vec::new();
    for cell in clean() {
        let sources = sources(&cell.files);
        if built.contains(&sources) {
            continue;
        }
        println!("{}", cell.name());
        one_at_a_time(|| check(&workshop(&sources)));
        built.push(sources);
    }
    // The service itself reads its configuration.
    for cell in clean().filter(|cell| cell.addition.path == BASE) {
        let root = workshop(&sources(&cell.files));
        one_at_a_time(|| cargo(&root, &["build", "--locked", "--quiet"]));
        fs::create_dir_all(root.join("config")).unwrap();
        fs::write(root.join(BASE), &cell.files[BASE]).unwrap();
        let mut service = Command::new(target().join("debug/everyday"));
        let run = Run::of(&service.arg("check-config").current_dir(&root).output().unwrap(), &root);
        assert_eq!(run.code, 0, "{}:\n{}{}", cell.name(), run.out, run.err);
    }
}

#[test]
fn workflows_are_accepted() {
    let Some(actionlint) = support::tool("actionlint", "workflows with everyday edits") else { return };
    for cell in clean().filter(|cell| cell.addition.path == CI) {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join(".github/workflows")).unwrap();
        fs::write(place.path().join(CI), &cell.files[CI]).unwrap();
        let run = Run::of(&Command::new(&actionlint).arg(CI).current_dir(&place).output().unwrap(), place.path());
        assert_eq!(run.code, 0, "{}:\n{}{}", cell.name(), run.out, run.err);
    }
}

#[test]
fn tables_stay_whole() {
    for cell in clean().filter(|cell| cell.addition.path == README) {
        let lines: Vec<&str> = cell.files[README].lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with('|')) {
            let head = lines[..at].iter().rev().take_while(|line| line.starts_with('|')).last();
            let row = head.is_none_or(|head| head.matches('|').count() == line.matches('|').count());
            let first = head.is_some() || lines[at + 1].starts_with("|--");
            assert!(row && first, "{}: {line}\n{}", cell.name(), cell.files[README]);
        }
    }
}

/// One directory for all builds, in which only what differs is written: cargo then compiles only that.
fn workshop(files: &BTreeMap<String, String>) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("everyday");
    fs::create_dir_all(&root).unwrap();
    let there = support::files(&root);
    for path in there.keys().filter(|path| !files.contains_key(*path)) {
        fs::remove_file(root.join(path)).unwrap();
    }
    for (path, text) in files.iter().filter(|(path, text)| there.get(*path) != Some(text)) {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    root
}
