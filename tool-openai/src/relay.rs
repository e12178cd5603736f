//! A stream of a model's events from a future, which may hold what a stream could not borrow from.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::ModelError;
use crate::model::{ModelEvent, ModelStream};

/// Events that are not delivered yet.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<VecDeque<ModelEvent>>>);

impl Queue {
    pub(crate) fn extend(&self, events: impl IntoIterator<Item = ModelEvent>) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend(events);
    }

    fn pop(&self) -> Option<ModelEvent> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    }
}

/// The stream of what `run` puts into the queue; behind it, the error if it ends with one.
pub(crate) fn relay<'a, F>(run: impl FnOnce(Queue) -> F) -> ModelStream<'a>
where
    F: Future<Output = Result<(), ModelError>> + Send + 'a,
{
    let queue = Queue::default();
    Box::pin(Relayed {
        run: Some(Box::pin(run(queue.clone()))),
        queue,
        error: None,
    })
}

type Run<'a> = Pin<Box<dyn Future<Output = Result<(), ModelError>> + Send + 'a>>;

struct Relayed<'a> {
    run: Option<Run<'a>>,
    queue: Queue,
    error: Option<ModelError>,
}

impl Stream for Relayed<'_> {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(event) = self.queue.pop() {
            return Poll::Ready(Some(Ok(event)));
        }
        if let Some(run) = &mut self.run
            && let Poll::Ready(end) = run.as_mut().poll(cx)
        {
            self.run = None;
            self.error = end.err();
        }
        match self.queue.pop() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None if self.run.is_some() => Poll::Pending,
            None => Poll::Ready(self.error.take().map(Err)),
        }
    }
}
