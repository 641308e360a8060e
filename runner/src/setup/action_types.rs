//! The custom action types of the table in `queue/codepipeline/action_type.rs`, as CloudFormation makes them.

use serde_json::{Map, Value, json};

use crate::queue::codepipeline::action_type::{Category, LOG_STREAM, PROVIDER, Property, Role, VERSION};

/// The condition under which the stack makes the types: there is only one set of them in an account and Region.
pub(super) const CONDITION: &str = "MakesActionTypes";
/// Where the console is, which differs by partition.
pub(super) const CONSOLES: &str = "Consoles";

pub(super) fn resources(types: &[Category], into: &mut Map<String, Value>) {
    for category in types {
        into.insert(format!("{}ActionType", category.name()), resource(*category));
    }
}

/// The console of each partition, for the links.
pub(super) fn consoles() -> Value {
    json!({
        "aws": { "Domain": "console.aws.amazon.com" },
        "aws-cn": { "Domain": "console.amazonaws.cn" },
        "aws-us-gov": { "Domain": "console.amazonaws-us-gov.com" },
    })
}

fn resource(category: Category) -> Value {
    let (fewest, most) = category.inputs();
    let (fewest_out, most_out) = category.outputs();
    json!({
        "Type": "AWS::CodePipeline::CustomActionType",
        "Condition": CONDITION,
        "Properties": {
            "Category": category.name(),
            "Provider": PROVIDER,
            "Version": VERSION,
            "InputArtifactDetails": { "MinimumCount": fewest, "MaximumCount": most },
            "OutputArtifactDetails": { "MinimumCount": fewest_out, "MaximumCount": most_out },
            "Settings": {
                "EntityUrlTemplate": link(""),
                "ExecutionUrlTemplate": link(&format!("/log-events/{LOG_STREAM}")),
            },
            "ConfigurationProperties": category.properties().iter().map(property).collect::<Vec<_>>(),
        },
    })
}

/// A link to the workers' log group. `{ExternalExecutionId}` is CodePipeline's own.
fn link(tail: &str) -> Value {
    let group =
        "https://${AWS::Region}.${Console}/cloudwatch/home?region=${AWS::Region}#logsV2:log-groups/log-group/${Logs}";
    let console = json!({"Fn::FindInMap": [CONSOLES, {"Ref": "AWS::Partition"}, "Domain"]});
    json!({"Fn::Sub": [format!("{group}{tail}"), { "Console": console }]})
}

fn property(property: &Property) -> Value {
    let mut written = json!({
        "Name": property.name,
        "Description": property.description,
        "Type": "String",
        "Required": property.role != Role::Optional,
        "Key": property.role == Role::Key,
        "Secret": false,
    });
    if property.role == Role::Query {
        written["Queryable"] = true.into();
    }
    written
}
