//! JSON as services write it: one bad character does not lose an answer.
//!
//! Half a surrogate pair and bytes that are not UTF-8 become U+FFFD, `NaN` and infinities `null`.
//! Arguments with such a character are not those that the model wrote: they are made invalid JSON,
//! so that the call is refused, and the model reads why.

use serde::de::Error as _;
use tool_core::serde_json::{Error, Value, from_str};

/// The most values that are read of one text: each takes far more memory than text.
const MOST_VALUES: usize = 1 << 20;

/// Refuses a text of too many values before any of them is made.
fn check_count(text: &[u8]) -> Result<(), Error> {
    if text.len() <= MOST_VALUES {
        return Ok(()); // each has a byte of its own
    }
    let (mut values, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            // Each value is behind one of these; an empty list counts twice.
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    match values {
        0..MOST_VALUES => Ok(()),
        _ => Err(Error::custom(format!(
            "it has more than {MOST_VALUES} values"
        ))),
    }
}

/// Reads a text. `is_lossy` is whether bytes of it, or before it, were not UTF-8.
///
/// # Errors
/// It is not JSON, whatever its characters are; or such a character is in the input of a custom
/// tool, which has no form that would be refused; or it has more than [`MOST_VALUES`] in it.
pub(crate) fn read(text: &str, is_lossy: bool) -> Result<Value, Error> {
    check_count(text.as_bytes())?;
    let (mut value, error) = match from_str(text) {
        Ok(value) if !is_lossy => return Ok(value),
        Ok(value) => (value, Error::custom("it has bytes that are not UTF-8")),
        Err(error) => match repair(text).map(|repaired| from_str(&repaired)) {
            Some(Ok(value)) => (value, error),
            _ => return Err(error),
        },
    };
    if has_bad_input(&value) {
        return Err(error);
    }
    let is_piece = value["type"] == "response.function_call_arguments.delta";
    spoil(&mut value, if is_piece { "delta" } else { "arguments" });
    Ok(value)
}

/// Whether a text was not meant as JSON: a ping, say. What begins like JSON may be a part of an
/// answer, and skipping it could lose data.
pub(crate) fn is_other_text(text: &str) -> bool {
    !text.starts_with(['{', '[', '"'])
}

/// The objects in a text of several lines, if each line is one: events that were run together.
pub(crate) fn lines(text: &str, is_lossy: bool) -> Option<Vec<Value>> {
    check_count(text.as_bytes()).ok()?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && *line != "[DONE]");
    let mut objects = Vec::new();
    for line in lines {
        objects.push(read(line, is_lossy).ok().filter(Value::is_object)?);
    }
    Some(objects)
}

/// As [`read`], of bytes.
///
/// # Errors
/// As [`read`].
#[cfg(feature = "http")]
pub(crate) fn read_bytes(bytes: &[u8]) -> Result<Value, Error> {
    check_count(bytes)?;
    match tool_core::serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            let is_lossy = matches!(text, std::borrow::Cow::Owned(_));
            read(&text, is_lossy)
        }
    }
}

/// The placeholder for `NaN` or an infinity until the text is parsed.
const NO_NUMBER: &str = "\"\u{fffd}NaN\u{fffd}\"";

/// The text with invalid characters repaired. `None` if there are none.
fn repair(text: &str) -> Option<String> {
    const NO_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut repaired = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    let mut in_string = false;
    while let Some(at) = rest.find(['"', '\\', '-', 'I', 'N']) {
        repaired.push_str(&rest[..at]);
        rest = &rest[at..];
        let number = NO_NUMBERS.iter().find(|number| rest.starts_with(**number));
        if rest.starts_with('"') {
            in_string = !in_string;
        } else if in_string && rest.starts_with('\\') {
            let (escape, is_half) = escape(rest);
            match is_half {
                true => repaired.push('\u{fffd}'),
                false => repaired.push_str(escape),
            }
            changed |= is_half;
            rest = &rest[escape.len()..];
            continue;
        } else if let (false, Some(number)) = (in_string, number) {
            repaired.push_str(NO_NUMBER);
            changed = true;
            rest = &rest[number.len()..];
            continue;
        }
        repaired.push_str(&rest[..1]); // all of these take one byte
        rest = &rest[1..];
    }
    repaired.push_str(rest);
    changed.then_some(repaired)
}

/// The escape that a text begins with, a pair of surrogates as one, and whether it is half of one.
fn escape(text: &str) -> (&str, bool) {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first_two = || {
        text.char_indices()
            .nth(2)
            .map_or(text, |(end, _)| &text[..end])
    };
    match unit(text) {
        Some(0xd800..=0xdbff) => match unit(&text[6..]) {
            Some(0xdc00..=0xdfff) => (&text[..12], false),
            _ => (&text[..6], true),
        },
        Some(0xdc00..=0xdfff) => (&text[..6], true),
        Some(_) => (&text[..6], false),
        None => (first_two(), false),
    }
}

/// Whether the input of a custom tool has U+FFFD in it.
fn has_bad_input(value: &Value) -> bool {
    let is_piece = value["type"]
        .as_str()
        .is_some_and(|kind| kind.contains("custom_tool_call_input"));
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| match value {
            // It may be an object, of which the text is the input.
            _ if name == "arguments" => false, // they can be refused
            value if name == "input" => value.to_string().contains('\u{fffd}'),
            Value::String(text) => is_piece && text.contains('\u{fffd}'),
            value => has_bad_input(value),
        }),
        Value::Array(items) => items.iter().any(has_bad_input),
        _ => false,
    }
}

