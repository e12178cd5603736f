//! The error body of a refused request.

use std::time::Duration;

use reqwest::StatusCode;
use tool_core::serde_json::{Value, from_str};

use crate::error::{ModelError, excerpt};
use crate::json;
use crate::service_error::ServiceError;

/// The error body of a refused request: `{"error": {"message", "code", …}}`, or a variant of it.
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) code: Option<String>,
    /// How long to wait, where the body says so.
    pub(crate) wait: Option<Duration>,
}

impl Refusal {
    pub(crate) fn read(body: &[u8]) -> Self {
        let value = json::read_bytes(body).unwrap_or_default();
        match ServiceError::of(&value) {
            Some(ServiceError { code, message, .. }) => Self {
                wait: retry_delay(&value).or_else(|| wait_in(&message)),
                message,
                code,
            },
            None => Self::of_message(excerpt(body)),
        }
    }

    /// Without a code.
    pub(crate) fn of_message(message: String) -> Self {
        Self {
            message,
            code: None,
            wait: None,
        }
    }

    pub(crate) fn into_error(self, status: StatusCode, model: &str) -> ModelError {
        ModelError::refused(status.as_u16(), self.code, self.message, model)
    }
}

/// Gemini's `retryDelay`, or `retry_after` in seconds, at any position, also in JSON inside of a
/// string.
fn retry_delay(value: &Value) -> Option<Duration> {
    match value {
        Value::Object(members) => {
            let delays = ["retryDelay", "retry_after"].iter();
            let delay = delays
                .filter_map(|key| members.get(*key))
                .find_map(|delay| {
                    let text = delay.as_str().map(str::to_owned);
                    duration(&text.unwrap_or_else(|| delay.to_string()))
                });
            delay.or_else(|| members.values().find_map(retry_delay))
        }
        Value::Array(items) => items.iter().find_map(retry_delay),
        Value::String(text) if text.starts_with(['{', '[']) => {
            let inner: Value = from_str(text).ok()?;
            // A string inside of that string is not parsed.
            (!inner.is_string()).then(|| retry_delay(&inner)).flatten()
        }
        _ => None,
    }
}

/// The wait in a sentence: `Please try again in 1.5s.`
pub(super) fn wait_in(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let phrases = ["try again in ", "retry in ", "retry after ", "wait "];
    let after = |phrase: &str| Some(message.split_once(phrase)?.1);
    phrases.iter().find_map(|phrase| duration(after(phrase)?))
}

/// The numbers with units at the beginning of a text: `1h12m`, `20 seconds`, or a bare number of
/// seconds.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text.trim_start(), None);
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else {
            break;
        };
        let behind = behind.trim_start_matches(' ');
        let end = behind
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let seconds = match unit {
            "ms" | "millisecond" | "milliseconds" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "" if behind.is_empty() => 1.0,
            _ => return None,
        };
        total = Some(total.unwrap_or(0.0) + number * seconds);
        rest = behind;
    }
    Duration::try_from_secs_f64(total?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies_are_read_in_every_known_format() {
        for (body, message, code) in [
            (
                r#"{"error":{"message":"no","code":"bad"}}"#,
                "no",
                Some("bad"),
            ),
            (
                r#"{"error":{"message":"no","code":401}}"#,
                "no",
                Some("401"),
            ),
            (r#"{"error":"no"}"#, "no", None),
            (r#"{"detail":"no"}"#, "no", None),
            ("<html>no</html>", "<html>no</html>", None),
            ("", "the body is empty", None),
        ] {
            let refusal = Refusal::read(body.as_bytes());
            assert_eq!(
                (refusal.message.as_str(), refusal.code.as_deref()),
                (message, code),
                "{body}"
            );
        }
    }

    #[test]
    fn a_wait_is_read_from_the_body() {
        let gemini = r#"[{"error": {"code": 429, "message": "Quota.", "details": [{"@type": "x"}, {"retryDelay": "2s"}]}}]"#;
        for (body, milliseconds) in [
            (gemini, Some(2000)),
            (
                r#"{"error": {"message": "Please try again in 1.5s."}}"#,
                Some(1500),
            ),
            (
                r#"{"error": {"message": "Rate limit. Try again in 20ms. More."}}"#,
                Some(20),
            ),
            (
                r#"{"message": "Try again in 1 seconds.", "statusCode": 429}"#,
                Some(1000),
            ),
            (r#"{"error": "Retry after 2 minutes"}"#, Some(120_000)),
            (r#"{"error": "try again in 1h12m."}"#, Some(4_320_000)),
            (r#"{"error": "retry after 24 hours"}"#, Some(86_400_000)),
            (r#"{"error": "retry after 7"}"#, Some(7000)),
            (r#"{"error": "Please wait 2 seconds."}"#, Some(2000)),
            (r#"{"error": "Please wait."}"#, None),
            (
                r#"{"error": {"message": "no"}, "retry_after": 2}"#,
                Some(2000),
            ),
            (
                r#"{"error": {"message": "no", "metadata": {"raw": "{\"error\": {\"retryDelay\": \"3s\"}}"}}}"#,
                Some(3000),
            ),
            (r#"{"error": "retry after 2026-11-29"}"#, None),
            (r#"{"error": "try again in a while"}"#, None),
            ("<html>try again in 1s</html>", None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(Refusal::read(body.as_bytes()).wait, expected, "{body}");
        }
    }
}
