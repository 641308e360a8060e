//! A build as planned: an image, an environment, phases of commands, and what comes in and goes out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Template;

/// One build in one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Build {
    /// The build image. `None`: the caller's default image.
    pub image: Option<Template>,
    /// The buildspec's own words: where it was read from (`buildspec.yml`, `pipeline.yml (inline)`).
    pub buildspec: String,
    /// The project name, as in `CODEBUILD_BUILD_ID` and the build counter.
    pub project: String,
    /// The interpreter of every command.
    pub shell: Shell,
    /// Whether directory and variables carry from one command to the next (version 0.2) or not (0.1).
    pub carries_state: bool,
    /// Variables in rising precedence; a later one of the same name wins.
    pub environment: Vec<EnvironmentVariable>,
    /// Names whose values are read after the last phase and become `${action.variables.NAME}`.
    pub exported_variables: Vec<String>,
    /// Whether Git in the build gets a credential helper.
    pub git_credential_helper: bool,
    /// The phases, in order.
    pub phases: Vec<Phase>,
    /// Report groups to read after the phases.
    pub reports: Vec<ReportGroup>,
    /// The primary artifact.
    pub artifacts: Option<Artifacts>,
    /// Further artifacts by identifier.
    pub secondary_artifacts: Vec<SecondaryArtifacts>,
    /// Paths kept from one build to the next.
    pub cache: Option<Cache>,
    /// Containers beside the build, by host name.
    pub services: Vec<Service>,
    /// What the container may use of the machine.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// The interpreter of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shell {
    /// `/bin/sh`, the default.
    Sh,
    /// `bash`.
    Bash,
}

/// One variable and where its value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnvironmentVariable {
    /// The variable's name.
    pub name: String,
    /// Its value, or the reference to it.
    pub value: ValueSource,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueSource {
    /// Plain text. In a buildspec it is literal; in `pipeline.yml` it may hold references.
    Plain(Template),
    /// A name in Parameter Store: `name`, `name:version`, `name:label` or an ARN.
    ParameterStore(String),
    /// A reference to Secrets Manager.
    SecretsManager(SecretReference),
}

/// `secret-id:json-key:version-stage:version-id` of a buildspec, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretReference {
    /// The secret's name or full ARN.
    pub secret_id: String,
    /// The key in the secret's JSON object; `None` is the whole string.
    pub json_key: Option<String>,
    /// The version's stage; excludes `version_id`. Neither: `AWSCURRENT`.
    pub version_stage: Option<String>,
    /// The version's id; excludes `version_stage`.
    pub version_id: Option<String>,
}

/// One phase of a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Phase {
    /// `INSTALL`, `PRE_BUILD`, `BUILD` or `POST_BUILD`.
    pub name: String,
    /// The user of its commands; `None` is root.
    pub run_as: Option<String>,
    /// Run one at a time; the first that fails ends the list.
    pub commands: Vec<CommandPlan>,
    /// Run after `commands`, whatever came of them.
    pub finally: Vec<CommandPlan>,
    /// Tried again so often before the failure counts.
    pub retry: Option<Retry>,
    /// Where a failure leads.
    pub on_failure: NextAfterFailure,
    /// Whether the file names this phase at all. One that it does not name is entered and left, as CodeBuild does.
    pub written: bool,
}

/// One command: one script, of which the last exit status counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommandPlan {
    /// The script.
    pub text: String,
    /// The line of the file that it starts on, from 1; 0 where there is no file.
    pub line: u32,
}

/// Where the failure of a phase leads. The build fails in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextAfterFailure {
    /// The later phases, reports and artifacts are left out.
    End,
    /// The next phase runs, with `CODEBUILD_BUILD_SUCCEEDING=0`.
    NextPhase,
}

/// `on-failure: RETRY…`: the phase runs again when its error message matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retry {
    /// How often it is tried again at the most, 0 to 100.
    pub count: u32,
    /// Matched against `Error while executing command: …. Reason: exit status N`, anywhere in it.
    pub pattern: String,
}

/// A set of test reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportGroup {
    /// The group's name or ARN, shell text.
    pub name: String,
    /// Globs under the base directory.
    pub files: Vec<String>,
    /// How the files are written.
    pub format: ReportFormat,
    /// Shell text; `None` is the source directory.
    pub base_directory: Option<String>,
}

/// Formats of test reports that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportFormat {
    /// JUnit XML, the default.
    JunitXml,
}

/// What leaves a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Artifacts {
    /// Globs under each base directory.
    pub files: Vec<String>,
    /// Shell text; `None` is the action's name.
    pub name: Option<String>,
    /// Flatten into one directory.
    pub discard_paths: bool,
    /// Shell text, may be a glob of directories; `None` is the source directory.
    pub base_directory: Option<String>,
    /// Globs that take files out again.
    pub exclude_paths: Vec<String>,
    /// Keep symbolic links that stay inside as links.
    pub enable_symlinks: bool,
}

/// A further artifact and its identifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecondaryArtifacts {
    /// The identifier.
    pub identifier: String,
    /// What it holds.
    pub artifacts: Artifacts,
}

/// Paths kept on the machine from one build of the project to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cache {
    /// Globs, relative to the source directory or absolute in the container.
    pub paths: Vec<String>,
}

/// A container beside the build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Service {
    /// Its host name on the build's network.
    pub name: String,
    /// Its image.
    pub image: Template,
    /// Its environment.
    pub environment: BTreeMap<String, Template>,
    /// Its command; empty is the image's own.
    pub command: Vec<String>,
    /// When the build may start.
    pub readiness: ServiceReadiness,
}

/// What makes a service ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceReadiness {
    /// A shell command that succeeds in the service's container; `None`: the image's health check, or else its
    /// first exposed port that listens, or else that it runs.
    pub command: Option<String>,
    /// How long it may take, in seconds.
    pub timeout_seconds: u64,
}

/// What a build may use of the machine. `None` is no limit of ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Bytes of memory, swap included.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// How long a build may take, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Timeouts {
    /// From the start of its first phase; CodeBuild's default is an hour.
    pub build_seconds: u64,
    /// Waiting for a slot on the machine.
    pub queued_seconds: u64,
    /// Any one command; `None` is the build's.
    pub command_seconds: Option<u64>,
}

impl Default for Timeouts {
    /// CodeBuild's: an hour of building, eight of waiting.
    fn default() -> Self {
        Self { build_seconds: 3600, queued_seconds: 8 * 3600, command_seconds: None }
    }
}
