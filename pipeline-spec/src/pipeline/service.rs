//! `services`: containers beside a build.

use super::Text;
use super::environment;
use super::reader::{self, Mapping, wrong_type};
use crate::diagnostic::Diagnostics;
use crate::yaml::Entry;

/// The keys of a service.
pub(crate) const KEYS: [&str; 4] = ["image", "environment", "command", "readiness"];
/// The keys of its readiness.
pub(crate) const READINESS_KEYS: [&str; 2] = ["command", "timeout"];

/// A service as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its host name.
    pub name: String,
    /// Its image.
    pub image: Option<Text>,
    /// Its environment.
    pub environment: Vec<(String, Text)>,
    /// Its command; empty is the image's own.
    pub command: Vec<String>,
    /// The shell command that tells that it is ready.
    pub readiness_command: Option<String>,
    /// How long it may take to become ready, in seconds.
    pub readiness_timeout: Option<u64>,
}

pub(super) fn read(map: &Mapping<'_>, d: &mut Diagnostics) -> Vec<Service> {
    map.entries("services", d).iter().filter_map(|entry| service(entry, d)).collect()
}

fn service(entry: &Entry, d: &mut Diagnostics) -> Option<Service> {
    let labels = entry.key.split('.').all(|label| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    });
    if !labels || entry.key.len() > 253 {
        d.error("bad-name", entry.key_span, format!("`{}` is not a host name", entry.key))
            .hint("the name of a service is its host name: letters, digits and `-`");
    }
    let mut service = Service {
        name: entry.key.clone(),
        image: None,
        environment: Vec::new(),
        command: Vec::new(),
        readiness_command: None,
        readiness_timeout: None,
    };
    if entry.value.as_text().is_some() {
        service.image = reader::text(&entry.value, "image", d);
        return Some(service);
    }
    if entry.value.as_map().is_none() {
        wrong_type(&entry.value, &entry.key, "an image, or a mapping", d);
        return None;
    }
    let map = Mapping::open(&entry.value, "a service", &KEYS, d)?;
    map.require("image", "such as `image: postgres:16`", d);
    service.image = map.text("image", d);
    service.environment = map.texts("environment", d);
    for variable in map.entries("environment", d) {
        environment::check_name(&variable.key, variable.key_span, d);
    }
    service.command = command(&map, d);
    if let Some(entry) = map.entry("readiness")
        && let Some(readiness) = Mapping::open(&entry.value, "readiness", &READINESS_KEYS, d)
    {
        service.readiness_command = shell_text(&readiness, "command", d);
        service.readiness_timeout = readiness.duration("timeout", d);
    }
    Some(service)
}

/// A text that is handed to a shell as it is: `${…}` in it is the shell's.
fn shell_text(map: &Mapping<'_>, key: &str, d: &mut Diagnostics) -> Option<String> {
    let entry = map.entry(key)?;
    if entry.value.as_text().is_none() {
        wrong_type(&entry.value, key, "a text", d);
    }
    entry.value.as_text().map(str::to_owned)
}

/// The words of a command; a single text is one for the shell.
fn command(map: &Mapping<'_>, d: &mut Diagnostics) -> Vec<String> {
    let Some(entry) = map.entry("command") else { return Vec::new() };
    if let Some(text) = entry.value.as_text() {
        return vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()];
    }
    let words = map.items("command", d).iter().filter_map(|node| {
        if node.as_text().is_none() {
            wrong_type(node, "command", "a list of texts", d);
        }
        node.as_text().map(str::to_owned)
    });
    words.collect()
}
