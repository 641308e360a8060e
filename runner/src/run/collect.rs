//! What a build leaves: exported variables, test reports, artifacts.

use std::path::{Component, Path, PathBuf};

use pipeline_spec::plan::{Artifacts, Build, NextAfterFailure};

use super::Run;
use super::program::{base_of_artifacts, base_of_report, name_of_artifacts, name_of_report};
use super::watch::Watched;
use crate::artifact::{self, Collected, Destination, Origin, Rules};
use crate::engine::SandboxKey;
use crate::event::{Outcome, What};
use crate::fault::Fault;
use crate::report::junit;

/// Where an ended build's files are.
struct Remains<'a> {
    action: &'a str,
    key: &'a SandboxKey,
    watched: &'a Watched,
    /// The source directory on this machine.
    source: PathBuf,
    /// The source directory in the container.
    source_directory: String,
}

impl Run {
    /// Collects what the build leaves; what it ended with when there is nothing to collect, or all went well.
    ///
    /// A phase whose failure ends the build leaves no reports or artifacts, as real CodeBuild logs show.
    pub(super) async fn collect(
        &self,
        action: &str,
        build: &Build,
        key: &SandboxKey,
        watched: Watched,
    ) -> Result<Outcome, Fault> {
        self.export(action, build, &watched);
        let outcome = match watched.failures.first() {
            Some((_, message)) => Outcome::failed(message.clone()),
            None => Outcome::Succeeded,
        };
        let ended =
            |section: &usize| build.phases.get(*section).is_some_and(|phase| phase.on_failure == NextAfterFailure::End);
        if watched.failures.iter().any(|(section, _)| ended(section)) {
            return Ok(outcome);
        }
        let source_directory = self.recorder.with(|state| {
            let build = state.action(action).and_then(|known| known.build.as_ref());
            build.map(|build| build.source_directory.clone()).unwrap_or_default()
        });
        let source = self.workspace_path(action);
        let remains = Remains { action, key, watched: &watched, source, source_directory };
        self.read_reports(build, &remains).await?;
        let uploaded = self.upload(build, &remains).await?;
        Ok(if outcome.succeeded() { uploaded } else { outcome })
    }

    fn export(&self, action: &str, build: &Build, watched: &Watched) {
        for name in &build.exported_variables {
            let action = action.to_owned();
            match watched.exported.get(name) {
                Some(_) if name.starts_with("AWS_") => {
                    self.notice(&action, true, format!("{name} is not exported: names that start with AWS_ never are"));
                }
                Some(value) => {
                    let value = String::from_utf8_lossy(value).into_owned();
                    self.recorder.tell(What::VariableExported { action, name: name.clone(), value, withheld: false });
                }
                None => self.notice(&action, true, format!("{name} is exported, but was never set")),
            }
        }
    }

    async fn read_reports(&self, build: &Build, remains: &Remains<'_>) -> Result<(), Fault> {
        for (index, group) in build.reports.iter().enumerate() {
            let name = remains.watched.expanded.get(&name_of_report(index)).unwrap_or(&group.name);
            let base = remains.watched.expanded.get(&base_of_report(index)).map(String::as_str);
            let scratch = scratch()?;
            let base = self.on_this_machine(remains, base, scratch.path()).await?;
            let (report, problems) = junit::read(name, &group.files, origin(remains, base.as_deref()));
            for text in problems {
                self.notice(remains.action, true, format!("report {name}: {text}"));
            }
            self.recorder.tell(What::ReportRead { action: remains.action.to_owned(), report });
        }
        Ok(())
    }

    /// The phase UPLOAD_ARTIFACTS.
    async fn upload(&self, build: &Build, remains: &Remains<'_>) -> Result<Outcome, Fault> {
        let primary = build.artifacts.iter().map(|artifacts| (0, None, artifacts));
        let secondary = build.secondary_artifacts.iter().zip(1..);
        let secondary = secondary.map(|(one, index)| (index, Some(one.identifier.as_str()), &one.artifacts));
        let all: Vec<_> = primary.chain(secondary).collect();
        if all.is_empty() {
            return Ok(Outcome::Succeeded);
        }
        self.tell_phase(remains.action, "UPLOAD_ARTIFACTS");
        let mut outcome = Outcome::Succeeded;
        for (index, identifier, artifacts) in all {
            let stored = self.store(remains, index, identifier, artifacts).await?;
            if outcome.succeeded() {
                outcome = stored;
            }
        }
        let (action, phase) = (remains.action.to_owned(), "UPLOAD_ARTIFACTS".to_owned());
        self.recorder.tell(What::PhaseFinished { action, phase, outcome: outcome.clone() });
        Ok(outcome)
    }

