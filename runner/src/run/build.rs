//! A build action: everything made ready at the same time, one sandbox started and watched, its results collected.

use std::path::Path;
use std::time::Duration;

use pipeline_spec::plan::Build;
use pipeline_spec::quantity::duration_text;
use tokio::sync::SemaphorePermit;

use super::environment::{input_directory, source_directory};
use super::program::program;
use super::removal::Ended;
use super::variables::Environment;
use super::watch::Watched;
use super::{Place, Run};
use crate::cache::{CacheKey, Lease, Trust, directories};
use crate::cancel::Reason;
use crate::clock;
use crate::engine::{Ending, Mount, SandboxKey, SandboxSpec, ServiceSpec};
use crate::event::{ListedPhase, Outcome, What};
use crate::fault::{Fault, FaultKind};
use crate::retry;
use crate::state::BuildState;
use crate::store::new_action_id;

/// How often a sandbox is started that ends before its program begins: so it does when the engine goes away at that moment.
const STARTS: u32 = 3;

impl Run {
    /// Runs a build, or goes on with one that an earlier process started. Its sandbox stays until its end was told.
    pub(super) async fn build(&self, action: &str, build: &Build) -> Result<Outcome, Fault> {
        let queued = Duration::from_secs(build.timeouts.queued_seconds);
        let slot = tokio::select! {
            slot = tokio::time::timeout(queued, self.place(action, build)) => slot,
            reason = self.cancel.requested() => return Ok(Self::stopped(reason)),
        };
        let Ok(_slot) = slot else {
            let message = format!("waited longer than {} for a free slot", duration_text(queued.as_secs()));
            return Ok(Outcome::TimedOut { message });
        };
        let key = SandboxKey { run: self.folders.in_engine().to_owned(), name: sandbox_name(action) };
        let sandbox = self.removals.expect();
        let mut cache = None;
        let result = self.in_sandbox(action, build, &key, &mut cache).await;
        self.removals.keep(action, Ended { key, sandbox, cache });
        result
    }

    /// Waits until the build may begin: until few enough others of the run are under way, and the machine has what its
    /// limits name. What an earlier process began runs already.
    async fn place(&self, action: &str, build: &Build) -> (Option<SemaphorePermit<'_>>, Place) {
        let room = &self.ports.room;
        if self.recorder.with(|state| state.action(action).is_some_and(|known| known.build.is_some())) {
            return (None, room.take_at_once(&build.limits));
        }
        self.recorder.progress(Some(action)).doing("queued");
        // The semaphore is never closed.
        let slot = self.slots.acquire().await.ok();
        (slot, room.take(&build.limits).await)
    }

    /// `cache` is the lease of what is mounted in a sandbox that may still write to it.
    async fn in_sandbox(
        &self,
        action: &str,
        build: &Build,
        key: &SandboxKey,
        cache: &mut Option<Lease>,
    ) -> Result<Outcome, Fault> {
        let earlier = self.recorder.with(|state| state.action(action).and_then(|known| known.build.clone()));
        let state = match earlier {
            Some(earlier) => {
                self.know_secrets(action, build, &earlier).await?;
                *cache = self.lease(action, build, &earlier)?;
                self.recorder.tell(What::BuildAdopted { action: action.to_owned() });
                let watched = self.watch(action, build, key).await?;
                if watched.ending != Some(Ending::Absent) || watched.stopped.is_some() {
                    return self.finish(action, build, key, watched, cache).await;
                }
                self.tell_phase(action, "DOWNLOAD_SOURCE");
                earlier
            }
            None => {
                let state = self.name_build(action, build).await?;
                *cache = self.lease(action, build, &state)?;
                state
            }
        };
        self.fresh(action, build, key, &state, cache).await
    }

    /// Starts the sandbox and watches it.
    async fn fresh(
        &self,
        action: &str,
        build: &Build,
        key: &SandboxKey,
        state: &BuildState,
        cache: &mut Option<Lease>,
    ) -> Result<Outcome, Fault> {
        let spec = self.download(action, build, key, state, cache.as_ref()).await;
        let phase = "DOWNLOAD_SOURCE";
        self.own_phase(action, phase, spec.as_ref().err());
        let spec = spec?;
        for _ in 1..STARTS {
            let watched = self.start(action, build, key, &spec).await?;
            if watched.ending != Some(Ending::Absent) || watched.stopped.is_some() {
                return self.finish(action, build, key, watched, cache).await;
            }
            tracing::warn!(action, "the sandbox ended before its program began, and is started again");
        }
        let watched = self.start(action, build, key, &spec).await?;
        self.finish(action, build, key, watched, cache).await
    }

