//! Two queues as one: CodePipeline, which answers at once, and one that waits for messages. Each job goes back to where
//! it came from, which its ticket says.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Accepted, JobOrder, JobResult, LetGo, Offer, Queue, Reported, Ticket, Wanted};
use crate::bucket::Access;
use crate::fault::Fault;

/// Jobs of CodePipeline, and jobs that come as messages.
pub struct Both {
    jobs: Arc<dyn Queue>,
    messages: Arc<dyn Queue>,
}

impl Both {
    /// `jobs` is polled first, and `messages` with the seats that are left.
    #[must_use]
    pub fn new(jobs: Arc<dyn Queue>, messages: Arc<dyn Queue>) -> Self {
        Self { jobs, messages }
    }

    fn of(&self, ticket: &Ticket) -> &dyn Queue {
        if ticket.delivery.is_some() { self.messages.as_ref() } else { self.jobs.as_ref() }
    }
}

#[async_trait]
impl Queue for Both {
    async fn poll(&self, free: usize, wait: Duration) -> Result<Vec<Offer>, Fault> {
        let jobs = self.jobs.poll(free, Duration::ZERO).await;
        let found = jobs.as_ref().map_or(0, Vec::len);
        if found >= free {
            return jobs;
        }
        // Only one who has nothing to do may wait.
        let wait = if found > 0 { Duration::ZERO } else { wait };
        match (jobs, self.messages.poll(free - found, wait).await) {
            (Ok(mut offers), Ok(more)) => {
                offers.extend(more);
                Ok(offers)
            }
            // One that fails must not keep the other's jobs away, and none of what was offered may be lost.
            (Ok(offers), Err(fault)) | (Err(fault), Ok(offers)) if !offers.is_empty() => {
                tracing::warn!(%fault, "one of the queues cannot be polled");
                Ok(offers)
            }
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        }
    }

    async fn accept(&self, ticket: &Ticket) -> Result<Accepted, Fault> {
        self.of(ticket).accept(ticket).await
    }

    async fn heartbeat(&self, ticket: &Ticket, order: &JobOrder) -> Result<Wanted, Fault> {
        self.of(ticket).heartbeat(ticket, order).await
    }

    async fn report(&self, ticket: &Ticket, result: &JobResult) -> Result<Reported, Fault> {
        self.of(ticket).report(ticket, result).await
    }

    fn access(&self, ticket: &Ticket) -> Option<Arc<dyn Access>> {
        self.of(ticket).access(ticket)
    }

    async fn let_go(&self, ticket: &Ticket, how: LetGo) -> Result<(), Fault> {
        self.of(ticket).let_go(ticket, how).await
    }

    async fn leave(&self) {
        self.jobs.leave().await;
        self.messages.leave().await;
    }
}
