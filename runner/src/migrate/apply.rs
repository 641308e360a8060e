//! A change brought to the pipeline: looked at once more, kept, and then updated.

use std::path::PathBuf;

use serde_json::Value;

use super::Change;
use super::calls::Calls;
use super::finding::Finding;
use super::pipeline::Described;
use super::saved::Saved;
use crate::fault::{Fault, FaultKind};

/// What an update came to.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The version that the pipeline has now.
    pub version: i64,
    /// Where the structure is kept that it had before.
    pub kept: PathBuf,
    /// Whether somebody else has updated it in the moment between: their change is lost, and CodePipeline's history
    /// has it.
    pub overtaken: bool,
}

/// Applies a change to the pipeline that it was made for.
///
/// UpdatePipeline takes any structure, whatever has happened since it was read. So the pipeline is read once more right
/// before; what happens in the moment between can only be noticed afterwards, by the version.
///
/// # Errors
/// A `Configuration` fault when the pipeline has changed meanwhile, or when something is not accepted; and those of the
/// calls. Nothing is updated before the old structure is on the disk.
pub async fn apply(calls: &Calls, seen: &Described, change: &Change, saved: &Saved) -> Result<Applied, Fault> {
    if let Some(finding) = change.findings.iter().find(|finding| Finding::holds(finding)) {
        let fault = Fault::configuration(finding.text.clone());
        return Err(fault.hint(format!("go on with --accept {}", finding.name)));
    }
    let now = calls.pipeline(seen.name()).await?;
    if now.pipeline != seen.pipeline {
        return Err(changed(seen.name(), now.version(), seen.version()));
    }
    let kept = saved.keep(&now)?;
    let version = match calls.update(&change.pipeline).await {
        Ok(version) => version,
        Err(fault) => became(calls, &now, change, fault).await?,
    };
    Ok(Applied { version, kept, overtaken: version > now.version() + 1 })
}

/// The version that an update made whose answer was not heard, or that was not carried out.
async fn became(calls: &Calls, before: &Described, change: &Change, fault: Fault) -> Result<i64, Fault> {
    if fault.kind != FaultKind::System {
        return Err(fault);
    }
    let is = calls.pipeline(before.name()).await.map_err(|unclear| {
        unclear.hint(format!("whether the pipeline was updated is not known ({fault}): look at it"))
    })?;
    if is.version() > before.version() && structure(&is.pipeline) == structure(&change.pipeline) {
        return Ok(is.version());
    }
    Err(fault)
}

/// A structure without its version, which CodePipeline counts.
fn structure(pipeline: &Value) -> Value {
    let mut structure = pipeline.clone();
    if let Some(fields) = structure.as_object_mut() {
        fields.remove("version");
    }
    structure
}

/// The pipeline is not the one that the change was made for.
pub(super) fn changed(name: &str, is: i64, was: i64) -> Fault {
    let text = format!(
        "the pipeline {name} has changed meanwhile: it is at version {is}, and the change is for version {was}"
    );
    Fault::configuration(text).hint("look at the change again before it is applied: leave --apply out")
}

/// Makes sure that the pipeline is the version that somebody has looked at.
///
/// # Errors
/// A `Configuration` fault when it is another one.
pub fn expect(described: &Described, version: Option<i64>) -> Result<(), Fault> {
    match version {
        Some(version) if version != described.version() => Err(changed(described.name(), described.version(), version)),
        _ => Ok(()),
    }
}
