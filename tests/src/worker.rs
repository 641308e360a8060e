//! A worker as a process: started, looked at, killed, started again on the same state directory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::aws::REGION;
use crate::binary;

/// What a worker is started with.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// Where its calls go: the tests' CodePipeline, which hands what is not its own on to the emulator.
    pub endpoint: String,
    /// Its access key: who it is, in ledgers.
    pub key: String,
    /// Its pools.
    pub pools: Vec<String>,
    /// The build image.
    pub image: String,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further variables of its environment.
    pub environment: Vec<(String, String)>,
}

impl WorkerSpec {
    /// One of pool `linux`, with times that suit a test.
    #[must_use]
    pub fn new(endpoint: &str, key: &str, image: &str) -> Self {
        let arguments = ["--poll", "0.2", "--heartbeat", "0.3", "--lease", "5", "--grace", "1"];
        Self {
            endpoint: endpoint.to_owned(),
            key: key.to_owned(),
            pools: vec!["linux".to_owned()],
            image: image.to_owned(),
            arguments: arguments.map(str::to_owned).to_vec(),
            environment: Vec::new(),
        }
    }

    /// With further arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }
}

/// A running worker; killed when dropped.
pub struct WorkerProcess {
    child: Child,
    /// Its state directory.
    pub state: PathBuf,
    log: PathBuf,
    /// Where in its log this process began.
    since: usize,
    /// The engine that it has, where that is not the tests'.
    engine: Option<String>,
}

