//! The driver's marks between the output: told apart from it, byte-exact. Pure; any cut of the input gives the same.
//!
//! A mark is one line: byte 0x1E, a nonce, a number one higher than the mark before, the time in seconds since the
//! kernel booted, a letter and its words. What only looks like one (a build that prints its own records again) has the
//! wrong nonce or the wrong number, and is output.

use bytes::Bytes;
use memchr::memmem::Finder;

/// No mark is longer.
const LONGEST: usize = 256;
const NONCE: usize = 32;

/// What the driver wrote.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// Output of the steps.
    Output(Bytes),
    /// A mark.
    Mark {
        /// Seconds since the kernel booted.
        up: f64,
        /// What happened.
        what: Mark,
    },
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark {
    /// The driver began. How to know the time of day from `up`.
    Begun(Clock),
    /// A section and its attempt.
    Section(usize, u32),
    /// A step begins: section, step, whether in `finally`.
    Step(usize, usize, bool),
    /// It ended with that status.
    StepEnd(usize, usize, bool, i32),
    /// The section ended, and whether it succeeded.
    SectionEnd(usize, bool),
    /// The program ended, and its values are written.
    End,
}

/// What the driver knows of the time of day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clock {
    /// When its kernel booted, in seconds since 1970.
    Booted(f64),
    /// The time of the mark itself, in whole seconds since 1970.
    Now(f64),
    /// Nothing.
    Unknown,
}

/// Splits a stream into output and marks.
pub(super) struct Splitter {
    /// Learnt from the first mark, which is the first thing that a driver writes.
    start: Option<Finder<'static>>,
    /// The number of the last mark.
    number: u64,
    /// The beginning of what may be a mark.
    held: Vec<u8>,
}

impl Splitter {
    /// At the very beginning of the stream.
    pub(super) fn new() -> Self {
        Self { start: None, number: 0, held: Vec::new() }
    }

    /// Whether the driver has written anything that is understood.
    pub(super) fn has_begun(&self) -> bool {
        self.number > 0
    }

    /// Takes the next bytes and tells what is certain.
    pub(super) fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(Item)) {
        if self.held.is_empty() {
            let kept = self.split(bytes, &mut tell);
            self.held.extend_from_slice(&bytes[kept..]);
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(bytes);
            let kept = self.split(&joined, &mut tell);
            joined.drain(..kept);
            self.held = joined;
        }
    }

    /// What was held back, when no more will come.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then(|| held.into())
    }

    /// Splits what can be split, and returns where it stopped.
    fn split(&mut self, bytes: &[u8], tell: &mut impl FnMut(Item)) -> usize {
        if self.start.is_none() {
            if bytes.len() <= NONCE {
                return 0;
            }
            self.start = Some(Finder::new(&bytes[..=NONCE]).into_owned());
        }
        let (mut told, mut from) = (0, 0);
        loop {
            let Some(start) = &self.start else { return 0 };
            let Some(at) = start.find(&bytes[from..]).map(|at| at + from) else {
                let tail = bytes.len() - possible_start(start.needle(), &bytes[from..]);
                output(&bytes[told..tail], tell);
                return tail;
            };
            let line = &bytes[at + NONCE + 1..bytes.len().min(at + LONGEST)];
            match memchr::memchr(b'\n', line) {
                Some(end) => {
                    let Some((up, what)) = self.accept(&line[..end]) else {
                        from = at + 1;
                        continue;
                    };
                    output(&bytes[told..at], tell);
                    tell(Item::Mark { up, what });
                    told = at + NONCE + 1 + end + 1;
                    from = told;
                }
                None if line.len() + NONCE + 1 < LONGEST => {
                    output(&bytes[told..at], tell);
                    return at;
                }
                None => from = at + 1,
            }
        }
    }

    /// A mark with the number that is due.
    fn accept(&mut self, line: &[u8]) -> Option<(f64, Mark)> {
        let text = std::str::from_utf8(line).ok()?;
        let mut words = text.strip_prefix(' ')?.split(' ');
        let number: u64 = words.next()?.parse().ok()?;
        if number != self.number + 1 {
            return None;
        }
        let up: f64 = words.next()?.parse().ok()?;
        let what = parse(&words.collect::<Vec<_>>())?;
        self.number = number;
        Some((up, what))
    }
}

