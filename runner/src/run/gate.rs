//! A gate: its rules are asked until they are decided. The answers of people come through the record, so that a run
//! that waits survives the end of its process.

use std::time::Duration;

use jiff::Timestamp;
use pipeline_spec::plan::{Rule, Stage, VariableOperator};

use super::{Options, Run};
use crate::clock;
use crate::event::{Outcome, Slot, What};
use crate::fault::Fault;
use crate::gate::{Decision, RenderedRule, Verdict, evaluate, may_decide, render};

/// How often the record is looked at for answers.
const LOOK: Duration = Duration::from_millis(500);

impl Run {
    /// Waits until all rules of a gate are decided. One that is decided already is not asked again.
    pub(super) async fn gate(&self, stage: &Stage, slot: Slot, rules: &[Rule]) -> Result<Outcome, Fault> {
        if rules.is_empty() {
            return Ok(Outcome::Succeeded);
        }
        let known = self.recorder.with(|state| {
            let gate = state.stage(&stage.name).and_then(|stage| stage.gates.get(&slot));
            gate.map(|gate| (gate.span.started, gate.span.outcome.clone()))
        });
        let rendered = rules.iter().map(|rule| self.rendered(rule)).collect::<Result<Vec<_>, _>>()?;
        let entered = match known {
            Some((_, Some(outcome))) => return Ok(outcome),
            Some((Some(entered), None)) => entered,
            _ => {
                let rules = rendered.iter().map(described).collect();
                self.recorder.tell(What::GateStarted { stage: stage.name.clone(), slot, rules });
                clock::now()
            }
        };
        let (outcome, why) = self.decide(stage, slot, &rendered, entered).await?;
        if let Some(seat) = &self.seat {
            // What was stopped meanwhile needs no seat to hear so at its next step, and nor does the end of what was rejected.
            tokio::select! {
                () = seat.sit(), if outcome.succeeded() => {}
                _ = self.cancel.requested(), if outcome.succeeded() => seat.do_without(),
                else => seat.do_without(),
            }
        }
        self.recorder.tell(What::GateFinished { stage: stage.name.clone(), slot, outcome: outcome.clone(), why });
        Ok(outcome)
    }

    async fn decide(
        &self,
        stage: &Stage,
        slot: Slot,
        rules: &[RenderedRule],
        entered: Timestamp,
    ) -> Result<(Outcome, Vec<String>), Fault> {
        loop {
            let decisions = self.answers(stage, slot, rules)?;
            let now = clock::now();
            let verdicts: Vec<Verdict> =
                rules.iter().enumerate().map(|(index, rule)| evaluate(index, rule, now, entered, &decisions)).collect();
            if let Some(outcome) = decided(&verdicts) {
                return Ok((outcome, verdicts.iter().map(|verdict| why(verdict).to_owned()).collect()));
            }
            self.tell_waiting(stage, slot, rules, &verdicts);
            if let Some(seat) = &self.seat {
                seat.leave();
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                reason = self.cancel.requested() => {
                    return Ok((Self::stopped(reason), vec!["stopped while it waited".to_owned()]));
                }
            }
        }
    }

    /// The answers so far; a new one is told.
    fn answers(&self, stage: &Stage, slot: Slot, rules: &[RenderedRule]) -> Result<Vec<Decision>, Fault> {
        if self.options.yes {
            self.answer_yes(stage, slot, rules)?;
        }
        let decisions = self.recorder.record(|record| record.decisions(&self.id, &stage.name, slot))?;
        let told = self.recorder.with(|state| {
            let gate = state.stage(&stage.name).and_then(|stage| stage.gates.get(&slot));
            gate.map(|gate| gate.decisions.clone()).unwrap_or_default()
        });
        for decision in decisions.iter().filter(|decision| !told.contains(decision)) {
            let decision = decision.clone();
            self.recorder.tell(What::ApprovalGiven { stage: stage.name.clone(), slot, decision });
        }
        Ok(decisions)
    }

    fn answer_yes(&self, stage: &Stage, slot: Slot, rules: &[RenderedRule]) -> Result<(), Fault> {
        let Options { user, groups, .. } = &self.options;
        // The first answer stays, so one that does not count would keep those away whose answers do.
        let approvals = rules.iter().enumerate().filter(|(_, rule)| match rule {
            RenderedRule::Approval { approvers, .. } => may_decide(approvers, user, groups),
            _ => false,
        });
        let known = self.recorder.record(|record| record.decisions(&self.id, &stage.name, slot))?;
        for (rule, _) in approvals.filter(|(index, _)| known.iter().all(|decision| decision.rule != *index)) {
            let comment = Some("--yes".to_owned());
            let (by, groups) = (user.clone(), groups.clone());
            let decision = Decision { rule, by, groups, at: clock::now(), approved: true, comment };
            self.recorder.record(|record| record.decide(&self.id, &stage.name, slot, &decision))?;
        }
        Ok(())
    }

    /// Tells what a rule waits for, once for each thing.
    fn tell_waiting(&self, stage: &Stage, slot: Slot, rules: &[RenderedRule], verdicts: &[Verdict]) {
        for (rule, (asked, verdict)) in rules.iter().zip(verdicts).enumerate() {
            let Verdict::Waiting { why, until } = verdict else { continue };
            let told = self.recorder.with(|state| {
                let gate = state.stage(&stage.name).and_then(|stage| stage.gates.get(&slot));
                gate.and_then(|gate| gate.waiting.get(&rule)) == Some(why)
            });
            if !told {
                let (stage, kind, why, until) = (stage.name.clone(), asked.kind(), why.clone(), *until);
                self.recorder.tell(What::GateWaiting { stage, slot, rule, kind, why, until });
            }
        }
    }

    fn rendered(&self, rule: &Rule) -> Result<RenderedRule, Fault> {
        self.with_values(|value_of| render(rule, value_of))
    }
}

/// A rule in one line.
fn described(rule: &RenderedRule) -> String {
    match rule {
        RenderedRule::Approval { approvers, message, .. } if approvers.is_empty() => format!("approval: {message}"),
        RenderedRule::Approval { approvers, message, .. } => {
            format!("approval by {}: {message}", approvers.join(" or "))
        }
        RenderedRule::DeploymentWindow { cron, time_zone, .. } => format!("deployment window {cron} ({time_zone})"),
        RenderedRule::VariableCheck { variable, operator, value } => {
            let word = match operator {
                VariableOperator::Equals => "equals",
                VariableOperator::NotEquals => "does not equal",
                VariableOperator::Contains => "contains",
                VariableOperator::Matches => "matches",
            };
            format!("variable check: {variable} {word} {value}")
        }
    }
}

/// What a rule says, in its own words.
fn why(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Passed { why } | Verdict::Waiting { why, .. } | Verdict::Failed { why } => why,
    }
}

/// The gate's outcome, once one rule failed or all have passed.
fn decided(verdicts: &[Verdict]) -> Option<Outcome> {
    let failed = verdicts.iter().find(|verdict| matches!(verdict, Verdict::Failed { .. }));
    match failed {
        Some(verdict) => Some(Outcome::failed(why(verdict))),
        None => verdicts.iter().all(|verdict| matches!(verdict, Verdict::Passed { .. })).then_some(Outcome::Succeeded),
    }
}
