//! The schema of `buildspec.yml`, as CodeBuild's user guide describes versions 0.1 and 0.2.

use serde_json::{Value, json};

use super::{batch, document, flag, map, object, one_or_more, pattern, reference, text};

/// The JSON Schema of `buildspec.yml`.
#[must_use]
pub fn buildspec() -> Value {
    document("AWS CodeBuild buildspec", root(), &[("phase", phase()), ("artifacts", artifacts())])
}

/// The top level; it refers to the definitions `phase` and `artifacts`.
pub(super) fn root() -> Value {
    let mut root = object(
        "A buildspec of AWS CodeBuild.",
        &["version"],
        json!({
            "version": { "description": "The version of the format.", "enum": [0.2, 0.1, "0.2", "0.1"] },
            "run-as": text("The user of all commands; root."),
            "env": env(),
            "environment_variables": object("Variables of version 0.1.", &[], json!({
                "plaintext": variables("Plain variables."),
            })),
            "proxy": object("The project's proxy. Not supported yet.", &[], json!({
                "upload-artifacts": flag("Artifacts go through the proxy.", false),
                "logs": flag("Logs go through the proxy.", false),
            })),
            "batch": batch::batch(),
            "phases": phases(),
            "reports": map("Test reports, by report group.", report()),
            "artifacts": reference("artifacts"),
            "cache": object("What one build keeps for the next.", &[], json!({
                "paths": texts("Globs of what is kept."),
                "key": text("The key of a cache in S3. Not supported yet."),
                "fallback-keys": texts("Beginnings of other keys. Not supported yet."),
                "action": text("`restore` or `save`. Not supported yet."),
            })),
        }),
    );
    root["not"] = json!({
        "description": "A key of version 0.1.",
        "required": ["environment_variables"],
        "properties": { "version": { "enum": [0.2, "0.2"] } }
    });
    root["anyOf"] = json!([{ "required": ["phases"] }, { "required": ["batch"] }]);
    root
}

fn env() -> Value {
    object(
        "The shell and the variables.",
        &[],
        json!({
            "shell": text("`/bin/sh` or `bash`; sh."),
            "variables": variables("Plain text; nothing in it is expanded."),
            "parameter-store": variables("Names in Parameter Store."),
            "secrets-manager": variables("secret-id:json-key:version-stage:version-id"),
            "exported-variables": texts("Names whose values leave the build after its last phase."),
            "git-credential-helper": flag("Whether Git in the build gets CodeCommit credentials.", false),
        }),
    )
}

fn variables(what: &str) -> Value {
    map(what, json!({ "type": ["string", "number", "boolean", "null"] }))
}

fn texts(what: &str) -> Value {
    one_or_more(what, text("A text."))
}

/// CodeBuild takes the names of phases in any case.
fn phases() -> Value {
    let names = [
        ("install", "[Ii][Nn][Ss][Tt][Aa][Ll][Ll]"),
        ("pre_build", "[Pp][Rr][Ee]_[Bb][Uu][Ii][Ll][Dd]"),
        ("build", "[Bb][Uu][Ii][Ll][Dd]"),
        ("post_build", "[Pp][Oo][Ss][Tt]_[Bb][Uu][Ii][Ll][Dd]"),
    ];
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|(name, _)| ((*name).to_owned(), reference("phase"))).collect();
    let any_case = names.map(|(_, any_case)| any_case).join("|");
    json!({
        "description": "The commands, phase by phase.",
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "properties": properties,
        "patternProperties": { format!("^({any_case})$"): reference("phase") },
    })
}

pub(super) fn phase() -> Value {
    let phase = object(
        "A phase.",
        &[],
        json!({
            "run-as": text("The user of its commands."),
            "on-failure": pattern(
                "What a failure leads to: ABORT, CONTINUE, RETRY, RETRY-count, RETRY-regex, RETRY-count-regex.",
                "^([Aa][Bb][Oo][Rr][Tt]|[Cc][Oo][Nn][Tt][Ii][Nn][Uu][Ee]|[Rr][Ee][Tt][Rr][Yy](-.*)?)$"
            ),
            "runtime-versions": map("Runtimes of the phase `install`.", text("A version.")),
            "commands": texts("Run one at a time; the first that fails ends the list."),
            "finally": texts("Run after the commands, whatever came of them."),
        }),
    );
    json!({ "description": "A phase.", "anyOf": [phase, { "type": "null" }] })
}

fn report() -> Value {
    object(
        "A report group.",
        &["files"],
        json!({
            "files": texts("Globs."),
            "file-format": pattern("JUNITXML and others; JUNITXML.", "^[A-Za-z0-9]+$"),
            "base-directory": text("Where the globs start."),
            "discard-paths": flag("Leave out the folders.", false),
        }),
    )
}

pub(super) fn artifacts() -> Value {
    let mut secondary = object("A further artifact.", &["files"], properties());
    secondary["properties"]["files"] = texts("Globs of its files.");
    let mut artifacts = object("What leaves the build.", &[], properties());
    artifacts["properties"]["type"] = text("A key of version 0.1.");
    artifacts["properties"]["secondary-artifacts"] = map("Further artifacts, by identifier.", secondary);
    artifacts["anyOf"] = json!([{ "required": ["files"] }, { "required": ["secondary-artifacts"] }]);
    artifacts
}

fn properties() -> Value {
    json!({
        "files": texts("Globs of its files."),
        "name": text("Its name; shell text."),
        "discard-paths": flag("All files in one folder.", false),
        "base-directory": text("Where the globs start; shell text, may be a glob of folders."),
        "exclude-paths": texts("Globs that take files out again."),
        "enable-symlinks": flag("Keep symbolic links that stay inside.", false),
        "s3-prefix": text("The beginning of its place in S3. Not supported yet."),
    })
}
