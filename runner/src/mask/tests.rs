//! What masking promises, against a specification that is too simple to be wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::escape::Escape;
use super::forms::{self, Kind};
use super::*;

fn needles(values: &[&str]) -> Arc<Needles> {
    let secrets: Vec<SecretText> = values.iter().map(|value| SecretText::new(*value)).collect();
    Arc::new(Needles::of(secrets.iter().map(|secret| ("NAME", secret))).unwrap().0)
}

fn in_pieces(needles: &Arc<Needles>, pieces: &[&[u8]]) -> String {
    let mut masker = needles.masker();
    let mut out = Vec::new();
    for piece in pieces {
        masker.push(piece, &mut out);
    }
    masker.finish(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Masks the text whole, in two pieces cut anywhere, and byte by byte.
#[track_caller]
fn check(values: &[&str], text: &str, expected: &str) {
    let needles = needles(values);
    assert_eq!(needles.mask_text(text), expected);
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(in_pieces(&needles, &bytes), expected, "byte by byte");
    for cut in 0..text.len() {
        let (left, right) = text.as_bytes().split_at(cut);
        assert_eq!(in_pieces(&needles, &[left, right]), expected, "cut at {cut}");
    }
}

#[test]
fn a_secret_cut_anywhere_is_masked() {
    check(&["hunter2-extra"], "password: hunter2-extra.\n", "password: ***.\n");
    check(&["0001234567"], "tok=0000001234567;00012345", "tok=000***;00012345");
}

#[test]
fn the_longest_secret_wins_and_overlaps_are_one_mask() {
    check(&["hunter2", "hunter2-extra-secret"], "hunter2-extra-secret hunter2-extra", "*** ***-extra");
    check(&["abcdef", "defghi", "ghijkl"], "<abcdefghijkl>", "<***>");
    check(&["abcabc"], "abcabcabcabcab", "***ab");
}

#[test]
fn a_secret_of_many_lines_is_masked_whole_by_line_and_with_terminal_line_ends() {
    let key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQ\nab\n-----END KEY-----\n";
    check(&[key], "key:\n-----BEGIN KEY-----\nMIIEowIBAAKCAQ\nab\n-----END KEY-----\nok", "key:\n***\nok");
    check(&[key], "-----BEGIN KEY-----\r\nMIIEowIBAAKCAQ\r\nab\r\n-----END KEY-----\r\n", "***\r\n");
    check(&[key], "only MIIEowIBAAKCAQ, not ab", "only ***, not ab");
}

#[test]
fn a_secret_behind_colours_is_masked_and_colours_elsewhere_stay() {
    check(&["hunter2-extra"], "\x1b[1mhunt\x1b[31mer2-\x1b]0;t\x07extra\x1b[0m!", "\x1b[1m***\x1b[0m!");
    check(&["hunter2-extra"], "\x1b[hunter2-extra", "\x1b[***");
    check(&["hunter2-extra"], "\x1b[32mok\x1b[0m hunter2", "\x1b[32mok\x1b[0m hunter2");
}

#[test]
fn short_values_are_masked_only_as_whole_words() {
    check(&["1234"], "1234 12345 (1234) x1234 1234", "*** 12345 (***) x1234 ***");
    check(&["1234"], "\x1b[1m1234\x1b[0m 5\x1b[1m1234", "\x1b[1m***\x1b[0m 5\x1b[1m***");
    let secret = SecretText::new("1234");
    let (_, short) = Needles::of([("PIN", &secret)]).unwrap();
    assert_eq!(
        short.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the value of PIN has fewer than 6 characters: it is masked only where it stands as a whole word"]
    );
}

#[test]
fn access_key_ids_are_masked_by_their_look() {
    check(&[], "id AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE", "id ***, ***");
    check(&[], "AKIA AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7-EXAMPLE", "AKIA AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7-EXAMPLE");
    check(&[], "AKIAAKIAIOSFODNN7EXAMPLE", "***");
}

#[test]
fn nothing_is_masked_where_nothing_is_secret() {
    check(&["", "  \n"], "{\"a\": [1, 2]}\n\u{0}\u{fffd}", "{\"a\": [1, 2]}\n\u{0}\u{fffd}");
}

#[test]
fn a_stream_learns_a_new_secret_while_part_of_it_is_held_back() {
    let mut needles = needles(&["hunter2-extra"]);
    let mut masker = needles.masker();
    let mut out = Vec::new();
    masker.push(b"a hunter2", &mut out);
    let short = Arc::make_mut(&mut needles).add("NEW", &SecretText::new("ter2-tail")).unwrap();
    masker.adopt(Arc::clone(&needles));
    masker.push(b"-tail, hunter2-extra", &mut out);
    masker.finish(&mut out);
    assert_eq!((String::from_utf8(out).unwrap().as_str(), short), ("a hun***, ***", None));
}

#[test]
fn what_is_held_back_is_bounded() {
    let value = "x".repeat(5000);
    let needles = needles(&[&value]);
    let mut masker = needles.masker();
    let mut out = Vec::new();
    for _ in 0..200 {
        masker.push("x\x1b[0m".repeat(1000).as_bytes(), &mut out);
        masker.push(&b"\x1b[0;0;0m".repeat(1000), &mut out);
        masker.push(b"x\x1b[", &mut out);
        masker.push(&b"0".repeat(10_000), &mut out);
        assert!(masker.held() <= 1024 * 1024);
    }
    masker.push("x".repeat(5000).as_bytes(), &mut out);
    masker.finish(&mut out);
    assert!(!String::from_utf8(out).unwrap().contains(&value));
}

/// The specification: every occurrence of every form, in the text and in what is shown of it, is covered.
fn specified(values: &[String], text: &[u8]) -> Vec<u8> {
    let forms: Vec<_> =
        forms::access_keys().into_iter().chain(values.iter().flat_map(|value| forms::of_value(value))).collect();
    let mut escape = Escape::default();
    let shown: Vec<usize> = (0..text.len()).filter(|&at| escape.shows(text[at])).collect();
    let all: Vec<usize> = (0..text.len()).collect();
    let mut covered = BTreeSet::new();
    for form in &forms {
        for (view, is_shown) in [(&all, false), (&shown, true)] {
            for window in view.windows(form.bytes.len()) {
                let (first, last) = (window[0], window[window.len() - 1]);
                let is_word = |at: Option<&u8>| at.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b > 127);
                let after_escape = first > 0 && !shown.contains(&(first - 1));
                let word_before = first > 0 && is_word(text.get(first - 1)) && !after_escape;
                let alone = is_shown && !word_before && !is_word(text.get(last + 1));
                let key = text.get(first..first + 20).is_some_and(|id| {
                    !is_shown && id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                });
                let same = window.iter().map(|&at| text[at]).eq(form.bytes.iter().copied());
                match form.kind {
                    Kind::Anywhere if same => covered.extend(first..=last),
                    Kind::WholeWord if same && alone => covered.extend(first..=last),
                    Kind::AccessKey if same && key => covered.extend(first..first + 20),
                    _ => {}
                }
            }
        }
    }
    let mut out = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        match (covered.contains(&at), at > 0 && covered.contains(&(at - 1))) {
            (false, _) => out.push(*byte),
            (true, false) => out.extend_from_slice(b"***"),
            (true, true) => {}
        }
    }
    out
}

