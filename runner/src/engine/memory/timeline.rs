//! What a sandbox does from its start to its end, computed. Pure: a program, a script and the stops so far in; all that
//! happens, with its time, out. A later stop changes nothing that lies before it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::{Ending, NextSection, SandboxSpec, Section, Step, Stop, What};
use super::Script;
use super::outcome::Outcome;

/// Files by their path in the sandbox, with their contents.
type Writes = Vec<(String, Vec<u8>)>;

/// The whole of it.
pub(super) struct Timeline {
    pub entries: Vec<Entry>,
    /// `None`: something hangs until somebody stops it.
    pub ending: Option<(Duration, Ending)>,
}

/// One record.
pub(super) struct Entry {
    /// Since the start.
    pub at: Duration,
    pub what: What,
    /// Files that were written with it.
    pub writes: Writes,
}

/// Why nothing more happens before the program's end.
enum Halt {
    /// It hangs.
    Hanging,
    Died(Ending),
    /// It was stopped, or a section that ends it failed.
    Over,
}

pub(super) fn timeline(spec: &SandboxSpec, script: &Script, stops: &[(Duration, Stop)]) -> Timeline {
    let secrets = spec.secrets.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let mut run = Run {
        script,
        stops,
        at: Duration::ZERO,
        seen: 0,
        entries: Vec::new(),
        used: HashMap::new(),
        variables: spec.environment.iter().cloned().chain(secrets).collect(),
    };
    let halted =
        (spec.program.sections.iter().enumerate()).find_map(|(index, section)| run.section(index, section).err());
    let ending = match halted {
        Some(Halt::Hanging) => None,
        Some(Halt::Died(ending)) => Some((run.at, ending)),
        Some(Halt::Over) | None => {
            run.values(spec);
            Some((run.at, Ending::Completed))
        }
    };
    Timeline { entries: run.entries, ending }
}

struct Run<'a> {
    script: &'a Script,
    stops: &'a [(Duration, Stop)],
    /// Since the start.
    at: Duration,
    /// Stops that have had their effect.
    seen: usize,
    entries: Vec<Entry>,
    /// How often a text has run.
    used: HashMap<&'a str, usize>,
    variables: BTreeMap<String, String>,
}

impl<'a> Run<'a> {
    fn tell(&mut self, what: What) {
        self.entries.push(Entry { at: self.at, what, writes: Vec::new() });
    }

    fn section(&mut self, index: usize, section: &'a Section) -> Result<(), Halt> {
        let retries = section.retry.map_or(0, |retry| retry.count);
        for attempt in 1.. {
            self.tell(What::SectionStarted { section: index, attempt });
            let steps = self.steps(index, &section.steps, false)?;
            let finally = self.steps(index, &section.finally, true)?;
            let failed = steps.err().or(finally.err());
            self.tell(What::SectionFinished { section: index, succeeded: failed.is_none() });
            if self.is_stopped() {
                return Err(Halt::Over);
            }
            match failed {
                None => return Ok(()),
                Some(again) if again && attempt <= retries => {}
                Some(_) => break,
            }
        }
        match section.on_failure {
            NextSection::End => Err(Halt::Over),
            NextSection::Next => Ok(()),
        }
    }

    /// Runs steps up to the first that fails; the error says whether the section may run again.
    fn steps(&mut self, section: usize, steps: &'a [Step], finally: bool) -> Result<Result<(), bool>, Halt> {
        for (index, step) in steps.iter().enumerate() {
            if self.is_stopped() && !finally {
                return Ok(Err(false));
            }
            self.tell(What::StepStarted { section, step: index, finally });
            let (status, writes) = self.step(step)?;
            self.tell(What::StepFinished { section, step: index, finally, status });
            if let Some(last) = self.entries.last_mut() {
                last.writes = writes;
            }
            if status != 0 {
                let statuses = &step.retry_statuses;
                let again = statuses.is_empty() || statuses.iter().any(|listed| i32::from(*listed) == status);
                return Ok(Err(again));
            }
        }
        Ok(Ok(()))
    }

    fn step(&mut self, step: &'a Step) -> Result<(i32, Writes), Halt> {
        let nth = self.used.entry(&step.text).or_default();
        let outcome = self.script.outcome(&step.text, *nth).cloned().unwrap_or_default();
        *nth += 1;
        let started = self.at;
        let end = (!outcome.hangs).then(|| started + outcome.takes);
        let cut = self.first_stop_that_works(&outcome, end);
        let over = cut.map(|(at, _)| at).or(end);
        for (after, text) in &outcome.output {
            let at = started + *after;
            if over.is_none_or(|over| at <= over) {
                self.entries.push(Entry { at, what: What::Output(text.clone()), writes: Vec::new() });
            }
        }
        let Some(over) = over else { return Err(Halt::Hanging) };
        self.at = over.max(started);
        match (cut, outcome.dies) {
            (Some((_, Stop::Terminate)), _) => Ok((143, Vec::new())),
            (Some((_, Stop::Kill)), _) => Ok((137, Vec::new())),
            (Some((_, Stop::Destroy)), _) => Err(Halt::Died(died(137, false, "it was killed"))),
            (None, Some((status, out_of_memory))) => Err(Halt::Died(died(status, out_of_memory, "the script says so"))),
            (None, None) => {
                self.variables.extend(outcome.sets);
                let writes = outcome.writes.into_iter();
                let writes = writes.map(|(path, content)| (expand(&path, &self.variables), content)).collect();
                Ok((outcome.status, writes))
            }
        }
    }

    /// The first stop in the time of a step that ends it.
    fn first_stop_that_works(&mut self, outcome: &Outcome, end: Option<Duration>) -> Option<(Duration, Stop)> {
        while let Some((at, how)) = self.stops.get(self.seen).copied() {
            if end.is_some_and(|end| at >= end) {
                return None;
            }
            self.seen += 1;
            if how != Stop::Terminate || !outcome.ignores_terminate {
                return Some((at, how));
            }
        }
        None
    }

    /// Whether a stop was asked for before now.
    fn is_stopped(&self) -> bool {
        self.seen > 0 || self.stops.first().is_some_and(|(at, _)| *at < self.at)
    }

    fn values(&mut self, spec: &SandboxSpec) {
        for name in &spec.program.exported {
            if let Some(value) = self.variables.get(name) {
                let value = value.clone().into_bytes();
                self.tell(What::Exported { name: name.clone(), value });
            }
        }
        for expansion in &spec.program.expansions {
            let value = match self.script.expansions.get(&expansion.text) {
                Some(value) => value.clone(),
                None => expand(&expansion.text, &self.variables),
            };
            self.tell(What::Expanded { name: expansion.name.clone(), value: value.into_bytes() });
        }
    }
}

fn died(status: i64, out_of_memory: bool, reason: &str) -> Ending {
    Ending::Died { status, out_of_memory, reason: reason.to_owned() }
}

/// `$NAME` and `${NAME}`; all else stays as it is.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let is_in_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let length = after.find(|character| !is_in_name(character)).unwrap_or(after.len());
                (&after[..length], length)
            }
        };
        match name.is_empty() {
            true => expanded.push('$'),
            false => expanded.push_str(variables.get(name).map_or("", String::as_str)),
        }
        rest = &after[length..];
    }
    expanded + rest
}
