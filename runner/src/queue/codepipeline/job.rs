//! From a job as CodePipeline hands it out to an order.

use std::collections::HashMap;

use aws_sdk_codepipeline::types::{Artifact, Job, JobData};
use pipeline_spec::plan::Source;

use super::action_type::{self, Category};
use super::configuration;
use crate::bucket::Object;
use crate::queue::{FailureKind, Input, JobOrder, Offer, Output, Place, Refusal, Ticket, Work};

/// The offer of a job; `None` for one that names neither itself nor its nonce.
pub(super) fn offer(job: &Job, category: Category) -> Option<Offer> {
    let ticket = Ticket { job: job.id()?.to_owned(), receipt: job.nonce()?.to_owned(), delivery: None };
    let order = match job.data() {
        Some(data) => order(&ticket.job, data, category)
            .map_err(|message| Refusal { kind: FailureKind::ConfigurationError, message }),
        None => {
            Err(Refusal { kind: FailureKind::SystemUnavailable, message: "the job came without its data".to_owned() })
        }
    };
    Some(Offer { ticket, order })
}

fn order(job: &str, data: &JobData, category: Category) -> Result<JobOrder, String> {
    let empty = HashMap::new();
    let words = data.action_configuration().and_then(|configuration| configuration.configuration()).unwrap_or(&empty);
    let word = |name: &str| words.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let primary = primary(data.input_artifacts(), word(action_type::PRIMARY_SOURCE))?;
    let inputs = data.input_artifacts().iter().filter(|artifact| artifact.name() != primary.name());
    let commit = word(action_type::COMMIT_ID);
    let context = data.pipeline_context();
    let action = context.and_then(|context| context.action());
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let execution = action.and_then(|action| action.action_execution_id());
    Ok(JobOrder {
        key: execution.unwrap_or(job).to_owned(),
        pool: text(word(action_type::POOL)),
        project: text(word(action_type::PROJECT_NAME)),
        place: Place {
            pipeline: text(context.and_then(|context| context.pipeline_name())),
            execution: text(context.and_then(|context| context.pipeline_execution_id())),
            stage: text(context.and_then(|context| context.stage()).and_then(|stage| stage.name())),
            action: text(action.and_then(|action| action.name())),
            branch: None,
        },
        source: source(primary, commit)?,
        inputs: inputs.map(input).collect::<Result<_, _>>()?,
        work: match category {
            Category::Build | Category::Test => Work::Spec(Box::new(configuration::spec(&word)?)),
            Category::Deploy => Work::Deployment(Box::new(configuration::deployment(&word)?)),
        },
        outputs: data.output_artifacts().iter().map(output).collect::<Result<_, _>>()?,
        encryption_key: data.encryption_key().map(|key| key.id().to_owned()),
        turn: None,
    })
}

/// The artifact that the spec is in.
fn primary<'a>(inputs: &'a [Artifact], named: Option<&str>) -> Result<&'a Artifact, String> {
    let names = || inputs.iter().filter_map(Artifact::name).collect::<Vec<_>>().join(", ");
    match (inputs, named) {
        ([], _) => Err("the action has no input artifact".to_owned()),
        ([only], None) => Ok(only),
        (_, None) => Err(format!("PrimarySource must say which of the input artifacts has the buildspec: {}", names())),
        (_, Some(named)) => inputs
            .iter()
            .find(|artifact| artifact.name() == Some(named))
            .ok_or_else(|| format!("PrimarySource names {named}, but the input artifacts are {}", names())),
    }
}

fn input(artifact: &Artifact) -> Result<Input, String> {
    Ok(Input { name: name(artifact)?, source: source(artifact, None)? })
}

fn output(artifact: &Artifact) -> Result<Output, String> {
    Ok(Output { name: name(artifact)?, object: object(artifact)? })
}

fn source(artifact: &Artifact, commit: Option<&str>) -> Result<Source, String> {
    let Object { bucket, key } = object(artifact)?;
    Ok(Source::Artifact { bucket, key, revision: commit.or(artifact.revision()).map(str::to_owned) })
}

fn object(artifact: &Artifact) -> Result<Object, String> {
    let place = artifact.location().and_then(|location| location.s3_location());
    let place =
        place.ok_or_else(|| format!("artifact {} is not in S3", artifact.name().unwrap_or("without a name")))?;
    Ok(Object { bucket: place.bucket_name().to_owned(), key: place.object_key().to_owned() })
}

fn name(artifact: &Artifact) -> Result<String, String> {
    artifact.name().map(str::to_owned).ok_or_else(|| "an artifact has no name".to_owned())
}
