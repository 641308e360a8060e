//! The custom action types of the table in `queue/codepipeline/action_type.rs`, as CloudFormation makes them.

use serde_json::{Map, Value, json};

use crate::queue::codepipeline::action_type::{Category, LOG_GROUP, LOG_STREAM, PROVIDER, Property, Role, VERSION};

/// The condition under which the stack makes the types and their log group: there is only one set of them in an account
/// and Region.
pub(super) const CONDITION: &str = "MakesActionTypes";
/// Where the console is, which differs by partition.
pub(super) const CONSOLES: &str = "Consoles";

/// The types come last, one after the other: a deleted version is never free again but for the same definition, so a
/// stack that fails earlier should not have made any.
pub(super) fn resources(types: &[Category], into: &mut Map<String, Value>) {
    let mut earlier: Vec<String> = into.keys().cloned().collect();
    for category in types {
        let name = format!("{}ActionType", category.name());
        into.insert(name.clone(), resource(*category, &earlier));
        earlier = vec![name];
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

/// A type stays when its stack is deleted: pipelines go on to use it, and the next stack finds it.
fn resource(category: Category, after: &[String]) -> Value {
    let (fewest, most) = category.inputs();
    let (fewest_out, most_out) = category.outputs();
    json!({
        "Type": "AWS::CodePipeline::CustomActionType",
        "Condition": CONDITION,
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "DependsOn": after,
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

/// A link to the workers' log group: the same text for every stack of an account and Region. `{ExternalExecutionId}` is
/// CodePipeline's own.
fn link(tail: &str) -> Value {
    let console = "https://${AWS::Region}.${Console}/cloudwatch/home?region=${AWS::Region}#logsV2:log-groups/log-group";
    let domain = json!({"Fn::FindInMap": [CONSOLES, {"Ref": "AWS::Partition"}, "Domain"]});
    json!({"Fn::Sub": [format!("{console}/{LOG_GROUP}{tail}"), { "Console": domain }]})
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
