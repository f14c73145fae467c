//! Writes `templates/cargo-lock.json`: which packages and edges each fact brings into the generated lockfile.
//!
//! ```text
//! cargo run --example lock_data            # keep the versions that are locked, resolve what is new
//! cargo run --example lock_data -- --update   # take the newest versions
//! ```
//!
//! One superset is resolved with every fact on; then Cargo itself prunes it, offline, for no fact and for each single
//! one. A package or edge that is there without any fact is unconditional; the others carry the facts that bring them.
#![allow(clippy::disallowed_methods, reason = "a tool of the developers")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use appgen::render::lock_data::{Edge, LockData, Package};
use appgen::render::{known_facts, render_manifest};
use appgen::spec::name::ServiceName;
use appgen::spec::{Spec, SpecDocument};
use appgen::templates::TemplateSet;
use serde_json::Value;

type Error = Box<dyn std::error::Error>;

/// The packages of one lockfile: (name, version) -> (source, checksum, dependencies).
type Lock = BTreeMap<(String, String), (String, String, Vec<(String, String)>)>;

const ROOT: &str = "lock-data";

fn main() -> Result<(), Error> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/cargo-lock.json");
    let set = TemplateSet::embedded()?;
    let spec = Spec::resolve(SpecDocument::named(ServiceName::parse(ROOT)?)).map_err(|_| "the empty spec")?;
    let facts = known_facts(&spec);
    let all: Vec<&str> = facts.clone();
    let update = std::env::args().any(|argument| argument == "--update");

    let work = tempfile::tempdir()?;
    let package = |manifest: &str| -> Result<(), Error> {
        fs::create_dir_all(work.path().join("src"))?;
        for file in ["src/lib.rs", "src/main.rs"] {
            fs::write(work.path().join(file), "")?;
        }
        Ok(fs::write(work.path().join("Cargo.toml"), manifest)?)
    };
    let cargo = |arguments: &[&str]| -> Result<(), Error> {
        let status = Command::new("cargo").args(arguments).current_dir(work.path()).status()?;
        if status.success() { Ok(()) } else { Err(format!("cargo {arguments:?}: {status}").into()) }
    };
    let lockfile = work.path().join("Cargo.lock");

    package(&render_manifest(&spec, &set, &all)?)?;
    if !update && let Ok(kept) = appgen::render::assemble_lock(&set, &spec, &all) {
        fs::write(&lockfile, kept)?;
    }
    cargo(&["update", "--workspace"])?;
    if update {
        cargo(&["update"])?;
    }
    let superset = fs::read_to_string(&lockfile)?;

    let resolve = |facts: &[&str]| -> Result<Lock, Error> {
        package(&render_manifest(&spec, &set, facts)?)?;
        fs::write(&lockfile, &superset)?;
        cargo(&["update", "--workspace", "--offline", "--quiet"])?;
        parse(&fs::read_to_string(&lockfile)?)
    };
    let base = resolve(&[])?;
    let mut singles = Vec::new();
    let manifest = |facts: &[&str]| render_manifest(&spec, &set, facts);
    let plain = manifest(&[])?;
    for fact in facts {
        // Most facts do not touch the manifest.
        if manifest(&[fact])? != plain {
            singles.push((fact, resolve(&[fact])?));
        }
    }

    let whole = parse(&superset)?;
    let on = |holds: &dyn Fn(&Lock) -> bool| -> Vec<String> {
        if holds(&base) {
            return Vec::new();
        }
        singles.iter().filter(|(_, lock)| holds(lock)).map(|(fact, _)| (*fact).to_owned()).collect()
    };
    let edges = |from: &(String, String), dependencies: &[(String, String)]| -> Vec<Edge> {
        let edge = |to: &(String, String)| Edge {
            name: to.0.clone(),
            version: to.1.clone(),
            on: on(&|lock| lock.get(from).is_some_and(|(_, _, dependencies)| dependencies.contains(to))),
        };
        dependencies.iter().map(edge).collect()
    };
    let mut root = Vec::new();
    let mut packages = Vec::new();
    for (id, (source, checksum, dependencies)) in &whole {
        if id.0 == ROOT {
            root = edges(id, dependencies);
            continue;
        }
        packages.push(Package {
            name: id.0.clone(),
            version: id.1.clone(),
            source: source.clone(),
            checksum: checksum.clone(),
            on: on(&|lock| lock.contains_key(id)),
            dependencies: edges(id, dependencies),
        });
    }
    packages.sort_by(|a, b| {
        let key = |package: &Package| {
            package.version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>()
        };
        a.name.cmp(&b.name).then_with(|| key(a).cmp(&key(b)))
    });
    // One package a line: a change of one version is a change of one line.
    let mut text = format!("{{\"version\":4,\"root\":{},\n\"packages\":[\n", serde_json::to_string(&root)?);
    let lines = packages.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    text.push_str(&lines.join(",\n"));
    text.push_str("\n]}\n");
    serde_json::from_str::<LockData>(&text)?;
    fs::write(data, text)?;
    Ok(())
}

fn parse(text: &str) -> Result<Lock, Error> {
    // The lockfile is TOML; the two shapes of a dependency are `name` and `name version`.
    let mut packages: Vec<BTreeMap<String, Value>> = Vec::new();
    let mut list: Option<Vec<Value>> = None;
    for line in text.lines() {
        match (line, line.split_once(" = "), &mut list) {
            ("[[package]]", ..) => packages.push(BTreeMap::new()),
            ("dependencies = [", ..) => list = Some(Vec::new()),
            ("]", ..) => {
                let done = list.take().unwrap_or_default();
                packages.last_mut().ok_or("a list before a package")?.insert("dependencies".into(), Value::Array(done));
            }
            (line, _, Some(list)) => list.push(serde_json::from_str(line.trim().trim_end_matches(','))?),
            (_, Some((key, value)), None) => {
                if let Some(package) = packages.last_mut() {
                    package.insert(key.to_owned(), serde_json::from_str(value)?);
                }
            }
            _ => {}
        }
    }
    let field = |package: &BTreeMap<String, Value>, key: &str| {
        package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let ids: Vec<_> = packages.iter().map(|package| (field(package, "name"), field(package, "version"))).collect();
    let resolve = |dependency: &str| -> Result<(String, String), Error> {
        let (name, version) = dependency.split_once(' ').unwrap_or((dependency, ""));
        let fits = |id: &&(String, String)| id.0 == name && (version.is_empty() || id.1 == version);
        ids.iter().find(fits).cloned().ok_or_else(|| format!("no package {dependency}").into())
    };
    let mut lock = Lock::new();
    for (package, id) in packages.iter().zip(&ids) {
        let named = package.get("dependencies").and_then(Value::as_array).cloned().unwrap_or_default();
        let dependencies =
            named.iter().map(|name| resolve(name.as_str().unwrap_or_default())).collect::<Result<Vec<_>, _>>()?;
        lock.insert(id.clone(), (field(package, "source"), field(package, "checksum"), dependencies));
    }
    Ok(lock)
}
