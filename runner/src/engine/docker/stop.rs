//! Stopping: signals to what runs in a sandbox, but not to its driver.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

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

/// Sends the signal. Who waits how long before the next, harder one, is the caller's business.
///
/// `kill -1` spares process 1 of its namespace, which is the driver, and itself. The driver then finds the file `stop`
/// in the records' folder; a step that is just about to begin finds it too, so that none slips through.
pub(super) async fn stop(engine: &DockerEngine, key: &SandboxKey, how: Stop) -> Result<(), Fault> {
    let client = engine.client().await?;
    let name = container::name(key);
    let result = match how {
        Stop::Terminate => signal(client, &name, "TERM").await,
        Stop::Kill => signal(client, &name, "KILL").await,
        Stop::Destroy => {
            let options = KillContainerOptionsBuilder::default().signal("KILL").build();
            client.kill_container(&name, Some(options)).await.map_err(Failed::Engine)
        }
    };
    match result {
        Ok(()) => Ok(()),
        Err(Failed::Engine(error)) if is_over(&error) => Ok(()),
        Err(Failed::Engine(error)) => Err(engine.fault(&format!("stopping {name}"), &error)),
        Err(Failed::Fault(fault)) => Err(fault.doing(format!("stopping {name}"))),
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

async fn signal(client: &Docker, name: &str, signal: &str) -> Result<(), Failed> {
    let inspected = client.inspect_container(name, None).await?;
    let records = inspected.mounts.into_iter().flatten().find(|mount| mount.destination.as_deref() == Some(RECORDS));
    if let Some(records) = records.and_then(|mount| mount.source) {
        leave_word(&PathBuf::from(records).join("stop")).map_err(Failed::Fault)?;
    }
    let options = CreateExecOptions {
        cmd: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("kill -{signal} -1")]),
        user: Some("0".to_owned()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = client.create_exec(name, options).await?;
    let started = client.start_exec(&exec.id, None::<StartExecOptions>).await?;
    if let StartExecResults::Attached { mut output, .. } = started {
        // The end of its output is the end of the call; what it says (no process there) is of no interest.
        while output.next().await.is_some() {}
    }
    Ok(())
}

/// Makes the file if it is not there. A link in its place, which a build could have put there, is not followed.
fn leave_word(path: &std::path::Path) -> Result<(), Fault> {
    match File::create_new(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io(path)(error)),
    }
}
