//! What a build leaves: exported variables, test reports, artifacts.

use std::cmp::Reverse;
use std::path::{Component, Path, PathBuf};

use pipeline_spec::plan::{Artifacts, Build, NextAfterFailure};

use super::Run;
use super::environment::input_directory;
use super::program::{base_of_artifacts, base_of_report, name_of_artifacts, name_of_report};
use super::watch::Watched;
use crate::artifact::{self, Base, Collected, Destination, Graft, Rules, fixed_part};
use crate::cache::CachedDirectory;
use crate::engine::SandboxKey;
use crate::event::{Outcome, What};
use crate::fault::{Fault, io};
use crate::report::junit;

/// Where an ended build's files are.
struct Remains<'a> {
    action: &'a str,
    key: &'a SandboxKey,
    watched: &'a Watched,
    mounts: Mounts,
}

/// The folders that the build saw: where it saw them, and where they are on this machine.
struct Mounts {
    source: (String, PathBuf),
    /// Its further inputs and cached directories. They may lie in the source, and hide what is there.
    others: Vec<(String, PathBuf)>,
}

impl Mounts {
    /// All that a relative name may mean.
    fn all(&self) -> Base {
        Base::all(self.source.1.clone()).with(self.grafts(&self.source.0))
    }

    /// A base directory as the build sees it, on this machine; `None` when it lies in none of the folders.
    fn base(&self, written: &str) -> Option<Base> {
        let place = Path::new(&self.source.0).join(written);
        let mut folders = self.others.iter().chain([&self.source]);
        let (container, host, inside) =
            folders.find_map(|(container, host)| Some((container, host, place.strip_prefix(container).ok()?)))?;
        Some(Base::within(host.clone(), &inside.to_string_lossy(), written).with(self.grafts(container)))
    }

    /// The folders that hide something of another one.
    fn grafts(&self, outer: &str) -> Vec<Graft> {
        let inside = |container: &str| Path::new(container).strip_prefix(outer).ok().map(Path::to_owned);
        let inner = self.others.iter().filter_map(|(container, host)| Some((inside(container)?, host.clone())));
        inner.filter(|(inside, _)| inside.file_name().is_some()).map(|(inside, host)| Graft { inside, host }).collect()
    }
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
        cached: &[CachedDirectory],
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
        let remains = Remains { action, key, watched: &watched, mounts: self.mounts(action, cached) };
        self.read_reports(build, &remains).await?;
        let uploaded = self.upload(build, &remains).await?;
        Ok(if outcome.succeeded() { uploaded } else { outcome })
    }

    fn mounts(&self, action: &str, cached: &[CachedDirectory]) -> Mounts {
        let (build, source) = self.recorder.with(|state| {
            let build = state.action(action).and_then(|known| known.build.as_ref());
            build.map(|build| (build.id.clone(), build.source_directory.clone())).unwrap_or_default()
        });
        let inputs = self.options.inputs.iter().enumerate();
        let inputs = inputs.map(|(index, input)| (input_directory(&build, index), self.folders.input(&input.name)));
        // Where another build's sandbox has an input right now, there is a link to it, and that build may change the rest.
        let here = inputs.filter(|(_, host)| host.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()));
        let cached = cached.iter().map(|directory| (directory.container.clone(), directory.host.clone()));
        let mut others: Vec<(String, PathBuf)> = here.chain(cached).collect();
        // The inner of two comes first: it hides a part of the other.
        others.sort_by_key(|(container, _)| Reverse(container.len()));
        Mounts { source: (source, self.workspace_path(action)), others }
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
            let scratch = self.scratch(remains.action)?;
            let base = self.on_this_machine(remains, base, scratch.path()).await?;
            let (of_group, files) = (name.clone(), group.files.clone());
            let (report, problems) = on_thread(move || junit::read(&of_group, &files, &base)).await?;
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
        let stored = self.store_all(remains, all).await;
        let (action, phase) = (remains.action.to_owned(), "UPLOAD_ARTIFACTS".to_owned());
        let outcome = stored.clone().unwrap_or_else(Outcome::from);
        self.recorder.tell(What::PhaseFinished { action, phase, outcome });
        stored
    }

    /// The first failure counts, and keeps nothing else from being stored.
    async fn store_all(
        &self,
        remains: &Remains<'_>,
        all: Vec<(usize, Option<&str>, &Artifacts)>,
    ) -> Result<Outcome, Fault> {
        let mut outcome = Outcome::Succeeded;
        for (index, identifier, artifacts) in all {
            let stored = self.store(remains, index, identifier, artifacts).await?;
            if outcome.succeeded() {
                outcome = stored;
            }
        }
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
        let scratch = self.scratch(remains.action)?;
        let (rules, here) = (Rules::from(artifacts), self.on_this_machine(remains, base, scratch.path()).await?);
        let collected = on_thread(move || artifact::collect(&rules, &here)).await?;
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
        let bundle = on_thread(move || artifact::store(&selection, &destination, &progress, &cancel)).await??;
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

    /// A base directory as the build sees it, on this machine. What lies in no mounted folder is copied out.
    async fn on_this_machine(
        &self,
        remains: &Remains<'_>,
        written: Option<&str>,
        scratch: &Path,
    ) -> Result<Base, Fault> {
        let written = written.unwrap_or_default().trim();
        if written.is_empty() {
            return Ok(remains.mounts.all());
        }
        if let Some(base) = remains.mounts.base(written) {
            return Ok(base);
        }
        let (fixed, rest) = written.split_at(fixed_part(written).len());
        let fixed = if fixed.is_empty() { "/" } else { fixed.trim_end_matches('/') };
        self.ports.sandboxes.copy_out(remains.key, fixed, scratch).await?;
        let copied = Path::new(fixed).file_name().unwrap_or_default().to_string_lossy();
        Ok(Base::within(scratch.to_owned(), format!("{copied}{rest}").trim_start_matches('/'), written))
    }

    /// A folder that is gone when it is dropped; what a build leaves may be more than fits in the system's own.
    fn scratch(&self, action: &str) -> Result<tempfile::TempDir, Fault> {
        let folder = self.folders.build(action);
        std::fs::create_dir_all(&folder).and_then(|()| tempfile::tempdir_in(&folder)).map_err(io(&folder))
    }
}

