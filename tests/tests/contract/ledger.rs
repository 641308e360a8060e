//! Contract suite: ledger. One suite on SQLite and on DynamoDB, and then what only a network can do.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runner::store::Table;
use runner::store::ledger::{DynamoLedger, Entry, Holder, Ledger, SqliteLedger, Taken};
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};
use sluice_tests::codepipeline::{CodePipeline, Disturbance, Settings};
use sluice_tests::table::{TABLE, table};

/// So many seconds after a moment that is the same for all.
fn at(seconds: i64) -> Timestamp {
    "2026-03-02T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// A worker that takes something then, for a minute.
fn holder(owner: &str, seconds: i64) -> Holder {
    Holder { owner: owner.to_owned(), now: at(seconds), until: at(seconds + 60) }
}

async fn taken(ledger: &dyn Ledger, job: &str, owner: &str, seconds: i64) -> Entry {
    match ledger.take(job, &holder(owner, seconds), "new").await.unwrap() {
        Taken::Ours(entry) => entry,
        other => panic!("{owner} does not get {job}: {other:?}"),
    }
}

async fn a_new_job_is_the_takers(ledger: &dyn Ledger) {
    let entry = taken(ledger, "new", "ann", 0).await;
    let expected = Entry {
        job: "new".to_owned(),
        owner: "ann".to_owned(),
        fence: 1,
        until: at(60),
        closed: false,
        body: "new".to_owned(),
    };
    assert_eq!(entry, expected);
    assert!(ledger.open().await.unwrap().contains(&expected));
}

async fn a_job_that_is_held_is_not_taken_by_another(ledger: &dyn Ledger) {
    taken(ledger, "held", "ann", 0).await;
    let refused = ledger.take("held", &holder("bob", 59), "other").await.unwrap();
    assert_eq!(refused, Taken::Held { by: "ann".to_owned(), until: at(60), body: "new".to_owned() });
}

async fn a_lease_that_ran_out_is_the_next_ones_with_what_was_written(ledger: &dyn Ledger) {
    let entry = taken(ledger, "over", "ann", 0).await;
    assert!(ledger.write(&Entry { body: "half".to_owned(), until: at(90), ..entry }).await.unwrap());
    assert!(matches!(ledger.take("over", &holder("bob", 89), "").await.unwrap(), Taken::Held { .. }));
    let entry = taken(ledger, "over", "bob", 90).await;
    assert_eq!((entry.owner.as_str(), entry.fence, entry.body.as_str()), ("bob", 2, "half"));
    assert_eq!(entry.until, at(150));
}

async fn the_same_worker_takes_its_job_again_with_a_higher_fence(ledger: &dyn Ledger) {
    let first = taken(ledger, "again", "ann", 0).await;
    let second = taken(ledger, "again", "ann", 1).await;
    assert!(second.fence > first.fence);
    assert!(!ledger.write(&first).await.unwrap(), "an earlier process of the same worker is out");
    assert!(ledger.write(&second).await.unwrap());
}

async fn who_has_lost_a_job_writes_nothing(ledger: &dyn Ledger) {
    let lost = taken(ledger, "lost", "ann", 0).await;
    let held = taken(ledger, "lost", "bob", 60).await;
    assert!(!ledger.write(&Entry { body: "late".to_owned(), until: at(999), ..lost.clone() }).await.unwrap());
    assert!(!ledger.write(&Entry { closed: true, ..lost.clone() }).await.unwrap());
    ledger.forget(&lost).await.unwrap();
    assert!(ledger.open().await.unwrap().contains(&held));
    assert!(ledger.write(&held).await.unwrap());
}

async fn a_job_that_is_forgotten_is_a_new_one(ledger: &dyn Ledger) {
    let entry = taken(ledger, "forgotten", "ann", 0).await;
    ledger.forget(&entry).await.unwrap();
    ledger.forget(&entry).await.unwrap();
    assert!(ledger.open().await.unwrap().iter().all(|open| open.job != "forgotten"));
    assert!(!ledger.write(&entry).await.unwrap());
    assert_eq!(taken(ledger, "forgotten", "bob", 1).await.fence, 1);
}

async fn a_closed_job_is_not_open_and_not_taken_again(ledger: &dyn Ledger) {
    let entry = taken(ledger, "closed", "ann", 0).await;
    let closed = Entry { closed: true, until: at(5), ..entry.clone() };
    assert!(ledger.write(&closed).await.unwrap());
    assert!(ledger.write(&closed).await.unwrap(), "who did not hear the answer says it again");
    assert!(!ledger.write(&entry).await.unwrap(), "a late renewal opens nothing");
    ledger.forget(&entry).await.unwrap();
    assert!(ledger.open().await.unwrap().iter().all(|open| open.job != "closed"));
    for owner in ["ann", "bob"] {
        assert_eq!(ledger.take("closed", &holder(owner, 3600), "").await.unwrap(), Taken::Closed);
    }
}

async fn of_many_takers_at_once_one_wins(ledger: Arc<dyn Ledger>) {
    // Once for a job that is new, and once for one whose lease has run out.
    for seconds in [0, 60] {
        let takers = (0..12).map(|number| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let owner = format!("worker-{number}-{seconds}");
                ledger.take("wanted", &holder(&owner, seconds), &owner).await.unwrap()
            })
        });
        let taken = futures_util::future::try_join_all(takers).await.unwrap();
        let winners: Vec<&Taken> = taken.iter().filter(|taken| matches!(taken, Taken::Ours(_))).collect();
        assert_eq!(winners.len(), 1, "{taken:?}");
        let others: BTreeSet<&str> = taken.iter().filter_map(by).collect();
        assert!(matches!(winners[0], Taken::Ours(entry) if others == BTreeSet::from([entry.owner.as_str()])));
    }
}

