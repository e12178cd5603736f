//! Requests to one service over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use tokio::time::Instant;

use super::answer::{Answer, LARGEST_WHOLE, Limits, transport};
use super::gate::Gate;
use super::key::{KeySource, bearer};
use super::refused::Request;
use super::retry::Failure;
use super::secrets::Secrets;
use super::url::{below, is_loopback, parse, shown};
use crate::error::{ModelError, chain};

/// How long an answer may take, unless set: models that think before they write can take minutes.
const TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts after the first, unless set.
const RETRIES: usize = 2;

/// The most bytes of a stream, which spends some hundred bytes on each token, and is not kept.
const LARGEST_STREAM: usize = 512 << 20;

const SPEAKS_HTTPS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// Where a service is, and how it is asked.
#[derive(Clone)]
pub(crate) struct Service {
    http: Client,
    /// Whether the program made the client.
    is_own_client: bool,
    base: Url,
    headers: HeaderMap,
    timeout: Duration,
    total_timeout: Option<Duration>,
    retries: usize,
    key_source: Option<KeySource>,
    gate: Arc<Gate>,
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
            is_own_client: false,
            base,
            headers: HeaderMap::new(),
            timeout: TIMEOUT,
            total_timeout: None,
            retries: RETRIES,
            key_source: None,
            gate: Arc::default(),
        })
    }

    pub(super) fn retries(&self) -> usize {
        self.retries
    }

    pub(super) fn secrets(&self) -> Secrets {
        // User and password of the URL become a header.
        let latest = self.key_source.as_ref().map(KeySource::latest);
        let post = self.http.post(self.base.clone());
        let post = post
            .headers(self.headers.clone())
            .headers(latest.unwrap_or_default());
        match post.build() {
            Ok(request) => Secrets::of(&self.base, request.headers()),
            Err(_) => Secrets::of(&self.base, &self.headers),
        }
    }

    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    pub(crate) fn with_base_url(self, base_url: &str) -> Result<Self, ModelError> {
        let base = parse(base_url)?;
        let http = match self.is_own_client {
            true => self.http,
            false => http(&base)?,
        };
        Ok(Self {
            http,
            base,
            gate: Arc::default(),
            ..self
        })
    }

    pub(crate) fn with_http_client(self, http: Client) -> Self {
        Self {
            http,
            is_own_client: true,
            ..self
        }
    }

    pub(crate) fn with_key_source(self, source: KeySource) -> Self {
        Self {
            key_source: Some(source),
            gate: Arc::default(),
            ..self
        }
    }

    pub(crate) fn with_key(mut self, api_key: &str) -> Result<Self, ModelError> {
        self.headers.insert(AUTHORIZATION, bearer(api_key)?);
        self.gate = Arc::default(); // another account has other limits
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
        self.gate = Arc::default();
        Ok(self)
    }

    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) fn with_total_timeout(self, timeout: Duration) -> Self {
        Self {
            total_timeout: Some(timeout),
            ..self
        }
    }

    pub(crate) fn with_retries(self, retries: usize) -> Self {
        Self { retries, ..self }
    }

    /// Sends a request once.
    pub(super) async fn post<R: Request>(
        &self,
        request: &R,
        pace: Pace,
    ) -> Result<Answer, Failure> {
        let url = below(&self.base, R::PATH);
        if url.scheme() == "https" && !SPEAKS_HTTPS && !self.is_own_client {
            return Err(Failure::unanswered(no_https(), false));
        }
        // Without retries the caller does not want to wait.
        if self.retries > 0 {
            self.gate.wait().await;
        }
        let key = match &self.key_source {
            Some(source) => source.header(self.timeout).await,
            None => Ok(HeaderMap::new()),
        };
        let key = key.map_err(|error| Failure::unanswered(error, false))?;
        let post = self
            .http
            .post(url.clone())
            .header(ACCEPT_ENCODING, "identity")
            .headers(self.headers.clone())
            .headers(key)
            .json(request);
        let (limit, total) = match pace {
            Pace::Whole => {
                let total = self.total_timeout.unwrap_or(self.timeout);
                (LARGEST_WHOLE, Some(total.min(self.timeout)))
            }
            Pace::Stream => (LARGEST_STREAM, self.total_timeout),
        };
        let limits = Limits {
            silence: self.timeout,
            total,
            since: Instant::now(),
            bytes: limit,
        };
        // A request that timed out may have been answered, and paid for: it is not sent again. One
        // whose connection was closed without an answer is: services close those that were idle.
        let response = match limits.wait(limits.since, post.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let retry = error.is_connect() || error.is_request() && !error.is_timeout();
                return Err(Failure::unanswered(
                    transport(&url, error.without_url()),
                    retry,
                ));
            }
            Err(late) => return Err(Failure::unanswered(transport(&url, late), false)),
        };
        let mut answer = Answer::new(response, url, limits);
        answer.redact(&self.secrets());
        let encoding = answer.encoding();
        if answer.status().is_success() {
            return match encoding {
                None => Ok(answer),
                Some(encoding) => Err(Failure::unanswered(answer.name(encoded(&encoding)), false)),
            };
        }
        let failure = answer.refuse(encoding, request.model()).await;
        if let Some(wait) = failure.wait_of_service() {
            self.gate.close_for(wait);
        }
        Err(failure)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("base", &self.secrets().redact(&shown(&self.base)))
            .finish_non_exhaustive()
    }
}

fn encoded(encoding: &str) -> ModelError {
    ModelError::invalid_response(format!(
        "it is compressed (`{encoding}`), which was not asked for; have the service, or the proxy before it, send plain bytes"
    ))
}

fn no_https() -> ModelError {
    ModelError::Configuration(
        "`tool-openai` is built without HTTPS; enable its feature `rustls` or `native-tls`"
            .to_owned(),
    )
}

fn http(base: &Url) -> Result<Client, ModelError> {
    // Elsewhere a redirect would carry the conversation, and headers of the program's own, to
    // anyone who is there; and only these two statuses keep a request that posts one.
    let same_origin = redirect::Policy::custom(|attempt| {
        let here = attempt.previous().first().map(Url::origin);
        let still_posts = matches!(attempt.status().as_u16(), 307 | 308);
        if still_posts && here == Some(attempt.url().origin()) {
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

#[cfg(test)]
mod tests {
    use super::super::url::OPENAI_BASE_URL;
    use super::*;

    #[test]
    fn a_service_is_shown_without_its_secrets() {
        let service = Service::new("http://user:hunter2@127.0.0.1:1/v1?key=hunter3").unwrap();
        assert!(!format!("{service:?}").contains("hunter"));
    }

    #[test]
    fn a_value_invalid_in_a_header_is_reported() {
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
