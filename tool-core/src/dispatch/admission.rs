//! Admission: whether a call can run, whether the policy allows it, and what it has to wait for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::runtime::Handle;
use tracing::Span;

use super::batch::{Batch, BatchNumber, Calls, Origin, Running};
use super::call::{Call, Called, Stop, panic_text};
use super::engine::Alive;
use super::policy::{ApprovalRequest, Decision};
use super::scheduler::{CallId, Spec};
use super::{Setup, in_place, not_started, span};
use crate::dispatch::key::Key;
use crate::dispatch::nesting;
use crate::model::CallContext;
use crate::model::{ErrorCode, ToolError};
use crate::model::{RunName, ToolCall, ToolResult};
use crate::registry::UnknownToolError;

/// How many calls of a batch are handed to the scheduler at once: others wait for its lock
/// meanwhile.
const MOST_AT_ONCE: usize = 64;

/// How many unknown names of a batch are compared with all tools.
const MOST_GUESSES: usize = 16;

impl Setup {
    /// Answers the calls of a message.
    pub(super) async fn answer(
        self,
        mut calls: Vec<ToolCall>,
        run: Option<Arc<RunName>>,
    ) -> Vec<ToolResult> {
        let span = span::of_batch(calls.len());
        // Fast path: most messages have one call, and most of these need only a permit.
        if let [call] = &*calls
            && span.is_disabled()
            && let Some(called) = self.runs_alone(call)
            && self.engine.permits.borrow()
        {
            return match in_place::run_alone(self, calls.remove(0), called, run) {
                Ok(result) => vec![result],
                Err(running) => running.results().await,
            };
        }
        let origin = Origin {
            run,
            ..self.origin(Some(span), Some(calls.len()))
        };
        self.begin(calls, origin).results().await
    }

    /// A message of the program's, in that span; without a number of calls, they are still to come.
    pub(super) fn origin(&self, span: Option<Span>, calls: Option<usize>) -> Origin {
        Origin {
            setup: self.clone(),
            parent: None,
            number: BatchNumber::OfTool(0),
            run: None,
            span,
            calls,
            observed: false,
        }
    }

    /// Starts the calls of a message, as far as they can and may run.
    pub(super) fn begin(&self, calls: Vec<ToolCall>, origin: Origin) -> Running {
        // Nested calls need the scheduler: their parent must not count against them.
        let mut plain = origin.parent.is_none() && self.policy.is_none();
        let running = Running::new(origin);
        let batch = running.batch();
        let runtime = batch.runtime();
        let (mut refused, mut last) = (Vec::new(), None);
        let calls = calls.into_iter().enumerate().map(|(position, call)| {
            let admitted =
                self.admit(batch, &call, position, last)
                    .and_then(|called| match runtime {
                        Some(_) => Ok(called),
                        // Last, so that an unknown name is reported as such even then.
                        None => Err(not_started("the program has no tokio runtime to run it on")),
                    });
            last = admitted
                .map_err(|error| refused.push((position, error)))
                .ok();
            plain &= last.is_none_or(|called| called.is_plain);
            Arc::new(Call::new(call, position, Arc::clone(batch), last))
        });
        // if collected, they would keep the space of the whole message
        let mut made = Vec::with_capacity(calls.len());
        made.extend(calls);
        let calls: Calls = Arc::new(made);
        // Before any answer: the last one lets the caller take the results.
        batch.set_calls(Arc::clone(&calls));
        for (position, error) in refused {
            calls[position].refuse(error);
        }
        match runtime {
            Some(runtime) if plain => in_place::run(self, batch, &calls, runtime),
            Some(_) => self.enqueue(batch, &calls),
            None => {}
        }
        running
    }

    /// A batch whose calls are still to come.
    pub(super) fn empty(&self, observed: bool) -> Running {
        let origin = Origin {
            observed,
            ..self.origin(None, None) // no span until there is a call
        };
        let running = Running::new(origin);
        // Remembers the runtime now: calls may come later from a thread without one.
        running.batch().runtime();
        running
    }

