//! Timeouts: the deadlines of a batch's calls, the next one first, and the task that enforces them.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Batch;
use crate::dispatch::call::{Call, Stop, lock};
use crate::dispatch::scheduler::Wait;

/// How long a poll may run past its deadline before it counts as one that computes.
const LATE: Duration = Duration::from_millis(5);

pub(super) struct Watch {
    _task: AbortOnDropHandle<()>,
    earlier: Arc<Notify>,
    /// When it looks next, if it does.
    until: Option<Instant>,
}

pub(super) struct Deadline {
    at: Instant,
    call: Arc<Call>,
    kind: DeadlineKind,
}

/// Which time limit is exceeded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DeadlineKind {
    /// The time of a call that has begun.
    Run,
    /// And the time for its last poll.
    Late,
    /// The time that a call may wait for its turn. It waits since then; until then, decisions were
    /// pending for so long.
    Queue { since: Instant, undecided: Duration },
}

/// For how long decisions on calls of a batch have been pending.
#[derive(Default)]
pub(super) struct Decisions {
    pending: usize,
    /// Since when some are pending.
    since: Option<Instant>,
    /// How long some were, before that.
    before: Duration,
}

impl Decisions {
    pub(super) fn begin(&mut self) {
        self.pending += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn end(&mut self) {
        self.pending -= 1;
        if self.pending == 0 {
            self.before += self.pending_for(Instant::now());
            self.since = None;
        }
    }

    fn pending_for(&self, now: Instant) -> Duration {
        self.since
            .map(|since| now.saturating_duration_since(since))
            .unwrap_or_default()
    }
}

impl Batch {
    /// Makes sure that the call, which has begun, is stopped at its deadline.
    pub(in crate::dispatch) fn watch(self: &Arc<Self>, call: &Arc<Call>) {
        if let Some(at) = call.deadline()
            && call.begin_watch()
        {
            self.watch_until(at, [Arc::clone(call)], DeadlineKind::Run);
        }
    }

    /// Makes sure that admitted calls do not wait for ever.
    pub(in crate::dispatch) fn watch_queue(
        self: &Arc<Self>,
        calls: impl IntoIterator<Item = Arc<Call>>,
    ) {
        let (queue_time, since) = (self.setup.limits.queue_time, Instant::now());
        if let Some(at) = queue_time.and_then(|time| since.checked_add(time)) {
            let undecided = {
                let decisions = &lock(&self.state).decisions;
                decisions.before + decisions.pending_for(since)
            };
            self.watch_until(at, calls, DeadlineKind::Queue { since, undecided });
        }
    }

    fn watch_until(
        self: &Arc<Self>,
        at: Instant,
        calls: impl IntoIterator<Item = Arc<Call>>,
        kind: DeadlineKind,
    ) {
        let mut calls = calls
            .into_iter()
            .filter(|call| call.outcome().is_none())
            .peekable();
        let Some(first) = calls.peek().map(Arc::clone) else {
            return;
        };
        let is_first = lock(&self.state).watch.is_none();
        let has_timers = !is_first || self.has_timers(); // which runs code of the program's
        // Under the lock: a deadline that is added after the end would keep the batch alive.
        let mut state = lock(&self.state);
        if self.is_done() || state.forgotten {
            return;
        }
        let deadlines = calls.map(|call| Reverse(Deadline { at, call, kind }));
        state.deadlines.extend(deadlines);
        match &mut state.watch {
            // The task wakes early enough: most deadlines are later than the next one.
            Some(watch) if watch.until.is_some_and(|until| until <= at) => {}
            Some(watch) => {
                watch.until = Some(at);
                watch.earlier.notify_one();
            }
            None if has_timers => {
                let earlier = Arc::new(Notify::new());
                let task = self.spawn(supervise(Arc::clone(self), Arc::clone(&earlier)));
                state.watch = task.map(|task| Watch {
                    _task: AbortOnDropHandle::new(task),
                    earlier,
                    until: Some(at),
                });
            }
            // In a task: stopping takes locks and runs user code, and `state` is locked here.
            None => {
                self.spawn(async move { first.stop(Stop::NoTimers) });
            }
        }
    }

