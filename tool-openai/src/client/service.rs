//! Requests to one service over HTTP, and its answers as bytes.

use std::fmt;
use std::io;
use std::time::Duration;

use backon::Retryable;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::Serialize;
use tokio::time::timeout;

use super::refusal::Refusal;
use super::retry::{Failure, backoff};
use super::secrets::Secrets;
use crate::error::ModelError;

pub(super) const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// How long an answer may take, unless set: models that think before they write can take minutes.
const TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts after the first, unless set.
const RETRIES: usize = 2;

/// The most bytes of an answer that are read whole, of a stream, and of a refusal. A stream spends
/// some hundred bytes on each token, and is not kept.
const LARGEST_WHOLE: usize = 64 << 20;
const LARGEST_STREAM: usize = 512 << 20;
const LARGEST_REFUSAL: usize = 1 << 20;

/// Where a service is, and how it is asked.
#[derive(Clone)]
pub(crate) struct Service {
    http: Client,
    base: Url,
    headers: HeaderMap,
    timeout: Duration,
    retries: usize,
}

/// How an answer will be read: all of it within the timeout, or with the timeout between any two
/// parts.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    Whole,
    Stream,
}

impl Service {
    pub(crate) fn new(base_url: &str) -> Result<Self, ModelError> {
        let base = parse(base_url)?;
        Ok(Self {
            http: http(&base)?,
            base,
            headers: HeaderMap::new(),
            timeout: TIMEOUT,
            retries: RETRIES,
        })
    }

    pub(super) fn retries(&self) -> usize {
        self.retries
    }

    pub(super) fn secrets(&self) -> Secrets {
        Secrets::of(&self.base, &self.headers)
    }

    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    pub(crate) fn with_base_url(self, base_url: &str) -> Result<Self, ModelError> {
        let base = parse(base_url)?;
        Ok(Self {
            http: http(&base)?,
            base,
            ..self
        })
    }

    pub(crate) fn with_key(mut self, api_key: &str) -> Result<Self, ModelError> {
        let mut value = HeaderValue::try_from(format!("Bearer {api_key}")).map_err(|_| {
            ModelError::Configuration(
                "the API key contains a character that no key has; copy it anew".to_owned(),
            )
        })?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(self)
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Result<Self, ModelError> {
        let invalid = |what| {
            ModelError::Configuration(format!(
                "the header `{name}` has a {what} that cannot be sent"
            ))
        };
        let header = HeaderName::try_from(name).map_err(|_| invalid("name"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid("value"))?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(self)
    }

    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) fn with_retries(self, retries: usize) -> Self {
        Self { retries, ..self }
    }

    /// Sends `body` to `path`, a path below the base URL, until a success comes back: nothing is
    /// sent again from then on. `model` is for the words of a refusal.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
        pace: Pace,
        model: &str,
    ) -> Result<Answer, ModelError> {
        let url = below(&self.base, path);
        let attempt = || async {
            let post = self
                .http
                .post(url.clone())
                .headers(self.headers.clone())
                .json(body);
            self.attempt(post, &url, pace, model).await
        };
        let answer = attempt
            .retry(backoff(self.retries))
            .when(Failure::is_worth_a_retry)
            .adjust(|failure, own| own.map(|own| failure.wait(own)))
            .await;
        answer.map_err(|failure| failure.error)
    }

    async fn attempt(
        &self,
        post: RequestBuilder,
        url: &Url,
        pace: Pace,
        model: &str,
    ) -> Result<Answer, Failure> {
        let (post, left) = match pace {
            Pace::Whole => (post.timeout(self.timeout), LARGEST_WHOLE),
            Pace::Stream => (post, LARGEST_STREAM),
        };
        // A request that timed out may have been answered, and paid for: it is not sent again.
        let response = match timeout(self.timeout, post.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let retry = error.is_connect() || error.is_request() && !error.is_timeout();
                return Err(Failure::unanswered(
                    transport(url, error.without_url()),
                    retry,
                ));
            }
            Err(_) => return Err(Failure::unanswered(silence(url, self.timeout), false)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Answer {
            response,
            url: url.clone(),
            timeout: self.timeout,
            left,
            limit: left,
        };
        if status.is_success() {
            return Ok(answer);
        }
        let mut refusal = Refusal::read(&answer.beginning(LARGEST_REFUSAL).await);
        if let Some(elsewhere) = elsewhere(status, &headers, url) {
            refusal.message = format!(
                "it is at {elsewhere}, to which nothing is sent unasked; set the base URL to where it is"
            );
        }
        let (code, wait) = (refusal.code.clone(), refusal.wait);
        Err(Failure::refused(
            status,
            &headers,
            code.as_deref(),
            wait,
            refusal.into_error(status, model),
        ))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("base", &self.secrets().redact(&shown(&self.base)))
            .finish_non_exhaustive()
    }
}

/// The body of an answer, of bounded size and with no silence in it longer than the timeout.
pub(crate) struct Answer {
    response: Response,
    url: Url,
    timeout: Duration,
    left: usize,
    limit: usize,
}

impl Answer {
    /// The next part; none at the end.
    pub(crate) async fn part(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, ModelError> {
        let part = match timeout(self.timeout, self.response.chunk()).await {
            Ok(part) => part.map_err(|error| transport(&self.url, error.without_url()))?,
            Err(_) => return Err(silence(&self.url, self.timeout)),
        };
        let length = part.as_ref().map_or(0, |part| part.len());
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| too_large(self.limit))?;
        Ok(part)
    }

