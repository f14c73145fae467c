//! The processes of a run. Each is the head of a process group, so that its own children are reached as well; when
//! appgen is interrupted, all of them are stopped before it ends.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::cli::INTERRUPTED;

/// How long an interrupted tool may take to end itself.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Children {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_interrupted: bool,
    groups: Vec<Pid>,
}

impl Children {
    /// Stops its children when this process is asked to end, calls `clean`, and ends it.
    ///
    /// # Errors
    /// Somebody else is asked already.
    pub(super) fn watched(clean: impl Fn() + Send + 'static) -> Result<Arc<Self>, ctrlc::Error> {
        let children = Arc::new(Self::default());
        let watched = Arc::clone(&children);
        ctrlc::set_handler(move || {
            watched.stop();
            clean();
            std::process::exit(INTERRUPTED.into());
        })?;
        Ok(children)
    }

    /// Runs a command, and waits for it with `wait`.
    ///
    /// # Errors
    /// It cannot be started. After an interruption none can.
    pub(super) fn run<T>(&self, command: &mut Command, wait: impl FnOnce(Child) -> io::Result<T>) -> io::Result<T> {
        command.stdin(Stdio::null()).process_group(0);
        let mut state = self.state();
        if state.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command.spawn()?;
        let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        state.groups.push(group);
        drop(state);
        let ended = wait(child);
        self.state().groups.retain(|other| *other != group);
        ended
    }

    /// Does not return once the process was interrupted: it is about to end.
    pub(super) fn end_if_interrupted(&self) {
        while self.state().is_interrupted {
            thread::park();
        }
    }

    fn stop(&self) {
        self.state().is_interrupted = true;
        self.signal(Signal::SIGTERM);
        let start = Instant::now();
        while !self.state().groups.is_empty() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        for group in &self.state().groups {
            // One that has ended meanwhile needs none.
            let _ = killpg(*group, signal);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