/// Does what takes long on the disk.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::system(format!("collecting what the build left: {error}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_container_is_looked_for_in_what_is_mounted_there_and_never_beyond_it() {
        let root = tempfile::tempdir().unwrap();
        for file in ["workspace/dist/a", "tools/dist/b", "dist/secret", "cache/app.jar"] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let at = |name: &str| root.path().join(name);
        let source = ("/c/src1/src".to_owned(), at("workspace"));
        let others = vec![("/c/src11/src".into(), at("tools")), ("/c/src1/src/target".into(), at("cache"))];
        let mounts = Mounts { source, others };
        let names = |written: &str| {
            let rules = Rules { files: vec!["**/*".into()], ..Rules::default() };
            mounts.base(written).map(|base| match artifact::collect(&rules, &base) {
                Collected::Selected(selection) => selection.members.into_iter().map(|member| member.name).collect(),
                Collected::Failed { message, .. } => vec![message],
            })
        };
        let one = |text: &str| Some(vec![text.to_owned()]);
        assert_eq!(names("dist"), one("a"));
        assert_eq!(names("/c/src1/src/dist"), one("a"));
        assert_eq!(names("/c/src1/src"), Some(vec!["dist/a".to_owned(), "target/app.jar".to_owned()]));
        for cached in ["target", "./target/", "/c/src1/src/target", "tar*", "/c/src1/src/t*"] {
            assert_eq!(names(cached), one("app.jar"), "{cached}");
        }
        assert_eq!(names("/c/src11/src/d*"), one("b"));
        assert_eq!(names("/opt/dist"), None);
        for out in ["/c/src1/src/../dist", "/c/src1/src/../../..", "/c/src11/src/..", "../dist", "target/../../dist"] {
            assert_eq!(names(out), one(&format!("the base directory {out} leads out of the source")));
        }
    }
}
