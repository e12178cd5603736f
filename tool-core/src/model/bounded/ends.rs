//! A writer that keeps the first and the last of what it is given.

use std::fmt;
use std::io::{self, Write};

use serde::ser::Error as _;

use super::shorten::{Form, LEAST, join};

/// Both ends of what is written to it; all of it, while that is no longer than `most`.
pub(super) struct Ends {
    most: usize,
    /// The first bytes, half of `most`. Empty as long as the buffer has everything.
    head: Vec<u8>,
    /// Up to `end` what came last, and at least as much once there is a head. The rest is room.
    /// Grows to `most` bytes and no further.
    buffer: Vec<u8>,
    end: usize,
    /// Bytes that came before those in the buffer.
    passed: usize,
}

impl Ends {
    #[inline]
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(LEAST),
            head: Vec::new(),
            buffer: Vec::new(),
            end: 0,
            passed: 0,
        }
    }

    /// Adds what there is no room for, and returns the new end.
    #[cold]
    #[inline(never)]
    fn make_room_for(&mut self, bytes: &[u8]) -> usize {
        const FEWEST: usize = 128; // spares a vector's first steps
        let (keep, end) = (self.most / 2, self.end + bytes.len());
        if self.head.is_empty() {
            let room = end.max(2 * self.buffer.len()).max(FEWEST).min(self.most);
            if self.buffer.is_empty() {
                self.buffer = Vec::with_capacity(room); // quicker than to grow
            }
            self.buffer.reserve_exact(room - self.buffer.len());
            self.buffer.resize(room, 0);
            if end <= self.most {
                self.buffer[self.end..end].copy_from_slice(bytes);
                return end;
            }
            self.head
                .extend(self.buffer[..self.end].iter().chain(bytes).take(keep));
        }
        // The buffer is moved once in so many bytes as are kept.
        let last = &bytes[bytes.len().saturating_sub(keep)..];
        let start = self.end.min(keep - last.len());
        self.buffer.copy_within(self.end - start..self.end, 0);
        self.buffer[start..start + last.len()].copy_from_slice(last);
        self.passed += self.end - start + bytes.len() - last.len();
        start + last.len()
    }

    /// Whether something is left out.
    #[inline]
    pub(super) fn is_cut(&self) -> bool {
        !self.head.is_empty()
    }

    #[inline]
    pub(super) fn starts_with(&self, byte: u8) -> bool {
        self.head.first().or(self.buffer.first()) == Some(&byte)
    }

    #[inline]
    pub(super) fn into_text(self, form: Form) -> serde_json::Result<String> {
        let Self {
            most,
            head,
            mut buffer,
            end,
            passed,
        } = self;
        buffer.truncate(end);
        if head.is_empty() {
            return String::from_utf8(buffer).map_err(serde_json::Error::custom);
        }
        Ok(join(
            form,
            &head,
            &buffer[end - most / 2..],
            passed + end,
            most,
        ))
    }
}

impl Write for Ends {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.end + bytes.len();
        // Set in one place: what writes twice in a row need not read it again.
        self.end = match self.buffer.get_mut(self.end..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                end
            }
            None => self.make_room_for(bytes),
        };
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
        assert_eq!(ends.passed + ends.end, 2000 * 5714);
    }
}
