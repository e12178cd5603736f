//! Chat completions over HTTP.

use std::env;
use std::fmt;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use tool_core::serde_json::{self, Value};

use crate::chat::{Completion, Request};
use crate::error::ModelError;
use crate::model::{ChatModel, ModelFuture};

const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// How long one attempt may take, unless set: models that think before they write can take minutes.
const TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts after the first, unless set.
const RETRIES: usize = 2;
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A service that speaks chat completions over HTTP: OpenAI, or whatever is at the base URL.
///
/// Requests that could not be made, or were answered 408, 409, 429 or 5xx, are tried again: twice unless set, after 0.5 s and
/// up, or as the service's `Retry-After` says in seconds. They are not when it asks for more than a minute, or the quota is spent.
#[derive(Clone)]
pub struct OpenAi {
    http: Client,
    endpoint: Url,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    retries: usize,
}

impl OpenAi {
    /// The service at `OPENAI_BASE_URL` (OpenAI, unless set), with the key in `OPENAI_API_KEY`. A service of your own may
    /// need no key.
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if there is no key for OpenAI itself, or either variable is not what it should be.
    pub fn from_env() -> Result<Self, ModelError> {
        let set = |name| env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        match (set("OPENAI_API_KEY"), set("OPENAI_BASE_URL")) {
            (None, None) => Err(ModelError::Configuration(
                "`OPENAI_API_KEY` is not set; export a key, or set `OPENAI_BASE_URL` to a service that needs none".to_owned(),
            )),
            (key, base_url) => {
                let client = Self::with_key(key.as_deref())?;
                base_url.map_or(Ok(client.clone()), |base_url| client.with_base_url(&base_url))
            }
        }
    }

    /// OpenAI, with this key.
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if the key cannot be sent in a header.
    pub fn new(api_key: &str) -> Result<Self, ModelError> {
        Self::with_key(Some(api_key))
    }

    fn with_key(api_key: Option<&str>) -> Result<Self, ModelError> {
        let header = |key: &str| {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| ModelError::Configuration("the API key contains a character that no key has; copy it anew".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self {
            http: http(false)?,
            endpoint: endpoint(OPENAI_BASE_URL)?,
            authorization: api_key.map(header).transpose()?,
            timeout: TIMEOUT,
            retries: RETRIES,
        })
    }

    /// Sets where the service is: the URL that `/chat/completions` is added to, `http://localhost:11434/v1` for example.
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if it is no URL.
    pub fn with_base_url(self, base_url: &str) -> Result<Self, ModelError> {
        let endpoint = endpoint(base_url)?;
        Ok(Self { http: http(is_loopback(&endpoint))?, endpoint, ..self })
    }

    /// Sets how long one attempt may take; ten minutes unless set.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets how often a failed request is tried again; twice unless set.
    #[must_use]
    pub fn with_retries(self, retries: usize) -> Self {
        Self { retries, ..self }
    }

    async fn attempt(&self, request: &Request) -> Result<Completion, Failure> {
        let transport = |error: reqwest::Error| Failure {
            // A request that timed out may have been answered, and paid for: it is not sent again.
            retry: error.is_request() && !error.is_timeout(),
            retry_after: None,
            error: ModelError::Transport { url: shown(&self.endpoint), source: error.without_url().into() },
        };
        let mut post = self.http.post(self.endpoint.clone()).timeout(self.timeout).json(request);
        if let Some(authorization) = &self.authorization {
            post = post.header(AUTHORIZATION, authorization);
        }
        let response = post.send().await.map_err(transport)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = response.text().await.map_err(transport)?;
        if status.is_success() {
            return read(&body).map_err(|error| Failure { retry: false, retry_after: None, error });
        }
        let refusal = Refusal::read(&body);
        let spent = refusal.code.as_deref() == Some("insufficient_quota");
        let too_long = retry_after.is_some_and(|wait| wait > LONGEST_RETRY_AFTER);
        let retry = !spent && !too_long && (matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error());
        Err(Failure { retry, retry_after, error: refusal.into_error(status, &request.model) })
    }
}

impl ChatModel for OpenAi {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(8))
            .with_max_times(self.retries)
            .with_jitter();
        Box::pin(async move {
            let attempts = || self.attempt(request);
            let answer = attempts
                .retry(backoff)
                .when(|failure: &Failure| failure.retry)
                .adjust(|failure, delay| delay.map(|delay| failure.retry_after.unwrap_or(delay)))
                .await;
            answer.map_err(|failure| failure.error)
        })
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("endpoint", &shown(&self.endpoint)).finish_non_exhaustive()
    }
}

fn http(is_loopback: bool) -> Result<Client, ModelError> {
    let client = Client::builder().connect_timeout(CONNECT_TIMEOUT);
    let client = if is_loopback { client.no_proxy() } else { client };
    client.build().map_err(|error| ModelError::Configuration(format!("the HTTP client cannot be set up: {}", chain(&error))))
}

