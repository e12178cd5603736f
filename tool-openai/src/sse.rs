//! Server-sent events, from bytes that arrive in any pieces.

use sse_parse::SseParser;

use crate::error::ModelError;

/// The most bytes that one event may have.
pub(crate) const MAX_EVENT_BYTES: usize = 16 << 20;

/// The most bytes that the id of an event may have. The parser gives each event a copy of the last
/// one.
const MAX_ID_BYTES: usize = 1 << 10;

/// One event: its type, which is `message` unless the server names another, and its data lines,
/// joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) event: String,
    pub(crate) data: String,
}

/// Reads events out of bytes. However the bytes are cut, the events are the same, and each byte is
/// looked at a fixed number of times.
///
/// Lines may end in LF, CR or both; comments and a byte order mark are passed over; what is no
/// UTF-8 becomes U+FFFD.
#[derive(Debug)]
pub(crate) struct Sse {
    parser: SseParser,
    /// What may be the beginning of a character.
    unfinished: Vec<u8>,
    is_lossy: bool,
}

impl Sse {
    pub(crate) fn new() -> Self {
        Self {
            parser: SseParser::new().max_buffer(MAX_EVENT_BYTES),
            unfinished: Vec::new(),
            is_lossy: false,
        }
    }

    /// Whether some of the bytes so far were no UTF-8.
    pub(crate) fn is_lossy(&self) -> bool {
        self.is_lossy
    }

    fn look_for_bad_bytes(&mut self, bytes: &[u8]) {
        if self.is_lossy {
            return;
        }
        let joined;
        let bytes = if self.unfinished.is_empty() {
            bytes
        } else {
            joined = [&self.unfinished, bytes].concat();
            &joined
        };
        let unfinished = match std::str::from_utf8(bytes) {
            Ok(_) => &[],
            Err(error) => {
                self.is_lossy = error.error_len().is_some();
                &bytes[error.valid_up_to()..]
            }
        };
        self.unfinished = unfinished.to_vec();
    }

    /// The events that end within these bytes.
    ///
    /// # Errors
    ///
    /// An event is larger than [`MAX_EVENT_BYTES`], or its id than a kilobyte.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, ModelError> {
        let too_large = |what: &str, most: usize| {
            let reason = format!("{what} of the stream is larger than {most} bytes");
            Err(ModelError::InvalidResponse {
                reason,
                body: String::new(),
            })
        };
        self.look_for_bad_bytes(bytes);
        let mut events = Vec::new();
        for line in bytes.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
            self.parser.feed(line);
            if self.parser.overflows() > 0 {
                return too_large("an event", MAX_EVENT_BYTES);
            }
            if self.parser.last_event_id().len() > MAX_ID_BYTES {
                return too_large("the id of an event", MAX_ID_BYTES);
            }
            events.extend(
                std::iter::from_fn(|| self.parser.next_event()).map(|event| Event {
                    event: event.event,
                    data: event.data,
                }),
            );
        }
        Ok(events)
    }

    /// The last event, if the server left out the blank line that ends it. It may be cut.
    pub(crate) fn finish(&mut self) -> Result<Vec<Event>, ModelError> {
        self.push(b"\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(events: Vec<Event>) -> Vec<String> {
        events.into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn pieces_make_no_difference() {
        let text = "\u{feff}: a comment\r\nevent: error\r\ndata: é😀\r\ndata:second\r\n\r\ndata\n\ndata: three\r\rid: 7\n\ndata: [DONE]";
        let mut whole = Sse::new();
        let mut expected = whole.push(text.as_bytes()).unwrap();
        expected.extend(whole.finish().unwrap());
        assert_eq!(
            expected[0],
            Event {
                event: "error".into(),
                data: "é😀\nsecond".into()
            }
        );
        assert_eq!(
            data(expected.clone()),
            ["é😀\nsecond", "", "three", "[DONE]"]
        );
        for cut in 0..=text.len() {
            let (before, after) = text.as_bytes().split_at(cut);
            let mut sse = Sse::new();
            let mut events = sse.push(before).unwrap();
            events.extend(sse.push(after).unwrap());
            events.extend(sse.finish().unwrap());
            assert_eq!(events, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_byte_that_is_no_text_spoils_itself_alone() {
        assert_eq!(
            data(Sse::new().push(b"data: a\xffb\n\ndata: c\n\n").unwrap()),
            ["a\u{fffd}b", "c"]
        );
    }

    #[test]
    fn bad_bytes_are_noticed_however_they_are_cut() {
        for (text, is_lossy) in [
            ("é😀".as_bytes(), false),
            (b"a\xffb", true),
            (b"\xf0\x9f\x98.", true),
        ] {
            for cut in 0..=text.len() {
                let mut sse = Sse::new();
                for part in [&text[..cut], &text[cut..], b"\n"] {
                    sse.push(part).unwrap();
                }
                assert_eq!(sse.is_lossy(), is_lossy, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn an_id_that_each_event_would_repeat_is_an_error() {
        let mut body = b"id: 7\ndata: a\n\nid: ".to_vec();
        body.extend([b'x'; MAX_ID_BYTES + 1]);
        body.extend(b"\r\rdata: b\r\r".repeat(1000));
        let error = Sse::new().push(&body).unwrap_err();
        assert!(error.to_string().contains("1024 bytes"), "{error}");
    }

    #[test]
    fn an_event_without_end_is_an_error() {
        let mut sse = Sse::new();
        sse.push(b"data: ").unwrap();
        let piece = vec![b'x'; 1 << 20];
        let error = (0..32).find_map(|_| sse.push(&piece).err()).unwrap();
        assert!(error.to_string().contains("16777216 bytes"), "{error}");
    }
}
