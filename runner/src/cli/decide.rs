//! `sluice approve`, `sluice reject`: answers an approval of a run, from any process on the machine, or any machine of the fleet.

use pipeline_spec::plan::{Plan, Rule};

use super::fleet::Fleet;
use super::{Context, Exit, out};
use crate::clock;
use crate::event::Slot;
use crate::fault::Fault;
use crate::gate::{Decision, may_decide};
use crate::identity;
use crate::state::RunState;

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
    let open = open_approvals(&plan, &args.stage)?;
    let (by, groups) = identity::user(&context.environment);
    let mut answered = 0;
    for (slot, rule, approvers) in open {
        let known = history.decisions(&run.id, &args.stage, slot).await?;
        if known.iter().any(|decision| decision.rule == rule) {
            continue;
        }
        if !may_decide(&approvers, &by, &groups) {
            return Err(Fault::permission(format!(
                "{by} may not answer for {}: {} may",
                args.stage,
                approvers.join(", ")
            )));
        }
        let comment = args.comment.clone();
        let decision = Decision { rule, by: by.clone(), groups: groups.clone(), at: clock::now(), approved, comment };
        history.decide(&run.id, &args.stage, slot, &decision).await?;
        answered += 1;
        // The gate at the end of a stage is not answered ahead of time, together with the one at its beginning.
        break;
    }
    let word = if approved { "approved" } else { "rejected" };
    if answered == 0 {
        return Err(Fault::configuration(format!(
            "run {}: every approval of {} is answered already",
            run.id, args.stage
        )));
    }
    out::say(&format!("{word} {} of run {} as {by}", args.stage, run.id));
    let over = RunState::of(&history.events(&run.id).await?).span.outcome.is_some();
    if args.fleet.table(context).is_none() && !over && folders.run(&run.id).own()?.is_some() {
        out::say(&format!("no process carries it on: `sluice run --resume {}`", run.id));
    }
    Ok(Exit::Succeeded)
}

/// The approvals of a stage: gate, rule, who may.
fn open_approvals(plan: &Plan, name: &str) -> Result<Vec<(Slot, usize, Vec<String>)>, Fault> {
    let Some(stage) = plan.stages.iter().find(|stage| stage.name == name) else {
        let names: Vec<_> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
        return Err(
            Fault::configuration(format!("there is no stage {name}")).hint(format!("stages: {}", names.join(", ")))
        );
    };
    let gates = [(Slot::BeforeEntry, &stage.before_entry), (Slot::OnSuccess, &stage.on_success)];
    let approvals: Vec<_> = gates
        .into_iter()
        .flat_map(|(slot, rules)| rules.iter().enumerate().map(move |(index, rule)| (slot, index, rule)))
        .filter_map(|(slot, index, rule)| match rule {
            Rule::Approval { approvers, .. } => Some((slot, index, approvers.clone())),
            _ => None,
        })
        .collect();
    if approvals.is_empty() {
        return Err(Fault::configuration(format!("stage {name} has no approval")));
    }
    Ok(approvals)
}