    /// Whether its runtime has timers: without, tokio panics.
    fn has_timers(&self) -> bool {
        let _runtime = self.runtime().map(Handle::enter);
        catch_unwind(AssertUnwindSafe(|| {
            drop(tokio::time::sleep(Duration::ZERO));
        }))
        .is_ok()
    }

    /// The calls whose time has come, each with what has to be done, and when the next is.
    fn due(&self) -> (Vec<(Arc<Call>, Due)>, Option<Instant>) {
        let (now, mut due) = (Instant::now(), Vec::new());
        let mut state = lock(&self.state);
        while let Some(Reverse(next)) = state.deadlines.peek()
            && next.at <= now
            && let Some(Reverse(Deadline { at, call, kind })) = state.deadlines.pop()
        {
            // Answered in time: it stays in the heap until now, since a search would cost more.
            if call.outcome().is_some() {
                continue;
            }
            let what = match kind {
                DeadlineKind::Queue { since, undecided } => Due::Dequeue { since, undecided },
                DeadlineKind::Late => Due::Stop,
                DeadlineKind::Run => {
                    state.deadlines.push(Reverse(Deadline {
                        at: at.max(now) + LATE,
                        call: Arc::clone(&call),
                        kind: DeadlineKind::Late,
                    }));
                    Due::PollAgain
                }
            };
            due.push((call, what));
        }
        let next = state.deadlines.peek().map(|Reverse(next)| next.at);
        if let Some(watch) = &mut state.watch {
            watch.until = next;
        }
        (due, next)
    }
}

/// What has to be done with a call whose time has come.
enum Due {
    PollAgain,
    Stop,
    /// It has waited for its turn too long, unless that has come meanwhile.
    Dequeue {
        since: Instant,
        undecided: Duration,
    },
}

impl Call {
    /// Answers the call if it has waited for its turn too long. The time does not advance while it
    /// waits for a decision: then it is looked at again, and when that is made, the time for which
    /// decisions were pending does not count.
    fn dequeue(self: &Arc<Self>, since: Instant, undecided: Duration) {
        let (setup, now) = (&self.batch.setup, Instant::now());
        let queue_time = setup.limits.queue_time.unwrap_or_default();
        let wait = setup
            .engine
            .with(|scheduler| scheduler.wait_of(self.seat()?));
        let decision_time = lock(&self.batch.state)
            .decisions
            .before
            .saturating_sub(undecided);
        let left = queue_time
            .saturating_add(decision_time)
            .saturating_sub(now.saturating_duration_since(since));
        match wait {
            None => {}
            Some(Wait::Turn) if left.is_zero() => self.stop_unstarted(Stop::Queue),
            Some(_) => {
                // Not at once: a long decision must not cause a wake-up for each millisecond.
                let kind = DeadlineKind::Queue { since, undecided };
                if let Some(again) = now.checked_add(left.max(queue_time / 8).max(LATE)) {
                    self.batch.watch_until(again, [Arc::clone(self)], kind);
                }
            }
        }
    }
}

/// Stops the calls of a batch at their deadlines: each is polled once more when its deadline
/// strikes, by its own task, and what has not been polled by then, or is still being polled, is not
/// waited for.
async fn supervise(batch: Arc<Batch>, earlier: Arc<Notify>) {
    loop {
        let (due, next) = batch.due();
        for (call, what) in due {
            match what {
                Due::PollAgain => call.wake(),
                Due::Stop => call.stop(Stop::Deadline),
                Due::Dequeue { since, undecided } => call.dequeue(since, undecided),
            }
        }
        match next {
            Some(next) => _ = tokio::time::timeout_at(next, earlier.notified()).await,
            None => earlier.notified().await,
        }
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
