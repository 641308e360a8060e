//! Sending one log, batch by batch: from where the journal says, as far as the file goes.

use std::time::Duration;

use flate2::Crc;
use tokio::time::Instant;

use super::batch::{Batch, Limits, Rest, batch, time};
use super::follow::Follower;
use super::journal::Sent;
use super::reader::{CHUNK, Found, away, check, read};
use super::{LogEvent, Put, Rejected, StreamName};
use crate::clock;
use crate::fault::Fault;

/// What the stream says when a log is not what it was: nothing is lost, but what follows may be there already.
const AGAIN: &str = "[Sluice] The log was written anew after a crash, and differs. It is repeated from its beginning.";

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more to send.
    AtOnce,
    /// All there is was sent.
    Later,
    /// All there will be was sent.
    Done,
}

/// The state of sending one log.
pub(super) struct Sending<'a> {
    follower: &'a Follower,
    stream: &'a StreamName,
    /// `None` until the journal was read.
    sent: Option<Sent>,
    /// Whether the stream is there, as far as we know.
    created: bool,
    /// For which count of rewrites the file is known to begin with what was sent.
    checked: Option<u64>,
    /// The checksum of what was sent.
    crc: Crc,
    /// Since when a line that has not ended waits, and where it begins.
    held: Option<(u64, Instant)>,
}

impl<'a> Sending<'a> {
    pub(super) fn new(follower: &'a Follower, stream: &'a StreamName) -> Self {
        Self { follower, stream, sent: None, created: false, checked: None, crc: Crc::new(), held: None }
    }

    /// Sends one batch, when there is one. After a fault the same step is taken again: nothing of it is written down
    /// before the answer.
    pub(super) async fn step(&mut self) -> Result<Next, Fault> {
        let shared = &self.follower.shared;
        // Asked before the file is read: what it holds then is all there is.
        let over = shared.journal.has_all(&self.follower.key);
        let Ok(_call) = shared.calls.acquire().await else { return Ok(Next::Later) };
        let mut sent = match self.sent.take() {
            Some(sent) => sent,
            None => shared.journal.sent(&self.follower.key)?,
        };
        let next = self.step_from(&mut sent, over).await;
        self.sent = Some(sent);
        next
    }

    async fn step_from(&mut self, sent: &mut Sent, over: bool) -> Result<Next, Fault> {
        if !self.created && sent.offset == 0 {
            self.follower.shared.service.create(self.stream).await?;
        }
        self.created = true;
        if !self.is_as_it_was(sent, over).await? {
            return Ok(Next::Later);
        }
        let (path, offset) = (self.follower.followed.shipment.file.clone(), sent.offset);
        let bytes = match away(&self.follower.sender, move || read(&path, offset)).await? {
            Found::Bytes(bytes) => bytes,
            Found::Missing if over => {
                self.follower.log_is_gone();
                return Ok(Next::Done);
            }
            Found::Missing => return Ok(Next::Later),
            Found::Short => {
                self.checked = None;
                return Ok(if over { Next::AtOnce } else { Next::Later });
            }
        };
        let to_the_end = (bytes.len() as u64) < CHUNK;
        let now = time(clock::now().as_millisecond(), sent.time);
        let rest = if over && to_the_end { Rest::Last } else { self.rest(sent.offset) };
        let made = batch(&bytes, sent.mid_line, now, rest, &Limits::CLOUDWATCH);
        let (more, left) = (made.full || !to_the_end, bytes.len() - made.consumed);
        if made.consumed > 0 {
            self.put(sent, made, &bytes, now).await?;
        } else if over && left == 0 {
            return Ok(Next::Done);
        }
        if left > 0 && !more && self.held.is_none_or(|(at, _)| at != sent.offset) {
            self.held = Some((sent.offset, Instant::now()));
        }
        Ok(if more || over { Next::AtOnce } else { Next::Later })
    }

