//! The answer of a service: its body in parts, within limits of time and size.

use std::io;
use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, HeaderMap, LOCATION};
use reqwest::{Response, StatusCode, Url};
use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::refusal::Refusal;
use super::retry::Failure;
use super::secrets::Secrets;
use super::silence::Silence;
use super::url::shown;
use crate::chat::Completion;
use crate::error::ModelError;
use crate::model::RequestRepair;

/// The most bytes of an answer that are read whole, and of a refusal.
pub(super) const LARGEST_WHOLE: usize = 64 << 20;
const LARGEST_REFUSAL: usize = 1 << 20;

/// The most characters of an id that a service gives a request.
const LONGEST_REQUEST_ID: usize = 200;

/// How long an answer may take, and how large it may be.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// The idle timeout.
    pub(super) silence: Duration,
    /// The total timeout.
    pub(super) total: Option<Duration>,
    /// When it was asked for.
    pub(super) since: Instant,
    pub(super) bytes: usize,
}

impl Limits {
    /// Waits for more, of which something came last at that time.
    pub(super) async fn wait<T>(
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
    pub(super) fn new(response: Response, url: Url, limits: Limits) -> Self {
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

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// How the body is encoded, if it is: nothing but plain bytes was asked for.
    pub(super) fn encoding(&self) -> Option<String> {
        let header = self.response.headers().get(CONTENT_ENCODING)?;
        let encoding = String::from_utf8_lossy(header.as_bytes()).trim().to_owned();
        (!matches!(encoding.as_str(), "" | "identity")).then_some(encoding)
    }

    /// Removes secrets from what the service says of the request.
    pub(super) fn redact(&mut self, secrets: &Secrets) {
        let id = self.request_id.take();
        self.request_id = id.map(|id| secrets.redact(&id));
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
    pub(super) async fn refuse(mut self, encoding: Option<String>, model: &str) -> Failure {
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

pub(super) fn transport(
    url: &Url,
    error: impl std::error::Error + Send + Sync + 'static,
) -> ModelError {
    ModelError::Transport {
        url: shown(url),
        source: error.into(),
        request_id: None,
    }
}

/// Where a redirect leads that was not followed.
fn redirect_target(status: StatusCode, headers: &HeaderMap, url: &Url) -> Option<String> {
    let location = headers.get(LOCATION).filter(|_| status.is_redirection())?;
    url.join(location.to_str().ok()?)
        .ok()
        .map(|elsewhere| shown(&elsewhere))
}