    /// Answers calls none of which can run.
    pub(super) fn refuse_all(
        &self,
        calls: Vec<ToolCall>,
        error: impl Fn() -> ToolError,
    ) -> Vec<ToolResult> {
        let origin = self.origin(Some(span::of_batch(calls.len())), Some(calls.len()));
        let batch = Arc::new(Batch::new(origin));
        let calls = calls
            .into_iter()
            .enumerate()
            .map(|(position, call)| Arc::new(Call::new(call, position, Arc::clone(&batch), None)));
        batch.set_calls(Arc::new(calls.collect()));
        for call in batch.calls().iter() {
            call.refuse(error());
        }
        batch.take_results()
    }

    /// The tool that a call is of, or why it cannot run. Often it is the tool of the last one.
    pub(super) fn admit(
        &self,
        batch: &Batch,
        call: &ToolCall,
        position: usize,
        last: Option<Called>,
    ) -> Result<Called, ToolError> {
        // First, since it costs nothing: too long a message must not cost a lookup for each call.
        if position >= self.limits.calls {
            return Err(too_many(self.limits.calls));
        }
        let called = match last {
            Some(called) if self.tools.definition_at(called.tool).name() == call.name => called,
            _ => self
                .called(&call.name)
                .ok_or_else(|| self.unknown_tool(&call.name, batch))?,
        };
        self.check_size(&call.arguments)?;
        Ok(called)
    }

    /// Looks a tool up, with what its calls need before they begin.
    fn called(&self, name: &str) -> Option<Called> {
        let tool = self.tools.position(name)?;
        let behavior = self.tools.definition_at(tool).behavior();
        Some(Called {
            tool,
            is_plain: self.gates[tool].is_none()
                && !behavior.exclusive
                && behavior.serialize_by.is_empty(),
            is_layered: self.layers.around(tool).is_some(),
        })
    }

    /// The tool of a call that is alone in its message and needs only a permit to begin on the
    /// spot.
    fn runs_alone(&self, call: &ToolCall) -> Option<Called> {
        // Inside a task there is a runtime; checking the task is faster.
        let has_runtime = || tokio::task::try_id().is_some() || Handle::try_current().is_ok();
        let called = self.called(&call.name).filter(|called| called.is_plain)?;
        let admitted = self.limits.calls > 0 && self.check_size(&call.arguments).is_ok();
        (admitted && self.policy.is_none() && has_runtime()).then_some(called)
    }

    fn check_size(&self, arguments: &str) -> Result<(), ToolError> {
        let (bytes, depth) = (self.limits.argument_bytes, self.limits.argument_depth);
        if arguments.len() > bytes {
            let text = format!(
                "the arguments are {} bytes long, more than the limit of {bytes}; send less at once",
                arguments.len()
            );
            return Err(ToolError::with_text(ErrorCode::TooLarge, text));
        }
        if nesting::deeper_than(arguments, depth) {
            let text =
                format!("the arguments are nested more than {depth} deep; send a flatter object");
            return Err(ToolError::with_text(ErrorCode::TooLarge, text));
        }
        Ok(())
    }

    fn unknown_tool(&self, name: &str, batch: &Batch) -> ToolError {
        // A comparison with all names is slow: a message of wrong names must not block a worker.
        let error = if batch.may_guess(MOST_GUESSES) {
            UnknownToolError::new(name, &self.tools)
        } else {
            UnknownToolError::without_guess(name, &self.tools)
        };
        ToolError::with_text(ErrorCode::UnknownTool, error.to_string())
    }

    /// What the call's start depends on.
    pub(super) fn spec(&self, tool: usize, arguments: &str) -> Spec<Key> {
        let definition = self.tools.definition_at(tool);
        let names = &definition.behavior().serialize_by;
        let params = || self.runnables[tool].params();
        let key = if names.is_empty() {
            None
        } else {
            Key::of(arguments, names, definition.parameters(), params())
        };
        Spec {
            gate: self.gates[tool],
            key,
            exclusive: definition.behavior().exclusive,
        }
    }

    /// What decoding the arguments would refuse.
    fn check_arguments(&self, tool: usize, arguments: &str) -> Result<(), ToolError> {
        self.check_size(arguments)?;
        // Decoding runs user code (`Deserialize`), which may panic.
        catch_unwind(AssertUnwindSafe(|| self.runnables[tool].check(arguments)))
            .unwrap_or_else(|panic| Err(ToolError::panic(panic_text(panic))))
    }

