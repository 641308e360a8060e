//! `env`: the shell and the variables; `environment_variables` in version 0.1.

use super::secret::secret_reference;
use super::{UNSUPPORTED, Version};
use crate::diagnostic::{Diagnostics, Severity, did_you_mean, shortened};
use crate::fields::{Fields, Written, text_of, wrong_type};
use crate::plan::{EnvironmentVariable, Shell, Template, ValueSource};
use crate::yaml::Entry;

/// The code of diagnostics about files that only a Windows machine can run.
pub(super) const WINDOWS_ONLY: &str = "windows-only";

/// `env` as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Env {
    /// The interpreter.
    pub shell: Option<Shell>,
    /// The variables: plain ones, then those of Parameter Store, then those of Secrets Manager.
    pub variables: Vec<EnvironmentVariable>,
    /// Names whose values leave the build.
    pub exported_variables: Vec<String>,
    /// Whether Git in the build gets a credential helper.
    pub git_credential_helper: bool,
}

pub(super) fn read(fields: &mut Fields<'_>, version: Version, d: &mut Diagnostics) -> Env {
    let env = fields.entry("env").and_then(|entry| read_env(entry, d)).unwrap_or_default();
    if version == Version::V0_2 {
        return env;
    }
    let old = fields.entry("environment_variables").map(|entry| read_old(entry, d)).unwrap_or_default();
    Env { variables: old.into_iter().chain(env.variables).collect(), ..env }
}

fn read_env(entry: &Entry, d: &mut Diagnostics) -> Option<Env> {
    let mut fields = Fields::of(&entry.value, "`env`", entry.key_span, d)?;
    let shell = fields.text("shell", d).and_then(|text| shell(&text, d));
    let mut variables = Vec::new();
    for (key, read) in SOURCES {
        if let Some(entry) = fields.entry(key) {
            read_variables(entry, read, &mut variables, d);
        }
    }
    let exported = fields.texts("exported-variables", d).unwrap_or_default();
    exported.iter().for_each(|name| check_exported(name, d));
    let git_credential_helper = fields.flag("git-credential-helper", d);
    if let Some(Written { value: true, span }) = git_credential_helper {
        d.warning(UNSUPPORTED, span, "`git-credential-helper` has no effect yet: Git in a build has no credentials")
            .hint("fetch what else is needed with a secret of the build's own, or before the build");
    }
    fields.finish_with(Severity::Warning, d, |key| {
        let is_variable = key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        is_variable.then(|| "variables stand below `variables`, which stands below `env`".to_owned())
    });
    Some(Env {
        shell,
        variables,
        exported_variables: exported.into_iter().map(|name| name.value).collect(),
        git_credential_helper: git_credential_helper.is_some_and(|flag| flag.value),
    })
}

/// `environment_variables/plaintext` of version 0.1.
fn read_old(entry: &Entry, d: &mut Diagnostics) -> Vec<EnvironmentVariable> {
    let mut variables = Vec::new();
    let Some(mut fields) = Fields::of(&entry.value, "`environment_variables`", entry.key_span, d) else {
        return variables;
    };
    if let Some(entry) = fields.entry("plaintext") {
        read_variables(entry, plain, &mut variables, d);
    }
    fields.finish(Severity::Warning, d);
    variables
}

type ReadValue = fn(&str) -> Result<ValueSource, String>;

/// Where values come from, by key.
const SOURCES: [(&str, ReadValue); 3] =
    [("variables", plain), ("parameter-store", parameter), ("secrets-manager", secret)];

/// Nothing in it is expanded: `PATH: "$PATH:/x"` is these eight characters.
fn plain(text: &str) -> Result<ValueSource, String> {
    Ok(ValueSource::Plain(Template::literal(text)))
}

fn parameter(text: &str) -> Result<ValueSource, String> {
    match text.trim() {
        "" => Err("the name of a parameter is missing".to_owned()),
        name => Ok(ValueSource::ParameterStore(name.to_owned())),
    }
}

fn secret(text: &str) -> Result<ValueSource, String> {
    secret_reference(text.trim()).map(ValueSource::SecretsManager)
}

fn read_variables(entry: &Entry, read: ReadValue, into: &mut Vec<EnvironmentVariable>, d: &mut Diagnostics) {
    let Some(entries) = entry.value.as_map() else {
        wrong_type(&entry.value, &entry.key, "a mapping of variables", entry.key_span, d);
        return;
    };
    for variable in entries {
        check_name(variable, d);
        let (text, span) = match text_or_nothing(variable, d) {
            Some(text) => (text.value, text.span),
            None => continue,
        };
        match read(&text) {
            Ok(value) => into.push(EnvironmentVariable { name: variable.key.clone(), value }),
            Err(message) => {
                d.error("reference", span, message);
            }
        }
    }
}

/// A variable without a value is an empty one.
fn text_or_nothing(variable: &Entry, d: &mut Diagnostics) -> Option<Written<String>> {
    if variable.value.is_null() {
        return Some(Written { value: String::new(), span: variable.key_span });
    }
    text_of(&variable.value, &variable.key, variable.key_span, d)
}

fn check_name(variable: &Entry, d: &mut Diagnostics) {
    if variable.key.starts_with("CODEBUILD_") {
        let message = format!("`{}`: names that start with CODEBUILD_ are reserved", shortened(&variable.key));
        d.warning("reserved", variable.key_span, message);
    } else if variable.key.is_empty() || variable.key.contains(['=', '\0']) {
        d.error("name", variable.key_span, "this cannot be the name of a variable");
    } else if !is_shell_name(&variable.key) {
        let message = format!("a shell cannot read a variable named `{}`", shortened(&variable.key));
        d.warning("name", variable.key_span, message);
    }
}

fn check_exported(name: &Written<String>, d: &mut Diagnostics) {
    if name.value.starts_with("AWS_") {
        d.warning("reserved", name.span, "names that start with AWS_ are not exported");
    } else if !is_shell_name(&name.value) {
        d.error("name", name.span, format!("`{}` cannot be the name of a variable", shortened(&name.value)));
    }
}

fn is_shell_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn shell(text: &Written<String>, d: &mut Diagnostics) -> Option<Shell> {
    match text.value.trim().to_ascii_lowercase().as_str() {
        "bash" | "/bin/bash" => Some(Shell::Bash),
        "sh" | "/bin/sh" => Some(Shell::Sh),
        "powershell" | "powershell.exe" | "pwsh" | "cmd" | "cmd.exe" => {
            let message =
                format!("the shell `{}` needs a Windows machine; this runner has Linux containers", text.value);
            d.error(WINDOWS_ONLY, text.span, message);
            None
        }
        other => {
            let message = format!("there is no shell `{}`", shortened(other));
            d.error("shell", text.span, message).hint(did_you_mean(other, &["bash", "/bin/sh"]));
            None
        }
    }
}
