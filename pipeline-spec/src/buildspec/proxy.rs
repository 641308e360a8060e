//! `proxy`: whether CodeBuild sends its own traffic through the proxy of the project.

use super::UNSUPPORTED;
use crate::diagnostic::{Diagnostics, Severity};
use crate::fields::Fields;
use crate::yaml::Entry;

/// `proxy` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Artifacts go through the proxy.
    pub upload_artifacts: bool,
    /// Logs go through the proxy.
    pub logs: bool,
}

pub(super) fn read(entry: &Entry, d: &mut Diagnostics) -> Option<Proxy> {
    let mut fields = Fields::of(&entry.value, "`proxy`", entry.key_span, d)?;
    let upload_artifacts = fields.flag("upload-artifacts", d).is_some_and(|flag| flag.value);
    let logs = fields.flag("logs", d).is_some_and(|flag| flag.value);
    if upload_artifacts || logs {
        let message = "artifacts and logs are not sent through a proxy of the project yet";
        d.warning(UNSUPPORTED, entry.key_span, message).hint("the runner follows its own HTTPS_PROXY");
    }
    fields.finish(Severity::Warning, d);
    Some(Proxy { upload_artifacts, logs })
}