    /// Whether the file begins with what was sent. One that was written anew and differs is sent anew.
    async fn is_as_it_was(&mut self, sent: &mut Sent, over: bool) -> Result<bool, Fault> {
        let rewrites = *self.follower.followed.rewrites.borrow();
        if self.checked == Some(rewrites) {
            return Ok(true);
        }
        let (path, length) = (self.follower.followed.shipment.file.clone(), sent.offset);
        match away(&self.follower.sender, move || check(&path, length)).await? {
            Some(crc) if crc.sum() == sent.check => self.crc = crc,
            None if sent.offset == 0 => self.crc = Crc::new(),
            // It is still being written.
            None if !over => return Ok(false),
            None if !self.follower.followed.shipment.file.exists() => {}
            _ => self.start_over(sent).await?,
        }
        self.checked = Some(rewrites);
        Ok(true)
    }

    async fn start_over(&mut self, sent: &mut Sent) -> Result<(), Fault> {
        tracing::warn!(
            stream = self.stream.stream,
            "a log was written anew and differs: it is sent from its beginning"
        );
        let now = time(clock::now().as_millisecond(), sent.time);
        self.call(sent, vec![LogEvent { time: now, text: AGAIN.to_owned() }]).await?;
        self.crc = Crc::new();
        self.note(sent, Sent { offset: 0, check: 0, time: now, mid_line: false, rejected: sent.rejected }).await
    }

    async fn put(&mut self, sent: &mut Sent, made: Batch, bytes: &[u8], now: i64) -> Result<(), Fault> {
        if !made.events.is_empty() {
            self.call(sent, made.events).await?;
        }
        self.crc.update(&bytes[..made.consumed]);
        let offset = sent.offset + made.consumed as u64;
        let (check, rejected) = (self.crc.sum(), sent.rejected);
        self.note(sent, Sent { offset, check, time: now, mid_line: made.mid_line, rejected }).await
    }

    /// Sends events. A batch that the service will never take is cut in halves, down to the event that it refuses: that
    /// one is told and left out, so that it does not hold up what follows.
    async fn call(&mut self, sent: &mut Sent, events: Vec<LogEvent>) -> Result<(), Fault> {
        let mut left = vec![events];
        while let Some(mut events) = left.pop() {
            match self.follower.shared.service.put(self.stream, events.clone()).await? {
                Put::Taken(rejected) => self.count(sent, rejected, events.len()),
                Put::NoStream => {
                    self.follower.shared.service.create(self.stream).await?;
                    let stream = &self.stream.stream;
                    return Err(Fault::system(format!("the log stream {stream} was not there, and is made anew")));
                }
                Put::Refused { why } if events.len() <= 1 => {
                    let StreamName { group, stream } = self.stream;
                    let bytes = events.first().map_or(0, |event| event.text.len());
                    tracing::warn!(group, stream, why, bytes, "CloudWatch Logs refuses a line, which is left out");
                    sent.rejected += 1;
                }
                Put::Refused { .. } => {
                    let later = events.split_off(events.len() / 2);
                    left.extend([later, events]);
                }
            }
        }
        Ok(())
    }

    fn count(&self, sent: &mut Sent, rejected: Rejected, of: usize) {
        let left_out = rejected.too_old + rejected.too_new;
        if left_out > 0 {
            let StreamName { group, stream } = self.stream;
            tracing::warn!(
                group,
                stream,
                too_old = rejected.too_old,
                too_new = rejected.too_new,
                of,
                "CloudWatch Logs left events out for their time; is this machine's clock right?"
            );
            sent.rejected += left_out as u64;
        }
    }

    /// Remembers, and writes down, how far it is. What was taken is never sent again by this process, also when it
    /// cannot be written down.
    async fn note(&self, sent: &mut Sent, now: Sent) -> Result<(), Fault> {
        *sent = now.clone();
        let (journal, key) = (self.follower.shared.journal.clone(), self.follower.key.clone());
        away(&self.follower.sender, move || journal.put_sent(&key, &now)).await
    }

    /// What to do with a line at the end that begins after that place and has not ended.
    fn rest(&self, offset: u64) -> Rest {
        let hold: Duration = self.follower.shared.config.hold;
        match self.held {
            Some((at, since)) if at == offset && since.elapsed() >= hold => Rest::Due,
            _ => Rest::Held,
        }
    }
}
