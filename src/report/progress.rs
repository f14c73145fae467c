//! What is going on while checks run, redrawn in place on the terminal's standard error. Elsewhere nothing is said: the
//! report comes at the end.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use dialoguer::console::{Term, truncate_str};

use super::{BAD, BOLD, CHANGED, DIM};
use crate::verify::{Row, Verdict, Watch};

const SPINNER: &[char] = &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const BAR: usize = 24;
const TICK: Duration = Duration::from_millis(100);

/// Someone at a terminal, or nobody.
pub struct Progress {
    drawn: Option<Drawn>,
}

struct Drawn {
    board: Arc<Board>,
    ticker: JoinHandle<()>,
}

struct Board {
    total: usize,
    /// The length of the longest name.
    width: usize,
    colors: bool,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: VecDeque<Running>,
    done: usize,
    failed: Vec<&'static str>,
    /// Lines on the screen that the next drawing replaces.
    lines: usize,
    is_over: bool,
}

struct Running {
    name: &'static str,
    log: PathBuf,
    since: Instant,
}

impl Progress {
    /// Begins to draw where somebody sees it.
    pub fn start(rows: &[Row], wanted: bool, colors: bool) -> Self {
        if !wanted || !io::stderr().is_terminal() {
            return Self { drawn: None };
        }
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        let total = rows.iter().filter(|row| row.is_to_run()).count();
        let board = Board { total, width, colors, start: Instant::now(), state: Mutex::default() };
        let board = Arc::new(board);
        let ticking = Arc::clone(&board);
        let ticker = thread::spawn(move || {
            while !ticking.state().is_over {
                ticking.draw();
                thread::sleep(TICK);
            }
        });
        Self { drawn: Some(Drawn { board, ticker }) }
    }

    /// Leaves the screen as it was.
    pub fn finish(self) {
        let Some(Drawn { board, ticker }) = self.drawn else { return };
        board.state().is_over = true;
        // A ticker that panicked has nothing more to draw.
        let _ = ticker.join();
        board.erase();
    }
}

impl Watch for Progress {
    fn started(&self, name: &'static str, log: &Path) {
        let Some(Drawn { board, .. }) = &self.drawn else { return };
        board.state().running.push_back(Running { name, log: log.to_owned(), since: Instant::now() });
    }

    fn ended(&self, row: &Row) {
        let Some(Drawn { board, .. }) = &self.drawn else { return };
        let mut state = board.state();
        state.running.retain(|running| running.name != row.name);
        state.done += 1;
        if row.result == Verdict::Failed {
            state.failed.push(row.name);
        }
    }
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the frame of this moment over the one before. Nobody reads what cannot be written to a terminal.
    fn draw(&self) {
        let mut state = self.state();
        let columns = usize::from(Term::stderr().size().1).clamp(20, 120);
        let lines = self.frame(&state);
        let mut text = back(state.lines);
        for line in &lines {
            let line = truncate_str(line, columns - 1, "…");
            let line = if self.colors { line.into_owned() } else { strip_str(&line).to_string() };
            text += &format!("{line}\n");
        }
        state.lines = lines.len();
        let _ = io::stderr().write_all(text.as_bytes());
    }

    fn erase(&self) {
        let mut state = self.state();
        let _ = io::stderr().write_all(back(state.lines).as_bytes());
        state.lines = 0;
    }

    fn frame(&self, state: &State) -> Vec<String> {
        let filled = (BAR * state.done).checked_div(self.total).unwrap_or_default();
        let bar = format!("{CHANGED}{}{CHANGED:#}{DIM}{}{DIM:#}", "━".repeat(filled), "━".repeat(BAR - filled));
        let failed = match state.failed.is_empty() {
            true => String::new(),
            false => format!("  {BAD}✘ {}{BAD:#}", state.failed.join(", ")),
        };
        let mut lines = vec![format!("{bar} {} of {} {}{failed}", state.done, self.total, clock(self.start.elapsed()))];
        let turn = self.start.elapsed().as_millis() / TICK.as_millis();
        let spinner = SPINNER[usize::try_from(turn).unwrap_or_default() % SPINNER.len()];
        for Running { name, log, since } in &state.running {
            let (time, said) = (clock(since.elapsed()), last_line(log));
            let width = self.width;
            lines
                .push(format!("{CHANGED}{spinner}{CHANGED:#} {BOLD}{name:<width$}{BOLD:#} {time}  {DIM}{said}{DIM:#}"));
        }
        lines
    }
}

/// Moves to the beginning of the last so many lines and clears what is below.
fn back(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r\x1b[J") }
}

fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// What a tool said last.
fn last_line(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(2048)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(strip_str(&String::from_utf8_lossy(&tail)).to_string())
    };
    let tail = read().unwrap_or_default();
    let said = tail.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with('$'));
    said.unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}
