//! Machines that the stack runs itself: an Auto Scaling group a pool, and what a machine does at its first start.

use serde_json::{Map, Value, json};

use super::systemd::{DRAIN, DRAIN_UNIT, UnitOrder, unit};
use super::{Stack, events};
use crate::queue::codepipeline::action_type::{Category, LOG_GROUP};

/// The lifecycle hook's name; the script on the machine has it too.
const HOOK: &str = "drain";
/// Seconds that the group waits for a sign of life of a machine that drains. The machine gives one every five minutes.
const HEARTBEAT: u32 = 900;

/// How long a machine may take until its worker is ready.
const READY: &str = "PT15M";

const USER_DATA: &str = include_str!("user_data.in");

/// The network is one, and all else a pool's own: that machines differ is what pools are for.
pub(super) fn parameters(stack: &Stack, into: &mut Map<String, Value>) {
    let network = json!({
        "Vpc": { "Type": "AWS::EC2::VPC::Id", "Description": "The network of the machines" },
        "Subnets": {
            "Type": "List<AWS::EC2::Subnet::Id>",
            "Description": "The subnets of the machines; they need a way out to AWS",
        },
    });
    into.extend(network.as_object().cloned().unwrap_or_default());
    for pool in &stack.pools {
        let own = of_pool(pool);
        let named = own.as_object().into_iter().flatten().map(|(name, value)| (parameter(pool, name), value.clone()));
        into.extend(named);
    }
}

/// What the machines of a pool are.
fn of_pool(pool: &str) -> Value {
    let image = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    json!({
        "Machines": {
            "Type": "Number", "Default": 1, "MinValue": 1,
            "Description": format!("How many machines the pool {pool} has: nothing but this number changes that"),
        },
        "InstanceType": { "Type": "String", "Default": "m7i.large", "Description": "The size of a machine" },
        "MachineImage": {
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": image,
            "Description": "The image of the machines, as a public parameter: Amazon Linux 2023 of the instance type's architecture",
        },
        "Market": {
            "Type": "String", "Default": "on-demand", "AllowedValues": ["on-demand", "spot"],
            "Description": "spot: cheaper machines that EC2 may take back; their workers drain first, for two minutes at the most",
        },
        "DiskGiB": {
            "Type": "Number", "Default": 100, "MinValue": 20,
            "Description": "The disk of a machine in GiB: images, caches and builds are kept there",
        },
        "BinaryLocation": {
            "Type": "String", "AllowedPattern": "s3://[^'\\s]+/[^'\\s]+",
            "Description": "Where the binary sluice of the machines' architecture is, such as s3://bucket/sluice",
        },
        "BinarySha256": {
            "Type": "String", "AllowedPattern": "[0-9a-f]{64}",
            "Description": "The binary's SHA-256 sum; a new one replaces the machines one by one",
        },
        "WorkerOptions": {
            "Type": "String", "Default": "", "AllowedPattern": "[^'\"\\\\\\n]*",
            "Description": "Further options of sluice worker, such as --seats 2 --image rust:1.95; words, without quotes",
        },
    })
}

/// The name of a pool's parameter.
pub(super) fn parameter(pool: &str, name: &str) -> String {
    format!("{}{name}", events::camel(pool))
}

pub(super) fn conditions(stack: &Stack, into: &mut Map<String, Value>) {
    for pool in &stack.pools {
        let spot = json!({"Fn::Equals": [{"Ref": parameter(pool, "Market")}, "spot"]});
        into.insert(parameter(pool, "Spot"), spot);
    }
}

pub(super) fn resources(stack: &Stack, into: &mut Map<String, Value>) {
    into.insert("Machines".to_owned(), security_group());
    for pool in &stack.pools {
        let name = events::camel(pool);
        into.insert(format!("{name}Template"), launch_template(stack, pool));
        into.insert(format!("{name}Group"), group(stack, pool));
    }
}

/// Nobody calls a worker: it calls.
fn security_group() -> Value {
    json!({
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "Workers of Sluice: no way in",
            "VpcId": {"Ref": "Vpc"},
            "SecurityGroupEgress": [{ "IpProtocol": "-1", "CidrIp": "0.0.0.0/0", "Description": "AWS, registries and what builds need" }],
        },
    })
}

