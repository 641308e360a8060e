//! What tests ask the ledger.

use super::state::ledger::{Crime, Entry, Offence};
use super::{ActionStatus, CodePipeline, Job};

impl CodePipeline {
    /// What clients did that they must never do.
    #[must_use]
    pub fn crimes(&self) -> Vec<Offence> {
        self.service.look().ledger.offences.clone()
    }

    /// Every call so far, in the order of time, those of the artifact bucket with them.
    #[must_use]
    pub fn calls(&self) -> Vec<Entry> {
        self.service.look().ledger.entries.clone()
    }

    /// The calls of one operation.
    #[must_use]
    pub fn calls_of(&self, operation: &str) -> Vec<Entry> {
        self.service.look().ledger.of(operation).cloned().collect()
    }

    /// Waits until an operation has been called so many times.
    ///
    /// # Panics
    /// When a minute has passed.
    pub async fn wait_for_calls(&self, operation: &str, count: usize) {
        let found = self.service.until(|state| (state.ledger.of(operation).count() >= count).then_some(()));
        let found = tokio::time::timeout(super::PATIENCE, found).await;
        assert!(found.is_ok(), "{operation} was called {} times", self.calls_of(operation).len());
    }

    /// No crime was committed.
    ///
    /// # Panics
    /// With all that were.
    pub fn assert_no_crimes(&self) {
        self.assert_no_crimes_but(&[]);
    }

    /// No crime was committed but of these kinds.
    ///
    /// # Panics
    /// With all others that were.
    pub fn assert_no_crimes_but(&self, allowed: &[Crime]) {
        let crimes: Vec<Offence> = self.crimes().into_iter().filter(|one| !allowed.contains(&one.crime)).collect();
        assert!(crimes.is_empty(), "{crimes:#?}");
    }

    /// Every job was acknowledged by somebody and has the one result that it can have. A job whose action was abandoned
    /// needs neither.
    ///
    /// # Panics
    /// With the jobs of which that is not true.
    pub fn assert_one_result_a_job(&self) {
        let given_up = |job: &Job| {
            let state = self.service.look();
            state.run(&job.execution, &job.run).is_some_and(|run| run.status == ActionStatus::Abandoned)
        };
        let open = self.jobs().into_iter().filter(|job| job.acknowledged.is_none() || job.result.is_none());
        let open: Vec<Job> = open.filter(|job| !given_up(job)).collect();
        assert!(open.is_empty(), "{open:#?}");
        self.assert_no_crimes_but(&[
            Crime::Invalid,
            Crime::UnknownJob,
            Crime::InventedNonce,
            Crime::WorkAfterAbandon,
            Crime::ForeignCredentials,
            Crime::OutsideBucket,
            Crime::OutsideOutputs,
            Crime::NotEncrypted,
            Crime::OutputMissing,
            Crime::OutputNotZip,
        ]);
    }

    /// An execution in words, for the text of a failed test.
    #[must_use]
    pub fn report(&self, execution: &str) -> String {
        let state = self.service.look();
        let Some(execution) = state.execution(execution) else { return format!("no execution {execution}") };
        let mut lines = vec![format!("execution {} of {}: {:?}", execution.id, execution.pipeline, execution.status)];
        for run in &execution.runs {
            lines.push(format!("  {}: {:?} {:?}", execution.action(run).name, run.status, run.error));
            for job in state.jobs().iter().filter(|job| job.run == run.id) {
                let by = job.acknowledged.as_ref().map(|call| call.caller.as_str());
                lines.push(format!("    job {}: {:?}, acknowledged by {by:?}", job.id, job.status));
            }
        }
        lines.extend(state.ledger.offences.iter().map(|one| format!("  crime: {:?} {}", one.crime, one.detail)));
        lines.join("\n")
    }
}
