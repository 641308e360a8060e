//! Contract suite: setup. The templates as CloudFormation's own rules see them (cfn-lint), as an emulator deploys them,
//! and as a strict CodePipeline takes their action types.
//!
//! The emulator knows no action types: it deploys everything else. It leaves out a table's
//! expiry and point-in-time recovery, and the lifecycle hooks that are written in an Auto Scaling group itself, so that
//! these are seen by cfn-lint and by the expected texts alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_sqs::types::QueueAttributeName;
use base64::Engine as _;
use runner::queue::codepipeline::action_type::{Category, PROVIDER, VERSION};
use runner::setup::{PARTITION_KEY, SORT_KEY, Stack, template, yaml};
use serde_json::{Map, Value, json};
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION, program};
use sluice_tests::codepipeline::CodePipeline;
use sluice_tests::stack::{call, deploy};

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// A stack with everything.
fn full() -> Stack {
    Stack {
        name: "ci".to_owned(),
        pools: texts(["default", "arm-64"]),
        buckets: texts(["team-builds"]),
        images: texts(["billing", "team/*"]),
        base_images: texts(["build-images"]),
        services: texts(["production/billing"]),
        task_roles: texts(["arn:aws:iam::111111111111:role/billing-execution"]),
        repositories: texts(["billing"]),
        on_push: true,
        deploy_roles: texts(["arn:aws:iam::333333333333:role/sluice-deploy"]),
        secrets: texts(["/ci/"]),
        keys: texts(["arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555"]),
        autoscaling: true,
        ..Stack::default()
    }
}

/// A template that makes what it can without action types.
fn without_types(stack: &Stack) -> Value {
    let mut template = template(stack).unwrap();
    template["Resources"].as_object_mut().unwrap().retain(|name, _| !name.ends_with("ActionType"));
    template
}

/// Writes a template's both forms.
fn written(folder: &Path, name: &str, template: &Value) -> [PathBuf; 2] {
    let files = ["yaml", "json"].map(|form| folder.join(format!("{name}.{form}")));
    std::fs::write(&files[0], yaml(template)).unwrap();
    std::fs::write(&files[1], template.to_string()).unwrap();
    files
}

#[test]
fn cfn_lint_finds_nothing_and_both_forms_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (name, stack) in [("small", Stack::default()), ("full", full())] {
        let files = written(folder.path(), name, &template(&stack).unwrap());
        for file in &files {
            let lint = Command::new(program("cfn-lint")).arg("--template").arg(file).output().unwrap();
            let said = String::from_utf8_lossy(&lint.stdout);
            assert!(lint.status.success() && said.is_empty(), "{}: {said}", file.display());
        }
        let same = "import sys, cfnlint.decode as d; a, b = (d.decode(f)[0] for f in sys.argv[1:]); \
                    sys.exit(0 if a and a == b else 'the two forms differ')";
        let compared = Command::new(program("python")).args(["-c", same]).args(&files).output().unwrap();
        assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
    }
}

/// An event of an action of that type.
fn event(state: &str, owner: &str, provider: &str) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "CodePipeline Action Execution State Change",
        "source": "aws.codepipeline", "account": ACCOUNT, "time": "2026-01-01T00:00:00Z", "region": REGION,
        "resources": [format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:billing")],
        "detail": {
            "pipeline": "billing", "execution-id": "1", "stage": "Build", "action": "compile", "state": state,
            "type": { "owner": owner, "provider": provider, "category": "Build", "version": "1" }, "version": 1.0,
        },
    })
}

#[tokio::test]
async fn a_stack_deploys_with_what_workers_share() {
    let (emulator, folder) = (AwsEmulator::start().await, tempfile::tempdir().unwrap());
    let [file, _] = written(folder.path(), "small", &without_types(&Stack::default()));
    let stack = deploy(&emulator, "sluice", &file, &[("LogRetentionDays", "14")]);
    assert_eq!(stack["status"], "CREATE_COMPLETE", "{stack}");
    let named = |id: &str| stack["resources"][id].as_str().unwrap().to_owned();
    let config = emulator.config(ACCOUNT).await;

    let tables = aws_sdk_dynamodb::Client::new(&config);
    let table = tables.describe_table().table_name(named("Records")).send().await.unwrap().table.unwrap();
    let keys: Vec<_> = table.key_schema().iter().map(|key| (key.attribute_name(), key.key_type().as_str())).collect();
    assert_eq!(keys, [(PARTITION_KEY, "HASH"), (SORT_KEY, "RANGE")]);

    let queues = aws_sdk_sqs::Client::new(&config);
    let asked = queues.get_queue_attributes().queue_url(named("DefaultJobs")).attribute_names(QueueAttributeName::All);
    let attributes = asked.send().await.unwrap().attributes.unwrap();
    let redrive = attributes.get(&QueueAttributeName::RedrivePolicy);
    assert!(redrive.is_some_and(|policy| policy.contains("DeadLetters")), "{attributes:?}");
    let asked =
        queues.get_queue_attributes().queue_url(named("DefaultEvents")).attribute_names(QueueAttributeName::All);
    let attributes = asked.send().await.unwrap().attributes.unwrap();
    let policy = attributes.get(&QueueAttributeName::Policy);
    assert!(policy.is_some_and(|policy| policy.contains("DefaultEventsRule")), "{attributes:?}");

    let groups = aws_sdk_cloudwatchlogs::Client::new(&config);
    let groups = groups.describe_log_groups().log_group_name_prefix(named("Logs")).send().await.unwrap();
    assert_eq!(groups.log_groups()[0].retention_in_days(), Some(14));

    let environment = stack["outputs"]["DefaultEnvironment"].as_str().unwrap();
    for part in [
        named("DefaultJobs"),
        named("DefaultEvents"),
        named("Records"),
        named("Logs"),
        "SLUICE_POOL=default".to_owned(),
    ] {
        assert!(environment.contains(&part), "{environment}");
    }
}

