//! Build actions: what the pipeline says about a build, laid over what its buildspec says.

use super::{optional, templates};
use crate::buildspec::secret_reference;
use crate::pipeline::{Build as Written, EnvironmentVariable as WrittenVariable, Origin, Service as WrittenService};
use crate::plan::{Build, EnvironmentVariable, Limits, Service, ServiceReadiness, Timeouts, ValueSource};
use crate::validate::Known;

/// How long a service may take to become ready unless it says otherwise.
const READINESS_TIMEOUT: u64 = 60;

/// `buildspec` is the build as its buildspec alone describes it.
pub(super) fn build(written: &Written, buildspec: Build, known: &Known<'_>) -> Option<Build> {
    let defaults = Timeouts::default();
    let mut environment = buildspec.environment;
    for variable in &written.environment {
        environment.push(self::variable(variable, known)?);
    }
    Some(Build {
        image: written.image.as_ref().map(|image| known.fill(image)).or(buildspec.image),
        project: optional(&written.project, known)?.unwrap_or(buildspec.project),
        environment,
        services: written.services.iter().map(|written| service(written, known)).collect::<Option<_>>()?,
        limits: Limits { cpu_millis: written.cpu, memory_bytes: written.memory, pids: written.pids },
        timeouts: Timeouts {
            build_seconds: written.timeout.unwrap_or(defaults.build_seconds),
            queued_seconds: written.queued_timeout.unwrap_or(defaults.queued_seconds),
            command_seconds: written.command_timeout,
        },
        ..buildspec
    })
}

fn variable(written: &WrittenVariable, known: &Known<'_>) -> Option<EnvironmentVariable> {
    let value = match &written.origin {
        Origin::Plain(text) => ValueSource::Plain(known.fill(text)),
        Origin::ParameterStore(name) => ValueSource::ParameterStore(known.text(name)?),
        Origin::SecretsManager(name) => ValueSource::SecretsManager(secret_reference(&known.text(name)?).ok()?),
    };
    Some(EnvironmentVariable { name: written.name.clone(), value })
}

fn service(written: &WrittenService, known: &Known<'_>) -> Option<Service> {
    Some(Service {
        name: written.name.clone(),
        image: known.fill(written.image.as_ref()?),
        environment: templates(&written.environment, known),
        command: written.command.clone(),
        readiness: ServiceReadiness {
            command: written.readiness_command.clone(),
            timeout_seconds: written.readiness_timeout.unwrap_or(READINESS_TIMEOUT),
        },
    })
}
