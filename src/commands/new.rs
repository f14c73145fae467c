//! `appgen new`: answers -> spec -> plan -> transaction -> report.

use std::fs;
use std::io::{Read as _, Write};
use std::path::Path;

use super::ask::anybody;
use super::session::utf8;
use super::{Exit, Failure};
use crate::cli::{Global, New};
use crate::git::Git;
use crate::plan::Plan;
use crate::prompt::Prompt;
use crate::report::{self, Print as _, Report};
use crate::spec::environment::EnvironmentDocument;
use crate::spec::name::{EnvironmentName, ServiceName};
use crate::spec::problem::SpecError;
use crate::spec::service::{Ci, check_image, check_line};
use crate::spec::{DEFAULT_ENVIRONMENTS, Spec, SpecDocument, examples};
use crate::templates::Sets;
use crate::{transaction, worktree};

/// A spec larger than this is a mistake, such as `--spec /dev/zero`.
const LARGEST_SPEC: u64 = 8 * 1024 * 1024;

pub(super) fn run(global: &Global, sets: &Sets, arguments: New, out: &mut impl Write) -> Result<Exit, Failure> {
    let quiet = arguments.yes || arguments.spec.is_some();
    let mut prompt = if quiet { None } else { anybody(global) };
    let answers = match &arguments.spec {
        Some(path) => from_file(path, &arguments)?,
        None => from_flags(&arguments, prompt.as_mut())?,
    };
    let spec = answers.resolve()?;
    let target = global.directory.join(spec.service.name.kebab());
    worktree::check_vacant(&target)?;
    let plan = Plan::create(&spec, sets.current())?;
    if let Some(prompt) = &mut prompt
        && !global.dry_run
        && !confirm(prompt.as_mut(), &plan, &target)?
    {
        return Err(Failure::Refused("nothing was written".to_owned()));
    }

    let mut warnings = Vec::new();
    if !global.dry_run {
        let surrounding = worktree::enclosing_git(&global.directory);
        let message = format!("Create {} with appgen {}", spec.service.name, env!("CARGO_PKG_VERSION"));
        let commit = (!arguments.no_git && surrounding.is_none()).then_some(message.as_str());
        let git =
            transaction::create(&target, &plan, commit).map_err(|error| match worktree::check_vacant(&target) {
                // Somebody else was faster.
                Err(taken) => taken.into(),
                Ok(()) => Failure::Failed(format!(
                    "cannot make `{}`: {error}; nothing was made: {}",
                    target.display(),
                    transaction::advice(&error)
                )),
            })?;
        match (git, surrounding) {
            (Some(Git::Missing), _) => {
                warnings.push("`git` is not on PATH; the repository is not under version control".to_owned());
            }
            (None, Some(root)) if !arguments.no_git => warnings.push(format!(
                "`{}` is a git repository already; the files are in it, uncommitted, and none is nested",
                root.display()
            )),
            _ => {}
        }
    }
    let headline = headline(&spec, &plan, global.dry_run);
    let report = Report {
        version: report::FORMAT,
        command: "new",
        exit: 0,
        dry_run: global.dry_run,
        root: target.display().to_string(),
        changes: plan.changes,
        mentions: Vec::new(),
        drift: Vec::new(),
        edited: Vec::new(),
        deleted: Vec::new(),
        warnings,
        next: if global.dry_run { Vec::new() } else { next_steps(&target) },
        headline,
        diff: global.diff,
        // A hundred files are no news in a directory that was empty.
        shown: !global.dry_run,
    };
    report.print(global.format, out)?;
    Ok(Exit::Done)
}

/// What was decided by flags, questions or a file, not yet checked as a whole.
struct Answers {
    document: SpecDocument,
    examples: bool,
    /// Where the document stands, and its text: for the places in errors.
    origin: Option<(String, String)>,
}

impl Answers {
    fn resolve(self) -> Result<Spec, Failure> {
        let (origin, text) = self.origin.unzip();
        let mut spec = Spec::resolve(self.document)
            .map_err(|problems| SpecError::new(origin.as_deref(), &text.unwrap_or_default(), problems))?;
        if self.examples {
            examples::add_rows_to(&mut spec);
        }
        Ok(spec)
    }
}

