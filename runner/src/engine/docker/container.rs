//! What a sandbox is to the engine: names, labels, and the body of the create call. Pure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType,
    NetworkingConfig,
};
use pipeline_spec::plan::Limits;

use super::super::{Mount, SandboxKey, SandboxSpec, ServiceSpec};

/// The label with the run's name.
pub(super) const RUN: &str = "sluice.run";
/// The label with the sandbox's name in the run.
pub(super) const KEY: &str = "sluice.key";
/// The label that tells builds from services and networks.
pub(super) const ROLE: &str = "sluice.role";
/// The label with the user and group that its folders belong to in the end, where that is not root.
pub(super) const OWNER: &str = "sluice.owner";

/// The label with the folder of a warm sandbox.
pub(super) const WARM: &str = "sluice.slot";

/// Where the records' folder is seen in a sandbox.
pub(super) const RECORDS: &str = "/codebuild/sluice";
/// CodeBuild's own place for what builds work on.
pub(super) const OUTPUT: &str = "/codebuild/output";
/// CodeBuild's own place for a command's script and the environment that is carried over. In memory: it holds secrets.
pub(super) const TMP: &str = "/codebuild/output/tmp";

/// The container's name. Keys have no dots, so different keys never share a name.
pub(super) fn name(key: &SandboxKey) -> String {
    format!("sluice-{}.{}", key.run, key.name)
}

/// The key in a container's name, whoever made it.
pub(super) fn key_of(name: &str) -> Option<SandboxKey> {
    let (run, name) = name.trim_start_matches('/').strip_prefix("sluice-")?.split_once('.')?;
    (!name.contains('.')).then(|| SandboxKey { run: run.to_owned(), name: name.to_owned() })
}

/// The name of a warm sandbox that waits; no key has such a one.
pub(super) fn warm_name(id: &str) -> String {
    format!("sluice-warm_{id}")
}

/// The name of a container beside it.
pub(super) fn service_name(key: &SandboxKey, service: &str) -> String {
    format!("{}.{service}", name(key))
}

/// Whether a container waits, by its name.
pub(super) fn is_warm_name(name: &str) -> bool {
    name.trim_start_matches('/').starts_with("sluice-warm_")
}