    /// Starts a sandbox, and follows it to its end.
    async fn start(&self, action: &str, build: &Build, key: &SandboxKey, spec: &SandboxSpec) -> Result<Watched, Fault> {
        self.tell_phase(action, "PROVISIONING");
        let progress = self.recorder.progress(Some(action));
        let started = self.ports.engine.start(spec, &progress, &self.cancel).await;
        self.own_phase(action, "PROVISIONING", started.as_ref().err());
        started?;
        self.watch(action, build, key).await
    }

    /// Gives the build its id and number, and says that it begins.
    async fn name_build(&self, action: &str, build: &Build) -> Result<BuildState, Fault> {
        let image = match (self.render_option(build.image.as_ref())?, &self.options.image) {
            (Some(image), _) => image,
            (None, Some(image)) => image.clone(),
            (None, None) => {
                return Err(Fault::configuration("no build image is named")
                    .hint("name one: `--image IMAGE`, SLUICE_IMAGE, or `image:` in pipeline.yml"));
            }
        };
        self.source().await?;
        let revision = self.recorder.with(|state| state.revision.clone()).unwrap_or_default();
        let own = self.recorder.record(|record| record.next_build_number(&build.project))?;
        let number = match &self.ports.numbers {
            Some(fleet) => retry::while_away(self.patience(), &self.cancel, || fleet.next(&build.project, own)).await?,
            None => own,
        };
        let uuid = new_action_id().to_string();
        let state = BuildState {
            id: format!("{}:{uuid}", build.project),
            number,
            source_directory: source_directory(&uuid, &revision),
            buildspec: build.buildspec.clone(),
            listed: listed(build),
            image,
            ..BuildState::default()
        };
        self.recorder.commit(What::BuildStarted {
            action: action.to_owned(),
            build: state.id.clone(),
            number: state.number,
            image: state.image.clone(),
            source_directory: state.source_directory.clone(),
            buildspec: state.buildspec.clone(),
            phases: state.listed.clone(),
        })?;
        self.tell_phase(action, "DOWNLOAD_SOURCE");
        Ok(state)
    }

    /// Source, secrets and caches, all at the same time.
    async fn download(
        &self,
        action: &str,
        build: &Build,
        key: &SandboxKey,
        state: &BuildState,
        cache: Option<&Lease>,
    ) -> Result<SandboxSpec, Fault> {
        let start = clock::now().as_millisecond();
        let (workspace, inputs, environment) =
            tokio::join!(self.workspace(action), self.inputs(), self.environment(action, build, state, start));
        let (workspace, inputs, environment) = (workspace?, inputs?, environment?);
        let Environment { plain: mut environment, secrets, versions } = environment;
        if !versions.is_empty() {
            // Whoever goes on with the build after us must mask what it was given, whatever the secrets are by then.
            self.recorder.commit(What::SecretsRead { action: action.to_owned(), versions })?;
        }
        let source = state.source_directory.clone();
        let mut mounts = vec![Mount { host: workspace, container: source, read_only: false, seeded: false }];
        for (index, (name, host)) in inputs.into_iter().enumerate() {
            let container = input_directory(&state.id, index);
            environment.push((format!("CODEBUILD_SRC_DIR_{name}"), container.clone()));
            mounts.push(Mount { host, container, read_only: false, seeded: false });
        }
        let cached = cache.map(Lease::directories).unwrap_or_default().iter();
        mounts.extend(cached.map(|directory| Mount {
            host: directory.host.clone(),
            container: directory.container.clone(),
            read_only: false,
            // The image has nothing in the source directory.
            seeded: directory.is_empty && !Path::new(&directory.container).starts_with(&state.source_directory),
        }));
        let records = self.folders.build(action).join("records");
        std::fs::create_dir_all(&records).map_err(crate::fault::io(&records))?;
        Ok(SandboxSpec {
            key: key.clone(),
            image: state.image.clone(),
            program: program(build, &state.source_directory),
            environment,
            secrets,
            mounts,
            records,
            services: self.services(build)?,
            limits: build.limits.clone(),
            owner: self.owner,
        })
    }

