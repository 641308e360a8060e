//! The recorder: numbers, dates, masks and folds what happened, and hands it out.
//!
//! It does not know who listens or what events mean. A caller may tell from any task; what it told is in the record
//! when the call returns.
//!
//! What happened is folded twice. The run works with what it knows, where an account's number is a number although it
//! came from Parameter Store; everybody else is told the masked half of it.

mod masked;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use self::masked::{mark_withheld, masked};
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
        let born = recording.record.born();
        recording.note(born);
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

    /// A fault of something that was done with the state that the run works with, as everybody else may be told of it.
    #[must_use]
    pub fn masked(&self, fault: Fault) -> Fault {
        let needles = Arc::clone(&self.lock().needles);
        let hint = fault.hint.map(|hint| needles.mask_text(&hint));
        Fault { message: needles.mask_text(&fault.message), hint, ..fault }
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
            self.told.apply(&event);
        }
        // Whoever goes on with a run that was lost would take the end of it here for its result.
        if !passing && self.cancel.reason() != Some(Reason::Lost) {
            let stored = self.record.append(&self.run, std::slice::from_ref(&event));
            self.note(stored);
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

#[cfg(test)]
mod tests;
