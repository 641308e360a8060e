//! The schema of `pipeline.yml`: builds, images and deployments.

use serde_json::{Value, json};

use super::{duration, exactly_one_of, flag, map, number, object, one_or_more, pattern, reference, text, word};

pub(super) fn build() -> Value {
    let mut build = object(
        "A build in a container.",
        &[],
        json!({
            "image": text("The image that it runs in; left out, the caller's default."),
            "buildspec": {
                "description": "Its phases: a path from the source's folder, or a buildspec here; buildspec.yml.",
                "anyOf": [{ "type": "string" }, reference("buildspec")]
            },
            "commands": one_or_more("Commands of the phase `build`, instead of a buildspec.", text("A command.")),
            "environment": map("Variables that win over the buildspec's.", reference("variable")),
            "services": map(
                "Containers beside it, by host name.",
                json!({ "anyOf": [{ "type": "string" }, reference("service")] })
            ),
            "limits": object("What it may use of the machine.", &[], json!({
                "cpu": text("Cores (2, 0.5) or thousandths of one (500m)."),
                "memory": pattern("Memory and swap, such as 2GiB.", r"^\d+(\.\d+)? ?([KMGT]i?)?[Bb]$"),
                "pids": number("Processes and threads.", 1),
            })),
            "timeout": duration("From the start of its first phase; 1h."),
            "queued-timeout": duration("Waiting for a slot; 8h."),
            "command-timeout": duration("Any one command; the build's."),
            "matrix": map(
                "One build for each combination of these values.",
                json!({ "type": "array", "minItems": 1, "items": text("A value.") })
            ),
            "project": text("The project's name, for counters and caches; pipeline-action."),
            "privileged": flag("Docker inside the build. Not supported yet.", false),
        }),
    );
    build["not"] = json!({ "required": ["buildspec", "commands"] });
    build
}

/// The value of a variable of a build: plain text, or a mapping that says where it is.
pub(super) fn variable() -> Value {
    let long = object(
        "Where the value is: text, or the name of a secret.",
        &[],
        json!({
            "value": text("Text."),
            "parameter-store": text("A name in Parameter Store."),
            "secrets-manager": text("secret-id:json-key:version-stage:version-id"),
        }),
    );
    let long = exactly_one_of(long, &["value", "parameter-store", "secrets-manager"]);
    json!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, long] })
}

pub(super) fn service() -> Value {
    object(
        "A container beside a build.",
        &["image"],
        json!({
            "image": text("Its image."),
            "environment": map("Its environment.", text("A value.")),
            "command": one_or_more("Its words, or one line for the shell; the image's own.", text("A word.")),
            "readiness": object("When the build may start.", &[], json!({
                "command": text("A shell command that succeeds in the service when it is ready."),
                "timeout": duration("How long it may take; 1m."),
            })),
        }),
    )
}

pub(super) fn image() -> Value {
    let severities = ["informational", "low", "medium", "high", "critical"];
    let capitals = severities.map(str::to_uppercase);
    let severities: Vec<&str> = severities.into_iter().chain(capitals.iter().map(String::as_str)).collect();
    let secret = object(
        "A secret of the image build.",
        &[],
        json!({
            "parameter-store": text("A name in Parameter Store."),
            "secrets-manager": text("secret-id:json-key:version-stage:version-id"),
        }),
    );
    object(
        "An image, built and pushed to a registry.",
        &["repository", "tags"],
        json!({
            "context": text("The folder that the build sees; the source's."),
            "dockerfile": text("The Dockerfile, relative to the context; Dockerfile."),
            "target": text("The stage of the Dockerfile; the last."),
            "build-args": map("Build arguments.", text("A value.")),
            "secrets": map(
                "Secrets for RUN --mount=type=secret, by id.",
                exactly_one_of(secret, &["parameter-store", "secrets-manager"])
            ),
            "labels": map("Labels put on the image.", text("A value.")),
            "platform": text("Such as linux/arm64; the engine's own."),
            "repository": text("The repository's name in the registry, without the registry's host."),
            "registry": text("The registry's host, such as ghcr.io; the caller's own ECR registry."),
            "tags": {
                "description": "Tags, at least one.",
                "anyOf": [text("A tag."), { "type": "array", "minItems": 1, "items": text("A tag.") }]
            },
            "create-repository": flag("Whether a missing repository is created.", false),
            "scan": {
                "description": "The scan to wait for after the push.",
                "anyOf": [word("The least severity that fails.", &severities), scan(&severities)]
            },
            "role": text("The ARN of a role to assume for the registry."),
            "region": text("The registry's Region; the caller's."),
            "timeout": duration("How long it may take; 1h."),
        }),
    )
}

fn scan(severities: &[&str]) -> Value {
    object(
        "The scan to wait for.",
        &["fail-on"],
        json!({
            "fail-on": word("The least severity that fails.", severities),
            "timeout": duration("How long to wait for findings; 5m."),
            "allow-unscanned": flag("Whether an image that cannot be scanned passes.", false),
        }),
    )
}

pub(super) fn deploy() -> Value {
    let mut ecs = object(
        "A rolling deployment of an Amazon ECS service.",
        &["cluster", "service"],
        json!({
            "cluster": text("The cluster's name or ARN."),
            "service": text("The service's name."),
            "images": map("The image of each container that changes.", text("An image.")),
            "environment": map("Variables set in containers.", map("Of a container.", text("A value."))),
            "desired-count": number("The desired count to set; left out, it stays.", 0),
        }),
    );
    ecs["minProperties"] = json!(3);
    let later = |what: &str| json!({ "description": format!("{what} Not supported yet."), "type": "object" });
    let deploy = object(
        "A hand-off to a deployment target.",
        &[],
        json!({
            "role": text("The ARN of a role to assume."),
            "region": text("The Region; the caller's."),
            "timeout": duration("How long it may take; 1h."),
            "ecs": ecs,
            "codedeploy": later("A CodeDeploy deployment group."),
            "cloudformation": later("A CloudFormation stack."),
        }),
    );
    exactly_one_of(deploy, &["ecs", "codedeploy", "cloudformation"])
}
