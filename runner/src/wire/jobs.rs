//! The workshop of a worker: from a job's order to a run that this process carries out.

mod begin;
mod fitness;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_types::SdkConfig;
use pipeline_spec::plan::Plan;

use super::fleet::Fleet;
use super::{Started, docker_config, lost, ports, revisions};
use crate::aws::Aws;
use crate::bucket::{Access, Buckets, S3};
use crate::cancel::Cancel;
use crate::engine::docker::{DockerConfig, DockerEngine, WarmConfig};
use crate::fault::{Fault, io};
use crate::identity;
use crate::logs::{CloudWatchConfig, CloudWatchLogs, LogTargets, Retention, Shipping, ShippingConfig};
use crate::queue::JobOrder;
use crate::recorder::Recorder;
use crate::run::{Ports, Run, Seat};
use crate::settings::Environment;
use crate::sink::{LogFiles, Shipments, Sink};
use crate::state::{ActionState, RunState};
use crate::store::{BuildNumbers, Record, RunRow, StateFolders, Table};
use crate::trust::Trust;
use crate::worker::{Claim, Prepared, Workshop};

/// What all jobs of a worker share.
#[derive(Clone, Debug, Default)]
pub struct JobShopConfig {
    /// The build image where neither spec nor action names one.
    pub image: Option<String>,
    /// Seconds that a command may take to end after SIGTERM.
    pub grace_seconds: u64,
    /// Builds of one run at the same time.
    pub parallel: usize,
    /// What jobs may name.
    pub trust: Trust,
    /// Where logs go.
    pub logs: LogTargets,
    /// How long logs are kept in groups that are made here.
    pub retention: Option<Retention>,
    /// Containers that wait for builds of the images of late.
    pub warm: usize,
    /// How often registries are asked what tags of build images mean by now; zero: never.
    pub refresh: Duration,
    /// Bytes that must be free on the disk of the state directory before a job is taken.
    pub free_disk: u64,
    /// Bytes of memory that must be free before a job is taken.
    pub free_memory: u64,
}

/// How long the end of a job waits for its logs to be where people look for them.
const LOGS: Duration = Duration::from_secs(15);

/// Puts the runs of jobs together.
pub struct JobShop {
    environment: Environment,
    folders: StateFolders,
    config: JobShopConfig,
    shared: Ports,
    fleet: Option<Fleet>,
    aws: Aws,
    account: Option<String>,
    region: Option<String>,
    shipping: Shipping,
    engine: Arc<DockerEngine>,
}

impl JobShop {
    /// For the engine and the state directory of this machine.
    ///
    /// # Errors
    /// As for a run: settings that cannot be used.
    pub fn new(
        environment: Environment,
        folders: StateFolders,
        config: JobShopConfig,
        aws: Aws,
        account: Option<String>,
        table: Option<Table>,
    ) -> Result<Self, Fault> {
        let refresh = Some(config.refresh).filter(|every| !every.is_zero());
        let warm = (config.warm > 0).then(|| WarmConfig { most: config.warm, ..WarmConfig::at(folders.warm()) });
        let engine = DockerConfig { warm, expected: true, refresh, ..docker_config(&environment) };
        let (shared, engine) = ports(&environment, &folders, &aws, None, engine)?;
        let region = environment.region.clone();
        config.logs.check()?;
        let cloudwatch = CloudWatchConfig { retention: config.retention, ..CloudWatchConfig::default() };
        let shipping = Shipping::new(
            ShippingConfig::at(folders.shipments()),
            Arc::new(CloudWatchLogs::new(aws.clone(), cloudwatch)),
            Arc::new(S3::new(Arc::new(OwnAccess(aws.clone())))),
        );
        let shared = Ports { numbers: table.clone().map(BuildNumbers::new), ..shared };
        let fleet = table.map(|table| Fleet::new(table, folders.root()));
        Ok(Self { environment, folders, config, shared, fleet, aws, account, region, shipping, engine })
    }

    /// Removes the containers that wait for builds, those of earlier workers of this state directory too.
    pub async fn close(&self) {
        self.engine.drain().await;
        self.engine.sweep(&self.folders.warm()).await;
    }

    /// Sends logs, those of earlier processes first told to be whole where they are.
    pub async fn ship(&self) {
        if let Err(fault) = self.reconcile() {
            tracing::warn!(%fault, "what is left of earlier logs cannot be told");
        }
        self.shipping.carry_on().await;
    }

    fn reconcile(&self) -> Result<(), Fault> {
        let record = Record::open(self.folders.root())?;
        for unsent in self.shipping.pending() {
            let run = &unsent.shipment.run;
            let told = record
                .events(run, 0)
                .and_then(|events| Shipments::reconcile(&self.shipping, run, &RunState::of(&events)));
            // One that cannot be read holds no other up.
            if let Err(fault) = told {
                tracing::warn!(run, %fault, "it cannot be told whether the logs of an earlier run are whole");
            }
        }
        Ok(())
    }

    /// The edges of one job's run: shared but for its sources, which its own credentials open.
    fn ports(&self, access: Option<Arc<dyn Access>>) -> Result<Ports, Fault> {
        let sources = revisions(&self.environment, &self.folders, &self.aws)?.with_buckets(self.buckets(access));
        let sources = sources.of_repositories(self.config.trust.repositories.clone());
        Ok(Ports { sources: Arc::new(sources), ..self.shared.clone() })
    }

