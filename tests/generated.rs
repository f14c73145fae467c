//! Generated repositories are proven by using them: formatted, linted, built and tested with `--locked` against a real
//! PostgreSQL, then run against one that real Liquibase migrated. Budget: 12 minutes on 2 cores, the builds of all
//! dependencies included. They share one target directory, and so run one after the other.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support;
use crate::support::Place;
use crate::support::extent::share;
use crate::support::generated::{cargo, is_asked_for, kill_tests, one_at_a_time, prove, target};
use crate::support::monitoring::{expressions, unknown_samples};
use crate::support::postgres::{Postgres, http, liquibase, within};
use crate::support::repository::Repo;

macro_rules! cases {
    ($($case:ident),*) => {$(
        #[test]
        fn $case() {
            if is_asked_for(concat!("the build of the case ", stringify!($case))) {
                one_at_a_time(|| prove(&Repo::of_case(stringify!($case)).root()));
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
        one_at_a_time(|| {
            prove(&root);
            if arguments[1] == "a" {
                kill_tests(&root);
            }
        });
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
        let all = (1_u32 << facts.len()) - 1;
        // Where the service stands in the list does not depend on what else is in it.
        let several: Vec<_> =
            if name == "a-service" { share(all as usize + 1).collect() } else { vec![0, all as usize] };
        for bits in several {
            let on: Vec<&str> = facts.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, f)| *f).collect();
            let place = Place::new();
            fs::create_dir(place.path().join("src")).unwrap();
            fs::write(place.path().join("src/lib.rs"), "").unwrap();
            fs::write(place.path().join("src/main.rs"), "").unwrap();
            fs::write(place.path().join("Cargo.toml"), render_manifest(&spec, &set, &on).unwrap()).unwrap();
            let lock = assemble_lock(&set, &spec, &on).unwrap();
            fs::write(place.path().join("Cargo.lock"), &lock).unwrap();
            one_at_a_time(|| cargo(place.path(), &["update", "--workspace", "--offline", "--quiet"]));
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
    /// Runs the service of this name on the database of that name, with this target of its client.
    fn start(root: &Path, name: &str, postgres: &Postgres, quotes: &str) -> Self {
        let variables = [
            ("APP__DATABASE__PORT", postgres.port.to_string()),
            ("APP__DATABASE__HOST", "127.0.0.1".to_owned()),
            ("APP__DATABASE__USER", "app".to_owned()),
            ("APP__DATABASE__NAME", name.replace('-', "_")),
            ("APP__CLIENT__TARGETS__QUOTES__BASE_URL", quotes.to_owned()),
        ];
        Self::spawn(root, name, &variables)
    }

    fn spawn(root: &Path, name: &str, variables: &[(&str, String)]) -> Self {
        // Both at once, so that they are two.
        let free = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let [traffic, admin] = free.map(|listener| listener.local_addr().unwrap().port());
        let child = Command::new(target().join("debug").join(name))
            .current_dir(root)
            .env("APP__SERVER__LISTEN", format!("127.0.0.1:{traffic}"))
            .env("APP__ADMIN__LISTEN", format!("127.0.0.1:{admin}"))
            .env("APP__SHUTDOWN__DRAIN_DELAY", "100ms")
            // A busy machine is no reason for a request to fail.
            .env("APP__DATABASE__POOL__ACQUIRE_TIMEOUT", "5s")
            .envs(variables.iter().map(|(key, value)| (key, value)))
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
    let spec = fs::read_to_string(root.join("appgen.yaml")).unwrap();
    fs::write(root.join("appgen.yaml"), spec.replace("monitoring: false", "monitoring: true")).unwrap();
    support::succeed(support::appgen(&root).arg("sync"));
    one_at_a_time(|| cargo(&root, &["build", "--locked", "--quiet"]));
    postgres.sql("postgres", "create database my_service");
    // Nobody listens there.
    let service = Service::start(&root, "my-service", &postgres, "http://127.0.0.1:1");
    within(Duration::from_secs(20), "alive before its schema", || {
        http(service.admin, "GET", "/livez", "", "").is_ok_and(|(status, ..)| status == 200)
    });
    assert_eq!(service.ready(), 503);
    liquibase(&program, &root, &postgres, "my_service", &["update", "--contexts=dev,testdata"]);
    within(Duration::from_secs(10), "ready with its schema", || service.ready() == 200);

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
    assert_eq!(call("POST", "/api/v1/factorials", "", r#"{"numbers":[3,3],"background":true}"#).0, 202);
    assert_eq!(call("GET", "/api/v1/quotes/ACME", "", "").0, 502);
    strict_readers_accept_the_metrics_of(&service);
    alerts_and_panels_read_what_is_there(&root, &service);

    // A newer schema than the binary knows does not make it unready.
    postgres.sql("my_service", "insert into databasechangelog select 'x', author, 'changes/9999-x.sql', dateexecuted, orderexecuted, exectype, md5sum, description, comments, tag, liquibase, contexts, labels, deployment_id from databasechangelog limit 1");
    assert_eq!(service.ready(), 200);

    postgres.stop();
    within(Duration::from_secs(10), "unready without its database", || service.ready() == 503);
    let (status, head, _) = call("GET", "/api/v1/countries", "", "");
    assert_eq!((status, head.contains("retry-after: 1")), (503, true), "{head}");
    postgres.begin();
    within(Duration::from_secs(10), "ready when its database is back", || service.ready() == 200);
    assert_eq!(call("GET", "/api/v1/countries", "", "").0, 200);

    support::succeed(Command::new("kill").arg(service.child.id().to_string()));
    let mut service = service;
    within(Duration::from_secs(20), "ended", || service.child.try_wait().unwrap().is_some());
    assert!(service.child.wait().unwrap().success());
}

/// Every family that a service can show is read by Prometheus' own linter and by a parser that refuses what the
/// OpenMetrics specification does not allow.
fn strict_readers_accept_the_metrics_of(service: &Service) {
    const PARSE: &str = "import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print('\\n'.join(family.name for family in parse(sys.stdin.read())))";
    let what = "the metrics";
    let scrape = |accept: &str| {
        let (status, head, text) = http(service.admin, "GET", "/metrics", accept, "").unwrap();
        assert_eq!(status, 200, "{head}");
        (head, text)
    };
    if let Some(promtool) = support::tool("promtool", what) {
        let (head, text) = scrape("");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        let (status, said) = feed(Command::new(promtool).args(["check", "metrics"]), &text);
        assert!(status && said.is_empty(), "{said}\n{text}");
    }
    if let Some(python) = support::tool("python3", what) {
        let (head, text) = scrape("Accept: application/openmetrics-text;version=1.0.0\r\n");
        assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
        let (status, families) = feed(Command::new(python).args(["-c", PARSE]), &text);
        if families.contains("No module named") {
            return support::skip(what, "`prometheus_client` of PyPI is not installed");
        }
        assert!(status, "{families}\n{text}");
        for family in [
            "my_service_build",
            "my_service_http_requests",
            "my_service_http_errors",
            "my_service_http_request_duration_seconds",
            "my_service_http_duration_seconds",
            "my_service_http_active_requests",
            "my_service_db_calls",
            "my_service_db_call_duration_seconds",
            "my_service_db_pool_in_use_connections",
            "my_service_client_calls",
            "my_service_client_call_duration_seconds",
            "my_service_worker_queue_tasks",
            "my_service_worker_waiting_requests",
            "my_service_worker_running_tasks",
            "my_service_worker_task_duration_seconds",
            "process_cpu_seconds",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_start_time_seconds",
            "process_open_fds",
            "process_max_fds",
            "process_threads",
        ] {
            assert!(families.lines().any(|shown| shown == family), "{family} in {families}");
        }
    }
}

/// Every sample that an alert or a panel reads is in the scrape of a service that has been used; another is found.
fn alerts_and_panels_read_what_is_there(root: &Path, service: &Service) {
    let mut expressions = expressions(root);
    let (_, _, scrape) = http(service.admin, "GET", "/metrics", "", "").unwrap();
    assert_eq!(unknown_samples(&expressions, &scrape), [].into(), "{scrape}");
    expressions.push("rate(my_service_http_request_total[5m])".to_owned());
    assert_eq!(unknown_samples(&expressions, &scrape), ["my_service_http_request_total".to_owned()].into());
}

/// Runs a command with this standard input: whether it succeeded, and all that it said.
fn feed(command: &mut Command, input: &str) -> (bool, String) {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A child that refuses early closes its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_target_whose_certificate_nobody_vouches_for_is_not_believed() {
    const TARGET: &str = r#"
import http.server, ssl
class Quotes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"symbol":"ACME","price":"12.50"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 0), Quotes)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;
    let what = "the verification of certificates";
    if !is_asked_for(what) {
        return;
    }
    let (Some(openssl), Some(python)) = (support::tool("openssl", what), support::tool("python3", what)) else {
        return;
    };
    let place = Place::new();
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    let root = place.path().join("my-service");
    one_at_a_time(|| cargo(&root, &["build", "--locked", "--quiet"]));
    certificate(&openssl, place.path());

    let mut target = Command::new(python);
    target.args(["-c", TARGET]).current_dir(place.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut target = Ended(target.spawn().unwrap());
    let mut port = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(target.0.stdout.take().unwrap()), &mut port).unwrap();
    let url = ("APP__CLIENT__TARGETS__QUOTES__BASE_URL", format!("https://localhost:{}", port.trim()));
    let trusted = ("SSL_CERT_FILE", place.path().join("certificate.pem").display().to_string());
    for (variables, expected) in [(&[url.clone()][..], 502), (&[url, trusted][..], 200)] {
        let service = Service::spawn(&root, "my-service", variables);
        within(Duration::from_secs(20), "alive", || http(service.admin, "GET", "/livez", "", "").is_ok());
        let (status, _, body) = http(service.traffic, "GET", "/api/v1/quotes/ACME", "", "").unwrap();
        assert_eq!(status, expected, "{body}");
    }
}

/// Makes `certificate.pem`, of `localhost` and vouched for by itself, and its `key.pem`.
fn certificate(openssl: &Path, directory: &Path) {
    const REQUEST: &str = "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n\
        [dn]\nCN=localhost\n[v3]\nsubjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
    fs::write(directory.join("request.cnf"), REQUEST).unwrap();
    let curve = "ec_paramgen_curve:prime256v1";
    let mut certificate = Command::new(openssl);
    certificate.args(["req", "-x509", "-nodes", "-config", "request.cnf", "-newkey", "ec", "-pkeyopt", curve]);
    certificate.args(["-keyout", "key.pem", "-out", "certificate.pem"]).current_dir(directory);
    support::succeed(&mut certificate);
}

#[test]
fn a_database_whose_certificate_nobody_vouches_for_is_not_used() {
    let what = "TLS to the database";
    if !is_asked_for(what) {
        return;
    }
    let (Some(openssl), Some(liquibase)) = (support::tool("openssl", what), support::tool("liquibase", what)) else {
        return;
    };
    let Some(postgres) = Postgres::start(what) else { return };
    let place = Place::new();
    place.run(["new", "my-service", "--yes", "--no-git"]).succeeds();
    let root = place.path().join("my-service");
    one_at_a_time(|| cargo(&root, &["build", "--locked", "--quiet"]));
    postgres.sql("postgres", "create database my_service");
    self::liquibase(&liquibase, &root, &postgres, "my_service", &["update", "--contexts=dev"]);
    let [ours, another] = ["ours", "another"].map(|name| {
        let directory = place.path().join(name);
        fs::create_dir(&directory).unwrap();
        certificate(&openssl, &directory);
        directory
    });
    postgres.speak_tls_only(&ours.join("certificate.pem"), &ours.join("key.pem"));

    for (host, mode, trusted, ready) in [
        ("localhost", "verify-full", &ours, true),
        ("localhost", "verify-full", &another, false),
        ("127.0.0.1", "verify-full", &ours, false),
        ("127.0.0.1", "require", &another, true),
        ("127.0.0.1", "prefer", &another, true),
        ("localhost", "disable", &ours, false),
    ] {
        let variables = [
            ("APP__DATABASE__HOST", host.to_owned()),
            ("APP__DATABASE__PORT", postgres.port.to_string()),
            ("APP__DATABASE__USER", "app".to_owned()),
            ("APP__DATABASE__SSLMODE", mode.to_owned()),
            ("APP__DATABASE__SSLROOTCERT", trusted.join("certificate.pem").display().to_string()),
        ];
        let what = format!("{host}, {mode}, {}", trusted.display());
        let service = Service::spawn(&root, "my-service", &variables);
        within(Duration::from_secs(20), "alive", || http(service.admin, "GET", "/livez", "", "").is_ok());
        if ready {
            within(Duration::from_secs(20), &what, || service.ready() == 200);
        }
        let (status, _, body) = http(service.traffic, "GET", "/api/v1/countries", "", "").unwrap();
        assert_eq!((status, service.ready()), if ready { (200, 200) } else { (503, 503) }, "{what}: {body}");
    }
}

/// A child that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
    let quotes = quotes();
    let on = support::case_text("on").replace("tls: true", "tls: false").replace("jwt: true", "jwt: false");
    for (name, text) in [("my-service", None), ("orders", Some(on))] {
        let place = Place::new();
        match text {
            Some(text) => place.new_from(text.as_bytes()).succeeds(),
            None => place.run(["new", name, "--yes", "--no-git"]).succeeds(),
        };
        let root = place.path().join(name);
        one_at_a_time(|| cargo(&root, &["build", "--locked", "--quiet"]));
        let database = name.replace('-', "_");
        postgres.sql("postgres", &format!("create database {database}"));
        liquibase(&liquibase_program, &root, &postgres, &database, &["update", "--contexts=dev,testdata"]);
        let service = Service::start(&root, name, &postgres, &quotes);
        within(Duration::from_secs(20), "ready", || service.ready() == 200);
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

/// A target that has a price for every symbol, at this address until the test ends.
fn quotes() -> String {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let body = r#"{"symbol":"ACME","price":"12.50"}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            // A client that went away is none of our business.
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}
