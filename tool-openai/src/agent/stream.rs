//! A run as a stream of its events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::event::AgentEvent;
use super::events::Queue;
use super::run::Ended;
use crate::error::AgentError;

type Run = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// A run as a stream of events; made by [`Agent::stream`](crate::Agent::stream) and
/// [`Conversation::stream`](crate::Conversation::stream). It owns what it needs, so that it can be
/// the body of a response. The last item is [`AgentEvent::Reply`], or an error.
///
/// Dropped, it ends the run: the tools are dropped at their next await, and the history is valid
/// before the drop returns. A message whose calls had begun is in it with a result for each.
#[must_use = "nothing happens before the stream is polled"]
pub struct AgentStream {
    run: Option<Run>,
    events: Queue,
    end: Option<Ended>,
}

impl AgentStream {
    pub(super) fn new(run: impl Future<Output = Ended> + Send + 'static, events: Queue) -> Self {
        Self {
            run: Some(Box::pin(run)),
            events,
            end: None,
        }
    }

    /// The next event, or `None` after the last. Nothing is lost if the future is dropped.
    ///
    /// # Cancel safety
    /// Cancel-safe: no event is lost.
    pub async fn next(&mut self) -> Option<Result<AgentEvent, AgentError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for AgentStream {
    type Item = Result<AgentEvent, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Events that happened are delivered before the run continues.
        if let Some(event) = self.events.pop() {
            return Poll::Ready(Some(Ok(event)));
        }
        if let Some(run) = &mut self.run
            && let Poll::Ready(end) = run.as_mut().poll(cx)
        {
            self.run = None;
            self.end = Some(end);
        }
        if let Some(event) = self.events.pop() {
            return Poll::Ready(Some(Ok(event)));
        }
        match self.end.take() {
            Some(end) => Poll::Ready(Some(end.reply.map(AgentEvent::Reply))),
            None if self.run.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl Drop for AgentStream {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end.forget();
        }
    }
}

impl fmt::Debug for AgentStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentStream").finish_non_exhaustive()
    }
}
