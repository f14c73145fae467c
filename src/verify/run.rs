//! Runs one check. Whatever a tool says goes to the check's log as it is said; of one that failed, what its last command
//! said is returned.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::Command;

use super::Drift;
use super::catalog::{CUSTOM_RESOURCES_SCHEMA, Check, Place, Work};
use super::custom_resources;
use super::pod_security;
use super::scratch;
use super::site::Site;

/// # Errors
/// What is wrong, in the words of who found it.
pub(super) fn run(check: &'static Check, site: &Site<'_>, drift: &Drift) -> Result<(), String> {
    let mut log = site.log(check.name).map_err(|error| format!("cannot write the log: {error}"))?;
    let found = match check.work {
        Work::Drift => drift.found.join("\n"),
        Work::Render => not_rendered(site),
        Work::PodSecurity => insecure(site),
        Work::Commands(place, commands) => {
            return commands.iter().try_for_each(|words| {
                expand(words, check, place, site)?
                    .into_iter()
                    .try_for_each(|words| execute(&words, check, place, site, &mut log))
            });
        }
    };
    let written = log.write_all(found.as_bytes());
    written.map_err(|error| format!("cannot write the log: {error}"))?;
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn not_rendered(site: &Site<'_>) -> String {
    let failed = site.overlays().iter().filter_map(|overlay| Some((&overlay.environment, overlay.failure.as_ref()?)));
    failed.map(|(environment, said)| format!("{environment}:\n{said}\n")).collect()
}

fn insecure(site: &Site<'_>) -> String {
    let mut found = String::new();
    for overlay in site.overlays() {
        let environment = &overlay.environment;
        match site.manifest(environment) {
            Ok(manifests) => {
                for manifest in &manifests {
                    let (kind, name) = (&manifest["kind"], &manifest["metadata"]["name"]);
                    let what = format!("{} {}", kind.as_str().unwrap_or_default(), name.as_str().unwrap_or_default());
                    for field in pod_security::violations(manifest) {
                        found += &format!("{environment}: {what}: {field}\n");
                    }
                }
            }
            Err(error) => found += &unreadable(environment, &error),
        }
    }
    found
}

fn unreadable(environment: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("{environment}: does not render; see the check kustomize\n"),
        _ => format!("{environment}: {error}\n"),
    }
}

/// The commands that a line of the catalog stands for.
fn expand(words: &[&str], check: &Check, place: Place, site: &Site<'_>) -> Result<Vec<Vec<String>>, String> {
    let files: Vec<String> = match place {
        Place::Manifests => manifests(site)?,
        Place::Documents => documents(site)?,
        _ => site.survey.files(check.reads).into_iter().map(str::to_owned).collect(),
    };
    let has = |placeholder: &str| words.iter().any(|word| word.contains(placeholder));
    let database = if has("{database}") { site.database()? } else { String::new() };
    let contexts = if has("{contexts}") { contexts(site) } else { String::new() };
    if has("{manifests}") {
        manifests(site)?;
    }
    let line = |file: &str, environment: &str| -> Vec<String> {
        let fill = |word: &str| {
            word.replace("{file}", file)
                .replace("{environment}", environment)
                .replace("{database}", &database)
                .replace("{contexts}", &contexts)
                .replace("{manifests}", scratch::MANIFESTS_FROM_COPY)
        };
        let each = |word: &&str| if *word == "{files}" { files.clone() } else { vec![fill(word)] };
        words.iter().flat_map(each).collect()
    };
    Ok(if has("{environment}") {
        let of_chart = |chart| environments(chart, site).map(move |environment| (chart, environment));
        let all: Vec<_> = files.iter().flat_map(|chart| of_chart(chart.as_str())).collect();
        if all.is_empty() {
            return Err(format!("no `values-ENVIRONMENT.yaml` is beside `{}`", files.join("`, `")));
        }
        all.into_iter().map(|(chart, environment)| line(chart, environment)).collect()
    } else if has("{file}") {
        files.iter().map(|file| line(file, "")).collect()
    } else {
        vec![line("", "")]
    })
}

