//! Asks for jobs: of each action type and pool in turn.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::error::ProvideErrorMetadata as _;
use aws_sdk_codepipeline::types::{ActionCategory, ActionOwner, ActionTypeId};

use super::action_type::{self, Category};
use super::{CodePipelineConfig, job};
use crate::aws;
use crate::fault::Fault;
use crate::queue::Offer;

pub(super) struct Poller {
    client: Client,
    asked: Vec<(Category, String)>,
    /// Where the next poll begins, so that no pool starves behind another.
    turn: AtomicUsize,
    /// What went wrong with single polls and was told.
    told: Mutex<BTreeSet<String>>,
}

impl Poller {
    pub(super) fn new(client: Client, asked: &CodePipelineConfig) -> Self {
        let pairs = |category: &Category| asked.pools.iter().map(|pool| (*category, pool.clone())).collect::<Vec<_>>();
        let asked = asked.categories.iter().flat_map(pairs).collect();
        Self { client, asked, turn: AtomicUsize::default(), told: Mutex::default() }
    }

    /// At most `free` offers.
    pub(super) async fn poll(&self, free: usize) -> Result<Vec<Offer>, Fault> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.asked.len().max(1);
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
