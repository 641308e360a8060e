//! The task that sends logs: it finds the shipments of the journal, those of earlier processes too, and follows each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::follow::{Followed, Follower};
use super::journal::{Journal, Key, Sender, key_of};
use super::{LogService, Shipment};
use crate::bucket::{Buckets, Encryption};
use crate::fault::Fault;

/// How often the journal is looked at for shipments that another process opened.
const OTHERS: Duration = Duration::from_secs(5);

/// Where and how logs are sent.
#[derive(Clone, Debug)]
pub struct ShippingConfig {
    /// The journal's folder, `STATE/shipments`.
    pub folder: PathBuf,
    /// How archives are encrypted.
    pub encryption: Encryption,
    /// Calls and batches in memory at one time, for all shipments together. A batch takes some four MiB.
    pub calls: usize,
    /// How often a growing log is looked at, which is also the longest that a whole line waits.
    pub look: Duration,
    /// How long a line that has not ended is held.
    pub hold: Duration,
    /// The pause after a first failure.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl ShippingConfig {
    /// The usual times, with that journal.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            encryption: Encryption::default(),
            calls: 4,
            look: Duration::from_secs(1),
            hold: Duration::from_secs(5),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// A shipment that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// What goes where.
    pub shipment: Shipment,
    /// Whether its log is whole.
    pub over: bool,
    /// Bytes of the log that were not sent yet.
    pub bytes: u64,
    /// Events that the service left out for their time.
    pub rejected: u64,
    /// What went wrong last, until it goes well again.
    pub fault: Option<String>,
    /// Since when it has gone wrong.
    pub failing_since: Option<Timestamp>,
}

/// Sends logs. Clones share one.
///
/// [`Shipping::open`], [`Shipping::end`] and [`Shipping::rewritten`] touch the local disk only, and may be called from
/// anywhere; what they say is done by [`Shipping::carry_on`], in this process or in a later one.
#[derive(Clone)]
pub struct Shipping(pub(super) Arc<Shared>);

/// What all shipments share.
pub(super) struct Shared {
    pub(super) config: ShippingConfig,
    pub(super) journal: Journal,
    pub(super) service: Arc<dyn LogService>,
    pub(super) buckets: Arc<dyn Buckets>,
    pub(super) calls: Semaphore,
    known: Mutex<BTreeMap<Key, Arc<Followed>>>,
    /// Counts what was opened and what is done.
    changes: watch::Sender<u64>,
}

impl Shipping {
    /// Nothing is read or called yet.
    #[must_use]
    pub fn new(config: ShippingConfig, service: Arc<dyn LogService>, buckets: Arc<dyn Buckets>) -> Self {
        let journal = Journal::at(config.folder.clone());
        let calls = Semaphore::new(config.calls.max(1));
        let (known, changes) = (Mutex::default(), watch::Sender::default());
        Self(Arc::new(Shared { config, journal, service, buckets, calls, known, changes }))
    }

    /// Sends until it is dropped: shipments of this process and of those before it. Only one process of a state
    /// directory sends at a time; the others wait here for their turn.
    pub async fn carry_on(&self) {
        let mut changes = self.0.changes.subscribe();
        let sender = self.sender().await;
        let (mut tasks, mut following) = (JoinSet::new(), BTreeSet::new());
        loop {
            changes.borrow_and_update();
            for followed in self.find() {
                if following.insert(key_of(&followed.shipment)) {
                    tasks.spawn(Follower::new(Arc::clone(&self.0), Sender::clone(&sender), followed).follow());
                }
            }
            tokio::select! {
                _ = changes.changed() => {}
                Some(done) = tasks.join_next() => match done {
                    Ok(key) => {
                        following.remove(&key);
                        self.forget(&key);
                    }
                    Err(error) => tracing::error!(%error, "a log's shipment broke down; it goes on after a restart"),
                },
                () = tokio::time::sleep(OTHERS) => {}
            }
        }
    }