/// How many of the last bytes may be the beginning of `start`.
fn possible_start(start: &[u8], bytes: &[u8]) -> usize {
    let longest = bytes.len().min(start.len() - 1);
    (1..=longest).rev().find(|length| start.starts_with(&bytes[bytes.len() - length..])).unwrap_or(0)
}

fn output(bytes: &[u8], tell: &mut impl FnMut(Item)) {
    if !bytes.is_empty() {
        tell(Item::Output(Bytes::copy_from_slice(bytes)));
    }
}

fn parse(words: &[&str]) -> Option<Mark> {
    Some(match words {
        ["B", "boot", epoch] => Mark::Begun(Clock::Booted(epoch.parse().ok()?)),
        ["B", "date", date] => Mark::Begun(Clock::Now(date.parse().ok()?)),
        ["B", ..] => Mark::Begun(Clock::Unknown),
        ["S", section, attempt] => Mark::Section(section.parse().ok()?, attempt.parse().ok()?),
        [letter @ ("s" | "f"), section, step] => Mark::Step(section.parse().ok()?, step.parse().ok()?, *letter == "f"),
        [letter @ ("t" | "g"), section, step, status] => {
            Mark::StepEnd(section.parse().ok()?, step.parse().ok()?, *letter == "g", status.parse().ok()?)
        }
        ["E", section, succeeded] => Mark::SectionEnd(section.parse().ok()?, *succeeded == "1"),
        ["Z"] => Mark::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(number: u64, words: &str) -> Vec<u8> {
        format!("\x1e{}{} {number} 12.50 {words}\n", "a".repeat(31), "b").into_bytes()
    }

    /// Everything that comes out, with output joined.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Vec<u8>, Mark>> {
        let mut splitter = Splitter::new();
        let mut out: Vec<Result<Vec<u8>, Mark>> = Vec::new();
        let mut add = |item| match (item, out.last_mut()) {
            (Item::Output(bytes), Some(Ok(last))) => last.extend_from_slice(&bytes),
            (Item::Output(bytes), _) => out.push(Ok(bytes.to_vec())),
            (Item::Mark { what, .. }, _) => out.push(Err(what)),
        };
        for piece in pieces {
            splitter.feed(piece, &mut add);
        }
        if let Some(rest) = splitter.rest() {
            add(Item::Output(rest));
        }
        out
    }

    #[test]
    fn output_between_marks_is_told_to_the_byte() {
        let stream = [mark(1, "B -"), mark(2, "s 0 0"), b"no newline".to_vec(), mark(3, "t 0 0 7"), mark(4, "Z")];
        assert_eq!(
            split([stream.concat().as_slice()]),
            vec![
                Err(Mark::Begun(Clock::Unknown)),
                Err(Mark::Step(0, 0, false)),
                Ok(b"no newline".to_vec()),
                Err(Mark::StepEnd(0, 0, false, 7)),
                Err(Mark::End)
            ]
        );
    }

    #[test]
    fn marks_that_a_build_prints_again_or_makes_up_are_output() {
        let forged = [mark(1, "B -"), mark(9, "Z"), mark(2, "what 0 0"), b"\x1eshort".to_vec()].concat();
        let stream = [mark(1, "B -"), forged.clone(), mark(2, "Z")].concat();
        assert_eq!(split([stream.as_slice()]), vec![Err(Mark::Begun(Clock::Unknown)), Ok(forged), Err(Mark::End)]);
    }

    #[test]
    fn a_start_that_never_ends_is_output() {
        let long = [&mark(2, "")[..40], &b"x".repeat(1000)].concat();
        let stream = [mark(1, "B -"), long.clone(), mark(2, "Z")].concat();
        assert_eq!(split([stream.as_slice()]), vec![Err(Mark::Begun(Clock::Unknown)), Ok(long), Err(Mark::End)]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in prop::collection::vec(0usize..40, 0..60), noise in prop::collection::vec(prop_oneof![Just(0x1e_u8), Just(b'a'), any::<u8>()], 0..200)) {
            let stream = [mark(1, "B -"), noise.clone(), mark(2, "S 0 1"), noise, mark(3, "Z"), b"\x1eaaa".to_vec()].concat();
            let mut pieces = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(split(pieces), split([stream.as_slice()]));
        }
    }
}
