//! Masking of one stream. What comes out depends on the text alone, never on how it was cut.

use std::sync::Arc;

use aho_corasick::automaton::StateID;

use super::automaton::Automaton;
use super::escape::ESC;
use super::forms::{ACCESS_KEY, Kind};
use super::shadow::Shadow;
use super::spans::{Spans, Stretch};
use super::{MASK, Needles};

/// Text is worked on in pieces of this size, so that memory stays flat whatever is pushed at once.
const PIECE: usize = 64 * 1024;

/// Masks one stream of bytes.
///
/// Positions are counted from the stream's beginning. The text is looked through twice at the same time, as it is
/// (`state`) and as a terminal shows it (`shadow`); the second only where escape sequences make a difference.
pub struct Masker {
    needles: Arc<Needles>,
    /// What was pushed and not yet let out, from the position `base` on.
    text: Vec<u8>,
    base: usize,
    /// The last byte that was let out.
    before: Option<u8>,
    state: StateID,
    shadow: Shadow,
    spans: Spans,
    /// Finds at the end of the text that depend on what follows.
    open: Vec<Find>,
}

/// An occurrence of a form, which may or may not count.
#[derive(Clone, Copy)]
struct Find {
    kind: Kind,
    start: usize,
    end: usize,
}

/// What an occurrence is worth.
enum Verdict {
    Secret { end: usize },
    Nothing,
    DependsOnMore,
}

impl Masker {
    pub(super) fn new(needles: Arc<Needles>) -> Self {
        Self {
            state: needles.automaton.start(),
            shadow: Shadow::new(&needles.automaton),
            needles,
            text: Vec::new(),
            base: 0,
            before: None,
            spans: Spans::default(),
            open: Vec::new(),
        }
    }

