//! The begin of a job: from what its order names to a run that is written down.

use std::collections::BTreeMap;

use super::super::{Started, job_plan};
use super::JobShop;
use crate::cancel::Cancel;
use crate::clock;
use crate::fault::Fault;
use crate::gate;
use crate::progress::Progress;
use crate::queue::{JobOrder, Work};
use crate::retry;
use crate::run::{Input, Options, Prefetched};
use crate::source::Sources;
use crate::store::RunRow;

impl JobShop {
    /// Makes the run of a job: fetches what it works on, and reads what it is to do.
    pub(super) async fn begin(
        &self,
        id: &str,
        order: &JobOrder,
        sources: &dyn Sources,
        cancel: &Cancel,
    ) -> Result<(RunRow, Prefetched), Fault> {
        let scratch = self.folders.scratch_of_job()?;
        let folder = scratch.path().join("source");
        let silent = Progress::silent();
        let fetch = || sources.fetch(&order.source, &folder, &silent, cancel);
        let revision = retry::while_away(retry::NEEDED, cancel, fetch).await?;
        let (mut plan, warnings) = match &order.work {
            Work::Spec(spec) => job_plan::of_spec(spec, &order.project, &folder)?,
            Work::Deployment(deployment) => (job_plan::of_deployment(deployment, order, &folder)?, BTreeMap::new()),
        };
        plan.source = order.source.clone();
        gate::check(&plan, clock::now())?;
        let options = Options { warnings, ..self.options(order) };
        self.config.trust.check(&plan, options.image.as_deref())?;
        let started = Started { options, secrets: None, for_job: true };
        let row = RunRow {
            id: id.to_owned(),
            pipeline: if order.place.pipeline.is_empty() { plan.name.clone() } else { order.place.pipeline.clone() },
            started: clock::now(),
            plan: serde_json::to_string(&plan).unwrap_or_default(),
            options: serde_json::to_string(&started).unwrap_or_default(),
        };
        Ok((row, Prefetched { folder, revision, _scratch: scratch }))
    }

    fn options(&self, order: &JobOrder) -> Options {
        let image = match &order.work {
            Work::Spec(spec) => spec.image.clone(),
            Work::Deployment(_) => None,
        };
        let inputs = order.inputs.iter();
        Options {
            image: image.or_else(|| self.config.image.clone()),
            parallel: self.config.parallel,
            // A run from a message is not one of CodePipeline, though it has a pipeline.
            user: match order.place.execution.as_str() {
                "" => "sluice".to_owned(),
                _ => format!("codepipeline/{}", order.place.pipeline),
            },
            region: self.region.clone(),
            account: self.account.clone(),
            grace_seconds: self.config.grace_seconds,
            zip: true,
            inputs: inputs.map(|input| Input { name: input.name.clone(), source: input.source.clone() }).collect(),
            logs: self.config.logs.clone(),
            ..Options::default()
        }
    }
}
