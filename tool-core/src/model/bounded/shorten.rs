//! What takes the place of text that is too long.

use serde_json::Value;

/// The smallest bound: room for the note on the omitted part, and for some of the rest.
/// Smaller ones are raised to it.
pub(crate) const LEAST: usize = 256;

/// What a text is, and so how it is shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Stays text: a line replaces what is left out.
    Text,
    /// Stays JSON: an object holds the head and the tail as strings.
    Json,
}

/// The text, shortened to `most` bytes if it is longer.
pub(crate) fn shorten(text: String, form: Form, most: usize) -> String {
    shortened(&text, form, most).unwrap_or(text)
}

/// What takes the place of a text that is longer than `most` bytes.
pub(super) fn shortened(text: &str, form: Form, most: usize) -> Option<String> {
    let most = most.max(LEAST);
    let (keep, bytes) = (most / 2, text.as_bytes());
    (bytes.len() > most).then(|| {
        join(
            form,
            &bytes[..keep],
            &bytes[bytes.len() - keep..],
            bytes.len(),
            most,
        )
    })
}

/// The note on a text of `written` bytes that begins with `first` and ends in `last`, which may
/// be cut inside a character.
pub(super) fn join(form: Form, first: &[u8], last: &[u8], written: usize, most: usize) -> String {
    let first = first.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let last = last.utf8_chunks().last().map_or("", |chunk| chunk.valid());
    let room = most.saturating_sub(form.around("", written, "").len()) / 2;
    let (mut head_cost, mut tail_cost) = (0, 0);
    let exceeds = |cost: &mut usize, c: char| {
        *cost += form.cost(c);
        *cost > room
    };
    let head = first
        .char_indices()
        .find(|(_, c)| exceeds(&mut head_cost, *c))
        .map_or(first, |(end, _)| &first[..end]);
    let tail = last
        .char_indices()
        .rev()
        .find(|(_, c)| exceeds(&mut tail_cost, *c))
        .map_or(last, |(at, c)| &last[at + c.len_utf8()..]);
    form.around(head, written - head.len() - tail.len(), tail)
}

impl Form {
    fn around(self, head: &str, omitted: usize, tail: &str) -> String {
        match self {
            Self::Text => format!("{head}\n[{omitted} bytes left out]\n{tail}"),
            Self::Json => {
                let (head, tail) = (Value::from(head), Value::from(tail));
                format!(
                    r#"{{"truncated":true,"omitted_bytes":{omitted},"head":{head},"tail":{tail}}}"#
                )
            }
        }
    }

    /// The bytes a character takes in the shortened text.
    fn cost(self, c: char) -> usize {
        match (self, c) {
            (Self::Text, _) => c.len_utf8(),
            (Self::Json, '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}') => 2,
            (Self::Json, '\0'..='\u{1f}') => 6,
            (Self::Json, _) => c.len_utf8(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Text with everything in it that takes more than a byte, as it is or escaped.
    pub(in super::super) fn text() -> impl Strategy<Value = String> {
        let c = prop_oneof![4 => any::<char>(), 4 => prop::char::range(' ', '~'), 1 => prop::char::range('\0', '\u{1f}'), 1 => Just('"')];
        vec(c, 0..250).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn text_within_the_bound_stays_and_longer_text_is_cut(text in text(), most in 0..500_usize) {
            for form in [Form::Text, Form::Json] {
                prop_assert_eq!(&shorten(text.clone(), form, text.len()), &text);
                prop_assert!(shorten(text.clone(), form, most).len() <= most.max(LEAST));
            }
        }

        #[test]
        fn shortened_text_says_what_is_missing_between_its_ends(text in text(), most in 0..800_usize) {
            let short = shorten(text.clone(), Form::Text, most);
            prop_assert!(short.len() <= most.max(LEAST));
            if short != text {
                let is_honest = |(at, _): (usize, &str)| {
                    let (count, tail) = short[at + 2..].split_once(" bytes left out]\n").unwrap_or_default();
                    let both_ends = text.starts_with(&short[..at]) && text.ends_with(tail);
                    both_ends && count.parse() == Ok(text.len() - at - tail.len()) && at.min(tail.len()) > 80
                };
                prop_assert!(short.match_indices("\n[").any(is_honest), "{}", short);
            }
        }

        #[test]
        fn shortened_json_is_json_with_both_ends(parts in vec(text(), 0..4), most in 0..1000_usize) {
            let json = Value::from(parts).to_string();
            let short = shorten(json.clone(), Form::Json, most);
            prop_assert!(short.len() <= most.max(LEAST));
            if short != json {
                let read: Value = serde_json::from_str(&short).unwrap();
                let (head, tail) = (read["head"].as_str().unwrap(), read["tail"].as_str().unwrap());
                prop_assert!(json.starts_with(head) && json.ends_with(tail));
                prop_assert!(head.len().min(tail.len()) > 10);
                prop_assert_eq!(&read["omitted_bytes"], json.len() - head.len() - tail.len());
                prop_assert_eq!(&read["truncated"], true);
            }
        }
    }
}
