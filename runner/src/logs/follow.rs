//! One shipment, from its beginning to its end: the log is sent while it grows, and archived when it is whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::watch;

use super::backoff::Backoff;
use super::journal::{Journal, Key, Sender, key_of};
use super::reader::{away, pack};
use super::sending::{Next, Sending};
use super::shipping::Shared;
use super::{Shipment, Unsent};
use crate::bucket::{Keeping, Object};
use crate::cancel::Cancel;
use crate::clock;
use crate::fault::{Fault, FaultKind};
use crate::progress::Progress;

/// A log that is refused for so long after its last line is given up.
const REFUSED_FOR_GOOD: Duration = Duration::from_secs(14 * 24 * 3600);

/// A shipment as this process knows it.
pub(super) struct Followed {
    pub(super) shipment: Shipment,
    /// How often the log was written anew. Whoever changes it, or says that it changed, wakes the follower.
    pub(super) rewrites: watch::Sender<u64>,
    standing: Mutex<Standing>,
    /// Nobody tries it any longer.
    given_up: AtomicBool,
}

/// How it goes.
#[derive(Default)]
struct Standing {
    fault: Option<Fault>,
    failing_since: Option<Timestamp>,
}

impl Standing {
    /// Whether it is no trouble of a moment: somebody has to allow it first, or to set something right.
    fn is_refused(&self) -> bool {
        let kind = self.fault.as_ref().map(|fault| fault.kind);
        matches!(kind, Some(FaultKind::Permission | FaultKind::Configuration))
    }
}

impl Followed {
    pub(super) fn new(shipment: Shipment) -> Self {
        let (rewrites, standing, given_up) = (watch::Sender::default(), Mutex::default(), AtomicBool::default());
        Self { shipment, rewrites, standing, given_up }
    }

    /// Whether waiting for it is in vain: it is refused, or has failed for longer than that.
    pub(super) fn is_hopeless(&self, limit: Duration) -> bool {
        let standing = self.standing();
        let failing = standing.failing_since.map(|since| clock::now().duration_since(since).unsigned_abs());
        standing.is_refused() || failing.is_some_and(|failing| failing > limit)
    }

