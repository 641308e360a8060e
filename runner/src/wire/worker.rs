//! A worker put together, with its doors and its signals.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use sd_notify::NotifyState;
use tokio::net::{TcpListener, UnixListener};

use super::jobs::{JobShop, JobShopConfig};
use crate::aws::{Aws, Notice, Notices, identity};
use crate::cancel::{Cancel, Reason};
use crate::control;
use crate::fault::{Fault, io};
use crate::queue::codepipeline::{CodePipeline, CodePipelineConfig};
use crate::queue::sqs::{self, Listener, RunRequest, Sqs, SqsConfig};
use crate::queue::{Both, Events, Queue};
use crate::settings::Environment;
use crate::signal;
use crate::store::ledger::{DynamoLedger, Ledger, SqliteLedger};
use crate::store::{StateFolders, Table};
use crate::worker::{Mode, Rhythm, Standing, Worker, WorkerConfig};

/// Between two looks for notices; EC2 recommends this for spot instances.
const NOTICES: Duration = Duration::from_secs(5);

/// Between two looks for what jobs had to leave in the engine.
const SWEEPS: Duration = Duration::from_secs(60);

/// A worker to put together.
pub struct WorkerOrder {
    /// Which jobs it takes from CodePipeline; `None`: none.
    pub asked: Option<CodePipelineConfig>,
    /// The pools that messages may name, and that jobs of lost workers may be of.
    pub pools: Vec<String>,
    /// The SQS queue that it takes messages from.
    pub queue: Option<String>,
    /// The SQS queue that tells of pipelines.
    pub events: Option<String>,
    /// Jobs at the same time.
    pub seats: usize,
    /// Its times.
    pub rhythm: Rhythm,
    /// Whether it does the jobs of lost workers again.
    pub takes_over: bool,
    /// The table of its fleet, if it is part of one.
    pub table: Option<String>,
    /// Where it may be looked at.
    pub listen: Option<SocketAddr>,
    /// What its jobs share.
    pub jobs: JobShopConfig,
}

/// Works until the worker is drained.
///
/// # Errors
/// When it cannot begin: no credentials, no Region, a state directory that another worker uses.
pub async fn worker(environment: &Environment, folders: &StateFolders, order: WorkerOrder) -> Result<(), Fault> {
    let Some((owner, _ownership)) = folders.own_worker()? else {
        return Err(Fault::configuration(format!("another worker uses {}", folders.root().display()))
            .hint("give each worker of a machine a state directory of its own: --state-dir"));
    };
    folders.drop_fetches()?;
    let aws = Aws::default();
    let config = aws.config(None, None).await?;
    let environment = &with_region(environment, &config);
    let me = identity(&config).await?;
    let notices = Notices::new(&config);
    let (queue, events) = queues(&config, &order)?;
    let table = order.table.as_deref().map(|name| Table::new(&config, name));
    let ledger = ledger(folders, table.as_ref()).await?;
    let account = Some(me.account.clone());
    let shop = JobShop::new(environment.clone(), folders.clone(), order.jobs, aws, account, table)?;
    let stop = Cancel::new();
    let WorkerOrder { pools, seats, rhythm, takes_over, table, .. } = order;
    let config = WorkerConfig { owner, pools, seats, rhythm, takes_over, table };
    let shop = Arc::new(shop);
    let worker = Worker::new(config, queue, ledger, Arc::clone(&shop) as _, stop.clone());
    let shipping = Arc::clone(&shop);
    tokio::spawn(async move { shipping.ship().await });
    let standing = Arc::clone(&worker.standing);
    tokio::spawn(keep_clean(environment.clone(), folders.clone()));
    listen_to_signals(Arc::clone(&standing), stop);
    if !environment.no_instance_metadata {
        tokio::spawn(heed(notices, Arc::clone(&standing)));
    }
    let socket = folders.worker_socket();
    let door = open_socket(&socket, Arc::clone(&standing))?;
    if let Some(address) = order.listen {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| Fault::configuration(format!("{address} cannot be listened at: {error}")))?;
        tokio::spawn(axum::serve(listener, control::view(Arc::clone(&standing))).into_future());
    }
    tokio::spawn(tell_systemd(Arc::clone(&standing)));
    tracing::info!(account = me.account, "the worker begins");
    let worked = worker.work(events).await;
    shop.close().await;
    door.abort();
    let _ = std::fs::remove_file(&socket);
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    worked
}

/// The environment with the Region that calls are made in: where no variable names it, the profile or the machine does, and
/// builds, their ARNs and links to their logs are of the same one.
fn with_region(environment: &Environment, config: &SdkConfig) -> Environment {
    let region = environment.region.clone().or_else(|| config.region().map(ToString::to_string));
    Environment { region, ..environment.clone() }
}

/// Asks the workers of a queue for a run; the message's id.
///
/// # Errors
/// No Region, or as the call's.
pub async fn submit(queue: &str, request: &RunRequest) -> Result<String, Fault> {
    sqs::submit(&Aws::default().config(None, None).await?, queue, request).await
}

/// Where jobs come from, and what else is listened to.
type Sources = (Arc<dyn Queue>, Vec<Arc<dyn Events>>);

