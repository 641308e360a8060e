//! What goes: decided from sizes, last uses and an allowance alone. Pure.

use jiff::{SignedDuration, Timestamp};

use super::Kept;

/// How much may stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// What was not used for longer than that goes.
    pub older_than: Option<SignedDuration>,
    /// Of the rest, what was not used for longest goes, until all together take at most so many bytes.
    pub at_most: Option<u64>,
}

/// The places, in `kept`, of what has to go, in the order in which it goes: what was not used for longest first. What is
/// in use counts, and stays.
#[must_use]
pub fn surplus(kept: &[Kept], allowance: Allowance, now: Timestamp) -> Vec<usize> {
    let mut order: Vec<usize> = (0..kept.len()).filter(|place| !kept[*place].in_use).collect();
    order.sort_by_key(|place| (kept[*place].last_use, std::cmp::Reverse(kept[*place].bytes)));
    let mut left: u64 = kept.iter().map(|kept| kept.bytes).sum();
    let goes = |place: &usize| {
        let age = now.duration_since(kept[*place].last_use);
        let old = allowance.older_than.is_some_and(|limit| age > limit);
        // What takes nothing makes no room.
        let too_much = allowance.at_most.is_some_and(|most| left > most) && kept[*place].bytes > 0;
        if old || too_much {
            left -= kept[*place].bytes;
        }
        old || too_much
    };
    order.into_iter().filter(goes).collect()
}

/// How many bytes may stay, of so many that are kept, for `wanted` bytes to be free where `free` are now.
#[must_use]
pub fn allowed(kept: u64, free: u64, wanted: u64) -> u64 {
    kept.saturating_sub(wanted.saturating_sub(free))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `name:gigabytes@days-ago`, with `!` behind it when it is in use.
    fn kept(text: &str) -> Vec<Kept> {
        let one = |word: &str| {
            let (name, rest) = word.split_once(':').unwrap();
            let (bytes, days) = rest.trim_end_matches('!').split_once('@').unwrap();
            Kept {
                name: name.to_owned(),
                bytes: bytes.parse().unwrap(),
                last_use: now() - SignedDuration::from_hours(24 * days.parse::<i64>().unwrap()),
                in_use: rest.ends_with('!'),
            }
        };
        text.split_whitespace().map(one).collect()
    }

    fn now() -> Timestamp {
        "2026-03-02T10:00:00Z".parse().unwrap()
    }

    #[track_caller]
    fn check(text: &str, older_than_days: Option<i64>, at_most: Option<u64>, expected: &str) {
        let kept = kept(text);
        let older_than = older_than_days.map(|days| SignedDuration::from_hours(24 * days));
        let gone = surplus(&kept, Allowance { older_than, at_most }, now());
        let names: Vec<&str> = gone.iter().map(|place| kept[*place].name.as_str()).collect();
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_no_more_than_must() {
        let shelf = "a:5@9 b:1@30 c:2@1 d:4@20";
        check(shelf, None, None, "");
        check(shelf, None, Some(12), "");
        check(shelf, None, Some(11), "b");
        check(shelf, None, Some(10), "b d");
        check(shelf, None, Some(0), "b d a c");
        check(shelf, Some(10), None, "b d");
        check(shelf, Some(10), Some(3), "b d a");
    }

    #[test]
    fn what_is_in_use_counts_and_stays_and_what_takes_nothing_makes_no_room() {
        check("a:5@90! b:1@30 c:2@1", None, Some(6), "b c");
        check("a:5@90! b:1@30", Some(1), Some(0), "b");
        check("a:0@90 b:1@30", None, Some(0), "b");
        check("a:0@90 b:1@30", Some(40), None, "a");
    }

    #[test]
    fn what_may_stay_leaves_as_much_free_as_is_wanted() {
        assert_eq!([allowed(10, 5, 3), allowed(10, 5, 8), allowed(10, 5, 20)], [10, 7, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_in_use_goes_and_the_budget_is_kept_where_it_can_be(
            shelf in prop::collection::vec((0u64..100, 0i64..50, any::<bool>()), 0..20), most in 0u64..500
        ) {
            let kept: Vec<Kept> = shelf.iter().map(|(bytes, days, in_use)| Kept {
                name: String::new(), bytes: *bytes, last_use: now() - SignedDuration::from_hours(24 * days), in_use: *in_use,
            }).collect();
            let gone = surplus(&kept, Allowance { older_than: None, at_most: Some(most) }, now());
            prop_assert!(gone.iter().all(|place| !kept[*place].in_use));
            let sum = |places: &mut dyn Iterator<Item = usize>| places.map(|place| kept[place].bytes).sum::<u64>();
            let left = sum(&mut (0..kept.len()).filter(|place| !gone.contains(place)));
            let fixed = sum(&mut (0..kept.len()).filter(|place| kept[*place].in_use));
            prop_assert!(left <= most.max(fixed));
        }
    }
}
