//! Containers beside a build: started before it, waited for until ready, with their last lines shown when they are not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{ContainerInspectResponse, HealthStatusEnum};
use bollard::query_parameters::{LogsOptionsBuilder, StartContainerOptions};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::super::{SandboxSpec, ServiceSpec};
use super::DockerEngine;
use super::container;
use super::errors::{self, Trouble, trouble};
use super::start::Making;
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

/// Between two looks at whether a service is ready.
const PAUSE: Duration = Duration::from_millis(150);
/// How long one attempt to connect may take; a refusal comes at once.
const CONNECT: Duration = Duration::from_millis(500);
/// Lines of a failed service's log that are shown.
const LINES: &str = "20";

/// Starts all services at the same time, and returns when all are ready.
pub(super) async fn start_all(
    engine: &DockerEngine,
    client: &Docker,
    spec: &SandboxSpec,
    network: &str,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<(), Fault> {
    let each = spec.services.iter().map(async |service| {
        let name = container::service_name(&spec.key, &service.name);
        let body = container::service(&spec.key, service, network);
        // One that is there already is started again if it ended: that does nothing to one that runs.
        let making = Making { engine, client, name: &name, image: &service.image, body: &body, progress, cancel };
        making.make().await?;
        client
            .start_container(&name, None::<StartContainerOptions>)
            .await
            .map_err(|error| errors::fault(format!("starting the service {}", service.name), &service.image, &error))?;
        progress.doing(format!("waiting for the service {}", service.name));
        let limit = Duration::from_secs(service.readiness.timeout_seconds);
        let result = tokio::select! {
            result = timeout(limit, ready(client, &name, service)) => result,
            _ = cancel.requested() => {
                return Err(Fault::stopped(format!("stopped while waiting for the service {}", service.name)));
            }
        };
        let reason = match result {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(NotReady::Service(reason))) => reason,
            Ok(Err(NotReady::Engine(error))) => {
                return Err(errors::fault(format!("waiting for the service {}", service.name), &service.image, &error));
            }
            Err(_) => format!("was not ready after {} s", limit.as_secs()),
        };
        Err(failed(client, &name, service, &reason).await)
    });
    // All of them to their end: what the engine is making for a caller that has gone appears after the clean-up.
    join_all(each).await.into_iter().collect()
}

/// Why a service is not waited for any longer.
enum NotReady {
    /// It never will be; in words.
    Service(String),
    /// The engine could not be asked.
    Engine(Error),
}

impl From<Error> for NotReady {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Waits until the service is ready.
async fn ready(client: &Docker, name: &str, service: &ServiceSpec) -> Result<(), NotReady> {
    let mut last = None::<Instant>;
    loop {
        let inspected = client.inspect_container(name, None).await?;
        let state = inspected.state.clone().unwrap_or_default();
        if state.running != Some(true) {
            let status = state.exit_code.unwrap_or(-1);
            return Err(NotReady::Service(format!("ended with status {status} before it was ready")));
        }
        if is_ready(client, name, service, &inspected).await? {
            return Ok(());
        }
        let spent = last.map_or(Duration::ZERO, |last| last.elapsed());
        sleep(PAUSE.saturating_sub(spent)).await;
        last = Some(Instant::now());
    }
}

/// One look: the plan's own command, or else the image's health check, or else a port, or else that it runs.
async fn is_ready(
    client: &Docker,
    name: &str,
    service: &ServiceSpec,
    inspected: &ContainerInspectResponse,
) -> Result<bool, NotReady> {
    if let Some(command) = &service.readiness.command {
        return match succeeds(client, name, command).await {
            // It has ended since it was looked at; the next look tells how.
            Err(error) if trouble(&error) == Trouble::NotRunning => Ok(false),
            answer => Ok(answer?),
        };
    }
    let health = inspected.state.as_ref().and_then(|state| state.health.as_ref()).and_then(|health| health.status);
    match health {
        Some(HealthStatusEnum::HEALTHY) => return Ok(true),
        Some(HealthStatusEnum::UNHEALTHY) => {
            return Err(NotReady::Service("is unhealthy by its image's health check".to_owned()));
        }
        Some(HealthStatusEnum::STARTING) => return Ok(false),
        _ => {}
    }
    match first_port(inspected) {
        Some(port) => Ok(listens(client, name, address(inspected), port).await),
        None => Ok(true),
    }
}

/// Runs a shell command in the service.
async fn succeeds(client: &Docker, name: &str, command: &str) -> Result<bool, Error> {
    let (status, _) = exec(client, name, vec!["/bin/sh", "-c", command]).await?;
    Ok(status == Some(0))
}

async fn exec(client: &Docker, name: &str, command: Vec<&str>) -> Result<(Option<i64>, String), Error> {
    let options = CreateExecOptions {
        cmd: Some(command),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = client.create_exec(name, options).await?;
    let mut text = String::new();
    if let StartExecResults::Attached { mut output, .. } = client.start_exec(&exec.id, None::<StartExecOptions>).await?
    {
        while let Some(part) = output.next().await {
            text.push_str(&part?.to_string());
        }
    }
    Ok((client.inspect_exec(&exec.id).await?.exit_code, text))
}

/// The lowest TCP port that the image exposes.
fn first_port(inspected: &ContainerInspectResponse) -> Option<u16> {
    let exposed = inspected.config.as_ref()?.exposed_ports.as_ref()?;
    exposed.iter().filter_map(|port| port.strip_suffix("/tcp")?.parse().ok()).min()
}

fn address(inspected: &ContainerInspectResponse) -> Option<IpAddr> {
    let networks = inspected.network_settings.as_ref()?.networks.as_ref()?;
    networks.values().find_map(|endpoint| endpoint.ip_address.as_ref()?.parse().ok())
}

/// Whether the port takes connections. Where the container's address cannot be reached from here (an engine in a
/// virtual machine), the container's own table of sockets is read.
async fn listens(client: &Docker, name: &str, address: Option<IpAddr>, port: u16) -> bool {
    let Some(address) = address else { return false };
    match timeout(CONNECT, TcpStream::connect(SocketAddr::new(address, port))).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => false,
        _ => match exec(client, name, vec!["cat", "/proc/net/tcp", "/proc/net/tcp6"]).await {
            Ok((_, table)) => is_listening(&table, port),
            Err(_) => false,
        },
    }
}

/// Whether a table of sockets as in `/proc/net/tcp` has one that listens on the port.
fn is_listening(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        columns.next().is_some_and(|local| local.ends_with(&port)) && columns.nth(1) == Some("0A")
    })
}

/// The fault, with the service's last words.
async fn failed(client: &Docker, name: &str, service: &ServiceSpec, reason: &str) -> Fault {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(LINES).build();
    let mut log = String::new();
    let mut lines = client.logs(name, Some(options));
    while let Some(Ok(line)) = lines.next().await {
        log.push_str(&line.to_string());
    }
    let said = match log.trim_end() {
        "" => "it wrote nothing".to_owned(),
        log => format!("its last lines:\n{log}"),
    };
    Fault::configuration(format!("the service {} ({}) {reason}; {said}", service.name, service.image))
        .hint("check its image, environment and readiness")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_port_is_found_in_the_table_of_sockets() {
        let table = "  sl  local_address rem_address   st\n   0: 00000000:1538 00000000:0000 0A 00000000:00000000\n   \
                     1: 0100007F:0050 0100007F:D431 01 00000000:00000000\n";
        assert!(is_listening(table, 0x1538));
        assert!(!is_listening(table, 0x50), "connected is not listening");
        assert!(!is_listening(table, 0x38));
    }
}
