//! Integers written as floats, which JSON Schema admits as integers and models do write: `5.0`,
//! `1e2`, `-0`.

use super::decimal::{Decimal, respell};

/// JSON text with every such number written as an integer; `None` if there is none. Strings are
/// left alone.
///
/// Input:  `{"limit": 5.0, "note": "5.0", "ratio": 0.5}`
/// Output: `{"limit": 5, "note": "5.0", "ratio": 0.5}`
pub(crate) fn write_out(json: &str) -> Option<String> {
    respell(json, |number| Decimal::read(number).integer())
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
            (
                r#"{"a": 5.0, "5.0": "1.0 \" 2.0", "b": {"c": 1E1}}"#,
                r#"{"a": 5, "5.0": "1.0 \" 2.0", "b": {"c": 10}}"#,
            ),
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
