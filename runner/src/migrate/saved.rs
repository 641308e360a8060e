//! Structures of pipelines as they were before a change, in the state directory. They are what GetPipeline told, so the
//! AWS CLI can put one back too: `aws codepipeline update-pipeline --cli-input-json file://…`.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::pipeline::Described;
use crate::fault::{Fault, io};

/// The folder of saved structures: `REGION-ACCOUNT/PIPELINE/VERSION.json`.
#[derive(Clone, Debug)]
pub struct Saved {
    root: PathBuf,
}

impl Saved {
    /// In that folder, which need not be there.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Keeps a structure, on the disk when this returns. A version never changes, so it is kept once.
    ///
    /// # Errors
    /// A `System` fault when it cannot be written.
    pub fn keep(&self, described: &Described) -> Result<PathBuf, Fault> {
        let folder = self.folder(described);
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        let file = folder.join(format!("{}.json", described.version()));
        let text = serde_json::to_string_pretty(&json!({ "pipeline": described.pipeline })).unwrap_or_default();
        let new = folder.join(format!("{}.json.new", described.version()));
        write(&new, &text).map_err(io(&new))?;
        fs::rename(&new, &file).map_err(io(&file))?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(io(&folder))?;
        Ok(file)
    }

    /// The structures that are kept of this pipeline, newest first. A file that cannot be read is left out.
    #[must_use]
    pub fn of(&self, described: &Described) -> Vec<Value> {
        let entries = fs::read_dir(self.folder(described)).into_iter().flatten().flatten();
        let version = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".json")?.parse::<i64>().ok();
        let mut files: Vec<_> =
            entries.map(|entry| entry.path()).filter_map(|path| Some((version(&path)?, path))).collect();
        files.sort_unstable();
        let texts = files.into_iter().rev().filter_map(|(_, path)| fs::read_to_string(path).ok());
        texts.filter_map(|text| serde_json::from_str::<Value>(&text).ok()?.get("pipeline").cloned()).collect()
    }

    fn folder(&self, described: &Described) -> PathBuf {
        let (region, account) = (described.region().unwrap_or("unknown"), described.account().unwrap_or("unknown"));
        // CodePipeline's names of pipelines have letters, digits and `.@-_`; two of these mean something in a path.
        let name =
            if described.name().starts_with('.') { format!("_{}", described.name()) } else { described.name().into() };
        self.root.join(format!("{region}-{account}")).join(name.replace('/', "_"))
    }
}

/// Only the user may read it: configurations of actions can hold what should not be told.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
