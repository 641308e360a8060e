//! A job's input artifact: a zip or tar in a bucket, or CodePipeline's reference to a repository and a commit.

use std::path::Path;

use serde::Deserialize;

use super::Revision;
use super::git::{Around, Git, Wish};
use super::unpack::{self, Format};
use crate::bucket::{Buckets, Object};
use crate::fault::{Fault, io};

/// What a source action leaves with `OutputArtifactFormat=CODEBUILD_CLONE_REF` in the place of a zip.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CloneReference {
    clone_url: String,
    commit_id: String,
    branch_name: Option<String>,
}

/// A reference is a few hundred bytes; anything longer is none.
const LONGEST_REFERENCE: u64 = 64 * 1024;

pub(super) async fn fetch(
    git: &Git,
    buckets: &dyn Buckets,
    object: &Object,
    revision: Option<&str>,
    into: &Path,
    around: Around<'_>,
) -> Result<Revision, Fault> {
    // Beside the folder, so that nothing but the artifact is ever in it.
    let scratch = into.parent().unwrap_or(into);
    let scratch = tempfile::Builder::new().prefix("artifact-").tempdir_in(scratch).map_err(io(scratch))?;
    let file = scratch.path().join("bundle");
    buckets.get(object, &file, around.progress, around.cancel).await?;
    let Some(format) = Format::of(&file, &object.key)? else {
        let reference = clone_reference(&file, object)?;
        // CodeBuild brings submodules only where a project asks for them, and a pipeline's action cannot.
        let wish = Wish { reference: Some(&reference.commit_id), depth: None, submodules: false };
        let fetched = git.fetch(&reference.clone_url, &wish, into, around).await?;
        return Ok(Revision { branch: fetched.branch.or(reference.branch_name), ..fetched });
    };
    around.progress.doing(format!("unpacking {object}"));
    let (into, cancel, named) = (into.to_owned(), around.cancel.clone(), object.to_string());
    tokio::task::spawn_blocking(move || {
        unpack::unpack(format, &file, &into, &cancel).map_err(|fault| fault.doing(named))
    })
    .await
    .map_err(|panic| Fault::system(format!("unpacking broke: {panic}")))??;
    Ok(Revision { commit: revision.map(str::to_owned), repository: object.to_string(), ..Revision::default() })
}

fn clone_reference(file: &Path, object: &Object) -> Result<CloneReference, Fault> {
    let unknown = || {
        Fault::revision(format!("{object}: neither a zip, a tar nor a reference to a repository"))
            .hint("the source action's output must be CODE_ZIP or CODEBUILD_CLONE_REF")
    };
    if std::fs::metadata(file).map_err(io(file))?.len() > LONGEST_REFERENCE {
        return Err(unknown());
    }
    let text = std::fs::read(file).map_err(io(file))?;
    serde_json::from_slice(&text).map_err(|_| unknown())
}
