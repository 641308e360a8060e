//! A job as the ledger keeps it: what it is and how far it is.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::queue::{JobOrder, JobResult, Offer, Refusal, Ticket};
use crate::store::new_run_id;

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Job {
    /// What it is asked for with.
    pub ticket: Ticket,
    /// What it asks for, or why it cannot be done.
    pub order: Result<JobOrder, Refusal>,
    /// How far it is.
    pub step: Step,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step", rename_all_fields = "kebab-case")]
pub enum Step {
    /// It was offered; the queue may not know yet that we take it. The run that will do it has its name already: a process
    /// that could not write down that the job is its own goes on with it, and whoever comes next must find that run.
    Offered {
        /// The run.
        #[serde(default = "new_run_id")]
        run: String,
        /// The worker that it was offered to first.
        #[serde(default)]
        on: String,
    },
    /// It is ours, and this run does it.
    Accepted {
        /// The run.
        run: String,
        /// The worker that began it.
        on: String,
        /// Whether it waits for people, and was left to whoever comes by.
        #[serde(default)]
        parked: bool,
        /// How many processes have ended while they had it.
        #[serde(default)]
        ended: u32,
    },
    /// It has this result, which the queue may not know yet.
    Finished {
        /// The result.
        result: JobResult,
    },
}

impl Job {
    /// A job that was just offered.
    #[must_use]
    pub fn offered(offer: Offer, to: &str) -> Self {
        let step = Step::Offered { run: new_run_id(), on: to.to_owned() };
        Self { ticket: offer.ticket, order: offer.order, step }
    }

    /// The run that does it, or would.
    #[must_use]
    pub fn run(&self) -> Option<String> {
        match &self.step {
            Step::Offered { run, .. } | Step::Accepted { run, .. } => Some(run.clone()),
            Step::Finished { .. } => None,
        }
    }

    /// Whether nothing is left but to report it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.step, Step::Finished { .. })
    }

    /// As the ledger keeps it.
    ///
    /// # Errors
    /// A `System` fault; it would be ours.
    pub fn text(&self) -> Result<String, Fault> {
        serde_json::to_string(self).map_err(|error| Fault::system(format!("job {}: {error}", self.ticket.job)))
    }

    /// From what the ledger keeps.
    ///
    /// # Errors
    /// A `System` fault for a text of another version.
    pub fn parse(job: &str, text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|error| {
            Fault::system(format!("job {job}: what the ledger knows of it cannot be read: {error}"))
                .hint("another version of sluice wrote it; let that version finish it")
        })
    }
}
