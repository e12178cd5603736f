//! Results and progress as a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::{Deserialize, Serialize};

use super::Dispatcher;
use super::batch::{Origin, Running};
use super::span;
use crate::model::{RunName, ToolCall, ToolResult, Version};

/// The progress of a running tool, reported with
/// [`CallContext::progress`](crate::CallContext::progress).
///
/// Shape: serialised as an object with these fields and `version` (1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    pub(crate) version: Version,
    /// The call's id.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// The call's place in its batch, from 0.
    pub position: usize,
    /// What it says, for people to read.
    pub message: String,
    /// How much is done, from 0 to 1, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
}

/// What happens in a batch.
///
/// Shape: serialised as the object of what it holds, with `type` (`progress` or `result`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DispatchEvent {
    /// A tool reports progress. When events are not read in time, the oldest are dropped.
    Progress(Progress),
    /// A call is answered; it reports no more progress.
    Result(ToolResult),
}

/// The results of a batch as they come; made by [`Dispatcher::stream`]. Dropped, it stops what
/// still runs.
#[must_use = "nothing runs before the stream is polled"]
pub struct ResultStream(EventStream);

/// What happens in a batch, as it happens; made by [`ResultStream::events`]. Dropped, it stops what
/// still runs.
#[must_use = "nothing runs before the stream is polled"]
pub struct EventStream(StreamState);

enum StreamState {
    Planned(Dispatcher, Vec<ToolCall>, Option<Arc<RunName>>),
    Running(Running),
    Done,
}

impl ResultStream {
    pub(super) fn new(
        dispatcher: Dispatcher,
        calls: Vec<ToolCall>,
        run: Option<Arc<RunName>>,
    ) -> Self {
        Self(EventStream(StreamState::Planned(dispatcher, calls, run)))
    }

    /// As the stream itself, with what tools report in between.
    pub fn events(self) -> EventStream {
        self.0
    }

    /// The next result, or `None` when every call is answered.
    ///
    /// # Cancel safety
    /// Cancel-safe: no result is lost.
    pub async fn next(&mut self) -> Option<ToolResult> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl EventStream {
    /// The next event, or `None` when every call is answered.
    ///
    /// # Cancel safety
    /// Cancel-safe: no event is lost.
    pub async fn next(&mut self) -> Option<DispatchEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ResultStream {
    type Item = ToolResult;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ToolResult>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_next(cx)) {
                Some(DispatchEvent::Result(result)) => return Poll::Ready(Some(result)),
                Some(DispatchEvent::Progress(_)) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for EventStream {
    type Item = DispatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<DispatchEvent>> {
        if let StreamState::Planned(dispatcher, calls, run) = &mut self.0 {
            let span = span::of_batch(calls.len());
            let calls = std::mem::take(calls);
            let setup = &dispatcher.setup;
            let origin = Origin {
                observed: true,
                run: run.take(),
                ..setup.origin(Some(span), Some(calls.len()))
            };
            let running = setup.begin(calls, origin);
            self.0 = StreamState::Running(running);
        }
        let StreamState::Running(running) = &self.0 else {
            return Poll::Ready(None);
        };
        let event = ready!(running.batch().poll_event(cx));
        if event.is_none() {
            self.0 = StreamState::Done;
        }
        Poll::Ready(event)
    }
}

impl fmt::Debug for ResultStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResultStream").finish_non_exhaustive()
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventStream").finish_non_exhaustive()
    }
}
