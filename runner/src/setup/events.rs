//! What workers hear, in two queues a pool. **Jobs** are runs that somebody asks for, and pushes: they wait until they
//! are done, or go to the dead letters. **Events** are what became of actions: they are worth something for a moment, and
//! polling finds every job without them, only later; that an execution was abandoned is heard here first.

use serde_json::{Map, Value, json};

use super::Stack;
use super::arn;
use crate::fault::Fault;
use crate::queue::codepipeline::action_type::{OWNER, PROVIDER};

/// How often a message is handed out before it goes to the dead letters.
const MOST_RECEIVES: u32 = 5;
/// Seconds that a worker has for a message before another one gets it.
const VISIBILITY: u32 = 120;
/// Seconds that dead letters are kept: as long as SQS can.
const KEPT: u32 = 14 * 24 * 3600;
/// Seconds that an event is kept.
const NEWS: u32 = 600;

/// The logical id of a pool's queue of jobs.
pub(super) fn jobs(pool: &str) -> String {
    format!("{}Jobs", camel(pool))
}

/// The logical id of a pool's queue of events.
pub(super) fn news(pool: &str) -> String {
    format!("{}Events", camel(pool))
}

pub(super) fn resources(stack: &Stack, into: &mut Map<String, Value>) -> Result<(), Fault> {
    into.insert("DeadLetters".to_owned(), sqs(json!({ "MessageRetentionPeriod": KEPT })));
    for (at, pool) in stack.pools.iter().enumerate() {
        let (jobs, news) = (jobs(pool), news(pool));
        let dead = json!({"Fn::GetAtt": ["DeadLetters", "Arn"]});
        let redrive = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": MOST_RECEIVES });
        into.insert(jobs.clone(), sqs(json!({ "VisibilityTimeout": VISIBILITY, "RedrivePolicy": redrive })));
        into.insert(news.clone(), sqs(json!({ "MessageRetentionPeriod": NEWS })));
        filled(into, &news, rule(pool, &news, "tells actions of Sluice", actions()));
        // A push is one run, so it goes to one pool: the first.
        if stack.on_push && at == 0 {
            filled(into, &jobs, rule(pool, &jobs, "tells pushes", pushes(&stack.repositories)?));
        }
    }
    Ok(())
}

/// The rule that fills a queue, and the policy that lets it.
fn filled(into: &mut Map<String, Value>, queue: &str, rule: Value) {
    into.insert(format!("{queue}Rule"), rule);
    into.insert(format!("{queue}Policy"), policy(queue, &format!("{queue}Rule")));
}

fn sqs(mut properties: Value) -> Value {
    properties["SqsManagedSseEnabled"] = true.into();
    json!({ "Type": "AWS::SQS::Queue", "Properties": properties })
}

fn rule(pool: &str, queue: &str, what: &str, pattern: Value) -> Value {
    json!({
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Description": format!("{what} to the workers of the pool {pool}"),
            "EventPattern": pattern,
            "Targets": [{ "Id": queue, "Arn": {"Fn::GetAtt": [queue, "Arn"]} }],
        },
    })
}

/// An action that started has a job to take; one that was abandoned, or that CodePipeline gave up (`FAILED` without a
/// worker's result), a build to stop. Workers drop the failures that they have reported themselves.
fn actions() -> Value {
    json!({
        "source": ["aws.codepipeline"],
        "detail-type": ["CodePipeline Action Execution State Change"],
        "detail": {
            "state": ["STARTED", "ABANDONED", "FAILED"],
            "type": { "owner": [OWNER], "provider": [PROVIDER] },
        },
    })
}

/// A branch of one of the repositories that is new or has moved. Tags are told too, and workers drop them.
fn pushes(repositories: &[String]) -> Result<Value, Fault> {
    if let Some(several) = repositories.iter().find(|name| name.contains('*')) {
        return Err(Fault::configuration(format!("`{several}` names several repositories, and an event names one"))
            .hint("name each repository whose pushes are told"));
    }
    let arns = repositories.iter().map(|name| arn::own("codecommit", "", name)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "source": ["aws.codecommit"],
        "detail-type": ["CodeCommit Repository State Change"],
        "resources": arns,
        "detail": { "event": ["referenceCreated", "referenceUpdated"] },
    }))
}

/// Lets this rule, and nobody else's, send to the queue.
fn policy(queue: &str, rule: &str) -> Value {
    json!({
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": queue}],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Principal": { "Service": "events.amazonaws.com" },
                    "Action": "sqs:SendMessage",
                    "Resource": {"Fn::GetAtt": [queue, "Arn"]},
                    "Condition": { "ArnEquals": { "aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]} } },
                }],
            },
        },
    })
}

/// A pool's name as part of a logical id, which has letters and digits only.
pub(super) fn camel(pool: &str) -> String {
    let words = pool.split(|character: char| !character.is_ascii_alphanumeric());
    words.map(|word| word[..word.len().min(1)].to_ascii_uppercase() + word.get(1..).unwrap_or_default()).collect()
}
