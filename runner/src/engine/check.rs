//! What no engine could run is refused before anything is made. Pure.

use super::{Program, SandboxSpec};
use crate::fault::Fault;

/// The longest part of a key.
const LONGEST_NAME: usize = 60;

impl SandboxSpec {
    /// Whether an engine can run this at all: a configuration fault that names what it cannot.
    pub(super) fn check(&self) -> Result<(), Fault> {
        for name in [&self.key.run, &self.key.name] {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(allowed) {
                return Err(Fault::system(format!("`{name}` cannot name a sandbox")));
            }
        }
        if let Some(mount) = self.mounts.iter().find(|mount| !mount.container.starts_with('/')) {
            return Err(Fault::system(format!("the folder {} of a sandbox is not absolute", mount.container)));
        }
        if let Some((name, _)) = self.secrets.iter().find(|(name, _)| !is_variable(name)) {
            return Err(Fault::configuration(format!("no shell can hold the variable `{name}`"))
                .hint("letters, digits and _ only, and no digit first"));
        }
        if texts(&self.program).any(|text| text.contains('\0')) {
            return Err(Fault::configuration("a command holds a NUL byte, which no shell can read"));
        }
        Ok(())
    }
}

/// Whether a shell can hold a variable of that name.
pub(super) fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn texts(program: &Program) -> impl Iterator<Item = &str> {
    let steps = program.sections.iter().flat_map(|section| section.steps.iter().chain(&section.finally));
    let expansions = program.expansions.iter().map(|expansion| expansion.text.as_str());
    steps.map(|step| step.text.as_str()).chain(expansions).chain(std::iter::once(program.directory.as_str()))
}
