//! What happens to a call's answer: it is shortened to its bound and counted, and the readers of
//! results and events are notified.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::Batch;
use crate::dispatch::call::{
    Call, Outcome, catch_panic, drop_catching_panic, lock, wake_catching_panic,
};
use crate::dispatch::stream::{DispatchEvent, Progress};
use crate::model::{CallContext, CallHost, ToolError, ToolOutput, ToolResult};

/// What is left of an output when the batch's share is used up.
const LEAST_OUTPUT: usize = 512;

impl Batch {
    /// A call has its answer.
    pub(in crate::dispatch) fn answered(&self, call: &Arc<Call>) {
        if self.observed {
            let event = DispatchEvent::Result(call.result());
            // The waker is user code, so it is woken after the lock is released.
            let waker = {
                let mut state = lock(&self.state);
                if !state.forgotten {
                    state.events.push_back(event);
                }
                state.waker.take()
            };
            wake_catching_panic(waker);
        }
        self.fewer(1);
    }

    /// This many calls are answered.
    pub(in crate::dispatch) fn fewer(&self, answered: usize) {
        // `AcqRel` pairs with `is_done`: a thread that reads 0 sees all answers.
        if answered == 0 || self.unanswered.fetch_sub(answered, Ordering::AcqRel) != answered {
            return;
        }
        if !self.span().is_disabled() {
            let calls = self.calls();
            catch_panic(|| self.close_span(&calls));
        }
        if let Some(parent) = &self.parent {
            parent.end_wait();
        }
        let (kept, waker) = {
            let mut state = lock(&self.state);
            // A call may have been added since.
            let kept = self.is_done().then(|| {
                let deadlines = std::mem::take(&mut state.deadlines);
                (state.watch.take(), deadlines, state.alive.take())
            });
            (kept, state.waker.take())
        };
        drop(kept);
        wake_catching_panic(waker);
    }

    pub(in crate::dispatch) fn is_done(&self) -> bool {
        self.unanswered.load(Ordering::Acquire) == 0
    }

    /// Ready when all calls are answered.
    pub(super) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        // The waker is stored before the count is read again: the last answer counts down, and then
        // takes the waker.
        if !self.is_done() {
            self.wait(cx);
        }
        if self.is_done() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// From here on each event wakes the waker; its task then looks again.
    fn wait(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let before = lock(&self.state).waker.replace(waker);
        drop(before);
    }

    /// The results, in call order. The batch forgets its calls.
    pub(in crate::dispatch) fn take_results(&self) -> Vec<ToolResult> {
        let calls = lock(&self.state).calls.take();
        let mut calls = calls.map(Arc::unwrap_or_clone).unwrap_or_default();
        if !calls.is_sorted_by_key(|call| call.position) {
            calls.sort_by_key(|call| call.position);
        }
        calls.into_iter().map(Call::into_result).collect()
    }

    /// Drops calls and events, which hold references to the batch.
    pub(super) fn forget(&self) {
        let (calls, events) = {
            let mut state = lock(&self.state);
            state.forgotten = true;
            (state.calls.take(), std::mem::take(&mut state.events))
        };
        drop_catching_panic((calls, events)); // outputs and errors that were not read
    }

    /// The next event, or `None` when there will be no more.
    pub(in crate::dispatch) fn poll_event(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<DispatchEvent>> {
        let event = self.take_event();
        if event.is_ready() {
            return event;
        }
        self.wait(cx);
        self.take_event()
    }

    fn take_event(&self) -> Poll<Option<DispatchEvent>> {
        let done = self.is_done(); // if so, all events are there
        let mut state = lock(&self.state);
        match state.events.pop_front() {
            Some(event) => {
                state.progress -= usize::from(matches!(event, DispatchEvent::Progress(_)));
                Poll::Ready(Some(event))
            }
            None if done => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Notifies the reader of events, unless the call is answered. When events are not read, the
    /// oldest progress is dropped.
    pub(in crate::dispatch) fn report(&self, call: &Call, progress: Progress) {
        if !self.observed || self.setup.limits.progress_events == 0 {
            return;
        }
        // Under the lock, so that no progress follows the result.
        let mut state = lock(&self.state);
        if call.outcome().is_some() {
            return;
        }
        if state.progress >= self.setup.limits.progress_events
            && let Some(oldest) = state
                .events
                .iter()
                .position(|event| matches!(event, DispatchEvent::Progress(_)))
        {
            state.events.remove(oldest);
            state.progress -= 1;
        }
        state.events.push_back(DispatchEvent::Progress(progress));
        state.progress += 1;
        let waker = state.waker.take();
        drop(state);
        wake_catching_panic(waker);
    }

    /// Shortens an output, or the model's text of an error, that is longer than the bytes left for
    /// it.
    #[inline]
    pub(in crate::dispatch) fn within_limits(&self, call: &Arc<Call>, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(output) => match self.share(output.encoded_len()) {
                Some(most) if output.exceeds(most) => self.cut(call, output, most),
                _ => Ok(output),
            },
            Err(error) => Err(match self.share(error.message_for_model().len()) {
                Some(most) => error.within(most),
                None => error,
            }),
        }
    }

    /// An output that is longer than `most` bytes.
    #[cold]
    fn cut(&self, call: &Arc<Call>, output: ToolOutput, most: usize) -> Outcome {
        if call.definition().output_schema().is_some() {
            return Err(ToolError::output_too_long(most));
        }
        let mut note = None;
        if let Some(keep) = &self.setup.overflow {
            let context = CallContext::new(Arc::clone(call) as Arc<dyn CallHost>);
            catch_panic(|| note = Some(keep(&context, &output)));
        }
        Ok(match note {
            Some(note) => output.within_and(most, note),
            None => output.within(most),
        })
    }

    /// How much of so many bytes there is room for. `None` if they are too few to be counted.
    #[inline]
    fn share(&self, length: usize) -> Option<usize> {
        if length <= LEAST_OUTPUT.min(self.setup.limits.output_bytes) {
            return None;
        }
        let wanted = length.min(self.setup.limits.output_bytes);
        let take = |left: usize| Some(left.saturating_sub(wanted));
        // `Relaxed`: only the number matters, it publishes nothing.
        let left = self
            .output_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .unwrap_or_default();
        Some(wanted.min(left.max(LEAST_OUTPUT)))
    }
}
