//! The schema of `pipeline.yml`: the top, stages, gates.

use serde_json::{Value, json};

use super::{
    document, duration, exactly_one_of, flag, map, number, object, one_or_more, pattern, reference, text, word, work,
};

/// The JSON Schema of `pipeline.yml`.
#[must_use]
pub fn pipeline() -> Value {
    let root = object(
        "A pipeline: stages of actions, from a revision to production.",
        &["version", "stages"],
        json!({
            "version": { "description": "The version of the format.", "enum": [1, "1"] },
            "name": name("The pipeline's name; left out, the project's."),
            "source": source(),
            "variables": map("Values that a run may be given, with their defaults.", variable()),
            "stages": {
                "description": "The stages, in order; each starts when the one before it succeeded.",
                "type": "array", "minItems": 1, "items": reference("stage")
            },
        }),
    );
    document(
        "Sluice pipeline",
        root,
        &[
            ("stage", stage()),
            ("rule", rule()),
            ("action", action()),
            ("build", work::build()),
            ("service", work::service()),
            ("variable", work::variable()),
            ("image", work::image()),
            ("deploy", work::deploy()),
            ("buildspec", super::buildspec::root()),
            ("phase", super::buildspec::phase()),
            ("artifacts", super::buildspec::artifacts()),
        ],
    )
}

pub(super) fn name(what: &str) -> Value {
    let mut name = pattern(what, "^[A-Za-z0-9][A-Za-z0-9_-]*$");
    name["maxLength"] = json!(100);
    name
}

fn source() -> Value {
    let source = object(
        "Where the revision comes from; left out, the folder that the file is in.",
        &[],
        json!({
            "codecommit": text("The name of a CodeCommit repository, or a codecommit:// URL."),
            "git": text("Any URL that Git takes."),
            "path": text("A folder with its uncommitted work, relative to the file."),
            "branch": text("The branch; left out, the remote's HEAD."),
            "tag": text("The tag."),
            "commit": pattern("The full commit id.", r"^([0-9a-fA-F]{40}|[0-9a-fA-F]{64}|.*\$\{.*)$"),
            "depth": number("How many commits of history; left out, all of them.", 1),
            "submodules": flag("Whether submodules are fetched too.", false),
            "region": text("The Region of a CodeCommit repository; left out, the caller's."),
        }),
    );
    exactly_one_of(source, &["codecommit", "git", "path"])
}

fn variable() -> Value {
    let long = object(
        "A variable and what it is for.",
        &[],
        json!({
            "default": text("Its value when the run is given none."),
            "description": text("What it is for."),
        }),
    );
    json!({ "anyOf": [{ "type": ["string", "number", "boolean", "null"] }, long] })
}

fn stage() -> Value {
    let gate = |what: &str| {
        let mut gate = one_or_more(what, reference("rule"));
        gate["anyOf"][1]["maxItems"] = json!(5);
        gate
    };
    object(
        "A stage: a gate to enter, actions, and what its end leads to.",
        &["name", "actions"],
        json!({
            "name": name("Its name, unique in the pipeline."),
            "before-entry": gate("Rules that must all pass before the first action starts."),
            "actions": {
                "description": "The actions; each starts when all that it needs have succeeded.",
                "type": "array", "minItems": 1, "items": reference("action")
            },
            "on-success": gate("Rules that must all pass after the last action succeeded."),
            "on-failure": word("What a failure of the stage leads to.", &["fail", "rollback"]),
        }),
    )
}

fn action() -> Value {
    let action = object(
        "An action: one piece of work.",
        &["name"],
        json!({
            "name": name("Its name, unique in the whole pipeline."),
            "needs": one_or_more(
                "Actions of the same stage that must have succeeded before.",
                json!({ "type": "string" })
            ),
            "build": reference("build"),
            "image": reference("image"),
            "deploy": reference("deploy"),
        }),
    );
    exactly_one_of(action, &["build", "image", "deploy"])
}

/// A mapping of one rule, or the bare word of a rule without settings.
fn rule() -> Value {
    let later = |what: &str| json!({ "description": format!("{what} Not supported yet.") });
    let approval = object(
        "A person says yes.",
        &[],
        json!({
            "approvers": one_or_more("Who may: user or group names; left out, anyone.", text("A name.")),
            "timeout": duration("Not answered by then, the rule fails; 7d."),
            "message": text("What the person is asked."),
        }),
    );
    let window = object(
        "The clock says yes: entry waits until the window is open.",
        &["cron"],
        json!({
            "cron": text("Open in each minute that matches: five cron fields, or CodePipeline's six or seven."),
            "time-zone": text("An IANA time zone; UTC."),
            "timeout": duration("Not open by then, the rule fails; 7d."),
        }),
    );
    let operators =
        ["equals", "not-equals", "contains", "matches", "EQ", "NE", "CONTAINS", "MATCHES", "Equals", "Matches"];
    let check = object(
        "A value says yes.",
        &["variable", "value"],
        json!({
            "variable": text("The value, usually one reference."),
            "operator": word("How it is compared; equals.", &operators),
            "value": text("With what; a regular expression for `matches`."),
        }),
    );
    let known = json!({
        "description": "A rule.",
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "approval": { "description": "A person says yes.", "anyOf": [approval, { "type": "null" }] },
            "deployment-window": window,
            "variable-check": check,
            "cloudwatch-alarm": later("An alarm is silent."),
            "lambda": later("A function says yes."),
            "codebuild": later("A project's build succeeds."),
            "commands": later("Commands succeed."),
        },
    });
    json!({ "anyOf": [known, { "const": "approval" }] })
}
