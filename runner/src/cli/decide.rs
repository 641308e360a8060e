//! `sluice approve`, `sluice reject`: answers an approval of a run, from any process on the machine, or any machine of the
//! fleet.

use pipeline_spec::plan::{Plan, Rule};

use super::fleet::Fleet;
use super::{Context, Exit, out};
use crate::clock;
use crate::event::Slot;
use crate::fault::Fault;
use crate::gate::{Decision, may_decide};
use crate::identity;
use crate::state::RunState;
use crate::wire::Started;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sluice approve 0199a1 Production\n  sluice approve 0199a1 Production --table sluice\n  sluice reject 0199a1 Production --comment 'not on a Friday'"
)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: Fleet,
    /// The run's id, or its beginning
    run: String,
    /// The stage whose gate waits
    #[arg(value_name = "GATE")]
    stage: String,
    /// Why
    #[arg(long)]
    comment: Option<String>,
}

pub(super) fn decide(context: &Context, args: &Args, approved: bool) -> Result<Exit, Fault> {
    super::runtime()?.block_on(answer(context, args, approved))
}

async fn answer(context: &Context, args: &Args, approved: bool) -> Result<Exit, Fault> {
    let (folders, history) = (context.folders()?, args.fleet.history(context).await?);
    let run = history.run(Some(&args.run)).await?;
    let plan: Plan = serde_json::from_str(&run.plan)
        .map_err(|error| Fault::system(format!("run {}: its plan cannot be read: {error}", run.id)))?;
    let approvals = approvals(&plan, &args.stage)?;
    let state = RunState::of(&history.events(&run.id).await?);
    if let Some(outcome) = &state.span.outcome {
        return Err(Fault::configuration(format!("run {} is over: {}", run.id, outcome.word())));
    }
    let mut open = Vec::new();
    for approval in approvals {
        let known = history.decisions(&run.id, &args.stage, approval.slot).await?;
        if known.iter().all(|decision| decision.rule != approval.rule) {
            open.push(approval);
        }
    }
    let (by, groups) = identity::user();
    let Approval { slot, rule, .. } = choose(&open, &args.stage, &state, &by, &groups)?;
    let comment = args.comment.clone();
    let decision = Decision { rule: *rule, by: by.clone(), groups, at: clock::now(), approved, comment };
    history.decide(&run.id, &args.stage, *slot, &decision).await?;
    let word = if approved { "approved" } else { "rejected" };
    out::say(&format!("{word} {} of run {} as {by}", args.stage, run.id));
    if args.fleet.table(context).is_none() && folders.run(&run.id).own()?.is_some() {
        // A run of a job is its worker's: carried on by anybody else, its job would never hear of its end.
        let remedy = match Started::of(&run)?.for_job {
            true => "start its worker again: `sluice worker`".to_owned(),
            false => format!("`sluice run --resume {}`", run.id),
        };
        out::say(&format!("no process carries it on: {remedy}"));
    }
    Ok(Exit::Succeeded)
}

/// An approval of a stage.
#[derive(Debug, PartialEq)]
struct Approval {
    slot: Slot,
    rule: usize,
    approvers: Vec<String>,
}

/// All approvals of a stage.
fn approvals(plan: &Plan, name: &str) -> Result<Vec<Approval>, Fault> {
    let Some(stage) = plan.stages.iter().find(|stage| stage.name == name) else {
        let names: Vec<_> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
        return Err(
            Fault::configuration(format!("there is no stage {name}")).hint(format!("stages: {}", names.join(", ")))
        );
    };
    let gates = [(Slot::BeforeEntry, &stage.before_entry), (Slot::OnSuccess, &stage.on_success)];
    let approvals: Vec<_> = gates
        .into_iter()
        .flat_map(|(slot, rules)| rules.iter().enumerate().map(move |(rule, written)| (slot, rule, written)))
        .filter_map(|(slot, rule, written)| match written {
            Rule::Approval { approvers, .. } => Some(Approval { slot, rule, approvers: approvers.clone() }),
            _ => None,
        })
        .collect();
    if approvals.is_empty() {
        return Err(Fault::configuration(format!("stage {name} has no approval")));
    }
    Ok(approvals)
}

