//! Two texts as a unified diff, line by line.

use std::fmt::Write as _;
use std::ops::Range;

/// Lines around a difference that are shown with it.
const AROUND: usize = 3;

/// A line of both texts, of the first alone, or of the second alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Both(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// The difference of two texts with their names above it; nothing when there is none.
pub(super) fn unified(old: (&str, &str), new: (&str, &str)) -> String {
    let old_lines: Vec<&str> = old.1.lines().collect();
    let new_lines: Vec<&str> = new.1.lines().collect();
    let lines = lines(&old_lines, &new_lines);
    let hunks = hunks(&lines);
    let mut out = String::new();
    if !hunks.is_empty() {
        let _ = writeln!(out, "--- {}\n+++ {}", old.0, new.0);
    }
    for hunk in hunks {
        let (start, count) = side(&lines, &hunk, |line| !matches!(line, Line::New(_)));
        let (new_start, new_count) = side(&lines, &hunk, |line| !matches!(line, Line::Old(_)));
        let _ = writeln!(out, "@@ -{start},{count} +{new_start},{new_count} @@");
        for line in &lines[hunk] {
            let _ = match line {
                Line::Both(text) => writeln!(out, " {text}"),
                Line::Old(text) => writeln!(out, "-{text}"),
                Line::New(text) => writeln!(out, "+{text}"),
            };
        }
    }
    out
}

/// Where a hunk starts on one side, and how many lines of that side it has.
fn side(lines: &[Line<'_>], hunk: &Range<usize>, is_in: fn(&Line<'_>) -> bool) -> (usize, usize) {
    let before = lines[..hunk.start].iter().filter(|line| is_in(line)).count();
    let count = lines[hunk.clone()].iter().filter(|line| is_in(line)).count();
    (if count == 0 { before } else { before + 1 }, count)
}

/// The parts to show: each difference with its surroundings, and differences that are near as one.
fn hunks(lines: &[Line<'_>]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in (0..lines.len()).filter(|at| !matches!(lines[*at], Line::Both(_))) {
        let (start, end) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(lines.len()));
        match found.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => found.push(start..end),
        }
    }
    found
}

/// All lines of both texts in their order: the longest common subsequence, and what is around it.
fn lines<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    // longest[i][j]: how many lines the rests from i and from j have in common.
    let mut longest = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] =
                if a[i] == b[j] { longest[i + 1][j + 1] + 1 } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let mut found: Vec<Line<'a>> = old[..head].iter().map(|line| Line::Both(line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            found.push(Line::Both(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || longest[i + 1][j] >= longest[i][j + 1]) {
            found.push(Line::Old(a[i]));
            i += 1;
        } else {
            found.push(Line::New(b[j]));
            j += 1;
        }
    }
    found.extend(old[old.len() - tail..].iter().map(|line| Line::Both(line)));
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(unified(("a", "x\ny\n"), ("b", "x\ny\n")), "");
    }

    #[test]
    fn far_differences_are_shown_apart_and_near_ones_together() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let new = "1\n2\nthree\n4\n5\n6\n7\n8\n9\n10\n12\n13\n";
        let expected = "--- a\n+++ b\n@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n\
                        @@ -8,5 +8,5 @@\n 8\n 9\n 10\n-11\n 12\n+13\n";
        assert_eq!(unified(("a", old), ("b", new)), expected);
        assert_eq!(unified(("a", ""), ("b", "x\n")), "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn both_texts_can_be_read_off_their_difference(old in prop::collection::vec("[ab]", 0..12), new in prop::collection::vec("[ab]", 0..12)) {
            let (old, new): (Vec<&str>, Vec<&str>) = (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            let all = lines(&old, &new);
            let of = |line: &Line<'_>, mine: bool| match line {
                Line::Both(text) => Some((*text).to_owned()),
                Line::Old(text) => mine.then(|| (*text).to_owned()),
                Line::New(text) => (!mine).then(|| (*text).to_owned()),
            };
            prop_assert_eq!(all.iter().filter_map(|line| of(line, true)).collect::<Vec<_>>(), old);
            prop_assert_eq!(all.iter().filter_map(|line| of(line, false)).collect::<Vec<_>>(), new);
        }
    }
}
