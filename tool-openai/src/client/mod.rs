//! Chat completions over HTTP: the client for OpenAI and OpenAI-compatible providers.

mod answer;
mod endpoint;
mod gate;
mod key;
mod refusal;
mod refused;
mod responses;
mod retry;
mod secrets;
mod service;
mod silence;
mod stream;
mod url;

pub use responses::Responses;

use std::env;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use tool_core::serde_json::Value;

use self::answer::Answer;
use self::endpoint::Endpoint;
use self::key::KeySource;
use self::refusal::Refusal;
use self::refused::{Asking, Refused};
use self::retry::Failure;
use self::secrets::Secrets;
use self::service::{Pace, Service};
use self::url::OPENAI_BASE_URL;
use crate::chat::assemble;
use crate::chat::{ChatAssembler, Completion, Request};
use crate::error::{ModelError, excerpt};
use crate::json;
use crate::model::{ChatModel, ModelFuture, ModelStream};
use crate::profile::Profile;
use crate::service_error::ServiceError;

/// Client for OpenAI and OpenAI-compatible providers: chat completions over HTTP at a base URL.
///
/// Requests that could not be made, or were answered 408, 409, 429 or 5xx, are retried: twice
/// unless set, after 0.5 s and up, or as the provider asks, in `Retry-After` or in its text. So are
/// those whose answer reports a transient failure, an overload for example, whatever its status.
/// A wait that the service asks for holds back the requests of all clones of the client that have the
/// same headers, and are tried again at all. Nothing is
/// tried again when the service asks for more than a minute, or the quota is spent; and once any of
/// an answer has been delivered, nothing is tried again: a call of it may have been started.
///
/// Answers are asked for as plain bytes; compressed ones are an error. A redirect is followed to the
/// same origin, if it keeps the method (307, 308).
///
/// ```
/// use tool_openai::OpenAi;
///
/// # fn main() -> Result<(), tool_openai::ModelError> {
/// let openai = OpenAi::new("sk-…")?;
/// let ollama = OpenAi::at("http://localhost:11434/v1")?;
/// // Azure, which takes the key in a header of its own and the version of its API in the query:
/// let azure = OpenAi::at("https://my.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-10-21")?.with_header("api-key", "…")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OpenAi {
    service: Service,
    stream_usage: bool,
    /// What the service has refused.
    refused: Arc<Refused>,
}

impl OpenAi {
    /// The service at `OPENAI_BASE_URL` (OpenAI, unless set), with the key in `OPENAI_API_KEY`. A
    /// service of your own may need no key.
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if there is no key for OpenAI itself, or either variable is
    /// not what it should be.
    pub fn from_env() -> Result<Self, ModelError> {
        let set = |name| {
            env::var(name)
                .ok()
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        match (set("OPENAI_API_KEY"), set("OPENAI_BASE_URL")) {
            (None, None) => Err(ModelError::Configuration(
                "`OPENAI_API_KEY` is not set; export a key, or set `OPENAI_BASE_URL` to a service that needs none".to_owned(),
            )),
            (key, base_url) => {
                let client = Self::at(base_url.as_deref().unwrap_or(OPENAI_BASE_URL))?;
                key.map_or(Ok(client.clone()), |key| client.with_key(&key))
            }
        }
    }

    /// OpenAI, with this key.
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if the key cannot be sent in a header.
    pub fn new(api_key: &str) -> Result<Self, ModelError> {
        Self::at(OPENAI_BASE_URL)?.with_key(api_key)
    }

    /// The service at `base_url` that needs no key, or takes it in a [header](Self::with_header) of
    /// its own. Shape: as for [`with_base_url`](Self::with_base_url).
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if it is not a URL.
    pub fn at(base_url: &str) -> Result<Self, ModelError> {
        Ok(Self {
            service: Service::new(base_url)?,
            stream_usage: true,
            refused: Arc::default(),
        })
    }

    fn with_key(self, api_key: &str) -> Result<Self, ModelError> {
        Ok(Self {
            service: self.service.with_key(api_key)?,
            ..self
        })
    }

    /// Sets where the service is: the URL that `/chat/completions` is added to,
    /// `http://localhost:11434/v1` for example; one that ends with it already is taken too. What
    /// is in its query is sent with every request.
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if it is not a URL.
    pub fn with_base_url(self, base_url: &str) -> Result<Self, ModelError> {
        Ok(Self {
            service: self.service.with_base_url(base_url)?,
            refused: Arc::default(),
            ..self
        })
    }

    /// Sets a header of every request: `OpenAI-Project`, `HTTP-Referer` for OpenRouter, or what a
    /// gateway asks for.
    ///
    /// # Errors
    /// [`ModelError::Configuration`] if the name or the value cannot be sent.
    pub fn with_header(self, name: &str, value: &str) -> Result<Self, ModelError> {
        Ok(Self {
            service: self.service.with_header(name, value)?,
            ..self
        })
    }

    /// Sets the timeout of one attempt, and the idle timeout of a stream; ten minutes unless set.
    /// Data that only keeps the connection open, comments for example, does not count.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self {
            service: self.service.with_timeout(timeout),
            ..self
        }
    }

    /// Sets the total timeout of one attempt, from the request to the end of the answer, where that
    /// is less than [`with_timeout`](Self::with_timeout) allows. A stream may take any time unless
    /// this is set.
    #[must_use]
    pub fn with_total_timeout(self, timeout: Duration) -> Self {
        Self {
            service: self.service.with_total_timeout(timeout),
            ..self
        }
    }

    /// Sends requests by this client: one with the program's own proxy, certificates or connection
    /// pool. How it follows redirects is its own choice then; one that follows them to another host
    /// sends the conversation there. What its default headers hold is not known here, and not kept
    /// out of error texts: give keys by [`new`](Self::new) or [`with_header`](Self::with_header).
    #[must_use]
    pub fn with_http_client(self, client: reqwest::Client) -> Self {
        Self {
            service: self.service.with_http_client(client),
            ..self
        }
    }

    /// Asks for the key before each request, for one that changes: a token that expires, or a key
    /// that is rotated. An error of it ends the request.
    ///
    /// ```
    /// use std::fs;
    /// use tool_openai::OpenAi;
    ///
    /// # fn main() -> Result<(), tool_openai::ModelError> {
    /// let client = OpenAi::at("https://api.openai.com/v1")?
    ///     .with_key_source(|| async { fs::read_to_string("/run/secrets/openai").map(|key| key.trim().to_owned()) });
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_key_source<F, E>(self, source: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self {
            service: self.service.with_key_source(KeySource::new(source)),
            ..self
        }
    }

    /// Sets how many retries a failed request gets; two unless set.
    #[must_use]
    pub fn with_retries(self, retries: usize) -> Self {
        Self {
            service: self.service.with_retries(retries),
            ..self
        }
    }

    /// Sets whether a stream is asked to end with its token counts (`stream_options`); it is unless
    /// set. Some services refuse the key.
    #[must_use]
    pub fn with_stream_usage(self, stream_usage: bool) -> Self {
        Self {
            stream_usage,
            ..self
        }
    }

    /// The same service by its Responses API, `/responses`.
    pub fn into_responses(self) -> Responses {
        Responses::new(self)
    }
}

