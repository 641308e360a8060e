//! Approvals on the terminal: whoever watches the run is asked, and may also answer from another process.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, Slot, What};
use crate::fault::Fault;
use crate::gate::RuleKind;
use crate::state::RunState;

/// An answer to one approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The stage.
    pub stage: String,
    /// Its gate.
    pub slot: Slot,
    /// The rule in it.
    pub rule: usize,
    /// Yes or no.
    pub approved: bool,
    /// What was written after it.
    pub comment: Option<String>,
}

/// Where answers go.
pub type Take = Box<dyn Fn(Answer) -> Result<(), Fault> + Send>;

/// Asks one question after the other.
pub struct Ask {
    open: Arc<Mutex<VecDeque<(String, Slot, usize)>>>,
    take: Option<Take>,
}

impl Ask {
    /// Gives answers to `take`; `None` asks nobody.
    #[must_use]
    pub fn new(take: Option<Take>) -> Self {
        Self { open: Arc::default(), take }
    }

    /// The lines of the question that the event poses. The first one starts to listen to standard input.
    pub fn ask(&mut self, event: &Event, state: &RunState) -> Vec<String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let question = match &event.what {
            What::GateWaiting { stage, slot, rule, kind: RuleKind::Approval, .. } => (stage.clone(), *slot, *rule),
            // What is answered, here or elsewhere, is no question any more: the next answer is not for it.
            What::ApprovalGiven { stage, slot, decision } => {
                open.retain(|known| *known != (stage.clone(), *slot, decision.rule));
                return Vec::new();
            }
            What::GateFinished { stage, slot, .. } => {
                open.retain(|(known, at, _)| (known, at) != (stage, slot));
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        if open.contains(&question) {
            return Vec::new();
        }
        let command = format!("  answer from anywhere: sluice approve {} {}", state.run, question.0);
        open.push_back(question);
        drop(open);
        if let Some(take) = self.take.take() {
            let open = Arc::clone(&self.open);
            std::thread::spawn(move || listen(&open, &take));
        }
        vec![command, "  or here: yes or no, and why: ".to_owned()]
    }
}

fn listen(open: &Mutex<VecDeque<(String, Slot, usize)>>, take: &Take) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let Some((approved, comment)) = answer(&line) else { continue };
        let question = open.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((stage, slot, rule)) = question else { continue };
        if let Err(fault) = take(Answer { stage, slot, rule, approved, comment }) {
            tracing::error!(%fault, "the answer was not taken");
        }
    }
}

/// `yes it is fine` is a yes and its comment. Anything that is neither yes nor no is no answer.
fn answer(line: &str) -> Option<(bool, Option<String>)> {
    let (word, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
    let approved = match word.to_lowercase().as_str() {
        "y" | "yes" | "approve" => true,
        "n" | "no" | "reject" => false,
        _ => return None,
    };
    Some((approved, (!rest.trim().is_empty()).then(|| rest.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_approval_is_asked_about_whatever_its_words_are() {
        let lines = |kind: &str| {
            let event = serde_json::json!({
                "sequence": 1, "at": "2026-03-02T10:00:00Z", "type": "gate-waiting", "stage": "Production",
                "slot": "before-entry", "rule": 0, "kind": kind, "why": "waits for approval season", "until": null,
            });
            Ask::new(None).ask(&serde_json::from_value(event).unwrap(), &RunState::default()).len()
        };
        assert_eq!(["approval", "deployment-window", "variable-check"].map(lines), [2, 0, 0]);
    }

    #[test]
    fn what_was_answered_elsewhere_is_no_question_any_more() {
        let told = |ask: &mut Ask, what: serde_json::Value| {
            let mut event = serde_json::json!({ "sequence": 1, "at": "2026-03-02T10:00:00Z", "slot": "before-entry" });
            event.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
            ask.ask(&serde_json::from_value(event).unwrap(), &RunState::default()).len()
        };
        let waits = |stage: &str| {
            serde_json::json!({
                "type": "gate-waiting", "stage": stage, "rule": 0, "kind": "approval", "why": "waits", "until": null,
            })
        };
        let mut ask = Ask::new(None);
        assert_eq!(told(&mut ask, waits("Dev")), 2);
        assert_eq!(told(&mut ask, waits("Dev")), 0, "it is asked once");
        let outcome = serde_json::json!({ "status": "succeeded" });
        let done = serde_json::json!({ "type": "gate-finished", "stage": "Dev", "outcome": outcome, "why": [] });
        assert_eq!(told(&mut ask, done), 0);
        assert_eq!(told(&mut ask, waits("Production")), 2);
        let open: Vec<_> = ask.open.lock().unwrap().iter().map(|(stage, ..)| stage.clone()).collect();
        assert_eq!(open, ["Production"], "the next answer is for it");
    }

    #[test]
    fn an_answer_is_yes_or_no_and_what_follows_is_the_comment() {
        assert_eq!(answer("yes"), Some((true, None)));
        assert_eq!(answer(" N not today "), Some((false, Some("not today".to_owned()))));
        assert_eq!(answer("what?"), None);
        assert_eq!(answer(""), None);
    }
}
