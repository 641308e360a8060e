//! Gates: one file a rule, all of them pure. This module does not know how a stage works.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Somebody's answer to an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// Index of the rule in its gate.
    pub rule: usize,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Yes or no.
    pub approved: bool,
    /// Why.
    pub comment: Option<String>,
}
