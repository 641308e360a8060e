//! The approval rule. Answers are recorded elsewhere; here they are weighed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Decision, Verdict, shown};

/// Whether a person of these groups may answer. Names are compared whole.
#[must_use]
pub fn may_decide(approvers: &[String], by: &str, groups: &[String]) -> bool {
    approvers.is_empty() || approvers.iter().any(|name| name == by || groups.contains(name))
}

/// The first answer in time by somebody who may give it counts, and no later one.
pub(super) fn evaluate<'a>(
    approvers: &[String],
    deadline: Timestamp,
    message: &str,
    now: Timestamp,
    decisions: impl Iterator<Item = &'a Decision>,
) -> Verdict {
    let counts = |decision: &&Decision| decision.at < deadline && may_decide(approvers, &decision.by, &decision.groups);
    if let Some(decision) = decisions.filter(counts).min_by_key(|decision| decision.at) {
        let verb = if decision.approved { "approved" } else { "rejected" };
        let comment = decision.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
        let why = match comment {
            Some(comment) => format!("{verb} by {}: {comment}", decision.by),
            None => format!("{verb} by {}", decision.by),
        };
        return if decision.approved { Verdict::Passed { why } } else { Verdict::Failed { why } };
    }
    let end = shown(deadline, &TimeZone::UTC);
    if now >= deadline {
        return Verdict::Failed { why: format!("nobody approved before {end}") };
    }
    let who = if approvers.is_empty() { String::new() } else { format!(" by {}", approvers.join(" or ")) };
    let why = if message.is_empty() {
        format!("waiting for approval{who} until {end}")
    } else {
        format!("waiting for approval{who} until {end}: {message}")
    };
    Verdict::Waiting { why, until: Some(deadline) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-02T{text}:00Z").parse().unwrap()
    }

    fn answer(by: &str, groups: &[&str], when: &str, approved: bool, comment: &str) -> Decision {
        Decision {
            rule: 0,
            by: by.to_owned(),
            groups: groups.iter().map(ToString::to_string).collect(),
            at: at(when),
            approved,
            comment: Some(comment.to_owned()),
        }
    }

    #[track_caller]
    fn check(approvers: &[&str], now: &str, decisions: &[Decision], expected: &str) {
        let approvers: Vec<String> = approvers.iter().map(ToString::to_string).collect();
        let said = match evaluate(&approvers, at("12:00"), "Ship 1f0?", at(now), decisions.iter()) {
            Verdict::Passed { why } => format!("passed: {why}"),
            Verdict::Waiting { why, until } => {
                assert_eq!(until, Some(at("12:00")));
                format!("waiting: {why}")
            }
            Verdict::Failed { why } => format!("failed: {why}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn an_approval_waits_until_somebody_answers_or_time_runs_out() {
        let waiting = "waiting: waiting for approval until 2026-03-02 12:00 UTC: Ship 1f0?";
        check(&[], "10:00", &[], waiting);
        check(&[], "11:59", &[], waiting);
        check(&[], "12:00", &[], "failed: nobody approved before 2026-03-02 12:00 UTC");
        check(&[], "10:00", &[answer("ann", &[], "09:00", true, "")], "passed: approved by ann");
        check(&[], "10:00", &[answer("ann", &[], "09:00", false, "too risky ")], "failed: rejected by ann: too risky");
    }

    #[test]
    fn an_answer_in_time_counts_however_late_it_is_read() {
        check(&[], "23:00", &[answer("ann", &[], "11:59", true, "")], "passed: approved by ann");
        check(
            &[],
            "23:00",
            &[answer("ann", &[], "12:00", true, "")],
            "failed: nobody approved before 2026-03-02 12:00 UTC",
        );
    }

    #[test]
    fn only_approvers_and_members_of_approving_groups_are_heard() {
        let who = &["bob", "release-managers"];
        let waiting = "waiting: waiting for approval by bob or release-managers until 2026-03-02 12:00 UTC: Ship 1f0?";
        check(who, "10:00", &[answer("ann", &["dev"], "09:00", true, "")], waiting);
        check(who, "10:00", &[answer("bobby", &[], "09:00", true, "")], waiting);
        check(who, "10:00", &[answer("ann", &["release-managers"], "09:00", true, "")], "passed: approved by ann");
        check(who, "10:00", &[answer("bob", &[], "09:00", true, "")], "passed: approved by bob");
    }

    #[test]
    fn the_first_answer_stands() {
        let both = [answer("bob", &[], "09:30", true, ""), answer("ann", &[], "09:00", false, "")];
        check(&[], "10:00", &both, "failed: rejected by ann");
    }
}