impl WorkerProcess {
    /// Starts one on a state directory. What it says goes to `worker.log` there, after what it said before.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(spec: &WorkerSpec, state: &Path) -> Self {
        std::fs::create_dir_all(state).unwrap_or_else(|error| panic!("{}: {error}", state.display()));
        let log = state.join("worker.log");
        let open = File::options().create(true).append(true).open(&log);
        let open = open.unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let mut command = Self::command(spec, state);
        command.arg("worker").args(spec.pools.iter().flat_map(|pool| ["--pool", pool.as_str()]));
        command.args(["--image", &spec.image]).args(&spec.arguments);
        let copy = open.try_clone().unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        command.stdin(Stdio::null()).stdout(copy).stderr(open);
        let since = std::fs::metadata(&log).map_or(0, |log| usize::try_from(log.len()).unwrap_or(0));
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let engine = spec.environment.iter().find(|(name, _)| name == "DOCKER_HOST").map(|(_, host)| host.clone());
        Self { child, state: state.to_owned(), log, since, engine }
    }

    /// `sluice` with the environment of a worker and its state directory, without a subcommand yet.
    #[must_use]
    pub fn command(spec: &WorkerSpec, state: &Path) -> Command {
        let mut command = Command::new(binary::sluice());
        command.env("AWS_ENDPOINT_URL", &spec.endpoint).env("AWS_REGION", REGION);
        command.env("AWS_ACCESS_KEY_ID", &spec.key).env("AWS_SECRET_ACCESS_KEY", "secret");
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", state);
        command.env_remove("AWS_SESSION_TOKEN").env_remove("AWS_PROFILE").env_remove("SLUICE_LOG");
        command.envs(spec.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--state-dir").arg(state);
        command
    }

    /// Ends it as a power cut would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).unwrap_or_else(|error| panic!("kill: {error}"));
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        kill(pid, signal).unwrap_or_else(|error| panic!("{signal}: {error}\n{}", self.log()));
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself; its exit code.
    ///
    /// # Panics
    /// When a minute has passed.
    pub async fn ended(&mut self) -> i32 {
        let ended = async {
            loop {
                match self.child.try_wait() {
                    Ok(Some(status)) => return status.code().unwrap_or(-1),
                    Ok(None) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        ended.unwrap_or_else(|_| panic!("the worker does not end\n{}", self.log()))
    }

    /// Whether this process has said that it begins; it hears signals then.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.log().get(self.since..).is_some_and(|log| log.contains("the worker begins"))
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What is in the engine of its runs: a label or a name of each container, network and volume.
    ///
    /// # Panics
    /// When the engine does not answer.
    pub async fn left_in_engine(&self) -> Vec<String> {
        let runs = std::fs::read_dir(self.state.join("runs")).into_iter().flatten().flatten();
        let runs: Vec<String> = runs.map(|run| run.file_name().to_string_lossy().into_owned()).collect();
        let docker = match &self.engine {
            Some(host) => Docker::connect_with_unix(host, 120, bollard::API_DEFAULT_VERSION),
            None => Docker::connect_with_local_defaults(),
        };
        let docker = docker.unwrap_or_else(|error| panic!("{error}"));
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let containers = docker.list_containers(Some(options)).await.unwrap_or_else(|error| panic!("{error}"));
        let networks =
            docker.list_networks(None::<ListNetworksOptions>).await.unwrap_or_else(|error| panic!("{error}"));
        let volumes = docker.list_volumes(None::<ListVolumesOptions>).await.unwrap_or_else(|error| panic!("{error}"));
        // What was taken over is called by the run's name and more, and a warm container has its run in its name alone.
        let is_own = |text: &String| runs.iter().any(|run| text.trim_start_matches("/sluice-").starts_with(run));
        let containers = containers.into_iter().map(|container| {
            let labels = container.labels.unwrap_or_default().into_values();
            labels.chain(container.names.unwrap_or_default()).find(is_own)
        });
        let networks = networks.into_iter().map(|network| network.labels.unwrap_or_default());
        let volumes = volumes.volumes.unwrap_or_default().into_iter().map(|volume| volume.labels);
        let labelled = networks.chain(volumes).map(|labels| labels.into_values().find(is_own));
        containers.chain(labelled).flatten().collect()
    }

    /// What is in its state directory and should have gone: workspaces of runs, what was fetched, what waits to be done.
    #[must_use]
    pub fn left_in_state(&self) -> Vec<PathBuf> {
        let entries = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let fetched = entries(&self.state).into_iter().filter(|path| name(path).starts_with("fetch-"));
        let workspaces = entries(&self.state.join("runs")).into_iter().flat_map(|run| entries(&run));
        let workspaces = workspaces.filter(|path| ["source", "builds"].contains(&name(path).as_str()));
        let waiting = ["warm", "left-in-engine", "shipments"].map(|folder| entries(&self.state.join(folder)));
        let waiting = waiting.into_iter().flatten().filter(|path| name(path) != "lock");
        fetched.chain(workspaces).chain(waiting).collect()
    }

    /// The logs of all its builds.
    #[must_use]
    pub fn build_logs(&self) -> Vec<String> {
        self.logs_of_builds().into_iter().map(|(_, log)| log).collect()
    }

    /// The same, each with the run that it is of.
    #[must_use]
    pub fn logs_of_builds(&self) -> Vec<(String, String)> {
        let runs = std::fs::read_dir(self.state.join("runs")).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> = runs.map(|run| run.path()).collect();
        runs.sort();
        let logs = runs.iter().flat_map(|run| {
            let logs = std::fs::read_dir(run.join("logs")).into_iter().flatten().flatten();
            logs.map(|log| (name(run), std::fs::read_to_string(log.path()).unwrap_or_default()))
        });
        logs.collect()
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Looks until there is something, for a minute at the most.
///
/// # Panics
/// When there is not.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap_or_else(|_| panic!("no {what}"))
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        self.remove_what_waits();
    }
}

impl WorkerProcess {
    /// The containers that wait for its builds, by id. A build that took one has given it another name.
    #[must_use]
    pub fn waiting_in_engine(&self) -> Vec<String> {
        let format = "{{.ID}} {{.Label \"sluice.slot\"}}";
        let mut list = self.docker();
        list.args(["ps", "-a", "--no-trunc", "--filter", "name=sluice-warm_", "--format", format]);
        let listed = list.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let (listed, own) = (listed.unwrap_or_default(), self.state.display().to_string());
        let own = listed.lines().filter_map(|line| line.split_once(' ').filter(|(_, slot)| slot.starts_with(&own)));
        own.map(|(id, _)| id.to_owned()).collect()
    }

    /// Removes the containers that waited for builds: its next start would, and there is none.
    fn remove_what_waits(&self) {
        for id in self.waiting_in_engine() {
            self.docker().args(["rm", "-f", &id]).output().ok();
        }
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.envs(self.engine.iter().map(|host| ("DOCKER_HOST", host)));
        command
    }
}
