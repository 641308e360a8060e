//! Two queues as one: CodePipeline, which answers at once, and one that waits for messages. Each job goes back to where
//! it came from, which its ticket says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Accepted, JobOrder, JobResult, LetGo, Offer, Queue, Reported, Ticket, Wanted};
use crate::bucket::Access;
use crate::fault::Fault;

/// How long a job that was found waits for messages that may be there too.
const MOMENT: Duration = Duration::from_secs(1);

/// Jobs of CodePipeline, and jobs that come as messages.
pub struct Both {
    jobs: Arc<dyn Queue>,
    messages: Arc<dyn Queue>,
    rounds: tokio::sync::Mutex<Rounds>,
    /// Why one of them cannot be polled while the other can.
    trouble: Mutex<Option<String>>,
}

/// What one poll leaves to the next.
#[derive(Default)]
struct Rounds {
    /// Offers that were found by a poll that was dropped before it had asked for the rest.
    found: Vec<Offer>,
    /// Whether messages were not asked for, because jobs had filled all seats: it is their turn then.
    owed: bool,
}

impl Both {
    /// `jobs` is polled first, and `messages` with the seats that are left; where none was left, the other way round the
    /// next time, so that neither keeps the other waiting for ever.
    #[must_use]
    pub fn new(jobs: Arc<dyn Queue>, messages: Arc<dyn Queue>) -> Self {
        Self { jobs, messages, rounds: tokio::sync::Mutex::default(), trouble: Mutex::default() }
    }

    /// Messages that are there now, for one who has other work and does not wait.
    async fn messages_now(&self, free: usize) -> Result<Vec<Offer>, Fault> {
        let poll = self.messages.poll(free, Duration::ZERO);
        tokio::time::timeout(MOMENT, poll).await.unwrap_or_else(|_| Ok(Vec::new()))
    }

    fn of(&self, ticket: &Ticket) -> &dyn Queue {
        if ticket.delivery.is_some() { self.messages.as_ref() } else { self.jobs.as_ref() }
    }

    /// Remembers what is wrong with one of them, and says so once.
    fn trouble_is(&self, fault: Option<&Fault>) {
        let why = fault.map(|fault| fault.message.clone());
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(fault), true) = (fault, *known != why) {
            tracing::warn!(%fault, hint = fault.hint, "one of the queues cannot be polled; the other goes on");
        }
        *known = why;
    }
}

#[async_trait]
impl Queue for Both {
    async fn poll(&self, free: usize, wait: Duration) -> Result<Vec<Offer>, Fault> {
        let mut rounds = self.rounds.lock().await;
        let Rounds { found, owed } = &mut *rounds;
        let was_dropped = !found.is_empty();
        let asked = !was_dropped && std::mem::take(owed);
        if asked {
            // What fails here is told of below, where messages are asked for again.
            found.extend(self.messages_now(free).await.unwrap_or_default());
        }
        let jobs = match free.saturating_sub(found.len()) {
            left if left > 0 && !was_dropped => self.jobs.poll(left, Duration::ZERO).await,
            _ => Ok(Vec::new()),
        };
        let jobs = jobs.map(|offers| found.extend(offers));
        let messages = match free.saturating_sub(found.len()) {
            0 => {
                *owed = !asked;
                return Ok(std::mem::take(found));
            }
            // Only one who has nothing to do may wait.
            left if found.is_empty() => self.messages.poll(left, wait).await,
            left => self.messages_now(left).await,
        };
        // One that fails must not keep the other's jobs away, or slow it down.
        match (jobs, messages) {
            (Err(fault), Err(_)) => Err(fault),
            (jobs, messages) => {
                self.trouble_is(jobs.as_ref().err().or(messages.as_ref().err()));
                let mut offers = std::mem::take(found);
                offers.extend(messages.unwrap_or_default());
                Ok(offers)
            }
        }
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn accept(&self, ticket: &Ticket) -> Result<Accepted, Fault> {
        self.of(ticket).accept(ticket).await
    }

    async fn heartbeat(&self, ticket: &Ticket, order: &JobOrder) -> Result<Wanted, Fault> {
        self.of(ticket).heartbeat(ticket, order).await
    }

    fn serves(&self, ticket: &Ticket, order: Option<&JobOrder>) -> bool {
        self.of(ticket).serves(ticket, order)
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives what it is told to, and then waits for ever.
    #[derive(Default)]
    struct Script(Mutex<VecDeque<Result<Vec<Offer>, Fault>>>);

    #[async_trait]
    impl Queue for Script {
        async fn poll(&self, _: usize, _: Duration) -> Result<Vec<Offer>, Fault> {
            let next = self.0.lock().unwrap().pop_front();
            match next {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }

        async fn accept(&self, _: &Ticket) -> Result<Accepted, Fault> {
            Ok(Accepted::Gone)
        }

        async fn heartbeat(&self, _: &Ticket, _: &JobOrder) -> Result<Wanted, Fault> {
            Ok(Wanted::Yes)
        }

        fn serves(&self, _: &Ticket, _: Option<&JobOrder>) -> bool {
            true
        }

        async fn report(&self, _: &Ticket, _: &JobResult) -> Result<Reported, Fault> {
            Ok(Reported::Delivered)
        }

        fn access(&self, _: &Ticket) -> Option<Arc<dyn Access>> {
            None
        }
    }

    fn queue(answers: impl IntoIterator<Item = Result<Vec<Offer>, Fault>>) -> Arc<Script> {
        Arc::new(Script(Mutex::new(answers.into_iter().collect())))
    }

    fn offer(job: &str) -> Offer {
        let ticket = Ticket { job: job.to_owned(), receipt: "1".to_owned(), delivery: None };
        let message = "no data".to_owned();
        Offer { ticket, order: Err(crate::queue::Refusal { kind: crate::queue::FailureKind::JobFailed, message }) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_was_found_is_not_lost_with_its_poll_and_does_not_wait_for_messages() {
        let both = Both::new(queue([Ok(vec![offer("a")])]), queue([]));
        assert!(tokio::time::timeout(MOMENT / 2, both.poll(2, MOMENT * 10)).await.is_err(), "it is dropped");
        assert_eq!(both.poll(2, MOMENT * 10).await.unwrap(), [offer("a")]);
    }

    #[tokio::test]
    async fn of_two_that_have_more_than_there_are_seats_each_has_its_turn() {
        let both = Both::new(queue(["a", "b"].map(|job| Ok(vec![offer(job)]))), queue([Ok(vec![offer("1")])]));
        for job in ["a", "1", "b"] {
            assert_eq!(both.poll(1, MOMENT).await.unwrap(), [offer(job)]);
        }
    }

    #[tokio::test]
    async fn one_that_fails_is_told_of_and_the_other_goes_on() {
        let broken = || Err(Fault::system("no queue"));
        let both = Both::new(queue([Ok(vec![]), Ok(vec![]), broken()]), queue([broken(), Ok(vec![]), broken()]));
        assert_eq!(both.poll(1, MOMENT).await.unwrap(), []);
        assert_eq!(both.trouble().as_deref(), Some("no queue"));
        assert_eq!(both.poll(1, MOMENT).await.unwrap(), []);
        assert_eq!(both.trouble(), None);
        both.poll(1, MOMENT).await.unwrap_err();
    }
}
