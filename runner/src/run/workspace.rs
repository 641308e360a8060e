//! The source as actions see it: one revision for the whole run, and a copy for each build that may change it.

use std::path::{Path, PathBuf};

use pipeline_spec::plan::{Action, Source, Work};

use super::Run;
use crate::event::{Outcome, What};
use crate::fault::Fault;
use crate::progress::Progress;
use crate::retry;
use crate::source::Revision;

/// Whether an action reads the source.
pub(super) fn needs_source(action: &Action) -> bool {
    matches!(action.work, Work::Build(_) | Work::Image(_))
}

impl Run {
    /// The folder with the run's revision, fetched once.
    pub(super) async fn source(&self) -> Result<&PathBuf, Fault> {
        self.fetched.get_or_try_init(|| self.fetch_source()).await
    }

    async fn fetch_source(&self) -> Result<PathBuf, Fault> {
        let into = self.folders.source();
        let known = self.recorder.with(|state| {
            let there = state.source.outcome.as_ref().is_some_and(Outcome::succeeded);
            there.then(|| state.revision.clone()).flatten()
        });
        if known.is_some() && into.is_dir() {
            return Ok(into);
        }
        self.recorder.tell(What::SourceStarted { from: self.source_text() });
        if let Some(prefetched) = self.take_prefetched() {
            tokio::fs::rename(&prefetched.folder, &into).await.map_err(crate::fault::io(&into))?;
            let revision = Some(prefetched.revision);
            self.recorder.tell(What::SourceFinished { outcome: Outcome::Succeeded, revision });
            return Ok(into);
        }
        let source = known.map_or_else(|| self.plan.source.clone(), |revision| pinned(&self.plan.source, &revision));
        let fetched = self.fetch(&source, &into, &self.recorder.progress(None)).await;
        let (outcome, revision) = match &fetched {
            Ok(revision) => (Outcome::Succeeded, Some(revision.clone())),
            Err(fault) => (Outcome::from(fault.clone()), None),
        };
        self.recorder.tell(What::SourceFinished { outcome, revision });
        fetched.map(|_| into)
    }

    async fn fetch(&self, source: &Source, into: &Path, progress: &Progress) -> Result<Revision, Fault> {
        let fetch = || async {
            clear(into).await?;
            self.ports.sources.fetch(source, into, progress, &self.cancel).await
        };
        retry::while_away(self.patience(), &self.cancel, fetch).await
    }

    /// The folders of the further inputs, in order, each fetched once. All builds of the run share them.
    pub(super) async fn inputs(&self) -> Result<Vec<(&str, PathBuf)>, Fault> {
        let place = |name: &str| self.folders.input(name);
        self.inputs
            .get_or_try_init(|| async {
                for input in &self.options.inputs {
                    let into = place(&input.name);
                    if !into.is_dir() {
                        // A folder under its own name is whole.
                        let partial = into.with_extension("partial");
                        self.fetch(&input.source, &partial, &self.recorder.progress(None)).await?;
                        tokio::fs::rename(&partial, &into).await.map_err(crate::fault::io(&into))?;
                    }
                }
                Ok(())
            })
            .await?;
        Ok(self.options.inputs.iter().map(|input| (input.name.as_str(), place(&input.name))).collect())
    }

    /// A folder with the revision that one build may write to.
    pub(super) async fn workspace(&self, action: &str) -> Result<PathBuf, Fault> {
        let source = self.source().await?;
        if self.readers_of_source() == 1 {
            return Ok(source.clone());
        }
        let into = self.own_workspace(action);
        let progress = self.recorder.progress(Some(action));
        match &self.plan.source {
            Source::Folder { .. } | Source::Artifact { .. } => {
                clear(&into).await?;
                self.ports.sources.copy(source, &into, &progress, &self.cancel).await?;
            }
            git @ Source::Git { .. } => {
                let revision = self.recorder.with(|state| state.revision.clone()).unwrap_or_default();
                self.fetch(&pinned(git, &revision), &into, &progress).await?;
            }
        }
        Ok(into)
    }

    /// Where [`Run::workspace`] has put it, without fetching.
    pub(super) fn workspace_path(&self, action: &str) -> PathBuf {
        if self.readers_of_source() == 1 { self.folders.source() } else { self.own_workspace(action) }
    }

    fn own_workspace(&self, action: &str) -> PathBuf {
        self.folders.build(action).join("source")
    }

    fn readers_of_source(&self) -> usize {
        self.plan.stages.iter().flat_map(|stage| &stage.actions).filter(|action| needs_source(action)).count()
    }
}

/// Removes what an earlier process left.
async fn clear(folder: &Path) -> Result<(), Fault> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(crate::fault::io(folder)(error)),
        _ => Ok(()),
    }
}

/// The same source at exactly that commit.
fn pinned(source: &Source, revision: &Revision) -> Source {
    match (source, &revision.commit) {
        (Source::Git { url, depth, submodules, .. }, Some(commit)) => {
            Source::Git { url: url.clone(), reference: Some(commit.clone()), depth: *depth, submodules: *submodules }
        }
        (source, _) => source.clone(),
    }
}