/// Where the worker's jobs come from, and what it listens to.
fn queues(aws: &SdkConfig, order: &WorkerOrder) -> Result<Sources, Fault> {
    let mut events: Vec<Arc<dyn Events>> = Vec::new();
    let messages = order.queue.clone().map(|queue| {
        let Rhythm { lease, heartbeat: pause, .. } = order.rhythm;
        let (sqs, listener) = Sqs::open(aws, SqsConfig { queue, pools: order.pools.clone(), lease, pause });
        events.push(Arc::new(listener));
        Arc::new(sqs) as Arc<dyn Queue>
    });
    // Two readers of one queue would take each other's messages.
    if let Some(queue) = order.events.clone().filter(|events| order.queue.as_ref() != Some(events)) {
        events.push(Arc::new(Listener::open(aws, queue)));
    }
    let jobs = order.asked.clone().map(|asked| Arc::new(CodePipeline::new(aws.clone(), asked)) as Arc<dyn Queue>);
    let queue = match (jobs, messages) {
        (Some(jobs), Some(messages)) => Arc::new(Both::new(jobs, messages)),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => {
            return Err(Fault::configuration("the worker has nothing to take jobs from")
                .hint("name a queue with --queue, or leave --no-codepipeline out"));
        }
    };
    Ok((queue, events))
}

/// The fleet's, or this machine's own.
async fn ledger(folders: &StateFolders, table: Option<&Table>) -> Result<Arc<dyn Ledger>, Fault> {
    let own = SqliteLedger::open(folders.root())?;
    let Some(table) = table else { return Ok(Arc::new(own)) };
    // Nobody would ever finish these: the fleet does not know of them.
    let left = own.open().await?.len();
    if left > 0 {
        return Err(Fault::configuration(format!("{left} jobs are not finished that were taken without a table"))
            .hint("start the worker without --table and SLUICE_TABLE once, and drain it"));
    }
    Ok(Arc::new(DynamoLedger::new(table.clone())))
}

/// The first signal drains, the second stops what runs, the third kills it.
fn listen_to_signals(standing: Arc<Standing>, stop: Cancel) {
    signal::each(move |count| match count {
        1 => {
            tracing::info!("draining: jobs that run are finished, no more are taken");
            standing.set(Mode::Draining);
        }
        2 => stop.request(Reason::Stopped),
        _ => stop.request(Reason::Killed),
    });
}

/// Removes again and again what jobs had to leave in an engine that was away when they ended: it may still run there.
async fn keep_clean(environment: Environment, folders: StateFolders) {
    loop {
        super::sweep_up(&environment, &folders).await;
        tokio::time::sleep(SWEEPS).await;
    }
}

/// Drains when EC2 announces that the machine goes away. Elsewhere than on EC2 it stops looking.
async fn heed(notices: Notices, standing: Arc<Standing>) {
    // A busy machine may not answer now and then; one that never has is not one of EC2's.
    let (mut silent, mut answered) = (0, false);
    while answered || silent < 3 {
        match notices.look().await {
            Notice::Leaving(why) => {
                tracing::warn!(why, "draining: jobs that run are finished, no more are taken");
                return standing.set(Mode::Draining);
            }
            Notice::None => answered = true,
            Notice::NoService => silent += 1,
        }
        tokio::time::sleep(NOTICES).await;
    }
}

fn open_socket(path: &std::path::Path, standing: Arc<Standing>) -> Result<tokio::task::AbortHandle, Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    // The lock says that nobody listens at what an earlier process left.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(path)(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(io(path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(io(path))?;
    Ok(tokio::spawn(axum::serve(listener, control::control(standing)).into_future()).abort_handle())
}

/// Tells systemd that the worker is ready, how it is, and, while it is not stuck, that its watchdog may wait.
async fn tell_systemd(standing: Arc<Standing>) {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let watchdog = sd_notify::watchdog_enabled();
    let period = watchdog.map_or(Duration::from_secs(30), control::watchdog_period);
    loop {
        let sight = standing.sight();
        let hindered =
            sight.cannot_claim.as_ref().or(sight.trouble.as_ref()).map(|why| format!(", {why}")).unwrap_or_default();
        let fleet = sight.table.as_ref().map(|table| format!(" in the fleet of {table}")).unwrap_or_default();
        let status = format!("{:?}{fleet}: {} of {} seats taken{hindered}", sight.mode, sight.seats_taken, sight.seats);
        let _ = sd_notify::notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
        tokio::time::sleep(period).await;
    }
}

#[cfg(test)]
mod tests {
    use aws_types::region::Region;

    use super::*;

    #[test]
    fn without_a_variable_the_region_is_that_of_the_calls() {
        let config = SdkConfig::builder().region(Region::new("eu-west-1")).build();
        let region = |named: Option<&str>| {
            let environment = Environment { region: named.map(str::to_owned), ..Environment::default() };
            with_region(&environment, &config).region
        };
        assert_eq!(region(None).as_deref(), Some("eu-west-1"));
        assert_eq!(region(Some("us-east-1")).as_deref(), Some("us-east-1"));
    }
}
