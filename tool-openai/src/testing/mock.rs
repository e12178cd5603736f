//! A mock model in the process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tool_core::serde_json::{self, Value, json};

use super::api::Api;
use super::completion::Head;
use super::delivery;
use super::mock_state::{MockState, Replies, Reply, in_turn, lock};
use super::script::{End, ScriptedAnswer, ScriptedReply};
use crate::assembler::Assembler;
use crate::chat::assemble;
use crate::chat::{ChatAssembler, Completion, Request};
use crate::error::{ModelError, excerpt};
use crate::model::{ChatModel, ModelEvent, ModelFuture, ModelStream};
use crate::profile::Profile;
use crate::relay::{Queue, relay};

/// A mock model (fake LLM) for tests, in the process: as [`ScriptedServer`](super::ScriptedServer),
/// with the same scripts and as strict, but without HTTP. A clone is the same model.
///
/// It does not retry, and has no headers and no redirects: tests of the client need the server.
///
/// ```
/// use tool_core::serde_json::json;
/// use tool_core::{tool, tools};
/// use tool_openai::Agent;
/// use tool_openai::testing::{MockModel, ScriptedReply};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = MockModel::new([
///     ScriptedReply::calls([("add", json!({"a": 2, "b": 3}))]),
///     ScriptedReply::text("It is 5."),
/// ]);
/// let agent = Agent::new(model.clone(), "mock").with_tools(tools![add]);
///
/// assert_eq!(agent.run("What is 2 + 3?").await?.text, "It is 5.");
/// assert_eq!(model.requests()[1]["messages"][2]["content"], "5");
/// assert_eq!(model.replies_left(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MockModel {
    mock_state: Arc<MockState>,
    replies: Replies,
    profile: Profile,
}

impl MockModel {
    /// Answers with these replies, one for each request; after the last, every request is refused.
    pub fn new(scripted: impl IntoIterator<Item = ScriptedReply>) -> Self {
        let replies = Replies::default();
        lock(&replies).extend(scripted);
        Self::of(MockState::new(in_turn(&replies)), replies)
    }

    /// Decides each answer from the request, like a model would.
    pub fn with_script(script: impl FnMut(&Request) -> ScriptedReply + Send + 'static) -> Self {
        Self::of(MockState::new(Box::new(script)), Replies::default())
    }

    fn of(mock_state: MockState, replies: Replies) -> Self {
        Self {
            mock_state: Arc::new(mock_state),
            replies,
            profile: Profile::portable(),
        }
    }

    /// Sets what it accepts; [`Profile::portable`], unless set.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The bodies of all requests so far, refused ones among them.
    pub fn requests(&self) -> Vec<Value> {
        self.mock_state.requests()
    }

    /// How many replies of its list are not requested yet.
    pub fn replies_left(&self) -> usize {
        lock(&self.replies).len()
    }

    fn ask(&self, request: &Request, streamed: bool) -> Result<Answer, ModelError> {
        let mut request = request.clone();
        request
            .messages
            .iter_mut()
            .for_each(crate::responses::forget);
        request.stream = streamed.then_some(true);
        let options = request.extra.remove("stream_options");
        if streamed {
            let options = options.unwrap_or_else(|| json!({"include_usage": true}));
            request.extra.insert("stream_options".to_owned(), options);
        }
        let body = serde_json::to_value(&request);
        let body = body.map_err(|error| ModelError::Other(error.into()))?;
        let model = request.model;
        let bytes = body.to_string().len();
        let asked = self.mock_state.reply(Api::Completions, body);
        let Reply {
            number,
            request,
            reply,
        } = asked.map_err(|error| refused(error.status, &error.body(), &model))?;
        let head = Head {
            number,
            request: &request,
            bytes,
        };
        let ScriptedReply { answer, pace, end } = reply;
        let arriving = match answer {
            ScriptedAnswer::Message(message) if streamed => {
                let chunks = Api::Completions.stream(&head, &message);
                Arriving::Events(delivery::parts(chunks, end).0)
            }
            ScriptedAnswer::Message(message) => match end {
                End::Regular => {
                    Arriving::Whole(assemble::read(Api::Completions.whole(&head, &message))?)
                }
                End::Error(_, error) => return Err(refused(200, &error, &model)),
                End::Cut(_) => return Err(ModelError::invalid_response("it broke off")),
            },
            ScriptedAnswer::Body(body) => Arriving::Whole(read(&body, &model)?),
            ScriptedAnswer::Sse(text) => {
                Arriving::Events(delivery::parts(delivery::events(&text), end).0)
            }
            ScriptedAnswer::Status { status, body, .. } => {
                return Err(refused(status, &body, &model));
            }
        };
        Ok(Answer {
            arriving,
            pace,
            assembler: ChatAssembler::for_tools(
                request.tools.iter().map(|tool| &tool.function.name),
            ),
        })
    }
}

/// An answer on its way.
struct Answer {
    arriving: Arriving,
    pace: Duration,
    assembler: ChatAssembler,
}

enum Arriving {
    Whole(Completion),
    /// Server-sent events.
    Events(Vec<String>),
}

async fn complete(model: &MockModel, request: &Request) -> Result<Completion, ModelError> {
    let answer = model.ask(request, false)?;
    if !answer.pace.is_zero() {
        sleep(answer.pace).await;
    }
    let mut assembler = answer.assembler;
    match answer.arriving {
        Arriving::Whole(completion) => Ok(completion),
        Arriving::Events(events) => {
            for event in events {
                assembler.push_bytes(event.as_bytes())?;
            }
            assembler.finish()
        }
    }
}

async fn stream(model: &MockModel, request: &Request, queue: &Queue) -> Result<(), ModelError> {
    let answer = model.ask(request, true)?;
    let mut assembler = answer.assembler;
    let completion = match answer.arriving {
        Arriving::Whole(completion) => completion,
        Arriving::Events(events) => {
            for (at, event) in events.iter().enumerate() {
                if at > 0 && !answer.pace.is_zero() {
                    sleep(answer.pace).await;
                }
                queue.extend(assembler.push_bytes(event.as_bytes())?);
            }
            queue.extend(assembler.close()?);
            assembler.finish()?
        }
    };
    queue.extend([ModelEvent::Finished(completion)]);
    Ok(())
}

impl ChatModel for MockModel {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        Box::pin(complete(self, request))
    }

    fn profile(&self) -> Profile {
        self.profile.clone()
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        relay(|queue| async move { stream(self, request, &queue).await })
    }
}

/// A body that the script wrote.
fn read(body: &str, model: &str) -> Result<Completion, ModelError> {
    let invalid = |reason: String| ModelError::InvalidResponse {
        reason,
        body: excerpt(body.as_bytes()),
        request_id: None,
    };
    let value: Value = serde_json::from_str(body).map_err(|error| invalid(error.to_string()))?;
    if value["choices"].is_null() && !value["error"].is_null() {
        return Err(refused(200, &value, model));
    }
    assemble::read(value).map_err(|error| match error {
        ModelError::InvalidResponse { reason, .. } => invalid(reason),
        error => error,
    })
}

/// The service's refusal.
fn refused(status: u16, body: &Value, model: &str) -> ModelError {
    let text = |key: &str| body["error"][key].as_str().map(str::to_owned);
    let message = text("message").unwrap_or_else(|| body.to_string());
    ModelError::refused(status, text("code"), message, model)
}

impl fmt::Debug for MockModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockModel")
            .field("requests", &self.requests().len())
            .field("replies_left", &self.replies_left())
            .finish_non_exhaustive()
    }
}