/// The rendered manifests, all of them: a check that sees some of them would pass for all.
fn manifests(site: &Site<'_>) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for overlay in site.overlays() {
        let file = format!("{}.yaml", overlay.environment);
        if let Err(error) = fs::metadata(site.manifests().join(&file)) {
            return Err(unreadable(&overlay.environment, &error));
        }
        files.push(file);
    }
    Ok(files)
}

/// The rendered manifests as JSON, and the schemas of custom resources beside them.
fn documents(site: &Site<'_>) -> Result<Vec<String>, String> {
    let write = |name: &str, text: &str| {
        site.write_document(name, text).map_err(|error| format!("cannot write `{name}`: {error}"))
    };
    write(CUSTOM_RESOURCES_SCHEMA, custom_resources::SCHEMA)?;
    let overlays = site.overlays().iter().map(|overlay| &overlay.environment);
    let of_environment = |environment: &String| {
        let objects = site.manifest(environment).map_err(|error| unreadable(environment, &error))?;
        let name = format!("{environment}.json");
        write(&name, &serde_json::Value::Array(objects).to_string())?;
        Ok(name)
    };
    overlays.map(of_environment).collect()
}

/// The environments for which a chart has values.
fn environments<'a>(chart: &'a str, site: &'a Site<'_>) -> impl Iterator<Item = &'a str> {
    let directory = chart.strip_suffix("Chart.yaml").unwrap_or(chart);
    let values = site.survey.all().filter_map(move |path| path.strip_prefix(directory)?.strip_prefix("values-"));
    values.filter_map(|rest| rest.strip_suffix(".yaml"))
}

/// Every context that a changeset names, and one more: an empty list would mean something else to Liquibase.
fn contexts(site: &Site<'_>) -> String {
    let mut contexts = vec!["verify".to_owned()];
    for path in site.survey.all().filter(|path| path.starts_with("db/changelog/") && path.ends_with(".sql")) {
        let text = fs::read_to_string(site.survey.root().join(path)).unwrap_or_default();
        for line in text.lines().filter(|line| line.starts_with("--changeset")) {
            let named = line.split_once("context:").map_or("", |(_, rest)| rest.split(' ').next().unwrap_or_default());
            contexts.extend(named.split(',').map(str::to_owned));
        }
    }
    contexts.retain(|context| {
        !context.is_empty() && context.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    });
    contexts.sort();
    contexts.dedup();
    contexts.join(",")
}

fn execute(words: &[String], check: &Check, place: Place, site: &Site<'_>, log: &mut File) -> Result<(), String> {
    let directory = match place {
        Place::Cargo | Place::Tree => site.survey.root(),
        Place::Copy => site.copy()?,
        Place::Manifests => &site.manifests(),
        Place::Documents => &site.documents(),
    };
    let Some((name, arguments)) = words.split_first() else { return Ok(()) };
    // What is no tool is a script of the repository's.
    let mut command = site.survey.command(name).unwrap_or_else(|| Command::new(directory.join(name)));
    command.args(arguments).current_dir(directory);
    if check.wants.contains(&"postgresql") && site.survey.has_database() {
        // The service's tests skip what needs a database, unless they are told that there is one.
        command.env("REQUIRE_DATABASE", "1");
    }
    let ran = say_and_run(&mut command, words, site, log);
    ran.map_err(|error| format!("`{name}` cannot be run: {error}"))?
}

/// Runs a command with its output in the log; what it said there is the error of one that failed.
fn say_and_run(
    command: &mut Command,
    words: &[String],
    site: &Site<'_>,
    log: &mut File,
) -> io::Result<Result<(), String>> {
    writeln!(log, "$ {}", words.join(" "))?;
    let start = log.stream_position()?;
    // One open file for both streams: they share its end, and stay in order.
    let status =
        site.children.run(command.stdout(log.try_clone()?).stderr(log.try_clone()?), |mut child| child.wait())?;
    if status.success() {
        return Ok(Ok(()));
    }
    let said = read_from(log, start)?;
    writeln!(log, "= {status}")?;
    Ok(Err(if said.trim().is_empty() { status.to_string() } else { said }))
}

fn read_from(log: &mut File, start: u64) -> io::Result<String> {
    let end = log.stream_position()?;
    log.seek(SeekFrom::Start(start))?;
    let mut said = Vec::new();
    log.read_to_end(&mut said)?;
    log.seek(SeekFrom::Start(end))?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}
