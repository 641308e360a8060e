//! The text as a terminal shows it: its own state of the automaton, and the way back to positions in the stream.

use aho_corasick::automaton::StateID;

use super::automaton::Automaton;
use super::escape::{Escape, LONGEST};

/// Follows the shown bytes from an escape sequence on, until it makes no difference any more.
pub(super) struct Shadow {
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
    /// Begins at a position, in the state that the text has there.
    pub(super) fn at(position: usize, state: StateID, automaton: &Automaton) -> Self {
        let known = position.saturating_sub(automaton.depth(state) + 1);
        let shown = (known..position).collect();
        Self { state, escape: Escape::default(), shown, unseen: 0, since: 0 }
    }

    /// The same place in the escape sequences for another automaton, before which nothing is known.
    pub(super) fn afresh(&self, automaton: &Automaton) -> Self {
        Self { state: automaton.start(), escape: self.escape, shown: Vec::new(), unseen: 0, since: 0 }
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
    pub(super) fn begin(&self, length: usize) -> (usize, bool) {
        let first = self.shown.len().saturating_sub(length);
        let start = self.shown.get(first).copied().unwrap_or_default();
        (start, first.checked_sub(1).is_none_or(|before| self.shown[before] + 1 != start))
    }

    /// Whether from here on the text and what is shown of it are the same to the automaton.
    pub(super) fn is_over(&self, state: StateID, automaton: &Automaton) -> bool {
        self.escape == Escape::Outside && self.since >= 2 && self.state == state && automaton.depth(state) <= 1
    }

    /// Where that begins which may still become a form; forgets what lies before.
    pub(super) fn live(&mut self, automaton: &Automaton) -> Option<usize> {
        let depth = automaton.depth(self.state);
        self.shown.drain(..self.shown.len().saturating_sub(depth + 1));
        (depth > 0).then(|| self.begin(depth).0)
    }
}
