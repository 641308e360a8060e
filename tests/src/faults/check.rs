//! What must be true when a fault run is over.

#![expect(clippy::expect_used, reason = "where the emulator does not play along, nothing can be said")]

use std::collections::{BTreeMap, BTreeSet};

use runner::store::Table;
use runner::store::ledger::{DynamoLedger, Ledger as _};

use super::work::{Kind, Work, name};
use super::{Fleet, Member};
use crate::aws::{ACCOUNT, AwsEmulator};
use crate::codepipeline::{CodePipeline, Crime};
use crate::table::TABLE;

/// A log of a build, by the run that it is of.
type Logs = BTreeMap<u64, Vec<(String, String)>>;

impl Fleet {
    /// Each job was reported once and with the right result; no command of one ran twice, and no deployment was begun
    /// twice; each log is whole, here and in CloudWatch Logs; nothing is left in an engine, a ledger or a folder.
    pub(super) async fn check(&self, service: &CodePipeline, work: &Work, executions: &BTreeMap<u64, String>) {
        for (number, execution) in executions {
            assert_eq!(service.status(execution), Some(Kind::of(*number).end()), "{}", service.report(execution));
        }
        assert!(service.jobs().iter().all(|job| job.result.is_some()), "a job has no result");
        // A worker that dies between a result and its own note of it tells the result again, and is refused.
        service.assert_no_crimes_but(&[Crime::ResultTwice]);
        assert_eq!(work.messages().await, (0, 0), "messages that are not done, and dead letters");
        let logs = self.build_logs();
        for number in (0..self.run.jobs).filter(|number| Kind::of(*number).is_build()) {
            let logs = logs.get(&number).map(Vec::as_slice).unwrap_or_default();
            check_logs(number, logs);
            check_streams(number, logs, &work.ecs.aws).await;
        }
        for number in (0..self.run.jobs).filter(|number| !Kind::of(*number).is_build()) {
            check_deployment(number, service, work).await;
        }
        let ledger = DynamoLedger::new(Table::new(&work.ecs.aws.config(ACCOUNT).await, TABLE));
        // A turn whose holder died right after its job was done is forgotten with the next sweep.
        let mut open = ledger.open().await.expect("an answer");
        open.retain(|entry| !entry.job.starts_with("turn:"));
        assert_eq!(open, [], "the ledger has open jobs");
        for member in &self.members {
            member.check().await;
        }
    }

    fn build_logs(&self) -> Logs {
        let mut logs = Logs::new();
        for (run, log) in self.members.iter().flat_map(|member| member.worker.logs_of_builds()) {
            let number = log.lines().find_map(|line| line.strip_prefix("job ")?.parse().ok());
            // One whose build was lost before it said anything is nobody's.
            logs.entry(number.unwrap_or(u64::MAX)).or_default().push((run, log));
        }
        logs
    }
}

/// One run did the job, however many workers had it; somebody has all of its log, and nobody a line twice.
fn check_logs(number: u64, logs: &[(String, String)]) {
    let runs: BTreeSet<&str> = logs.iter().map(|(run, _)| run.as_str()).collect();
    assert_eq!(runs.len(), 1, "job {number} was done by the runs {runs:?}");
    assert!(logs.iter().any(|(_, log)| is_whole(log)), "no log of job {number} is whole: {logs:?}");
    for (run, log) in logs {
        let times = |text: &str| log.lines().filter(|line| *line == text).count();
        assert!(times("first") <= 1 && times("last") <= 1, "a command of run {run} ran twice:\n{log}");
    }
}

fn is_whole(log: &str) -> bool {
    log.lines().any(|line| line == "last")
}

/// A stream has the whole log. There may be a second one: a worker that dies before the table knows of its build's id
/// leaves its part under that, and the next one has another.
async fn check_streams(number: u64, logs: &[(String, String)], emulator: &AwsEmulator) {
    let client = aws_sdk_cloudwatchlogs::Client::new(&emulator.config(ACCOUNT).await);
    let group = format!("/aws/codebuild/{}", name(number));
    let streams = client.describe_log_streams().log_group_name(&group).send().await.expect("streams").log_streams;
    let log = logs.iter().map(|(_, log)| log).find(|log| is_whole(log)).expect("a whole log");
    let mut told = String::new();
    for stream in streams.unwrap_or_default().into_iter().filter_map(|one| one.log_stream_name) {
        let sent = sent(&client, &group, &stream).await;
        let mut rest = sent.iter();
        // What a lost worker had sent before stands between.
        let missing = log.lines().filter(|line| !line.is_empty()).find(|line| !rest.any(|sent| sent == line));
        let Some(missing) = missing else { return };
        told.push_str(&format!("-- {stream} has no {missing:?}:\n{}\n", sent.join("\n")));
    }
    panic!("no stream of {group} has all of\n{log}\n{told}");
}

/// The texts of a stream.
async fn sent(client: &aws_sdk_cloudwatchlogs::Client, group: &str, stream: &str) -> Vec<String> {
    let mut sent = Vec::new();
    let mut pages = client.get_log_events().log_group_name(group).log_stream_name(stream).start_from_head(true);
    loop {
        let page = pages.clone().send().await.expect("events");
        if page.events().is_empty() {
            return sent;
        }
        sent.extend(page.events().iter().filter_map(|event| event.message().map(str::to_owned)));
        pages = pages.set_next_token(page.next_forward_token);
    }
}

/// The service was updated to one revision, once or again after an answer that was lost, and runs what it should.
async fn check_deployment(number: u64, service: &CodePipeline, work: &Work) {
    let done = |entry: &&crate::codepipeline::Entry| entry.error.is_none() && entry.input["service"] == *name(number);
    let updates = service.calls_of("ecs:UpdateService");
    let revisions: BTreeSet<String> =
        updates.iter().filter(done).map(|entry| entry.input["taskDefinition"].to_string()).collect();
    assert_eq!(revisions.len(), 1, "the service of job {number} was updated to {revisions:?}");
    let [old, new, _] = &work.images;
    let expected = if Kind::of(number) == Kind::RollOut { new } else { old };
    assert_eq!(work.ecs.running_in(&name(number), ACCOUNT).await, *expected, "job {number}");
}

impl Member {
    async fn check(&self) {
        let worker = &self.worker;
        let left = (worker.left_in_engine().await, worker.waiting_in_engine(), worker.left_in_state());
        assert_eq!(left, (Vec::new(), Vec::new(), Vec::new()), "{}\n{}", worker.state.display(), worker.log());
        // One that was cut off for longer than a lease loses it, and must say so.
        let is_wrong = |line: &&str| line.contains(" ERROR ") && !line.contains("the lease ran out");
        assert_eq!(worker.log().lines().find(is_wrong), None, "{}", worker.log());
    }
}
