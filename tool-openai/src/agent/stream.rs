//! A run as a stream of what happens in it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;

use super::event::{AgentEvent, Reply};
use crate::error::AgentError;

type Run<'a> = Pin<Box<dyn Future<Output = Result<Reply, AgentError>> + Send + 'a>>;

/// Events that happened and are not told yet.
pub(super) type Queue = Arc<Mutex<VecDeque<AgentEvent>>>;

/// A run as it happens; made by [`Agent::stream`](crate::Agent::stream). The last item is
/// [`AgentEvent::Reply`], or an error.
///
/// Dropped, it ends the run like a dropped [`run`](crate::Agent::run): the history is valid.
#[must_use = "nothing happens before the stream is polled"]
pub struct AgentStream<'a> {
    run: Option<Run<'a>>,
    events: Queue,
    end: Option<Result<Reply, AgentError>>,
}

impl<'a> AgentStream<'a> {
    pub(super) fn new(
        run: impl Future<Output = Result<Reply, AgentError>> + Send + 'a,
        events: Queue,
    ) -> Self {
        Self {
            run: Some(Box::pin(run)),
            events,
            end: None,
        }
    }

    /// The next event, or `None` after the last.
    pub async fn next(&mut self) -> Option<Result<AgentEvent, AgentError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for AgentStream<'_> {
    type Item = Result<AgentEvent, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // What has happened is told before anything else does.
        if self
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
            && let Some(run) = &mut self.run
            && let Poll::Ready(end) = run.as_mut().poll(cx)
        {
            self.run = None;
            self.end = Some(end);
        }
        if let Some(event) = self
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
        {
            return Poll::Ready(Some(Ok(event)));
        }
        match self.end.take() {
            Some(end) => Poll::Ready(Some(end.map(AgentEvent::Reply))),
            None if self.run.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for AgentStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentStream").finish_non_exhaustive()
    }
}
