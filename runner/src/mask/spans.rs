//! What is to be masked, as spans of positions in the stream; spans that overlap or touch are one.

/// The spans found and not yet let out, in order and apart.
#[derive(Default)]
pub(super) struct Spans {
    found: Vec<(usize, usize)>,
    /// The end of the span whose mask was the last thing written.
    covered: Option<usize>,
}

/// What becomes of a stretch of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// It is shown as it is.
    Shown(usize, usize),
    /// A mask is written for the span that begins here.
    Masked,
}

impl Spans {
    /// Adds a span. It may overlap earlier ones, and ends no earlier than those that it does not overlap.
    pub(super) fn add(&mut self, mut start: usize, mut end: usize) {
        while let Some(&(last_start, last_end)) = self.found.last()
            && start <= last_end
        {
            start = start.min(last_start);
            end = end.max(last_end);
            self.found.pop();
        }
        self.found.push((start, end));
    }

    /// Takes out everything from one position to another, stretch by stretch.
    pub(super) fn take(&mut self, from: usize, to: usize, mut each: impl FnMut(Stretch)) {
        let mut at = from.max(self.covered.unwrap_or_default().min(to));
        let begun = self.found.partition_point(|&(start, _)| start < to);
        for (start, end) in self.found.drain(..begun) {
            if self.covered.is_none_or(|covered| covered < start) {
                if at < start {
                    each(Stretch::Shown(at, start));
                }
                each(Stretch::Masked);
            }
            self.covered = self.covered.max(Some(end));
            at = at.max(end.min(to));
        }
        if at < to {
            each(Stretch::Shown(at, to));
            self.covered = None;
        }
    }

    /// Forgets what was found and not yet let out.
    pub(super) fn forget(&mut self) {
        self.found.clear();
    }
}
