//! A throwaway PostgreSQL for Liquibase, on a free port of this machine. Started as the generated tests start theirs: a
//! shell watches our end of a pipe, and when this process is gone, however it ended, it stops the server and removes
//! its files.

use std::io::{self, BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::unistd::geteuid;

/// Its arguments: PostgreSQL's programs, a port, and the words that make a command another user's.
const SHELL: &str = r#"
    binaries=$1 port=$2; shift 2
    # Whoever started us may be gone before we say so.
    trap '' PIPE
    directory=$(mktemp -d) || exit 1
    trap 'rm -rf "$directory"' EXIT
    cd "$directory" || exit 1
    if [ $# -gt 0 ]; then chown postgres . || exit 1; fi
    if ! "$@" "$binaries/initdb" --pgdata="$directory/data" --username=app --auth=trust --encoding=UTF8 --locale=C \
        --no-sync >log 2>&1 || ! "$@" "$binaries/pg_ctl" start --wait --pgdata="$directory/data" --log="$directory/data/log" \
        --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off" >>log 2>&1; then
        tail -n 5 log data/log 2>/dev/null
        exit 1
    fi
    echo started 2>/dev/null
    cat >/dev/null
    "$@" "$binaries/pg_ctl" stop --mode=immediate --pgdata="$directory/data" >>log 2>&1
"#;

/// A running server; it goes with this value.
#[derive(Debug)]
pub(super) struct Postgres {
    shell: Child,
    port: u16,
}

impl Postgres {
    /// Starts one with the programs beside `initdb`.
    ///
    /// # Errors
    /// It does not start; what it said is in the error.
    pub(super) fn start(initdb: &Path) -> io::Result<Self> {
        for _ in 0..3 {
            match Self::start_once(initdb) {
                // Somebody else was faster at the port.
                Err(error) if error.to_string().contains("Address already in use") => {}
                started => return started,
            }
        }
        Self::start_once(initdb)
    }

    fn start_once(initdb: &Path) -> io::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let binaries = initdb.parent().unwrap_or(initdb);
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh"]).arg(binaries).arg(port.to_string());
        if geteuid().is_root() {
            // PostgreSQL refuses to run as root.
            shell.args(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        // Not in the terminal's group: Ctrl-C would stop the server before those who use it.
        let mut shell = shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = String::new();
        for line in shell.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines) {
            match line? {
                line if line == "started" => return Ok(Self { shell, port }),
                line => said += &format!("{line}\n"),
            }
        }
        let _ = shell.wait();
        Err(io::Error::other(format!("PostgreSQL does not start: {}", said.trim())))
    }

    /// Its address, as Java has them.
    pub(super) fn url(&self) -> String {
        format!("jdbc:postgresql://127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
