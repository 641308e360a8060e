//! What is too long for one item of a table, in pieces, and whole again. Pure.

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use crate::fault::Fault;
use crate::store::RunRow;
use crate::store::table::{Item, item, number, number_of, text, text_of};

/// How many bytes of a text stand in one item, which has at most 400 KB with its names.
pub(super) const PIECE: usize = 350_000;
/// The sort key of a run's plan.
pub(super) const PLAN: &str = "plan";
/// The attribute of a plan's first item that says how the sort keys of the further ones begin.
const REST: &str = "rest";
/// The attribute that says how many those are.
const RESTS: &str = "rests";

/// A text in pieces of at most so many bytes, cut between characters.
pub(super) fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut left = text;
    while left.len() > most {
        let (piece, rest) = left.split_at(left.floor_char_boundary(most));
        pieces.push(piece);
        left = rest;
    }
    pieces.push(left);
    pieces
}

/// The first item of a run's plan and options, and those that they go on in, each with a piece of both.
///
/// The further ones are named by what is written: a worker that was lost and the one after it may enter different plans
/// of one run, and what is read must be one of them.
pub(super) fn of_plan(pk: &str, run: &RunRow, until: &AttributeValue) -> (Item, Vec<Item>) {
    let (plans, options) = (pieces(&run.plan, PIECE / 2), pieces(&run.options, PIECE / 2));
    let made = |index: usize, sk: &str| {
        let piece = |all: &[&str]| text(all.get(index).copied().unwrap_or_default());
        item(pk, sk, [("plan", piece(&plans)), ("options", piece(&options)), ("expires", until.clone())])
    };
    let (mut first, count) = (made(0, PLAN), plans.len().max(options.len()));
    let named = hex::encode(Sha256::digest([run.plan.as_bytes(), b"\n", run.options.as_bytes()].concat()));
    let beginning = format!("{PLAN}#{named}#");
    if count > 1 {
        first.extend([(REST.to_owned(), text(&beginning)), (RESTS.to_owned(), number(count - 1))]);
    }
    (first, (1..count).map(|index| made(index, &format!("{beginning}{index:04}"))).collect())
}

/// How the sort keys begin of what a plan goes on in; `None`: it is whole.
pub(super) fn rest_of(first: &Item) -> Option<&str> {
    first.get(REST).and_then(|beginning| beginning.as_s().ok()).map(String::as_str)
}

/// Plan and options. `None`: a part of them has expired already.
pub(super) fn plan_of(first: &Item, rests: &[Item]) -> Result<Option<(String, String)>, Fault> {
    if rest_of(first).is_some() && number_of::<usize>(first, RESTS)? != rests.len() {
        return Ok(None);
    }
    let whole = |name: &str| {
        [first].into_iter().chain(rests).map(|item| text_of(item, name)).collect::<Result<String, Fault>>()
    };
    Ok(Some((whole("plan")?, whole("options")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(pieces("aüb", 2), ["a", "ü", "b"]);
        assert_eq!((pieces("", 2), pieces("ab", 2)), (vec![""], vec!["ab"]));
    }
}
