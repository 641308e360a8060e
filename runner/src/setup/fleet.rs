//! Machines that the stack runs itself: an Auto Scaling group a pool, and what a machine does at its first start.

use serde_json::{Map, Value, json};

use super::systemd::{DRAIN, DRAIN_UNIT, UnitOrder, unit};
use super::{Stack, events};

/// The lifecycle hook's name; the script on the machine has it too.
const HOOK: &str = "drain";
/// Seconds that the group waits for a sign of life of a machine that drains. The machine gives one every five minutes.
const HEARTBEAT: u32 = 900;

const USER_DATA: &str = include_str!("user_data.in");

pub(super) fn parameters(into: &mut Map<String, Value>) {
    let image = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let all = json!({
        "Vpc": { "Type": "AWS::EC2::VPC::Id", "Description": "The network of the machines" },
        "Subnets": {
            "Type": "List<AWS::EC2::Subnet::Id>",
            "Description": "The subnets of the machines; they need a way out to AWS",
        },
        "InstanceType": { "Type": "String", "Default": "m7i.large", "Description": "The size of a machine" },
        "MachineImage": {
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": image,
            "Description": "The image of the machines, as a public parameter: Amazon Linux 2023 of the instance type's architecture",
        },
        "DiskGiB": {
            "Type": "Number", "Default": 100, "MinValue": 20,
            "Description": "The disk of a machine in GiB: images, caches and builds are kept there",
        },
        "FewestMachines": { "Type": "Number", "Default": 1, "MinValue": 0, "Description": "Machines of a pool, at least" },
        "MostMachines": { "Type": "Number", "Default": 4, "MinValue": 1, "Description": "Machines of a pool, at most" },
        "BinaryLocation": {
            "Type": "String", "AllowedPattern": "s3://[^'\\s]+/[^'\\s]+",
            "Description": "Where the binary sluice is, such as s3://bucket/sluice",
        },
        "BinarySha256": {
            "Type": "String", "AllowedPattern": "[0-9a-f]{64}",
            "Description": "The binary's SHA-256 sum; a new one replaces the machines one by one",
        },
    });
    into.extend(all.as_object().cloned().unwrap_or_default());
}

pub(super) fn resources(stack: &Stack, into: &mut Map<String, Value>) {
    into.insert("Machines".to_owned(), security_group());
    for pool in &stack.pools {
        let name = events::camel(pool);
        into.insert(format!("{name}Template"), launch_template(pool));
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

fn launch_template(pool: &str) -> Value {
    let disk = json!({ "VolumeSize": {"Ref": "DiskGiB"}, "VolumeType": "gp3", "Encrypted": true, "DeleteOnTermination": true });
    json!({
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {
            "LaunchTemplateData": {
                "ImageId": {"Ref": "MachineImage"},
                "InstanceType": {"Ref": "InstanceType"},
                "IamInstanceProfile": { "Arn": {"Fn::GetAtt": ["WorkerProfile", "Arn"]} },
                "SecurityGroupIds": [{"Fn::GetAtt": ["Machines", "GroupId"]}],
                "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda", "Ebs": disk }],
                // One hop only: a build's container is the second, and so cannot take the machine's role.
                "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 1 },
                "UserData": {"Fn::Base64": {"Fn::Sub": user_data(pool)}},
            },
        },
    })
}

fn group(stack: &Stack, pool: &str) -> Value {
    let template = format!("{}Template", events::camel(pool));
    let hook = json!({
        "LifecycleHookName": HOOK,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "HeartbeatTimeout": HEARTBEAT,
        "DefaultResult": "CONTINUE",
    });
    json!({
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "UpdatePolicy": { "AutoScalingRollingUpdate": { "MaxBatchSize": 1, "MinInstancesInService": 0 } },
        "Properties": {
            "AutoScalingGroupName": group_name(pool),
            "LaunchTemplate": {
                "LaunchTemplateId": {"Ref": template},
                "Version": {"Fn::GetAtt": [template, "LatestVersionNumber"]},
            },
            "VPCZoneIdentifier": {"Ref": "Subnets"},
            "MinSize": {"Ref": "FewestMachines"},
            "MaxSize": {"Ref": "MostMachines"},
            "LifecycleHookSpecificationList": [hook],
            "Tags": [{ "Key": "Name", "Value": format!("{}-{pool}", stack.name), "PropagateAtLaunch": true }],
        },
    })
}

/// The group's name: the machine must know it, and the role's policy begins with it.
fn group_name(pool: &str) -> Value {
    json!({"Fn::Sub": format!("${{AWS::StackName}}-{pool}")})
}

fn user_data(pool: &str) -> String {
    let environment = format!("{}SLUICE_GROUP=${{AWS::StackName}}-{pool}\n", environment(pool));
    USER_DATA
        .replace("@ENVIRONMENT@\n", &environment)
        .replace("@DRAIN@\n", DRAIN)
        .replace("@UNIT@\n", &unit(UnitOrder::default()))
        .replace("@DRAIN_UNIT@\n", DRAIN_UNIT)
}

/// What `/etc/sluice/worker.env` says on a machine of the pool.
pub(super) fn environment(pool: &str) -> String {
    let (jobs, news) = (events::jobs(pool), events::news(pool));
    format!(
        "AWS_REGION=${{AWS::Region}}\nSLUICE_POOL={pool}\nSLUICE_QUEUE_URL=${{{jobs}}}\nSLUICE_EVENTS_QUEUE_URL=${{{news}}}\nSLUICE_TABLE=${{Records}}\n\
         SLUICE_OPTIONS=--log-group ${{Logs}}\n"
    )
}
