//! From the events of a run to its shipments.

use jiff::SignedDuration;
use runner::disk::Shelf as _;
use runner::event::{Event, Outcome, What};
use runner::sink::{LogFiles, Shipments, Sink};
use runner::state::RunState;
use runner::store::{OldRuns, Record, RunRow, StateFolders};
use serde_json::json;

use super::*;

/// A process that carries the run `run` on.
struct Process {
    desk: Desk,
    state: RunState,
    sinks: Vec<Box<dyn Sink>>,
}

impl Process {
    fn new(desk: Desk, state: RunState, sending: &Sending) -> Self {
        let folders = StateFolders::new(desk.folder.path().to_owned()).run("run");
        folders.create().unwrap();
        let shipments = Shipments::new(sending.shipping.clone(), Desk::targets(), "run", folders.clone());
        Self { desk, state, sinks: vec![Box::new(LogFiles::new(folders)), Box::new(shipments)] }
    }

    fn tell(&mut self, what: serde_json::Value) {
        let what: What = serde_json::from_value(what).unwrap();
        let event = Event { sequence: self.state.sequence + 1, at: clock::now(), what };
        self.record(&event);
        self.sinks.iter_mut().for_each(|sink| sink.take(&event, &self.state).unwrap());
    }

    /// It is in the record, and then the process dies: no sink hears of it.
    fn record(&mut self, event: &Event) {
        if !event.what.is_passing() {
            self.state.apply(event);
        }
    }

    fn begin(&mut self) {
        self.tell(json!({"type": "run-started", "run": "run", "pipeline": "p", "plan": "h", "initiator": "ada"}));
        self.tell(json!({"type": "action-started", "stage": "Build", "action": "test", "kind": "build"}));
        self.tell(json!({"type": "build-started", "action": "test", "build": format!("billing:{}", stream().stream),
            "number": 1, "image": "demo:1", "source-directory": "/src",
            "buildspec": "buildspec.yml", "phases": []}));
        self.tell(json!({"type": "phase-finished", "action": "test", "phase": "PROVISIONING",
            "outcome": {"status": "succeeded"}}));
        self.output("one\n");
    }

    /// Begins an action that is no build.
    fn begin_other(&mut self, kind: &str) {
        self.tell(json!({"type": "run-started", "run": "run", "pipeline": "p", "plan": "h", "initiator": "ada"}));
        self.tell(json!({"type": "stage-started", "stage": "Build"}));
        let log = format!("billing:{}", stream().stream);
        self.tell(json!({"type": "action-started", "stage": "Build", "action": "test", "kind": kind, "log": log}));
    }

    /// The runs of its machine, of which this one was over two hours ago.
    fn old_runs(&self) -> OldRuns {
        let folders = StateFolders::new(self.desk.folder.path().to_owned());
        let (mut record, started) =
            (Record::open(folders.root()).unwrap(), clock::now() - SignedDuration::from_hours(2));
        let text = |text: &str| text.to_owned();
        let row = RunRow { id: text("run"), pipeline: text("p"), started, plan: text("{}"), options: text("{}") };
        record.begin(&row).unwrap();
        let what = What::RunFinished { outcome: Outcome::Succeeded };
        record.append("run", &[Event { sequence: 1, at: started, what }]).unwrap();
        OldRuns::of(folders)
    }

    fn output(&mut self, text: &str) {
        self.tell(json!({"type": "output", "action": "test", "text": text}));
    }

    fn log(&self) -> Vec<String> {
        let log = StateFolders::new(self.desk.folder.path().to_owned()).run("run").log("test");
        std::fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
    }
}

fn over() -> serde_json::Value {
    json!({"type": "action-finished", "action": "test", "outcome": {"status": "succeeded"}})
}

