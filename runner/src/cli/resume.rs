//! Which run `sluice run --resume` goes on with.

use crate::fault::Fault;
use crate::store::{Record, RunRow, StateFolders};
use crate::wire::Started;

/// The run to go on with: it must not be over.
pub(super) fn earlier(record: &Record, folders: &StateFolders, prefix: &str) -> Result<(RunRow, Started), Fault> {
    let row = if prefix.is_empty() { newest_unfinished(record, folders)? } else { record.run(Some(prefix))? };
    if let Some(outcome) = super::runs::is_over(record, &row.id)? {
        return Err(Fault::configuration(format!("run {} is over: {}", row.id, outcome.word()))
            .hint("start a new one: `sluice run`"));
    }
    let started = Started::of(&row)?;
    if started.for_job {
        return Err(Fault::configuration(format!(
            "run {} does a job of a worker, which alone can report its end",
            row.id
        ))
        .hint("start its worker again: `sluice worker`"));
    }
    Ok((row, started))
}

fn newest_unfinished(record: &Record, folders: &StateFolders) -> Result<RunRow, Fault> {
    for row in record.runs(100)? {
        // A run of a job is its worker's to go on with.
        if Started::of(&row)?.for_job || super::runs::is_over(record, &row.id)?.is_some() {
            continue;
        }
        if folders.run(&row.id).own()?.is_some() {
            return Ok(row);
        }
    }
    Err(Fault::configuration("no run waits to go on").hint("`sluice runs` lists them"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_run_of_a_job_is_left_to_its_worker() {
        let state = tempfile::tempdir().unwrap();
        let folders = StateFolders::new(state.path().to_owned());
        let record = Record::open(state.path()).unwrap();
        let begin = |id: &str, for_job: bool| {
            let (id, pipeline, plan) = (id.to_owned(), "app".to_owned(), "{}".to_owned());
            let options = serde_json::to_string(&Started { for_job, ..Started::default() }).unwrap();
            record.begin(&RunRow { id, pipeline, started: clock::now(), plan, options }).unwrap();
        };
        let refused = |prefix: &str| earlier(&record, &folders, prefix).map(|(row, _)| row.id).unwrap_err().message;
        begin("02", true);
        assert_eq!(refused(""), "no run waits to go on");
        assert_eq!(refused("02"), "run 02 does a job of a worker, which alone can report its end");
        begin("01", false);
        assert_eq!(earlier(&record, &folders, "").unwrap().0.id, "01");
    }
}
