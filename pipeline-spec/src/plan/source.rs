//! Where a run's revision comes from.

use serde::{Deserialize, Serialize};

/// A source. All but a folder may be narrowed to a branch, tag or commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Source {
    /// A local folder with its uncommitted work, without what Git ignores. Relative to the plan's file.
    Folder {
        /// The folder.
        path: String,
    },
    /// A Git repository.
    Git {
        /// `codecommit://…`, `codecommit::region://…`, or any URL that Git takes.
        url: String,
        /// Branch, tag or full commit id; `None` is the remote's HEAD.
        reference: Option<String>,
        /// How many commits of history; `None` is all.
        depth: Option<u32>,
        /// Whether submodules are fetched too.
        submodules: bool,
    },
    /// An input artifact of a job: a zip or tar in a bucket, or CodePipeline's reference to a repository and a commit.
    Artifact {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
        /// What the artifact says that it was made from, such as a commit id.
        revision: Option<String>,
    },
}
