//! How far the JSON text of a call has arrived, followed byte by byte.

use std::ops::Range;

use serde::de::IgnoredAny;
use tool_core::serde_json::from_str;

/// Longer than any number, or `null`, that could be meant as arguments.
const MAX_SCALAR_BYTES: usize = 64;

/// Follows one JSON text as it grows. Looks at brackets and quotes alone: whether the text between
/// them is JSON is for its reader to say.
#[derive(Debug, Default)]
pub(super) struct Scan {
    state: State,
    depth: usize,
    /// How much has been scanned, in bytes.
    read: usize,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// Nothing but white space.
    #[default]
    Empty,
    /// A number or a word at the top. Whether it continues cannot be seen.
    Scalar,
    /// Inside brackets.
    Open,
    /// Inside a string.
    Text,
    /// Behind a backslash.
    Escape,
    /// The object, list or string at the top has ended.
    Closed,
    /// More than white space came after that.
    Beyond,
}

impl Scan {
    /// More of the text.
    pub(super) fn push(&mut self, text: &str) {
        for (at, byte) in text.bytes().enumerate() {
            self.state = self.step(byte, self.read + at);
        }
        self.read += text.len();
    }

    fn step(&mut self, byte: u8, at: usize) -> State {
        match (self.state, byte) {
            (State::Empty | State::Closed | State::Open, b' ' | b'\n' | b'\r' | b'\t') => {
                self.state
            }
            (State::Empty, _) => {
                self.start = at;
                match byte {
                    b'"' => State::Text,
                    b'{' | b'[' => self.deeper(),
                    _ => State::Scalar,
                }
            }
            (State::Open, b'"') => State::Text,
            (State::Open, b'{' | b'[') => self.deeper(),
            (State::Open, b'}' | b']') => {
                self.depth -= 1;
                self.close(at)
            }
            (State::Text, b'\\') => State::Escape,
            (State::Text, b'"') => self.close(at),
            (State::Escape, _) => State::Text,
            (State::Closed, _) => State::Beyond,
            _ => self.state,
        }
    }

    fn deeper(&mut self) -> State {
        self.depth += 1;
        State::Open
    }

    fn close(&mut self, at: usize) -> State {
        if self.depth > 0 {
            return State::Open;
        }
        self.end = at + 1;
        State::Closed
    }

    /// Whether nothing but white space has come.
    pub(super) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Where the value lies, if it has visibly ended and nothing has come after it.
    pub(super) fn closed(&self) -> Option<Range<usize>> {
        (self.state == State::Closed).then_some(self.start..self.end)
    }

    /// Whether the text so far, which is `text`, is one whole value, given that there is no more of
    /// it.
    pub(super) fn is_whole(&self, text: &str) -> bool {
        match self.state {
            State::Closed => true,
            State::Scalar => {
                let scalar = text.get(self.start..).unwrap_or_default();
                scalar.len() <= MAX_SCALAR_BYTES && from_str::<IgnoredAny>(scalar).is_ok()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tool_core::serde_json::{Value, json};

    fn scan(text: &str) -> Scan {
        let mut scan = Scan::default();
        scan.push(text);
        scan
    }

    #[test]
    fn a_value_is_whole_when_its_brackets_close() {
        for whole in [
            "{}",
            " {\"a\": \"}\\\"\"} ",
            "[1, [2]]",
            "\"a\\\\\"",
            "null",
            "12",
            "-1.5e3 ",
        ] {
            assert!(scan(whole).is_whole(whole), "{whole}");
        }
        for part in [
            "",
            "  ",
            "{",
            "{\"a\": \"}",
            "{\"a\": \"\\\"}",
            "\"a\\\"",
            "nul",
            "{} x",
            "{}{}",
            "1 2",
        ] {
            assert!(!scan(part).is_whole(part), "{part}");
        }
    }

    #[test]
    fn white_space_is_not_part_of_the_value() {
        assert_eq!(scan("\n {\"a\": 1} ").closed(), Some(2..10));
        assert_eq!(scan("12").closed(), None);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<i32>().prop_map(Value::from),
            "[a\\\\\"{}\\[\\]é😀\n]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a\"{}\\\\]{0,3}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_object_is_whole_at_its_last_byte_and_not_before(value in values()) {
            let text = json!({"value": value}).to_string();
            for (cut, _) in text.char_indices() {
                prop_assert!(!scan(&text[..cut]).is_whole(&text[..cut]));
            }
            prop_assert!(scan(&text).is_whole(&text));
        }
    }
}
