"""AWS services of an emulator, for contract tests that have no SDK for them: prints one JSON value.

    stack.py ENDPOINT REGION ACCOUNT deploy NAME TEMPLATE [KEY=VALUE…]   status, resources and outputs of a new stack
    stack.py ENDPOINT REGION ACCOUNT call SERVICE OPERATION JSON         the answer of one call
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


def call(service, operation, arguments):
    answer = getattr(client(service), operation)(**json.loads(arguments))
    answer.pop("ResponseMetadata", None)
    return answer


print(json.dumps({"deploy": deploy, "call": call}[what](*words), default=str))
