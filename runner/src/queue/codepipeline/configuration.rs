//! The words of an action's configuration (`action_type.rs`) as what is to be done. What is wrong is told in a
//! sentence, which becomes the action's error in CodePipeline.

use pipeline_spec::plan::{EnvironmentVariable, Template, ValueSource};
use pipeline_spec::secret_reference;

use super::action_type;
use super::options::{self, Options};
use crate::queue::{Deployment, Spec};

/// Looks a word up; empty ones are not there.
type Words<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// CodeBuild's bounds of a time-out, in minutes.
const TIMEOUT: std::ops::RangeInclusive<u32> = 5..=2160;

/// The bounds of the Amazon ECS action's time-out, in minutes.
const DEPLOYMENT_TIMEOUT: std::ops::RangeInclusive<u64> = 1..=60;

/// A build or a test.
pub(super) fn spec<'a>(word: &Words<'a>) -> Result<Spec, String> {
    for (name, what) in
        [(action_type::BATCH_ENABLED, "batch builds"), (action_type::COMBINE_ARTIFACTS, "combined artifacts")]
    {
        match word(name) {
            None | Some("false") => {}
            Some("true") => return Err(format!("{name} is true, and {what} are not supported")),
            Some(other) => return Err(format!("{name} must be true or false, and is {other:?}")),
        }
    }
    let options = word(action_type::OPTIONS).map_or_else(|| Ok(Options::default()), Options::parse)?;
    if options.privileged_mode {
        return Err("Options: privilegedMode is true, and Docker inside a build is not supported".to_owned());
    }
    let mut environment = variables(&options.environment_variables)?;
    if let Some(text) = word(action_type::ENVIRONMENT_VARIABLES) {
        let written: Vec<options::EnvironmentVariable> = serde_json::from_str(text)
            .map_err(|error| format!("EnvironmentVariables is no JSON array of name, value and type: {error}"))?;
        environment.extend(variables(&written)?);
    }
    let (path, inline) = match word(action_type::BUILDSPEC) {
        // CodeBuild's own rule cannot be seen; a path has neither lines nor a key.
        Some(text) if text.contains('\n') || text.contains(": ") || text.starts_with('{') => {
            (None, Some(text.to_owned()))
        }
        path => (path.map(str::to_owned), None),
    };
    Ok(Spec {
        path,
        inline,
        image: word(action_type::IMAGE).map(str::to_owned),
        environment,
        timeout_seconds: minutes("Options: timeoutInMinutes", options.timeout_in_minutes)?,
        ..Spec::default()
    })
}

/// A roll-out.
pub(super) fn deployment<'a>(word: &Words<'a>) -> Result<Deployment, String> {
    let required = |name: &str| word(name).map(str::to_owned).ok_or_else(|| format!("{name} is missing"));
    let options = word(action_type::OPTIONS).map_or_else(|| Ok(Options::default()), Options::parse)?;
    if (Options { was: None, ..options }) != Options::default() {
        return Err(
            "Options: the keys of builds mean nothing to a deployment; its time is DeploymentTimeout".to_owned()
        );
    }
    let minutes = word("DeploymentTimeout").map(|text| {
        let minutes = text.parse::<u64>().ok().filter(|minutes| DEPLOYMENT_TIMEOUT.contains(minutes));
        let (least, most) = (DEPLOYMENT_TIMEOUT.start(), DEPLOYMENT_TIMEOUT.end());
        minutes.ok_or_else(|| format!("DeploymentTimeout must be from {least} to {most} minutes, and is {text:?}"))
    });
    Ok(Deployment {
        cluster: required("ClusterName")?,
        service: required("ServiceName")?,
        file: word("FileName").unwrap_or("imagedefinitions.json").to_owned(),
        timeout_seconds: minutes.transpose()?.map(|minutes| minutes * 60),
        role: word("RoleArn").map(str::to_owned),
        region: word("Region").map(str::to_owned),
    })
}

fn minutes(name: &str, minutes: Option<u32>) -> Result<Option<u64>, String> {
    match minutes {
        Some(minutes) if !TIMEOUT.contains(&minutes) => {
            Err(format!("{name} must be from {} to {}, and is {minutes}", TIMEOUT.start(), TIMEOUT.end()))
        }
        minutes => Ok(minutes.map(|minutes| u64::from(minutes) * 60)),
    }
}

/// Variables as CodeBuild's API writes them.
pub(in crate::queue) fn variables(
    written: &[options::EnvironmentVariable],
) -> Result<Vec<EnvironmentVariable>, String> {
    written.iter().map(variable).collect()
}