    /// All that is left, after what was read before.
    pub(crate) async fn rest(mut self, mut body: Vec<u8>) -> Result<Vec<u8>, ModelError> {
        self.limit = self.limit.min(LARGEST_WHOLE);
        self.left = self.left.min(self.limit.saturating_sub(body.len()));
        while let Some(part) = self.part().await? {
            body.extend_from_slice(part.as_ref());
        }
        Ok(body)
    }

    /// As much as can be had of the first `most` bytes.
    async fn beginning(&mut self, most: usize) -> Vec<u8> {
        let mut body = Vec::new();
        while let Ok(Some(part)) = self.part().await {
            let part = part.as_ref();
            body.extend_from_slice(&part[..part.len().min(most - body.len())]);
            if body.len() == most {
                break;
            }
        }
        body
    }
}

fn too_large(limit: usize) -> ModelError {
    ModelError::InvalidResponse {
        reason: format!("more than {limit} bytes"),
        body: String::new(),
    }
}

fn transport(url: &Url, error: impl std::error::Error + Send + Sync + 'static) -> ModelError {
    ModelError::Transport {
        url: shown(url),
        source: error.into(),
    }
}

fn silence(url: &Url, timeout: Duration) -> ModelError {
    transport(
        url,
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("nothing came for {timeout:?}"),
        ),
    )
}

fn http(base: &Url) -> Result<Client, ModelError> {
    // Elsewhere a redirect would carry the conversation, and headers of the program's own, to
    // whoever is there.
    let same_origin = redirect::Policy::custom(|attempt| {
        let here = attempt.previous().first().map(Url::origin);
        if here == Some(attempt.url().origin()) {
            redirect::Policy::default().redirect(attempt)
        } else {
            attempt.stop()
        }
    });
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("tool-openai/", env!("CARGO_PKG_VERSION")))
        .redirect(same_origin);
    let client = if is_loopback(base) {
        client.no_proxy()
    } else {
        client
    };
    client.build().map_err(|error| {
        ModelError::Configuration(format!(
            "the HTTP client cannot be set up: {}",
            chain(&error)
        ))
    })
}

fn parse(base_url: &str) -> Result<Url, ModelError> {
    // What it is stays untold: it may carry a password, or be a key that was set in its place.
    let invalid = |why: String| {
        ModelError::Configuration(format!(
            "the base URL {why}; write `{OPENAI_BASE_URL}`, for example"
        ))
    };
    let url = Url::parse(base_url).map_err(|error| invalid(format!("cannot be read ({error})")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(invalid(format!("has the scheme `{other}`"))),
    }
}

/// The URL of `path` below `base`, whose query it keeps.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// Where a redirect leads that was not followed.
fn elsewhere(status: StatusCode, headers: &HeaderMap, url: &Url) -> Option<String> {
    let location = headers.get(LOCATION).filter(|_| status.is_redirection())?;
    url.join(location.to_str().ok()?)
        .ok()
        .map(|elsewhere| shown(&elsewhere))
}

/// A URL may carry a password, and its query a key.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// No proxy stands between a machine and itself, whatever `HTTP_PROXY` says.
fn is_loopback(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
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
    fn an_endpoint_is_below_the_base_url_and_keeps_its_query() {
        for (base, expected) in [
            (
                "http://localhost:1/v1",
                "http://localhost:1/v1/chat/completions",
            ),
            (
                "http://localhost:1/v1/",
                "http://localhost:1/v1/chat/completions",
            ),
            ("http://localhost:1", "http://localhost:1/chat/completions"),
            (
                "https://h/deployments/d?api-version=1",
                "https://h/deployments/d/chat/completions?api-version=1",
            ),
        ] {
            assert_eq!(
                below(&parse(base).unwrap(), "chat/completions").as_str(),
                expected
            );
        }
        for wrong in ["", "localhost:1/v1", "ftp://host/v1"] {
            assert!(
                matches!(parse(wrong), Err(ModelError::Configuration(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let service = Service::new("http://user:hunter2@127.0.0.1:1/v1?key=hunter3").unwrap();
        assert_eq!(shown(&service.base), "http://127.0.0.1:1/v1");
        assert!(!format!("{service:?}").contains("hunter"));
        for wrong in [
            "htp://user:hunter2@127.0.0.1:1/v1?key=hunter3",
            "http://user:hunter2@127.0.0.1:port/v1",
            "sk-hunter4",
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("the base URL ") && !error.contains("hunter"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_no_header_can_hold_is_named() {
        let service = || Service::new(OPENAI_BASE_URL).unwrap();
        assert!(service().with_key("sk\nsecret").is_err());
        let error = service()
            .with_header("x-title", "a\nsecret")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the header `x-title` has a value that cannot be sent"
        );
        assert!(service().with_header("x title", "a").is_err());
    }
}