/// Makes arguments with U+FFFD in them invalid JSON: what the model wrote there is not known.
/// Elsewhere what is not a number becomes `null`.
fn spoil(value: &mut Value, key: &str) {
    // Not JSON, whatever is before it.
    const HALVES: &str = "\\ud800\\ud800";
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == key => {
                        *text = text.replace('\u{fffd}', HALVES);
                    }
                    value if name == key && value.to_string().contains('\u{fffd}') => {
                        *value = HALVES.into();
                    }
                    value => spoil(value, key),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, key)),
        Value::String(text) if NO_NUMBER.trim_matches('"') == text => *value = Value::Null,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tool_core::serde_json::json;

    #[test]
    fn an_invalid_character_affects_nothing_else() {
        for (text, expected) in [
            (
                r#"{"a": "Hi \ud83c", "b": 1}"#,
                json!({"a": "Hi \u{fffd}", "b": 1}),
            ),
            (r#"{"a": "\udf89!"}"#, json!({"a": "\u{fffd}!"})),
            (r#"["\ud83c\ud83c\udf89"]"#, json!(["\u{fffd}\u{1f389}"])),
            (r#"["\\ud83c", "\ud83cx", "\u12"]"#, json!(null)),
            (
                r#"[NaN, -Infinity, Infinity, {"a": NaN}]"#,
                json!([null, null, null, {"a": null}]),
            ),
            (
                r#"["NaN", NaN, "-Infinity\"NaN"]"#,
                json!(["NaN", null, "-Infinity\"NaN"]),
            ),
            (r#"[NaN, "é\ud800€"]"#, json!([null, "é\u{fffd}€"])),
        ] {
            assert_eq!(
                read(text, false).ok().unwrap_or_default(),
                expected,
                "{text}"
            );
        }
        assert!(read("[nan]", false).is_err() && read("{", false).is_err());
    }

    #[test]
    fn arguments_with_an_invalid_character_are_not_json() {
        let arguments = |value: &Value| value["arguments"].as_str().unwrap().to_owned();
        for (text, is_lossy) in [
            (r#"{"arguments": "{\"a\":\"\ud83c\"}"}"#, false),
            ("{\"arguments\": \"{\\\"a\\\":\\\"\u{fffd}\\\"}\"}", true),
        ] {
            let read = read(text, is_lossy).unwrap();
            assert_eq!(arguments(&read), r#"{"a":"\ud800\ud800"}"#);
            assert!(from_str::<Value>(&arguments(&read)).is_err());
        }
        // A model may write the character itself.
        let plain = read("{\"arguments\": \"\u{fffd}\"}", false).unwrap();
        assert_eq!(arguments(&plain), "\u{fffd}");
        let delta = r#"{"type": "response.function_call_arguments.delta", "delta": "\ud800"}"#;
        assert_eq!(read(delta, false).unwrap()["delta"], "\\ud800\\ud800");
        // Whatever is before it, and whatever form the arguments have.
        for text in [
            r#"{"arguments": "{\"a\":\"\\\ud83c\"}"}"#,
            r#"{"arguments": {"a": "\ud83c"}}"#,
            r#"{"arguments": {"a": [NaN]}}"#,
        ] {
            let read = read(text, false).unwrap();
            assert!(from_str::<Value>(&arguments(&read)).is_err(), "{text}");
        }
        for input in [
            r#""\ud83c""#,
            r#"["rm \ud83c"]"#,
            r#"{"cmd": "rm \ud83c"}"#,
            "[NaN]",
        ] {
            let text = format!(r#"{{"custom": {{"input": {input}}}}}"#);
            assert!(super::read(&text, false).is_err(), "{text}");
        }
        assert!(super::read("{\"custom\": {\"input\": \"\u{fffd}\"}}", true).is_err());
    }

    #[test]
    fn values_are_counted_before_they_are_made() {
        let list = |item: &str, count: usize| format!("[{}1]", item.repeat(count));
        for (text, expected) in [
            (list("[],", MOST_VALUES), false),
            (list("{},", MOST_VALUES / 2 - 8), true),
            (list("0,", MOST_VALUES + 1), false),
            (format!("[\"{}\"]", ",[\\\"{".repeat(MOST_VALUES)), true),
            (
                format!("{{{}\"\":1}}", "\"\":1,".repeat(MOST_VALUES)),
                false,
            ),
        ] {
            let made = read(&text, false);
            assert_eq!(made.is_ok(), expected, "{}", &text[..20]);
            if let Err(error) = made {
                assert_eq!(error.to_string(), "it has more than 1048576 values");
            }
        }
        assert!(lines(&"[]\n".repeat(MOST_VALUES + 1), false).is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_json_is_read_as_it_is(text in r#"([\[\]{}:,"]|\\u?|[0-9a-fA-F]{1,4}|NaN|-?Infinity|\\ud83c|\\udf89|é|x){0,30}"#) {
            let expected = from_str::<Value>(&text);
            let made = read(&text, false);
            if let Ok(expected) = expected {
                prop_assert_eq!(made.unwrap(), expected);
            }
        }

        #[test]
        fn a_string_with_halves_is_read(parts in prop::collection::vec(prop::sample::select(vec!["a", "é", "\\n", "\\ud83c", "\\udf89", "NaN", "\\\\", "\\\"", "\\u00e9"]), 0..12)) {
            let text = format!("[NaN,\"{}\"]", parts.concat());
            prop_assert!(read(&text, false).is_ok(), "{text}");
        }
    }
}
