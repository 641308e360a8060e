//! Jobs of CodePipeline's custom actions: PollForJobs, AcknowledgeJob, GetJobDetails, PutJobSuccessResult,
//! PutJobFailureResult (CodePipeline API reference; user guide, "Create and add a custom action").
//!
//! No continuation tokens are used: they make a new job for each look at the work, and a lease does the same for less.
//! A result needs nothing but the job's id, so that whoever holds the lease can report it.

pub mod action_type;
pub(super) mod configuration;
mod execution;
mod job;
pub mod options;
mod result;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_codepipeline::types::{ActionCategory, ActionOwner, ActionTypeId, JobStatus};
use aws_types::SdkConfig;

use self::action_type::Category;
use super::{Accepted, JobOrder, JobResult, Offer, Queue, Reported, Ticket, Wanted};
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

/// The queue of one account and Region: custom actions are never those of another.
pub struct CodePipeline {
    client: Client,
    config: SdkConfig,
    asked: Vec<(Category, String)>,
    /// Where the next poll begins, so that no pool starves behind another.
    turn: std::sync::atomic::AtomicUsize,
    /// What went wrong with single polls and was told.
    told: Mutex<BTreeSet<String>>,
}

impl CodePipeline {
    /// With the worker's own credentials.
    #[must_use]
    pub fn new(config: SdkConfig, asked: CodePipelineConfig) -> Self {
        let pairs = |category: &Category| asked.pools.iter().map(|pool| (*category, pool.clone())).collect::<Vec<_>>();
        let asked = asked.categories.iter().flat_map(pairs).collect();
        Self {
            client: Client::new(&config),
            config,
            asked,
            turn: std::sync::atomic::AtomicUsize::default(),
            told: Mutex::default(),
        }
    }

    async fn poll_one(&self, category: Category, pool: &str, free: usize) -> Result<Vec<Offer>, Fault> {
        let batch = i32::try_from(free).unwrap_or(i32::MAX);
        let request = self.client.poll_for_jobs().action_type_id(action_type_id(category)?).max_batch_size(batch);
        let answer = request.query_param(action_type::POOL, pool).send().await.map_err(|error| {
            let fault = aws::fault(format!("polling for {} jobs of pool {pool}", category.name()), &error);
            match error.code() {
                Some("ActionTypeNotFoundException") => {
                    fault.hint("make the action types first: `sluice setup codepipeline` prints the template")
                }
                _ => fault,
            }
        })?;
        Ok(answer.jobs().iter().filter_map(|job| job::offer(job, category)).collect())
    }
}

fn action_type_id(category: Category) -> Result<ActionTypeId, Fault> {
    ActionTypeId::builder()
        .category(ActionCategory::from(category.name()))
        .owner(ActionOwner::Custom)
        .provider(action_type::PROVIDER)
        .version(action_type::VERSION)
        .build()
        .map_err(|error| Fault::system(format!("the action type: {error}")))
}

#[async_trait]
impl Queue for CodePipeline {
    async fn poll(&self, free: usize, _: std::time::Duration) -> Result<Vec<Offer>, Fault> {
        let first = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % self.asked.len().max(1);
        let (mut offers, mut answered, mut broken) = (Vec::new(), false, None);
        for (category, pool) in self.asked.iter().cycle().skip(first).take(self.asked.len()) {
            if offers.len() >= free {
                break;
            }
            match self.poll_one(*category, pool, free - offers.len()).await {
                Ok(more) => {
                    answered = true;
                    offers.extend(more);
                }
                Err(fault) => broken = Some(fault),
            }
        }
        match broken {
            Some(fault) if !answered => Err(fault),
            // An account may have only some of the types; and what was offered must not be lost with this.
            Some(fault) => {
                let news = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(fault.message.clone());
                if news {
                    tracing::warn!(%fault, hint = fault.hint, "one of the polls failed; the others go on");
                }
                Ok(offers)
            }
            None => Ok(offers),
        }
    }

    async fn accept(&self, ticket: &Ticket) -> Result<Accepted, Fault> {
        let request = self.client.acknowledge_job().job_id(&ticket.job).nonce(&ticket.receipt);
        match request.send().await {
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

    async fn report(&self, ticket: &Ticket, result: &JobResult) -> Result<Reported, Fault> {
        let doing = format!("reporting job {}", ticket.job);
        match result::of(result)? {
            result::Put::Success { details, variables } => {
                let request = self.client.put_job_success_result().job_id(&ticket.job).execution_details(details);
                let variables = (!variables.is_empty()).then_some(variables);
                put(&doing, request.set_output_variables(variables).send().await.map(|_| ()))
            }
            result::Put::Failure(details) => {
                let request = self.client.put_job_failure_result().job_id(&ticket.job).failure_details(details);
                put(&doing, request.send().await.map(|_| ()))
            }
        }
    }

    fn access(&self, ticket: &Ticket) -> Option<Arc<dyn Access>> {
        Some(Arc::new(JobAccess { client: self.client.clone(), config: self.config.clone(), job: ticket.job.clone() }))
    }
}

/// What an answer to a result means.
fn put<E, R>(doing: &str, answer: Result<(), SdkError<E, R>>) -> Result<Reported, Fault>
where
    E: std::error::Error + aws_sdk_codepipeline::error::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    match answer {
        Ok(()) => Ok(Reported::Delivered),
        Err(error) => match error.code() {
            Some(code @ ("InvalidJobStateException" | "JobNotFoundException")) => {
                let said = error.message().unwrap_or("no message");
                Ok(Reported::Refused { why: format!("{code}: {said}") })
            }
            _ => Err(aws::fault(doing, &error)),
        },
    }
}

/// The credentials of one job, fetched for each transfer: they live for a quarter of an hour.
struct JobAccess {
    client: Client,
    config: SdkConfig,
    job: String,
}

#[async_trait]
impl Access for JobAccess {
    async fn config(&self) -> Result<SdkConfig, Fault> {
        let doing = format!("asking for the credentials of job {}", self.job);
        let answer = self.client.get_job_details().job_id(&self.job).send().await;
        let answer = answer.map_err(|error| aws::fault(&doing, &error))?;
        let given =
            answer.job_details().and_then(|details| details.data()).and_then(|data| data.artifact_credentials());
        let given = given.ok_or_else(|| Fault::permission(format!("{doing}: the job has none")))?;
        let credentials = Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            None,
            "codepipeline-job",
        );
        Ok(self.config.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build())
    }
}
