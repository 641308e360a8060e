//! The text as a terminal shows it: its own state of the automaton, and the way back to positions in the stream.

use aho_corasick::automaton::StateID;

use super::automaton::Automaton;
use super::escape::{Escape, LONGEST};

/// Follows the shown bytes from an escape sequence on, until it makes no difference any more.
pub(super) struct Shadow {
    /// Whether there is a difference now.
    pub(super) differs: bool,
    pub(super) state: StateID,
    escape: Escape,
    /// Positions of the last shown bytes: those that `state` stands for, and at least one more unless there is none.
    shown: Vec<usize>,
    /// Bytes since the last one that was shown.
    unseen: usize,
    /// Shown bytes since the last one that was not.
    since: usize,
}

impl Shadow {
    /// Of an empty text.
    pub(super) fn new(automaton: &Automaton) -> Self {
        Self {
            differs: false,
            state: automaton.start(),
            escape: Escape::Outside,
            shown: Vec::new(),
            unseen: 0,
            since: 0,
        }
    }

    /// Begins at a position, in the state that the text has there.
    pub(super) fn begin(&mut self, position: usize, state: StateID, automaton: &Automaton) {
        let known = position.saturating_sub(automaton.depth(state) + 1);
        self.shown.clear();
        self.shown.extend(known..position);
        (self.differs, self.state, self.escape) = (true, state, Escape::Outside);
        (self.unseen, self.since) = (0, 0);
    }

    /// Goes on with another automaton, before which nothing is known but whether this is inside of a sequence.
    pub(super) fn adopt(&mut self, automaton: &Automaton) {
        self.shown.clear();
        self.state = automaton.start();
    }

    /// Goes one byte on; true when it is shown and `state` has changed with it.
    pub(super) fn step(&mut self, position: usize, byte: u8, automaton: &Automaton) -> bool {
        if self.escape.shows(byte) {
            self.shown.push(position);
            self.state = automaton.step(self.state, byte);
            self.unseen = 0;
            self.since += 1;
            return true;
        }
        self.since = 0;
        self.unseen += 1;
        if self.unseen == LONGEST {
            self.state = automaton.start();
            self.escape = Escape::Outside;
            self.unseen = 0;
        }
        false
    }

    /// Where the last so many shown bytes begin, and whether an escape sequence stands right before them.
    pub(super) fn start_of(&self, length: usize) -> (usize, bool) {
        let first = self.shown.len().saturating_sub(length);
        let start = self.shown.get(first).copied().unwrap_or_default();
        (start, first.checked_sub(1).is_none_or(|before| self.shown[before] + 1 != start))
    }

    /// Ends where from here on the text and what is shown of it are the same to the automaton: what lives in both
    /// began behind the last sequence, and not right behind it, where the sequence still counts as the end of a word.
    pub(super) fn may_end(&mut self, state: StateID, automaton: &Automaton) -> bool {
        let same = self.state == state && self.escape == Escape::Outside;
        self.differs = !same || automaton.depth(state) >= self.since;
        !self.differs
    }

    /// Where that begins which may still become a form; forgets what lies before.
    pub(super) fn live(&mut self, automaton: &Automaton) -> Option<usize> {
        let depth = automaton.depth(self.state);
        self.shown.drain(..self.shown.len().saturating_sub(depth + 1));
        (self.differs && depth > 0).then(|| self.start_of(depth).0)
    }
}
