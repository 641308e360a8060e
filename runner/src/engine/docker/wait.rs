//! Waiting for a container to end, through whatever happens to the engine meanwhile.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerState, ContainerStateStatusEnum};
use bollard::query_parameters::WaitContainerOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::super::{Ending, SandboxKey};
use super::DockerEngine;
use super::container;
use super::errors::{Trouble, trouble};
use super::patience::Silence;
use super::warm::NO_PROGRAM;
use crate::fault::Fault;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the driver ends with when its secrets did not arrive whole.
const NO_SECRETS: i64 = 75;
/// What the driver ends with when it cannot go on, and what that means.
const DRIVER_FAILURES: &[(i64, &str)] = &[
    (73, "its state could not be written in memory"),
    (74, "its records could not be written: the disk is full, or the records' folder is gone"),
];

/// What is left of a container that does not run.
pub(super) enum Gone {
    /// It is there.
    Ended(Box<ContainerState>),
    /// It is not.
    Removed,
}

/// Waits until the container does not run. Never tells of one that runs. A fault is an engine that is away for long.
pub(super) async fn gone(engine: &DockerEngine, key: &SandboxKey) -> Result<Gone, Fault> {
    let name = container::name(key);
    let (mut silence, mut pause) = (Silence::default(), Duration::from_millis(100));
    loop {
        let begun = Instant::now();
        let result = match engine.client().await {
            Ok(client) => ended(client, &name).await,
            Err(fault) => Err(Err(fault)),
        };
        let fault = match result {
            Ok(Some(gone)) => return Ok(gone),
            Ok(None) => {
                // The engine answered, and the container runs: the connection broke in between.
                silence.ends();
                pause = Duration::from_millis(100);
                continue;
            }
            Err(Ok(error)) => engine.fault(&format!("waiting for {name}"), &error),
            Err(Err(fault)) => fault,
        };
        if silence.is_too_long(begun) {
            return Err(fault);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One wait, confirmed by an inspection, which also knows what the wait does not tell.
async fn ended(client: &Docker, name: &str) -> Result<Option<Gone>, Result<Error, Fault>> {
    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    match client.wait_container(name, Some(options)).next().await {
        // A status other than 0 is an error to the library, and an ending to us.
        Some(Ok(_)) | Some(Err(Error::DockerContainerWaitError { .. })) | None => {}
        Some(Err(error)) if trouble(&error) == Trouble::NotFound => return Ok(Some(Gone::Removed)),
        Some(Err(error)) => return Err(Ok(error)),
    }
    match client.inspect_container(name, None).await {
        Ok(inspected) => {
            let state = inspected.state.unwrap_or_default();
            Ok((state.running != Some(true)).then(|| Gone::Ended(Box::new(state))))
        }
        Err(error) if trouble(&error) == Trouble::NotFound => Ok(Some(Gone::Removed)),
        Err(error) => Err(Ok(error)),
    }
}

/// Whether it ended because its maker died before it had its program, or its secrets: nothing was run.
pub(super) fn had_no_program(state: &ContainerState) -> bool {
    let nothing_done = [Some(NO_PROGRAM), Some(NO_SECRETS)];
    state.status == Some(ContainerStateStatusEnum::EXITED) && nothing_done.contains(&state.exit_code)
}

/// Whether the engine has never seen it run. One that has begun all the same runs behind the engine's back.
pub(super) fn was_lost(state: &ContainerState) -> bool {
    state.status == Some(ContainerStateStatusEnum::CREATED)
}

/// Whether it was killed from outside. An engine that dies just after a start does so to what it started.
pub(super) fn was_killed(state: &ContainerState) -> bool {
    let killed = [Some(137), Some(143)].contains(&state.exit_code) && state.oom_killed != Some(true);
    killed && state.status == Some(ContainerStateStatusEnum::EXITED)
}

/// How a sandbox ended whose records have no end. `silent`: nothing at all was written in it.
pub(super) fn ending(gone: Gone, begun: bool, silent: bool) -> Result<Ending, Fault> {
    let state = match gone {
        Gone::Removed if !begun => return Ok(Ending::Absent),
        Gone::Removed => {
            let reason = "its container was removed while it ran".to_owned();
            return Ok(Ending::Died { status: 137, out_of_memory: false, reason });
        }
        Gone::Ended(state) if was_lost(&state) && !begun => return Ok(Ending::Absent),
        Gone::Ended(state) if was_lost(&state) => {
            let reason = "the engine died while it started it, and has lost it".to_owned();
            return Ok(Ending::Died { status: 137, out_of_memory: false, reason });
        }
        Gone::Ended(state) if !begun && had_no_program(&state) => return Ok(Ending::Absent),
        Gone::Ended(state) if silent && was_killed(&state) => return Ok(Ending::Absent),
        Gone::Ended(state) => state,
    };
    let status = state.exit_code.unwrap_or(-1);
    let out_of_memory = state.oom_killed.unwrap_or(false);
    let known = DRIVER_FAILURES.iter().find(|(known, _)| *known == status).map(|(_, reason)| (*reason).to_owned());
    let said = state.error.filter(|error| !error.is_empty());
    let reason = known.or(said).unwrap_or_else(|| match out_of_memory {
        true => "the kernel ended it: it was out of memory".to_owned(),
        false => format!("its main process ended with status {status}: something outside killed it"),
    });
    Ok(Ending::Died { status, out_of_memory, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_before_its_first_word_did_nothing_and_may_be_started_again() {
        let killed = |oom_killed| {
            let status = Some(ContainerStateStatusEnum::EXITED);
            let state = ContainerState { status, exit_code: Some(137), oom_killed, ..ContainerState::default() };
            Gone::Ended(Box::new(state))
        };
        assert_eq!(ending(killed(Some(false)), false, true).unwrap(), Ending::Absent);
        assert!(matches!(ending(killed(Some(false)), false, false).unwrap(), Ending::Died { .. }), "it said something");
        assert!(matches!(ending(killed(Some(true)), false, true).unwrap(), Ending::Died { out_of_memory: true, .. }));
    }
}