    /// Leaves calls that have not begun to the scheduler.
    pub(super) fn enqueue(&self, batch: &Arc<Batch>, calls: &[Arc<Call>]) {
        let mut waiting = Vec::new();
        for calls in calls.chunks(MOST_AT_ONCE) {
            self.enqueue_some(batch, calls, &mut waiting);
        }
        self.close(batch);
        batch.watch_queue(waiting);
    }

    /// No more calls of the batch come to the scheduler.
    pub(super) fn close(&self, batch: &Batch) {
        if let Some(id) = batch.id() {
            self.engine.with(|scheduler| scheduler.close(id));
        }
    }

    /// As [`enqueue`](Self::enqueue), for as many as may keep others from the scheduler meanwhile.
    /// Notes those that wait.
    fn enqueue_some(
        &self,
        batch: &Arc<Batch>,
        calls: &[Arc<Call>],
        still_waiting: &mut Vec<Arc<Call>>,
    ) {
        let planned = calls
            .iter()
            .filter(|call| call.is_waiting())
            .map(|call| (call, call.tool));
        let mut waiting = Vec::with_capacity(calls.len());
        for (call, tool) in planned {
            match self.check_before_asking(call, tool) {
                Ok(()) => waiting.push((call, tool, self.spec(tool, call.arguments()))),
                Err(error) => call.refuse(error),
            }
        }
        let parent = batch.parent.as_ref().and_then(|parent| parent.seat());
        let (mut refused, mut undecided) = (Vec::new(), Vec::new());
        self.engine.with(|scheduler| {
            let id = batch.open(scheduler, parent);
            let mut admitted = Vec::new();
            for (call, tool, spec) in waiting {
                let parent = batch.parent.as_ref();
                // Checked under the lock: batches must not pass the bound together.
                if scheduler.waiting() >= self.limits.queue {
                    refused.push((call, overload(self.limits.queue)));
                } else if parent.is_some_and(|parent| parent.begin_nested(None).is_err()) {
                    refused.push((call, not_started("the call it belongs to is over")));
                } else {
                    let seat = scheduler.reserve(id, call.position, Arc::clone(call), spec.clone());
                    call.take_seat(seat);
                    // Its place is taken now, so that the order holds while the policy decides.
                    if self.policy.is_some() {
                        undecided.push((call, tool, seat));
                    } else {
                        admitted.push((call, seat, spec));
                    }
                }
            }
            let seats: Vec<_> = admitted
                .iter()
                .map(|(call, seat, _)| (*call, *seat))
                .collect();
            scheduler.admit_all(admitted.into_iter().map(|(_, seat, spec)| (seat, spec)));
            let waits = seats
                .into_iter()
                .filter(|(_, seat)| scheduler.is_queued(*seat));
            still_waiting.extend(waits.map(|(call, _)| Arc::clone(call)));
        });
        // After the lock is released: both run user code, wakers and policies.
        for (call, error) in refused {
            call.refuse(error);
        }
        for (call, tool, seat) in undecided {
            self.decide(call, tool, seat);
        }
        for call in calls {
            call.release(); // it may have been answered while it had no seat
        }
    }

    /// The policy is not asked about a call that cannot run; such a call is answered without being
    /// asked about.
    pub(super) fn check_before_asking(&self, call: &Call, tool: usize) -> Result<(), ToolError> {
        if self.policy.is_some() {
            self.check_arguments(tool, call.arguments())
        } else {
            Ok(())
        }
    }

    /// Asks the policy, and lets the call run if it may.
    pub(super) fn decide(&self, call: &Arc<Call>, tool: usize, seat: CallId) {
        let Some(policy) = self.policy.clone() else {
            return;
        };
        let (setup, call) = (self.clone(), Arc::clone(call));
        let batch = Arc::clone(&call.batch);
        // Made here: if the runtime drops the task unpolled, the call is answered all the same.
        let undecided = Undecided::new(&call);
        let alive = Alive::new(Arc::clone(&self.engine));
        batch.spawn(async move {
            let _alive = alive;
            let (setup, call, policy) = (setup, call, policy); // dropped before `_alive`
            let request = ApprovalRequest {
                call: Arc::clone(&call),
            };
            let decided = call
                .token()
                .run_until_cancelled(policy.decide(request))
                .await;
            undecided.end();
            match decided {
                None => {} // answered meanwhile
                Some(Ok(decision)) => setup.carry_out(&call, tool, seat, decision),
                Some(Err(error)) => call.refuse(error),
            }
        });
    }

