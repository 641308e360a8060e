//! Whether an action is still wanted. CodePipeline tells a worker nothing: an abandoned action is seen by asking.
//!
//! A stop that waits lets the action end, so only an abandoned one counts (user guide, "Stop a pipeline execution"), and
//! one that failed without our result: CodePipeline gives an action up after a day.

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::types::{ActionExecutionFilter, PipelineExecutionStatus};

use crate::aws;
use crate::fault::{Fault, FaultKind};
use crate::queue::{JobOrder, Wanted};

pub(super) async fn wanted(client: &Client, order: &JobOrder) -> Result<Wanted, Fault> {
    let place = &order.place;
    let doing = || format!("asking for execution {} of {}", place.execution, place.pipeline);
    let request = client.get_pipeline_execution().pipeline_name(&place.pipeline);
    let answer = request.pipeline_execution_id(&place.execution).send().await;
    let answer = answer.map_err(|error| hinted(aws::fault(doing(), &error)))?;
    let status = answer.pipeline_execution().and_then(|execution| execution.status());
    match status {
        None | Some(PipelineExecutionStatus::InProgress) => Ok(Wanted::Yes),
        // Another action may have failed, or the stop may be one that waits: the action itself is asked.
        Some(_) => action_wanted(client, order, doing).await,
    }
}

async fn action_wanted(client: &Client, order: &JobOrder, doing: impl Fn() -> String) -> Result<Wanted, Fault> {
    let place = &order.place;
    let filter = ActionExecutionFilter::builder().pipeline_execution_id(&place.execution).build();
    let mut pages =
        client.list_action_executions().pipeline_name(&place.pipeline).filter(filter).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| hinted(aws::fault(doing(), &error)))?;
        for action in page.action_execution_details() {
            if action.action_execution_id() != Some(order.key.as_str()) {
                continue;
            }
            let became = match action.status().map(|status| status.as_str()) {
                Some("Abandoned") => "was stopped and abandoned",
                Some("Failed") => "has given the action up",
                _ => continue,
            };
            return Ok(Wanted::No { why: format!("execution {} {became}", place.execution) });
        }
    }
    Ok(Wanted::Yes)
}

/// A worker that may not ask goes on with what nobody wants.
fn hinted(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::Permission => fault.hint(
            "allow the worker codepipeline:GetPipelineExecution and codepipeline:ListActionExecutions on the pipeline \
             (`sluice setup codepipeline` prints the policy); until then abandoned jobs go on to their end",
        ),
        _ => fault,
    }
}
