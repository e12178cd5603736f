//! Calls handed over one at a time, while their message still arrives.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tracing::Span;

use super::admission::{overload, too_many};
use super::batch::{Batch, Running};
use super::call::{Call, Called, Stop};
use super::scheduler::{CallId, Spec};
use super::stream::DispatchEvent;
use super::{Setup, not_started};
use crate::model::{ErrorCode, ToolError};
use crate::model::{ToolCall, ToolResult};

/// A batch of streamed tool calls, whose message still arrives; made by
/// [`Dispatcher::streaming_batch`](crate::Dispatcher::streaming_batch).
///
/// A call's place is taken when it [opens](Self::open), and the call may run once it is
/// [complete](Self::complete) and every earlier one has started. [`finish`](Self::finish) says that
/// the message is over: the rest runs as in [`dispatch`](crate::Dispatcher::dispatch), and all
/// results are in call order. A batch that is dropped stops what it started.
///
/// ```
/// use tool_core::{Dispatcher, ErrorCode, ToolCall, tool, tools};
///
/// /// Double a number.
/// #[tool]
/// async fn double(number: i64) -> i64 {
///     number * 2
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut batch = Dispatcher::new(tools![double]).streaming_batch();
/// let first = batch.open("call_1", "double");
/// batch.push(ToolCall::new("call_2", "double", r#"{"number": 2}"#)); // waits for the first to be complete
/// batch.complete(first, r#"{"number": 1}"#);
/// batch.open("call_3", "double"); // the message ends before its arguments do
///
/// let results = batch.finish().await;
/// assert_eq!([results[0].content(), results[1].content()], ["2", "4"]);
/// assert_eq!(results[2].outcome().unwrap_err().code(), ErrorCode::TruncatedCall);
/// # }
/// ```
pub struct StreamingBatch {
    // Dropped first: what is dropped behind it then starts nothing.
    running: Running,
    places: Places,
    opened: usize,
    /// The span that was entered when it was made.
    opened_in: Span,
}

/// The places of calls that are not complete. Dropped, they are given back.
struct Places {
    setup: Setup,
    batch: Arc<Batch>,
    open: BTreeMap<usize, Open>,
}

struct Open {
    id: String,
    name: String,
    /// Its place in the scheduler, unless there was none left.
    seat: Option<CallId>,
}

impl StreamingBatch {
    pub(super) fn new(setup: Setup) -> Self {
        let running = setup.empty(true);
        let places = Places {
            setup,
            batch: Arc::clone(running.batch()),
            open: BTreeMap::new(),
        };
        Self {
            running,
            places,
            opened: 0,
            opened_in: Span::current(),
        }
    }

    /// Takes the place of the next call. Its arguments are still to come.
    pub fn open(&mut self, id: impl Into<String>, name: impl Into<String>) -> usize {
        let position = self.opened;
        self.batch().open_span(&self.opened_in);
        self.opened += 1;
        let open = Open {
            id: id.into(),
            name: name.into(),
            seat: None,
        };
        let Places { setup, batch, .. } = &self.places;
        let seat = (position < setup.limits.calls)
            .then(|| setup.reserve(batch, &open.id, &open.name, position))
            .flatten();
        self.places.open.insert(position, Open { seat, ..open });
        position
    }

    /// The arguments of a call that was opened are complete. Without effect on one that is complete
    /// already.
    pub fn complete(&mut self, position: usize, arguments: impl Into<String>) {
        if let Some(Open { id, name, seat }) = self.places.open.remove(&position) {
            let call = ToolCall {
                id,
                name,
                arguments: arguments.into(),
            };
            self.hand_over(position, call, seat);
        }
    }

    /// As [`open`](Self::open) and [`complete`](Self::complete) together.
    pub fn push(&mut self, call: ToolCall) -> usize {
        let ToolCall {
            id,
            name,
            arguments,
        } = call;
        let position = self.open(id, name);
        self.complete(position, arguments);
        position
    }

    /// A call that was opened will not be complete: it is answered with `truncated_call`, and those
    /// behind need not wait.
    pub fn truncate(&mut self, position: usize) {
        let text = "the call was cut off before its arguments were complete; make it again";
        self.refuse(
            position,
            &ToolError::with_text(ErrorCode::TruncatedCall, text),
        );
    }

    /// The next event: a result, or progress that a tool reports. `None` when every call handed
    /// over so far is answered and the batch has [ended](Self::end); until then it waits.
    ///
    /// # Cancel safety
    /// Cancel-safe: no event is lost.
    pub async fn next(&mut self) -> Option<DispatchEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The message is over: calls that are not complete are answered `truncated_call`, the others
    /// run to their end.
    ///
    /// Returns one result per call that was opened, in call order. Dropping the future stops what
    /// still runs.
    ///
    /// # Cancel safety
    /// Dropping the future stops the calls, as dropping the batch does.
    pub async fn finish(mut self) -> Vec<ToolResult> {
        self.end();
        self.running.results().await
    }

    /// As [`finish`](Self::finish), without waiting: [`next`](Self::next) reports the
    /// rest, until it returns `None`.
    pub fn end(&mut self) {
        let open: Vec<usize> = self.places.open.keys().copied().collect();
        for position in open {
            self.truncate(position);
        }
        self.places.setup.finish(self.batch());
    }

