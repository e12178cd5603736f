//! Server-sent events, from bytes that arrive in any pieces.

use std::borrow::Cow;

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
    /// Whether bytes of it were not UTF-8.
    pub(crate) is_lossy: bool,
}

/// Reads events out of bytes. However the bytes are cut, the events are the same, and each byte is
/// looked at a fixed number of times.
///
/// Lines may end in LF, CR or both; comments and a byte order mark are skipped; bytes that
/// are not UTF-8 become U+FFFD.
#[derive(Debug)]
pub(crate) struct Sse {
    parser: SseParser,
    /// What may be the beginning of a character.
    unfinished: Vec<u8>,
}

/// Marks bytes that are not UTF-8 on their way through the parser. It is a noncharacter, so that it
/// differs from characters that a model wrote.
const BAD_BYTES: &str = "\u{fdd0}";

impl Sse {
    pub(crate) fn new() -> Self {
        Self {
            parser: SseParser::new().max_buffer(MAX_EVENT_BYTES),
            unfinished: Vec::new(),
        }
    }

    /// The bytes as text, but for what may be the beginning of a character.
    fn decode<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, str> {
        if self.unfinished.is_empty()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Cow::Borrowed(text);
        }
        let bytes = [&std::mem::take(&mut self.unfinished), bytes].concat();
        let (mut rest, mut text) = (bytes.as_slice(), String::with_capacity(bytes.len()));
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return Cow::Owned(text);
                }
                Err(error) => {
                    let (valid, behind) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid)); // which is valid
                    let Some(bad) = error.error_len() else {
                        self.unfinished = behind.to_vec();
                        return Cow::Owned(text);
                    };
                    text.push_str(BAD_BYTES);
                    rest = &behind[bad..];
                }
            }
        }
    }

    /// The events that end within these bytes.
    ///
    /// # Errors
    ///
    /// An event is larger than [`MAX_EVENT_BYTES`], or its id than a kilobyte.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, ModelError> {
        let too_large = |what: &str, most: usize| {
            let reason = format!("{what} of the stream is larger than {most} bytes");
            Err(ModelError::invalid_response(reason))
        };
        let text = self.decode(bytes);
        let mut events = Vec::new();
        for line in text
            .as_bytes()
            .split_inclusive(|byte| matches!(byte, b'\r' | b'\n'))
        {
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
                    is_lossy: event.data.contains(BAD_BYTES),
                    data: event.data.replace(BAD_BYTES, "\u{fffd}"),
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
    fn chunk_boundaries_make_no_difference() {
        let text = "\u{feff}: a comment\r\nevent: error\r\ndata: é😀\r\ndata:second\r\n\r\ndata\n\ndata: three\r\rid: 7\n\ndata: [DONE]";
        let mut whole = Sse::new();
        let mut expected = whole.push(text.as_bytes()).unwrap();
        expected.extend(whole.finish().unwrap());
        assert_eq!(
            expected[0],
            Event {
                event: "error".into(),
                data: "é😀\nsecond".into(),
                is_lossy: false,
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
    fn an_invalid_byte_affects_nothing_else() {
        assert_eq!(
            data(Sse::new().push(b"data: a\xffb\n\ndata: c\n\n").unwrap()),
            ["a\u{fffd}b", "c"]
        );
    }

    #[test]
    fn invalid_bytes_affect_only_their_event() {
        let body = b"data: \xef\xbf\xbd\n\ndata: a\xffb\n\ndata: \xf0\x9f\x98.\n\ndata: \xf0\x9f\x98\x80\n\n";
        for cut in 0..=body.len() {
            let mut sse = Sse::new();
            let mut events = sse.push(&body[..cut]).unwrap();
            events.extend(sse.push(&body[cut..]).unwrap());
            let made: Vec<_> = events
                .iter()
                .map(|event| (&*event.data, event.is_lossy))
                .collect();
            let expected = [
                ("\u{fffd}", false),
                ("a\u{fffd}b", true),
                ("\u{fffd}.", true),
                ("😀", false),
            ];
            assert_eq!(made, expected, "cut at {cut}");
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
    fn an_endless_event_is_an_error() {
        let mut sse = Sse::new();
        sse.push(b"data: ").unwrap();
        let piece = vec![b'x'; 1 << 20];
        let error = (0..32).find_map(|_| sse.push(&piece).err()).unwrap();
        assert!(error.to_string().contains("16777216 bytes"), "{error}");
    }
}