/// The approval that is answered, of those without an answer: the first that the run waits for and that this person may
/// answer. Nothing is answered before it is asked: until then nobody knows what they would say yes to.
fn choose<'a>(
    open: &'a [Approval],
    stage: &str,
    state: &RunState,
    by: &str,
    groups: &[String],
) -> Result<&'a Approval, Fault> {
    if open.is_empty() {
        return Err(Fault::configuration(format!("every approval of {stage} is answered already")));
    }
    let gates = state.stage(stage).map(|stage| &stage.gates);
    let waits = |approval: &&Approval| {
        let gate = gates.and_then(|gates| gates.get(&approval.slot));
        gate.is_some_and(|gate| gate.waiting.contains_key(&approval.rule))
    };
    let waiting: Vec<&Approval> = open.iter().filter(waits).collect();
    if waiting.is_empty() {
        return Err(Fault::configuration(format!("the run does not wait for an approval of {stage} yet"))
            .hint("`sluice show RUN` tells where it is"));
    }
    let mine = waiting.iter().find(|approval| may_decide(&approval.approvers, by, groups));
    mine.copied().ok_or_else(|| {
        let who: Vec<&str> = waiting.iter().flat_map(|approval| &approval.approvers).map(String::as_str).collect();
        Fault::permission(format!("{by} may not answer for {stage}: {} may", who.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, What};
    use crate::gate::RuleKind;

    fn approval(slot: Slot, rule: usize, approvers: &[&str]) -> Approval {
        Approval { slot, rule, approvers: approvers.iter().map(ToString::to_string).collect() }
    }

    /// The state of a run that waits for these rules.
    fn waiting(rules: &[(Slot, usize)]) -> RunState {
        let started = What::StageStarted { stage: "Production".to_owned() };
        let waits = rules.iter().map(|(slot, rule)| What::GateWaiting {
            stage: "Production".to_owned(),
            slot: *slot,
            rule: *rule,
            kind: RuleKind::Approval,
            why: "waiting".to_owned(),
            until: None,
        });
        let events: Vec<Event> = std::iter::once(started)
            .chain(waits)
            .zip(1..)
            .map(|(what, sequence)| Event { sequence, at: clock::now(), what })
            .collect();
        RunState::of(&events)
    }

    fn chosen(open: &[Approval], state: &RunState, by: &str) -> Result<usize, String> {
        let chosen = choose(open, "Production", state, by, &[]).map_err(|fault| fault.message)?;
        Ok(open.iter().position(|approval| approval == chosen).unwrap())
    }

    #[test]
    fn an_approval_is_answered_only_while_the_run_waits_for_it() {
        let open = [approval(Slot::BeforeEntry, 0, &[]), approval(Slot::OnSuccess, 0, &[])];
        let early = Err("the run does not wait for an approval of Production yet".to_owned());
        assert_eq!(chosen(&open, &RunState::default(), "ann"), early);
        assert_eq!(chosen(&open, &waiting(&[]), "ann"), early);
        assert_eq!(chosen(&open, &waiting(&[(Slot::BeforeEntry, 0)]), "ann"), Ok(0));
        assert_eq!(chosen(&open[1..], &waiting(&[(Slot::BeforeEntry, 0)]), "ann"), early, "the next gate is later");
        let answered = Err("every approval of Production is answered already".to_owned());
        assert_eq!(chosen(&[], &waiting(&[(Slot::BeforeEntry, 0)]), "ann"), answered);
    }

    #[test]
    fn of_two_approvals_each_person_answers_their_own_in_any_order() {
        let open = [approval(Slot::BeforeEntry, 0, &["ann"]), approval(Slot::BeforeEntry, 1, &["bob"])];
        let state = waiting(&[(Slot::BeforeEntry, 0), (Slot::BeforeEntry, 1)]);
        assert_eq!(chosen(&open, &state, "bob"), Ok(1));
        assert_eq!(chosen(&open, &state, "ann"), Ok(0));
        let nobody = Err("eve may not answer for Production: ann, bob may".to_owned());
        assert_eq!(chosen(&open, &state, "eve"), nobody);
    }
}
