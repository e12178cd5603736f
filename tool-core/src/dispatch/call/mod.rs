//! One call from handed over to answered.
//!
//! [`poll`] begins and polls it, mostly from its [`task`]; [`answer`] gives it its answer, and
//! [`stop`] stops it. [`seat`] is what it runs on, [`pieces`] what it runs
//! beside its body and [`attempt`] a run that a layer has in its hands.

mod answer;
mod attempt;
mod guard;
mod pieces;
mod poll;
mod seat;
mod stop;
mod task;
mod times;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::batch::Batch;
use super::critical_path::Lane;
use crate::model::{self, ToolCall, ToolError, ToolFuture, ToolOutput, ToolResult};

pub(crate) use attempt::Attempt;
pub(crate) use guard::{drop_quietly, lock, panic_text, quietly, try_lock, wake_quietly};
use pieces::Extra;
pub(super) use poll::First;
pub(crate) use stop::{Stop, not_started};
pub(crate) use task::CallTask;
use times::CallTimes;
pub(super) use times::{QUEUED, offset};

pub(crate) type Outcome = Result<ToolOutput, ToolError>;

/// One call; shared by its batch, its task, its context and its result.
pub(crate) struct Call {
    pub(crate) call: ToolCall,
    pub(crate) position: usize,
    /// The tool's place in the set, if there is one of its name.
    pub(crate) tool: usize,
    /// Whether layers stand around its tool.
    is_layered: bool,
    pub(crate) batch: Arc<Batch>,
    times: CallTimes,
    answer: OnceLock<Answer>,
    /// What it runs on: [`NOTHING`], [`HELPED`], [`BORROWED`], or its id in the scheduler.
    seat: AtomicU64,
    flags: AtomicU8,
    /// Whoever polls or drops the body holds the lock meanwhile.
    work: Mutex<Work>,
    /// Wakes the call's task.
    waker: AtomicWaker,
    /// What few calls need.
    extra: OnceLock<Box<Extra>>,
}

const NOTHING: u64 = 0;
/// A permit of whoever polls it for the first time.
const HELPED: u64 = 1;
/// A permit of its own.
const BORROWED: u64 = 2;
// Ids in the scheduler begin behind: `FIRST_ID`.

/// Not to be polled any more.
const STOPPED: u8 = 1;
/// Past its deadline: to be polled once more and then dropped.
const DUE: u8 = 2;
/// The body is dropped, or never was.
const GONE: u8 = 4;
/// Its deadline is watched.
const WATCHED: u8 = 8;

/// The tool that a call is of.
#[derive(Clone, Copy, Default)]
pub(super) struct Called {
    /// Its place in the set.
    pub(super) tool: usize,
    /// Whether calls of it wait for nothing but permits of the dispatcher.
    pub(super) is_plain: bool,
    /// Whether layers stand around it.
    pub(super) is_layered: bool,
}

struct Answer {
    outcome: Outcome,
    /// When it was known: a [`times::offset`].
    finished: u64,
}

struct Work {
    body: Body,
    span: Option<Box<Span>>,
}

enum Body {
    /// No code of the tool has run.
    Waiting,
    Running(ToolFuture<'static>),
    Gone,
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
        let (body, flags) = if called.is_some() {
            (Body::Waiting, 0)
        } else {
            (Body::Gone, GONE)
        };
        let (work, flags) = (Mutex::new(Work { body, span: None }), AtomicU8::new(flags));
        let Called {
            tool, is_layered, ..
        } = called.unwrap_or(Called {
            tool: usize::MAX,
            ..Called::default()
        });
        let (times, waker) = (CallTimes::default(), AtomicWaker::new());
        let (answer, seat, extra) = (OnceLock::new(), AtomicU64::new(NOTHING), OnceLock::new());
        Self {
            call,
            position,
            tool,
            is_layered,
            batch,
            times,
            answer,
            seat,
            flags,
            work,
            waker,
            extra,
        }
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.answer.get().map(|answer| &answer.outcome)
    }

    /// As [`outcome`](Self::outcome), of a call that is handed out as answered.
    pub(crate) fn answered(&self) -> &Outcome {
        &self.answer.get_or_init(never_answered).outcome
    }

    /// The result, for somebody who reads events; the batch has it too.
    pub(super) fn result(&self) -> ToolResult {
        let call = ToolCall {
            arguments: self.arguments().to_owned(),
            ..self.call.clone()
        };
        ToolResult::with_times(call, self.position, self.answered().clone(), self.times())
    }

    /// The result, taken out of the call, or copied while something of it is still running.
    pub(super) fn into_result(self: Arc<Self>) -> ToolResult {
        let Self {
            mut call,
            position,
            answer,
            extra,
            times,
            batch,
            ..
        } = match Arc::try_unwrap(self) {
            Ok(call) => call,
            Err(shared) => return shared.result(),
        };
        let edited = extra
            .into_inner()
            .and_then(|extra| extra.edited.into_inner());
        if let Some(edited) = edited {
            call.arguments = edited;
        }
        let answer = answer.into_inner().unwrap_or_else(never_answered);
        let times = times.of_result(batch.queued, answer.finished);
        ToolResult::with_times(call, position, answer.outcome, times)
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
        self.times.of_result(self.batch.queued, finished)
    }

    /// The arguments as the tool reads them.
    pub(crate) fn arguments(&self) -> &str {
        self.extra
            .get()
            .and_then(|extra| extra.edited.get())
            .unwrap_or(&self.call.arguments)
    }

    /// What few calls need, made when first asked for.
    pub(super) fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    fn is(&self, flag: u8) -> bool {
        self.flags.load(Ordering::SeqCst) & flag != 0
    }

    fn flag(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::SeqCst);
    }

    /// Whether nobody has watched its deadline so far.
    pub(super) fn begin_watch(&self) -> bool {
        self.flags.fetch_or(WATCHED, Ordering::SeqCst) & WATCHED == 0
    }

    /// When it has to be answered, if it has begun.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.times.deadline(self.batch.queued)
    }

    pub(crate) fn started(&self) -> Option<Instant> {
        self.times.started(self.batch.queued)
    }

    /// When it was answered, in [`Batch::now`].
    pub(super) fn finished_offset(&self) -> Option<u64> {
        self.answer.get().map(|answer| answer.finished)
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(self.started()?))
    }

    /// Cancelled when the call is stopped.
    pub(crate) fn token(&self) -> &CancellationToken {
        let extra = self.extra();
        let token = extra.token.get_or_init(CancellationToken::new);
        if self.is(STOPPED) {
            quietly(|| token.cancel()); // it was stopped before it was asked
        }
        token
    }

    pub(crate) fn idempotency_key(&self) -> String {
        format!(
            "{:032x}-{:x}-{:x}",
            process_nonce(),
            self.batch.serial(),
            self.position
        )
    }

    /// The tool's place in the set, until the call begins.
    pub(crate) fn tool(&self) -> Option<usize> {
        // Without the lock on its work: whoever finds that held leaves the call to a poller.
        (!self.is(GONE) && self.started().is_none()).then_some(self.tool)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is(STOPPED)
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is(DUE)
    }

    /// Whether it can still begin.
    pub(crate) fn is_untouched(&self) -> bool {
        self.outcome().is_none() && self.started().is_none()
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
