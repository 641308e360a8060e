"""Three accounts, each with one ECS service, in the AWS emulator: what a team has before it adopts a pipeline.

environments.py repository NAME                    an ECR repository in the caller's own account
environments.py make IMAGE                         the clusters and services, running IMAGE
environments.py address ACCOUNT CLUSTER SERVICE    where its container answers, host:port

Runs in the emulator's Python environment (it brings botocore); the endpoint is AWS_ENDPOINT_URL.
"""

import sys
import time

import botocore.session

# The environment, the account that it lives in, and the role that deploys to it (see service/pipeline.yml).
ENVIRONMENTS = [("dev", "111111111111"), ("staging", "222222222222"), ("production", "333333333333")]


def client(account):
    # The emulator takes an access key of twelve digits as the account's number.
    return botocore.session.get_session().create_client(
        "ecs", aws_access_key_id=account, aws_secret_access_key="emulated"
    )


def make(image):
    for cluster, account in ENVIRONMENTS:
        ecs = client(account)
        ecs.create_cluster(clusterName=cluster)
        task = ecs.register_task_definition(
            family="billing",
            networkMode="awsvpc",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": image,
                    "essential": True,
                    "memory": 128,
                    "portMappings": [{"containerPort": 8080}],
                    "environment": [{"name": "ENVIRONMENT", "value": cluster}],
                }
            ],
        )
        ecs.create_service(
            cluster=cluster,
            serviceName="billing",
            taskDefinition=task["taskDefinition"]["taskDefinitionArn"],
            desiredCount=1,
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        )
        wait_for_address(ecs, cluster, "billing")


def address(ecs, cluster, service):
    """host:port of the newest running task, or None."""
    tasks = ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus="RUNNING")["taskArns"]
    if not tasks:
        return None
    described = ecs.describe_tasks(cluster=cluster, tasks=tasks)["tasks"]
    for task in sorted(described, key=lambda task: task["createdAt"], reverse=True):
        if task["lastStatus"] != "RUNNING":
            continue
        for attachment in task.get("attachments", []):
            for detail in attachment["details"]:
                if detail["name"] == "privateIPv4Address":
                    return f"{detail['value']}:8080"
    return None


def wait_for_address(ecs, cluster, service):
    deadline = time.monotonic() + 60
    while (found := address(ecs, cluster, service)) is None:
        if time.monotonic() > deadline:
            sys.exit(f"no task of {cluster}/{service} runs")
        time.sleep(0.2)
    return found


def main():
    match sys.argv[1:]:
        case ["repository", name]:
            botocore.session.get_session().create_client("ecr").create_repository(repositoryName=name)
        case ["make", image]:
            make(image)
        case ["address", account, cluster, service]:
            print(wait_for_address(client(account), cluster, service))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