#[tokio::test]
async fn the_queue_hears_of_our_actions_that_start_or_are_abandoned_and_of_no_others() {
    let (emulator, folder) = (AwsEmulator::start().await, tempfile::tempdir().unwrap());
    let [file, _] = written(folder.path(), "small", &template(&Stack::default()).unwrap());
    let stack = deploy(&emulator, "sluice", &file, &[("ActionTypes", "existing")]);
    let rule = call(&emulator, "events", "describe_rule", &json!({ "Name": stack["resources"]["DefaultEventsRule"] }));
    for (state, owner, provider, heard) in [
        ("STARTED", "Custom", "Sluice", true),
        ("ABANDONED", "Custom", "Sluice", true),
        ("FAILED", "Custom", "Sluice", true),
        ("SUCCEEDED", "Custom", "Sluice", false),
        ("STARTED", "Custom", "Jenkins", false),
        ("STARTED", "AWS", "CodeBuild", false),
    ] {
        let asked = json!({ "EventPattern": rule["EventPattern"], "Event": event(state, owner, provider).to_string() });
        let answer = call(&emulator, "events", "test_event_pattern", &asked);
        assert_eq!(answer["Result"], heard, "{state} {owner} {provider}");
    }
}

#[tokio::test]
async fn a_stack_with_machines_deploys_and_each_group_makes_workers_of_its_own_pool() {
    let (emulator, folder) = (AwsEmulator::start().await, tempfile::tempdir().unwrap());
    let mut template = template(&full()).unwrap();
    for pool in ["Default", "Arm64"] {
        // The emulator would start a machine as a container.
        template["Parameters"][format!("{pool}Machines")]["MinValue"] = 0.into();
    }
    let [file, _] = written(folder.path(), "full", &template);
    let vpc = call(&emulator, "ec2", "describe_vpcs", &json!({}))["Vpcs"][0]["VpcId"].clone();
    let subnet = call(&emulator, "ec2", "describe_subnets", &json!({}))["Subnets"][0]["SubnetId"].clone();
    let sum = "0".repeat(64);
    let mut parameters = vec![
        ("ActionTypes", "existing"),
        ("Vpc", vpc.as_str().unwrap()),
        ("Subnets", subnet.as_str().unwrap()),
        ("Arm64InstanceType", "m7g.xlarge"),
        ("Arm64Market", "spot"),
        ("Arm64WorkerOptions", "--seats 2 --image rust:1.95"),
    ];
    for (location, binary, machines) in [
        ("DefaultBinaryLocation", "DefaultBinarySha256", "DefaultMachines"),
        ("Arm64BinaryLocation", "Arm64BinarySha256", "Arm64Machines"),
    ] {
        parameters.extend([(location, "s3://team-builds/sluice"), (binary, sum.as_str()), (machines, "0")]);
    }
    let stack = deploy(&emulator, "ci", &file, &parameters);
    assert_eq!(stack["status"], "CREATE_COMPLETE", "{stack}");
    for (pool, size, options) in
        [("default", "m7i.large", ""), ("arm-64", "m7g.xlarge", " --seats 2 --image rust:1.95")]
    {
        let asked = json!({ "AutoScalingGroupNames": [format!("ci-{pool}")] });
        let groups = call(&emulator, "autoscaling", "describe_auto_scaling_groups", &asked);
        let group = &groups["AutoScalingGroups"][0];
        assert_eq!((&group["MinSize"], &group["MaxSize"]), (&json!(0), &json!(0)), "{groups}");
        let template = json!({ "LaunchTemplateId": group["LaunchTemplate"]["LaunchTemplateId"], "Versions": ["1"] });
        let versions = call(&emulator, "ec2", "describe_launch_template_versions", &template);
        let made = &versions["LaunchTemplateVersions"][0]["LaunchTemplateData"];
        let text = base64::engine::general_purpose::STANDARD.decode(made["UserData"].as_str().unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("#!/bin/bash\n") && !text.contains("${"), "{text}");
        let options = format!("SLUICE_OPTIONS=--log-group sluice-builds{options}");
        assert!(text.lines().any(|line| line.trim_end() == options), "{text}");
        assert_eq!(made["InstanceType"], size, "{made}");
        assert!(text.contains(&format!("SLUICE_POOL={pool}\n")) && text.contains("\nType=notify\n"), "{text}");
    }
}

