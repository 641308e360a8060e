//! `needs`: names that there are, in the same stage, without going round in a circle.

use std::collections::BTreeSet;

use super::members::{Member, Members};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::fields::Written;

/// For each member the members of its stage that have ended when it starts.
pub(crate) struct Graph {
    /// A bit for each member, in words.
    before: Vec<Vec<u64>>,
}

impl Graph {
    /// `order` has each member after those that it needs.
    fn of(needs: &[Vec<usize>], order: &[usize]) -> Self {
        let mut before = vec![vec![0_u64; needs.len().div_ceil(64)]; needs.len()];
        for place in order {
            let mut bits = std::mem::take(&mut before[*place]);
            for need in &needs[*place] {
                bits[need / 64] |= 1 << (need % 64);
                bits.iter_mut().zip(&before[*need]).for_each(|(bits, more)| *bits |= more);
            }
            before[*place] = bits;
        }
        Self { before }
    }

    /// Whether `earlier` has ended when `later` starts; both are of one stage.
    pub(crate) fn follows(&self, later: usize, earlier: usize) -> bool {
        let word = self.before.get(later).and_then(|bits| bits.get(earlier / 64));
        word.is_some_and(|word| word >> (earlier % 64) & 1 == 1)
    }
}

/// Reports unknown names, names of other stages, and circles.
pub(super) fn check(members: &Members<'_>, d: &mut Diagnostics) -> Graph {
    let mut all = Vec::with_capacity(members.len());
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
        all.push(needs);
    }
    let order = circles(members, &all, d);
    Graph::of(&all, &order)
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
/// meeting a grey one closes a circle. The members come back in the order in which they became black.
fn circles(members: &Members<'_>, needs: &[Vec<usize>], d: &mut Diagnostics) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Colour {
        White,
        Grey,
        Black,
    }
    let mut colours = vec![Colour::White; needs.len()];
    let mut reported = BTreeSet::new();
    let mut order = Vec::with_capacity(needs.len());
    for start in 0..needs.len() {
        // The members on the way from `start`, each with how many of its needs were walked.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        if colours[start] != Colour::White {
            continue;
        }
        colours[start] = Colour::Grey;
        while let Some((place, walked)) = way.last_mut() {
            let Some(need) = needs[*place].get(*walked).copied() else {
                colours[*place] = Colour::Black;
                order.push(*place);
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
    order
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