    /// Does what was decided on a call that has a place.
    pub(super) fn carry_out(
        &self,
        call: &Arc<Call>,
        tool: usize,
        seat: CallId,
        decision: Decision,
    ) {
        match decision {
            Decision::Allow => {}
            Decision::Edit(arguments) => match self.check_arguments(tool, &arguments) {
                Ok(()) => call.edit(arguments),
                Err(error) => return call.refuse(error),
            },
            Decision::Deny(reason) => return call.refuse(denied(&reason)),
            Decision::Hold if call.batch.parent.is_some() => {
                let why = "a call within another call cannot wait for a decision";
                return call.refuse(denied(why));
            }
            Decision::Hold => {
                self.engine.with(|scheduler| scheduler.hold(seat));
                return call.hold(None);
            }
        }
        // Only now: edited arguments may have another key.
        let spec = self.spec(tool, call.arguments());
        let waits = self.engine.with(|scheduler| {
            scheduler.admit(seat, spec);
            scheduler.is_queued(seat)
        });
        let waiting = waits.then(|| Arc::clone(call));
        call.batch.watch_queue(waiting);
    }
}

/// A pending decision. Answers its call if the policy is dropped with its runtime.
struct Undecided {
    call: Arc<Call>,
    is_pending: bool,
}

impl Undecided {
    fn new(call: &Arc<Call>) -> Self {
        call.batch.begin_decision();
        Self {
            call: Arc::clone(call),
            is_pending: true,
        }
    }

    fn end(mut self) {
        self.is_pending = false;
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        self.call.batch.end_decision();
        if self.is_pending {
            self.call.stop(Stop::Shutdown);
        }
    }
}

/// Runs calls for a call that waits for them.
pub(super) async fn nested(
    parent: Arc<Call>,
    context: CallContext,
    calls: Vec<ToolCall>,
) -> Vec<ToolResult> {
    if calls.is_empty() {
        return Vec::new();
    }
    let (setup, attempt) = (parent.batch.setup.clone(), context.attempt);
    if parent.batch.depth >= setup.limits.nesting {
        let text = format!("calls are nested more than {} deep", setup.limits.nesting);
        return setup.refuse_all(calls, || {
            ToolError::with_text(ErrorCode::Overloaded, text.clone())
        });
    }
    // A context can be kept beyond its call; it must start nothing then.
    if parent.is_over() {
        return setup.refuse_all(calls, || not_started("the call it belongs to is over"));
    }
    // Without a place in the scheduler the parent's permit would count against its own calls.
    setup.engine.adopt(&parent);
    parent.release(); // it may have been answered while it had no seat
    let span = span::of_batch(calls.len()); // code of the subscriber's, which may panic
    if let Err(why) = parent.begin_nested(attempt) {
        return setup.refuse_all(calls, || not_started(why));
    }
    let number = parent.begin_wait(attempt);
    let origin = Origin {
        parent: Some(Arc::clone(&parent)),
        number,
        ..setup.origin(Some(span), Some(calls.len()))
    };
    let running = setup.begin(calls, origin);
    // The parent was stopped meanwhile, and did not see this batch.
    if !parent.add_child(running.batch()) {
        running.batch().cancel(Stop::Cancel);
    }
    parent.end_nested(); // the calls are counted now
    running.results().await
}

pub(super) fn denied(reason: &str) -> ToolError {
    ToolError::with_text(ErrorCode::Denied, format!("not allowed: {reason}"))
}

pub(super) fn too_many(most: usize) -> ToolError {
    let text =
        format!("not started: more than {most} calls in one message; make the rest in the next");
    ToolError::with_text(ErrorCode::Overloaded, text)
}

pub(super) fn overload(most: usize) -> ToolError {
    let text = format!("not started: {most} calls wait already; try again later");
    ToolError::with_text(ErrorCode::Overloaded, text)
}
