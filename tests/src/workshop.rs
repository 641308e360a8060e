//! An image builder of the test's own, with what it built removed at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use runner::aws::Aws;
use runner::cancel::Cancel;
use runner::fault::Fault;
use runner::image::{EngineAddress, ImageBuilder, ImageOrder, ImageOutcome, Images as _, PushedImage};
use runner::progress::{Progress, Progressed};

use crate::images::{busybox, engine};

/// A builder on the machine's engine, with an empty record and a folder for sources.
pub struct Workshop {
    /// The engine.
    pub docker: Docker,
    /// What is tested.
    pub builder: ImageBuilder,
    /// The repository's name, which no other test has.
    pub repository: String,
    /// An image with a shell, to build from. The name is the test's own: others may make the shared one anew meanwhile.
    pub base: String,
    folder: tempfile::TempDir,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Workshop {
    /// Opens one.
    ///
    /// # Panics
    /// When there is no engine.
    pub async fn open(aws: Aws) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        std::fs::create_dir(folder.path().join("src")).unwrap_or_else(|error| panic!("no source folder: {error}"));
        let docker = engine();
        let engine = EngineAddress::Unix("/var/run/docker.sock".into());
        let cache = folder.path().join("cache");
        let builder = ImageBuilder::new(docker.clone(), engine, aws, cache, None);
        let builder = builder.unwrap_or_else(|fault| panic!("no builder: {fault}"));
        let repository = format!("sluice-test/{}", uuid::Uuid::new_v4().simple());
        let base = format!("{repository}-base:1");
        let tagged = Command::new("docker").args(["tag", busybox().await, &base]).status();
        assert!(tagged.is_ok_and(|status| status.success()), "the base image cannot be tagged {base}");
        Self { docker, builder, repository, base, folder, log: Arc::default() }
    }

    /// The context.
    #[must_use]
    pub fn sources(&self) -> std::path::PathBuf {
        self.folder.path().join("src")
    }

    /// Where the builder keeps its record of layers.
    #[must_use]
    pub fn cache(&self) -> std::path::PathBuf {
        self.folder.path().join("cache")
    }

    /// Writes a source file.
    ///
    /// # Panics
    /// When it cannot.
    pub fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.sources().join(path);
        let written =
            std::fs::create_dir_all(path.parent().unwrap_or(&path)).and_then(|()| std::fs::write(&path, text));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Writes the Dockerfile: these steps, from the base image.
    pub fn write_steps(&self, steps: &str) {
        self.write("Dockerfile", format!("FROM {}\n{steps}\n", self.base));
    }

    /// An order for the sources, tagged `one`.
    #[must_use]
    pub fn order(&self, registry: Option<String>) -> ImageOrder {
        ImageOrder {
            context: self.sources(),
            dockerfile: "Dockerfile".to_owned(),
            target: None,
            build_args: BTreeMap::new(),
            secrets: BTreeMap::new(),
            labels: BTreeMap::new(),
            platform: None,
            registry,
            repository: self.repository.clone(),
            tags: vec!["one".to_owned()],
            create_repository: false,
            scan: None,
            role: None,
            region: None,
        }
    }

    /// Carries an order out; what it prints is in [`Workshop::log`].
    ///
    /// # Errors
    /// What the builder says.
    pub async fn carry_out(&self, order: &ImageOrder) -> Result<ImageOutcome, Fault> {
        self.builder.build(order, &self.progress(), &Cancel::new()).await
    }

    /// Carries an order out that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn pushed(&self, order: &ImageOrder) -> PushedImage {
        match self.carry_out(order).await {
            Ok(ImageOutcome::Pushed(image)) => image,
            other => panic!("{other:?}\n{}", self.log()),
        }
    }

    /// Where to tell progress, for [`Workshop::log`].
    #[must_use]
    pub fn progress(&self) -> Progress {
        let log = Arc::clone(&self.log);
        Progress::new(move |told| {
            if let Progressed::Output(text) = told {
                log.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&text);
            }
        })
    }

    /// What was printed since the last call.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let label = format!("label=sluice.image={}", self.repository);
        let listed = Command::new("docker").args(["image", "ls", "-aq", "--no-trunc", "--filter", &label]).output();
        let ids = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for id in ids.split_whitespace().chain([self.base.as_str()]) {
            Command::new("docker").args(["image", "rm", "-f", id]).output().ok();
        }
    }
}
