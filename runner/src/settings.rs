//! Settings: flags, then the environment, then defaults. `wire.rs` takes them apart; nobody else sees them.

use std::path::PathBuf;

use crate::fault::Fault;

/// What the environment says. Read once, at the start.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `SLUICE_STATE_DIR`
    pub state_directory: Option<PathBuf>,
    /// `SLUICE_IMAGE`: the build image where none is named.
    pub image: Option<String>,
    /// `DOCKER_HOST`
    pub docker_host: Option<String>,
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`
    pub region: Option<String>,
    /// `CODE_COMMIT_ENDPOINT`, as in git-remote-codecommit.
    pub codecommit_endpoint: Option<String>,
    /// `SLUICE_LOG_GROUP`: the log group of a worker.
    pub log_group: Option<String>,
    /// `SLUICE_LOG`: what the program says of itself.
    pub log: Option<String>,
    /// `SLUICE_SUBNETS`: the range that networks for services are taken from.
    pub subnets: Option<String>,
    /// `SLUICE_QUEUE_URL`: the SQS queue that requests for runs go through.
    pub queue_url: Option<String>,
    /// `SLUICE_EVENTS_QUEUE_URL`: the SQS queue that EventBridge tells of pipelines.
    pub events_queue_url: Option<String>,
    /// `SLUICE_TABLE`: the DynamoDB table of a fleet.
    pub table: Option<String>,
    /// Whether `AWS_EC2_METADATA_DISABLED` is `true`: nothing is asked of EC2's metadata service.
    pub no_instance_metadata: bool,
    /// `XDG_STATE_HOME`
    pub state_home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub config_home: Option<PathBuf>,
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`
    pub docker_config: Option<PathBuf>,
}

impl Environment {
    /// The process's own.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "settings read the environment")]
    pub fn of_process() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        Self {
            state_directory: path("SLUICE_STATE_DIR"),
            image: text("SLUICE_IMAGE"),
            docker_host: text("DOCKER_HOST"),
            region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
            codecommit_endpoint: text("CODE_COMMIT_ENDPOINT"),
            log_group: text("SLUICE_LOG_GROUP"),
            log: text("SLUICE_LOG"),
            subnets: text("SLUICE_SUBNETS"),
            queue_url: text("SLUICE_QUEUE_URL"),
            events_queue_url: text("SLUICE_EVENTS_QUEUE_URL"),
            table: text("SLUICE_TABLE"),
            no_instance_metadata: text("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|word| word.eq_ignore_ascii_case("true")),
            state_home: path("XDG_STATE_HOME"),
            config_home: path("XDG_CONFIG_HOME"),
            home: path("HOME"),
            docker_config: path("DOCKER_CONFIG"),
        }
    }

    /// The state directory: the flag, `SLUICE_STATE_DIR`, or `sluice` under the user's state home. Absolute.
    ///
    /// # Errors
    /// A `Configuration` fault when there is no home to put it in.
    pub fn state_directory(&self, flag: Option<PathBuf>) -> Result<PathBuf, Fault> {
        let chosen = flag.or_else(|| self.state_directory.clone()).or_else(|| {
            let home = self.state_home.clone().or_else(|| self.home.as_ref().map(|home| home.join(".local/state")));
            home.map(|home| home.join("sluice"))
        });
        let chosen = chosen.ok_or_else(|| {
            Fault::configuration("there is no place for the state directory")
                .hint("set SLUICE_STATE_DIR or --state-dir")
        })?;
        std::path::absolute(&chosen).map_err(crate::fault::io(&chosen))
    }

    /// Docker's client configuration, with its registry logins.
    #[must_use]
    pub fn docker_config(&self) -> Option<PathBuf> {
        let folder = self.docker_config.clone().or_else(|| self.home.as_ref().map(|home| home.join(".docker")))?;
        Some(folder.join("config.json"))
    }
}