fn by(taken: &Taken) -> Option<&str> {
    match taken {
        Taken::Held { by, .. } => Some(by),
        _ => None,
    }
}

async fn suite(ledger: Arc<dyn Ledger>) {
    a_new_job_is_the_takers(&*ledger).await;
    a_job_that_is_held_is_not_taken_by_another(&*ledger).await;
    a_lease_that_ran_out_is_the_next_ones_with_what_was_written(&*ledger).await;
    the_same_worker_takes_its_job_again_with_a_higher_fence(&*ledger).await;
    who_has_lost_a_job_writes_nothing(&*ledger).await;
    a_job_that_is_forgotten_is_a_new_one(&*ledger).await;
    a_closed_job_is_not_open_and_not_taken_again(&*ledger).await;
    of_many_takers_at_once_one_wins(ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_a_job_has_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    suite(Arc::new(SqliteLedger::open(folder.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_dynamodb_a_job_has_one_holder() {
    let emulator = AwsEmulator::start().await;
    suite(Arc::new(DynamoLedger::new(table(&emulator).await))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_calls_and_lost_answers_change_nothing() {
    let emulator = AwsEmulator::start().await;
    table(&emulator).await;
    let door = CodePipeline::start_with(&emulator, Settings::new(REGION, ACCOUNT)).await;
    let ledger = DynamoLedger::new(Table::new(&door.config(ACCOUNT).await, TABLE));
    let disturbed = |operation: &str| {
        for disturbance in [Disturbance::Throttle, Disturbance::CloseAfter, Disturbance::InternalError] {
            door.faults().next(Some(operation), 1, disturbance);
        }
    };
    disturbed("dynamodb:TransactWriteItems");
    disturbed("dynamodb:GetItem");
    let entry = taken(&ledger, "job", "ann", 0).await;
    assert_eq!(entry.fence, 1);
    disturbed("dynamodb:UpdateItem");
    let entry = Entry { body: "half".to_owned(), ..entry };
    assert!(ledger.write(&entry).await.unwrap());
    disturbed("dynamodb:Query");
    assert_eq!(ledger.open().await.unwrap(), std::slice::from_ref(&entry));
    disturbed("dynamodb:TransactWriteItems");
    assert!(ledger.write(&Entry { closed: true, ..entry }).await.unwrap());
    disturbed("dynamodb:DeleteItem");
    let other = taken(&ledger, "other", "ann", 0).await;
    ledger.forget(&other).await.unwrap();
    assert_eq!(ledger.open().await.unwrap(), []);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_what_makes_it() {
    let emulator = AwsEmulator::start().await;
    let ledger = DynamoLedger::new(Table::new(&emulator.config(ACCOUNT).await, "nowhere"));
    let fault = ledger.open().await.unwrap_err();
    assert!(fault.message.starts_with("table nowhere: looking for open jobs: ResourceNotFoundException"), "{fault}");
    assert!(fault.hint.unwrap().contains("sluice setup codepipeline"));
}
