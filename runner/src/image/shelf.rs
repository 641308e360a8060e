//! Builds that a later one has taken the name of, as things that may go when the disk is full.

use async_trait::async_trait;
use bollard::Docker;
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptions};
use jiff::{SignedDuration, Timestamp};

use super::build::LABEL;
use crate::clock;
use crate::disk::{Kept, Shelf};
use crate::engine::docker::connect;
use crate::fault::{Fault, chain};

/// A build this young may still be pushed by the run that made it.
const PUSHED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// The untagged images that image actions have left in an engine.
#[derive(Clone, Debug)]
pub struct OldBuilds {
    host: String,
}

impl OldBuilds {
    /// Those of the engine at that address, as in `DOCKER_HOST`. Nothing is connected before the first question.
    #[must_use]
    pub fn of(host: impl Into<String>) -> Self {
        Self { host: host.into() }
    }
}

#[async_trait]
impl Shelf for OldBuilds {
    fn kind(&self) -> &'static str {
        "image"
    }

    async fn list(&self) -> Result<Vec<Kept>, Fault> {
        old_builds(&connect(&self.host)?).await
    }

    /// The engine itself keeps what a container is made of.
    async fn remove(&self, name: &str) -> Result<bool, Fault> {
        remove(&connect(&self.host)?, name).await
    }
}

/// The builds in an engine that have lost their name. When an image was made tells nothing: one that came from the cache
/// is as old as its newest layer. So what counts is when it was given its name.
pub(super) async fn old_builds(docker: &Docker) -> Result<Vec<Kept>, Fault> {
    let filters = [("dangling", vec!["true"]), ("label", vec![LABEL])].into();
    let listed = docker.list_images(Some(ListImagesOptionsBuilder::default().filters(&filters).build())).await;
    let listed = listed.map_err(|error| Fault::system(format!("listing the engine's images: {}", chain(&error))))?;
    let mut kept = Vec::with_capacity(listed.len());
    for image in listed {
        let Ok(inspected) = docker.inspect_image(&image.id).await else { continue };
        let named = inspected.metadata.and_then(|metadata| metadata.last_tag_time);
        // Not every engine knows.
        let named = named.map_or(image.created, |time| time.unix_timestamp());
        let last_use = Timestamp::from_second(named).unwrap_or_default();
        let in_use = clock::now().duration_since(last_use) < PUSHED_WITHIN;
        kept.push(Kept { name: image.id, bytes: image.size.max(0).unsigned_abs(), last_use, in_use });
    }
    Ok(kept)
}

/// Removes one; whether it is gone. What a container is made of is not.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<bool, Fault> {
    use bollard::errors::Error::DockerResponseServerError;
    match docker.remove_image(id, None::<RemoveImageOptions>, None).await {
        Ok(_) | Err(DockerResponseServerError { status_code: 404, .. }) => Ok(true),
        Err(DockerResponseServerError { status_code: 409, .. }) => Ok(false),
        Err(error) => Err(Fault::system(chain(&error))),
    }
}
