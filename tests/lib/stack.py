"""CloudFormation and its kin on an emulator, for the contract tests: prints one JSON value.

    stack.py ENDPOINT REGION ACCOUNT deploy NAME TEMPLATE [KEY=VALUE…]   status, resources and outputs of the new stack
    stack.py ENDPOINT REGION ACCOUNT network                             a VPC and a subnet that are there
    stack.py ENDPOINT REGION ACCOUNT hooks GROUP                         the lifecycle hooks of an Auto Scaling group
    stack.py ENDPOINT REGION ACCOUNT rule NAME EVENT…                    whether the rule's pattern takes each event
"""

import json
import sys
import time

import botocore.session

endpoint, region, account, what, *words = sys.argv[1:]


def client(service):
    # The emulator takes an access key of twelve digits as the account's id.
    return botocore.session.get_session().create_client(
        service, region_name=region, endpoint_url=endpoint, aws_access_key_id=account, aws_secret_access_key="secret"
    )


def deploy(name, template, *parameters):
    formation = client("cloudformation")
    pairs = [dict(zip(("ParameterKey", "ParameterValue"), pair.split("=", 1))) for pair in parameters]
    with open(template, encoding="utf-8") as file:
        formation.create_stack(
            StackName=name, TemplateBody=file.read(), Parameters=pairs, Capabilities=["CAPABILITY_IAM"]
        )
    deadline = time.monotonic() + 60
    while True:
        stack = formation.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    events = formation.describe_stack_events(StackName=name)["StackEvents"]
    resources = formation.describe_stack_resources(StackName=name)["StackResources"]
    return {
        "status": stack["StackStatus"],
        "failures": [event.get("ResourceStatusReason") for event in events if "FAILED" in event["ResourceStatus"]],
        "resources": {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources},
        "outputs": {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])},
    }


def network():
    ec2 = client("ec2")
    return {
        "vpc": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "subnet": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
    }


def hooks(group):
    return client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]


def rule(name, *given):
    events = client("events")
    pattern = events.describe_rule(Name=name)["EventPattern"]
    return [events.test_event_pattern(EventPattern=pattern, Event=event)["Result"] for event in given]


print(json.dumps({"deploy": deploy, "network": network, "hooks": hooks, "rule": rule}[what](*words), default=str))
