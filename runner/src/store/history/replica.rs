//! A run's record in the table as well: what happened here is sent there in its order, and answers to approvals that
//! were given there are brought here. The run writes here first and waits for no network, unless it asks to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::DynamoHistory;
use crate::fault::Fault;
use crate::store::ledger::DynamoLedger;
use crate::store::{Record, RunRow};

/// How often the table is asked for answers.
const LOOK: Duration = Duration::from_secs(3);
/// How long a table that answers, and takes nothing, is waited for.
const REFUSED: Duration = Duration::from_secs(2 * 60);
/// The pauses after a failure: the first one, and the longest. Each is twice the one before it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// The lease that a run is carried out under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The run.
    pub run: String,
    /// Its job.
    pub job: String,
    /// Who holds the job.
    pub owner: String,
    /// The holder's fence.
    pub fence: u64,
}

/// The record of one run on its way into the table. When it is dropped, what is left is still sent.
#[derive(Debug)]
pub struct Replica {
    told: watch::Sender<u64>,
    sent: watch::Receiver<u64>,
    /// Why the table takes nothing, though it answers.
    refused: watch::Receiver<Option<Fault>>,
    tenure: Tenure,
    ledger: DynamoLedger,
}

impl Replica {
    /// Begins to send what comes after event number `sent` in the record of that state directory. `hears`: the run may
    /// wait for answers to approvals.
    ///
    /// # Errors
    /// When the record cannot be opened.
    pub fn start(
        state: &Path,
        (history, ledger): (DynamoHistory, DynamoLedger),
        row: RunRow,
        tenure: Tenure,
        sent: u64,
        hears: bool,
    ) -> Result<Arc<Self>, Fault> {
        let record = Record::open(state)?;
        let (told, hear_told) = watch::channel(sent);
        let (tell_sent, hear_sent) = watch::channel(sent);
        let (tell_refused, refused) = watch::channel(None);
        let sender = Sender {
            record,
            history,
            row: Some(row),
            tenure: tenure.clone(),
            sent: tell_sent,
            refused: tell_refused,
            hears,
        };
        tokio::spawn(sender.send_all(hear_told));
        Ok(Arc::new(Self { told, sent: hear_sent, refused, tenure, ledger }))
    }

    /// The record here has that event.
    pub fn told(&self, sequence: u64) {
        self.told.send_replace(sequence);
    }

    /// Waits until the table has all that was told so far, for as long as that takes.
    pub async fn reached(&self) {
        let wanted = *self.told.borrow();
        // Without a sender nothing more comes, and the process is about to end.
        let _ = self.sent.clone().wait_for(|sent| *sent >= wanted).await;
    }

    /// Waits until the table has all that was told so far, and makes sure that the run is still ours: for what must
    /// not happen twice in the world.
    ///
    /// # Errors
    /// A `Stopped` fault when another worker has the job; other faults when that cannot be asked, or when the table has
    /// answered for some time that it takes nothing.
    pub async fn settled(&self) -> Result<(), Fault> {
        tokio::select! {
            () = self.reached() => {}
            fault = self.refuses() => return Err(fault),
        }
        let Tenure { job, owner, fence, .. } = &self.tenure;
        match self.ledger.holds(job, owner, *fence).await? {
            true => Ok(()),
            false => Err(Fault::stopped("another worker has the job now")),
        }
    }

    /// Waits until the table has refused what it is sent for so long that waiting helps nobody.
    async fn refuses(&self) -> Fault {
        let mut refused = self.refused.clone();
        loop {
            let Ok(fault) = refused.wait_for(Option::is_some).await.map(|fault| Option::clone(&fault)) else {
                return std::future::pending().await;
            };
            match tokio::time::timeout(REFUSED, refused.wait_for(Option::is_none)).await {
                Ok(_) => {}
                Err(_) => return fault.unwrap_or_else(|| Fault::system("the table takes nothing")),
            }
        }
    }
}

/// The task behind a [`Replica`].
struct Sender {
    record: Record,
    history: DynamoHistory,
    /// Until it has been entered.
    row: Option<RunRow>,
    tenure: Tenure,
    sent: watch::Sender<u64>,
    refused: watch::Sender<Option<Fault>>,
    hears: bool,
}

impl Sender {
    async fn send_all(mut self, mut told: watch::Receiver<u64>) {
        let mut pause = PAUSES.0;
        loop {
            let wanted = *told.borrow_and_update();
            match self.send(wanted).await {
                Ok(()) => {
                    self.refused.send_if_modified(|refused| refused.take().is_some());
                    pause = PAUSES.0;
                }
                Err(fault) if !fault.away && told.has_changed().is_err() => {
                    tracing::error!(run = self.tenure.run, %fault, "the fleet does not hear of the end of a run");
                    return;
                }
                Err(fault) => {
                    tracing::warn!(run = self.tenure.run, %fault, "the fleet does not hear of a run for now");
                    self.refused.send_if_modified(|refused| {
                        let changes = refused.is_none() != fault.away;
                        *refused = (!fault.away).then(|| fault.clone());
                        changes
                    });
                    tokio::time::sleep(pause.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
                    pause = (pause * 2).min(PAUSES.1);
                    continue;
                }
            }
            tokio::select! {
                changed = told.changed() => if changed.is_err() && *told.borrow() == *self.sent.borrow() { return },
                () = tokio::time::sleep(LOOK), if self.hears => {
                    if let Err(fault) = self.bring_answers().await {
                        tracing::warn!(run = self.tenure.run, %fault, "answers to approvals cannot be asked for");
                    }
                }
            }
        }
    }

    /// Sends what the record has up to that number.
    async fn send(&mut self, wanted: u64) -> Result<(), Fault> {
        if let Some(row) = &self.row {
            self.history.enter(row).await?;
            self.row = None;
        }
        let sent = *self.sent.borrow();
        if sent >= wanted {
            return Ok(());
        }
        let mut events = self.record.events(&self.tenure.run, sent)?;
        events.retain(|event| event.sequence <= wanted);
        self.history.append(&self.tenure.run, self.tenure.fence, &events).await?;
        self.sent.send_replace(wanted);
        Ok(())
    }

    /// Writes answers of the table down here, where the run looks for them.
    async fn bring_answers(&mut self) -> Result<(), Fault> {
        let answers = self.history.all_decisions(&self.tenure.run).await?;
        self.record.take_answers(&self.tenure.run, &answers)
    }
}