    /// Answers every call now: those that run are stopped at their next await, those that do not
    /// will not.
    pub fn cancel(mut self) -> Vec<ToolResult> {
        self.batch().cancel(Stop::Cancel);
        let open: Vec<usize> = self.places.open.keys().copied().collect();
        for position in open {
            self.refuse(
                position,
                &super::call::not_started("the message was cancelled"),
            );
        }
        self.places.setup.finish(self.batch());
        self.running.batch().take_results()
    }

    fn batch(&self) -> &Arc<Batch> {
        &self.places.batch
    }

    fn hand_over(&self, position: usize, call: ToolCall, seat: Option<CallId>) {
        if position >= self.places.setup.limits.calls {
            return self.answer(
                position,
                call,
                too_many(self.places.setup.limits.calls),
                seat,
            );
        }
        self.places.setup.seat(self.batch(), position, call, seat);
    }

    fn refuse(&mut self, position: usize, error: &ToolError) {
        if let Some(Open { id, name, seat }) = self.places.open.remove(&position) {
            self.answer(position, ToolCall::new(id, name, ""), error.clone(), seat);
        }
    }

    fn answer(&self, position: usize, call: ToolCall, error: ToolError, seat: Option<CallId>) {
        let call = Arc::new(Call::new(call, position, Arc::clone(self.batch()), None));
        self.batch().add(Arc::clone(&call));
        if let Some(seat) = seat {
            call.take_seat(seat);
        }
        call.refuse(error);
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for seat in self.open.values().filter_map(|open| open.seat) {
            self.setup.give_up(seat);
        }
        self.setup.finish(&self.batch);
        self.setup.close(&self.batch);
    }
}

/// Events as they come, like those of [`EventStream`](crate::EventStream).
impl Stream for StreamingBatch {
    type Item = DispatchEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<DispatchEvent>> {
        self.running.batch().poll_event(cx)
    }
}

impl fmt::Debug for StreamingBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingBatch")
            .field("opened", &self.opened)
            .field("open", &self.places.open.len())
            .finish_non_exhaustive()
    }
}

/// How a streaming batch notifies the scheduler and the batch.
impl Setup {
    /// Takes a place for a call of which only the name is known. None if too many wait.
    fn reserve(&self, batch: &Arc<Batch>, id: &str, name: &str, position: usize) -> Option<CallId> {
        let exclusive = self
            .tools
            .position(name)
            .is_some_and(|tool| self.tools.definition_at(tool).behavior().exclusive);
        let call = Arc::new(Call::new(
            ToolCall::new(id, name, ""),
            position,
            Arc::clone(batch),
            None,
        ));
        self.engine.with(|scheduler| {
            let batch = batch.open(scheduler, None);
            let free = scheduler.waiting() < self.limits.queue;
            free.then(|| {
                scheduler.reserve(
                    batch,
                    position,
                    call,
                    Spec {
                        gate: None,
                        key: None,
                        exclusive,
                    },
                )
            })
        })
    }

    /// Lets a call that is complete run from the place that was taken for it.
    fn seat(&self, batch: &Arc<Batch>, position: usize, call: ToolCall, seat: Option<CallId>) {
        let admitted = match (
            self.admit(batch, &call, position, None),
            seat,
            batch.runtime().is_some(),
        ) {
            (Ok(_), None, _) => Err(overload(self.limits.queue)),
            (Ok(_), _, false) => Err(not_started("the program has no tokio runtime to run it on")),
            (Ok(tool), Some(seat), true) => Ok((tool, seat)),
            (Err(error), ..) => Err(error),
        };
        let called = admitted.as_ref().ok().map(|(called, _)| *called);
        let call = Arc::new(Call::new(call, position, Arc::clone(batch), called));
        batch.add(Arc::clone(&call));
        if let Some(seat) = seat {
            call.take_seat(seat);
        }
        let (Called { tool, .. }, seat) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return call.refuse(error),
        };
        self.engine
            .with(|scheduler| scheduler.replace(seat, Arc::clone(&call)));
        if let Some(why) = batch.halted() {
            return call.stop_unstarted(why);
        }
        if let Err(error) = self.check_before_asking(&call, tool) {
            return call.refuse(error);
        }
        let spec = self.spec(tool, call.arguments());
        if self.policy.is_some() {
            self.engine.with(|scheduler| scheduler.propose(seat, spec));
            return self.decide(&call, tool, seat);
        }
        let waits = self.engine.with(|scheduler| {
            scheduler.admit(seat, spec);
            scheduler.is_queued(seat)
        });
        batch.watch_queue(waits.then_some(call));
    }

    /// Gives a place back that no call has come for.
    fn give_up(&self, seat: CallId) {
        self.engine.with(|scheduler| scheduler.settle(seat));
    }

    /// No more calls come.
    fn finish(&self, batch: &Arc<Batch>) {
        if let Some(id) = batch.id() {
            self.engine.with(|scheduler| scheduler.finish(id));
        }
        batch.seal();
    }
}
