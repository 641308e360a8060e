//! The schema of a buildspec's `batch`.

use serde_json::{Value, json};

use super::{flag, map, number, object, one_or_more, text};

pub(super) fn batch() -> Value {
    let mut batch = object(
        "Several builds instead of one. Not supported yet.",
        &[],
        json!({
            "fast-fail": flag("The first failure stops the others.", false),
            "build-list": tasks("Builds side by side.", false),
            "build-graph": tasks("Builds that wait for others.", true),
            "build-matrix": matrix(),
            "build-fanout": object("Tests spread over builds.", &["parallelism"], json!({
                "parallelism": number("How many builds.", 1),
                "ignore-failure": flag("A failure does not count.", false),
            })),
        }),
    );
    let kinds = ["build-list", "build-graph", "build-matrix", "build-fanout"];
    batch["oneOf"] = kinds.iter().map(|kind| json!({ "required": [kind] })).collect();
    batch
}

fn tasks(what: &str, graph: bool) -> Value {
    let mut properties = json!({
        "identifier": text("Its name."),
        "buildspec": text("The path of its buildspec; this file."),
        "debug-session": flag("Session debugging.", false),
        "env": env(),
        "ignore-failure": flag("A failure does not count.", false),
    });
    if graph {
        properties["depend-on"] = one_or_more("Builds that must have ended before.", text("An identifier."));
    }
    json!({
        "description": what,
        "type": "array",
        "minItems": 1,
        "items": object("A build.", &["identifier"], properties)
    })
}

fn env() -> Value {
    object(
        "Its environment.",
        &[],
        json!({
            "compute-type": text("The size of the machine."),
            "fleet": text("A fleet instead of a size."),
            "image": text("Its image."),
            "privileged-mode": flag("Docker inside the build.", false),
            "type": text("The kind of machine."),
            "variables": map("Plain variables.", json!({ "type": ["string", "number", "boolean", "null"] })),
        }),
    )
}

fn matrix() -> Value {
    let dynamic = object(
        "What differs: one build for each combination.",
        &[],
        json!({
            "buildspec": one_or_more("Paths of buildspecs.", text("A path.")),
            "env": object("Lists of what differs.", &[], json!({
                "compute-type": one_or_more("Sizes.", text("A size.")),
                "image": one_or_more("Images.", text("An image.")),
                "variables": map("Lists of values.", one_or_more("Values.", text("A value."))),
            })),
        }),
    );
    let fixed = object(
        "What all have in common.",
        &[],
        json!({ "ignore-failure": flag("A failure does not count.", false), "env": env() }),
    );
    object("Combinations.", &[], json!({ "static": fixed, "dynamic": dynamic }))
}
