//! The recorder: numbers, dates, masks and folds what happened, and hands it out.
//!
//! It does not know who listens or what events mean. A caller may tell from any task; what it told is in the record
//! when the call returns.

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
    state: RunState,
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
            state,
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
        recording.needles = Arc::new(needles);
        Ok(warnings)
    }

    /// Looks at the state.
    pub fn with<R>(&self, look: impl FnOnce(&RunState) -> R) -> R {
        look(&self.lock().state)
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
                let what = masked(&self.needles, what);
                self.hand_out(at, what);
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
        let event = Event { sequence: self.state.sequence + u64::from(!passing), at, what };
        if !passing {
            let stored = self.record.append(&self.run, std::slice::from_ref(&event));
            self.note(stored);
            self.state.apply(&event);
            if let Some(replica) = &self.replica {
                replica.told(event.sequence);
            }
        }
        let Self { sinks, state, .. } = self;
        let results: Vec<_> = sinks.iter_mut().map(|sink| sink.take(&event, state)).collect();
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

/// The keys of an event whose texts are words of ours and times, and never somebody else's: a secret that happens to
/// be `system` or `2026` must not make an event unreadable.
const OUR_WORDS: [&str; 7] = ["type", "status", "kind", "slot", "reason", "at", "until"];

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
            let masked = |(key, value): (String, Value)| match OUR_WORDS.contains(&key.as_str()) {
                true if value.is_string() => (key, value),
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
    use crate::event::Outcome;
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
}
