//! `stages`: gates and actions.

use super::gate::{self, Rule};
use super::reader::{self, Mapping};
use super::{Action, Text, action};
use crate::diagnostic::{Diagnostics, Span, did_you_mean};
use crate::fields::Written;
use crate::name::Name;
use crate::plan::OnFailure;
use crate::yaml::Node;

/// The keys of a stage.
pub(crate) const KEYS: [&str; 5] = ["name", "before-entry", "actions", "on-success", "on-failure"];

/// A stage as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: Option<Written<Name>>,
    /// Where it starts.
    pub span: Span,
    /// The rules to enter it.
    pub before_entry: Vec<Rule>,
    /// Its actions.
    pub actions: Vec<Action>,
    /// The rules after its last action.
    pub on_success: Vec<Rule>,
    /// What its failure leads to.
    pub on_failure: OnFailure,
}

impl Stage {
    /// Its name for people, also when it has none.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.as_ref().map_or("without a name", |name| name.value.as_str())
    }

    /// Calls `visit` with every text of its gates.
    pub fn each_gate_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        self.before_entry.iter().chain(&self.on_success).for_each(|rule| rule.each_text(visit));
    }
}

pub(super) fn read_all(map: &Mapping<'_>, d: &mut Diagnostics) -> Vec<Stage> {
    let items = map.items("stages", d);
    if let (true, Some(entry)) = (items.is_empty(), map.entry("stages"))
        && entry.value.as_list().is_some()
    {
        d.error("empty", entry.key_span, "the pipeline has no stages").hint("add one with at least one action");
    }
    items.iter().filter_map(|node| read(node, d)).collect()
}

fn read(node: &Node, d: &mut Diagnostics) -> Option<Stage> {
    let map = Mapping::open(node, "a stage", &KEYS, d)?;
    map.require("name", "give it a name, such as `name: Build`", d);
    map.require("actions", "a stage has at least one action", d);
    let actions = map.items("actions", d);
    if let (true, Some(entry)) = (actions.is_empty(), map.entry("actions"))
        && entry.value.as_list().is_some()
    {
        d.error("empty", entry.key_span, "the stage has no actions").hint("add one, or remove the stage");
    }
    Some(Stage {
        name: reader::name(map.plain("name", d), d),
        span: map.span,
        before_entry: gate::read(&map, "before-entry", d),
        actions: actions.iter().filter_map(|node| action::read(node, d)).collect(),
        on_success: gate::read(&map, "on-success", d),
        on_failure: on_failure(&map, d).unwrap_or_default(),
    })
}

fn on_failure(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<OnFailure> {
    let entry = map.entry("on-failure")?;
    if entry.value.as_text().is_none() {
        d.error("unsupported", entry.value.span, "not supported yet: rules in `on-failure`")
            .hint("write `on-failure: rollback` or `on-failure: fail`");
        return None;
    }
    let word = map.plain("on-failure", d)?;
    match word.value.to_ascii_lowercase().as_str() {
        "rollback" => Some(OnFailure::Rollback),
        "fail" => Some(OnFailure::Fail),
        "retry" => {
            d.error("unsupported", word.span, "not supported yet: `on-failure: retry`")
                .hint("write `on-failure: rollback` or `on-failure: fail`");
            None
        }
        other => {
            d.error("bad-value", word.span, format!("`on-failure` is no `{other}`"))
                .hint(did_you_mean(other, &["rollback", "fail"]));
            None
        }
    }
}
