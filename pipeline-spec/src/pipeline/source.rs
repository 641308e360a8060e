//! `source`: where the revision comes from.

use super::Text;
use super::reader::{self, Mapping};
use crate::diagnostic::{Diagnostics, Span};
use crate::yaml::Node;

/// The keys of a source.
pub(crate) const KEYS: [&str; 9] =
    ["codecommit", "git", "path", "branch", "tag", "commit", "depth", "submodules", "region"];

/// A source as written: exactly one of the first three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// A CodeCommit repository's name, or a `codecommit` URL.
    pub codecommit: Option<Text>,
    /// Any URL that Git takes.
    pub git: Option<Text>,
    /// A folder, relative to the file.
    pub path: Option<Text>,
    /// The branch, tag or commit; at most one.
    pub reference: Option<Text>,
    /// How many commits of history.
    pub depth: Option<u32>,
    /// Whether submodules are fetched.
    pub submodules: Option<bool>,
    /// The Region of a CodeCommit repository.
    pub region: Option<Text>,
}

impl Source {
    /// Calls `visit` with every text.
    pub fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        [&self.codecommit, &self.git, &self.path, &self.reference, &self.region].into_iter().flatten().for_each(visit);
    }
}

pub(super) fn read(node: &Node, d: &mut Diagnostics) -> Option<Source> {
    let map = Mapping::open(node, "a source", &KEYS, d)?;
    map.exactly_one_of(&["codecommit", "git", "path"], "such as `source: { path: . }`", d);
    if map.has("path") {
        for key in KEYS.iter().skip(3) {
            if let Some(entry) = map.entry(key) {
                d.error("bad-value", entry.key_span, format!("a folder has no `{key}`"))
                    .hint("a folder is taken as it is; use `git` to choose a revision");
            }
        }
    }
    if let (true, Some(entry)) = (map.has("git"), map.entry("region")) {
        d.error("bad-value", entry.key_span, "`region` goes with `codecommit`").hint("leave it out");
    }
    Some(Source {
        codecommit: map.early_text("codecommit", d),
        git: map.early_text("git", d),
        path: map.early_text("path", d),
        reference: reference(&map, d),
        depth: map.number("depth", 1..=u32::MAX, d),
        submodules: map.boolean("submodules", d),
        region: map.early_text("region", d),
    })
}

/// The one of `branch`, `tag` and `commit` that is there.
fn reference(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<Text> {
    let mut first: Option<(&str, Span)> = None;
    let mut reference = None;
    for key in ["branch", "tag", "commit"] {
        let Some(entry) = map.entry(key) else { continue };
        if let Some((other, span)) = first {
            d.error("exactly-one-of", entry.key_span, format!("a source has both `{other}` and `{key}`"))
                .hint("keep one of `branch`, `tag`, `commit`")
                .related(span, "the other one");
            continue;
        }
        first = Some((key, entry.key_span));
        reference = reader::text(&entry.value, key, d).map(|text| Text { early: true, ..text });
        if key == "commit" {
            check_commit(&entry.value, d);
        }
    }
    reference
}

fn check_commit(node: &Node, d: &mut Diagnostics) {
    let Some(text) = node.as_text().filter(|text| !text.contains("${")) else { return };
    let full = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !full {
        d.error("bad-value", node.span, format!("`{text}` is not a full commit id"))
            .hint("write all 40 hexadecimal digits; a branch or tag has a key of its own");
    }
}
