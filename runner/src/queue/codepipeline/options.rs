//! The word `Options`: what an action says beyond the ten words, as JSON. It does not know who honours it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an action's `Options` may hold. Names and units are those of CodeBuild's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Minutes until the build counts as timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_in_minutes: Option<u32>,
    /// CodeBuild's name for a size of machine, such as `BUILD_GENERAL1_SMALL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_type: Option<String>,
    /// Whether the build asks for privileges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged_mode: bool,
    /// The role that CodeBuild gave the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_role: Option<String>,
    /// The project's variables. Those of the word `EnvironmentVariables` win over them, as over a project's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_variables: Vec<EnvironmentVariable>,
    /// What the action was before it was swapped. Nobody but the way back reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
}

/// An environment variable as CodeBuild's API writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value, or the name of what holds it.
    pub value: String,
    /// `PARAMETER_STORE` or `SECRETS_MANAGER`; left out for `PLAINTEXT`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// An action of CodeBuild: all of it that the swapped action does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Was {
    /// The provider, which is CodeBuild.
    pub provider: String,
    /// Its version.
    pub version: String,
    /// The action's role, which a custom action does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Words of the configuration that a custom action does not have.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub configuration: Map<String, Value>,
}

impl Options {
    /// Reads the word's value.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("{text:?} is no object of options: {error}"))
    }

    /// The word's value, or nothing when there is nothing to say.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        if *self == Self::default() { None } else { serde_json::to_string(self).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_written_for_nothing() {
        let text = r#"{"timeoutInMinutes":30,"environmentVariables":[{"name":"A","value":"b"}],"was":{"provider":"CodeBuild","version":"1"}}"#;
        assert_eq!(Options::parse(text).unwrap().text().as_deref(), Some(text));
        assert_eq!(Options::default().text(), None);
    }

    #[test]
    fn a_mistyped_option_is_told_by_its_name() {
        let told = Options::parse(r#"{"timeout": 3}"#).unwrap_err();
        assert!(told.contains("unknown field `timeout`"), "{told}");
    }
}
