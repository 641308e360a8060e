use super::*;
use crate::deploy::{Deployment, DeploymentOrder, TargetOrder};
use crate::event::{ActionKind, Outcome};
use crate::fault::FaultKind;
use crate::store::RunRow;

#[test]
fn a_secret_that_is_one_of_our_words_leaves_no_event_unmasked() {
    let secrets = ["system", "hunter2-extra", "2026", "faulted"].map(SecretText::new);
    let (needles, _) = Needles::of(secrets.iter().map(|secret| ("NAME", secret))).unwrap();
    let outcome = |message: &str| Outcome::Faulted { kind: FaultKind::System, message: message.into(), hint: None };
    let what = |message| What::ActionFinished { action: "build".into(), outcome: outcome(message) };
    let told = masked(&Arc::new(needles), what("login as system with hunter2-extra failed in 2026"));
    assert_eq!(told, what("login as *** with *** failed in ***"));
}

#[test]
fn the_run_works_with_what_is_shown_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::open(folder.path()).unwrap();
    let recorder = Recorder::new("r", record, RunState::default(), Vec::new(), Cancel::default()).unwrap();
    recorder.mask(&[("ACCOUNT".to_owned(), SecretText::new("123456789012"))]).unwrap();
    let build = || "build".to_owned();
    recorder.tell(What::ActionStarted { stage: "Build".into(), action: build(), kind: ActionKind::Build, log: None });
    let value = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app".to_owned();
    recorder.tell(What::VariableExported { action: build(), name: "REPOSITORY".into(), value, withheld: false });
    let (id, revision) = ("1".to_owned(), "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:8".to_owned());
    let deployment = Deployment { id, revision, previous: None, previous_count: None, url: None };
    recorder.tell(What::DeploymentBegun { action: build(), deployment: deployment.clone() });
    let known = recorder.with(|state| state.action("build").cloned().unwrap());
    assert_eq!(known.variables["REPOSITORY"], "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app");
    let told = recorder.told(|state| state.action("build").cloned().unwrap());
    assert_eq!(told.variables["REPOSITORY"], "***.dkr.ecr.eu-west-1.amazonaws.com/app");
    assert!(told.withheld.contains("REPOSITORY") && known.withheld.is_empty());
    assert_eq!(told.deployment, Some(deployment), "a later process must find it as it is");
}

#[test]
fn the_id_that_a_log_is_sent_under_is_told_as_it_is() {
    let (needles, _) = Needles::of([("NAME", &SecretText::new("billing"))]).unwrap();
    let log = Some("billing:0b1c2d3e-0000-4000-8000-000000000000".to_owned());
    let what = What::ActionStarted { stage: "Ship".into(), action: "image".into(), kind: ActionKind::Image, log };
    assert_eq!(masked(&Arc::new(needles), what.clone()), what);
}

#[test]
fn a_fault_of_what_was_done_with_the_state_is_masked_before_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::open(folder.path()).unwrap();
    let recorder = Recorder::new("r", record, RunState::default(), Vec::new(), Cancel::default()).unwrap();
    recorder.mask(&[("TENANT".to_owned(), SecretText::new("hunter2-extra"))]).unwrap();
    let fault = recorder.masked(Fault::system("out/hunter2-extra.zip is gone").hint("look for hunter2-extra").away());
    assert_eq!((fault.message.as_str(), fault.hint.as_deref()), ("out/***.zip is gone", Some("look for ***")));
    assert!(fault.kind == FaultKind::System && fault.away);
}

#[test]
fn a_secret_that_is_learnt_while_an_action_speaks_is_masked_from_there_on() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::open(folder.path()).unwrap();
    let kept = Kept::default();
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(kept.clone())];
    let recorder = Recorder::new("r", record, RunState::default(), sinks, Cancel::default()).unwrap();
    let speak = |text: &'static [u8]| {
        recorder.tell(What::Output { action: "image".into(), text: Bytes::from_static(text) });
    };
    speak(b"one ");
    recorder.mask(&[("TOKEN".to_owned(), SecretText::new("correct-horse"))]).unwrap();
    speak(b"two correct-horse three\n");
    recorder.tell(What::ActionFinished { action: "image".into(), outcome: Outcome::Succeeded });
    assert_eq!(String::from_utf8_lossy(&kept.0.lock().unwrap()), "one two *** three\n");
}

#[test]
fn the_end_of_a_run_that_was_lost_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (record, cancel) = (Record::open(folder.path()).unwrap(), Cancel::new());
    let row =
        RunRow { id: "r".into(), pipeline: "p".into(), started: clock::now(), plan: "{}".into(), options: "{}".into() };
    record.begin(&row).unwrap();
    let recorder = Recorder::new("r", record, RunState::default(), Vec::new(), cancel.clone()).unwrap();
    recorder.tell(What::StageStarted { stage: "Build".into() });
    cancel.request(Reason::Lost);
    recorder.tell(What::RunFinished { outcome: Outcome::Succeeded });
    let recorded = recorder.record(|record| record.events("r", 0)).unwrap();
    assert_eq!(
        recorded.iter().map(|event| &event.what).collect::<Vec<_>>(),
        [&What::StageStarted { stage: "Build".into() }]
    );
}

#[test]
fn a_variable_of_a_deployment_is_masked_whatever_its_name_is() {
    let secret = SecretText::new("hunter2-extra");
    let (needles, _) = Needles::of([("NAME", &secret)]).unwrap();
    let names = ["image", "build", "type", "kind", "status", "slot", "reason", "at", "until"];
    let variables = names.map(|name| (name.to_owned(), "hunter2-extra".to_owned())).into();
    let target = TargetOrder::Ecs {
        cluster: "prod".into(),
        service: "web".into(),
        images: [("app".to_owned(), "web@sha256:0".to_owned())].into(),
        environment: [("app".to_owned(), variables)].into(),
        desired_count: None,
    };
    let order = DeploymentOrder { token: "t".into(), role: None, region: None, target };
    let told = masked(&Arc::new(needles), What::DeploymentIntended { action: "ship".into(), order });
    let text = serde_json::to_string(&told).unwrap();
    assert!(!text.contains("hunter2") && text.contains("\"action\":\"ship\""), "{text}");
}

/// Keeps the output.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Sink for Kept {
    fn take(&mut self, event: &Event, _: &RunState) -> Result<(), Fault> {
        if let What::Output { text, .. } = &event.what {
            self.0.lock().unwrap().extend_from_slice(text);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
