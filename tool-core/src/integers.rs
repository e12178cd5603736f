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
                    text.push_str(&integer);
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

/// What a number means as an integer, if it is one and not written as one: its digits, exactly.
fn integer(number: &str) -> Option<String> {
    const LONGEST: usize = 39; // digits of the largest `u128`
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shift: i64 = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let written = format!("{whole}{fraction}");
    let significant = written.trim_matches('0');
    let zeros = i64::try_from(written.len() - written.trim_end_matches('0').len()).ok()?.checked_add(shift)?;
    let digits = match usize::try_from(zeros) {
        _ if significant.is_empty() => "0".to_owned(),
        Ok(zeros) if zeros <= LONGEST && significant.len() + zeros <= LONGEST => format!("{sign}{significant}{}", "0".repeat(zeros)),
        _ => return None, // with a fraction, or too long
    };
    (digits != number).then_some(digits)
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
            ("1200e-2", "12"),
            ("-1.50e1", "-15"),
            ("1.8446744073709551615e19", "18446744073709551615"),
            ("1e38", "100000000000000000000000000000000000000"),
            ("[1.0,2,3.50,-4.0]", "[1,2,3.50,-4]"),
            (r#"{"a": 5.0, "5.0": "1.0 \" 2.0", "b": {"c": 1E1}}"#, r#"{"a": 5, "5.0": "1.0 \" 2.0", "b": {"c": 10}}"#),
        ] {
            assert_eq!(write_out(written).as_deref(), Some(meant), "{written}");
        }
        for same in [
            "5",
            "0",
            "-7",
            "100",
            "0.5",
            "1e400",
            "1e-2",
            "15e-1",
            "1e300",
            "1e99999999999999999999",
            "18446744073709551615",
            r#""5.0""#,
            r#""\\""#,
            "null",
            "{}",
        ] {
            assert_eq!(write_out(same), None, "{same}");
        }
    }
}
