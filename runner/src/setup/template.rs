//! The CloudFormation template as a whole: what its parts share, and its sections.

use serde_json::{Map, Value, json};

use super::arn::checked;
use super::{Stack, action_types, events, fleet, permissions, records};
use crate::fault::Fault;
use crate::queue::codepipeline::action_type::{MOST_POOL_CHARACTERS, is_pool};

/// The days that CloudWatch Logs can keep a log for, as far as anybody would want a build's.
const RETENTIONS: [u32; 14] = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 731, 1827];

/// The template: parameters, resources and outputs, with intrinsic functions in their long form.
///
/// # Errors
/// A `Configuration` fault for a name that cannot be what it is given as.
pub fn template(stack: &Stack) -> Result<Value, Fault> {
    check(stack)?;
    let mut resources = Map::new();
    records::resources(&mut resources);
    events::resources(stack, &mut resources)?;
    permissions::resources(stack, &mut resources)?;
    if stack.autoscaling {
        fleet::resources(stack, &mut resources);
    }
    action_types::resources(&stack.types, &mut resources);
    Ok(json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("Sluice ({}): custom actions of CodePipeline, and what their workers need", stack.name),
        "Parameters": parameters(stack),
        "Mappings": { action_types::CONSOLES: action_types::consoles() },
        "Conditions": conditions(stack),
        "Resources": resources,
        "Outputs": outputs(stack),
    }))
}

fn check(stack: &Stack) -> Result<(), Fault> {
    checked(&stack.name).map_err(|fault| fault.doing("the name of the installation"))?;
    if stack.types.is_empty() || stack.pools.is_empty() {
        return Err(Fault::configuration("a worker needs an action type and a pool"));
    }
    for (at, pool) in stack.pools.iter().enumerate() {
        if !is_pool(pool) || events::camel(pool).is_empty() {
            return Err(Fault::configuration(format!("`{pool}` is no name of a pool"))
                .hint(format!("up to {MOST_POOL_CHARACTERS} letters, digits, - and _")));
        }
        let same = |other: &&String| events::camel(other) == events::camel(pool);
        if let Some(other) = stack.pools[..at].iter().find(same) {
            return Err(Fault::configuration(format!("the pools `{other}` and `{pool}` differ in no letter or digit"))
                .hint("their resources would have the same names: give one of them another name"));
        }
    }
    if stack.on_push && stack.repositories.is_empty() {
        return Err(
            Fault::configuration("no repository is named whose pushes could be told").hint("name it with --codecommit")
        );
    }
    Ok(())
}

fn conditions(stack: &Stack) -> Value {
    let makes = json!({ action_types::CONDITION: {"Fn::Equals": [{"Ref": "ActionTypes"}, "create"]} });
    let mut all = makes.as_object().cloned().unwrap_or_default();
    if stack.autoscaling {
        fleet::conditions(stack, &mut all);
    }
    Value::Object(all)
}

fn parameters(stack: &Stack) -> Value {
    let all = json!({
        "ActionTypes": {
            "Type": "String", "Default": "create", "AllowedValues": ["create", "existing"],
            "Description": "existing: the action types and their log group are there, made by another stack of this account and Region or by an earlier one",
        },
        "LogRetentionDays": {
            "Type": "Number", "Default": 30, "AllowedValues": RETENTIONS,
            "Description": "How many days the logs of builds are kept",
        },
    });
    let mut all = all.as_object().cloned().unwrap_or_default();
    if stack.autoscaling {
        fleet::parameters(stack, &mut all);
    }
    Value::Object(all)
}

fn outputs(stack: &Stack) -> Value {
    let mut all = Map::new();
    let mut output = |name: String, description: String, value: Value| {
        all.insert(name, json!({ "Description": description, "Value": value }));
    };
    let role = json!({"Fn::GetAtt": ["WorkerRole", "Arn"]});
    output("WorkerRoleArn".to_owned(), "The workers' role: the roles of deployments must trust it".to_owned(), role);
    let profile = json!({"Ref": "WorkerProfile"});
    output("WorkerProfileName".to_owned(), "Gives the role to an EC2 instance".to_owned(), profile);
    output(
        "DeadLettersUrl".to_owned(),
        "Messages that no worker could handle".to_owned(),
        json!({"Ref": "DeadLetters"}),
    );
    for pool in &stack.pools {
        let environment = json!({"Fn::Sub": fleet::environment(stack, pool)});
        let description = format!("/etc/sluice/worker.env on the machines of the pool {pool}");
        output(format!("{}Environment", events::camel(pool)), description, environment);
    }
    Value::Object(all)
}
