//! Retries: which failures are tried again, and when (rate limits, backoff).

use std::time::{Duration, SystemTime};

use backon::ExponentialBuilder;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::refusal::{Refusal, wait_in};
use crate::error::ModelError;

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// One attempt that gave no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ModelError,
    retry: bool,
    wait: Option<Duration>,
}

impl Failure {
    /// Nothing came back: tried again where the service cannot have begun to answer.
    pub(super) fn unanswered(error: ModelError, retry: bool) -> Self {
        Self {
            error,
            retry,
            wait: None,
        }
    }

    /// The service answered, and refused.
    pub(super) fn refused(
        status: StatusCode,
        headers: &HeaderMap,
        refusal: Refusal,
        model: &str,
    ) -> Self {
        let wait = wait(headers, SystemTime::now()).or(refusal.wait);
        // A 400 may be about a parameter of that name.
        let words = match status.is_client_error() {
            true => &PASSING[..PLAIN],
            false => &PASSING,
        };
        let says_so = says_it_may_pass(refusal.code.as_deref(), &refusal.message, words);
        let retry = match headers.get("x-should-retry").map(|value| value.as_bytes()) {
            Some(b"true") => true,
            Some(b"false") => false,
            _ => says_so
                .unwrap_or(matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error()),
        };
        Self::passing(refusal.into_error(status, model), retry, wait)
    }

    /// The status is a success, but the body is not an answer.
    pub(super) fn of_answer(error: ModelError) -> Self {
        let (code, message) = match &error {
            ModelError::StreamError { code, message, .. }
            | ModelError::Status { code, message, .. } => (code, message),
            _ => return Self::unanswered(error, false),
        };
        let retry = says_it_may_pass(code.as_deref(), message, &PASSING) == Some(true);
        let wait = wait_in(message);
        Self::passing(error, retry, wait)
    }

    /// A transient failure, unless the wait is too long.
    fn passing(error: ModelError, retry: bool, wait: Option<Duration>) -> Self {
        Self {
            error,
            retry: retry && wait.is_none_or(|wait| wait <= LONGEST_WAIT),
            wait,
        }
    }

    pub(super) fn is_worth_a_retry(&self) -> bool {
        self.retry
    }

    /// How long the service asks its callers to wait, if the failure passes.
    pub(super) fn wait_of_service(&self) -> Option<Duration> {
        self.wait.filter(|_| self.retry)
    }

    /// The wait before the next attempt: what the service asked for, or else our own.
    pub(super) fn wait(&self, own: Duration) -> Duration {
        self.wait.unwrap_or(own)
    }
}

pub(super) fn backoff(retries: usize) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(8))
        .with_max_times(retries)
        .with_jitter()
}

/// Text of transient failures. The first entries mean nothing else.
const PASSING: [&str; 13] = [
    "overload",
    "rate limit",
    "rate-limit",
    "rate_limit",
    "resource_exhausted",
    "temporarily unavailable",
    "internal error",
    "internal server",
    "internal_error",
    "internal_server",
    "server_error",
    "timeout",
    "unavailable",
];
const PLAIN: usize = 6;

/// Whether a provider reports a failure as transient, whatever its status. `None` if it does not
/// say.
fn says_it_may_pass(code: Option<&str>, message: &str, words: &[&str]) -> Option<bool> {
    const LASTING: [&str; 2] = ["insufficient_quota", "billing"];
    let code = code.unwrap_or_default().to_ascii_lowercase();
    if LASTING.iter().any(|word| code.contains(word)) {
        return Some(false);
    }
    if let Ok(status) = code.parse::<u16>() {
        return matches!(status, 408 | 409 | 429 | 500..=599).then_some(true);
    }
    let wording = match code.as_str() {
        "" => message.to_ascii_lowercase(),
        _ => code,
    };
    // As the reason to finish.
    let is_plain_error = wording == "error";
    (is_plain_error || words.iter().any(|word| wording.contains(word))).then_some(true)
}

