//! Sources: a revision into a folder. This module does not know what is done with it.

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The full commit id; `None` for a folder that is no Git work tree.
    pub commit: Option<String>,
    /// The branch that was asked for or stands at HEAD.
    pub branch: Option<String>,
    /// The first line of the commit's message.
    pub message: Option<String>,
    /// The author, `Name <mail>`.
    pub author: Option<String>,
    /// Where it came from, without credentials.
    pub repository: String,
    /// Whether uncommitted work is part of it.
    pub dirty: bool,
}

/// A kind of source.
///
/// `fetch` fills an empty or absent folder and may be repeated; an interrupted one leaves the folder to be fetched
/// anew. Different folders may be fetched at the same time, also from one repository.
#[async_trait]
pub trait Sources: Send + Sync {
    /// Brings a revision into a folder.
    async fn fetch(
        &self,
        source: &pipeline_spec::plan::Source,
        into: &Path,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Revision, Fault>;
}
