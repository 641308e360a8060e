//! One warm sandbox: how it is made, whether it still waits, and how it is given its program.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::AttachContainerResults;
use bollard::errors::Error;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions};
use futures_util::{FutureExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::super::super::SandboxSpec;
use super::super::container::{self, OUTPUT, RECORDS};
use super::super::errors::{Trouble, trouble};
use super::super::program::{handed_over, quote};
use super::super::{errors, start};
use super::slot::Slot;
use super::{Kind, claim};
use crate::fault::{Fault, io};

/// What it runs until it has a program.
const WAIT: &str = include_str!("wait.sh");
/// How long it may take to say that it waits, and to begin.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sandbox that waits.
pub(super) struct Made {
    pub(super) kind: Kind,
    /// The image's own id: a reference may mean another one later.
    pub(super) image: String,
    /// Its container's name.
    pub(super) name: String,
    pub(super) slot: Slot,
    attached: AttachContainerResults,
}

impl Made {
    /// Makes one. After a fault, nothing of it is left but its container and its slot.
    pub(super) async fn make(client: &Docker, kind: &Kind, home: &Path, id: &str) -> Result<Self, Fault> {
        let doing = format!("making a warm sandbox of the image {}", kind.image);
        let fault = |error: Error| errors::fault(&doing, &kind.image, &error);
        let (slot, name) = (Slot::make(home.join(id))?, container::warm_name(id));
        let body = container::warm(&kind.image, &kind.limits, kind.owner, WAIT, &slot.places());
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        client.create_container(Some(options), body).await.map_err(|error| match trouble(&error) {
            // The first build with it may be pulling it.
            Trouble::NoImage => Fault::system(format!("{doing}: it is not here yet")),
            _ => fault(error),
        })?;
        let options = AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stream(true).build();
        let mut attached = client.attach_container(&name, Some(options)).await.map_err(fault)?;
        client.start_container(&name, None::<StartContainerOptions>).await.map_err(fault)?;
        let said = timeout(PATIENCE, attached.output.next()).await;
        if !matches!(said, Ok(Some(Ok(_)))) {
            return Err(Fault::configuration(format!("{doing}: it does not wait: has the image no `env`?")));
        }
        let inspected = client.inspect_container(&name, None).await.map_err(fault)?;
        let image = inspected.image.unwrap_or_default();
        Ok(Self { kind: kind.clone(), image, name, slot, attached })
    }

    /// Whether it still waits: one that has ended says so by the end of its output.
    pub(super) fn waits(&mut self) -> bool {
        self.attached.output.next().now_or_never().is_none()
    }

    /// Moves the build's folders in, gives it the program, and returns when that has begun.
    pub(super) async fn hand_over(mut self, spec: &SandboxSpec) -> Result<(), Fault> {
        let (slot, records, mounts) = (self.slot.clone(), spec.records.clone(), spec.mounts.clone());
        tokio::task::spawn_blocking(move || slot.move_in(&records, &mounts))
            .await
            .map_err(|error| Fault::system(format!("moving into a warm sandbox: {error}")))??;
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        start::write_driver(spec, &nonce, &[OUTPUT]).await?;
        let path = spec.records.join("start.sh");
        tokio::fs::write(&path, start_script(&spec.environment)).await.map_err(io(&path))?;
        let mut word = "go\n".to_owned();
        if !spec.secrets.is_empty() {
            let secrets = spec.secrets.iter().map(|(name, value)| (name.as_str(), value.expose()));
            word.push_str(&handed_over(secrets, &nonce));
        }
        let given = async {
            self.attached.input.write_all(word.as_bytes()).await?;
            self.attached.input.shutdown().await
        };
        given.await.map_err(|error| Fault::system(format!("{}: takes no program: {error}", self.name)))?;
        self.begun(spec).await
    }

    /// Waits until it has claimed its program.
    async fn begun(&mut self, spec: &SandboxSpec) -> Result<(), Fault> {
        let looking = async {
            while !claim::is_taken(&spec.records) {
                tokio::select! {
                    // Its driver leaves this stream alone, so an end tells that it has begun, or is no more.
                    end = self.attached.output.next() => if end.is_none() { return },
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                }
            }
        };
        let _ = timeout(PATIENCE, looking).await;
        match claim::is_taken(&spec.records) {
            true => Ok(()),
            false => Err(Fault::system(format!("{}: its program does not begin", self.name))),
        }
    }
}

/// The way from waiting to the driver, with the environment that a cold container would have had from the start.
fn start_script(environment: &[(String, String)]) -> String {
    let variables: String =
        environment.iter().map(|(name, value)| format!(" {}", quote(&format!("{name}={value}")))).collect();
    format!("exec env{variables} /bin/sh {RECORDS}/driver.sh\n")
}
