//! Generated repositories are proven by using them: formatted, linted, built and tested with `--locked` against a real
//! PostgreSQL, then run against one that real Liquibase migrated. Budget: 12 minutes on 2 cores, the builds of all
//! dependencies included. They share one target directory, and so run one after the other.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use support::postgres::{Postgres, http, liquibase, within};
use support::{Place, Repo, Run};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated")
}

fn cargo(root: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root).env("CARGO_TARGET_DIR", target()).env("REQUIRE_DATABASE", "1");
    // What the outer cargo sets for us is not meant for the inner one.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST") || name == "RUSTFLAGS" {
            command.env_remove(variable);
        }
    }
    support::succeed(&mut command)
}

/// Building takes minutes: the quick loop leaves it out.
fn is_asked_for(what: &str) -> bool {
    if !support::everything_is_required() {
        support::skip(what, "it takes minutes; `tests/proof` runs it");
    }
    support::everything_is_required()
}

fn prove(root: &Path) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    cargo(root, &["fmt", "--check"]);
    cargo(root, &["clippy", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]);
    let tests = cargo(root, &["test", "--locked"]);
    assert!(tests.out.contains("test result: ok"), "{}", tests.out);
    assert!(!tests.err.contains("skipped"), "{}", tests.err);
}

macro_rules! cases {
    ($($case:ident),*) => {$(
        #[test]
        fn $case() {
            if is_asked_for(concat!("the build of the case ", stringify!($case))) {
                prove(&Repo::new(stringify!($case)).root());
            }
        }
    )*};
}

cases!(minimal, off, on, one, longest, eight);

#[test]
fn default_and_short_names() {
    if !is_asked_for("the build of the default repository") {
        return;
    }
    let place = Place::new();
    for arguments in [["new", "my-service", "--yes"], ["new", "a", "--yes"]] {
        place.run(arguments).succeeds();
        let root = place.path().join(arguments[1]);
        prove(&root);
        let status = support::succeed(Command::new("git").args(["status", "--porcelain"]).current_dir(&root));
        assert_eq!(status.out, "");
    }
}

#[test]
fn the_lockfile_of_every_combination_is_the_one_that_cargo_wants() {
    use appgen::render::{assemble_lock, known_facts, render_manifest};
    use appgen::spec::{Spec, SpecDocument, name::ServiceName};
    if !is_asked_for("the lockfiles") {
        return;
    }
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let set = appgen::templates::TemplateSet::embedded().unwrap();
    // `bytes` is a dependency's name as well: its entry in the lockfile then needs a version.
    for name in ["a-service", "bytes", "zzz"] {
        let spec = Spec::resolve(SpecDocument::named(ServiceName::parse(name).unwrap())).unwrap();
        let plain = render_manifest(&spec, &set, &[]).unwrap();
        let facts: Vec<_> = known_facts(&spec)
            .into_iter()
            .filter(|fact| render_manifest(&spec, &set, &[fact]).unwrap() != plain)
            .collect();
        assert!(!facts.is_empty());
        for bits in 0..1_u32 << facts.len() {
            let on: Vec<&str> = facts.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, f)| *f).collect();
            let place = Place::new();
            fs::create_dir(place.path().join("src")).unwrap();
            fs::write(place.path().join("src/lib.rs"), "").unwrap();
            fs::write(place.path().join("src/main.rs"), "").unwrap();
            fs::write(place.path().join("Cargo.toml"), render_manifest(&spec, &set, &on).unwrap()).unwrap();
            let lock = assemble_lock(&set, &spec, &on).unwrap();
            fs::write(place.path().join("Cargo.lock"), &lock).unwrap();
            cargo(place.path(), &["update", "--workspace", "--offline", "--quiet"]);
            assert_eq!(fs::read_to_string(place.path().join("Cargo.lock")).unwrap(), lock, "{name} {on:?}");
        }
    }
}

/// A running service.
struct Service {
    child: Child,
    traffic: u16,
    admin: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Runs the service of this name on the database of that name.
    fn start(root: &Path, name: &str, postgres: &Postgres) -> Self {
        let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let (traffic, admin) = (free(), free());
        let child = Command::new(target().join("debug").join(name))
            .current_dir(root)
            .env("APP__SERVER__LISTEN", format!("127.0.0.1:{traffic}"))
            .env("APP__ADMIN__LISTEN", format!("127.0.0.1:{admin}"))
            .env("APP__DATABASE__PORT", postgres.port.to_string())
            .env("APP__DATABASE__HOST", "127.0.0.1")
            .env("APP__DATABASE__USER", "app")
            .env("APP__DATABASE__NAME", name.replace('-', "_"))
            .env("APP__SHUTDOWN__DRAIN_DELAY", "100ms")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, traffic, admin }
    }

    fn ready(&self) -> u16 {
        http(self.admin, "GET", "/readyz", "", "").map_or(0, |(status, ..)| status)
    }
}