/// The labels of everything that belongs to a sandbox.
pub(super) fn labels(key: &SandboxKey, role: &str) -> HashMap<String, String> {
    [(RUN, key.run.as_str()), (KEY, &key.name), (ROLE, role)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The build's container.
pub(super) fn build(spec: &SandboxSpec, network: Option<&str>) -> ContainerCreateBody {
    let records = Mount { host: spec.records.clone(), container: RECORDS.to_owned(), read_only: false, seeded: false };
    let made = Making {
        image: &spec.image,
        entrypoint: vec!["/bin/sh".to_owned(), format!("{RECORDS}/driver.sh")],
        environment: &spec.environment,
        labels: labels(&spec.key, "build").into_iter().chain(owner_label(spec.owner)).collect(),
        stdin: !spec.secrets.is_empty(),
        mounts: std::iter::once(&records).chain(&spec.mounts).map(bind).collect(),
        network,
        limits: &spec.limits,
    };
    made.body()
}

/// The folders of a warm sandbox.
pub(super) struct Places {
    /// The one that has the others.
    pub(super) slot: PathBuf,
    /// What is mounted at [`RECORDS`].
    pub(super) records: PathBuf,
    /// What is mounted at [`OUTPUT`].
    pub(super) output: PathBuf,
}

/// The container of a warm sandbox: what it is a build's of is told to it later.
pub(super) fn warm(
    image: &str,
    limits: &Limits,
    owner: Option<(u32, u32)>,
    wait: &str,
    places: &Places,
) -> ContainerCreateBody {
    let mount = |host: &Path, container: &str| {
        bind(&Mount { host: host.to_owned(), container: container.to_owned(), read_only: false, seeded: false })
    };
    let labels = [(ROLE, "warm".to_owned()), (WARM, places.slot.display().to_string())];
    let labels = labels.map(|(name, value)| (name.to_owned(), value));
    let made = Making {
        image,
        entrypoint: ["/bin/sh", "-c", wait].map(str::to_owned).to_vec(),
        environment: &[],
        labels: labels.into_iter().chain(owner_label(owner)).collect(),
        stdin: true,
        mounts: vec![mount(&places.records, RECORDS), mount(&places.output, OUTPUT)],
        network: None,
        limits,
    };
    made.body()
}

fn owner_label(owner: Option<(u32, u32)>) -> Option<(String, String)> {
    let (user, group) = owner.filter(|(user, _)| *user != 0)?;
    Some((OWNER.to_owned(), format!("{user}:{group}")))
}

/// What builds' containers differ in.
struct Making<'a> {
    image: &'a str,
    entrypoint: Vec<String>,
    environment: &'a [(String, String)],
    labels: HashMap<String, String>,
    stdin: bool,
    mounts: Vec<EngineMount>,
    network: Option<&'a str>,
    limits: &'a Limits,
}

impl Making<'_> {
    fn body(self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            entrypoint: Some(self.entrypoint),
            cmd: Some(Vec::new()),
            user: Some("0".to_owned()),
            working_dir: Some("/".to_owned()),
            env: Some(environment(self.environment)),
            labels: Some(self.labels),
            tty: Some(false),
            attach_stdin: Some(self.stdin),
            open_stdin: Some(self.stdin),
            stdin_once: Some(self.stdin),
            host_config: Some(HostConfig {
                mounts: Some(self.mounts),
                tmpfs: Some(HashMap::from([(TMP.to_owned(), "mode=0700,exec".to_owned())])),
                log_config: Some(log("none", &[])),
                auto_remove: Some(false),
                init: Some(false),
                network_mode: self.network.map(str::to_owned),
                ..limited(self.limits)
            }),
            ..ContainerCreateBody::default()
        }
    }
}

/// A container beside it. Its log is kept by the engine: nothing else would know why it failed.
pub(super) fn service(key: &SandboxKey, service: &ServiceSpec, network: &str) -> ContainerCreateBody {
    let endpoint = EndpointSettings { aliases: Some(vec![service.name.clone()]), ..EndpointSettings::default() };
    let pairs = service.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    ContainerCreateBody {
        image: Some(service.image.clone()),
        hostname: Some(service.name.clone()),
        cmd: (!service.command.is_empty()).then(|| service.command.clone()),
        env: Some(pairs),
        labels: Some(labels(key, "service")),
        host_config: Some(HostConfig {
            log_config: Some(log("json-file", &[("max-size", "10m"), ("max-file", "1")])),
            network_mode: Some(network.to_owned()),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network.to_owned(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// CodeBuild sets HOME to /root whatever the image says.
fn environment(variables: &[(String, String)]) -> Vec<String> {
    std::iter::once("HOME=/root".to_owned())
        .chain(variables.iter().map(|(name, value)| format!("{name}={value}")))
        .collect()
}

fn bind(mount: &Mount) -> EngineMount {
    EngineMount {
        typ: Some(MountType::BIND),
        source: Some(mount.host.to_string_lossy().into_owned()),
        target: Some(mount.container.clone()),
        read_only: Some(mount.read_only),
        ..EngineMount::default()
    }
}

/// Memory's limit covers swap: a build over it ends soon, instead of crawling.
fn limited(limits: &Limits) -> HostConfig {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    HostConfig {
        nano_cpus: limits.cpu_millis.map(|millis| number(millis.saturating_mul(1_000_000))),
        memory: limits.memory_bytes.map(number),
        memory_swap: limits.memory_bytes.map(number),
        pids_limit: limits.pids.map(number),
        ..HostConfig::default()
    }
}

pub(super) fn log(driver: &str, options: &[(&str, &str)]) -> HostConfigLogConfig {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HostConfigLogConfig { typ: Some(driver.to_owned()), config: Some(options) }
}
