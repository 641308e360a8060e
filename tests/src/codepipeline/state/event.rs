//! Events as CodePipeline gives them to EventBridge, one for each change of a pipeline's, stage's or action's state.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::State;
use super::execution::Artifact;

impl State {
    pub(super) fn tell_pipeline(&mut self, at: usize, state: &str, now: Timestamp) {
        self.tell("Pipeline", at, json!({ "state": state }), now);
    }

    pub(super) fn tell_stage(&mut self, at: usize, state: &str, now: Timestamp) {
        let execution = &self.executions[at];
        let stage = &execution.stages[execution.at].name;
        self.tell("Stage", at, json!({ "stage": stage, "state": state }), now);
    }

    pub(super) fn tell_action(&mut self, at: usize, run: usize, state: &str, now: Timestamp) {
        let execution = &self.executions[at];
        let run = &execution.runs[run];
        let action = execution.action(run);
        let artifacts = |all: &[Artifact]| all.iter().map(Artifact::detail).collect::<Value>();
        let mut own = json!({
            "stage": execution.stages[run.stage].name,
            "action": action.name,
            "action-execution-id": run.id,
            "state": state,
            "region": self.settings.region,
            "type": action.type_id.json(),
            "input-artifacts": artifacts(&run.inputs),
        });
        if state == "SUCCEEDED" {
            own["output-artifacts"] = artifacts(&run.outputs);
        }
        if let Some((code, message)) = &run.error {
            own["execution-result"] = json!({
                "external-execution-summary": message,
                "external-execution-id": run.external_id.clone().unwrap_or_default(),
                "error-code": code,
            });
        }
        self.tell("Action", at, own, now);
    }

    fn tell(&mut self, of: &str, at: usize, own: Value, now: Timestamp) {
        let id = self.id();
        let execution = &self.executions[at];
        // The version of a pipeline is a number with a fraction in EventBridge's documentation, too.
        let mut detail = json!({
            "pipeline": execution.pipeline,
            "execution-id": execution.id,
            "version": f64::from(u32::try_from(execution.version).unwrap_or(u32::MAX)),
        });
        if let (Some(detail), Value::Object(own)) = (detail.as_object_mut(), own) {
            detail.extend(own);
        }
        self.events.push(json!({
            "version": "0",
            "id": id,
            "detail-type": format!("CodePipeline {of} Execution State Change"),
            "source": "aws.codepipeline",
            "account": self.settings.account,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.settings.region,
            "resources": [self.arn(&execution.pipeline)],
            "detail": detail,
        }));
    }
}
