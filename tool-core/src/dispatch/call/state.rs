//! The life of a call: one state, changed by the transitions below and by nothing else.
//!
//! | state | the body (the tool's future) | next |
//! | --- | --- | --- |
//! | `Waiting` | is not made yet | `begin` → `Polling`; `stop`, `stop_waiting` → `Stopping` |
//! | `Polling` | is out, and is polled | `park` → `Parked` or `Stopping`; `stop` → `Stopping`; `end` → `Over` |
//! | `Parked` | is in the state | `resume` → `Polling`; `stop` → `Stopping` |
//! | `Stopping` | is out, and is dropped when its poll is over | `end` → `Over` |
//! | `Over` | is dropped, or never was | |
//!
//! A call's lock is held for one transition at a time, and never while code of the user runs: to
//! poll or drop the body, its task takes it out of the state.

mod beside;

use std::num::NonZeroU32;
use std::sync::Weak;
use std::task::Waker;

use super::Stop;
use crate::dispatch::batch::Batch;
use crate::dispatch::scheduler::CallId;
pub(super) use beside::Beside;
use beside::Run;

/// `B` is the body: the tool's future and its span.
#[derive(Debug)]
pub(super) struct State<B> {
    life: Life<B>,
    seat: Seat,
    /// Nothing more begins beside its body.
    is_closed: bool,
    /// Its cancellation token is cancelled, for what is left of it.
    is_cancelled: bool,
    /// A deadline task watches it.
    is_watched: bool,
    pub(super) times: Times,
    /// Wakes its task.
    waker: Option<Waker>,
    /// What few calls have.
    beside: Option<Box<Beside>>,
}

#[derive(Debug)]
enum Life<B> {
    /// No code of the tool has run.
    Waiting,
    /// The body is out, and is polled.
    Polling,
    /// Between two polls.
    Parked(B),
    /// No poll begins any more, for this reason. The body is out: it is dropped, or still polled.
    Stopping(Stop),
    /// The body is dropped, or there was none.
    Over,
}

/// What a call runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// No permit and no place in the scheduler.
    None,
    /// The permit of the task that polls it for the first time.
    Borrowed,
    /// A permit of its own, of which the scheduler does not know.
    Permit,
    /// A place in the scheduler, which knows its permits.
    Scheduled(CallId),
}

/// [Offsets](super::offset) of what happened; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) started: u64,
    pub(super) deadline: u64,
}

/// The result of parking a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parked<B> {
    Yes,
    /// It is past its deadline, or was stopped while it was polled.
    Stopped(B, Stop),
}

/// What was found of a call that is stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped<B> {
    Unstarted,
    Parked(B),
    /// The body is out: it is dropped where it is.
    Busy,
    Over,
}

impl<B> State<B> {
    pub(super) fn new(has_tool: bool) -> Self {
        Self {
            life: if has_tool { Life::Waiting } else { Life::Over },
            seat: Seat::None,
            is_closed: false,
            is_cancelled: false,
            is_watched: false,
            times: Times::default(),
            waker: None,
            beside: None,
        }
    }

    // ---- the body

    /// `Waiting` → `Polling`, on the permit of its poller if that is `borrowed`.
    #[inline]
    pub(super) fn begin(&mut self, borrowed: bool, times: impl FnOnce() -> Times) -> bool {
        if !self.is_waiting() {
            return false;
        }
        (self.life, self.times) = (Life::Polling, times());
        if borrowed {
            self.seat = Seat::Borrowed;
        }
        true
    }

    /// `Parked` → `Polling`.
    pub(super) fn resume(&mut self) -> Option<B> {
        match std::mem::replace(&mut self.life, Life::Polling) {
            Life::Parked(body) => Some(body),
            life => {
                self.life = life;
                None
            }
        }
    }

    /// `Polling` → `Parked`, or → `Stopping` if that is past its deadline. It takes a borrowed permit
    /// along.
    pub(super) fn park(&mut self, body: B, waker: &Waker, now: u64) -> Parked<B> {
        match self.life {
            Life::Polling if (1..=now).contains(&self.times.deadline) => {
                self.life = Life::Stopping(Stop::Deadline);
                self.cancel();
                return Parked::Stopped(body, Stop::Deadline);
            }
            Life::Stopping(why) => return Parked::Stopped(body, why),
            _ => self.life = Life::Parked(body),
        }
        if self.seat == Seat::Borrowed {
            self.seat = Seat::Permit;
        }
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Parked::Yes
    }

    /// Any but `Over` → `Stopping`.
    pub(super) fn stop(&mut self, why: Stop) -> Stopped<B> {
        let life = std::mem::replace(&mut self.life, Life::Stopping(why));
        let stopped = match life {
            Life::Waiting => Stopped::Unstarted,
            Life::Parked(body) => Stopped::Parked(body),
            Life::Polling => Stopped::Busy,
            Life::Stopping(first) => {
                self.life = Life::Stopping(first);
                Stopped::Busy
            }
            Life::Over => {
                self.life = Life::Over;
                return Stopped::Over;
            }
        };
        self.cancel();
        stopped
    }

