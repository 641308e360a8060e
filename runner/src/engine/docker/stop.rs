//! Stopping: signals to what runs in a sandbox, but not to its driver.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::KillContainerOptionsBuilder;
use futures_util::StreamExt;

use super::super::{SandboxKey, Stop};
use super::DockerEngine;
use super::container::{self, RECORDS};
use super::errors::{Trouble, trouble};
use crate::fault::{Fault, io};

/// How long the engine may take over a signal: one that hangs must not keep the next, harder step.
const ANSWER: Duration = Duration::from_secs(10);

/// What a shell ends with that could not run its command.
const NOT_RUN: [i64; 2] = [126, 127];

/// Sends the signal. Who waits how long before the next, harder one, is the caller's business.
///
/// `kill -1` spares process 1 of its namespace, which is the driver, and itself. The driver then finds the file `stop`
/// in the records' folder; a step that is just about to begin finds it too, so that none slips through.
///
/// A sandbox that has used up its processes has none left for the signal. SIGTERM then goes without saying, and the
/// caller's next, harder step comes when its grace is over; SIGKILL becomes the end of the whole sandbox.
pub(super) async fn stop(engine: &DockerEngine, key: &SandboxKey, how: Stop) -> Result<(), Fault> {
    let client = engine.client().await?;
    let name = container::name(key);
    let result = match how {
        Stop::Terminate => signal(client, &name, "TERM").await.map(drop),
        Stop::Kill => match signal(client, &name, "KILL").await {
            Ok(false) => kill(client, &name).await,
            sent => sent.map(drop),
        },
        Stop::Destroy => kill(client, &name).await,
    };
    match result {
        Err(Failed::Engine(error)) if is_over(&error) => Ok(()),
        Err(Failed::Engine(error)) => Err(engine.fault(&format!("stopping {name}"), &error)),
        Err(Failed::Fault(fault)) => Err(fault.doing(format!("stopping {name}"))),
        Ok(()) => Ok(()),
    }
}

enum Failed {
    Engine(Error),
    Fault(Fault),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// What does not run need not be stopped.
fn is_over(error: &Error) -> bool {
    matches!(trouble(error), Trouble::NotFound | Trouble::NotRunning)
}

/// The whole container at once. Whether it ends is seen by whoever follows it.
async fn kill(client: &Docker, name: &str) -> Result<(), Failed> {
    let options = KillContainerOptionsBuilder::default().signal("KILL").build();
    match tokio::time::timeout(ANSWER, client.kill_container(name, Some(options))).await {
        Ok(killed) => Ok(killed?),
        Err(_) => {
            tracing::warn!(container = name, "the engine takes too long over killing it");
            Ok(())
        }
    }
}

/// Leaves word and sends the signal, in good time. Returns whether it could be sent.
async fn signal(client: &Docker, name: &str, signal: &str) -> Result<bool, Failed> {
    let sent = tokio::time::timeout(ANSWER, send(client, name, signal)).await;
    sent.unwrap_or_else(|_| {
        tracing::warn!(container = name, signal, "the engine takes too long over a signal");
        Ok(false)
    })
}

async fn send(client: &Docker, name: &str, signal: &str) -> Result<bool, Failed> {
    let inspected = client.inspect_container(name, None).await?;
    let records = inspected.mounts.into_iter().flatten().find(|mount| mount.destination.as_deref() == Some(RECORDS));
    if let Some(records) = records.and_then(|mount| mount.source) {
        leave_word(&Path::new(&records).join("stop")).map_err(Failed::Fault)?;
    }
    let sent = match run(client, name, &format!("kill -{signal} -1")).await {
        Ok(status) => status.is_none_or(|status| !NOT_RUN.contains(&status)),
        Err(error) if is_over(&error) => return Err(error.into()),
        Err(error) => {
            tracing::warn!(container = name, %error, "a signal could not be sent");
            false
        }
    };
    Ok(sent)
}

/// Runs a shell command in the container to its end, and returns its status.
async fn run(client: &Docker, name: &str, command: &str) -> Result<Option<i64>, Error> {
    let options = CreateExecOptions {
        cmd: Some(vec!["/bin/sh", "-c", command]),
        user: Some("0"),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = client.create_exec(name, options).await?;
    if let StartExecResults::Attached { mut output, .. } = client.start_exec(&exec.id, None::<StartExecOptions>).await?
    {
        // The end of its output is the end of the call; what it says (no process there) is of no interest.
        while output.next().await.is_some() {}
    }
    Ok(client.inspect_exec(&exec.id).await?.exit_code)
}

/// Makes the file if it is not there. A link in its place, which a build could have put there, is not followed.
fn leave_word(path: &Path) -> Result<(), Fault> {
    match File::create_new(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io(path)(error)),
    }
}
