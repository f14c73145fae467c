//! A throwaway PostgreSQL on a free TCP port, which real Liquibase and the built service can reach.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub struct Postgres {
    directory: TempDir,
    binaries: PathBuf,
    pub port: u16,
}

impl Postgres {
    /// None, with one line that says so, where there is no `initdb`.
    pub fn start(what: &str) -> Option<Self> {
        let Some(binaries) = binaries() else {
            super::skip(what, "PostgreSQL's `initdb` is not installed");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        if is_root() {
            super::succeed(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        let mut server = Self { directory, binaries, port: 0 };
        let data = server.data();
        super::succeed(
            server
                .command("initdb")
                .args(["--username=app", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"])
                .arg(&data),
        );
        // As late as can be: until it is taken again, anybody may take it.
        server.port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        server.begin();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts the server and waits until it answers.
    pub fn begin(&self) {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off",
            self.port,
            self.directory.path().display()
        );
        let log = self.directory.path().join("log");
        super::succeed(
            self.command("pg_ctl").args(["start", "-w", "-o", &options, "-l"]).arg(log).arg("-D").arg(self.data()),
        );
    }

    /// Starts it anew, with this certificate and key, for clients that speak TLS.
    pub fn speak_tls_only(&self, certificate: &Path, key: &Path) {
        self.stop();
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            let mut install = Command::new("install");
            install.args(["-m", "600"]);
            if is_root() {
                install.args(["-o", "postgres"]);
            }
            super::succeed(install.arg(from).arg(self.data().join(to)));
        }
        let settings = self.data().join("postgresql.conf");
        fs::write(&settings, fs::read_to_string(&settings).unwrap() + "ssl = on\n").unwrap();
        fs::write(self.data().join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n").unwrap();
        self.begin();
    }

    /// Stops the server at once, as a crash would.
    pub fn stop(&self) {
        super::succeed(self.command("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()));
    }

    /// Runs SQL and returns its rows, unaligned.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-h", "127.0.0.1", "-U", "app", "-Atqc", sql, "-d", database, "-p", &self.port.to_string()]);
        super::succeed(&mut psql).out
    }

    /// A program of PostgreSQL's, as the user that it insists on.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path()).env("LC_ALL", "C.UTF-8").stdout(std::process::Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.command("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()).output();
    }
}

fn binaries() -> Option<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").ok()?.map(Result::unwrap);
    let versions = entries.map(|entry| (entry.file_name().to_str().unwrap().parse().unwrap_or(0_u32), entry.path()));
    let directories = versions.map(|(version, directory)| (version, directory.join("bin")));
    let newest = directories.filter(|(_, binaries)| binaries.join("initdb").is_file()).max()?;
    Some(newest.1)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Real Liquibase on a repository's changelog. Returns what it printed.
pub fn liquibase(program: &Path, repository: &Path, postgres: &Postgres, database: &str, arguments: &[&str]) -> String {
    let url = format!("jdbc:postgresql://127.0.0.1:{}/{database}", postgres.port);
    let mut command = Command::new(program);
    command
        .args(["--changelog-file=db.changelog-root.yaml", "--username=app", "--password=app", "--url", &url])
        .args(["--log-level=warning", "--show-banner=false"])
        .arg("--search-path")
        .arg(repository.join("db/changelog"))
        .args(arguments)
        .current_dir(repository);
    let run = super::succeed(&mut command);
    run.out + &run.err
}

/// Waits until a condition holds.
#[track_caller]
pub fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// A request over a fresh connection: status, headers in lower case, body.
pub fn http(port: u16, method: &str, path: &str, headers: &str, body: &str) -> std::io::Result<(u16, String, String)> {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, head.to_ascii_lowercase(), body.to_owned()))
}