    /// Gives it up when it is refused and its log has had no new line for so long. Whether it was given up now.
    pub(super) fn give_up(&self, after: Duration) -> bool {
        let written = std::fs::metadata(&self.shipment.file).and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|written| SystemTime::from(clock::now()).duration_since(written).ok());
        let is_old = age.is_none_or(|age| age >= after);
        if !is_old || !self.standing().is_refused() || self.given_up.swap(true, Ordering::SeqCst) {
            return false;
        }
        let Shipment { run, action, .. } = &self.shipment;
        tracing::error!(run, action, "the log was refused for too long and is given up: it is on this machine only");
        self.rewrites.send_modify(|_| {});
        true
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    pub(super) fn unsent(&self, journal: &Journal) -> Unsent {
        let key = key_of(&self.shipment);
        let sent = journal.sent(&key).unwrap_or_default();
        let size = std::fs::metadata(&self.shipment.file).map_or(0, |metadata| metadata.len());
        let standing = self.standing();
        Unsent {
            shipment: self.shipment.clone(),
            over: journal.is_over(&key),
            bytes: if self.shipment.stream.is_some() { size.saturating_sub(sent.offset) } else { 0 },
            rejected: sent.rejected,
            fault: standing.fault.as_ref().map(Fault::to_string),
            failing_since: standing.failing_since,
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one shipment.
pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    pub(super) sender: Sender,
    pub(super) followed: Arc<Followed>,
    pub(super) key: Key,
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, sender: Sender, followed: Arc<Followed>) -> Self {
        let key = key_of(&followed.shipment);
        Self { shared, sender, followed, key }
    }

    /// Until all is done.
    pub(super) async fn follow(self) -> Key {
        tokio::join!(self.send(), self.archive());
        let mut backoff = self.backoff();
        while let Err(fault) = self.shared.journal.remove(&self.key) {
            self.failed(&fault, "a log that is sent stays in the journal");
            tokio::time::sleep(backoff.next()).await;
        }
        self.key
    }

    async fn send(&self) {
        let Some(stream) = &self.followed.shipment.stream else { return };
        let (mut sending, mut backoff) = (Sending::new(self, stream), self.backoff());
        let mut woken = self.followed.rewrites.subscribe();
        loop {
            woken.borrow_and_update();
            let pause = match sending.step().await {
                Ok(Next::Done) => return,
                Ok(next) => {
                    backoff.reset();
                    self.went_well();
                    match next {
                        Next::AtOnce => continue,
                        _ => self.shared.config.look,
                    }
                }
                Err(fault) => {
                    self.failed(&fault, "the log is not sent now; it is tried again");
                    self.followed.give_up(REFUSED_FOR_GOOD);
                    backoff.next()
                }
            };
            rest(&mut woken, pause).await;
            if self.followed.is_given_up() {
                return;
            }
        }
    }

    async fn archive(&self) {
        let Some(place) = &self.followed.shipment.archive else { return };
        let (mut backoff, mut packed) = (self.backoff(), false);
        let mut woken = self.followed.rewrites.subscribe();
        loop {
            woken.borrow_and_update();
            let is_done = self.shared.journal.is_archived(&self.key) || self.shared.journal.is_forsaken(&self.key);
            let pause = if is_done || self.followed.is_given_up() {
                return;
            } else if !self.shared.journal.is_over(&self.key) {
                self.shared.config.look
            } else {
                match self.archive_now(place, &mut packed).await {
                    Ok(()) => return,
                    Err(fault) => {
                        self.failed(&fault, "the log is not archived now; it is tried again");
                        self.followed.give_up(REFUSED_FOR_GOOD);
                        backoff.next()
                    }
                }
            };
            rest(&mut woken, pause).await;
        }
    }

    async fn archive_now(&self, place: &Object, packed: &mut bool) -> Result<(), Fault> {
        let Ok(_call) = self.shared.calls.acquire().await else { return Ok(()) };
        let to = self.shared.journal.packed(&self.key);
        if !*packed {
            let (from, to) = (self.followed.shipment.file.clone(), to.clone());
            if !away(&self.sender, move || pack(&from, &to)).await? {
                self.log_is_gone();
                return Ok(());
            }
            *packed = true;
        }
        let encryption = self.shared.config.encryption.clone();
        let keeping = Keeping { content_type: Some("application/gzip".to_owned()), encryption };
        self.shared.buckets.put(&to, place, &keeping, &Progress::silent(), &Cancel::new()).await?;
        self.shared.journal.archived(&self.key).map(|_| ())
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(self.shared.config.first_pause, self.shared.config.longest_pause)
    }

    /// Said once, when it begins.
    fn failed(&self, fault: &Fault, what: &'static str) {
        let Shipment { run, action, .. } = &self.followed.shipment;
        let mut standing = self.followed.standing();
        if standing.failing_since.is_none() {
            tracing::warn!(run, action, %fault, hint = fault.hint, what);
            standing.failing_since = Some(clock::now());
        }
        standing.fault = Some(fault.clone());
    }

    fn went_well(&self) {
        let mut standing = self.followed.standing();
        if standing.failing_since.is_some() {
            let Shipment { run, action, .. } = &self.followed.shipment;
            tracing::info!(run, action, "the log is sent again");
        }
        *standing = Standing::default();
    }

    pub(super) fn log_is_gone(&self) {
        let Shipment { run, action, file, .. } = &self.followed.shipment;
        tracing::error!(run, action, file = %file.display(), "the log was removed before all of it was sent");
    }
}

/// Waits, or until somebody says something.
async fn rest(woken: &mut watch::Receiver<u64>, pause: Duration) {
    tokio::time::timeout(pause, woken.changed()).await.ok();
}
