//! Artifacts: what leaves a build, as a folder or a zip. This module does not know jobs or pipelines.
//!
//! Collecting is three steps: `walk` lists what is there, `select` decides from the list alone, and [`store`]
//! copies. The rules are those of the CodeBuild user guide, "Build specification reference", `artifacts`.

mod base;
mod collect;
mod glob;
mod graft;
mod select;
mod store;
mod walk;
mod zipped;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use base::Base;
pub use collect::collect;
pub use glob::Globs;
pub(crate) use glob::fixed_part;
pub use graft::Graft;
pub(crate) use store::open;
pub use store::{Destination, store};

/// Which files are taken, and under what names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Globs under the base directory.
    pub files: Vec<String>,
    /// Globs under the base directory that take files out again.
    pub exclude_paths: Vec<String>,
    /// Flatten into one directory.
    pub discard_paths: bool,
    /// Keep symbolic links that stay inside as links, instead of taking what they lead to.
    pub enable_symlinks: bool,
}

impl From<&pipeline_spec::plan::Artifacts> for Rules {
    fn from(artifacts: &pipeline_spec::plan::Artifacts) -> Self {
        Self {
            files: artifacts.files.clone(),
            exclude_paths: artifacts.exclude_paths.clone(),
            discard_paths: artifacts.discard_paths,
            enable_symlinks: artifacts.enable_symlinks,
        }
    }
}

/// What came of collecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collected {
    /// At least one file.
    Selected(Selection),
    /// Nothing, which fails the build; in CodeBuild's words where it has some.
    Failed {
        /// The reason in one sentence.
        message: String,
        /// What may explain it.
        notices: Vec<String>,
    },
}

impl Collected {
    /// How many files and links were found.
    #[must_use]
    pub fn files(&self) -> u64 {
        match self {
            Self::Selected(selection) => selection.files(),
            Self::Failed { .. } => 0,
        }
    }
}

/// What goes into a bundle, sorted by name, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The members.
    pub members: Vec<Member>,
    /// What was passed over and why, one sentence each.
    pub notices: Vec<String>,
}

impl Selection {
    fn files(&self) -> u64 {
        let is_file = |member: &&Member| !matches!(member.kind, MemberKind::EmptyDirectory { .. });
        self.members.iter().filter(is_file).count() as u64
    }
}

/// One member of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name in the bundle: relative, with `/`.
    pub name: String,
    /// Where it is on this machine.
    pub path: PathBuf,
    /// What it is.
    pub kind: MemberKind,
}

/// The kinds of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File {
        /// Its size in bytes when it was listed.
        bytes: u64,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory with nothing in it.
    EmptyDirectory {
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link kept as one.
    Link {
        /// The text of the link.
        target: String,
    },
}

/// A stored bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bundle {
    /// The folder or the zip.
    pub path: PathBuf,
    /// How many files and links are in it.
    pub files: u64,
    /// The files' bytes, before compression.
    pub bytes: u64,
    /// SHA-256 in hexadecimal: of the zip; of a folder, over the names, modes and contents in order.
    pub sha256: String,
}
