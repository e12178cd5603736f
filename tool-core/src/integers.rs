//! Integers written as floats, which JSON Schema admits as integers and models do write: `5.0`, `1e2`, `-0`.

/// JSON text with every such number written as an integer; `None` if there is none. Strings are left alone.
///
/// Input:  `{"limit": 5.0, "note": "5.0", "ratio": 0.5}`
/// Output: `{"limit": 5, "note": "5.0", "ratio": 0.5}`
pub(crate) fn write_out(json: &str) -> Option<String> {
    let mut text = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => at += string_length(&json[at..]),
            b'-' | b'0'..=b'9' => {
                let length = json[at..].find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(json.len() - at);
                if let Some(integer) = integer(&json[at..at + length]) {
                    text.push_str(&json[copied..at]);
                    text.push_str(&integer.to_string());
                    copied = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    (copied > 0).then(|| text + &json[copied..])
}

/// The length of the string literal at the start, quotes included.
fn string_length(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

/// What a number means as an integer, if it is not written as one.
fn integer(number: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // beyond, a float is no certain integer
    if number.parse::<i64>().is_ok_and(|integer| integer != 0 || !number.starts_with('-')) {
        return None;
    }
    let float: f64 = number.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the range in which floats are exact")]
    let integer = float as i64;
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integral_floats_become_integers_and_nothing_else_changes() {
        for (written, meant) in [
            ("5.0", "5"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e2", "100"),
            ("[1.0,2,3.50,-4.0]", "[1,2,3.50,-4]"),
            (r#"{"a": 5.0, "5.0": "1.0 \" 2.0", "b": {"c": 1E1}}"#, r#"{"a": 5, "5.0": "1.0 \" 2.0", "b": {"c": 10}}"#),
        ] {
            assert_eq!(write_out(written).as_deref(), Some(meant), "{written}");
        }
        for same in ["5", "0", "-7", "0.5", "1e400", "1e-2", "1e300", "18446744073709551615", r#""5.0""#, r#""\\""#, "null", "{}"] {
            assert_eq!(write_out(same), None, "{same}");
        }
    }
}
