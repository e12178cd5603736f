//! Data that keeps a connection open without content.

/// Whether content arrives: comments of a stream, blank lines and spaces are not content.
#[derive(Debug, Default)]
pub(super) struct Silence {
    line: Line,
}

/// What the line that is being read has been so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Line {
    #[default]
    Empty,
    Comment,
    Other,
}

impl Silence {
    /// Takes the next part of an answer.
    pub(super) fn is_broken_by(&mut self, part: &[u8]) -> bool {
        let mut is_broken = false;
        for byte in part {
            self.line = match (self.line, byte) {
                (_, b'\r' | b'\n') => Line::Empty,
                (Line::Empty, b':') | (Line::Comment, _) => Line::Comment,
                _ => Line::Other,
            };
            is_broken |= self.line == Line::Other && !byte.is_ascii_whitespace();
        }
        is_broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_are_ignored_however_they_are_split() {
        for (body, expected) in [
            (&b": ping\n\n: data: {}\r\n\r\n"[..], false),
            (b"  \n \t\r\n", false),
            (b": ping\ndata: {}\n", true),
            (b" : no comment", true),
            (b"{", true),
            (b"", false),
        ] {
            for cut in 0..=body.len() {
                let mut silence = Silence::default();
                let (before, after) = body.split_at(cut);
                let is_broken = silence.is_broken_by(before) | silence.is_broken_by(after);
                assert_eq!(is_broken, expected, "{body:?} cut at {cut}");
            }
        }
    }
}
