//! Contract suite: history. One suite on SQLite and on DynamoDB, and then what only a fleet has.

use jiff::{SignedDuration, Timestamp};
use runner::event::{Event, Slot, What};
use runner::fault::FaultKind;
use runner::gate::Decision;
use runner::store::history::{DynamoHistory, History, Replica, Tenure};
use runner::store::ledger::{DynamoLedger, Holder, Ledger as _};
use runner::store::{Record, RunRow};
use sluice_tests::aws::{ACCOUNT, AwsEmulator};
use sluice_tests::table::{TABLE, table};

fn at(seconds: i64) -> Timestamp {
    "2026-03-02T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn row(id: &str, seconds: i64) -> RunRow {
    let text = |text: &str| text.to_owned();
    RunRow { id: text(id), pipeline: text("app"), started: at(seconds), plan: text("{}"), options: text("{\"a\":1}") }
}

fn event(sequence: u64, text: &str) -> Event {
    Event { sequence, at: at(0), what: What::Notice { action: None, warning: false, text: text.to_owned() } }
}

fn answer(rule: usize, by: &str, approved: bool) -> Decision {
    Decision { rule, by: by.to_owned(), groups: Vec::new(), at: at(5), approved, comment: None }
}

/// A run whose plan and options are longer than an item of a table.
fn long_row(id: &str, seconds: i64) -> RunRow {
    RunRow { plan: "größe".repeat(200_000), options: "weiß".repeat(50_000), ..row(id, seconds) }
}

/// Runs `019a-1`, `019a-2` and `019b-1`, of which the first has thirty events and the second a long plan.
async fn suite(history: &dyn History) {
    let ids = |rows: Vec<RunRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(history.runs(9).await.unwrap()), ["019b-1", "019a-2", "019a-1"], "newest first");
    assert_eq!(ids(history.runs(2).await.unwrap()), ["019b-1", "019a-2"]);
    assert_eq!(history.run(None).await.unwrap(), row("019b-1", 3));
    assert!(history.run(Some("019a-2")).await.unwrap() == long_row("019a-2", 2), "a long plan comes back whole");
    assert!(history.runs(9).await.unwrap()[1] == long_row("019a-2", 2), "in a list too");
    assert_eq!(history.run(Some("019b")).await.unwrap().id, "019b-1");
    for (prefix, said) in [("019a", "more than one run starts with 019a"), ("02", "no run 02")] {
        let fault = history.run(Some(prefix)).await.unwrap_err();
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Configuration, said));
    }
    let events = history.events("019a-1").await.unwrap();
    assert_eq!(events, (1..=30).map(|number| event(number, "said")).collect::<Vec<_>>());
    assert_eq!(history.events("019a-2").await.unwrap(), []);

    let (stage, slot) = ("Production", Slot::BeforeEntry);
    history.decide("019a-1", stage, slot, &answer(1, "ann", true)).await.unwrap();
    history.decide("019a-1", stage, slot, &answer(0, "bob", false)).await.unwrap();
    history.decide("019a-1", stage, Slot::OnSuccess, &answer(0, "ann", true)).await.unwrap();
    let second = history.decide("019a-1", stage, slot, &answer(0, "ann", true)).await.unwrap_err();
    let said = "run 019a-1, stage Production: bob has rejected it at 2026-03-02T10:00:05Z";
    assert_eq!((second.kind, second.message.as_str()), (FaultKind::Configuration, said));
    let known = history.decisions("019a-1", stage, slot).await.unwrap();
    assert_eq!(known, [answer(0, "bob", false), answer(1, "ann", true)]);
    assert_eq!(history.decisions("019a-2", stage, slot).await.unwrap(), []);
    assert_eq!(history.decisions("019a-1", "Dev", slot).await.unwrap(), []);
}

#[tokio::test]
async fn on_sqlite_runs_are_found_and_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = Record::open(folder.path()).unwrap();
    for row in [row("019a-1", 1), row("019b-1", 3), long_row("019a-2", 2)] {
        record.begin(&row).unwrap();
    }
    record.append("019a-1", &(1..=30).map(|number| event(number, "said")).collect::<Vec<_>>()).unwrap();
    suite(&record).await;
}