/// The wait a service asks for: `retry-after-ms`, or `Retry-After` in seconds or as a date.
fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |value: &'static str| headers.get(value)?.to_str().ok().map(str::trim);
    let seconds = |number: f64| Duration::try_from_secs_f64(number.max(0.0)).ok();
    if let Some(milliseconds) = text("retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        return seconds(milliseconds / 1000.0);
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // By the service's own clock, where it shows it.
    let now = text(DATE.as_str())
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or(now);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn transient_errors_are_recognised_by_code_or_text() {
        for (code, message) in [
            (Some("429"), "no"),
            (Some("502"), "no"),
            (Some("overloaded_error"), "no"),
            (Some("server_error"), "no"),
            (None, "Rate limit reached"),
        ] {
            assert_eq!(
                says_it_may_pass(code, message, &PASSING),
                Some(true),
                "{code:?}"
            );
        }
        assert_eq!(
            says_it_may_pass(Some("insufficient_quota"), "rate limit", &PASSING),
            Some(false)
        );
        for (code, message) in [
            (Some("400"), "overloaded"),
            (Some("tool_use_failed"), "timeout"),
            (None, "no"),
        ] {
            assert_eq!(says_it_may_pass(code, message, &PASSING), None, "{code:?}");
        }
    }

    #[test]
    fn transient_errors_are_retried_whatever_the_status() {
        let failure = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            Failure::refused(
                status,
                &HeaderMap::new(),
                Refusal::read(body.as_bytes()),
                "m",
            )
        };
        for (status, body, expected) in [
            (
                400,
                r#"{"error": {"code": "rate_limit_exceeded", "message": "no"}}"#,
                true,
            ),
            (403, r#"{"error": "The model is overloaded."}"#, true),
            (
                400,
                r#"{"error": {"code": "bad", "message": "no timeout"}}"#,
                false,
            ),
            (
                500,
                r#"{"error": {"code": "insufficient_quota", "message": "no"}}"#,
                false,
            ),
            (
                400,
                r#"{"error": "the request exceeds the capacity of the model"}"#,
                false,
            ),
            (
                422,
                r#"{"error": "the parameter timeout must be positive"}"#,
                false,
            ),
            (503, "", true),
            (
                429,
                r#"{"error": {"code": "other", "message": "no"}}"#,
                true,
            ),
            (
                429,
                r#"{"error": {"message": "try again in 2 hours"}}"#,
                false,
            ),
        ] {
            assert_eq!(
                failure(status, body).is_worth_a_retry(),
                expected,
                "{status} {body}"
            );
        }
        let error = ModelError::StreamError {
            code: Some("429".to_owned()),
            message: "try again in 3s".to_owned(),
            failed_generation: None,
            request_id: None,
        };
        let failure = Failure::of_answer(error);
        assert!(failure.is_worth_a_retry());
        assert_eq!(failure.wait(Duration::ZERO), Duration::from_secs(3));
    }

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        wait(
            &headers,
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        ) // Sun, 06 Nov 1994 08:49:37 GMT
    }

    #[test]
    fn the_retry_wait_is_read_in_every_known_format() {
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        for (headers, expected) in [
            (&[("retry-after", "7")][..], seconds(7.0)),
            (&[("retry-after", " 0.5 ")], seconds(0.5)),
            (&[("retry-after", "-1")], seconds(0.0)),
            (
                &[("retry-after", "7"), ("retry-after-ms", "250")],
                seconds(0.25),
            ),
            (
                &[("retry-after", "7"), ("retry-after-ms", "soon")],
                seconds(7.0),
            ),
            (
                &[("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT")],
                seconds(20.0),
            ),
            (
                &[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT")],
                seconds(0.0),
            ),
            (
                &[
                    ("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT"),
                    ("date", "Sun, 06 Nov 1994 08:49:52 GMT"),
                ],
                seconds(5.0),
            ),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "NaN")], seconds(0.0)),
            (&[("retry-after", "1e300")], None),
            (&[], None),
        ] {
            assert_eq!(asked(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_service_may_forbid_or_demand_a_retry() {
        let failure = |status: u16, should: &'static str| {
            let headers = HeaderMap::from_iter([(
                "x-should-retry".parse().unwrap(),
                HeaderValue::from_static(should),
            )]);
            let status = StatusCode::from_u16(status).unwrap();
            Failure::refused(status, &headers, Refusal::read(b""), "m").is_worth_a_retry()
        };
        assert_eq!(
            (
                failure(400, "true"),
                failure(503, "false"),
                failure(503, ""),
                failure(400, "")
            ),
            (true, false, true, false)
        );
    }
}
