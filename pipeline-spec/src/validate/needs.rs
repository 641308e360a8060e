//! `needs`: names that there are, in the same stage, without going round in a circle.

use std::collections::BTreeSet;

use super::members::{Member, Members};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::fields::Written;

/// For each member the members of its stage that it needs itself.
pub(crate) struct Graph {
    needs: Vec<Vec<usize>>,
}

impl Graph {
    /// Whether `earlier` has ended when `later` starts; both are of one stage.
    pub(crate) fn follows(&self, later: usize, earlier: usize) -> bool {
        let mut seen = vec![false; self.needs.len()];
        let mut open = vec![later];
        while let Some(place) = open.pop() {
            for need in self.needs.get(place).into_iter().flatten().copied() {
                if need == earlier {
                    return true;
                }
                if let Some(mark @ false) = seen.get_mut(need) {
                    *mark = true;
                    open.push(need);
                }
            }
        }
        false
    }
}

/// Reports unknown names, names of other stages, and circles.
pub(super) fn check(members: &Members<'_>, d: &mut Diagnostics) -> Graph {
    let mut graph = Graph { needs: Vec::with_capacity(members.len()) };
    for member in members.iter() {
        let mut needs = Vec::new();
        for need in &member.action.needs {
            // The combinations of a matrix have the same needs: one of them reports for all.
            let first = members
                .named(named(member))
                .is_some_and(|group| members.at(group.start).is_some_and(|leader| std::ptr::eq(leader, member)));
            let range = resolve(members, member, need, first.then_some(&mut *d));
            needs.extend(range.into_iter().flatten());
        }
        graph.needs.push(needs);
    }
    circles(members, &graph, d);
    graph
}

fn named<'a>(member: &Member<'a>) -> &'a str {
    member.action.name.as_ref().map_or("", |name| name.value.as_str())
}

fn resolve(
    members: &Members<'_>,
    member: &Member<'_>,
    need: &Written<String>,
    d: Option<&mut Diagnostics>,
) -> Option<std::ops::Range<usize>> {
    let range = members.named(&need.value);
    let stage = range.clone().and_then(|range| members.at(range.start)).map(|member| member.stage);
    let (message, hint) = match stage {
        Some(stage) if stage == member.stage => return range,
        Some(stage) if stage < member.stage => (
            format!("`{}` is an action of an earlier stage", need.value),
            "a stage starts when the one before it has succeeded: leave it out of `needs`".to_owned(),
        ),
        Some(_) => (
            format!("`{}` is an action of a later stage", need.value),
            "move one of the two into the other's stage, or to an earlier one".to_owned(),
        ),
        None => {
            let of_stage = members.iter().filter(|other| other.stage == member.stage && named(other) != named(member));
            let mut names: Vec<&str> = of_stage.map(named).collect();
            names.dedup();
            names.truncate(20);
            let hint = if names.is_empty() {
                "the stage has no other action".to_owned()
            } else {
                did_you_mean(&need.value, &names)
            };
            (format!("there is no action `{}`", need.value), hint)
        }
    };
    if let Some(d) = d {
        d.error("unknown-action", need.span, message).hint(hint);
    }
    None
}

/// Walks the graph without recursion. A member is white until it is met, grey while its needs are walked, then black;
/// meeting a grey one closes a circle.
fn circles(members: &Members<'_>, graph: &Graph, d: &mut Diagnostics) {
    #[derive(Clone, Copy, PartialEq)]
    enum Colour {
        White,
        Grey,
        Black,
    }
    let mut colours = vec![Colour::White; graph.needs.len()];
    let mut reported = BTreeSet::new();
    for start in 0..graph.needs.len() {
        // The members on the way from `start`, each with how many of its needs were walked.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        if colours[start] != Colour::White {
            continue;
        }
        colours[start] = Colour::Grey;
        while let Some((place, walked)) = way.last_mut() {
            let Some(need) = graph.needs[*place].get(*walked).copied() else {
                colours[*place] = Colour::Black;
                way.pop();
                continue;
            };
            *walked += 1;
            match colours[need] {
                Colour::White => {
                    colours[need] = Colour::Grey;
                    way.push((need, 0));
                }
                Colour::Grey => {
                    let from = way.iter().position(|(place, _)| *place == need).unwrap_or(0);
                    let circle: Vec<usize> = way[from..].iter().map(|(place, _)| *place).collect();
                    // The combinations of a matrix go round in the same circle, each by itself.
                    let written = members.at(need).map(|member| member.action.span);
                    if reported.insert(written) {
                        report(members, &circle, d);
                    }
                }
                Colour::Black => {}
            }
        }
    }
}

/// `circle` holds members of which each needs the next, and the last the first.
fn report(members: &Members<'_>, circle: &[usize], d: &mut Diagnostics) {
    let names: Vec<&str> =
        circle.iter().filter_map(|place| members.at(*place)).map(|member| member.combination.action.as_str()).collect();
    let Some(first) = circle.first().and_then(|place| members.at(*place)) else { return };
    let span = first.action.needs.first().map_or(first.action.span, |need| need.span);
    let message = match names.as_slice() {
        [one] => format!("`{one}` needs itself"),
        many => format!("the needs go round in a circle: {} → {}", many.join(" → "), many[0]),
    };
    let error = d.error("cycle", span, message).hint("remove one of these needs, so that an action can start");
    for place in circle.iter().skip(1).take(5) {
        if let Some((member, need)) = members.at(*place).and_then(|member| Some((member, member.action.needs.first()?)))
        {
            error.related(need.span, format!("the needs of `{}`", member.combination.action));
        }
    }
}