#[test]
fn the_default_service_on_a_database_that_liquibase_migrated() {
    let what = "the running service";
    if !is_asked_for(what) {
        return;
    }
    let (Some(program), Some(postgres)) = (support::tool("liquibase", what), Postgres::start(what)) else { return };
    let place = Place::new();
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    let root = place.path().join("my-service");
    {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cargo(&root, &["build", "--locked", "--quiet"]);
    }
    postgres.sql("postgres", "create database my_service");
    let service = Service::start(&root, "my-service", &postgres);
    within(Duration::from_secs(5), "alive before its schema", || {
        http(service.admin, "GET", "/livez", "", "").is_ok_and(|(status, ..)| status == 200)
    });
    assert_eq!(service.ready(), 503);
    liquibase(&program, &root, &postgres, "my_service", &["update", "--contexts=dev,testdata"]);
    within(Duration::from_secs(1), "ready with its schema", || service.ready() == 200);

    let call = |method: &str, path: &str, headers: &str, body: &str| {
        http(service.traffic, method, path, headers, body).unwrap()
    };
    let (status, head, body) = call("POST", "/api/v1/countries", "", r#"{"code":"IT","name":"Italy"}"#);
    assert_eq!(status, 201, "{body}");
    let at = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned();
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    assert_eq!(call("GET", &at, "", "").0, 200);
    let (status, _, body) = call("GET", "/api/v1/countries?limit=3", "", "");
    assert_eq!((status, body.matches("\"code\"").count()), (200, 3), "{body}");
    let seen = format!("If-Match: {etag}\r\n");
    assert_eq!(call("PUT", &at, &seen, r#"{"code":"IT","name":"Italia"}"#).0, 200);
    assert_eq!(call("PUT", &at, &seen, r#"{"code":"IT","name":"Italien"}"#).0, 412);
    assert_eq!(call("POST", "/api/v1/countries", "", r#"{"code":"XX","name":"x","extra":1}"#).0, 422);
    assert_eq!(call("DELETE", &at, "", "").0, 204);
    assert_eq!(call("GET", &at, "", "").0, 404);
    assert_eq!(call("POST", "/api/v1/factorials", "", r#"{"numbers":[3,3]}"#).2, r#"{"result":"12"}"#);

    // A newer schema than the binary knows does not make it unready.
    postgres.sql("my_service", "insert into databasechangelog select 'x', author, 'changes/9999-x.sql', dateexecuted, orderexecuted, exectype, md5sum, description, comments, tag, liquibase, contexts, labels, deployment_id from databasechangelog limit 1");
    assert_eq!(service.ready(), 200);

    postgres.stop();
    within(Duration::from_secs(1), "unready without its database", || service.ready() == 503);
    let (status, head, _) = call("GET", "/api/v1/countries", "", "");
    assert_eq!((status, head.contains("retry-after: 1")), (503, true), "{head}");
    postgres.begin();
    within(Duration::from_secs(1), "ready when its database is back", || service.ready() == 200);
    assert_eq!(call("GET", "/api/v1/countries", "", "").0, 200);

    support::succeed(Command::new("kill").arg(service.child.id().to_string()));
    let mut service = service;
    within(Duration::from_secs(5), "ended", || service.child.try_wait().unwrap().is_some());
    assert!(service.child.wait().unwrap().success());
}

/// Requests made from the OpenAPI document, right ones and wrong ones, find no answer that it does not allow. Budget: a
/// minute for each of the two services, besides their builds.
#[test]
fn schemathesis_finds_nothing() {
    let what = "schemathesis";
    if !is_asked_for(what) {
        return;
    }
    let (Some(liquibase_program), Some(schemathesis)) =
        (support::tool("liquibase", what), support::tool("schemathesis", what))
    else {
        return;
    };
    let Some(postgres) = Postgres::start(what) else { return };
    for (name, text) in [("my-service", None), ("orders", Some(support::case_text("on")))] {
        let place = Place::new();
        match text {
            Some(text) => place.new_from(text.as_bytes()).succeeds(),
            None => place.run(["new", name, "--yes", "--no-git"]).succeeds(),
        };
        let root = place.path().join(name);
        {
            let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            cargo(&root, &["build", "--locked", "--quiet"]);
        }
        let database = name.replace('-', "_");
        postgres.sql("postgres", &format!("create database {database}"));
        liquibase(&liquibase_program, &root, &postgres, &database, &["update", "--contexts=dev,testdata"]);
        let service = Service::start(&root, name, &postgres);
        within(Duration::from_secs(5), "ready", || service.ready() == 200);
        let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis.toml");
        let mut command = Command::new(&schemathesis);
        command.arg("--config-file").arg(configuration).arg("run");
        command.arg(format!("http://127.0.0.1:{}/openapi.json", service.admin));
        command.args(["--url", &format!("http://127.0.0.1:{}", service.traffic)]);
        command.current_dir(place.path());
        let run = support::succeed(&mut command);
        assert!(run.out.contains(" passed") && !run.out.contains("failed"), "{}", run.out);
    }
}
