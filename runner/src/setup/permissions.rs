//! What a worker may: one statement a purpose, and nothing that no worker calls.

use serde_json::{Map, Value, json};

use super::arn::{self, sub};
use super::{Stack, ecs, events, fleet};
use crate::fault::Fault;
use crate::queue::codepipeline::action_type::LOG_GROUP;

/// One statement: its purpose, its calls, and what they are made on.
pub(super) struct Statement {
    purpose: &'static str,
    calls: &'static [&'static str],
    resources: Vec<Value>,
    /// What must hold beside.
    condition: Option<Value>,
}

impl Statement {
    pub(super) fn new(purpose: &'static str, calls: &'static [&'static str], resources: Vec<Value>) -> Self {
        Self { purpose, calls, resources, condition: None }
    }

    pub(super) fn when(self, condition: Value) -> Self {
        Self { condition: Some(condition), ..self }
    }
}

/// Polling names the action type that it is for.
const POLL: &[&str] = &["codepipeline:PollForJobs"];
/// These name a job, for which IAM has no resource: the service authorization reference lists none, so a statement that
/// named one would allow nothing. Whoever has no job's id and nonce can do nothing with them.
const JOB: &[&str] = &[
    "codepipeline:AcknowledgeJob",
    "codepipeline:GetJobDetails",
    "codepipeline:PutJobFailureResult",
    "codepipeline:PutJobSuccessResult",
];
const PIPELINE: &[&str] = &["codepipeline:GetPipelineExecution", "codepipeline:ListActionExecutions"];
const QUEUE: &[&str] = &["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"];
const TABLE: &[&str] = &[
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];
const LOGS: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents"];
const OBJECTS: &[&str] = &["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"];
/// No worker lists a bucket; but to whoever may not, S3 says of an object that is not there that access is denied.
const BUCKET: &[&str] = &["s3:ListBucket"];
const LOGIN: &[&str] = &["ecr:GetAuthorizationToken"];
const IMAGES: &[&str] = &[
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImageScanFindings",
    "ecr:DescribeRepositories",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:StartImageScan",
    "ecr:UploadLayerPart",
];
const MAKE: &[&str] = &["ecr:CreateRepository"];
const PULL: &[&str] = &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const HOOK: &[&str] = &["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"];

/// Log groups of this account and Region.
const GROUPS: &str = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:";

/// The role of the workers, and the profile that gives it to an EC2 instance: no key is stored anywhere.
pub(super) fn resources(stack: &Stack, into: &mut Map<String, Value>) -> Result<(), Fault> {
    let document = json!({ "Version": "2012-10-17", "Statement": statements(stack)? });
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }],
    });
    into.insert(
        "WorkerRole".to_owned(),
        json!({
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Description": "What a worker of Sluice may",
                "AssumeRolePolicyDocument": trust,
                "Policies": [{ "PolicyName": "worker", "PolicyDocument": document }],
            },
        }),
    );
    into.insert(
        "WorkerProfile".to_owned(),
        json!({ "Type": "AWS::IAM::InstanceProfile", "Properties": { "Roles": [{"Ref": "WorkerRole"}] } }),
    );
    Ok(())
}

fn statements(stack: &Stack) -> Result<Vec<Value>, Fault> {
    let pipelines = "arn:${AWS::Partition}:codepipeline:${AWS::Region}:${AWS::AccountId}:";
    let types = stack.types.iter().map(|category| sub(&format!("{pipelines}{}", category.resource())));
    let queues = stack
        .pools
        .iter()
        .flat_map(|pool| [events::jobs(pool), events::news(pool)])
        .map(|queue| json!({"Fn::GetAtt": [queue, "Arn"]}));
    let mut all = vec![
        Statement::new("PollForJobs", POLL, types.collect()),
        Statement::new("AnswerForJobs", JOB, vec!["*".into()]),
        Statement::new("LookAtPipelines", PIPELINE, vec![sub(&format!("{pipelines}*"))]),
        Statement::new("Hear", QUEUE, queues.collect()),
        Statement::new("KeepRecords", TABLE, vec![json!({"Fn::GetAtt": ["Records", "Arn"]})]),
        Statement::new("WriteLogs", LOGS, vec![sub(&format!("{GROUPS}{LOG_GROUP}:*"))]),
    ];
    all.extend(stores(stack)?);
    all.extend(sources_and_images(stack)?);
    all.extend(ecs::statements(stack)?);
    all.extend(machines(stack));
    let said = all.into_iter().filter(|statement| !statement.resources.is_empty());
    Ok(said.map(written).collect())
}

