//! The automaton that looks for all forms at once, and the leap over text in which none can begin.

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind, Span, packed};

use crate::fault::Fault;

use super::forms::{Form, Kind};

/// All forms as one automaton. A state stands for the longest end of the text so far that a form begins with.
#[derive(Clone)]
pub(super) struct Automaton {
    nfa: NFA,
    start: StateID,
    kinds: Vec<Kind>,
    /// The length of what a state stands for, by state.
    depths: Vec<u16>,
    leap: Leap,
}

impl Automaton {
    pub(super) fn of(forms: &[Form]) -> Result<Self, Fault> {
        let broken = |error: &dyn std::fmt::Display| {
            Fault::configuration(format!("the secrets cannot be masked: {error}")).hint("use fewer or smaller secrets")
        };
        let nfa = NFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(forms.iter().map(|form| &form.bytes))
            .map_err(|error| broken(&error))?;
        let start = nfa.start_state(Anchored::No).map_err(|error| broken(&error))?;
        let depths = depths(&nfa, start, forms);
        Ok(Self { start, kinds: forms.iter().map(|form| form.kind).collect(), depths, leap: Leap::over(forms), nfa })
    }

    /// The state of a text in whose end nothing begins.
    pub(super) fn start(&self) -> StateID {
        self.start
    }

    #[inline]
    pub(super) fn step(&self, state: StateID, byte: u8) -> StateID {
        self.nfa.next_state(Anchored::No, state, byte)
    }

    /// How many bytes at the end of the text may be the beginning of a form.
    #[inline]
    pub(super) fn depth(&self, state: StateID) -> usize {
        self.depths.get(state.as_usize()).copied().unwrap_or_default().into()
    }

    #[inline]
    pub(super) fn is_match(&self, state: StateID) -> bool {
        self.nfa.is_match(state)
    }

    /// The forms that end where this state is reached: their kinds and lengths.
    pub(super) fn matches(&self, state: StateID) -> impl Iterator<Item = (Kind, usize)> {
        (0..self.nfa.match_len(state)).map(move |index| {
            let pattern = self.nfa.match_pattern(state, index);
            (self.kinds[pattern.as_usize()], self.nfa.pattern_len(pattern))
        })
    }

    /// The first place from `from` at which a form may begin and of which enough is there to tell.
    #[inline]
    pub(super) fn candidate(&self, text: &[u8], from: usize) -> Result<usize, usize> {
        self.leap.candidate(text, from)
    }
}

/// Walks every form through the automaton: the state after its first n bytes stands for n bytes.
fn depths(nfa: &NFA, start: StateID, forms: &[Form]) -> Vec<u16> {
    let mut depths = Vec::new();
    for form in forms {
        let mut state = start;
        for (index, &byte) in form.bytes.iter().enumerate() {
            state = nfa.next_state(Anchored::No, state, byte);
            if depths.len() <= state.as_usize() {
                depths.resize(state.as_usize() + 1, 0);
            }
            depths[state.as_usize()] = u16::try_from(index + 1).unwrap_or(u16::MAX);
        }
    }
    depths
}

/// A set of the forms' first bytes, hashed: it may say yes too often, and never says no wrongly.
#[derive(Clone)]
struct Leap {
    /// The bytes of a head that are looked at: as many as the shortest form has, at most four.
    keep: u32,
    hashes: Box<[u64; SLOTS / 64]>,
    /// The only first byte of all forms, if it is one.
    first: Option<u8>,
    /// Looks for all heads with the processor's vectors, where it has them and the heads are few.
    packed: Option<packed::Searcher>,
}

const SLOT_BITS: u32 = 15;
const SLOTS: usize = 1 << SLOT_BITS;

impl Leap {
    fn over(forms: &[Form]) -> Self {
        let width = forms.iter().map(|form| form.bytes.len()).min().unwrap_or(1).min(4);
        let keep = u32::MAX >> (32 - 8 * width);
        let mut hashes = Box::new([0; SLOTS / 64]);
        let mut heads: Vec<&[u8]> = forms.iter().map(|form| &form.bytes[..width]).collect();
        heads.sort_unstable();
        heads.dedup();
        let packed = packed::Searcher::new(heads);
        for form in forms {
            let mut head = [0; 4];
            head[..width].copy_from_slice(&form.bytes[..width]);
            let slot = slot(u32::from_le_bytes(head));
            hashes[slot / 64] |= 1 << (slot % 64);
        }
        let first = forms.first().map(|form| form.bytes[0]);
        let first = first.filter(|byte| forms.iter().all(|form| form.bytes[0] == *byte));
        Self { keep, hashes, first, packed }
    }

    /// `Ok` a place where a form may begin, `Err` the first place that has too little text behind it to tell.
    #[inline]
    fn candidate(&self, text: &[u8], mut from: usize) -> Result<usize, usize> {
        if let Some(first) = self.first {
            while let Some(found) = memchr::memchr(first, text.get(from..).unwrap_or_default()) {
                from += found;
                match text.get(from..from + 4) {
                    None => return Err(from),
                    Some(head) if self.may_begin(head) => return Ok(from),
                    Some(_) => from += 1,
                }
            }
            return Err(text.len());
        }
        if let Some(packed) = &self.packed {
            let found = packed.find_in(text, Span::from(from.min(text.len())..text.len()));
            return found.map(|found| found.start()).ok_or_else(|| text.len().saturating_sub(3).max(from));
        }
        let rest = text.get(from..).unwrap_or_default();
        match rest.windows(4).position(|head| self.may_begin(head)) {
            Some(found) => Ok(from + found),
            None => Err(text.len().saturating_sub(3).max(from)),
        }
    }

    #[inline]
    fn may_begin(&self, head: &[u8]) -> bool {
        let head = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let slot = slot(head & self.keep);
        self.hashes[slot / 64] >> (slot % 64) & 1 == 1
    }
}

#[inline]
fn slot(head: u32) -> usize {
    (head.wrapping_mul(0x9E37_79B1) >> (32 - SLOT_BITS)) as usize
}