    /// `Waiting` → `Stopping`. False if it has begun, or was stopped.
    pub(super) fn stop_waiting(&mut self, why: Stop) -> bool {
        self.is_waiting() && matches!(self.stop(why), Stopped::Unstarted)
    }

    /// → `Over`: the body is dropped. True if a borrowed permit stays with its poller.
    #[inline]
    pub(super) fn end(&mut self) -> bool {
        self.life = Life::Over;
        if self.seat != Seat::Borrowed {
            return false;
        }
        let ends = !self.runs_beside();
        self.seat = if ends { Seat::None } else { Seat::Permit };
        ends
    }

    /// What is left of it is to end, and nothing more begins.
    pub(super) fn cancel(&mut self) {
        (self.is_closed, self.is_cancelled) = (true, true);
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.life, Life::Waiting)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }

    /// False if it was asked before.
    pub(super) fn begin_watch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_watched, true)
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    // ---- the seat

    pub(super) fn seat(&self) -> Seat {
        self.seat
    }

    pub(super) fn take_seat(&mut self, id: CallId) {
        self.seat = Seat::Scheduled(id);
    }

    /// The scheduler takes over the count of its permit. False if it has none any more.
    pub(super) fn adopt(&mut self, id: CallId) -> bool {
        let adopts = matches!(self.seat, Seat::Borrowed | Seat::Permit);
        if adopts {
            self.seat = Seat::Scheduled(id);
        }
        adopts
    }

    /// What an answered call gives back now: nothing while its body is there, or while something
    /// runs beside it; then [`only_nested`](Self::only_nested) may give back its permits.
    #[inline]
    pub(super) fn release(&mut self) -> Seat {
        if !matches!(self.life, Life::Over) || self.runs_beside() || self.seat == Seat::Borrowed {
            return Seat::None;
        }
        std::mem::replace(&mut self.seat, Seat::None)
    }

    /// Its place in the scheduler, if nothing of it runs but nested calls, on permits of their own.
    pub(super) fn only_nested(&self) -> Option<CallId> {
        let beside = self.beside.as_ref()?;
        match self.seat {
            Seat::Scheduled(id)
                if matches!(self.life, Life::Over) && beside.threads == 0 && beside.nested > 0 =>
            {
                Some(id)
            }
            _ => None,
        }
    }

    // ---- beside the body

    pub(super) fn beside(&mut self) -> &mut Beside {
        self.beside.get_or_insert_default()
    }

    pub(super) fn known_beside(&self) -> Option<&Beside> {
        self.beside.as_deref()
    }

    /// Whether threads or nested calls run.
    pub(super) fn runs_beside(&self) -> bool {
        self.beside.as_ref().is_some_and(|beside| beside.has_any())
    }

    /// Nothing more begins beside the body. The batches to be cancelled, if it ran anything there.
    #[inline]
    pub(super) fn close(&mut self) -> Option<Vec<Weak<Batch>>> {
        self.is_closed = true;
        let beside = self.beside.as_mut()?;
        Some(std::mem::take(&mut beside.children))
    }

    /// Nested calls of this attempt, or else of the current one, begin.
    pub(super) fn begin_nested(&mut self, attempt: Option<NonZeroU32>) -> Result<(), &'static str> {
        if self.is_closed {
            return Err("the call it belongs to is over");
        }
        let beside = self.beside();
        if attempt.is_some() && attempt != beside.attempt {
            return Err("the attempt it belongs to is over");
        }
        beside.nested += 1;
        Ok(())
    }

    /// A nested batch is stopped with the call. False if the call is stopped already.
    pub(super) fn add_child(&mut self, child: Weak<Batch>) -> bool {
        let children = &mut self.beside().children;
        children.retain(|child| child.strong_count() > 0);
        children.push(child);
        !self.is_closed
    }

    pub(super) fn begin_on_thread(&mut self) -> bool {
        if !self.is_closed {
            let beside = self.beside();
            (beside.had_thread, beside.waits_for_thread) = (true, false);
            beside.threads += 1;
        }
        !self.is_closed
    }

    /// Makes sure that no thread begins. False if one has, or none was requested.
    pub(super) fn refuse_thread(&mut self) -> bool {
        let waits = self.beside.as_ref().is_some_and(|own| own.waits_for_thread);
        waits && !std::mem::replace(&mut self.is_closed, true)
    }

    /// A layer runs the tool: a second time only if that may be `repeated`, and never twice at once.
    pub(super) fn begin_run(&mut self, repeated: bool) -> Result<(), &'static str> {
        if self.is_closed {
            return Err("a layer ran the tool after its call was over");
        }
        let beside = self.beside();
        if beside.run != Run::Never && !repeated {
            return Err(
                "a layer ran the tool twice, which only a `read_only` or `idempotent` tool allows",
            );
        }
        if beside.run != Run::Never && beside.has_running_work() {
            return Err("a layer ran the tool again while it was still running");
        }
        beside.run = Run::Running;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
