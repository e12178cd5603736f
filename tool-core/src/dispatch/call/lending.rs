//! The permits of a call that waits for calls within it: it lends them, and nothing of it is polled
//! or goes on before they are back.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::pieces::{Extra, Hold};
use super::{Call, lock, wake_quietly};

#[derive(Debug, Default)]
pub(super) struct Lending {
    permits: State,
    /// Polls of the call that are under way.
    polls: usize,
    thread: Thread,
    /// Polls of futures that wait, on the thread.
    polls_on_thread: Vec<Waker>,
    /// Futures of the call that wait for calls within it.
    waits: usize,
    /// Polls that could not begin.
    tries: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Held,
    Lent,
    /// Lent, and asked for.
    Wanted,
}

/// What the call's thread does, if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Thread {
    #[default]
    None,
    Runs,
    /// For calls within it.
    Waits,
}

/// A poll that is under way on the permits of its call.
#[derive(Debug)]
#[must_use = "a poll that is over has to leave"]
pub(super) struct Entered {
    /// Calls that never had need of it are not counted.
    is_counted: bool,
}

impl Hold {
    fn enter(&mut self) -> Option<Entered> {
        let held = self.lending.permits == State::Held;
        self.lending.polls += usize::from(held);
        held.then_some(Entered { is_counted: true })
    }

    /// Whether nothing of the call is under way but calls within it.
    fn only_waits(&self) -> bool {
        let Lending {
            permits,
            polls,
            thread,
            waits,
            ..
        } = self.lending;
        let mut children = self.children.iter().filter_map(Weak::upgrade);
        let goes_on = polls > 0 || thread == Thread::Runs || self.waits_for_thread;
        permits == State::Held && !goes_on && waits > 0 && children.any(|child| !child.is_done())
    }
}

impl Call {
    /// Begins a poll of the call, or of what a layer has of it. If its permits are lent, asks for
    /// them, and has the poll tried again when they are back.
    pub(super) fn enter(self: &Arc<Self>, cx: &Context<'_>) -> Option<Entered> {
        let Some(extra) = self.extra.get() else {
            return Some(Entered { is_counted: false });
        };
        if let Some(entered) = lock(&extra.hold).enter() {
            return Some(entered);
        }
        self.batch.setup.engine.with(|scheduler| {
            let lending = &mut lock(&extra.hold).lending;
            match self.seat() {
                Some(id) if lending.permits == State::Lent => {
                    lending.permits = State::Wanted;
                    scheduler.resume(id);
                }
                Some(_) => {}
                None => lending.permits = State::Held, // it is over, and has none to wait for
            }
        });
        let mut hold = lock(&extra.hold);
        let entered = hold.enter();
        if entered.is_none() {
            note(&mut hold.lending.tries, cx.waker());
        }
        entered
    }

    /// A poll is over. Lends the permits if the call does nothing but wait for calls within it.
    pub(super) fn leave(self: &Arc<Self>, entered: Entered) {
        if let Some(extra) = self.extra.get() {
            lock(&extra.hold).lending.polls -= usize::from(entered.is_counted);
            self.lend(extra);
        }
    }

    fn lend(self: &Arc<Self>, extra: &Extra) {
        if !lock(&extra.hold).only_waits() {
            return;
        }
        self.batch.setup.engine.with(|scheduler| {
            let mut hold = lock(&extra.hold);
            if let Some(id) = self.seat()
                && hold.only_waits()
                && scheduler.park(id)
            {
                hold.lending.permits = State::Lent;
            }
        });
    }

    /// Its permits are back.
    pub(crate) fn resumed(&self) {
        if let Some(extra) = self.extra.get() {
            let waiting = {
                let lending = &mut lock(&extra.hold).lending;
                lending.permits = State::Held;
                lending.polls_on_thread.clone()
            };
            self.try_again();
            // A thread that has given up on what the permits were lent for, and waits anew, lends
            // them again.
            wake_quietly(waiting);
        }
    }

    /// Whoever could not enter tries again.
    pub(super) fn try_again(&self) {
        let tries = self
            .extra
            .get()
            .map(|extra| std::mem::take(&mut lock(&extra.hold).lending.tries));
        wake_quietly(tries.into_iter().flatten());
    }

    /// Whether a thread of it waits for permits.
    pub(crate) fn is_wanting(&self) -> bool {
        self.extra.get().is_some_and(|extra| {
            let hold = lock(&extra.hold);
            hold.pieces > 0 && hold.lending.permits == State::Wanted
        })
    }
}

impl Lending {
    pub(super) fn begin_thread(&mut self) {
        self.thread = Thread::Runs;
    }

    pub(super) fn has_thread(&self) -> bool {
        self.thread != Thread::None
    }

    pub(super) fn end_thread(&mut self) {
        self.thread = Thread::None;
    }

    fn stop_thread(&mut self, waker: &Waker) {
        note(&mut self.polls_on_thread, waker);
        if self.thread == Thread::Runs {
            self.thread = Thread::Waits;
        }
    }

    /// The polls of what else it waits for.
    fn restart_thread(&mut self) -> Vec<Waker> {
        if self.thread == Thread::Waits {
            self.thread = Thread::Runs;
        }
        let polls = std::mem::take(&mut self.polls_on_thread);
        if self.waits > 1 { polls } else { Vec::new() }
    }
}

fn note(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

/// A future of a call waits for calls within it.
pub(crate) struct WaitsForCalls<'a> {
    call: &'a Arc<Call>,
    on_thread: bool,
}

impl<'a> WaitsForCalls<'a> {
    pub(crate) fn new(call: &'a Arc<Call>, on_thread: bool) -> Self {
        lock(&call.extra().hold).lending.waits += 1;
        Self { call, on_thread }
    }

    /// The calls are known. The future that waits for them may be polled by somebody the call knows
    /// nothing of: its own next poll lends the permits.
    pub(crate) fn tell(&self) {
        self.call.wake();
        self.call.wake_attempts();
    }

    /// Waits for them. A thread waits where it stands: nobody else lends its permits, and sees to
    /// it that they are back.
    pub(crate) async fn wait<T>(self, calls: impl Future<Output = T>) -> T {
        if !self.on_thread {
            return calls.await;
        }
        let extra = self.call.extra();
        let mut calls = pin!(calls);
        let done = poll_fn(|cx| {
            let polled = calls.as_mut().poll(cx);
            if polled.is_pending() {
                lock(&extra.hold).lending.stop_thread(cx.waker());
                self.call.lend(extra);
            }
            polled
        });
        let done = done.await;
        let entered = poll_fn(|cx| self.call.enter(cx).map_or(Poll::Pending, Poll::Ready)).await;
        self.restart_thread();
        self.call.leave(entered);
        done
    }

    fn restart_thread(&self) {
        let others = lock(&self.call.extra().hold).lending.restart_thread();
        // It may wait for other calls still, and stops once more if it is polled for them.
        wake_quietly(others);
    }
}

impl Drop for WaitsForCalls<'_> {
    fn drop(&mut self) {
        if self.on_thread {
            self.restart_thread(); // also if it was given up on
        }
        lock(&self.call.extra().hold).lending.waits -= 1;
    }
}