    async fn store(
        &self,
        remains: &Remains<'_>,
        index: usize,
        identifier: Option<&str>,
        artifacts: &Artifacts,
    ) -> Result<Outcome, Fault> {
        let base = remains.watched.expanded.get(&base_of_artifacts(index)).map(String::as_str);
        let scratch = scratch()?;
        let here = self.on_this_machine(remains, base, scratch.path()).await?;
        let collected = artifact::collect(&Rules::from(artifacts), origin(remains, here.as_deref()));
        self.recorder.tell(What::ArtifactCollected {
            action: remains.action.to_owned(),
            identifier: identifier.map(str::to_owned),
            base: base.filter(|base| !base.is_empty()).map(str::to_owned),
            patterns: artifacts.files.clone(),
            found: collected.files(),
        });
        let selection = match collected {
            Collected::Selected(selection) => selection,
            Collected::Failed { message, notices } => {
                notices.into_iter().for_each(|text| self.notice(remains.action, true, text));
                return Ok(Outcome::Failed { message });
            }
        };
        for text in &selection.notices {
            self.notice(remains.action, true, text);
        }
        let expanded = remains.watched.expanded.get(&name_of_artifacts(index)).map(String::as_str);
        let name = plain_name(identifier.or(expanded));
        let folder = self.folders.artifacts(remains.action);
        let destination = match self.options.zip {
            true => Destination::Zip(folder.join(format!("{name}.zip"))),
            false => Destination::Folder(folder.join(name)),
        };
        let (progress, cancel) = (self.recorder.progress(Some(remains.action)), self.cancel.clone());
        let storing =
            tokio::task::spawn_blocking(move || artifact::store(&selection, &destination, &progress, &cancel));
        let bundle =
            storing.await.map_err(|error| Fault::system(format!("artifacts could not be stored: {error}")))??;
        self.recorder.tell(What::ArtifactStored {
            action: remains.action.to_owned(),
            identifier: identifier.map(str::to_owned),
            path: bundle.path.display().to_string(),
            files: bundle.files,
            bytes: bundle.bytes,
            sha256: Some(bundle.sha256),
        });
        Ok(Outcome::Succeeded)
    }

    /// A base directory as the build sees it, as a path on this machine. What lies in no mounted folder is copied out.
    async fn on_this_machine(
        &self,
        remains: &Remains<'_>,
        base: Option<&str>,
        scratch: &Path,
    ) -> Result<Option<String>, Fault> {
        let Some(base) = base.filter(|base| !base.is_empty()) else { return Ok(None) };
        if !base.starts_with('/') {
            return Ok(Some(base.to_owned()));
        }
        if let Ok(inside) = Path::new(base).strip_prefix(&remains.source_directory) {
            return Ok(Some(remains.source.join(inside).display().to_string()));
        }
        let (fixed, glob) = split_at_glob(base);
        self.ports.sandboxes.copy_out(remains.key, fixed, scratch).await?;
        let copied = scratch.join(Path::new(fixed).file_name().unwrap_or_default());
        let whole = if glob.is_empty() { copied } else { copied.join(glob) };
        Ok(Some(whole.display().to_string()))
    }
}

fn origin<'a>(remains: &'a Remains<'_>, base: Option<&'a str>) -> Origin<'a> {
    Origin { source: &remains.source, base, boundary: &remains.source }
}

fn scratch() -> Result<tempfile::TempDir, Fault> {
    tempfile::tempdir().map_err(|error| Fault::system(format!("no temporary folder can be made: {error}")))
}

/// The directories before the first wildcard, and the rest.
fn split_at_glob(path: &str) -> (&str, &str) {
    match path.find(['*', '?', '[', '{']) {
        None => (path.trim_end_matches('/'), ""),
        Some(at) => path[..at].rsplit_once('/').map_or(("/", path), |(fixed, _)| (fixed, &path[fixed.len() + 1..])),
    }
}

/// A name that stays in its folder, whatever the shell made of it.
fn plain_name(name: Option<&str>) -> String {
    let parts = Path::new(name.unwrap_or_default()).components();
    let kept: Vec<_> = parts
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    if kept.is_empty() { "artifact".to_owned() } else { kept.join("/") }
}
