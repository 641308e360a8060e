//! What tests give to source actions: the artifact of a revision, in each of the forms that CodePipeline has.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use bytes::Bytes;
use serde_json::json;

use super::state::Given;

/// Files by their paths.
pub type Files<'a> = &'a [(&'a str, &'a str)];

impl Given {
    /// A revision whose artifact is any bytes.
    #[must_use]
    pub fn bytes(revision: &str, bytes: impl Into<Bytes>, content_type: &'static str) -> Self {
        let variables = [("CommitId".to_owned(), revision.to_owned())].into();
        let summary = format!("Revision {revision}");
        Self { revision: revision.to_owned(), summary, bytes: bytes.into(), content_type, variables }
    }

    /// A revision as a zip.
    #[must_use]
    pub fn zip(revision: &str, files: Files<'_>) -> Self {
        Self::bytes(revision, zip(files), "application/zip")
    }

    /// A revision as a tar.
    #[must_use]
    pub fn tar(revision: &str, files: Files<'_>) -> Self {
        Self::bytes(revision, tar(files), "application/x-tar")
    }

    /// A revision as a tar with gzip.
    #[must_use]
    pub fn tgz(revision: &str, files: Files<'_>) -> Self {
        Self::bytes(revision, gzip(&tar(files)), "application/gzip")
    }

    /// A full clone: the artifact says where the repository is, and which commit of it.
    #[must_use]
    pub fn clone_ref(account: &str, repository: &str, url: &str, commit: &str, branch: &str) -> Self {
        let body = json!({
            "AccountId": account,
            "FullRepositoryName": repository,
            "CloneUrl": url,
            "CommitId": commit,
            "BranchName": branch,
        });
        let mut given = Self::bytes(commit, body.to_string(), "application/json");
        let names = [("RepositoryName", repository), ("BranchName", branch)];
        given.variables.extend(names.map(|(name, value)| (name.to_owned(), value.to_owned())));
        given
    }

    /// The same with these output variables.
    #[must_use]
    pub fn with_variables(mut self, variables: &[(&str, &str)]) -> Self {
        self.variables.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }
}

/// A zip of files.
///
/// # Panics
/// When memory does not take it.
#[must_use]
pub fn zip(files: Files<'_>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o644);
    for (path, text) in files {
        let written = writer.start_file(*path, options).map_err(std::io::Error::from);
        written.and_then(|()| writer.write_all(text.as_bytes())).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    writer.finish().unwrap_or_else(|error| panic!("no zip: {error}")).into_inner()
}

/// The files of a zip, by their paths.
///
/// # Panics
/// When it is none, or has files that are no text.
#[must_use]
pub fn unzip(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap_or_else(|error| panic!("no zip: {error}"));
    let mut files = BTreeMap::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap_or_else(|error| panic!("entry {at}: {error}"));
        let name = file.name().unwrap_or_else(|error| panic!("entry {at}: {error}")).into_owned();
        let text = std::io::read_to_string(&mut file).unwrap_or_else(|error| panic!("{name}: {error}"));
        files.insert(name, text);
    }
    files
}

fn tar(files: Files<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    builder.into_inner().unwrap_or_else(|error| panic!("no tar: {error}"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_else(|error| panic!("no gzip: {error}"))
}
