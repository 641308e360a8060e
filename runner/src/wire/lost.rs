//! What lost workers have left on this machine, and what this one left when it was lost itself.

use std::collections::BTreeSet;

use crate::cache::LocalCache;
use crate::clock;
use crate::engine::Sandboxes;
use crate::event::{Event, Outcome, What};
use crate::fault::{Fault, io};
use crate::logs::Shipping;
use crate::state::RunState;
use crate::store::{Record, StateFolders};
use crate::worker::Claim;

/// What the run is called in the engine. A worker that goes on with the run of another gives it a name of its own: both
/// may have the same engine, and the other one may come back and clean up.
pub(super) fn in_engine(claim: &Claim) -> String {
    match claim.begun_by == claim.owner {
        true => claim.run.clone(),
        false => format!("{}-{}", claim.run, claim.owner.trim_start_matches("worker-")),
    }
}

/// Removes what other workers have left of a run in this machine's engine: it is not theirs any more.
pub(super) async fn clear_others(sandboxes: &dyn Sandboxes, run: &str, in_engine: &str) {
    let cleared = async {
        let keys = sandboxes.list().await?;
        let of_run = |name: &str| name == run || name.strip_prefix(run).is_some_and(|rest| rest.starts_with('-'));
        let others: BTreeSet<_> = keys.into_iter().map(|key| key.run).filter(|name| of_run(name)).collect();
        for other in others.iter().filter(|other| *other != in_engine) {
            sandboxes.destroy(other, None).await?;
        }
        Ok::<(), Fault>(())
    };
    if let Err(fault) = cleared.await {
        tracing::warn!(run, %fault, "what another worker left of a run may still be in the engine");
    }
}

/// Removes what a run left here that another worker has by now, and says in the record that it is over.
pub(super) async fn clear(
    sandboxes: &dyn Sandboxes,
    folders: &StateFolders,
    shipping: &Shipping,
    run: &str,
) -> Result<(), Fault> {
    let own = folders.run(run);
    let Some(_ownership) = own.own()? else { return Ok(()) };
    let in_engine = std::fs::read_to_string(own.job()).map_err(io(&own.job()))?;
    let mut record = Record::open(folders.root())?;
    if record.find(run)?.is_none() {
        // Its job failed before there was anything to remember, and nobody goes on with it.
        return std::fs::remove_dir_all(own.root()).map_err(io(own.root()));
    }
    let state = RunState::of(&record.events(run, 0)?);
    if state.span.started.is_some() && state.span.outcome.is_none() {
        tracing::info!(run, "another worker has the job of a run; what is left of it here is removed");
        shipping.forsake(run)?;
        // Whoever has it now may have the same engine, and calls it something else there.
        sandboxes.destroy(in_engine.trim(), None).await?;
        let outcome = Outcome::Stopped { message: "another worker has the job now".to_owned() };
        let event = Event { sequence: state.sequence + 1, at: clock::now(), what: What::RunFinished { outcome } };
        record.append(run, &[event])?;
        own.drop_workspaces();
        let caches = LocalCache::at(folders.caches());
        state
            .actions
            .iter()
            .filter_map(|action| action.build.as_ref())
            .try_for_each(|build| caches.release(&build.id))?;
    }
    match std::fs::remove_file(own.job()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&own.job())(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::engine::memory::MemoryEngine;
    use crate::logs::ShippingConfig;
    use crate::logs::memory::MemoryLogs;
    use crate::store::RunRow;

    #[tokio::test]
    async fn a_run_that_was_never_begun_leaves_no_folder_and_one_that_was_keeps_its_own() {
        let root = tempfile::tempdir().unwrap();
        let folders = StateFolders::new(root.path().to_owned());
        let logs = Arc::new(MemoryLogs::default());
        let shipping = Shipping::new(ShippingConfig::at(folders.shipments()), Arc::clone(&logs) as _, logs);
        let row = RunRow {
            id: "begun".to_owned(),
            pipeline: "app".to_owned(),
            started: clock::now(),
            plan: String::new(),
            options: String::new(),
        };
        Record::open(root.path()).unwrap().begin(&row).unwrap();
        for run in ["begun", "never"] {
            folders.run(run).create().unwrap();
            std::fs::write(folders.run(run).job(), run).unwrap();
            clear(&MemoryEngine::default(), &folders, &shipping, run).await.unwrap();
        }
        assert!(folders.run("begun").root().is_dir() && !folders.run("begun").job().exists());
        assert!(!folders.run("never").root().exists());
    }
}
