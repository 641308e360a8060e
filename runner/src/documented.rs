//! What the documentation lists is what there is.

use std::fs;
use std::path::Path;

/// The names of an enum's variants in a source text, in the form that serde writes them.
fn variants(source: &str, name: &str) -> Vec<String> {
    let start = source.find(&format!("pub enum {name} {{")).unwrap();
    let body = source[start..].lines().skip(1).take_while(|line| *line != "}");
    let names = body.filter_map(|line| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)));
    names.map(|line| kebab(line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())).collect()
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(character.to_lowercase());
    }
    text
}

#[test]
fn every_event_and_every_outcome_is_in_the_reference() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(own.join("src/event").join(name)).unwrap();
    let reference = fs::read_to_string(own.join("../docs/events.md")).unwrap();
    let events = variants(&read("what.rs"), "What");
    assert!(events.contains(&"run-started".to_owned()), "{events:?}");
    for name in events.iter().chain(&variants(&read("outcome.rs"), "Outcome")) {
        assert!(reference.contains(&format!("`{name}`")), "docs/events.md does not have `{name}`");
    }
}
