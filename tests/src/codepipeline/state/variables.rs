//! `#{namespace.NAME}`: values of actions that have ended, of the pipeline, and of the execution itself.

use super::State;
use super::execution::{ActionStatus, Execution};

impl State {
    /// A text with the values of its variables.
    ///
    /// # Errors
    /// What is wrong with a variable: a text for the action's error.
    pub(super) fn resolve(&self, at: usize, text: &str) -> Result<String, String> {
        let (mut resolved, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("#{") {
            let (name, next) =
                after.split_once('}').ok_or_else(|| format!("'{text}' has a variable without an end"))?;
            resolved.push_str(before);
            resolved.push_str(&value(&self.executions[at], name).ok_or_else(|| format!("#{{{name}}} has no value"))?);
            rest = next;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }
}

fn value(execution: &Execution, name: &str) -> Option<String> {
    let (namespace, key) = name.split_once('.')?;
    match (namespace, key) {
        ("codepipeline", "PipelineExecutionId") => return Some(execution.id.clone()),
        ("variables", key) => return execution.variables.get(key).cloned(),
        _ => {}
    }
    let of = |run: &&super::execution::ActionRun| {
        let action = execution.action(run);
        run.status == ActionStatus::Succeeded && action.namespace.as_deref() == Some(namespace)
    };
    execution.runs.iter().rev().find(of)?.variables.get(key).cloned()
}
