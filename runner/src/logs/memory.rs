//! Logs in memory for tests, as strict as CloudWatch Logs: what it would refuse is refused, with its words.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{LogEvent, LogService, Put, Rejected, StreamName};
use crate::bucket::{Buckets, Keeping, Object};
use crate::cancel::Cancel;
use crate::clock;
use crate::fault::{Fault, io};
use crate::progress::Progress;

const HOUR: i64 = 60 * 60 * 1000;

/// What comes of the next calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The service refuses the call now.
    Refused,
    /// The service does not allow the call.
    Denied,
    /// The service does as it is told, and its answer is lost.
    AnswerLost,
    /// The service does not answer at all.
    Silent,
}

/// A log service and an archive in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryLogs(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    streams: BTreeMap<StreamName, Vec<LogEvent>>,
    archives: BTreeMap<(String, String), Vec<u8>>,
    troubles: VecDeque<Trouble>,
    lasting: Option<Trouble>,
    refused: Vec<String>,
    batches: Vec<usize>,
    unanswered: usize,
}

impl MemoryLogs {
    /// Without streams.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next calls meet that, one after the other.
    pub fn next(&self, troubles: &[Trouble]) {
        self.lock().troubles.extend(troubles);
    }

    /// All calls meet that, until it is taken back.
    pub fn lasting(&self, trouble: Option<Trouble>) {
        self.lock().lasting = trouble;
    }

    /// No batch is taken that has such an event.
    pub fn refuse(&self, text: &str) {
        self.lock().refused.push(text.to_owned());
    }

    /// The events of a stream, in the order of their times; `None`: there is no such stream.
    #[must_use]
    pub fn events(&self, stream: &StreamName) -> Option<Vec<LogEvent>> {
        let mut events = self.lock().streams.get(stream).cloned()?;
        events.sort_by_key(|event| event.time);
        Some(events)
    }

    /// How many events each batch had that was taken.
    #[must_use]
    pub fn batches(&self) -> Vec<usize> {
        self.lock().batches.clone()
    }

    /// How many calls were left without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.lock().unanswered
    }

    /// Somebody deletes a stream.
    pub fn delete(&self, stream: &StreamName) {
        self.lock().streams.remove(stream);
    }

    /// An archived log, unpacked.
    ///
    /// # Errors
    /// A fault when it is not there, or is no gzip.
    pub fn archived(&self, place: &Object) -> Result<String, Fault> {
        let packed = self.lock().archives.get(&of(place)).cloned();
        let packed = packed.ok_or_else(|| Fault::configuration(format!("no object {}", place.key)))?;
        let mut text = String::new();
        let unpacked = flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text);
        unpacked.map(|_| text).map_err(|error| Fault::system(format!("{}: {error}", place.key)))
    }

    /// Makes the call, as the troubles have it.
    async fn call<T>(&self, call: impl FnOnce(&mut Kept) -> Result<T, Fault>) -> Result<T, Fault> {
        let trouble = {
            let mut kept = self.lock();
            let next = kept.troubles.pop_front();
            next.or(kept.lasting)
        };
        match trouble {
            None => call(&mut self.lock()),
            Some(Trouble::Refused) => Err(Fault::system("ThrottlingException: Rate exceeded")),
            Some(Trouble::Denied) => Err(Fault::permission("AccessDeniedException: not authorized")),
            Some(Trouble::AnswerLost) => {
                call(&mut self.lock())?;
                Err(Fault::system("no answer in time"))
            }
            Some(Trouble::Silent) => {
                self.lock().unanswered += 1;
                std::future::pending().await
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LogService for MemoryLogs {
    async fn create(&self, stream: &StreamName) -> Result<(), Fault> {
        self.call(|kept| {
            let StreamName { group, stream: name } = stream;
            let fits = |name: &str| (1..=512).contains(&name.chars().count());
            let group_is_good = group.chars().all(|c| c.is_ascii_alphanumeric() || ".-_/#".contains(c));
            if !fits(group) || !fits(name) || !group_is_good || group.starts_with("aws/") || name.contains([':', '*']) {
                return Err(invalid(format!("the name {group} {name}")));
            }
            kept.streams.entry(stream.clone()).or_default();
            Ok(())
        })
        .await
    }

    async fn put(&self, stream: &StreamName, events: Vec<LogEvent>) -> Result<Put, Fault> {
        self.call(|kept| {
            let Some(known) = kept.streams.get_mut(stream) else { return Ok(Put::NoStream) };
            if let Err(fault) = check(&events) {
                return Ok(Put::Refused { why: fault.message });
            }
            if events.iter().any(|event| kept.refused.contains(&event.text)) {
                return Ok(Put::Refused { why: "Log event too large".to_owned() });
            }
            let (now, count) = (clock::now().as_millisecond(), events.len());
            let too_old = events.iter().filter(|event| event.time < now - 14 * 24 * HOUR).count();
            let too_new = events.iter().filter(|event| event.time > now + 2 * HOUR).count();
            known.extend(events.into_iter().skip(too_old).take(count - too_old - too_new));
            kept.batches.push(count);
            Ok(Put::Taken(Rejected { too_old, too_new }))
        })
        .await
    }
}

#[async_trait]
impl Buckets for MemoryLogs {
    async fn get(&self, object: &Object, file: &Path, _: &Progress, _: &Cancel) -> Result<(), Fault> {
        let bytes = self.call(|kept| {
            let kept = kept.archives.get(&of(object)).cloned();
            kept.ok_or_else(|| Fault::revision(format!("{object} is not there")))
        });
        std::fs::write(file, bytes.await?).map_err(io(file))
    }

    async fn put(&self, file: &Path, object: &Object, _: &Keeping, _: &Progress, _: &Cancel) -> Result<(), Fault> {
        let bytes = std::fs::read(file).map_err(io(file))?;
        self.call(|kept| {
            kept.archives.insert(of(object), bytes);
            Ok(())
        })
        .await
    }
}

fn of(object: &Object) -> (String, String) {
    (object.bucket.clone(), object.key.clone())
}

/// What `PutLogEvents` refuses (API reference): the whole batch.
fn check(events: &[LogEvent]) -> Result<(), Fault> {
    let bytes: usize = events.iter().map(|event| event.text.len() + 26).sum();
    if events.is_empty() || events.len() > 10_000 {
        return Err(invalid(format!("a batch of {} events", events.len())));
    }
    if bytes > 1_048_576 {
        return Err(invalid(format!("Upload too large: {bytes} bytes exceeds limit of 1048576")));
    }
    if events.iter().any(|event| event.text.is_empty()) {
        return Err(invalid("an event without a message".to_owned()));
    }
    if !events.is_sorted_by_key(|event| event.time) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order.".to_owned()));
    }
    if let [first, .., last] = events
        && last.time - first.time > 24 * HOUR
    {
        return Err(invalid("a batch that spans more than 24 hours".to_owned()));
    }
    Ok(())
}

fn invalid(what: String) -> Fault {
    Fault::configuration(format!("InvalidParameterException: {what}"))
}
