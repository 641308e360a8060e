//! The rules of `before-entry` and `on-success`.

use super::reader::{self, Mapping, wrong_type};
use super::{Text, window};
use crate::diagnostic::{Diagnostics, Span, did_you_mean, nearest, reason_of};
use crate::fields::Written;
use crate::plan::VariableOperator;
use crate::yaml::{Entry, Node, Value};

/// The rules that there are.
pub(crate) const RULES: [&str; 3] = ["approval", "deployment-window", "variable-check"];
/// The rules of CodePipeline that are still to come.
pub(crate) const LATER_RULES: [&str; 4] = ["cloudwatch-alarm", "lambda", "codebuild", "commands"];
/// The keys of `approval`.
pub(crate) const APPROVAL_KEYS: [&str; 3] = ["approvers", "timeout", "message"];
/// The keys of `deployment-window`.
pub(crate) const WINDOW_KEYS: [&str; 3] = ["cron", "time-zone", "timeout"];
/// The keys of `variable-check`.
pub(crate) const CHECK_KEYS: [&str; 3] = ["variable", "operator", "value"];

/// How many rules a gate can have, as a condition of CodePipeline.
const MOST_RULES: usize = 5;

/// The longest time-out of a rule, as CodePipeline's: 86,400 minutes.
const LONGEST_TIMEOUT: u64 = 86_400 * 60;

/// A rule as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `approval`
    Approval {
        /// Who may answer.
        approvers: Vec<Text>,
        /// In seconds.
        timeout: Option<u64>,
        /// What the person is asked.
        message: Option<Text>,
    },
    /// `deployment-window`
    Window {
        /// Five cron fields.
        cron: Option<Written<String>>,
        /// A name that there is.
        time_zone: Option<Written<String>>,
        /// In seconds.
        timeout: Option<u64>,
    },
    /// `variable-check`
    Check {
        /// The value, usually one reference.
        variable: Option<Text>,
        /// How it is compared.
        operator: VariableOperator,
        /// With what.
        value: Option<Text>,
    },
}

impl Rule {
    /// Calls `visit` with every text.
    pub fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        match self {
            Self::Approval { approvers, message, .. } => approvers.iter().chain(message).for_each(visit),
            Self::Window { .. } => {}
            Self::Check { variable, value, .. } => variable.iter().chain(value).for_each(visit),
        }
    }
}

pub(super) fn read(map: &Mapping<'_>, key: &str, d: &mut Diagnostics) -> Vec<Rule> {
    let items = map.items(key, d);
    if let (true, Some(entry)) = (items.len() > MOST_RULES, map.entry(key)) {
        d.error("too-many", entry.key_span, format!("a gate has at most {MOST_RULES} rules, not {}", items.len()))
            .hint("put rules that belong together into one");
    }
    items.iter().filter_map(|node| rule(node, d)).collect()
}

/// A rule: a mapping of one key, or the bare word of a rule without settings.
fn rule(node: &Node, d: &mut Diagnostics) -> Option<Rule> {
    if let Some(word) = node.as_text() {
        return named(word, node.span, &Node { span: node.span, value: Value::Map(Vec::new()) }, d);
    }
    let Some([entry]) = node.as_map() else {
        d.error("wrong-type", node.span, "a rule is a mapping of one key")
            .hint("write each rule as an item of its own: `- approval: { timeout: 24h }`");
        return None;
    };
    let Entry { key, key_span, value } = entry;
    if value.is_null() {
        return named(key, *key_span, &Node { span: *key_span, value: Value::Map(Vec::new()) }, d);
    }
    named(key, *key_span, value, d)
}

fn named(word: &str, span: Span, value: &Node, d: &mut Diagnostics) -> Option<Rule> {
    match word {
        "approval" => approval(value, d),
        "deployment-window" => deployment_window(value, d),
        "variable-check" => variable_check(value, d),
        later if LATER_RULES.contains(&later) => {
            d.error("unsupported", span, format!("not supported yet: the rule `{later}`"))
                .hint(format!("rules that work are {}", RULES.join(", ")));
            None
        }
        other => {
            let known = RULES.iter().chain(&LATER_RULES).copied();
            let hint = nearest(other, known)
                .map_or_else(|| did_you_mean(other, &RULES), |meant| format!("did you mean `{meant}`?"));
            d.error("unknown-key", span, format!("there is no rule `{other}`")).hint(hint);
            None
        }
    }
}

fn approval(node: &Node, d: &mut Diagnostics) -> Option<Rule> {
    let map = Mapping::open(node, "an approval", &APPROVAL_KEYS, d)?;
    let approvers = map.items("approvers", d).iter().filter_map(|node| reader::text(node, "approvers", d));
    let approvers = approvers.map(|text| Text { early: true, ..text }).collect();
    Some(Rule::Approval { approvers, timeout: timeout(&map, d), message: map.text("message", d) })
}

fn deployment_window(node: &Node, d: &mut Diagnostics) -> Option<Rule> {
    let map = Mapping::open(node, "a deployment window", &WINDOW_KEYS, d)?;
    Some(Rule::Window { cron: window::cron(&map, d), time_zone: window::time_zone(&map, d), timeout: timeout(&map, d) })
}

fn timeout(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<u64> {
    let seconds = map.duration("timeout", d)?;
    if let (true, Some(entry)) = (seconds > LONGEST_TIMEOUT, map.entry("timeout")) {
        d.error("bad-value", entry.value.span, "a rule waits at most 60 days").hint("write `60d` or less");
    }
    Some(seconds)
}

fn variable_check(node: &Node, d: &mut Diagnostics) -> Option<Rule> {
    let map = Mapping::open(node, "a variable check", &CHECK_KEYS, d)?;
    map.require("variable", "such as `variable: \"${test.variables.COVERAGE}\"`", d);
    map.require("value", "what it is compared with", d);
    let operator = operator(&map, d).unwrap_or(VariableOperator::Equals);
    let value = map.text("value", d);
    if let (VariableOperator::Matches, Some(text)) = (operator, &value)
        && let Some(pattern) = crate::interpolate::literal(&text.template)
        && let Err(error) = regex::Regex::new(&pattern)
    {
        let reason = reason_of(&error);
        d.error("bad-value", text.span, format!("`{pattern}` is not a regular expression: {reason}"))
            .hint("characters such as `(` are escaped with `\\`");
    }
    Some(Rule::Check { variable: map.text("variable", d), operator, value })
}

fn operator(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<VariableOperator> {
    let entry = map.entry("operator")?;
    let Some(word) = entry.value.as_text() else {
        wrong_type(&entry.value, "operator", "a text", d);
        return None;
    };
    match word.to_ascii_lowercase().as_str() {
        "eq" | "equals" => Some(VariableOperator::Equals),
        "ne" | "not-equals" => Some(VariableOperator::NotEquals),
        "contains" => Some(VariableOperator::Contains),
        "matches" => Some(VariableOperator::Matches),
        other => {
            d.error("bad-value", entry.value.span, format!("there is no operator `{word}`"))
                .hint(did_you_mean(other, &["equals", "not-equals", "contains", "matches"]));
            None
        }
    }
}
