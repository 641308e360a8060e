//! The work itself: a run carried out, its outputs delivered, and what came of it as a result.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Claim, Prepared, Worker, result};
use crate::bucket::{Access, Encryption, Keeping};
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::queue::{JobOrder, JobResult, Output, Ticket};
use crate::retry;
use crate::run::Seat;
use crate::state::RunState;

/// Does the work of a job, from its beginning or from where an earlier process left it.
pub(super) async fn do_work(
    worker: &Worker,
    ticket: &Ticket,
    claim: &Claim,
    order: &JobOrder,
    seat: &Arc<Seat>,
    cancel: &Cancel,
) -> JobResult {
    let access = worker.queue.access(ticket);
    let prepared = worker.workshop.run(claim, order, access.clone(), Arc::clone(seat), cancel).await;
    let Prepared { run, ownership: _ownership } = match prepared {
        Ok(prepared) => prepared,
        Err(fault) => {
            // An earlier process may have begun it, and its build would go on with nobody to stop it.
            worker.workshop.clear(&claim.run).await;
            return result::of_fault(&fault, None, &[]);
        }
    };
    let outcome = run.carry_out().await;
    // What CodePipeline is told is masked, as all that leaves a run is; files are found by their true names.
    let (known, state) = (run.recorder.with(Clone::clone), run.recorder.told(Clone::clone));
    worker.workshop.settle(&run.id).await;
    let links = worker.workshop.links(&state, &run.options.logs);
    if outcome.succeeded()
        && let Err(fault) = deliver(worker, order, &known, access, cancel).await
    {
        return result::of_fault(&run.recorder.masked(fault), Some(&state), &links);
    }
    result::fitting(result::of(&outcome, &state, &links), ticket.delivery.is_some())
}

/// Puts the outputs where the job wants them.
async fn deliver(
    worker: &Worker,
    order: &JobOrder,
    state: &RunState,
    access: Option<Arc<dyn Access>>,
    cancel: &Cancel,
) -> Result<(), Fault> {
    let buckets = worker.workshop.buckets(access);
    // The artifact bucket's usual policy denies everything that is not encrypted with KMS.
    let encryption = Encryption::Kms(order.encryption_key.clone());
    let keeping = Keeping { content_type: Some("application/zip".to_owned()), encryption };
    let silent = Progress::silent();
    for output in &order.outputs {
        let file = artifact(order, state, output)?;
        let put = || buckets.put(&file, &output.object, &keeping, &silent, cancel);
        let put = retry::while_away(retry::MADE, cancel, put).await;
        put.map_err(|fault| fault.doing(format!("output artifact {}", output.name)))?;
    }
    Ok(())
}

/// The file of an output: the primary artifact where there is one output, else the secondary artifact of its name
/// (CodePipeline user guide, "AWS CodeBuild build and test action reference").
fn artifact(order: &JobOrder, state: &RunState, output: &Output) -> Result<PathBuf, Fault> {
    let of = |identifier: &str| state.actions.iter().rev().find_map(|action| action.artifacts.get(identifier));
    let found = match order.outputs.as_slice() {
        [_] => of("").or_else(|| of(&output.name)),
        _ => of(&output.name),
    };
    let found = found.ok_or_else(|| {
        let fault = Fault::configuration(format!("output artifact {}: the build leaves no such artifact", output.name));
        match order.outputs.as_slice() {
            [_] => fault.hint("write `artifacts` in the buildspec, or take the output artifact out of the action"),
            _ => fault.hint("with several output artifacts each must be an identifier of `secondary-artifacts`"),
        }
    })?;
    let path = PathBuf::from(&found.path);
    if !path.exists() {
        let fault = Fault::system(format!("output artifact {}: {} is gone", output.name, found.path));
        return Err(fault.hint("it was made on a worker that was lost: retry the stage"));
    }
    Ok(path)
}
