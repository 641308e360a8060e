//! From the events of a run to its shipments.

use runner::event::{Event, Outcome, What};
use runner::sink::{LogFiles, Shipments, Sink};
use runner::state::RunState;
use runner::store::StateFolders;
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
    // An image or a deployment has no stream, and its end is no news.
    let image = json!({"type": "action-finished", "action": "image", "outcome": {"status": "succeeded"}});
    process.tell(image);
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
