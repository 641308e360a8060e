//! Jobs of CodePipeline's custom actions: PollForJobs, AcknowledgeJob, GetJobDetails, PutJobSuccessResult,
//! PutJobFailureResult (CodePipeline API reference; user guide, "Create and add a custom action").
//!
//! No continuation tokens are used: they make a new job for each look at the work, and a lease does the same for less.
//! A result needs nothing but the job's id, so that whoever holds the lease can report it.

mod access;
pub mod action_type;
pub(super) mod configuration;
mod execution;
mod job;
pub mod options;
mod poll;
mod result;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::config::Config;
use aws_sdk_codepipeline::config::retry::RetryConfig;
use aws_sdk_codepipeline::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_codepipeline::types::JobStatus;
use aws_types::SdkConfig;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinHandle};

use self::access::JobAccess;
use self::action_type::Category;
use self::poll::Poller;
use super::{Accepted, JobOrder, JobResult, Offer, Queue, Reported, Ticket, Wanted, Work};
use crate::aws;
use crate::bucket::Access;
use crate::fault::Fault;

/// Which jobs are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePipelineConfig {
    /// The action types.
    pub categories: Vec<Category>,
    /// The pools: the values of the queryable word.
    pub pools: Vec<String>,
}

/// A poll that is under way.
type Polling = JoinHandle<Result<Vec<Offer>, Fault>>;

/// The queue of one account and Region: custom actions are never those of another.
pub struct CodePipeline {
    client: Client,
    config: SdkConfig,
    asked: CodePipelineConfig,
    poller: Arc<Poller>,
    /// The poll that outlives the one who asked for it, so that nothing that it brings is lost.
    waiting: Mutex<Option<Polling>>,
}

impl CodePipeline {
    /// With the worker's own credentials.
    #[must_use]
    pub fn new(config: SdkConfig, asked: CodePipelineConfig) -> Self {
        let client = Client::new(&config);
        let poller = Arc::new(Poller::new(client.clone(), &asked));
        Self { client, config, asked, poller, waiting: Mutex::default() }
    }

    async fn put(&self, ticket: &Ticket, put: result::Put) -> Result<Answer, Fault> {
        let doing = format!("reporting job {}", ticket.job);
        match put {
            result::Put::Success { details, variables } => {
                let request = self.client.put_job_success_result().job_id(&ticket.job).execution_details(details);
                let variables = (!variables.is_empty()).then_some(variables);
                answer(&doing, request.set_output_variables(variables).send().await.map(|_| ()))
            }
            result::Put::Failure(details) => {
                let request = self.client.put_job_failure_result().job_id(&ticket.job).failure_details(details);
                answer(&doing, request.send().await.map(|_| ()))
            }
        }
    }
}

#[async_trait]
impl Queue for CodePipeline {
    async fn poll(&self, free: usize, _: std::time::Duration) -> Result<Vec<Offer>, Fault> {
        let mut waiting = self.waiting.lock().await;
        if let Some(call) = waiting.as_mut() {
            let earlier = joined(call.await);
            *waiting = None;
            // One that found nothing may have asked before the job was there that we were woken for.
            if !matches!(&earlier, Ok(offers) if offers.is_empty()) {
                return earlier;
            }
        }
        let poller = Arc::clone(&self.poller);
        let call = waiting.insert(tokio::spawn(async move { poller.poll(free).await }));
        let offers = joined(call.await);
        *waiting = None;
        offers
    }

    async fn accept(&self, ticket: &Ticket) -> Result<Accepted, Fault> {
        // Made once: made again by the SDK after its answer was lost, a refused nonce would look like a race that was lost.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let request = self.client.acknowledge_job().job_id(&ticket.job).nonce(&ticket.receipt);
        match request.customize().config_override(once).send().await {
            Ok(answer) if answer.status() == Some(&JobStatus::InProgress) => Ok(Accepted::Ours),
            Ok(_) => Ok(Accepted::Gone),
            Err(error) => match error.code() {
                Some("InvalidNonceException" | "JobNotFoundException") => Ok(Accepted::Gone),
                _ => Err(aws::fault(format!("acknowledging job {}", ticket.job), &error)),
            },
        }
    }

    async fn heartbeat(&self, _: &Ticket, order: &JobOrder) -> Result<Wanted, Fault> {
        execution::wanted(&self.client, order).await
    }

    fn serves(&self, ticket: &Ticket, order: Option<&JobOrder>) -> bool {
        let deploys = order.map(|order| matches!(order.work, Work::Deployment(_)));
        let is_asked_for =
            |category: &Category| deploys.is_none_or(|deploys| deploys == (*category == Category::Deploy));
        ticket.delivery.is_none() && self.asked.categories.iter().any(is_asked_for)
    }

    async fn report(&self, ticket: &Ticket, result: &JobResult) -> Result<Reported, Fault> {
        let mut refused = match self.put(ticket, result::of(result)?).await? {
            Answer::Settled(reported) => return Ok(reported),
            Answer::Contents { why } => why,
        };
        // A result that the service does not take must not leave the action hanging: it fails, and says why.
        for put in result::instead(result, &refused)? {
            tracing::warn!(job = ticket.job, refused, "CodePipeline refuses a result; a shorter one is told");
            refused = match self.put(ticket, put).await? {
                Answer::Settled(reported) => return Ok(reported),
                Answer::Contents { why } => why,
            };
        }
        Err(Fault::configuration(format!("reporting job {}: {refused}", ticket.job)))
    }

    fn access(&self, ticket: &Ticket) -> Option<Arc<dyn Access>> {
        Some(Arc::new(JobAccess { client: self.client.clone(), config: self.config.clone(), job: ticket.job.clone() }))
    }
}

fn joined(call: Result<Result<Vec<Offer>, Fault>, JoinError>) -> Result<Vec<Offer>, Fault> {
    call.unwrap_or_else(|error| Err(Fault::system(format!("polling for jobs: {error}"))))
}

/// What became of a result.
enum Answer {
    /// Nothing more can be said about the job.
    Settled(Reported),
    /// The job is open, and this is not a result that the service takes.
    Contents { why: String },
}

/// What an answer to a result means.
fn answer<E, R>(doing: &str, answer: Result<(), SdkError<E, R>>) -> Result<Answer, Fault>
where
    E: std::error::Error + aws_sdk_codepipeline::error::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    match answer {
        Ok(()) => Ok(Answer::Settled(Reported::Delivered)),
        Err(error) => {
            let why = |code: &str| format!("{code}: {}", error.message().unwrap_or("no message"));
            match error.code() {
                Some(code @ ("InvalidJobStateException" | "JobNotFoundException")) => {
                    Ok(Answer::Settled(Reported::Refused { why: why(code) }))
                }
                Some(code @ ("ValidationException" | "OutputVariablesSizeExceededException")) => {
                    Ok(Answer::Contents { why: why(code) })
                }
                _ => Err(aws::fault(doing, &error)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