#[tokio::test]
async fn on_dynamodb_runs_are_found_and_answered() {
    let emulator = AwsEmulator::start().await;
    let history = DynamoHistory::new(table(&emulator).await);
    // What another holder has entered for the same run, and what is entered again, leave nothing of theirs in it.
    history.enter(&RunRow { plan: "other".repeat(300_000), ..row("019a-2", 2) }).await.unwrap();
    for row in [row("019a-1", 1), row("019b-1", 3), long_row("019a-2", 2)] {
        history.enter(&row).await.unwrap();
        history.enter(&row).await.unwrap();
    }
    let events: Vec<Event> = (1..=30).map(|number| event(number, "said")).collect();
    history.append("019a-1", 1, &events[..20]).await.unwrap();
    history.append("019a-1", 1, &events[10..]).await.unwrap();
    suite(&history).await;
}

#[tokio::test]
async fn on_dynamodb_an_event_may_be_longer_than_an_item_and_a_run_without_a_plan_is_left_out() {
    let emulator = AwsEmulator::start().await;
    let history = DynamoHistory::new(table(&emulator).await);
    history.enter(&row("019a-1", 1)).await.unwrap();
    let long = "größe".repeat(200_000);
    let events = [event(1, "said"), event(2, &long), event(3, "said")];
    history.append("019a-1", 1, &events).await.unwrap();
    assert_eq!(history.events("019a-1").await.unwrap(), events);
    // Its plan expired first, or its worker was killed between the two.
    let client = aws_sdk_dynamodb::Client::new(&emulator.config(ACCOUNT).await);
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let put = client.put_item().table_name(TABLE).item("pk", text("runs")).item("sk", text("019b-1"));
    put.item("pipeline", text("app")).item("started", text(&at(2).to_string())).send().await.unwrap();
    let ids: Vec<String> = history.runs(9).await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(ids, ["019a-1"]);
    assert_eq!(history.run(None).await.unwrap().id, "019a-1");
    assert_eq!(history.find("019b-1").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_sent_in_its_order_and_what_a_lost_holder_sends_late_is_left_out() {
    let emulator = AwsEmulator::start().await;
    let table = table(&emulator).await;
    let (history, ledger) = (DynamoHistory::new(table.clone()), DynamoLedger::new(table));
    let folder = tempfile::tempdir().unwrap();
    let mut record = Record::open(folder.path()).unwrap();
    record.begin(&row("019a-1", 1)).unwrap();
    let holder = |owner: &str, seconds| Holder { owner: owner.to_owned(), now: at(seconds), until: at(seconds + 60) };
    ledger.take("job", &holder("ann", 0), "").await.unwrap();
    let tenure = Tenure { run: "019a-1".to_owned(), job: "job".to_owned(), owner: "ann".to_owned(), fence: 1 };
    let stores = (history.clone(), ledger.clone());
    let replica = Replica::start(folder.path(), stores, row("019a-1", 1), tenure, 0, false).unwrap();
    for number in 1..=30 {
        record.append("019a-1", &[event(number, "said")]).unwrap();
        replica.told(number);
    }
    replica.settled().await.unwrap();
    assert_eq!(history.events("019a-1").await.unwrap().len(), 30);
    assert_eq!(history.find("019a-1").await.unwrap(), Some(row("019a-1", 1)));

    ledger.take("job", &holder("bob", 60), "").await.unwrap();
    history.append("019a-1", 2, &[event(31, "bob goes on")]).await.unwrap();
    record.append("019a-1", &[event(31, "ann goes on"), event(32, "and on")]).unwrap();
    replica.told(32);
    let lost = replica.settled().await.unwrap_err();
    assert_eq!((lost.kind, lost.message.as_str()), (FaultKind::Stopped, "another worker has the job now"));
    let told = history.events("019a-1").await.unwrap();
    assert_eq!(told[29..], [event(30, "said"), event(31, "bob goes on")]);
}
