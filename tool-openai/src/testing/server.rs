//! The server: real HTTP on a free port of the loopback interface.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tool_core::serde_json::{self, Value};

use super::api::Api;
use super::check::ApiError;
use super::completion::Head;
use super::delivery;
use super::mock_state::{MockState, Replies, Reply, in_turn, lock};
use super::script::{End, ScriptedAnswer, ScriptedReply};
use crate::chat::Request;

/// A mock server on loopback that answers by script, whole or as a stream, and stops when dropped.
/// It serves chat completions at `/v1/chat/completions`, and at `/v1/responses` the Responses API:
/// scripts are the same, and see its requests as chat requests.
///
/// A request that the service would refuse is refused with the service's own error, and uses no
/// reply of the script: a missing or misplaced tool message, an unknown key, a name that no tool may
/// have, a message with a key that only answers have.
///
/// ```
/// use tool_core::serde_json::json;
/// use tool_core::{Dispatcher, tool, tools};
/// use tool_openai::Agent;
/// use tool_openai::testing::{ScriptedServer, ScriptedReply};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = ScriptedServer::start([ScriptedReply::calls([("add", json!({"a": 2, "b": 3}))]), ScriptedReply::text("It is 5.")]).await?;
/// let agent = Agent::new(server.client()?, "scripted").with_tools(Dispatcher::new(tools![add])).conversation();
///
/// assert_eq!(agent.run("What is 2 + 3?").await?.text, "It is 5.");
/// assert_eq!(server.requests()[1]["messages"][2]["content"], "5");
/// # Ok(())
/// # }
/// ```
pub struct ScriptedServer {
    address: SocketAddr,
    mock_state: Arc<MockState>,
    serving: JoinHandle<()>,
}

impl ScriptedServer {
    /// Answers with these replies, one for each request; after the last, every request is refused.
    ///
    /// # Errors
    /// No port is free.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn start(replies: impl IntoIterator<Item = ScriptedReply>) -> io::Result<Self> {
        let scripted = Replies::default();
        lock(&scripted).extend(replies);
        Self::start_with(in_turn(&scripted)).await
    }

    /// Decides each answer from the request, like a model would.
    ///
    /// # Errors
    /// No port is free.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn start_with(
        script: impl FnMut(&Request) -> ScriptedReply + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mock_state = Arc::new(MockState::new(Box::new(script)));
        let app = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/responses", post(respond))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&mock_state));
        let serving = tokio::spawn(async move {
            // Ends only with the task: an accept that fails is tried again by axum.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            address,
            mock_state,
            serving,
        })
    }

    /// Where it is: what `OPENAI_BASE_URL` would be set to.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A client of this server.
    ///
    /// # Errors
    /// As for [`OpenAi::new`](crate::OpenAi::new).
    #[cfg(feature = "http")]
    pub fn client(&self) -> Result<crate::OpenAi, crate::ModelError> {
        crate::OpenAi::new("scripted")?.with_base_url(&self.base_url())
    }

    /// The bodies of all requests so far that had a key and were JSON, refused ones among them.
    pub fn requests(&self) -> Vec<Value> {
        self.mock_state.requests()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

async fn complete(
    State(mock_state): State<Arc<MockState>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    answer(Api::Completions, &mock_state, &headers, &body)
        .await
        .unwrap_or_else(|error| json(error.status, &error.body()))
}

async fn respond(
    State(mock_state): State<Arc<MockState>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    answer(Api::Responses, &mock_state, &headers, &body)
        .await
        .unwrap_or_else(|error| json(error.status, &error.body()))
}

/// The next reply of the script, if the service would take the request.
async fn answer(
    api: Api,
    mock_state: &MockState,
    headers: &HeaderMap,
    body: &str,
) -> Result<Response, ApiError> {
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if key.is_none_or(|key| key.trim().is_empty()) {
        return Err(ApiError::no_key());
    }
    let value: Value = serde_json::from_str(body).map_err(|_| ApiError::not_json())?;
    let Reply {
        number,
        request,
        reply,
    } = mock_state.reply(api, value)?;
    Ok(deliver(
        api,
        &Head {
            number,
            request: &request,
            bytes: body.len(),
        },
        reply,
    )
    .await)
}

async fn deliver(
    api: Api,
    head: &Head<'_>,
    ScriptedReply { answer, pace, end }: ScriptedReply,
) -> Response {
    let streamed = head.request.stream == Some(true);
    let end = match end {
        End::Error(after, error) => End::Error(after, api.failure(head, streamed, error)),
        end => end,
    };
    match answer {
        ScriptedAnswer::Message(message) if streamed => {
            delivery::stream(api.stream(head, &message), pace, end)
        }
        ScriptedAnswer::Message(message) => {
            delivery::whole(api.whole(head, &message).to_string(), pace, end).await
        }
        ScriptedAnswer::Body(body) => delivery::whole(body, pace, end).await,
        ScriptedAnswer::Sse(text) => delivery::stream(delivery::events(&text), pace, end),
        ScriptedAnswer::Status {
            status,
            body,
            retry_after,
        } => {
            let seconds = retry_after.map(|seconds| [(RETRY_AFTER, seconds.to_string())]);
            (seconds, json(status, &body)).into_response()
        }
    }
}

fn json(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