fn from_file(path: &Path, arguments: &New) -> Result<Answers, Failure> {
    let origin = if path == Path::new("-") { "<stdin>".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let read = match origin.as_str() {
        "<stdin>" => std::io::stdin().take(LARGEST_SPEC + 1).read_to_end(&mut bytes),
        _ => fs::File::open(path).and_then(|file| file.take(LARGEST_SPEC + 1).read_to_end(&mut bytes)),
    };
    let read = read.map_err(|error| Failure::Usage(format!("cannot read `{origin}`: {error}")))?;
    if read as u64 > LARGEST_SPEC {
        return Err(Failure::Usage(format!("`{origin}` is larger than {LARGEST_SPEC} bytes; is it a spec?")));
    }
    let text = utf8(&origin, bytes).map_err(|error| Failure::Usage(format!("{error}; is it a spec?")))?;
    let mut document = SpecDocument::parse(&origin, &text)?;
    if let Some(name) = &arguments.name {
        document.service.name = service_name(name)?;
    }
    if !arguments.env.is_empty() {
        let mut written = std::mem::take(&mut document.environments);
        for name in environment_names(&arguments.env)? {
            let environment = written.remove(&name).unwrap_or_default();
            document.environments.insert(name, environment);
        }
    }
    Ok(Answers { document, examples: false, origin: Some((origin, text)) })
}

fn from_flags(arguments: &New, prompt: Option<&mut Box<dyn Prompt>>) -> Result<Answers, Failure> {
    match prompt {
        Some(prompt) => ask(arguments, prompt.as_mut()),
        None => {
            let missing = match (&arguments.name, arguments.yes) {
                (Some(name), true) => {
                    let environments = environment_names(&arguments.env)?;
                    return Ok(answers(SpecDocument::named(service_name(name)?), environments, !arguments.no_examples));
                }
                (None, true) => "the name of the service is missing: `appgen new NAME --yes`",
                (Some(_), false) => "nobody can be asked here: give `--yes` for the defaults, or `--spec FILE`",
                (None, false) => {
                    "nobody can be asked here, and the name is missing: `appgen new NAME --yes`, or `--spec FILE`"
                }
            };
            Err(Failure::Usage(missing.to_owned()))
        }
    }
}

fn answers(mut document: SpecDocument, environments: Vec<EnvironmentName>, examples: bool) -> Answers {
    document.environments = environments.into_iter().map(|name| (name, EnvironmentDocument::default())).collect();
    if examples {
        examples::add_to(&mut document);
    }
    Answers { document, examples, origin: None }
}

/// The wizard: six questions on its longest path, the confirmation before anything is written among them. They are what
/// a name alone does not decide and what is a nuisance to change later: image and environments are in a hundred places.
/// Whatever else there is has a default that `appgen.yaml` spells out, and one that is right to begin with: without
/// an owner there is no CODEOWNERS, which is better than one that nobody meant; `service.owner` and `appgen sync` make
/// it.
fn ask(arguments: &New, prompt: &mut dyn Prompt) -> Result<Answers, Failure> {
    let name = match &arguments.name {
        Some(name) => service_name(name)?,
        None => {
            let check = |text: &str| ServiceName::parse(text).map(drop).map_err(|error| error.to_string());
            service_name(&prompt.line("Name of the service", "my-service", &check)?)?
        }
    };
    let mut document = SpecDocument::named(name);
    let defaults = Spec::resolve(document.clone()).map_err(|problems| SpecError::new(None, "", problems))?;
    let check = |text: &str| check_line(text).map_err(|reason| format!("the description {reason}"));
    document.service.description =
        Some(prompt.line("What it is for, in one line", &defaults.service.description, &check)?);
    document.service.image = Some(prompt.line("Container image", &defaults.service.image, &check_image)?);
    let environments = if arguments.env.is_empty() {
        let names = |text: &str| environment_names(&text.split(',').map(str::to_owned).collect::<Vec<_>>());
        let check = |text: &str| names(text).map(drop).map_err(|failure| failure.to_string());
        names(&prompt.line("Environments, separated by commas", &DEFAULT_ENVIRONMENTS.join(","), &check)?)?
    } else {
        environment_names(&arguments.env)?
    };
    let mut parts = vec!["worker pool", "HTTP client", "GitHub Actions"];
    if !arguments.no_examples {
        parts.push("examples: two entities, a handler, a job");
    }
    let chosen = prompt.choose("Parts", &parts, true)?;
    document.features.worker_pool = chosen[0];
    document.features.http_client = chosen[1];
    document.features.ci = if chosen[2] { Ci::Github } else { Ci::None };
    Ok(answers(document, environments, chosen.get(3).copied().unwrap_or(false)))
}

fn confirm(prompt: &mut dyn Prompt, plan: &Plan, target: &Path) -> std::io::Result<bool> {
    prompt.say(&format!("\n{}", target.display()))?;
    for (directory, files) in report::tree(&plan.changes) {
        let noun = if files == 1 { "file" } else { "files" };
        prompt.say(&format!("  {directory:<12} {files:>3} {noun}"))?;
    }
    prompt.confirm("Write them?", true)
}

fn service_name(text: &str) -> Result<ServiceName, Failure> {
    ServiceName::parse(text).map_err(|error| Failure::Usage(error.to_string()))
}

fn environment_names(texts: &[String]) -> Result<Vec<EnvironmentName>, Failure> {
    let mut names = Vec::new();
    for text in texts {
        let name = EnvironmentName::parse(text.trim()).map_err(|error| Failure::Usage(error.to_string()))?;
        if names.contains(&name) {
            return Err(Failure::Usage(format!("the environment `{name}` stands twice")));
        }
        names.push(name);
    }
    Ok(names)
}

fn headline(spec: &Spec, plan: &Plan, dry_run: bool) -> String {
    let lines: usize =
        plan.changes.iter().map(|change| change.text.as_deref().unwrap_or_default().lines().count()).sum();
    let verb = if dry_run { "would create" } else { "created" };
    let environments: Vec<_> = spec.environments.keys().map(EnvironmentName::kebab).collect();
    format!(
        "{verb} {}: {} files, {lines} lines, environments {}",
        spec.service.name,
        plan.changes.len(),
        environments.join(", ")
    )
}

fn next_steps(target: &Path) -> Vec<String> {
    let quoted = target.display().to_string();
    let plain = quoted.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c));
    let directory = if plain { quoted } else { format!("'{}'", quoted.replace('\'', r"'\''")) };
    let directory = directory.strip_prefix("./").map_or(directory.clone(), str::to_owned);
    vec![format!("cd {directory}"), "make dev".to_owned(), "make test".to_owned()]
}
