//! The one history of a run that several have carried out, one after the other. Pure.

use crate::event::Event;

/// The events under each fence, in the order of fences and numbers, as one history: where a later holder begins, what
/// an earlier one has told from that number on is left out, however late it came. So is what comes after a gap: a worker may
/// have died, or be, between the halves of a batch that the table took in parts.
pub(super) fn merged(told: impl IntoIterator<Item = (u64, Event)>) -> Vec<Event> {
    let mut history: Vec<Event> = Vec::new();
    let mut holder = None;
    for (fence, event) in told {
        if holder != Some(fence) {
            holder = Some(fence);
            history.retain(|earlier| earlier.sequence < event.sequence);
        }
        history.push(event);
    }
    let whole = (1..).zip(&history).take_while(|(number, event)| event.sequence == *number).count();
    history.truncate(whole);
    history
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;

    fn check(told: &[(u64, u64, &str)], expected: &str) {
        let event = |sequence, text: &str| {
            let what = What::Notice { action: None, warning: false, text: text.to_owned() };
            Event { sequence, at: jiff::Timestamp::UNIX_EPOCH, what }
        };
        let merged = merged(told.iter().map(|(fence, sequence, text)| (*fence, event(*sequence, text))));
        let numbers: Vec<u64> = merged.iter().map(|event| event.sequence).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        let texts = merged.into_iter().map(|event| match event.what {
            What::Notice { text, .. } => text,
            other => panic!("{other:?}"),
        });
        assert_eq!(texts.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn what_a_lost_holder_tells_after_the_next_has_begun_is_left_out() {
        check(&[(1, 1, "a"), (1, 2, "b"), (2, 3, "c")], "a b c");
        check(&[(1, 1, "a"), (1, 2, "b"), (1, 3, "late"), (1, 4, "later"), (2, 3, "c")], "a b c");
        check(&[(1, 1, "a"), (1, 2, "lost"), (3, 1, "anew")], "anew");
        check(&[(1, 1, "a"), (2, 2, "b"), (2, 3, "late"), (5, 3, "c"), (5, 4, "d")], "a b c d");
        check(&[], "");
    }

    #[test]
    fn what_comes_after_a_gap_is_left_out() {
        check(&[(1, 1, "a"), (1, 3, "c")], "a");
        check(&[(1, 1, "a"), (1, 3, "c"), (2, 2, "b"), (2, 3, "d")], "a b d");
        check(&[(1, 2, "b")], "");
    }
}
