//! A person at a terminal: a line for each action that runs, bars for transfers, and what failed with its last lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Sink;
use super::ask::Ask;
use crate::event::{Event, Outcome, What};
use crate::fault::Fault;
use crate::report::text::{duration, one_line};
use crate::report::{progress_lines, summary};
use crate::state::RunState;

/// How many of the last lines of a failed command are shown.
const LAST_LINES: usize = 25;
/// The longest piece of a line that is kept.
const LINE: usize = 4096;
/// How often spinners turn.
const TICK: Duration = Duration::from_millis(120);

/// Draws on standard error; the summary goes to standard output.
pub struct Terminal {
    screen: MultiProgress,
    actions: BTreeMap<String, Line>,
    /// Bars by action (`None` is the run) and transfer.
    bars: BTreeMap<(Option<String>, String), ProgressBar>,
    ask: Ask,
}

/// What is shown of one action.
struct Line {
    bar: ProgressBar,
    doing: String,
    last: VecDeque<String>,
    partial: Vec<u8>,
}

impl Terminal {
    /// For one run; approvals are asked by `ask`.
    #[must_use]
    pub fn new(ask: Ask) -> Self {
        Self { screen: MultiProgress::new(), actions: BTreeMap::new(), bars: BTreeMap::new(), ask }
    }

    fn say(&self, text: &str) {
        let _ = self.screen.println(text);
    }

    fn start(&mut self, action: &str) {
        let bar = self.screen.add(ProgressBar::new_spinner());
        bar.set_style(spinner_style());
        bar.set_prefix(action.to_owned());
        bar.enable_steady_tick(TICK);
        let line = Line { bar, doing: String::new(), last: VecDeque::new(), partial: Vec::new() };
        self.actions.insert(action.to_owned(), line);
    }

    fn finish(&mut self, action: &str, outcome: &Outcome, state: &RunState) {
        self.bars.retain(|(of, _), bar| {
            let own = of.as_deref() == Some(action);
            if own {
                bar.finish_and_clear();
            }
            !own
        });
        if let Some(line) = self.actions.remove(action) {
            line.bar.finish_and_clear();
        }
        let time = state.action(action).and_then(|action| action.span.duration()).map(duration).unwrap_or_default();
        let message = one_line(outcome.message(), 160);
        self.say(&format!("{} {action}  {time}  {message}", mark(outcome)));
    }

    fn output(&mut self, action: &str, bytes: &[u8]) {
        if let Some(line) = self.actions.get_mut(action) {
            line.output(bytes);
            line.show();
        }
    }

    fn doing(&mut self, action: Option<&str>, text: &str) {
        match action.and_then(|action| self.actions.get_mut(action)) {
            Some(line) => {
                text.clone_into(&mut line.doing);
                line.show();
            }
            None => self.say(text),
        }
    }

    fn transferred(&mut self, action: Option<&str>, transfer: &str, done: u64, total: Option<u64>) {
        let key = (action.map(str::to_owned), transfer.to_owned());
        if total == Some(done) {
            if let Some(bar) = self.bars.remove(&key) {
                bar.finish_and_clear();
            }
            return;
        }
        let screen = &self.screen;
        let bar = self.bars.entry(key).or_insert_with(|| {
            let bar = screen.add(ProgressBar::new(0));
            bar.set_style(bytes_style());
            bar.set_prefix(transfer.to_owned());
            bar
        });
        bar.set_length(total.unwrap_or(done));
        bar.set_position(done);
    }

    fn failed(&mut self, action: &str, command: &str, status: i32) {
        let Some(line) = self.actions.get_mut(action) else { return };
        line.end_partial();
        let last: Vec<String> = line.last.iter().map(|line| format!("    {line}")).collect();
        let head = style(format!("✗ {action}: exit status {status}: {}", one_line(command, 120))).red().bold();
        self.say(&format!("{head}\n{}", last.join("\n")));
    }

    fn close(&mut self, state: &RunState) {
        let bars = std::mem::take(&mut self.bars);
        bars.values().for_each(ProgressBar::finish_and_clear);
        let _ = self.screen.clear();
        let mut out = std::io::stdout().lock();
        let _ = std::io::Write::write_all(&mut out, format!("\n{}", summary::text(state)).as_bytes());
    }
}

impl Sink for Terminal {
    fn take(&mut self, event: &Event, state: &RunState) -> Result<(), Fault> {
        match &event.what {
            What::Output { action, text } => self.output(action, text),
            What::Doing { action, text } => self.doing(action.as_deref(), text),
            What::Transferred { action, transfer, done, total } => {
                self.transferred(action.as_deref(), transfer, *done, *total);
            }
            What::ActionStarted { action, .. } => self.start(action),
            What::ActionFinished { action, outcome } => self.finish(action, outcome, state),
            What::PhaseStarted { action, phase, .. } => self.doing(Some(action), phase),
            What::CommandStarted { action, phase, command, .. } => {
                let doing = format!("{phase} {}", style(one_line(command, 60)).bold());
                self.doing(Some(action), &doing);
                if let Some(line) = self.actions.get_mut(action) {
                    line.last.clear();
                }
            }
            What::CommandFinished { action, command, status, .. } if *status != 0 => {
                self.failed(action, command, *status);
            }
            What::BuildAdopted { action } if !self.actions.contains_key(action) => self.start(action),
            What::RunFinished { .. } => self.close(state),
            What::GateWaiting { .. } => {
                self.say(&progress_lines::lines(event).join("\n"));
                for line in self.ask.ask(event, state) {
                    self.say(&line);
                }
            }
            What::CommandFinished { .. } | What::PhaseFinished { .. } | What::BuildStarted { .. } => {}
            _ => progress_lines::lines(event).iter().for_each(|line| self.say(line)),
        }
        Ok(())
    }
}

impl Line {
    fn output(&mut self, bytes: &[u8]) {
        // Of a large piece only the end can still be seen.
        let start = bytes.len().saturating_sub(LAST_LINES * LINE / 4);
        for part in bytes[start..].split_inclusive(|byte| *byte == b'\n') {
            let room = LINE.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_partial();
            }
        }
    }

    fn end_partial(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.partial).into_owned();
        // Of a line that draws over itself (a progress bar) the last state counts; control codes would draw over us.
        let shown = text.trim_end().rsplit('\r').next().unwrap_or_default();
        let plain: String =
            console::strip_ansi_codes(shown).chars().filter(|c| !c.is_control() || *c == '\t').collect();
        self.partial.clear();
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(plain);
    }

    fn show(&self) {
        let last = self.last.back().map(|line| style(one_line(line, 80)).dim().to_string()).unwrap_or_default();
        self.bar.set_message(format!("{}  {last}", self.doing));
    }
}

fn mark(outcome: &Outcome) -> console::StyledObject<&'static str> {
    match outcome {
        Outcome::Succeeded => style("✓").green(),
        Outcome::Skipped { .. } => style("-").dim(),
        _ => style("✗").red(),
    }
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {prefix:.bold} {elapsed:>4}  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bytes_style() -> ProgressStyle {
    ProgressStyle::with_template("  {prefix:>8} {bar:30.cyan/dim} {bytes:>10}/{total_bytes:<10} {bytes_per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