    /// The build's own copy of its cached directories, until the lease is dropped.
    fn lease(&self, action: &str, build: &Build, state: &BuildState) -> Result<Option<Lease>, Fault> {
        let Some(cache) = &build.cache else { return Ok(None) };
        let kept = directories(&cache.paths, &state.source_directory);
        for text in &kept.notices {
            self.notice(action, true, text);
        }
        let key = CacheKey { project: build.project.clone(), trust: Trust::Trusted, paths: cache.paths.clone() };
        self.ports.caches.lease(&key, &kept, &state.id).map(Some)
    }

    fn services(&self, build: &Build) -> Result<Vec<ServiceSpec>, Fault> {
        build
            .services
            .iter()
            .map(|service| {
                Ok(ServiceSpec {
                    name: service.name.clone(),
                    image: self.render(&service.image)?,
                    environment: self.render_all(&service.environment)?.into_iter().collect(),
                    command: service.command.clone(),
                    readiness: service.readiness.clone(),
                })
            })
            .collect()
    }

    /// What the end of a sandbox means for the build.
    async fn finish(
        &self,
        action: &str,
        build: &Build,
        key: &SandboxKey,
        watched: Watched,
        cache: &mut Option<Lease>,
    ) -> Result<Outcome, Fault> {
        if let Some((reason, message)) = &watched.stopped {
            let message = message.clone();
            if watched.ending == Some(Ending::Completed) {
                cache.take();
            }
            return Ok(match reason {
                Reason::TimedOut => Outcome::TimedOut { message },
                _ => Outcome::Stopped { message },
            });
        }
        match &watched.ending {
            Some(Ending::Completed) => {
                let directories = cache.as_ref().map(Lease::directories).unwrap_or_default();
                let collected = self.collect(action, build, key, watched, directories).await;
                // Nothing runs in it any more: the next build may have what this one leaves at once.
                cache.take();
                collected
            }
            Some(Ending::Died { out_of_memory: true, .. }) => {
                let limit = build.limits.memory_bytes.map_or_else(String::new, |bytes| format!(" of {bytes} bytes"));
                Ok(Outcome::failed(format!("the build used more than its memory{limit} and was killed")))
            }
            Some(Ending::Died { status, reason, .. }) => Err(Fault::system(format!(
                "the build's container died before the build was over (status {status}{}{reason})",
                if reason.is_empty() { "" } else { ", " }
            ))
            .hint("the engine stopped it, or somebody else did; nothing is run twice by itself: start the run again")),
            Some(Ending::Absent) | None => Err(Fault::system("the build's container is gone, and so are its records")),
        }
    }

    /// Tells the start of a phase that has no commands of the user's.
    pub(super) fn tell_phase(&self, action: &str, phase: &str) {
        let (action, phase) = (action.to_owned(), phase.to_owned());
        self.recorder.tell(What::PhaseStarted { action, phase, attempt: 1, commands: 0 });
    }

    /// Tells the end of a phase that has no commands of the user's.
    pub(super) fn own_phase(&self, action: &str, phase: &str, fault: Option<&Fault>) {
        let outcome = fault.map_or(Outcome::Succeeded, |fault| match fault.kind {
            FaultKind::Stopped => Outcome::from(fault.clone()),
            _ => Outcome::failed(fault.message.clone()),
        });
        self.recorder.tell(What::PhaseFinished { action: action.to_owned(), phase: phase.to_owned(), outcome });
    }
}

/// The phases that have commands.
fn listed(build: &Build) -> Vec<ListedPhase> {
    let counted = build.phases.iter().map(|phase| (phase, phase.commands.len() + phase.finally.len()));
    let listed = counted.filter(|(_, commands)| *commands > 0);
    listed.map(|(phase, commands)| ListedPhase { name: phase.name.clone(), commands }).collect()
}

/// `[a-z0-9-]`, at most 40 characters, and different for different actions.
fn sandbox_name(action: &str) -> String {
    use sha2::{Digest, Sha256};
    let plain: String =
        action.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(31).collect();
    if plain == action { plain } else { format!("{plain}-{}", &hex::encode(Sha256::digest(action))[..8]) }
}
