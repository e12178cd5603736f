//! One call, from dispatch to answer.
//!
//! [`state`] is the life of a call. [`poll`] begins and polls it, mostly from its [`task`];
//! [`answer`] gives it its answer, [`stop`] stops it, and [`beside`] is what it runs beside its
//! body.

mod answer;
mod beside;
mod guard;
mod poll;
mod state;
mod stop;
mod task;
mod times;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::batch::Batch;
use super::critical_path::Lane;
use crate::model::{
    self, ErrorCode, Held, ToolCall, ToolError, ToolFuture, ToolOutput, ToolResult, clip,
};

pub(crate) use beside::Run;
pub(crate) use guard::{catch_panic, drop_catching_panic, lock, panic_text, wake_catching_panic};
pub(super) use poll::{First, Polled};
use state::{Seat, State, Times};
pub(crate) use stop::{Stop, not_started};
pub(crate) use task::CallTask;
pub(super) use times::{QUEUED, offset};

pub(crate) type Outcome = Result<ToolOutput, ToolError>;

/// One call; shared by its batch, its task, its context and its result.
pub(crate) struct Call {
    pub(crate) call: ToolCall,
    pub(crate) position: usize,
    /// The tool's place in the set, if there is one of its name.
    pub(crate) tool: usize,
    /// Whether layers are around its tool.
    is_layered: bool,
    pub(crate) batch: Arc<Batch>,
    answer: OnceLock<Answer>,
    state: Mutex<State<Body>>,
    /// What few calls need.
    extra: OnceLock<Box<Extra>>,
}

/// The tool that a call is of.
#[derive(Clone, Copy, Default)]
pub(super) struct Called {
    /// Its place in the set.
    pub(super) tool: usize,
    /// Whether calls of it wait for nothing but permits of the dispatcher.
    pub(super) is_plain: bool,
    /// Whether layers are around it.
    pub(super) is_layered: bool,
}

struct Answer {
    outcome: Outcome,
    /// When it was known: an [`offset`].
    finished: u64,
}

/// A call that has begun.
struct Body {
    future: ToolFuture<'static>,
    span: Option<Box<Span>>,
}

#[derive(Default)]
struct Extra {
    /// Arguments that the policy has put in place of the model's.
    edited: OnceLock<String>,
    token: OnceLock<CancellationToken>,
    held: OnceLock<Box<Held>>,
    /// A hash of the tool's definition when the call was held before.
    definition: OnceLock<String>,
}

