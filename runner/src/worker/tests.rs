//! A worker between a queue, a workshop and a ledger that tests hold in their hands.

mod fleet;
mod leases;
mod offers;
mod turns;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::held::Held;
use super::life::Life;
use super::*;
use crate::bucket::{Keeping, Object};
use crate::progress::Progress;
use crate::queue::{Accepted, Delivery, JobResult, LetGo, Offer, Order, Place, Reported, Turn, Wanted, Work};
use crate::store::ledger::{SqliteLedger, Taken};

/// What a queue was told, one line a call.
type Calls = Arc<Mutex<Vec<String>>>;

/// A queue that answers what it is told to.
#[derive(Default)]
struct Script {
    calls: Calls,
    accepts: Mutex<VecDeque<Result<Accepted, Fault>>>,
    wanted: Mutex<VecDeque<Result<Wanted, Fault>>>,
    /// Whether heartbeats are never answered.
    silent: AtomicBool,
}

impl Script {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

#[async_trait]
impl Queue for Script {
    async fn poll(&self, _: usize, _: Duration) -> Result<Vec<Offer>, Fault> {
        self.note("poll".to_owned());
        std::future::pending().await
    }

    async fn accept(&self, ticket: &Ticket) -> Result<Accepted, Fault> {
        self.note(format!("accept {} {}", ticket.job, ticket.receipt));
        let next = self.accepts.lock().unwrap().pop_front();
        match next {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn heartbeat(&self, ticket: &Ticket, _: &JobOrder) -> Result<Wanted, Fault> {
        self.note(format!("heartbeat {} {}", ticket.job, ticket.receipt));
        if self.silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.wanted.lock().unwrap().pop_front().unwrap_or(Ok(Wanted::Yes))
    }

    fn serves(&self, ticket: &Ticket, _: Option<&JobOrder>) -> bool {
        ticket.delivery.as_ref().is_none_or(|delivery| delivery.queue == "https://queue")
    }

    async fn report(&self, ticket: &Ticket, result: &JobResult) -> Result<Reported, Fault> {
        let said = result.failure.as_ref().map_or("success", |failure| failure.message.as_str());
        self.note(format!("report {} {said}", ticket.job));
        Ok(Reported::Delivered)
    }

    fn access(&self, _: &Ticket) -> Option<Arc<dyn Access>> {
        None
    }

    async fn let_go(&self, ticket: &Ticket, how: LetGo) -> Result<(), Fault> {
        self.note(format!("let go {} {} {how:?}", ticket.job, ticket.receipt));
        Ok(())
    }
}

/// Work that lasts until it is told to end, also when it is cancelled.
struct Bench {
    cleared: Mutex<Vec<String>>,
    objection: Mutex<Option<String>>,
    begun: watch::Sender<usize>,
    ends: watch::Sender<bool>,
}

struct NoBuckets;

#[async_trait]
impl Buckets for NoBuckets {
    async fn get(&self, _: &Object, _: &Path, _: &Progress, _: &Cancel) -> Result<(), Fault> {
        Err(Fault::system("there are no buckets"))
    }

    async fn put(&self, _: &Path, _: &Object, _: &Keeping, _: &Progress, _: &Cancel) -> Result<(), Fault> {
        Err(Fault::system("there are no buckets"))
    }
}

#[async_trait]
impl Workshop for Bench {
    async fn run(
        &self,
        _: &Claim,
        _: &JobOrder,
        _: Option<Arc<dyn Access>>,
        _: Arc<Seat>,
        _: &Cancel,
    ) -> Result<Prepared, Fault> {
        self.begun.send_modify(|count| *count += 1);
        let _ = self.ends.subscribe().wait_for(|ends| *ends).await;
        Err(Fault::configuration("done"))
    }

    async fn clear_lost(&self, _: &[String]) {}

    fn lose(&self, _: &str) {}

    async fn clear(&self, run: &str) {
        self.cleared.lock().unwrap().push(run.to_owned());
    }

    fn buckets(&self, _: Option<Arc<dyn Access>>) -> Arc<dyn Buckets> {
        Arc::new(NoBuckets)
    }

    async fn settle(&self, _: &str) {}

    fn links(&self, _: &RunState, _: &LogTargets) -> Vec<String> {
        Vec::new()
    }

    async fn objection(&self) -> Option<String> {
        self.objection.lock().unwrap().clone()
    }
}

/// One worker, and what it stands between.
struct Stand {
    worker: Arc<Worker>,
    queue: Arc<Script>,
    ledger: Arc<SqliteLedger>,
    bench: Arc<Bench>,
    _folder: tempfile::TempDir,
}

impl Stand {
    fn open() -> Self {
        Self::of(None)
    }

    /// A worker of a fleet, whose table is the same ledger.
    fn of_fleet() -> Self {
        Self::of(Some("sluice"))
    }

    fn of(table: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(SqliteLedger::open(folder.path()).unwrap());
        let queue = Arc::new(Script::default());
        let bench = Arc::new(Bench {
            cleared: Mutex::default(),
            objection: Mutex::default(),
            begun: watch::Sender::new(0),
            ends: watch::Sender::new(false),
        });
        let rhythm = Rhythm {
            poll: Duration::from_millis(20),
            longest: Duration::from_millis(20),
            heartbeat: Duration::from_millis(20),
            lease: Duration::from_secs(60),
        };
        let config = WorkerConfig {
            owner: "us".to_owned(),
            pools: vec!["linux".to_owned()],
            seats: 1,
            rhythm,
            takes_over: true,
            table: table.map(str::to_owned),
        };
        let worker = Worker::new(
            config,
            Arc::clone(&queue) as Arc<dyn Queue>,
            Arc::clone(&ledger) as Arc<dyn Ledger>,
            Arc::clone(&bench) as Arc<dyn Workshop>,
            Cancel::new(),
        );
        Self { worker, queue, ledger, bench, _folder: folder }
    }

    /// Enters a job as one that `owner` has until then.
    async fn enter(&self, job: &Job, owner: &str, until: Timestamp) -> Entry {
        let holder = Holder { owner: owner.to_owned(), now: clock::now(), until };
        match self.ledger.take(&job.ticket.job, &holder, &job.text().unwrap()).await.unwrap() {
            Taken::Ours(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    /// A job that is this worker's.
    async fn life(&self, job: Job) -> Life {
        let entry = self.enter(&job, "us", self.worker.holder().until).await;
        let active = self.worker.begin(&job.ticket.job).unwrap();
        Life::of(Held { job, entry, _active: active })
    }

    /// Another worker takes a job, as if our lease had run out.
    async fn steal(&self, job: &str) {
        let now = clock::now() + SignedDuration::from_hours(1);
        let holder = Holder { owner: "them".to_owned(), now, until: now };
        assert!(matches!(self.ledger.take(job, &holder, "").await.unwrap(), Taken::Ours(_)));
    }

    /// What the ledger has of a job that is open.
    async fn known(&self, job: &str) -> Option<Entry> {
        self.ledger.open().await.unwrap().into_iter().find(|entry| entry.job == job)
    }

    fn calls(&self, what: &str) -> Vec<String> {
        self.queue.calls.lock().unwrap().iter().filter(|call| call.starts_with(what)).cloned().collect()
    }
}

/// Waits until something holds.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let tried = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), tried).await.is_ok(), "{what}");
}

fn order(job: &str, turn: Option<Turn>) -> JobOrder {
    JobOrder {
        key: job.to_owned(),
        pool: String::new(),
        project: "web".to_owned(),
        place: Place::default(),
        source: pipeline_spec::plan::Source::Folder { path: ".".to_owned() },
        inputs: Vec::new(),
        work: Work::Spec(Box::default()),
        outputs: Vec::new(),
        encryption_key: None,
        turn,
    }
}

fn accepted(job: &str) -> Step {
    Step::Accepted { run: format!("run-{job}"), on: "us".to_owned(), parked: false, ended: 0 }
}

/// A job of CodePipeline.
fn job(id: &str, step: Step) -> Job {
    let ticket = Ticket { job: id.to_owned(), receipt: "nonce-1".to_owned(), delivery: None };
    Job { ticket, order: Ok(order(id, None)), step }
}

/// A job that came as a message so long ago, and waits for its turn.
fn message(id: &str, sent: &str, mode: Order, received: Timestamp) -> Job {
    let delivery = Some(Delivery { queue: "https://queue".to_owned(), received, count: 1 });
    let ticket = Ticket { job: id.to_owned(), receipt: "receipt-1".to_owned(), delivery };
    let turn = Turn { group: "web/main".to_owned(), order: mode, sent: sent.to_owned(), begun: false };
    Job { ticket, order: Ok(order(id, Some(turn))), step: accepted(id) }
}

/// The same job, begun.
fn with_turn(mut job: Job) -> Job {
    if let Ok(JobOrder { turn: Some(turn), .. }) = &mut job.order {
        turn.begun = true;
    }
    job
}
