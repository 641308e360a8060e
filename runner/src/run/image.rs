//! An image action: built from the run's source, pushed, and written down for what follows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline_spec::plan::{Image, ImageSecret};
use pipeline_spec::quantity::duration_text;

use super::Run;
use crate::cancel::{Cancel, Reason};
use crate::deploy::handoff;
use crate::event::{Outcome, What};
use crate::fault::{Fault, io};
use crate::image::{ImageOrder, ImageOutcome};
use crate::retry;
use crate::secret::{SecretName, SecretText};

impl Run {
    /// Builds and pushes an image. It may be repeated after a crash: the same image is found and not pushed again.
    pub(super) async fn image(&self, action: &str, image: &Image) -> Result<Outcome, Fault> {
        let order = self.image_order(image).await?;
        let progress = self.recorder.progress(Some(action));
        let cancel = self.cancel.child();
        let limit = Duration::from_secs(image.timeout_seconds);
        let mut work = std::pin::pin!(self.ports.images.build(&order, &progress, &cancel));
        let built = tokio::select! {
            built = &mut work => built,
            () = tokio::time::sleep(limit) => {
                cancel.request(Reason::TimedOut);
                work.await
            }
        };
        if built.as_ref().is_err() && cancel_only(&cancel) {
            return Ok(Outcome::TimedOut {
                message: format!("the image took longer than {}", duration_text(limit.as_secs())),
            });
        }
        match built? {
            ImageOutcome::Failed(message) => Ok(Outcome::Failed { message }),
            ImageOutcome::Pushed(pushed) => {
                let folder = self.folders.artifacts(action);
                write(&folder.join("imageDetail.json"), handoff::image_detail(&pushed.uri)?.as_bytes())?;
                self.recorder.commit(What::ImagePushed { action: action.to_owned(), image: pushed })?;
                Ok(Outcome::Succeeded)
            }
        }
    }

    async fn image_order(&self, image: &Image) -> Result<ImageOrder, Fault> {
        let source = self.source().await?.clone();
        Ok(ImageOrder {
            context: Self::context(&source, &self.render(&image.context)?)?,
            dockerfile: image.dockerfile.clone(),
            target: image.target.clone(),
            build_args: self.render_all(&image.build_args)?,
            secrets: self.image_secrets(&image.secrets).await?,
            labels: self.render_all(&image.labels)?,
            platform: image.platform.clone(),
            registry: self.render_option(image.registry.as_ref())?,
            repository: self.render(&image.repository)?,
            tags: image.tags.iter().map(|tag| self.render(tag)).collect::<Result<_, _>>()?,
            create_repository: image.create_repository,
            scan: image.scan.clone(),
            role: self.render_option(image.role.as_ref())?,
            region: image.region.clone(),
        })
    }

    /// The context's folder in the source. A link that leads out of that is refused.
    fn context(source: &Path, context: &str) -> Result<PathBuf, Fault> {
        let path = source.join(context);
        let real = path.canonicalize().map_err(|error| {
            Fault::configuration(format!("the build context {context} cannot be read: {error}"))
                .hint("`context` is a folder of the source")
        })?;
        if real.starts_with(source.canonicalize().map_err(io(source))?) {
            Ok(real)
        } else {
            Err(Fault::configuration(format!("the build context {context} leads out of the source")))
        }
    }

    async fn image_secrets(&self, secrets: &[ImageSecret]) -> Result<BTreeMap<String, SecretText>, Fault> {
        let named = secrets.iter().filter_map(|secret| {
            let name = match (&secret.parameter_store, &secret.secrets_manager) {
                (Some(parameter), _) => SecretName::Parameter(parameter.clone()),
                (None, Some(reference)) => SecretName::Secret(reference.clone()),
                (None, None) => return None,
            };
            Some((secret.id.clone(), name))
        });
        let (ids, names): (Vec<_>, Vec<_>) = named.unzip();
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let read = retry::while_away(self.patience(), &self.cancel, || self.ports.secrets.values(&names)).await?;
        let named: Vec<_> = ids.into_iter().zip(read.into_iter().map(|secret| secret.text)).collect();
        self.mask(&named)?;
        Ok(named.into_iter().collect())
    }
}

/// Whether only the work's own time-out asked for the stop.
fn cancel_only(cancel: &Cancel) -> bool {
    cancel.reason() == Some(Reason::TimedOut)
}

/// Writes a file that is handed on.
pub(super) fn write(path: &Path, text: &[u8]) -> Result<(), Fault> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io(folder))?;
    }
    std::fs::write(path, text).map_err(io(path))
}
