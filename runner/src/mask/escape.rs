//! Terminal escape sequences: which bytes of a text a terminal shows, one byte at a time.

/// Sequences of so many bytes in a row are no colours any more: whatever was being looked for across them is given up,
/// so that nothing can make a stream be held back without end.
pub(super) const LONGEST: usize = 1024;

pub(super) const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// Where in a sequence the text stands (ECMA-48, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escape {
    /// In none.
    #[default]
    Outside,
    /// After ESC and perhaps intermediate bytes.
    Begun,
    /// In a control sequence, `ESC [ … final`.
    Control,
    /// In a command to the operating system, `ESC ] … BEL` or `ESC ] … ESC \`.
    Command,
}

impl Escape {
    /// Goes one byte on; true when the byte is shown.
    pub(super) fn shows(&mut self, byte: u8) -> bool {
        let (next, shown) = match (*self, byte) {
            (_, ESC) => (Self::Begun, false),
            (Self::Outside, _) => (Self::Outside, true),
            (Self::Begun, b'[') => (Self::Control, false),
            (Self::Begun, b']') => (Self::Command, false),
            (Self::Begun, 0x20..=0x2f) => (Self::Begun, false),
            (Self::Begun, 0x30..=0x7e) => (Self::Outside, false),
            (Self::Control, 0x20..=0x3f) => (Self::Control, false),
            (Self::Control, 0x40..=0x7e) => (Self::Outside, false),
            (Self::Command, BEL) => (Self::Outside, false),
            (Self::Command, 0x20..) => (Self::Command, false),
            (Self::Begun | Self::Control | Self::Command, _) => (Self::Outside, true),
        };
        *self = next;
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8]) -> Vec<u8> {
        let mut escape = Escape::default();
        text.iter().copied().filter(|&byte| escape.shows(byte)).collect()
    }

    #[test]
    fn colours_titles_links_and_character_sets_are_not_shown() {
        assert_eq!(shown(b"a\x1b[1;31mb\x1b[0mc\x1b[Kd"), b"abcd");
        assert_eq!(shown(b"a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c"), b"abc");
        assert_eq!(shown(b"a\x1b(Bb\x1b7c"), b"abc");
    }

    #[test]
    fn a_broken_sequence_ends_where_it_breaks() {
        assert_eq!(shown(b"a\x1b[1\nb"), b"a\nb");
        assert_eq!(shown(b"a\x1b]0;title\nb"), b"a\nb");
        assert_eq!(shown(b"a\x1b\x1b[mb\x1b"), b"ab");
    }
}