impl Call {
    /// A call of that tool; without one it can only be refused.
    #[inline]
    pub(super) fn new(
        call: ToolCall,
        position: usize,
        batch: Arc<Batch>,
        called: Option<Called>,
    ) -> Self {
        Self {
            call,
            position,
            tool: called.map_or(usize::MAX, |called| called.tool),
            is_layered: called.is_some_and(|called| called.is_layered),
            batch,
            answer: OnceLock::new(),
            state: Mutex::new(State::new(called.is_some())),
            extra: OnceLock::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<Body>> {
        lock(&self.state)
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.answer.get().map(|answer| &answer.outcome)
    }

    /// As [`outcome`](Self::outcome), of a call that is handed out as answered.
    pub(crate) fn answered(&self) -> &Outcome {
        &self.answer.get_or_init(never_answered).outcome
    }

    /// The result, for the reader of events; the batch has it too.
    pub(super) fn result(&self) -> ToolResult {
        let call = ToolCall {
            arguments: self.arguments().to_owned(),
            ..self.call.clone()
        };
        let held = self.extra.get().and_then(|extra| extra.held.get().cloned());
        let halted = self.batch.halted();
        let outcome = self.answered().clone();
        let (outcome, held) = unless_halted(outcome, held, halted, &call.name);
        ToolResult::with_times(call, self.position, outcome, self.times()).with_held(held)
    }

    /// The result, taken out of the call, or copied while something of it is still running.
    pub(super) fn into_result(self: Arc<Self>) -> ToolResult {
        let mut own = match Arc::try_unwrap(self) {
            Ok(call) => call,
            Err(shared) => return shared.result(),
        };
        let started = own
            .state
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .times
            .started;
        let answer = own.answer.take().unwrap_or_else(never_answered);
        let (mut outcome, mut held) = (answer.outcome, None);
        if let Some(extra) = own.extra.take() {
            let halted = own.batch.halted();
            (outcome, held) =
                unless_halted(outcome, extra.held.into_inner(), halted, &own.call.name);
            if let Some(edited) = extra.edited.into_inner() {
                own.call.arguments = edited;
            }
        }
        let times = times::of_result(own.batch.queued(), started, answer.finished);
        ToolResult::with_times(own.call, own.position, outcome, times).with_held(held)
    }

    /// When it was queued, started and answered, from the queueing of its batch.
    pub(super) fn lane(&self) -> Lane {
        let model::Times {
            started, finished, ..
        } = self.times();
        Lane {
            queued: Duration::ZERO,
            start: started,
            end: finished,
        }
    }

    /// When it was queued, started and answered.
    fn times(&self) -> model::Times {
        let finished = self.finished_offset().unwrap_or_default();
        times::of_result(self.batch.queued(), self.state().times.started, finished)
    }

    /// The arguments as the tool reads them.
    pub(crate) fn arguments(&self) -> &str {
        self.extra
            .get()
            .and_then(|extra| extra.edited.get())
            .unwrap_or(&self.call.arguments)
    }

    /// Answers a call that is held: it waits for a decision, or is ordered behind the
    /// held call at that position.
    pub(super) fn hold(self: &Arc<Self>, behind: Option<usize>) {
        let definition = &self.extra().definition;
        let definition = definition.get_or_init(|| self.definition().fingerprint());
        let held = Held {
            behind,
            definition: definition.clone(),
            run: self.run_name(),
        };
        let text = match behind {
            None => "held: the program has yet to decide on it".to_owned(),
            Some(position) => {
                format!("held behind call {position}, on which the program has yet to decide")
            }
        };
        let _ = self.extra().held.set(Box::new(held));
        self.refuse(ToolError::with_text(ErrorCode::Held, text));
    }

    /// It was held before, when that was the hash of its tool's definition.
    pub(super) fn was_held(&self, definition: String) {
        let _ = self.extra().definition.set(definition);
    }

    /// Puts other arguments in place of the model's.
    pub(crate) fn edit(&self, arguments: String) {
        let _ = self.extra().edited.set(arguments);
    }

    fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    /// Cancelled when the call is stopped.
    pub(crate) fn token(&self) -> &CancellationToken {
        let token = self.extra().token.get_or_init(CancellationToken::new);
        if self.state().is_cancelled() {
            catch_panic(|| token.cancel()); // it was stopped before the token was made
        }
        token
    }

    /// When it has to be answered, if it has begun.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        times::at(self.batch.queued(), self.state().times.deadline)
    }

    pub(crate) fn started(&self) -> Option<Instant> {
        times::at(self.batch.queued(), self.state().times.started)
    }

    /// When it was answered, in [`Batch::now`].
    pub(super) fn finished_offset(&self) -> Option<u64> {
        self.answer.get().map(|answer| answer.finished)
    }

    /// How long it may run, once it has begun.
    fn timeout(&self) -> Option<Duration> {
        let Times { started, deadline } = self.state().times;
        times::since_queued(deadline)?.checked_sub(times::since_queued(started)?)
    }

    /// Whether its deadline is not watched so far.
    pub(super) fn begin_watch(&self) -> bool {
        self.state().begin_watch()
    }

    /// Whether it can still begin.
    pub(crate) fn is_waiting(&self) -> bool {
        self.outcome().is_none() && self.state().is_waiting()
    }

    /// Whether it is answered or stopped.
    pub(crate) fn is_over(&self) -> bool {
        self.outcome().is_some() || self.state().is_cancelled()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("call", &self.call)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// A call that was held is not started when its message is stopped after that.
fn unless_halted(
    outcome: Outcome,
    held: Option<Box<Held>>,
    halted: Option<Stop>,
    name: &str,
) -> (Outcome, Option<Box<Held>>) {
    let is_held = |error: &ToolError| error.code() == ErrorCode::Held;
    let held = held.filter(|_| outcome.as_ref().is_err_and(is_held));
    match (&outcome, halted) {
        (Err(_), Some(why)) if held.is_some() => (Err(why.unstarted().of_tool(&clip(name))), None),
        _ => (outcome, held),
    }
}

fn never_answered() -> Answer {
    Answer {
        outcome: Err(not_started("it was never answered")),
        finished: 0,
    }
}

/// A number no other process has: not even a fork, which has a copy of everything but its id.
pub(super) fn process_nonce() -> u128 {
    // Hash keys are the standard library's source of randomness.
    static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
    let [high, low] = keys
        .each_ref()
        .map(|key| u128::from(key.hash_one(std::process::id())));
    high << 64 | low
}
