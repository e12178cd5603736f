//! What few calls need: what they run beside their body, and what they wait for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::{Call, Stop, lock};
use crate::dispatch::batch::Batch;

#[derive(Default)]
pub(crate) struct Extra {
    /// Arguments that the policy has put in place of the model's.
    pub(crate) edited: OnceLock<String>,
    pub(crate) token: OnceLock<CancellationToken>,
    pub(super) hold: Mutex<Hold>,
    /// Tells a thread that the call's permits are back.
    pub(super) regained: Notify,
    /// How often a layer has run the tool.
    pub(super) runs: AtomicU32,
    /// How often the tool was tried.
    pub(super) attempts: AtomicU32,
}

/// What of the call may run beside its body.
#[derive(Default)]
pub(super) struct Hold {
    /// Threads, nested calls, and attempts in the hands of a layer.
    pub(super) pieces: usize,
    /// Nothing more may begin.
    pub(super) closed: bool,
    /// A thread was asked for, and has not begun.
    pub(super) waits_for_thread: bool,
    /// Nested batches that are waited for.
    pub(super) waits_for_calls: usize,
    /// Permits are back after a wait for nested calls.
    pub(super) resumed: bool,
    pub(super) abandoned: bool,
    pub(super) children: Vec<Weak<Batch>>,
    pub(super) attempts: Vec<Arc<Attempt>>,
}

impl Call {
    /// Stops what it runs beside its body. True if some of it cannot be stopped.
    pub(super) fn end_pieces(self: &Arc<Self>) -> bool {
        let Some(extra) = self.extra.get() else { return false };
        let (children, attempts) = {
            let mut hold = lock(&extra.hold);
            hold.closed = true;
            (std::mem::take(&mut hold.children), std::mem::take(&mut hold.attempts))
        };
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel(Stop::Cancel);
        }
        for attempt in attempts {
            attempt.stop();
        }
        lock(&extra.hold).pieces > 0
    }

    /// Begins a piece of work that cannot be dropped, unless the call is stopped.
    pub(crate) fn begin_piece(self: &Arc<Self>) -> bool {
        let mut hold = lock(&self.extra().hold);
        let open = !hold.closed;
        hold.pieces += usize::from(open);
        open
    }

    pub(super) fn end_attempt(self: &Arc<Self>, attempt: &Attempt) {
        lock(&self.extra().hold).attempts.retain(|other| !std::ptr::eq(&**other, attempt));
        self.end_piece();
    }

    pub(crate) fn end_piece(self: &Arc<Self>) {
        lock(&self.extra().hold).pieces -= 1;
        self.release();
    }

    pub(crate) fn waits_for_thread(&self, waits: bool) {
        lock(&self.extra().hold).waits_for_thread = waits;
    }

    /// A thread begins with the call, unless it is stopped.
    pub(crate) fn begin_on_thread(&self) -> bool {
        let mut hold = lock(&self.extra().hold);
        if hold.closed {
            return false;
        }
        hold.pieces += 1;
        hold.waits_for_thread = false;
        true
    }

    /// Whether something of the tool may run, in the hands of a layer or beside the body.
    pub(crate) fn is_at_work(&self) -> bool {
        self.extra.get().is_some_and(|extra| {
            let hold = lock(&extra.hold);
            hold.pieces > hold.attempts.iter().filter(|attempt| !attempt.is_tool).count()
        })
    }

    /// Whether threads or nested calls of it run.
    pub(crate) fn has_nested(&self) -> bool {
        self.extra.get().is_some_and(|extra| {
            let hold = lock(&extra.hold);
            hold.pieces > hold.attempts.len()
        })
    }

    /// Counts one more attempt, from 1.
    pub(crate) fn count_attempt(&self) -> u32 {
        self.extra().attempts.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// Counts one more run of the tool by a layer, from 1.
    pub(crate) fn count_run(&self) -> u32 {
        self.extra().runs.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// Puts other arguments in place of the model's.
    pub(crate) fn edit(&self, arguments: String) {
        let _ = self.extra().edited.set(arguments);
    }

    /// A nested batch is stopped with the call. False if the call is stopped already.
    pub(crate) fn add_child(&self, child: &Arc<Batch>) -> bool {
        let mut hold = lock(&self.extra().hold);
        hold.children.retain(|child| child.strong_count() > 0);
        hold.children.push(Arc::downgrade(child));
        !hold.closed
    }

    /// Whether it waits for one more nested batch, or one fewer.
    pub(crate) fn waits_for_calls(&self, more: bool) {
        {
            let hold = &mut lock(&self.extra().hold).waits_for_calls;
            *hold = if more { *hold + 1 } else { hold.saturating_sub(1) };
        }
        if more {
            self.wake(); // a layer may have the tool polled elsewhere: the call's task lets go of the permits
        }
    }

    pub(super) fn is_waiting_for_calls(&self) -> bool {
        self.extra.get().is_some_and(|extra| {
            let hold = lock(&extra.hold);
            hold.waits_for_calls > 0 && hold.children.iter().filter_map(Weak::upgrade).any(|child| !child.is_done())
        })
    }

    /// Its permits are back.
    pub(crate) fn resumed(self: &Arc<Self>) {
        lock(&self.extra().hold).resumed = true;
        self.extra().regained.notify_one();
        self.wake();
    }

    /// Waits until its permits are back, or it has no need of them any more.
    pub(crate) async fn regained(&self) {
        while !self.has_resumed() && self.seat().is_some() && self.outcome().is_none() {
            self.extra().regained.notified().await;
        }
    }

    pub(crate) fn has_resumed(&self) -> bool {
        std::mem::take(&mut lock(&self.extra().hold).resumed)
    }

    pub(crate) fn park(self: &Arc<Self>) -> bool {
        self.is_waiting_for_calls() && self.batch.engine.park(self)
    }

    /// An attempt in the hands of a layer is stopped with the call.
    pub(crate) fn add_attempt(self: &Arc<Self>, attempt: Arc<Attempt>) -> bool {
        let mut hold = lock(&self.extra().hold);
        if hold.closed {
            return false;
        }
        hold.pieces += 1;
        hold.attempts.push(attempt);
        true
    }
}