impl Endpoint for OpenAi {
    type Assembler = ChatAssembler;

    async fn answer(&self, request: &Request, pace: Pace) -> Result<Answer, Failure> {
        let mut asking = Asking::new(request, pace, self.stream_usage);
        self.refused.send(&mut asking, &self.service, pace).await
    }

    fn retries(&self) -> usize {
        self.service.retries()
    }

    fn secrets(&self) -> Secrets {
        self.service.secrets()
    }

    fn assembler(request: &Request) -> ChatAssembler {
        ChatAssembler::for_tools(request.tools.iter().map(|tool| &tool.function.name))
    }

    fn read(body: &[u8]) -> Result<Completion, ModelError> {
        assemble::read(parse(body, "choices")?).map_err(|error| with_body(error, body))
    }
}

impl ChatModel for OpenAi {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        Box::pin(stream::complete(self, request))
    }

    /// By the host: what the larger services are known to take, and what every service does.
    fn profile(&self) -> Profile {
        match self.service.host() {
            "api.openai.com" => Profile::openai(),
            // It enforces no schema beside parallel calls.
            host if host.ends_with(".azure.com") => Profile::azure().without_strict(),
            "generativelanguage.googleapis.com" => Profile::gemini(),
            "api.mistral.ai" => Profile::mistral(),
            "api.groq.com" => Profile::portable().with_returned_keys(&[]),
            "openrouter.ai" => Profile::portable().with_returned_keys(&["reasoning_details"]),
            "api.deepseek.com" | "api.moonshot.ai" | "api.moonshot.cn" | "api.z.ai"
            | "open.bigmodel.cn" => Profile::portable().with_returned_keys(&["reasoning_content"]),
            _ => Profile::portable(),
        }
    }

    /// Asks with `stream: true`. A service that answers whole all the same is read too, and so is
    /// one that streams unasked.
    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        stream::stream(self, request)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// A whole answer that came with a success. One without this key may be a refusal.
fn parse(body: &[u8], key: &str) -> Result<Value, ModelError> {
    let value = json::read_bytes(body).map_err(|error| invalid(error.to_string(), body))?;
    let has_answer = value.get(key).is_some_and(|answer| !answer.is_null());
    if !has_answer && ServiceError::of_body(&value, false).is_some() {
        return Err(Refusal::read(body).into_error(StatusCode::OK, ""));
    }
    Ok(value)
}

fn invalid(reason: String, body: &[u8]) -> ModelError {
    ModelError::InvalidResponse {
        reason,
        body: excerpt(body),
        request_id: None,
    }
}

fn with_body(error: ModelError, body: &[u8]) -> ModelError {
    match error {
        ModelError::InvalidResponse { reason, .. } => invalid(reason, body),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_200_body_that_is_not_a_completion_is_an_error() {
        assert!(matches!(
            OpenAi::read(b"<html>"),
            Err(ModelError::InvalidResponse { .. })
        ));
        assert!(
            matches!(OpenAi::read(br#"{"hello":1}"#), Err(ModelError::InvalidResponse { reason, .. }) if reason.contains("choices"))
        );
        assert!(matches!(
            OpenAi::read(br#"{"error":{"message":"overloaded"}}"#),
            Err(ModelError::Status { status: 200, .. })
        ));
    }

    #[test]
    fn no_key_is_shown() {
        let client = OpenAi::new("sk-secret")
            .unwrap()
            .with_header("api-key", "other-secret")
            .unwrap();
        assert!(!format!("{client:?}").contains("secret"));
    }

    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    #[tokio::test]
    async fn https_without_tls_names_the_features() {
        let error = OpenAi::new("sk-key")
            .unwrap()
            .complete(&Request::default())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`tool-openai` is built without HTTPS; enable its feature `rustls` or `native-tls`"
        );
    }
}