fn launch_template(stack: &Stack, pool: &str) -> Value {
    let own = |name| json!({"Ref": parameter(pool, name)});
    let disk =
        json!({ "VolumeSize": own("DiskGiB"), "VolumeType": "gp3", "Encrypted": true, "DeleteOnTermination": true });
    json!({
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {
            "LaunchTemplateData": {
                "ImageId": own("MachineImage"),
                "InstanceType": own("InstanceType"),
                "InstanceMarketOptions": {"Fn::If": [parameter(pool, "Spot"), { "MarketType": "spot" }, {"Ref": "AWS::NoValue"}]},
                "IamInstanceProfile": { "Arn": {"Fn::GetAtt": ["WorkerProfile", "Arn"]} },
                "SecurityGroupIds": [{"Fn::GetAtt": ["Machines", "GroupId"]}],
                "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda", "Ebs": disk }],
                // One hop only: a build's container is the second, and so cannot take the machine's role.
                "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 1 },
                "UserData": {"Fn::Base64": {"Fn::Sub": user_data(stack, pool)}},
            },
        },
    })
}

/// A group is as large as its parameter says, and made when each of its machines has said that its worker is ready.
fn group(stack: &Stack, pool: &str) -> Value {
    let size = json!({"Ref": parameter(pool, "Machines")});
    let template = format!("{}Template", events::camel(pool));
    let hook = json!({
        "LifecycleHookName": HOOK,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "HeartbeatTimeout": HEARTBEAT,
        "DefaultResult": "CONTINUE",
    });
    json!({
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "CreationPolicy": { "ResourceSignal": { "Count": size, "Timeout": READY } },
        "UpdatePolicy": {
            "AutoScalingRollingUpdate": {
                "MaxBatchSize": 1,
                // A pool may have one machine, and then there is no other to keep.
                "MinInstancesInService": 0,
                "WaitOnResourceSignals": true,
                "PauseTime": READY,
            },
        },
        "Properties": {
            "AutoScalingGroupName": group_name(pool),
            "LaunchTemplate": {
                "LaunchTemplateId": {"Ref": template},
                "Version": {"Fn::GetAtt": [template, "LatestVersionNumber"]},
            },
            "VPCZoneIdentifier": {"Ref": "Subnets"},
            "MinSize": size,
            "MaxSize": size,
            "LifecycleHookSpecificationList": [hook],
            "Tags": [{ "Key": "Name", "Value": format!("{}-{pool}", stack.name), "PropagateAtLaunch": true }],
        },
    })
}

/// The group's name: the machine must know it, and the role's policy begins with it.
fn group_name(pool: &str) -> Value {
    json!({"Fn::Sub": format!("${{AWS::StackName}}-{pool}")})
}

fn user_data(stack: &Stack, pool: &str) -> String {
    let options = parameter(pool, "WorkerOptions");
    let environment = format!("{} ${{{options}}}\nSLUICE_GROUP=${{AWS::StackName}}-{pool}\n", environment(stack, pool));
    USER_DATA
        .replace("@GROUP@", &format!("{}Group", events::camel(pool)))
        .replace("@POOL@", &events::camel(pool))
        .replace("@ENVIRONMENT@\n", &environment)
        .replace("@DRAIN@\n", DRAIN)
        .replace("@UNIT@\n", &unit(UnitOrder { stop: stack.stop }))
        .replace("@DRAIN_UNIT@\n", DRAIN_UNIT)
}

/// What `/etc/sluice/worker.env` says on a machine of the pool; the last line is the worker's options.
pub(super) fn environment(stack: &Stack, pool: &str) -> String {
    let (jobs, news) = (events::jobs(pool), events::news(pool));
    format!(
        "AWS_REGION=${{AWS::Region}}\nSLUICE_POOL={pool}\nSLUICE_QUEUE_URL=${{{jobs}}}\nSLUICE_EVENTS_QUEUE_URL=${{{news}}}\nSLUICE_TABLE=${{Records}}\n\
         SLUICE_OPTIONS=--log-group {LOG_GROUP}{}",
        types(stack)
    )
}

/// A worker polls for all types if nothing else is said, and its role may only for those that the stack makes.
fn types(stack: &Stack) -> String {
    if Category::ALL.iter().all(|category| stack.types.contains(category)) {
        return String::new();
    }
    stack.types.iter().map(|category| format!(" --type {}", category.name().to_ascii_lowercase())).collect()
}