fn sent(world: &MemoryLogs) -> Vec<String> {
    world.events(&stream()).unwrap_or_default().into_iter().map(|event| event.text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_build_is_sent_from_its_start_and_complete_when_its_action_is_over() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = desk.start(&world);
    let mut process = Process::new(desk, RunState::default(), &sending);
    process.begin();
    // A slow build's line is there before anything else happens.
    until(|| sent(&world).last().is_some_and(|line| line == "one")).await;
    process.tell(over());
    assert!(sending.shipping.flush("run", MINUTE).await);
    assert_eq!(sent(&world), process.log());
    assert_eq!(sending.shipping.pending(), []);
}

#[tokio::test(start_paused = true)]
async fn what_an_image_says_is_sent_and_until_then_its_run_is_not_removed() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = desk.start(&world);
    let mut process = Process::new(desk, RunState::default(), &sending);
    process.begin_other("image");
    process.output("Step 1/2 : FROM scratch\n");
    until(|| sent(&world) == ["Step 1/2 : FROM scratch"]).await;
    world.lasting(Some(Trouble::Refused));
    process.output("Step 2/2 : COPY . .\n");
    process.tell(over());
    process.tell(json!({"type": "run-finished", "outcome": {"status": "succeeded"}}));
    let old_runs = process.old_runs();
    assert!(!old_runs.remove("run").await.unwrap(), "a part of it is here alone");
    world.lasting(None);
    assert!(sending.shipping.flush("run", MINUTE).await);
    assert_eq!(sent(&world), process.log());
    assert!(old_runs.remove("run").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_deployment_goes_on_in_its_stream_on_another_machine_until_its_stage_is_over() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = desk.start(&world);
    let mut process = Process::new(desk, RunState::default(), &sending);
    process.begin_other("deploy");
    process.output("rolling out web:2\n");
    until(|| sent(&world) == ["rolling out web:2"]).await;
    sending.die();
    let desk = Desk::new();
    let sending = desk.start(&world);
    let mut process = Process::new(desk, process.state, &sending);
    process.tell(json!({"type": "run-resumed"}));
    process.output("web:2 does not become healthy\n");
    process.tell(over());
    until(|| sent(&world).len() == 2).await;
    process.tell(json!({"type": "rollback-started", "action": "test", "to": "web:1"}));
    process.output("rolling back to web:1\n");
    process.tell(json!({"type": "rollback-finished", "action": "test", "outcome": {"status": "succeeded"}}));
    process.tell(json!({"type": "stage-finished", "stage": "Build", "outcome": {"status": "failed", "message": "no"}}));
    assert!(sending.shipping.flush("run", MINUTE).await);
    let all = ["rolling out web:2", "web:2 does not become healthy", "rolling back to web:1"];
    assert_eq!(sent(&world), all);
    assert_eq!(sending.shipping.pending(), []);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_build_goes_on_in_its_stream_and_repeats_nothing() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = desk.start(&world);
    let mut process = Process::new(desk, RunState::default(), &sending);
    process.begin();
    until(|| sent(&world).last().is_some_and(|line| line == "one")).await;
    let before = process.log();
    sending.die();
    let Process { desk, state, .. } = process;
    let sending = desk.start(&world);
    let mut process = Process::new(desk, state, &sending);
    process.tell(json!({"type": "run-resumed"}));
    process.tell(json!({"type": "build-adopted", "action": "test"}));
    process.output("one\n");
    process.output("two\n");
    process.tell(over());
    assert!(sending.shipping.flush("run", MINUTE).await);
    assert_eq!(process.log()[..before.len()], before);
    assert_eq!(sent(&world), process.log());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_only_the_record_knows_is_found_by_the_next_process() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = desk.start(&world);
    let mut process = Process::new(desk, RunState::default(), &sending);
    process.begin();
    let what = What::ActionFinished { action: "test".into(), outcome: Outcome::Succeeded };
    process.record(&Event { sequence: 9, at: clock::now(), what });
    sending.die();
    let Process { desk, state, .. } = process;
    let sending = desk.start(&world);
    until(|| sending.shipping.pending().iter().any(|unsent| !unsent.over && unsent.bytes == 0)).await;
    Shipments::reconcile(&sending.shipping, "run", &state).unwrap();
    assert!(sending.shipping.flush("run", MINUTE).await);
    assert_eq!(sent(&world).last().unwrap(), "one");
    assert_eq!(sending.shipping.pending(), []);
}
