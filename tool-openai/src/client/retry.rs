//! Which failures are tried again, and when.

use std::time::{Duration, SystemTime};

use backon::ExponentialBuilder;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

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
        code: Option<&str>,
        wait_in_body: Option<Duration>,
        error: ModelError,
    ) -> Self {
        let wait = wait(headers, SystemTime::now()).or(wait_in_body);
        let hopeless =
            code == Some("insufficient_quota") || wait.is_some_and(|wait| wait > LONGEST_WAIT);
        let retry = match headers.get("x-should-retry").map(|value| value.as_bytes()) {
            Some(b"true") => true,
            Some(b"false") => false,
            _ => matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error(),
        };
        Self {
            error,
            retry: retry && !hopeless,
            wait,
        }
    }

    pub(super) fn is_worth_a_retry(&self) -> bool {
        self.retry
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

/// Whether an answer that came with a success is a failure that may pass.
pub(super) fn may_pass(error: &ModelError) -> bool {
    const WORDS: [&str; 8] = [
        "internal",
        "overload",
        "rate limit",
        "rate-limit",
        "rate_limit",
        "server_error",
        "timeout",
        "unavailable",
    ];
    let (code, message) = match error {
        ModelError::StreamError { code, message, .. }
        | ModelError::Status {
            status: 200,
            code,
            message,
        } => (code.as_deref().unwrap_or_default(), message),
        _ => return false,
    };
    match code.parse::<u16>() {
        Ok(status) => matches!(status, 408 | 409 | 429 | 500..=599),
        Err(_) if code == "insufficient_quota" => false,
        Err(_) => {
            let said = if code.is_empty() { message } else { code };
            let said = said.to_ascii_lowercase();
            WORDS.iter().any(|word| said.contains(word))
        }
    }
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
    fn what_may_pass_is_known_by_its_code_or_its_words() {
        let error = |code: Option<&str>, message: &str| ModelError::StreamError {
            code: code.map(str::to_owned),
            message: message.to_owned(),
            failed_generation: None,
        };
        for passing in [
            error(Some("429"), "no"),
            error(Some("502"), "no"),
            error(Some("overloaded_error"), "no"),
            error(Some("server_error"), "no"),
            error(None, "Rate limit reached"),
        ] {
            assert!(may_pass(&passing), "{passing:?}");
        }
        for lasting in [
            error(Some("400"), "overloaded"),
            error(Some("insufficient_quota"), "rate limit"),
            error(Some("tool_use_failed"), "no"),
            error(None, "no"),
        ] {
            assert!(!may_pass(&lasting), "{lasting:?}");
        }
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
    fn the_wait_is_read_in_every_form_a_service_writes_it() {
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
    fn a_service_may_say_itself_whether_to_try_again() {
        let failure = |status: u16, should: &'static str| {
            let headers = HeaderMap::from_iter([(
                "x-should-retry".parse().unwrap(),
                HeaderValue::from_static(should),
            )]);
            let error = ModelError::Configuration(String::new());
            Failure::refused(
                StatusCode::from_u16(status).unwrap(),
                &headers,
                None,
                None,
                error,
            )
            .is_worth_a_retry()
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
