//! Numbers as JSON writes them: compared exactly, and written in one canonical form.

use std::fmt;

/// A number as digits times a power of ten. Two are equal exactly if the numbers are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for 0.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number of JSON text. Exponents that no 64-bit integer can hold are all the same.
    pub(crate) fn read(number: &str) -> Self {
        let (negative, rest) = number
            .strip_prefix('-')
            .map_or((false, number), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let written = format!("{whole}{fraction}");
        let digits = written.trim_matches('0');
        if digits.is_empty() {
            return Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            };
        }
        let zeros = written.len() - written.trim_end_matches('0').len();
        let exponent = exponent.parse().unwrap_or(if exponent.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        });
        // The lengths of two strings in memory: both fit.
        let exponent = exponent
            .saturating_add(zeros as i64)
            .saturating_sub(fraction.len() as i64);
        Self {
            negative,
            digits: digits.to_owned(),
            exponent,
        }
    }

    /// Written out, if it is an integer and not too long for any type.
    pub(crate) fn integer(&self) -> Option<String> {
        const LONGEST: usize = 39; // digits of the largest `u128`
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        let zeros = usize::try_from(self.exponent)
            .ok()
            .filter(|zeros| self.digits.len().saturating_add(*zeros) <= LONGEST)?;
        Some(format!(
            "{}{}{}",
            self.sign(),
            self.digits,
            "0".repeat(zeros)
        ))
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }
}

/// The one spelling of the number: an integer, or else digits and an exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.integer() {
            Some(integer) => f.write_str(&integer),
            None => write!(f, "{}{}e{}", self.sign(), self.digits, self.exponent),
        }
    }
}

/// JSON text with the numbers spelled by `spell`, where that changes them; `None` if it changes
/// none.
pub(crate) fn respell(json: &str, spell: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => at += string_length(&json[at..]),
            b'-' | b'0'..=b'9' => {
                let length = json[at..]
                    .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
                    .unwrap_or(json.len() - at);
                let number = &json[at..at + length];
                if let Some(spelled) = spell(number).filter(|spelled| spelled != number) {
                    text.push_str(&json[copied..at]);
                    text.push_str(&spelled);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for (spellings, one) in [
            (&["5", "5.0", "5e0", "50E-1", "0.05e+2"][..], "5"),
            (&["-120", "-1.2e2", "-120.00"], "-120"),
            (
                &["0", "-0", "0.0", "-0.00e7", "0e99999999999999999999"],
                "0",
            ),
            (&["0.1", "1e-1", "0.10"], "1e-1"),
            (&["-2.50", "-25e-1"], "-25e-1"),
            (
                &["18446744073709551615", "1.8446744073709551615e19"],
                "18446744073709551615",
            ),
            (
                &["1e38", "10e37"],
                "100000000000000000000000000000000000000",
            ),
            (
                &["1e39", "1000000000000000000000000000000000000000"],
                "1e39",
            ),
            (&["1e-99999999999999999999"], "1e-9223372036854775808"),
            (&["1.5e99999999999999999999"], "15e9223372036854775806"),
        ] {
            for spelling in spellings {
                assert_eq!(Decimal::read(spelling).to_string(), one, "{spelling}");
            }
        }
    }
}
