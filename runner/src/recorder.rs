//! The recorder: numbers, dates, masks and folds what happened, and hands it out.
//!
//! It does not know who listens or what events mean. A caller may tell from any task; what it told is in the record
//! when the call returns.
//!
//! What happened is folded twice. The run works with what it knows, where an account's number is a number although it
//! came from Parameter Store; everybody else is told the masked half of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::cancel::{Cancel, Reason};
use crate::clock;
use crate::event::{Event, What};
use crate::fault::Fault;
use crate::mask::{Masker, Needles};
use crate::progress::{Progress, Progressed};
use crate::secret::SecretText;
use crate::sink::Sink;
use crate::state::RunState;
use crate::store::Record;
use crate::store::history::Replica;

/// Where to tell what happened. Clones tell the same run.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<Recording>>);

struct Recording {
    run: String,
    record: Record,
    /// What this process knows. What an earlier one told is masked here too.
    known: RunState,
    /// What the record and the sinks are told.
    told: RunState,
    sinks: Vec<Box<dyn Sink>>,
    needles: Arc<Needles>,
    /// A stream of output an action.
    maskers: HashMap<String, Masker>,
    /// The first thing that went wrong here.
    fault: Option<Fault>,
    /// Told when it does: a run that cannot be recorded must not go on.
    cancel: Cancel,
    /// Where else the record is.
    replica: Option<Arc<Replica>>,
}

impl Recorder {
    /// A recorder that goes on from `state`.
    ///
    /// # Errors
    /// As [`Needles::of`].
    pub fn new(
        run: &str,
        record: Record,
        state: RunState,
        sinks: Vec<Box<dyn Sink>>,
        cancel: Cancel,
    ) -> Result<Self, Fault> {
        let (needles, _) = Needles::of([])?;
        Ok(Self(Arc::new(Mutex::new(Recording {
            run: run.to_owned(),
            record,
            known: state.clone(),
            told: state,
            sinks,
            needles: Arc::new(needles),
            maskers: HashMap::new(),
            fault: None,
            cancel,
            replica: None,
        }))))
    }

    /// From now on what is recorded is also sent there.
    pub fn replicate(&self, replica: Arc<Replica>) {
        self.lock().replica = Some(replica);
    }

    /// Waits until everything that was told so far is also known wherever else the record is, and whoever could carry
    /// the run out instead of this process would know of it. At once when it is nowhere else.
    ///
    /// # Errors
    /// When somebody else carries the run out by now.
    pub async fn settled(&self) -> Result<(), Fault> {
        let replica = self.lock().replica.clone();
        match replica {
            Some(replica) => replica.settled().await,
            None => Ok(()),
        }
    }

    /// Tells what happened now.
    pub fn tell(&self, what: What) {
        self.tell_at(clock::now(), what);
    }

    /// Tells what happened then.
    pub fn tell_at(&self, at: Timestamp, what: What) {
        self.lock().take(at, what);
    }

    /// Tells what is about to happen, and makes sure that it is written down.
    ///
    /// # Errors
    /// The fault for which nothing can be written; what was about to happen must not.
    pub fn commit(&self, what: What) -> Result<(), Fault> {
        let mut recording = self.lock();
        recording.take(clock::now(), what);
        recording.fault.clone().map_or(Ok(()), Err)
    }

    /// From now on these named values are masked wherever they appear. Returns what the user should know about them.
    ///
    /// # Errors
    /// As [`Needles::add`].
    pub fn mask(&self, named: &[(String, SecretText)]) -> Result<Vec<String>, Fault> {
        let mut recording = self.lock();
        let mut needles = Needles::clone(&recording.needles);
        let mut warnings = Vec::new();
        for (name, value) in named {
            warnings.extend(needles.add(name, value)?.map(|short| short.to_string()));
        }
        let needles = Arc::new(needles);
        recording.maskers.values_mut().for_each(|masker| masker.adopt(Arc::clone(&needles)));
        recording.needles = needles;
        Ok(warnings)
    }

    /// Looks at the state that the run works with. Secrets may be in it: what is made of it is told through here only.
    pub fn with<R>(&self, look: impl FnOnce(&RunState) -> R) -> R {
        look(&self.lock().known)
    }

    /// Looks at the state as everybody else is told of it.
    pub fn told<R>(&self, look: impl FnOnce(&RunState) -> R) -> R {
        look(&self.lock().told)
    }

    /// Uses the record that is written to.
    pub fn record<R>(&self, using: impl FnOnce(&Record) -> R) -> R {
        using(&self.lock().record)
    }

