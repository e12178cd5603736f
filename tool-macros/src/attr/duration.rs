//! Lengths of time, which carry their unit.

use std::time::Duration;

use syn::LitStr;

/// A whole number and its unit. `example` is shown in the error.
pub(super) fn duration(text: &LitStr, example: &str) -> syn::Result<Duration> {
    let invalid = || {
        let message = format!(
            "a time is a whole number and a unit of `ms`, `s`, `m` or `h`; write `{example}`"
        );
        syn::Error::new(text.span(), message)
    };
    let written = text.value();
    let unit = written.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = written[..written.len() - unit.len()]
        .parse()
        .map_err(|_| invalid())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    #[test]
    fn a_time_carries_its_unit() {
        let parse = |text: &str| duration(&LitStr::new(text, Span::call_site()), "").ok();
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for wrong in [
            "",
            "5",
            "s",
            "5 s",
            "5sec",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
