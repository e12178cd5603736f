//! What a call runs on: permits, and its place in the scheduler.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{BORROWED, Call, GONE, HELPED, NOTHING, lock};
use crate::dispatch::scheduler::{CallId, FIRST_ID};

impl Call {
    /// It is about to be polled for the first time, on the permit of whoever does so.
    #[inline]
    pub(crate) fn borrows_permit(&self) {
        // Whoever else asks has heard of the call since.
        self.seat.store(HELPED, Ordering::Release);
    }

    /// It goes on by itself, and takes the permit along.
    pub(crate) fn takes_permit(&self) {
        let _ = self
            .seat
            .compare_exchange(HELPED, BORROWED, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// It is answered. Whether its poller still has the permit: the scheduler may have taken it
    /// into its books.
    #[inline]
    pub(crate) fn leaves_permit(&self) -> bool {
        self.seat
            .compare_exchange(HELPED, NOTHING, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    pub(crate) fn take_seat(&self, id: CallId) {
        self.seat.store(id, Ordering::SeqCst);
    }

    /// Its seat in the scheduler, if it has one there.
    pub(crate) fn seat(&self) -> Option<CallId> {
        Some(self.seat.load(Ordering::SeqCst)).filter(|seat| *seat >= FIRST_ID)
    }

    /// Makes a borrowed seat one in the scheduler. False if it is not borrowed any more.
    pub(crate) fn try_adopt(&self, id: CallId) -> bool {
        let adopt = |seat| (seat == HELPED || seat == BORROWED).then_some(id);
        self.seat
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, adopt)
            .is_ok()
    }

    pub(super) fn leave_parent(&self) {
        if let Some(parent) = &self.batch.parent {
            parent.end_nested();
        }
    }

    /// Gives permits, key and place back, once nothing of an answered call runs, nor of calls within
    /// it.
    #[inline]
    pub(crate) fn release(self: &Arc<Self>) {
        if self.outcome().is_none() || !self.is(GONE) {
            return;
        }
        if let Some(extra) = self.extra.get() {
            let hold = lock(&extra.hold);
            let (pieces, nested) = (hold.pieces, hold.nested);
            drop(hold);
            if pieces == 0 && nested > 0 {
                let engine = &self.batch.setup.engine;
                engine.with(|scheduler| self.seat().map(|seat| scheduler.leave_permits(seat)));
            }
            if pieces + nested > 0 {
                return;
            }
        }
        self.let_go();
    }

    #[inline]
    pub(super) fn let_go(self: &Arc<Self>) {
        if self.seat.load(Ordering::SeqCst) <= HELPED {
            return; // as most calls
        }
        match self.seat.swap(NOTHING, Ordering::SeqCst) {
            NOTHING | HELPED => return,
            BORROWED => self.batch.setup.engine.give_back(),
            id => self
                .batch
                .setup
                .engine
                .with(|scheduler| scheduler.settle(id)),
        }
        self.leave_parent();
    }
}