/// Buckets, secrets and the keys that they are encrypted with.
fn stores(stack: &Stack) -> Result<Vec<Statement>, Fault> {
    let buckets = all(&stack.buckets, arn::bucket)?;
    let objects = buckets.iter().map(|bucket| arn::below(bucket, "/*")).collect();
    let prefix = |name: &str| format!("{}/*", name.trim_matches('/'));
    let parameters = all(&stack.secrets, |name| arn::own("ssm", "parameter/", &prefix(name)))?;
    let secrets = all(&stack.secrets, |name| arn::own("secretsmanager", "secret:", &prefix(name)))?;
    let keys = all(&stack.keys, |key| arn::of("kms", key).map(Value::from))?;
    Ok(vec![
        Statement::new("KeepObjects", OBJECTS, objects),
        Statement::new("ListObjects", BUCKET, buckets),
        Statement::new("ReadParameters", &["ssm:GetParameters"], parameters),
        Statement::new("ReadSecrets", &["secretsmanager:GetSecretValue"], secrets),
        Statement::new("UseKeys", &["kms:Decrypt", "kms:GenerateDataKey"], keys),
    ])
}

/// What goes into builds and images, and who deploys them.
fn sources_and_images(stack: &Stack) -> Result<Vec<Statement>, Fault> {
    let repositories = all(&stack.repositories, |name| arn::own("codecommit", "", name))?;
    let images = all(&stack.images, |name| arn::own("ecr", "repository/", name))?;
    let base_images = all(&stack.base_images, |name| arn::own("ecr", "repository/", name))?;
    let login = if images.is_empty() && base_images.is_empty() { Vec::new() } else { vec!["*".into()] };
    let made = if stack.creates_repositories { images.clone() } else { Vec::new() };
    let roles = all(&stack.deploy_roles, |role| arn::of("iam", role).map(Value::from))?;
    Ok(vec![
        Statement::new("Clone", &["codecommit:GitPull"], repositories),
        Statement::new("LogInToRegistries", LOGIN, login),
        Statement::new("PushAndPullImages", IMAGES, images),
        Statement::new("MakeRepositories", MAKE, made),
        Statement::new("PullImages", PULL, base_images),
        Statement::new("Deploy", &["sts:AssumeRole"], roles),
    ])
}

/// What a machine of an Auto Scaling group needs: the binary, and to say that it has drained.
fn machines(stack: &Stack) -> Vec<Statement> {
    if !stack.autoscaling {
        return Vec::new();
    }
    let binary = |pool: &String| {
        let location = json!({"Ref": fleet::parameter(pool, "BinaryLocation")});
        let path = json!({"Fn::Select": [1, {"Fn::Split": ["s3://", location]}]});
        json!({"Fn::Sub": ["arn:${AWS::Partition}:s3:::${Path}", { "Path": path }]})
    };
    let groups = "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}:autoScalingGroup:*:\
                  autoScalingGroupName/${AWS::StackName}-*";
    vec![
        Statement::new("Install", &["s3:GetObject"], stack.pools.iter().map(binary).collect()),
        Statement::new("Drain", HOOK, vec![sub(groups)]),
    ]
}

pub(super) fn all(given: &[String], resource: impl Fn(&str) -> Result<Value, Fault>) -> Result<Vec<Value>, Fault> {
    given.iter().map(|given| resource(given)).collect()
}

fn written(statement: Statement) -> Value {
    let Statement { purpose, calls, resources, condition } = statement;
    let mut written = json!({ "Sid": purpose, "Effect": "Allow", "Action": calls, "Resource": resources });
    if let Some(condition) = condition {
        written["Condition"] = condition;
    }
    written
}
