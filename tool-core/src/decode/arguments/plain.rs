//! Most arguments objects are plain: these are cut into slots by hand, and every value is still
//! decoded by `serde_json`.

use crate::decode::param::Describe;

/// Cuts the plainest objects, which most are, in a fraction of the time: each property is known and
/// given once, its name without escapes, and is a string without `\u`, a number, `true`, `false` or
/// `null`. `None` of all others, and of what is not JSON: then the slots must not be used.
#[inline]
pub(super) fn cut<'a>(
    text: &'a str,
    params: &[&(dyn Describe + Sync)],
    slots: &mut [Option<&'a str>],
) -> Option<()> {
    let json = text.as_bytes();
    let mut at = past(json, after_space(json, 0), b'{')?;
    at = after_space(json, at);
    let mut end = past(json, at, b'}');
    while end.is_none() {
        let name = past(json, at, b'"')?;
        let length = before_special(&json[name..]);
        let colon = after_space(json, past(json, name + length, b'"')?);
        let name = &text[name..][..length];
        let value = after_space(json, past(json, colon, b':')?);
        let value_end = after_scalar(json, value)?;
        let slot = &mut slots[params.iter().position(|param| param.answers_to(name))?];
        if slot.replace(&text[value..value_end]).is_some() {
            return None;
        }
        at = after_space(json, value_end);
        match past(json, at, b',') {
            Some(comma) => at = after_space(json, comma),
            None => end = Some(past(json, at, b'}')?),
        }
    }
    (after_space(json, end?) == json.len()).then_some(())
}

/// Where the string, number, `true`, `false` or `null` that begins here ends.
fn after_scalar(json: &[u8], at: usize) -> Option<usize> {
    let word = |word: &[u8]| json[at..].starts_with(word).then_some(at + word.len());
    match json.get(at)? {
        b'"' => after_string(json, at),
        b't' => word(b"true"),
        b'f' => word(b"false"),
        b'n' => word(b"null"),
        _ => after_number(json, at),
    }
}

