//! Fallback models, for when the first gives no answer.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use crate::chat::Request;
use crate::error::ModelError;
use crate::model::{ChatModel, ModelEvent, ModelFuture, ModelStream, RequestRetry};
use crate::profile::Profile;
use crate::relay::{Queue, relay};

/// Fallback: models that are tried in order until one answers. When a provider is down, out of
/// quota, or refuses, the next gets the same request. Once any part of an answer has been
/// delivered, no other is tried. Each failure is reported with the answer, as
/// [`AgentEvent::RequestRetried`](crate::AgentEvent::RequestRetried).
///
/// The first is asked as the agent names it, each other one by the name given here. What is sent
/// has the form that the first takes: choose models that take the same, or set one that all take by
/// [`Agent::with_profile`](crate::Agent::with_profile). The reasoning of one model is recorded as
/// the first one's, and sent to whichever is asked next: with models that need their reasoning
/// back, choose others of the same provider.
///
/// ```
/// use tool_openai::testing::{MockModel, ScriptedReply};
/// use tool_openai::{Agent, Fallback};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let down = MockModel::new([ScriptedReply::error(503, "unavailable", "Down.")]);
/// let other = MockModel::new([ScriptedReply::text("Hello.")]);
/// let model = Fallback::new(down).or(other.clone(), "other-model");
///
/// assert_eq!(Agent::new(model, "first-model").run("Hello?").await?.text, "Hello.");
/// assert_eq!(other.requests()[0]["model"], "other-model");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fallback {
    first: Arc<dyn ChatModel>,
    others: Vec<(Arc<dyn ChatModel>, String)>,
}

impl Fallback {
    /// This model first.
    pub fn new(first: impl ChatModel + 'static) -> Self {
        Self {
            first: Arc::new(first),
            others: Vec::new(),
        }
    }

    /// This one when those before give no answer.
    #[must_use]
    pub fn or(mut self, model: impl ChatModel + 'static, model_name: impl Into<String>) -> Self {
        self.others.push((Arc::new(model), model_name.into()));
        self
    }

    /// The others in turn, each with the request as it gets it.
    fn others(&self, request: &Request) -> impl Iterator<Item = (&dyn ChatModel, Request)> {
        self.others.iter().map(|(model, name)| {
            let request = Request {
                model: name.clone(),
                ..request.clone()
            };
            (&**model, request)
        })
    }

    /// Streams the first answer into the queue.
    async fn deliver(&self, request: &Request, queue: &Queue) -> Result<(), ModelError> {
        let mut failures = Failures::default();
        let mut failed = match ask(&*self.first, request, queue, &failures).await {
            Gave::All => return Ok(()),
            Gave::Part(error) => return Err(error),
            Gave::Nothing(error) => error,
        };
        let mut model_name = request.model.clone();
        for (model, request) in self.others(request) {
            failures.add(&model_name, &failed);
            failed = match ask(model, &request, queue, &failures).await {
                Gave::All => return Ok(()),
                Gave::Part(error) => return Err(error),
                Gave::Nothing(error) => error,
            };
            model_name = request.model;
        }
        Err(failed)
    }
}

/// Models that gave no answer. The answer reports them as retries of its request.
#[derive(Default)]
struct Failures(Vec<RequestRetry>);

impl Failures {
    fn add(&mut self, model_name: &str, error: &ModelError) {
        let error = match error {
            // Its text has the beginning of what the model wrote, which spans and recordings leave out.
            ModelError::InvalidResponse { reason, .. } => {
                format!("the answer is not a chat completion ({reason})")
            }
            error => error.to_string(),
        };
        tracing::warn!(error, model = model_name, "another model is asked");
        self.0.push(RequestRetry {
            reason: format!("model `{model_name}`: {error}"),
        });
    }
}

impl ChatModel for Fallback {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        Box::pin(async move {
            let mut failed = match self.first.complete(request).await {
                Ok(completion) => return Ok(completion),
                Err(error) => error,
            };
            let (mut failures, mut model_name) = (Failures::default(), request.model.clone());
            for (model, request) in self.others(request) {
                failures.add(&model_name, &failed);
                failed = match model.complete(&request).await {
                    Ok(mut completion) => {
                        completion.add_request_retries(&failures.0);
                        return Ok(completion);
                    }
                    Err(error) => error,
                };
                model_name = request.model;
            }
            Err(failed)
        })
    }

    fn profile(&self) -> Profile {
        self.first.profile()
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        relay(|queue| async move { self.deliver(request, &queue).await })
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.others.iter().map(|(_, name)| name);
        f.debug_struct("Fallback")
            .field("others", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// How much of an answer one model gave.
enum Gave {
    All,
    Part(ModelError),
    Nothing(ModelError),
}

async fn ask(model: &dyn ChatModel, request: &Request, queue: &Queue, failures: &Failures) -> Gave {
    let mut events = model.stream(request);
    // Keys of a message are not shown before it is over: alone they are not an answer.
    let (mut has_begun, mut keys) = (false, Vec::new());
    while let Some(event) = poll_fn(|cx| events.as_mut().poll_next(cx)).await {
        match event {
            Ok(event @ ModelEvent::MessageKeys(_)) if !has_begun => keys.push(event),
            Ok(mut event) => {
                has_begun = true;
                if let ModelEvent::Finished(completion) = &mut event {
                    completion.add_request_retries(&failures.0);
                }
                queue.extend(keys.drain(..).chain([event]));
            }
            Err(error) if has_begun => return Gave::Part(error),
            Err(error) => return Gave::Nothing(error),
        }
    }
    Gave::All
}
