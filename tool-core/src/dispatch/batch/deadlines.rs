//! When calls of a batch have to end: their deadlines, the next one first, and the task that sees
//! to it.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Batch;
use crate::dispatch::call::{Call, Stop, lock};

/// How long a poll may be under way when its deadline strikes before it counts as one that
/// computes.
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
}

impl Batch {
    /// Sees to it that the call, which has begun, is stopped at its deadline.
    pub(in crate::dispatch) fn watch(self: &Arc<Self>, call: &Arc<Call>) {
        let Some(at) = call.deadline() else { return };
        let mut state = lock(&self.state);
        self.waited_for.store(true, Ordering::SeqCst);
        if call.outcome().is_some() || self.is_done() || state.forgotten {
            return;
        }
        state.deadlines.push(Reverse(Deadline {
            at,
            call: Arc::clone(call),
        }));
        match &mut state.watch {
            Some(watch) if watch.until.is_some_and(|until| until <= at) => {}
            Some(watch) => {
                watch.until = Some(at);
                watch.earlier.notify_one();
            }
            None if has_timers() => {
                let earlier = Arc::new(Notify::new());
                let task = self.spawn(supervise(Arc::clone(self), Arc::clone(&earlier)));
                state.watch = task.map(|task| Watch {
                    _task: AbortOnDropHandle::new(task),
                    earlier,
                    until: Some(at),
                });
            }
            None => {
                let call = Arc::clone(call);
                self.spawn(async move { call.stop(Stop::NoTimers) });
            }
        }
    }

    /// The calls whose time has come, each with whether it was told before, and when the next is.
    fn due(&self) -> (Vec<(Arc<Call>, bool)>, Option<Instant>) {
        let (now, mut due) = (Instant::now(), Vec::new());
        let mut state = lock(&self.state);
        while let Some(Reverse(next)) = state.deadlines.peek()
            && next.at <= now
            && let Some(Reverse(Deadline { at, call })) = state.deadlines.pop()
        {
            if call.outcome().is_some() {
                continue;
            }
            let told = call.is_due();
            if !told {
                state.deadlines.push(Reverse(Deadline {
                    at: at.max(now) + LATE,
                    call: Arc::clone(&call),
                }));
            }
            due.push((call, told));
        }
        let next = state.deadlines.peek().map(|Reverse(next)| next.at);
        if let Some(watch) = &mut state.watch {
            watch.until = next;
        }
        (due, next)
    }
}

/// Stops the calls of a batch at their deadlines: each is polled once more when its deadline
/// strikes, by its own task, and what has not been polled by then, or is still being polled, is not
/// waited for.
async fn supervise(batch: Arc<Batch>, earlier: Arc<Notify>) {
    loop {
        let (due, next) = batch.due();
        for (call, told) in due {
            if told {
                call.stop(Stop::Deadline);
            } else {
                call.due();
            }
        }
        match next {
            Some(next) => _ = tokio::time::timeout_at(next, earlier.notified()).await,
            None => earlier.notified().await,
        }
    }
}

fn has_timers() -> bool {
    catch_unwind(AssertUnwindSafe(|| {
        drop(tokio::time::sleep(Duration::ZERO));
    }))
    .is_ok()
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