    /// What others have told of a run; of one that nobody had before there is nothing to be heard.
    async fn bring(&self, record: &mut Record, claim: &Claim, order: &JobOrder, cancel: &Cancel) -> Result<u64, Fault> {
        match &self.fleet {
            Some(fleet) if claim.fence > 1 => fleet.bring(record, claim, !order.outputs.is_empty(), cancel).await,
            _ => Ok(0),
        }
    }

    /// Whether this worker may carry out a run that is recorded.
    fn check(&self, row: &RunRow) -> Result<(), Fault> {
        let (plan, started) = parsed(row)?;
        self.config.trust.check(&plan, started.options.image.as_deref())
    }
}

#[async_trait]
impl Workshop for JobShop {
    async fn run(
        &self,
        claim: &Claim,
        order: &JobOrder,
        access: Option<Arc<dyn Access>>,
        seat: Arc<Seat>,
        cancel: &Cancel,
    ) -> Result<Prepared, Fault> {
        let id = claim.run.as_str();
        let own = self.folders.run(id).called(&lost::in_engine(claim));
        if claim.fence > 1 {
            lost::clear_others(&*self.shared.sandboxes, id, own.in_engine()).await;
        }
        let ownership = own.own()?.ok_or_else(|| Fault::system(format!("run {id} goes on in another process")))?;
        std::fs::write(own.job(), own.in_engine()).map_err(io(&own.job()))?;
        let mut record = Record::open(self.folders.root())?;
        let sent = self.bring(&mut record, claim, order, cancel).await?;
        let ports = self.ports(access)?;
        let (row, prefetched) = match record.find(id)? {
            Some(row) => {
                // Whoever began it may have allowed more than this worker does.
                self.check(&row)?;
                (row, None)
            }
            None => {
                let (row, prefetched) = self.begin(id, order, ports.sources.as_ref(), cancel).await?;
                record.begin(&row)?;
                (row, Some(prefetched))
            }
        };
        let (plan, mut started) = parsed(&row)?;
        started.options.logs = self.config.logs.going_on(&started.options.logs);
        let state = RunState::of(&record.events(id, 0)?);
        let shipments = Shipments::new(self.shipping.clone(), started.options.logs.clone(), id, own.clone());
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(LogFiles::new(own.clone())), Box::new(shipments)];
        let recorder = Recorder::new(id, record, state, sinks, cancel.clone())?;
        if let Some(fleet) = &self.fleet {
            recorder.replicate(fleet.replicate(claim, row, &plan, sent)?);
        }
        let owner = identity::owner();
        let (id, cancel) = (id.to_owned(), cancel.clone());
        let run = Run::new(id, plan, started.options, ports, recorder, cancel, own, owner, prefetched, Some(seat));
        Ok(Prepared { run, ownership })
    }

    async fn clear_lost(&self, kept: &[String]) {
        self.engine.sweep(&self.folders.warm()).await;
        for run in self.folders.runs_of_jobs().iter().filter(|run| !kept.contains(run)) {
            self.clear(run).await;
        }
    }

    fn lose(&self, run: &str) {
        if let Err(fault) = self.shipping.forsake(run) {
            tracing::warn!(run, %fault, "the log of a run that was lost may replace that of the worker that has it");
        }
    }

    async fn clear(&self, run: &str) {
        if !self.folders.run(run).job().exists() {
            return;
        }
        if let Err(fault) = lost::clear(&*self.shared.sandboxes, &self.folders, &self.shipping, run).await {
            tracing::warn!(run, %fault, "what a lost run left cannot be cleared away");
        }
    }

    fn buckets(&self, access: Option<Arc<dyn Access>>) -> Arc<dyn Buckets> {
        Arc::new(S3::new(access.unwrap_or_else(|| Arc::new(OwnAccess(self.aws.clone())))))
    }

    async fn settle(&self, run: &str) {
        if !self.shipping.flush(run, LOGS).await {
            tracing::info!(run, "the logs of a job are sent after its result");
        }
        if let Some(fleet) = &self.fleet {
            fleet.settle(run).await;
        }
    }

    fn links(&self, state: &RunState, logs: &LogTargets) -> Vec<String> {
        let Some(region) = &self.region else { return Vec::new() };
        let links = state.actions.iter().filter_map(ActionState::log_id).map(|id| logs.links(id, region));
        links.flat_map(|links| [links.stream, links.archive]).flatten().collect()
    }

    async fn objection(&self) -> Option<String> {
        self.why_not().await
    }
}

/// A run of the record.
fn parsed(row: &RunRow) -> Result<(Plan, Started), Fault> {
    let plan = serde_json::from_str(&row.plan)
        .map_err(|error| Fault::system(format!("run {}: its plan cannot be read: {error}", row.id)))?;
    Ok((plan, Started::of(row)?))
}

/// The worker's own credentials.
struct OwnAccess(Aws);

#[async_trait]
impl Access for OwnAccess {
    async fn config(&self) -> Result<SdkConfig, Fault> {
        self.0.config(None, None).await
    }
}