fn variable(written: &options::EnvironmentVariable) -> Result<EnvironmentVariable, String> {
    let options::EnvironmentVariable { name, value, kind } = written;
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("EnvironmentVariables: {name:?} cannot be the name of a variable"));
    }
    let value = match kind.as_deref() {
        None | Some("PLAINTEXT") => ValueSource::Plain(Template::literal(value.as_str())),
        Some("PARAMETER_STORE") => ValueSource::ParameterStore(value.clone()),
        Some("SECRETS_MANAGER") => ValueSource::SecretsManager(
            secret_reference(value).map_err(|error| format!("EnvironmentVariables: {name}: {error}"))?,
        ),
        Some(other) => {
            let types = "PLAINTEXT, PARAMETER_STORE or SECRETS_MANAGER";
            return Err(format!("EnvironmentVariables: the type of {name} must be {types}, and is {other:?}"));
        }
    };
    Ok(EnvironmentVariable { name: name.clone(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec_of(words: &[(&'static str, &'static str)]) -> Result<Spec, String> {
        let words: Vec<_> = words.to_vec();
        spec(&move |name| words.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn the_words_of_the_codebuild_action_are_understood() {
        let variables = r#"[{"name":"A","value":"1"},{"name":"B","value":"/b","type":"PARAMETER_STORE"},
            {"name":"C","value":"c:key::","type":"SECRETS_MANAGER"}]"#;
        let options = r#"{"timeoutInMinutes":10,"environmentVariables":[{"name":"A","value":"0"}]}"#;
        let spec = spec_of(&[
            ("EnvironmentVariables", variables),
            ("Options", options),
            ("Image", "rust:1"),
            ("Buildspec", "ci/build.yml"),
        ])
        .unwrap();
        let names: Vec<_> = spec.environment.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["A", "A", "B", "C"], "the action's own come last, and win");
        assert_eq!(spec.environment[2].value, ValueSource::ParameterStore("/b".to_owned()));
        assert_eq!((spec.timeout_seconds, spec.image.as_deref()), (Some(600), Some("rust:1")));
        assert_eq!((spec.path.as_deref(), spec.inline), (Some("ci/build.yml"), None));
        let inline = spec_of(&[("Buildspec", "version: 0.2\nphases: {}")]).unwrap();
        assert_eq!((inline.path, inline.inline.as_deref()), (None, Some("version: 0.2\nphases: {}")));
    }

    #[test]
    fn a_deployment_says_what_is_wrong_with_its_words() {
        let deployment_of = |further: (&'static str, &'static str)| {
            let words = [("ClusterName", "c"), ("ServiceName", "s"), further];
            deployment(&move |name| words.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
        };
        assert_eq!(deployment_of(("DeploymentTimeout", "60")).unwrap().timeout_seconds, Some(3600));
        for minutes in ["0", "61", "18446744073709551615", "ten"] {
            let told = deployment_of(("DeploymentTimeout", minutes)).unwrap_err();
            assert_eq!(told, format!("DeploymentTimeout must be from 1 to 60 minutes, and is {minutes:?}"));
        }
        deployment_of(("Options", r#"{"was":{"provider":"ECS","version":"1"}}"#)).unwrap();
        assert!(deployment_of(("Options", "{")).unwrap_err().contains("is no object of options"));
        let told = deployment_of(("Options", r#"{"timeoutInMinutes":10}"#)).unwrap_err();
        assert!(told.starts_with("Options: the keys of builds mean nothing to a deployment"), "{told}");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_word() {
        for (word, value, told) in [
            ("BatchEnabled", "true", "BatchEnabled is true, and batch builds are not supported"),
            ("BatchEnabled", "yes", "BatchEnabled must be true or false, and is \"yes\""),
            (
                "EnvironmentVariables",
                "[{}]",
                "EnvironmentVariables is no JSON array of name, value and type: missing field `name` at line 1 column 3",
            ),
            (
                "EnvironmentVariables",
                r#"[{"name":"A","value":"","type":"SSM"}]"#,
                "EnvironmentVariables: the type of A must be PLAINTEXT, PARAMETER_STORE or SECRETS_MANAGER, and is \"SSM\"",
            ),
            ("Options", r#"{"timeoutInMinutes":4}"#, "Options: timeoutInMinutes must be from 5 to 2160, and is 4"),
        ] {
            assert_eq!(spec_of(&[(word, value)]).unwrap_err(), told);
        }
    }
}