    /// What went wrong while recording.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.lock().fault.clone()
    }

    /// Brings out what any sink held back.
    pub fn flush(&self) {
        let mut recording = self.lock();
        let Recording { sinks, .. } = &mut *recording;
        let results: Vec<_> = sinks.iter_mut().map(|sink| sink.flush()).collect();
        results.into_iter().for_each(|result| recording.note(result));
    }

    /// A place for adapters to tell their progress with that action to.
    #[must_use]
    pub fn progress(&self, action: Option<&str>) -> Progress {
        let recorder = self.clone();
        let action = action.map(str::to_owned);
        Progress::new(move |progressed| match (progressed, &action) {
            (Progressed::Doing(text), action) => recorder.tell(What::Doing { action: action.clone(), text }),
            (Progressed::Bytes { what, done, total }, action) => {
                recorder.tell(What::Transferred { action: action.clone(), transfer: what.to_owned(), done, total });
            }
            (Progressed::Output(text), Some(action)) => recorder.tell(What::Output { action: action.clone(), text }),
            (Progressed::Output(text), None) => {
                let text = String::from_utf8_lossy(&text).trim_end().to_owned();
                recorder.tell(What::Notice { action: None, warning: false, text });
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    fn take(&mut self, at: Timestamp, what: What) {
        match what {
            What::Output { action, text } => {
                let masker = self.maskers.entry(action.clone()).or_insert_with(|| self.needles.masker());
                let mut masked = Vec::with_capacity(text.len());
                masker.push(&text, &mut masked);
                self.output(at, action, masked);
            }
            what => {
                if !what.is_passing()
                    && let Some(action) = what.action()
                {
                    self.end_stream(at, action);
                }
                let mut shown = masked(&self.needles, what.clone());
                mark_withheld(&what, &mut shown);
                if !what.is_passing() {
                    self.known.apply(&Event { sequence: self.told.sequence + 1, at, what });
                }
                self.hand_out(at, shown);
            }
        }
    }

    /// What comes next is not output: nothing of the output may be held back any longer, and new needles apply.
    fn end_stream(&mut self, at: Timestamp, action: &str) {
        if let Some(mut masker) = self.maskers.remove(action) {
            let mut rest = Vec::new();
            masker.finish(&mut rest);
            self.output(at, action.to_owned(), rest);
        }
    }

    fn output(&mut self, at: Timestamp, action: String, masked: Vec<u8>) {
        if !masked.is_empty() {
            self.hand_out(at, What::Output { action, text: Bytes::from(masked) });
        }
    }

    fn hand_out(&mut self, at: Timestamp, what: What) {
        let passing = what.is_passing();
        let event = Event { sequence: self.told.sequence + u64::from(!passing), at, what };
        if !passing {
            let stored = self.record.append(&self.run, std::slice::from_ref(&event));
            self.note(stored);
            self.told.apply(&event);
            if let Some(replica) = &self.replica {
                replica.told(event.sequence);
            }
        }
        let Self { sinks, told, .. } = self;
        let results: Vec<_> = sinks.iter_mut().map(|sink| sink.take(&event, told)).collect();
        results.into_iter().for_each(|result| self.note(result));
    }

    fn note(&mut self, result: Result<(), Fault>) {
        if let Err(fault) = result
            && self.fault.is_none()
        {
            tracing::error!(run = self.run, %fault, "the run can no longer be recorded");
            self.fault = Some(fault);
            self.cancel.request(Reason::Stopped);
        }
    }
}

/// The keys of an event whose texts are words of ours, times and names, and never somebody else's text: a secret that
/// happens to be `system`, `2026` or the name of a stage must not make an event unreadable.
const OUR_WORDS: [&str; 17] = [
    "type",
    "status",
    "kind",
    "slot",
    "reason",
    "at",
    "until",
    "run",
    "pipeline",
    "plan",
    "stage",
    "action",
    "phase",
    "build",
    "source-directory",
    "commit",
    "sha256",
];

/// The keys of what a later process must find in the record as it was: by these names registries and targets are asked.
/// An account's number in them may well have come from Parameter Store.
const WORKED_WITH: [&str; 2] = ["image", "deployment"];

/// Says so where a variable's value is not told as it is: nobody may go on with what is shown in its place.
fn mark_withheld(what: &What, shown: &mut What) {
    if let (What::VariableExported { value, .. }, What::VariableExported { value: told, withheld, .. }) = (what, shown)
    {
        *withheld = *withheld || value != told;
    }
}

/// The same event with every text in it masked. One that cannot be told without a secret is told by its name alone.
fn masked(needles: &Arc<Needles>, what: What) -> What {
    let action = what.action().map(|action| needles.mask_text(action));
    let value = serde_json::to_value(what).map(|value| masked_value(needles, value));
    value.and_then(serde_json::from_value).unwrap_or_else(|error| {
        tracing::error!(%error, "an event cannot be masked");
        What::Notice { action, warning: true, text: "something happened that cannot be told without a secret".into() }
    })
}

fn masked_value(needles: &Arc<Needles>, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(needles.mask_text(&text)),
        Value::Array(items) => items.into_iter().map(|item| masked_value(needles, item)).collect(),
        Value::Object(entries) => {
            let masked = |(key, value): (String, Value)| match key.as_str() {
                key if WORKED_WITH.contains(&key) => (key.to_owned(), value),
                key if OUR_WORDS.contains(&key) && value.is_string() => (key.to_owned(), value),
                _ => (key, masked_value(needles, value)),
            };
            entries.into_iter().map(masked).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Deployment;
    use crate::event::{ActionKind, Outcome};
    use crate::fault::FaultKind;

    #[test]
    fn a_secret_that_is_one_of_our_words_leaves_no_event_unmasked() {
        let secrets = ["system", "hunter2-extra", "2026", "faulted"].map(SecretText::new);
        let (needles, _) = Needles::of(secrets.iter().map(|secret| ("NAME", secret))).unwrap();
        let outcome = |message: &str| Outcome::Faulted { kind: FaultKind::System, message: message.into(), hint: None };
        let what = |message| What::ActionFinished { action: "build".into(), outcome: outcome(message) };
        let told = masked(&Arc::new(needles), what("login as system with hunter2-extra failed in 2026"));
        assert_eq!(told, what("login as *** with *** failed in ***"));
    }

    #[test]
    fn the_run_works_with_what_is_shown_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::open(folder.path()).unwrap();
        let recorder = Recorder::new("r", record, RunState::default(), Vec::new(), Cancel::default()).unwrap();
        recorder.mask(&[("ACCOUNT".to_owned(), SecretText::new("123456789012"))]).unwrap();
        let build = || "build".to_owned();
        recorder.tell(What::ActionStarted { stage: "Build".into(), action: build(), kind: ActionKind::Build });
        let value = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app".to_owned();
        recorder.tell(What::VariableExported { action: build(), name: "REPOSITORY".into(), value, withheld: false });
        let (id, revision) = ("1".to_owned(), "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:8".to_owned());
        let deployment = Deployment { id, revision, previous: None, previous_count: None, url: None };
        recorder.tell(What::DeploymentBegun { action: build(), deployment: deployment.clone() });
        let known = recorder.with(|state| state.action("build").cloned().unwrap());
        assert_eq!(known.variables["REPOSITORY"], "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app");
        let told = recorder.told(|state| state.action("build").cloned().unwrap());
        assert_eq!(told.variables["REPOSITORY"], "***.dkr.ecr.eu-west-1.amazonaws.com/app");
        assert!(told.withheld.contains("REPOSITORY") && known.withheld.is_empty());
        assert_eq!(told.deployment, Some(deployment), "a later process must find it as it is");
    }

    #[test]
    fn a_secret_that_is_learnt_while_an_action_speaks_is_masked_from_there_on() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::open(folder.path()).unwrap();
        let kept = Kept::default();
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(kept.clone())];
        let recorder = Recorder::new("r", record, RunState::default(), sinks, Cancel::default()).unwrap();
        let speak = |text: &'static [u8]| {
            recorder.tell(What::Output { action: "image".into(), text: Bytes::from_static(text) });
        };
        speak(b"one ");
        recorder.mask(&[("TOKEN".to_owned(), SecretText::new("correct-horse"))]).unwrap();
        speak(b"two correct-horse three\n");
        recorder.tell(What::ActionFinished { action: "image".into(), outcome: Outcome::Succeeded });
        assert_eq!(String::from_utf8_lossy(&kept.0.lock().unwrap()), "one two *** three\n");
    }

    /// Keeps the output.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Sink for Kept {
        fn take(&mut self, event: &Event, _: &RunState) -> Result<(), Fault> {
            if let What::Output { text, .. } = &event.what {
                self.0.lock().unwrap().extend_from_slice(text);
            }
            Ok(())
        }

        fn flush(&mut self) -> Result<(), Fault> {
            Ok(())
        }
    }
}