/// What CloudFormation puts in for a name: the account's own in every stack, and else something of this stack alone.
fn put_in(name: &str, stack: &str) -> String {
    match name {
        "AWS::Region" => REGION.to_owned(),
        "AWS::AccountId" => ACCOUNT.to_owned(),
        "Console" => "console.aws.amazon.com".to_owned(),
        other => format!("{stack}-{other}-1XYZ"),
    }
}

/// A template's action type as the request of CreateCustomActionType of a stack: the same names, but for their first
/// letter.
fn request(value: &Value, stack: &str) -> Value {
    match value {
        Value::Object(entries) => match entries.get("Fn::Sub") {
            Some(sub) => {
                let mut parts = sub[0].as_str().unwrap().split("${");
                let first = parts.next().unwrap_or_default().to_owned();
                let whole = parts.fold(first, |text, part| {
                    let (name, rest) = part.split_once('}').unwrap();
                    text + &put_in(name, stack) + rest
                });
                whole.into()
            }
            None => {
                let lower = |name: &str| name[..1].to_ascii_lowercase() + &name[1..];
                let entries = entries.iter().map(|(name, value)| (lower(name), request(value, stack)));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        },
        Value::Array(items) => items.iter().map(|item| request(item, stack)).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_strict_codepipeline_takes_the_action_types_of_the_template_again_after_their_deletion() {
    let emulator = AwsEmulator::start().await;
    let service = CodePipeline::start(&emulator).await;
    for (stack, name) in [("first", "sluice"), ("second", "ci")] {
        let template = template(&Stack { name: name.to_owned(), ..Stack::default() }).unwrap();
        for category in Category::ALL {
            let declared = &template["Resources"][format!("{}ActionType", category.name())]["Properties"];
            let answer = service.call("CreateCustomActionType", request(declared, stack));
            assert_eq!(answer["actionType"]["id"]["category"], category.name(), "{answer}");
            let words = answer["actionType"]["actionConfigurationProperties"].as_array().unwrap();
            assert_eq!(words.len(), category.properties().len());
            let deleted = json!({ "category": category.name(), "provider": PROVIDER, "version": VERSION });
            service.call("DeleteCustomActionType", deleted);
        }
    }
}

#[tokio::test]
async fn a_second_stack_uses_the_action_types_and_the_log_group_of_the_first() {
    let (emulator, folder) = (AwsEmulator::start().await, tempfile::tempdir().unwrap());
    let [file, _] = written(folder.path(), "small", &template(&Stack::default()).unwrap());
    let stack = deploy(&emulator, "second", &file, &[("ActionTypes", "existing")]);
    assert_eq!(stack["status"], "CREATE_COMPLETE", "{stack}");
    assert!(stack["resources"]["Logs"].is_null(), "{stack}");
    let environment = stack["outputs"]["DefaultEnvironment"].as_str().unwrap();
    assert!(environment.ends_with("SLUICE_OPTIONS=--log-group sluice-builds"), "{environment}");
}

/// A pipeline whose deployment has that many input artifacts.
fn deploys(inputs: usize) -> Value {
    let artifacts: Vec<Value> = (0..inputs).map(|number| json!({ "name": format!("Source{number}") })).collect();
    let source = |artifact: &Value| {
        json!({
            "name": artifact["name"], "outputArtifacts": [artifact],
            "actionTypeId": { "category": "Source", "owner": "AWS", "provider": "S3", "version": "1" },
            "configuration": { "S3Bucket": "sources", "S3ObjectKey": "a.zip" },
        })
    };
    json!({ "pipeline": {
        "name": format!("with-{inputs}"), "roleArn": "arn:aws:iam::111111111111:role/pipeline",
        "artifactStore": { "type": "S3", "location": "artifacts" },
        "stages": [
            { "name": "Source", "actions": artifacts.iter().map(source).collect::<Vec<_>>() },
            { "name": "Production", "actions": [{
                "name": "roll-out", "inputArtifacts": artifacts,
                "actionTypeId": { "category": "Deploy", "owner": "Custom", "provider": PROVIDER, "version": VERSION },
                "configuration": { "Pool": "default", "ProjectName": "app", "ClusterName": "c", "ServiceName": "s" },
            }] },
        ],
    } })
}

#[tokio::test]
async fn a_deployment_has_one_input_artifact_because_no_word_says_which_of_two_is_meant() {
    let emulator = AwsEmulator::start().await;
    let service = CodePipeline::start(&emulator).await;
    let template = template(&Stack::default()).unwrap();
    let declared = &template["Resources"]["DeployActionType"]["Properties"];
    service.call("CreateCustomActionType", request(declared, "first"));
    assert_eq!(service.call("CreatePipeline", deploys(1))["pipeline"]["name"], "with-1");
    let refused = service.refusal("CreatePipeline", deploys(2));
    assert!(refused.contains("wrong number of input or output artifacts"), "{refused}");
}
