//! Another model, where the first gives no answer.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::chat::Request;
use crate::error::ModelError;
use crate::model::{ChatModel, ModelEvent, ModelFuture, ModelStream};
use crate::profile::Profile;

/// Models that are asked one after the other until one answers: when a service is down, out of
/// quota, or refuses, the next is asked the same. Once anything of an answer has been delivered,
/// nothing else is asked.
///
/// The first is asked as the agent names it, each other one by the name given here. What is sent
/// has the form that the first takes: choose models that take the same, or set one that all take by
/// [`Agent::with_profile`](crate::Agent::with_profile). What one model has thought is noted as the
/// first one's, and sent to whichever is asked next: with models that must get their thoughts back,
/// choose others of the same maker.
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

    /// This one where those before give no answer.
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
    async fn tell(&self, request: &Request, queue: &Queue) -> Result<(), ModelError> {
        let mut failed = match relay(&*self.first, request, queue).await {
            Told::All => return Ok(()),
            Told::Part(error) => return Err(error),
            Told::Nothing(error) => error,
        };
        for (model, request) in self.others(request) {
            note(&failed);
            failed = match relay(model, &request, queue).await {
                Told::All => return Ok(()),
                Told::Part(error) => return Err(error),
                Told::Nothing(error) => error,
            };
        }
        Err(failed)
    }
}

fn note(error: &ModelError) {
    tracing::warn!(error = %error, "another model is asked");
}

impl ChatModel for Fallback {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        Box::pin(async move {
            let mut failed = match self.first.complete(request).await {
                Ok(completion) => return Ok(completion),
                Err(error) => error,
            };
            for (model, request) in self.others(request) {
                note(&failed);
                failed = match model.complete(&request).await {
                    Ok(completion) => return Ok(completion),
                    Err(error) => error,
                };
            }
            Err(failed)
        })
    }

    fn profile(&self) -> Profile {
        self.first.profile()
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        let queue = Queue::default();
        let events = Arc::clone(&queue);
        Box::pin(Relayed {
            run: Some(Box::pin(async move { self.tell(request, &events).await })),
            queue,
        })
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

/// Events that are not delivered yet.
type Queue = Arc<Mutex<VecDeque<ModelEvent>>>;

/// How much of an answer one model gave.
enum Told {
    All,
    Part(ModelError),
    Nothing(ModelError),
}

async fn relay(model: &dyn ChatModel, request: &Request, queue: &Queue) -> Told {
    let mut events = model.stream(request);
    let mut has_told = false;
    while let Some(event) = poll_fn(|cx| events.as_mut().poll_next(cx)).await {
        match event {
            Ok(event) => {
                // Keys of the message are not shown before it is over.
                has_told |= !matches!(event, ModelEvent::MessageKeys(_));
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.push_back(event);
            }
            Err(error) if has_told => return Told::Part(error),
            Err(error) => return Told::Nothing(error),
        }
    }
    Told::All
}

type Telling<'a> = Pin<Box<dyn Future<Output = Result<(), ModelError>> + Send + 'a>>;

/// A run that tells by a queue: it holds requests of its own, which a stream could not borrow from.
struct Relayed<'a> {
    run: Option<Telling<'a>>,
    queue: Queue,
}

impl Stream for Relayed<'_> {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pop = |queue: &Queue| {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.pop_front()
        };
        if let Some(event) = pop(&self.queue) {
            return Poll::Ready(Some(Ok(event)));
        }
        let Some(run) = &mut self.run else {
            return Poll::Ready(None);
        };
        let end = run.as_mut().poll(cx);
        if end.is_ready() {
            self.run = None;
        }
        match (pop(&self.queue), end) {
            // An error comes behind what was told, if anything waits.
            (Some(event), Poll::Ready(Err(error))) => {
                self.run = Some(Box::pin(std::future::ready(Err(error))));
                Poll::Ready(Some(Ok(event)))
            }
            (Some(event), _) => Poll::Ready(Some(Ok(event))),
            (None, Poll::Ready(Err(error))) => Poll::Ready(Some(Err(error))),
            (None, Poll::Ready(Ok(()))) => Poll::Ready(None),
            (None, Poll::Pending) => Poll::Pending,
        }
    }
}