fn endpoint(base_url: &str) -> Result<Url, ModelError> {
    let invalid =
        |why: String| ModelError::Configuration(format!("the base URL `{base_url}` {why}; write `{OPENAI_BASE_URL}`, for example"));
    let url = Url::parse(&format!("{}/chat/completions", base_url.trim_end_matches('/')))
        .map_err(|error| invalid(format!("is none ({error})")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(invalid(format!("has the scheme `{other}`"))),
    }
}

/// A URL may carry a password.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// No proxy stands between a machine and itself, whatever `HTTP_PROXY` says.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// One attempt that gave no completion.
#[derive(Debug)]
struct Failure {
    retry: bool,
    retry_after: Option<Duration>,
    error: ModelError,
}

fn read(body: &str) -> Result<Completion, ModelError> {
    let not_a_completion = |reason: String| ModelError::NotACompletion { reason, body: excerpt(body) };
    let value: Value = serde_json::from_str(body).map_err(|error| not_a_completion(error.to_string()))?;
    if value.get("choices").is_none() && value.get("error").is_some_and(|error| !error.is_null()) {
        return Err(Refusal::read(body).into_error(StatusCode::OK, ""));
    }
    serde_json::from_value(value).map_err(|error| not_a_completion(error.to_string()))
}

/// What a service says when it refuses: `{"error": {"message", "code", …}}`, or as near as it gets.
struct Refusal {
    message: String,
    code: Option<String>,
}

impl Refusal {
    fn read(body: &str) -> Self {
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        let error = value.get("error").unwrap_or(&value);
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        let message = error.as_str().or_else(|| text("message")).or_else(|| text("detail")).map(str::to_owned);
        let code = match error.get("code") {
            Some(Value::String(code)) => Some(code.clone()),
            Some(Value::Number(code)) => Some(code.to_string()),
            _ => None,
        };
        Self { message: message.unwrap_or_else(|| excerpt(body)), code }
    }

    fn into_error(self, status: StatusCode, model: &str) -> ModelError {
        let Self { message, code } = self;
        match status.as_u16() {
            401 => ModelError::Unauthorized { message },
            // Without this code it is the path that does not exist.
            404 if code.as_deref() == Some("model_not_found") || message.contains(model) => {
                ModelError::UnknownModel { model: model.to_owned(), message }
            }
            404 => ModelError::Status { status: 404, code, message: format!("{message}; check `OPENAI_BASE_URL`") },
            status => ModelError::Status { status, code, message },
        }
    }
}

fn excerpt(body: &str) -> String {
    const LONGEST: usize = 300;
    match body.char_indices().nth(LONGEST) {
        _ if body.trim().is_empty() => "the body is empty".to_owned(),
        Some((end, _)) => format!("{}…", &body[..end]),
        None => body.to_owned(),
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_below_the_base_url() {
        for base in ["http://localhost:1/v1", "http://localhost:1/v1/"] {
            assert_eq!(endpoint(base).unwrap().as_str(), "http://localhost:1/v1/chat/completions");
        }
        for wrong in ["", "localhost:1/v1", "ftp://host/v1"] {
            assert!(matches!(endpoint(wrong), Err(ModelError::Configuration(_))), "{wrong}");
        }
    }

    #[test]
    fn refusals_are_read_in_every_dialect() {
        for (body, message, code) in [
            (r#"{"error":{"message":"no","code":"bad"}}"#, "no", Some("bad")),
            (r#"{"error":{"message":"no","code":401}}"#, "no", Some("401")),
            (r#"{"error":"no"}"#, "no", None),
            (r#"{"detail":"no"}"#, "no", None),
            ("<html>no</html>", "<html>no</html>", None),
            ("", "the body is empty", None),
        ] {
            let refusal = Refusal::read(body);
            assert_eq!((refusal.message.as_str(), refusal.code.as_deref()), (message, code), "{body}");
        }
    }

    #[test]
    fn a_success_that_is_no_completion_is_an_error() {
        assert!(matches!(read("<html>"), Err(ModelError::NotACompletion { .. })));
        assert!(matches!(read(r#"{"hello":1}"#), Err(ModelError::NotACompletion { reason, .. }) if reason.contains("choices")));
        assert!(matches!(read(r#"{"error":{"message":"overloaded"}}"#), Err(ModelError::Status { status: 200, .. })));
    }

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let client = OpenAi::new("key").unwrap().with_base_url("http://user:hunter2@127.0.0.1:1/v1").unwrap();
        assert_eq!(shown(&client.endpoint), "http://127.0.0.1:1/v1/chat/completions");
        assert!(!format!("{client:?}").contains("hunter2"));
    }

    #[test]
    fn the_key_is_not_shown() {
        let client = OpenAi::new("sk-secret").unwrap();
        assert!(!format!("{client:?}").contains("secret"));
        assert!(OpenAi::new("sk\nsecret").is_err());
    }
}