/// Pieces of text that are likely to be, or nearly be, a secret in some form.
fn texts(values: Vec<String>) -> impl Strategy<Value = (Vec<String>, Vec<Vec<u8>>)> {
    let forms: Vec<Vec<u8>> = values
        .iter()
        .flat_map(|value| forms::of_value(value))
        .map(|form| form.bytes)
        .chain([b"AKIA".to_vec()])
        .collect();
    let whole = prop::sample::select(forms.clone());
    let part = (prop::sample::select(forms), any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(
        |(form, from, to)| {
            let (from, to) = (from.index(form.len()), to.index(form.len()) + 1);
            form[from.min(to)..to.max(from)].to_vec()
        },
    );
    let other = prop::sample::select(vec![
        &b"\x1b[0m"[..],
        b"\x1b[",
        b"\x1b",
        b"m",
        b" ",
        b"\n",
        b"a",
        b"ab",
        b"0",
        b"_",
        b"AKIAIOSFODNN7EXAMPLE",
        b"\xff",
    ]);
    let piece = prop_oneof![2 => whole, 2 => part, 3 => other.prop_map(<[u8]>::to_vec)];
    (Just(values), prop::collection::vec(piece, 0..30))
}

fn values() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof!["[ab]{1,9}", "[a-c0 '\"/%\n]{4,14}", "[ -~é\n]{1,20}"], 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_stream_cut_anywhere_is_masked_as_specified((values, pieces) in values().prop_flat_map(texts)) {
        let needles = needles(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let text = pieces.concat();
        let expected = String::from_utf8_lossy(&specified(&values, &text)).into_owned();
        prop_assert_eq!(&in_pieces(&needles, &[&text]), &expected, "whole");
        let cuts: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(&in_pieces(&needles, &cuts), &expected, "in pieces");
        prop_assert_eq!(&in_pieces(&needles, &text.chunks(1).collect::<Vec<_>>()), &expected, "byte by byte");
        for form in values.iter().flat_map(|value| forms::of_value(value)) {
            if form.kind == Kind::Anywhere && !form.bytes.contains(&b'*') {
                let form = String::from_utf8_lossy(&form.bytes).into_owned();
                prop_assert!(!expected.contains(&form), "{form:?} is left in {expected:?}");
            }
        }
    }
}
