//! A short fault run; `tests/faults.sh` does long ones.

use sluice_tests::faults::FaultRun;

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_whose_workers_are_killed_again_and_again_reports_each_job_once() {
    let run = FaultRun { jobs: 12, workers: 3, seed: 1, cuts_too: false, engine_too: false };
    let suffered = run.run(|_| ()).await;
    assert!(suffered.kills > 0, "nothing happened to them");
}
