//! Requests to one service over HTTP, and its answers as bytes.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::gate::Gate;
use super::key::{KeySource, bearer};
use super::refusal::Refusal;
use super::refused::Request;
use super::retry::Failure;
use super::secrets::Secrets;
use super::silence::Silence;
use crate::chat::Completion;
use crate::error::{ModelError, chain};
use crate::model::RequestRepair;

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

/// The most characters of an id that a service gives a request.
const LONGEST_REQUEST_ID: usize = 200;

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
        let id = answer.request_id.take();
        answer.request_id = id.map(|id| self.secrets().redact(&id));
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

/// How long an answer may take, and how large it may be.
#[derive(Clone, Copy)]
struct Limits {
    /// The idle timeout.
    silence: Duration,
    /// The total timeout.
    total: Option<Duration>,
    /// When it was asked for.
    since: Instant,
    bytes: usize,
}

impl Limits {
    /// Waits for more, of which something came last at that time.
    async fn wait<T>(
        &self,
        latest: Instant,
        more: impl Future<Output = T>,
    ) -> Result<T, io::Error> {
        // None is later than any clock shows.
        let silence = latest.checked_add(self.silence);
        let total = self.total.and_then(|total| self.since.checked_add(total));
        let Some(until) = silence.into_iter().chain(total).min() else {
            return Ok(more.await);
        };
        let late = || {
            let what = match self.total {
                Some(limit) if total == Some(until) => {
                    format!("the answer took longer than {limit:?} in all")
                }
                _ => format!("nothing came for {:?}", self.silence),
            };
            io::Error::new(io::ErrorKind::TimedOut, what)
        };
        // What is there already would be read first, however late it is.
        if total.is_some_and(|total| total <= Instant::now()) {
            return Err(late());
        }
        timeout_at(until, more)
            .await
            .map_err(|Elapsed { .. }| late())
    }
}

/// The body of an answer, of bounded size, with an idle timeout.
pub(crate) struct Answer {
    response: Response,
    url: Url,
    request_id: Option<String>,
    /// What was changed in the request before it was taken.
    repairs: Vec<RequestRepair>,
    limits: Limits,
    left: usize,
    silence: Silence,
    /// When something came last.
    latest: Instant,
}

impl Answer {
    fn new(response: Response, url: Url, limits: Limits) -> Self {
        Self {
            request_id: request_id(response.headers()),
            repairs: Vec::new(),
            response,
            url,
            left: limits.bytes,
            latest: Instant::now(),
            limits,
            silence: Silence::default(),
        }
    }

    fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// How the body is encoded, if it is: nothing but plain bytes was asked for.
    fn encoding(&self) -> Option<String> {
        let header = self.response.headers().get(CONTENT_ENCODING)?;
        let encoding = String::from_utf8_lossy(header.as_bytes()).trim().to_owned();
        (!matches!(encoding.as_str(), "" | "identity")).then_some(encoding)
    }

    /// The error with the id of the request.
    pub(crate) fn name(&self, error: ModelError) -> ModelError {
        error.with_request_id(self.request_id.as_deref())
    }

    /// The answer to a request that was changed before it was taken.
    pub(super) fn with_repairs(self, repairs: Vec<RequestRepair>) -> Self {
        Self { repairs, ..self }
    }

    /// Notes on the whole answer what is known of its request.
    pub(crate) fn note_on(&self, completion: &mut Completion) {
        completion.set_request_id(self.request_id.as_deref());
        completion.set_request_repairs(&self.repairs);
    }

    /// The next part; none at the end.
    pub(crate) async fn part(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, ModelError> {
        let part = self.limits.wait(self.latest, self.response.chunk()).await;
        let part = match part {
            Ok(part) => part.map_err(|error| transport(&self.url, error.without_url()))?,
            Err(late) => return Err(transport(&self.url, late)),
        };
        if let Some(part) = &part {
            if self.silence.is_broken_by(part) {
                self.latest = Instant::now();
            }
            self.left = self
                .left
                .checked_sub(part.len())
                .ok_or_else(|| too_large(self.limits.bytes))?;
        }
        Ok(part)
    }

    /// All that is left, after what was read before.
    pub(crate) async fn rest(&mut self, mut body: Vec<u8>) -> Result<Vec<u8>, ModelError> {
        self.limits.bytes = self.limits.bytes.min(LARGEST_WHOLE);
        self.left = self.left.min(self.limits.bytes.saturating_sub(body.len()));
        while let Some(part) = self.part().await? {
            body.extend_from_slice(part.as_ref());
        }
        Ok(body)
    }

    /// As much as arrives of the first `most` bytes, within the timeout for a whole answer.
    async fn beginning(&mut self, most: usize) -> Vec<u8> {
        let total = self.limits.total.unwrap_or(self.limits.silence);
        self.limits.total = Some(total.min(self.limits.silence));
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

    /// The error of a refused request.
    async fn refuse(mut self, encoding: Option<String>, model: &str) -> Failure {
        let (status, headers) = (self.status(), self.response.headers().clone());
        let mut refusal = match encoding {
            None => Refusal::read(&self.beginning(LARGEST_REFUSAL).await),
            Some(encoding) => Refusal::of_message(format!(
                "the body of the error is compressed (`{encoding}`), which was not asked for"
            )),
        };
        if let Some(target) = redirect_target(status, &headers, &self.url) {
            refusal.message =
                format!("it redirects to {target}, which is not followed; set the base URL to it");
        }
        let mut failure = Failure::refused(status, &headers, refusal, model);
        failure.error = self.name(failure.error);
        failure
    }
}

/// The headers with the id of a request.
fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 5] = [
        "x-request-id",
        "request-id",
        "apim-request-id",
        "x-ms-request-id",
        "cf-ray",
    ];
    let id = NAMES.iter().find_map(|name| headers.get(*name))?;
    let id: String = id.to_str().ok()?.chars().take(LONGEST_REQUEST_ID).collect();
    (!id.is_empty()).then_some(id)
}

fn too_large(limit: usize) -> ModelError {
    ModelError::invalid_response(format!("more than {limit} bytes"))
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

fn transport(url: &Url, error: impl std::error::Error + Send + Sync + 'static) -> ModelError {
    ModelError::Transport {
        url: shown(url),
        source: error.into(),
        request_id: None,
    }
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

fn parse(base_url: &str) -> Result<Url, ModelError> {
    // It is not shown: it may carry a password, or be a key that was set in its place.
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

/// The URL of `path` below `base`, whose query it keeps. The base may be that of an endpoint, as
/// documentation often shows it.
fn below(base: &Url, path: &str) -> Url {
    const ENDPOINTS: [&str; 2] = ["/chat/completions", "/responses"];
    let whole = base.path().trim_end_matches('/');
    let endpoint = ENDPOINTS.iter().find_map(|end| whole.strip_suffix(end));
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", endpoint.unwrap_or(whole)));
    url
}

/// Where a redirect leads that was not followed.
fn redirect_target(status: StatusCode, headers: &HeaderMap, url: &Url) -> Option<String> {
    let location = headers.get(LOCATION).filter(|_| status.is_redirection())?;
    url.join(location.to_str().ok()?)
        .ok()
        .map(|elsewhere| shown(&elsewhere))
}

/// A URL may carry a password, and its query a key.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Requests to loopback use no proxy, whatever `HTTP_PROXY` says.
fn is_loopback(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
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
            (
                "https://h/v1/chat/completions/?a=b",
                "https://h/v1/chat/completions?a=b",
            ),
            ("https://h/v1/responses", "https://h/v1/chat/completions"),
            ("https://h/responses", "https://h/chat/completions"),
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