    /// Opens a shipment. One that was opened before goes on.
    ///
    /// # Errors
    /// A `System` fault when it cannot be written down.
    pub fn open(&self, shipment: &Shipment) -> Result<(), Fault> {
        if shipment.stream.is_none() && shipment.archive.is_none() {
            return Ok(());
        }
        self.0.journal.open(shipment)?;
        self.0.know(shipment);
        self.0.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Says that the log of an action is whole. Nothing happens when it has no shipment, or no longer.
    ///
    /// # Errors
    /// A `System` fault when it cannot be written down.
    pub fn end(&self, run: &str, action: &str) -> Result<(), Fault> {
        let key = (run.to_owned(), action.to_owned());
        if self.0.journal.end(&key)? {
            self.tell(&key, |_| {});
        }
        Ok(())
    }

    /// Says that the logs of a run will never be whole here, because another machine has the run and will have all of them.
    /// What there is of them is sent; they are not archived, where the other's would be replaced by them.
    ///
    /// # Errors
    /// A `System` fault when it cannot be written down.
    pub fn forsake(&self, run: &str) -> Result<(), Fault> {
        for key in self.0.journal.list().iter().map(key_of).filter(|(known, _)| known == run) {
            if self.0.journal.forsake(&key)? {
                self.tell(&key, |_| {});
            }
        }
        Ok(())
    }

    /// Says that the log of an action was cut off and is being written again, as it is when a build is adopted. What is
    /// written must be what was there; the sender holds it to that.
    pub fn rewritten(&self, run: &str, action: &str) {
        self.tell(&(run.to_owned(), action.to_owned()), |rewrites| *rewrites += 1);
    }

    /// Waits until all of a run is sent, but not for longer than `limit`, and shortens the pauses of what fails. What is
    /// refused, or has failed for that long already, is not waited for. Whether all is sent; what is not goes on in
    /// [`Shipping::carry_on`], or in the next process.
    pub async fn flush(&self, run: &str, limit: Duration) -> bool {
        let mut changes = self.0.changes.subscribe();
        self.keys(run).iter().for_each(|key| self.tell(key, |_| {}));
        let all = async {
            loop {
                if let Some(all_is_sent) = self.settled(run, limit) {
                    return all_is_sent;
                }
                tokio::time::timeout(self.0.config.look, changes.changed()).await.ok();
            }
        };
        tokio::time::timeout(limit, all).await.unwrap_or(false)
    }

    /// Gives up what is whole, is refused by its service, and has had no new line for so long: its log stays on this
    /// machine, and may go from there. Returns how many logs that are.
    pub fn give_up(&self, after: Duration) -> usize {
        let known: Vec<_> = self.0.lock().values().cloned().collect();
        let over = known.iter().filter(|followed| self.0.journal.is_over(&key_of(&followed.shipment)));
        over.filter(|followed| followed.give_up(after)).count()
    }

    /// Whether all of a run is sent, or `false` when it is in vain to wait for the rest; `None`: it is on its way.
    fn settled(&self, run: &str, limit: Duration) -> Option<bool> {
        // The journal is asked, because it knows of shipments that were not found yet, or are another process's.
        let mut unsent = self.0.journal.list();
        unsent.retain(|shipment| shipment.run == run);
        let known = self.0.lock();
        let is_hopeless = |shipment| known.get(&key_of(shipment)).is_some_and(|followed| followed.is_hopeless(limit));
        match unsent.is_empty() {
            true => Some(true),
            false => unsent.iter().all(is_hopeless).then_some(false),
        }
    }

    /// What is not sent yet.
    #[must_use]
    pub fn pending(&self) -> Vec<Unsent> {
        // Nothing becomes known here: it might be done, and forgotten, at this very moment.
        let listed = self.0.journal.list().into_iter();
        let known = listed.map(|shipment| {
            let known = self.0.lock().get(&key_of(&shipment)).cloned();
            known.unwrap_or_else(|| Arc::new(Followed::new(shipment)))
        });
        known.map(|followed| followed.unsent(&self.0.journal)).collect()
    }

    /// Looks for all shipments of the journal.
    fn find(&self) -> Vec<Arc<Followed>> {
        self.0.journal.list().iter().map(|shipment| self.0.know(shipment)).collect()
    }

    async fn sender(&self) -> Sender {
        let mut told = false;
        loop {
            match self.0.journal.sender() {
                Ok(Some(sender)) => return sender,
                Ok(None) => {}
                Err(fault) if !told => {
                    tracing::error!(%fault, "logs cannot be sent");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(self.0.config.look).await;
        }
    }

    fn keys(&self, run: &str) -> Vec<Key> {
        self.0.lock().keys().filter(|(known, _)| known == run).cloned().collect()
    }

    fn tell(&self, key: &Key, tell: impl FnOnce(&mut u64)) {
        if let Some(followed) = self.0.lock().get(key) {
            followed.rewrites.send_modify(tell);
        }
    }

    /// It is done, or the disk is in trouble and it is found again.
    fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
        self.0.changes.send_modify(|count| *count += 1);
    }
}

impl Shared {
    fn know(&self, shipment: &Shipment) -> Arc<Followed> {
        let mut known = self.lock();
        Arc::clone(known.entry(key_of(shipment)).or_insert_with(|| Arc::new(Followed::new(shipment.clone()))))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Followed>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
