//! Any bytes, read in any pieces at any times, are sent once, in order, and within the limits.

use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits { events: 4, bytes: 150, event_bytes: 40 };

fn texts(bytes: &[u8], rest: Rest) -> (Vec<String>, usize) {
    let batch = batch(bytes, false, 7, rest, &SMALL);
    (batch.events.into_iter().map(|event| event.text).collect(), batch.consumed)
}

fn check(bytes: &[u8], rest: Rest, expected: &[&str], consumed: usize) {
    assert_eq!(texts(bytes, rest), (expected.iter().map(|&text| text.to_owned()).collect(), consumed), "{bytes:?}");
}

#[test]
fn a_line_is_an_event_and_an_empty_one_a_space() {
    check(b"one\n\ntwo\n", Rest::Held, &["one", " ", "two"], 9);
    check(b"", Rest::Last, &[], 0);
    check(b"\r\n", Rest::Held, &["\r"], 2);
}

#[test]
fn a_line_that_has_not_ended_waits_until_it_is_due() {
    check(b"one\ntw", Rest::Held, &["one"], 4);
    check(b"one\ntw", Rest::Due, &["one", "tw"], 6);
    // Half a character waits for its other half, unless nothing follows.
    check("tw\u{f6}".as_bytes().split_last().unwrap().1, Rest::Due, &["tw"], 2);
    check(b"\xc3", Rest::Due, &[], 0);
    check(b"tw\xc3", Rest::Last, &["tw\u{fffd}"], 3);
    check(b"\xe2\x82", Rest::Due, &[], 0);
    check(b"\xff\x80", Rest::Due, &["\u{fffd}\u{fffd}"], 2);
}

#[test]
fn the_end_of_a_line_of_which_a_part_was_sent_is_no_line_of_its_own() {
    let rest = batch(b"\nnext\n", true, 7, Rest::Held, &SMALL);
    assert_eq!((rest.events.len(), rest.events[0].text.as_str(), rest.mid_line), (1, "next", false));
    check(b"aaaaaaaaaaaaaa\nb\n", Rest::Held, &["aaaaaaaaaaaaaa", "b"], 17);
}

#[test]
fn a_line_that_is_too_long_is_cut_between_characters() {
    check("ääääääääää\n".as_bytes(), Rest::Held, &["äääääää", "äää"], 21);
    // A line that has not ended is cut as well: it will be too long whatever follows.
    check("ääääääääää".as_bytes(), Rest::Held, &["äääääää"], 14);
}

#[test]
fn a_full_batch_says_so_and_keeps_to_the_services_limits() {
    let lines = b"x\n".repeat(20_000);
    let many = batch(&lines, false, 7, Rest::Held, &Limits::CLOUDWATCH);
    assert_eq!((many.events.len(), many.consumed, many.full), (10_000, 20_000, true));
    let long = vec![b'x'; 3_000_000];
    let one = batch(&long, false, 7, Rest::Held, &Limits::CLOUDWATCH);
    assert_eq!((one.events.len(), one.consumed, one.full), (1, 999_974, true));
    assert!(one.mid_line);
}

#[test]
fn time_never_goes_back_unless_the_clock_was_set_back_by_more_than_an_hour() {
    assert_eq!(time(10, 5), 10);
    assert_eq!(time(5, 10), 10);
    assert_eq!(time(5, 5 + AHEAD), 5 + AHEAD);
    assert_eq!(time(5, 6 + AHEAD), 5);
}

/// Pieces of a log with whatever is awkward in it; no spaces, so that a space is an empty line.
fn awkward() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just("\u{20ac}\u{1f980}\u{e9}".as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>().prop_filter("no space", |byte| *byte != b' '), 0..60),
        "[a-z]{0,50}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_line_is_sent_once_in_order_and_within_the_limits(
        log in awkward(),
        reads in proptest::collection::vec((0_usize..90, any::<bool>(), -4_000_000_i64..4_000_000), 0..40),
    ) {
        let (mut offset, mut mid_line, mut grown, mut last) = (0, false, 0, 0);
        let mut sent = String::new();
        let mut steps = reads.into_iter();
        loop {
            let step = steps.next();
            let (more, due, now) = step.unwrap_or((log.len(), true, 0));
            grown = log.len().min(grown + more);
            let rest = if step.is_none() { Rest::Last } else if due { Rest::Due } else { Rest::Held };
            let now = time(now, last);
            let made = batch(&log[offset..grown], mid_line, now, rest, &SMALL);
            prop_assert!(made.events.len() <= SMALL.events);
            prop_assert!(made.events.iter().map(|event| event.text.len() + OVERHEAD).sum::<usize>() <= SMALL.bytes);
            for event in &made.events {
                prop_assert!(!event.text.is_empty() && event.text.len() + OVERHEAD <= SMALL.event_bytes);
                prop_assert!(!event.text.contains('\n'));
                prop_assert_eq!(event.time, now);
                if event.text != " " { sent.push_str(&event.text) }
            }
            prop_assert!(!made.full || made.consumed > 0, "it gets on");
            if made.consumed > 0 { prop_assert_eq!(made.mid_line, log[offset + made.consumed - 1] != b'\n') }
            (offset, mid_line, last) = (offset + made.consumed, made.mid_line, now);
            if step.is_none() && !made.full { break }
        }
        prop_assert_eq!(offset, log.len());
        let whole: String = log.split(|byte| *byte == b'\n').map(String::from_utf8_lossy).collect();
        prop_assert_eq!(sent, whole);
    }

    #[test]
    fn whole_lines_come_out_one_for_one(lines in proptest::collection::vec("[a-zé]{0,6}", 0..60)) {
        let log: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (mut offset, mut sent) = (0, Vec::new());
        while offset < log.len() {
            let made = batch(&log.as_bytes()[offset..], false, 7, Rest::Held, &SMALL);
            offset += made.consumed;
            sent.extend(made.events.into_iter().map(|event| event.text));
        }
        let expected: Vec<_> = lines.into_iter().map(|line| if line.is_empty() { " ".to_owned() } else { line }).collect();
        prop_assert_eq!(sent, expected);
    }
}