fn after_number(json: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| {
        let count = json[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        (count > 0).then_some(at + count)
    };
    let at = past(json, at, b'-').unwrap_or(at);
    let mut at = past(json, at, b'0').or_else(|| digits(at))?;
    if let Some(point) = past(json, at, b'.') {
        at = digits(point)?;
    }
    match past(json, at, b'e').or_else(|| past(json, at, b'E')) {
        Some(e) => digits(
            past(json, e, b'+')
                .or_else(|| past(json, e, b'-'))
                .unwrap_or(e),
        ),
        None => Some(at),
    }
}

fn after_string(json: &[u8], at: usize) -> Option<usize> {
    let mut at = past(json, at, b'"')?;
    loop {
        at += before_special(&json[at..]);
        match json.get(at..)? {
            [b'"', ..] => return Some(at + 1),
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => at += 2,
            _ => return None,
        }
    }
}

fn after_space(json: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = json.get(at) {
        at += 1;
    }
    at
}

fn past(json: &[u8], at: usize, byte: u8) -> Option<usize> {
    (json.get(at) == Some(&byte)).then_some(at + 1)
}

/// How many bytes are before the first quote, backslash or control character.
fn before_special(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255; // 1 in each byte
    let (words, rest) = bytes.as_chunks();
    for (position, word) in words.iter().enumerate() {
        // Eight bytes at once: the lowest one that is below the limit, and perhaps some above it,
        // get their highest bit set.
        let word = u64::from_le_bytes(*word);
        let below = |limit: u8, word: u64| word.wrapping_sub(ONES * u64::from(limit)) & !word;
        let equal = |byte: u8| below(1, word ^ (ONES * u64::from(byte)));
        let special = (below(b' ', word) | equal(b'"') | equal(b'\\')) & (ONES << 7);
        if special != 0 {
            return 8 * position + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    8 * words.len() + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LIMIT, PARAMS, PATIENT};
    use super::super::{ArgumentError, Arguments};
    use super::*;
    use crate::decode::param::Param;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// What a text is cut into, or what is wrong with it.
    fn cut<'a>(
        text: &'a str,
        cut: impl FnOnce(&mut Arguments<'a>),
    ) -> (Vec<Option<&'a str>>, Vec<ArgumentError>, Option<String>) {
        static NAMES: Param<String> = Param::new("names", "").or_called(&["limit", "é"]);
        static PARAMS: &[&(dyn Describe + Sync)] = &[&PATIENT, &LIMIT, &NAMES];
        let mut arguments = Arguments::uncut(text, PARAMS);
        cut(&mut arguments);
        (
            arguments.slots.to_vec(),
            arguments.errors,
            arguments.unreadable.map(|error| format!("{error:?}")),
        )
    }

    fn cut_by_serde_json(arguments: &mut Arguments<'_>) {
        arguments.slots.resize(arguments.params.len(), None);
        arguments.cut_any();
    }

    /// White space, as far as JSON is concerned or not.
    fn space() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "", "", "", " ", "\n\t\r ", "\u{b}", "\u{a0}"])
    }

    /// A string literal, or nearly one.
    fn literal() -> impl Strategy<Value = String> {
        let parts = "patient_id limit names é x 12345678 \u{7f} \u{1f} \n \" \\n \\\" \\\\ \\/ \\u0061 \\ud800 \\u12 \\x \\é \\ { ]";
        let part = prop::sample::select(parts.split(' ').collect::<Vec<_>>());
        vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    fn number() -> impl Strategy<Value = String> {
        vec(
            prop::sample::select(vec!["0", "7", "10", "-", "+", ".", "e", "E"]),
            1..6,
        )
        .prop_map(|parts| parts.concat())
    }

    fn property() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            4 => prop::sample::select(vec!["\"patient_id\"", "\"limit\"", "\"names\"", "\"é\""]).prop_map(str::to_owned),
            1 => literal(),
        ];
        let value = prop::sample::select(vec![
            "true",
            "false",
            "null",
            "nul",
            "truex",
            "TRUE",
            "NaN",
            "[]",
            "{}",
            "[1, {\"a\": \"]\"}]",
            "{",
            "",
            "\"P-1\"",
            "\"P-1",
        ]);
        let value = prop_oneof![value.prop_map(str::to_owned), literal(), number()];
        let colon = prop::sample::select(vec![":", ":", ":", ":", ":", ":", "", "::", ","]);
        (space(), name, space(), colon, space(), value, space()).prop_map(
            |(a, name, b, colon, c, value, d)| format!("{a}{name}{b}{colon}{c}{value}{d}"),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn plain_objects_are_cut_as_serde_json_cuts_them(
            start in prop::sample::select(vec!["{", "{", "{", " {", "{ ", "", "[", "{{"]),
            properties in vec(property(), 0..4),
            comma in prop::sample::select(vec![",", ",", ",", ",,", ""]),
            end in prop::sample::select(vec!["}", "}", "}", "} ", "", ",}", "}}", "]", "}x"]),
        ) {
            let text = format!("{start}{}{end}", properties.join(comma));
            prop_assert_eq!(cut(&text, Arguments::cut), cut(&text, cut_by_serde_json), "{}", text);
        }

        #[test]
        fn special_bytes_are_found_where_they_are(bytes in vec(prop_oneof![any::<u8>(), prop::sample::select(b"\"\\ !#[]\x1f\x80\xa2\xdc".to_vec())], 0..40)) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
            prop_assert_eq!(before_special(&bytes), first.unwrap_or(bytes.len()));
        }
    }

    #[test]
    fn most_objects_are_plain() {
        for (text, plain) in [
            ("{}", true),
            (r#"{"patient_id": "P-00123", "limit": 3}"#, true),
            (
                " {\n\t\"limit\" : -1.50E+3 ,\"patient_id\":\"\\\"é\\n\" } ",
                true,
            ),
            (r#"{"limit": null}"#, true),
            (r#"{"limit": 0e1, "patient_id": true}"#, true),
            (r#"{"limit": false}"#, true),
            (r#"{"limit": [3]}"#, false),
            (r#"{"limit": "\u0033"}"#, false),
            (r#"{"limit": 3, "limit": 3}"#, false),
            (r#"{"limits": 3}"#, false),
            (r#"{"limit": 03}"#, false),
            (r#"{"limit": 3,}"#, false),
            (r#"{"limit": 3"#, false),
        ] {
            assert_eq!(
                super::cut(text, PARAMS, &mut [None; 2]).is_some(),
                plain,
                "{text}"
            );
        }
    }
}
