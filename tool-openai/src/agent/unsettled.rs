//! A message that is being written, or whose calls run: however it ends, the history is valid.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio_util::sync::CancellationToken;
use tool_core::{DispatchEvent, ResumedBatch, StreamingBatch, ToolResult};

use super::conversation::Writer;
use super::events::Events;
use super::message::{Answering, ReceivedMessage};
use super::prepared::Prepared;
use super::{Agent, returned};
use crate::chat::{Completion, Message, Request};
use crate::error::ModelError;
use crate::model::{ModelEvent, whole};

/// The history, and what its messages are noted with.
pub(super) struct Kept {
    pub(super) writer: Writer,
    pub(super) prepared: Arc<Prepared>,
    pub(super) model_name: String,
}

impl Kept {
    /// Nothing is awaited in between: a message and all its results enter the history together.
    pub(super) fn keep(&self, received: ReceivedMessage, results: &[ToolResult]) {
        let messages = received.into_messages(results, &self.prepared.profile);
        self.extend(messages);
    }

    pub(super) fn extend(&self, mut messages: Vec<Message>) {
        for message in &mut messages {
            returned::note_model(message, &self.model_name);
        }
        self.writer.lock().history.messages.extend(messages);
    }
}

/// A message that is being written, or whose calls run. Dropped before it is over, with the run, it
/// enters the history with a result for each call.
pub(super) struct Unsettled<'a, T: Settle> {
    message: Option<T>,
    kept: &'a Kept,
}

pub(super) trait Settle {
    /// Stops what runs. Nothing, if nothing has started.
    fn stop(self) -> Option<(ReceivedMessage, Vec<ToolResult>)>;
}

impl Settle for Answering<'_> {
    fn stop(self) -> Option<(ReceivedMessage, Vec<ToolResult>)> {
        self.abandon()
    }
}

/// The calls of a message that run.
pub(super) trait Batch: Stream<Item = DispatchEvent> + Unpin {
    /// Stops them: one result for each call.
    fn cancel(self) -> Vec<ToolResult>;

    /// Waits for them: one result for each call.
    fn finish(self) -> impl Future<Output = Vec<ToolResult>> + Send;
}

impl Batch for StreamingBatch {
    fn cancel(self) -> Vec<ToolResult> {
        Self::cancel(self)
    }

    fn finish(self) -> impl Future<Output = Vec<ToolResult>> + Send {
        Self::finish(self)
    }
}

impl Batch for ResumedBatch {
    fn cancel(self) -> Vec<ToolResult> {
        Self::cancel(self)
    }

    fn finish(self) -> impl Future<Output = Vec<ToolResult>> + Send {
        Self::finish(self)
    }
}

impl<B: Batch> Settle for (ReceivedMessage, B) {
    fn stop(self) -> Option<(ReceivedMessage, Vec<ToolResult>)> {
        Some((self.0, self.1.cancel()))
    }
}

impl<'a, T: Settle> Unsettled<'a, T> {
    pub(super) fn new(message: T, kept: &'a Kept) -> Self {
        let message = Some(message);
        Self { message, kept }
    }

    pub(super) fn take(mut self) -> Option<T> {
        self.message.take()
    }
}

impl<T: Settle> Drop for Unsettled<'_, T> {
    fn drop(&mut self) {
        if let Some((received, results)) = self.message.take().and_then(T::stop) {
            self.kept.keep(received, &results);
        }
    }
}

impl Unsettled<'_, Answering<'_>> {
    /// Receives events of the model until its message is over; calls that are complete may run
    /// already.
    pub(super) async fn receive(
        &mut self,
        agent: &Agent,
        request: &Request,
        streamed: bool,
        events: &mut Events,
    ) -> Result<Completion, RequestFailure> {
        let Some(answering) = &mut self.message else {
            return Err(RequestFailure::Cancelled);
        };
        let mut cancelled = pin!(agent.config.cancellation.cancelled());
        let model = &agent.config.model;
        let mut model = if streamed {
            model.stream(request)
        } else {
            whole(model.complete(request))
        };
        loop {
            let step = poll_fn(|cx| {
                if cancelled.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Step::Cancelled);
                }
                if let Poll::Ready(event) = model.as_mut().poll_next(cx) {
                    return Poll::Ready(Step::Model(event));
                }
                poll_event(&mut answering.running, cx).map(Step::Tools)
            });
            match step.await {
                Step::Cancelled => return Err(RequestFailure::Cancelled),
                Step::Tools(event) => event
                    .into_iter()
                    .for_each(|event| events.report_tools(event)),
                Step::Model(Some(Ok(ModelEvent::Finished(completion)))) => return Ok(completion),
                Step::Model(Some(Ok(event))) => answering.receive(event, events),
                Step::Model(Some(Err(error))) => return Err(RequestFailure::Failed(error)),
                Step::Model(None) => {
                    let reason = "the stream ended before its message did";
                    return Err(RequestFailure::Failed(ModelError::invalid_response(reason)));
                }
            }
        }
    }
}

impl<B: Batch> Unsettled<'_, (ReceivedMessage, B)> {
    /// Waits until every call is answered, or the run is cancelled.
    pub(super) async fn watch(
        &mut self,
        cancellation: &CancellationToken,
        events: &mut Events,
    ) -> Result<(), Cancelled> {
        let Some((_, running)) = &mut self.message else {
            return Ok(());
        };
        let mut cancelled = pin!(cancellation.cancelled());
        loop {
            let step = poll_fn(|cx| match cancelled.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(Cancelled)),
                Poll::Pending => poll_event(running, cx).map(Ok),
            });
            match step.await? {
                Some(event) => events.report_tools(event),
                None => return Ok(()),
            }
        }
    }
}

/// What happens next while a model writes.
enum Step {
    Model(Option<Result<ModelEvent, ModelError>>),
    Tools(Option<DispatchEvent>),
    Cancelled,
}

/// Why a message was not received to its end.
pub(super) enum RequestFailure {
    Failed(ModelError),
    Cancelled,
}

pub(super) struct Cancelled;

fn poll_event(running: &mut impl Batch, cx: &mut Context<'_>) -> Poll<Option<DispatchEvent>> {
    Pin::new(running).poll_next(cx)
}
