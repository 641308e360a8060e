//! CodeBuild's phase rules as data (user guide, "Phase transitions").

use super::NextAfterFailure;

/// What CodeBuild does with a phase unless `on-failure` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseRule {
    /// The key in a buildspec.
    pub key: &'static str,
    /// The name in logs and events.
    pub name: &'static str,
    /// Where a failure leads.
    pub on_failure: NextAfterFailure,
}

/// The phases of a buildspec, in their order. A failed `BUILD` still runs `POST_BUILD`; a failed `INSTALL` or
/// `PRE_BUILD` runs nothing more.
const PHASES: [PhaseRule; 4] = [
    PhaseRule { key: "install", name: "INSTALL", on_failure: NextAfterFailure::End },
    PhaseRule { key: "pre_build", name: "PRE_BUILD", on_failure: NextAfterFailure::End },
    PhaseRule { key: "build", name: "BUILD", on_failure: NextAfterFailure::NextPhase },
    PhaseRule { key: "post_build", name: "POST_BUILD", on_failure: NextAfterFailure::NextPhase },
];

/// The rules of all phases, in order.
#[must_use]
pub fn phases() -> &'static [PhaseRule] {
    &PHASES
}

/// The rule of the phase with that buildspec key.
#[must_use]
pub fn rule_of(key: &str) -> Option<&'static PhaseRule> {
    PHASES.iter().find(|rule| rule.key == key)
}
