//! A writer that keeps the first and the last of what it is given.

use std::fmt;
use std::io::{self, Write};

use serde::ser::Error as _;

use super::shorten::{Form, LEAST, join};

/// Both ends of what is written to it; all of it, while that is no longer than `most`.
pub(super) struct Ends {
    most: usize,
    /// The first `keep` bytes. Empty as long as the buffer has everything.
    head: Vec<u8>,
    /// What came last, and at least `keep` bytes of it once there is a head.
    buffer: Vec<u8>,
    /// The length up to which what comes is simply added to the buffer: none before there is one, then `most`.
    room: usize,
    /// Bytes that came before those in the buffer.
    passed: usize,
}

impl Ends {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(LEAST), head: Vec::new(), buffer: Vec::new(), room: 0, passed: 0 }
    }

    fn keep(&self) -> usize {
        self.most / 2
    }

    /// What there is no room for in the buffer.
    #[cold]
    #[inline(never)]
    fn make_room_for(&mut self, bytes: &[u8]) {
        const FEWEST: usize = 128;
        let keep = self.keep();
        if self.room == 0 {
            self.room = self.most;
            self.buffer.reserve_exact(FEWEST); // spares a vector's first steps
        }
        if self.head.is_empty() {
            if self.buffer.len() + bytes.len() <= self.most {
                return self.buffer.extend_from_slice(bytes);
            }
            self.head.extend(self.buffer.iter().chain(bytes).take(keep));
        }
        // The buffer is moved once in so many bytes as are kept.
        let last = &bytes[bytes.len().saturating_sub(keep)..];
        let surplus = (self.buffer.len() + last.len()).saturating_sub(keep);
        self.buffer.drain(..surplus);
        self.buffer.extend_from_slice(last);
        self.passed += surplus + bytes.len() - last.len();
    }

    pub(super) fn starts_with(&self, byte: u8) -> bool {
        self.head.first().or(self.buffer.first()) == Some(&byte)
    }

    pub(super) fn into_text(self, form: Form) -> serde_json::Result<String> {
        if self.head.is_empty() {
            return String::from_utf8(self.buffer).map_err(serde_json::Error::custom);
        }
        let (keep, written) = (self.keep(), self.passed + self.buffer.len());
        Ok(join(form, &self.head, &self.buffer[self.buffer.len() - keep..], written, self.most))
    }
}

impl Write for Ends {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() <= self.room {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.make_room_for(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Ends {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_whatever_is_written() {
        let mut ends = Ends::new(1000);
        for length in [1, 10, 700, 5000, 3].into_iter().cycle().take(10_000) {
            ends.write_all(&vec![b'x'; length]).unwrap();
            assert!(ends.head.capacity() <= 2000 && ends.buffer.capacity() <= 2000);
        }
        assert_eq!(ends.passed + ends.buffer.len(), 2000 * 5714);
    }
}