    /// Takes more of the stream, and appends to `out` what can be told by now.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for piece in chunk.chunks(PIECE) {
            let from = self.text.len();
            self.text.extend_from_slice(piece);
            self.settle(false);
            self.look_through(from);
            let safe = self.safe();
            self.let_out(safe, out);
        }
    }

    /// The stream has ended: appends the rest. The masker is then ready for another stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.settle(true);
        self.let_out(self.end(), out);
        *self = Self::new(Arc::clone(&self.needles));
    }

    /// Goes on with other needles. What is held back is looked through again; what was let out is gone.
    pub fn adopt(&mut self, needles: Arc<Needles>) {
        self.state = needles.automaton.start();
        self.shadow.adopt(&needles.automaton);
        self.shadow.differs &= self.text.is_empty();
        self.needles = needles;
        self.spans.forget();
        self.open.clear();
        self.look_through(0);
    }

    /// How many bytes are held back.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.text.len()
    }

    /// The position after the text's last byte.
    fn end(&self) -> usize {
        self.base + self.text.len()
    }

    /// Looks through the text from an index on.
    fn look_through(&mut self, mut from: usize) {
        let needles = Arc::clone(&self.needles);
        let automaton = &needles.automaton;
        while from < self.text.len() {
            if self.shadow.differs {
                from = self.look_twice(from, automaton);
                continue;
            }
            let escape = memchr::memchr(ESC, &self.text[from..]).map(|found| from + found);
            let to = escape.unwrap_or(self.text.len());
            self.look_once(from, to, automaton);
            if escape.is_some() {
                self.shadow.begin(self.base + to, self.state, automaton);
            }
            from = to;
        }
    }

    /// Text without escape sequences: leaps to where a form may begin, and walks on from there.
    fn look_once(&mut self, mut at: usize, to: usize, automaton: &Automaton) {
        let mut leaps = true;
        while at < to {
            let fresh = self.state == automaton.start();
            if leaps && fresh {
                match automaton.candidate(&self.text[..to], at) {
                    Ok(candidate) => at = candidate,
                    Err(unclear) => {
                        (leaps, at) = (false, unclear);
                        continue;
                    }
                }
            }
            self.state = automaton.step(self.state, self.text[at]);
            if automaton.is_match(self.state) {
                let end = self.base + at + 1;
                for (kind, length) in automaton.matches(self.state) {
                    let start = end - length;
                    self.found(Find { kind, start, end }, false);
                }
            }
            if leaps && !fresh && automaton.depth(self.state) <= 1 {
                // Nothing before this byte lives on: it is looked at again, as the first byte of something.
                self.state = automaton.start();
            } else {
                at += 1;
            }
        }
    }

    /// Text with escape sequences, byte by byte, until they make no difference; tells how far it came.
    fn look_twice(&mut self, from: usize, automaton: &Automaton) -> usize {
        for at in from..self.text.len() {
            let byte = self.text[at];
            let end = self.base + at + 1;
            self.state = automaton.step(self.state, byte);
            if automaton.is_match(self.state) {
                for (kind, length) in automaton.matches(self.state).filter(|(kind, _)| *kind != Kind::WholeWord) {
                    self.found(Find { kind, start: end - length, end }, false);
                }
            }
            if !self.shadow.step(end - 1, byte, automaton) {
                continue;
            }
            if automaton.is_match(self.shadow.state) {
                for (kind, length) in automaton.matches(self.shadow.state).filter(|(kind, _)| *kind != Kind::AccessKey)
                {
                    let (start, after_escape) = self.shadow.start_of(length);
                    self.found(Find { kind, start, end }, after_escape);
                }
            }
            if self.shadow.may_end(self.state, automaton) {
                return at + 1;
            }
        }
        self.text.len()
    }

    /// Notes an occurrence; `after_escape` when an escape sequence sets it off from what is before it.
    fn found(&mut self, find: Find, after_escape: bool) {
        if find.kind == Kind::WholeWord && !after_escape && self.byte_before(find.start).is_some_and(is_word) {
            return;
        }
        match self.judge(find, false) {
            Verdict::Secret { end } => self.spans.add(find.start, end),
            Verdict::Nothing => {}
            Verdict::DependsOnMore => self.open.push(find),
        }
    }

    /// Judges the open finds again, now that there is more text, or none to come.
    fn settle(&mut self, ended: bool) {
        for find in std::mem::take(&mut self.open) {
            match self.judge(find, ended) {
                Verdict::Secret { end } => self.spans.add(find.start, end),
                Verdict::Nothing => {}
                Verdict::DependsOnMore => self.open.push(find),
            }
        }
    }

    /// Judges an occurrence by what follows it.
    fn judge(&self, find: Find, ended: bool) -> Verdict {
        let Find { kind, start, end } = find;
        let behind = &self.text[end - self.base..];
        match kind {
            Kind::Anywhere => Verdict::Secret { end },
            Kind::WholeWord => match behind.first() {
                None if !ended => Verdict::DependsOnMore,
                Some(&byte) if is_word(byte) => Verdict::Nothing,
                _ => Verdict::Secret { end },
            },
            Kind::AccessKey => {
                let rest = &behind[..behind.len().min(start + ACCESS_KEY - end)];
                if !rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
                    Verdict::Nothing
                } else if end + rest.len() == start + ACCESS_KEY {
                    Verdict::Secret { end: start + ACCESS_KEY }
                } else if ended {
                    Verdict::Nothing
                } else {
                    Verdict::DependsOnMore
                }
            }
        }
    }

    fn byte_before(&self, position: usize) -> Option<u8> {
        match position - self.base {
            0 => self.before,
            index => self.text.get(index - 1).copied(),
        }
    }

    /// The position up to which nothing can become part of a secret any more that is not known to be one.
    fn safe(&mut self) -> usize {
        let automaton = &self.needles.automaton;
        let live = self.end() - automaton.depth(self.state);
        let shown = self.shadow.live(automaton);
        self.open.iter().map(|find| find.start).chain(shown).fold(live, usize::min)
    }

    /// Lets out the text up to a position.
    fn let_out(&mut self, to: usize, out: &mut Vec<u8>) {
        let (text, base) = (&self.text, self.base);
        self.spans.take(base, to, |stretch| match stretch {
            Stretch::Shown(from, to) => out.extend_from_slice(&text[from - base..to - base]),
            Stretch::Masked => out.extend_from_slice(MASK.as_bytes()),
        });
        if to > base {
            self.before = text.get(to - base - 1).copied();
            self.text.drain(..to - base);
            self.base = to;
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}
