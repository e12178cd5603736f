//! How the helpers of a batch share its calls out among themselves, each by what it has in its
//! hands: neither taking a call nor noting that it is answered touches what other cores write all
//! the time.

use std::ops::{Deref, Range};

#[cfg(all(test, loom))]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
use std::sync::PoisonError;
#[cfg(not(all(test, loom)))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

/// Calls by their position, in nobody's hands or in those of a helper.
pub(super) struct Hands {
    calls: usize,
    /// The first call that is in nobody's.
    next: Apart<AtomicUsize>,
    hands: Vec<Apart<Mutex<Hand>>>,
}

/// What a helper has.
#[derive(Default)]
struct Hand {
    /// The call it polls, or polled last.
    at: Option<usize>,
    /// Calls it polls next, unless somebody else does.
    rest: Range<usize>,
    /// How many calls it has answered that the batch is still to be told of.
    untold: usize,
    /// Another helper has left, and does not look after this one any more.
    on_its_own: bool,
}

/// What a helper does next.
pub(super) struct Next {
    /// The call to poll, if there is one left.
    pub(super) position: Option<usize>,
    /// Whether it sees to the call's deadline itself.
    pub(super) on_its_own: bool,
    /// How many answers the batch is to be told of.
    pub(super) tell: usize,
}

/// What a helper leaves behind.
pub(super) struct Left {
    /// Calls that nobody has begun.
    pub(super) rest: Vec<Range<usize>>,
    /// The helpers that are polling something, by their place.
    pub(super) others: Vec<usize>,
    /// How many answers the batch is to be told of.
    pub(super) tell: usize,
}

impl Hands {
    pub(super) fn new(helpers: usize, calls: usize) -> Self {
        let hands = (0..helpers)
            .map(|_| Apart::new(Mutex::new(Hand::default())))
            .collect();
        Self {
            calls,
            next: Apart::new(AtomicUsize::new(0)),
            hands,
        }
    }

    /// How many helpers there are.
    pub(super) fn len(&self) -> usize {
        self.hands.len()
    }

    /// The next call for a helper, which takes so many at once if nobody has them yet. Notes that
    /// it has answered some.
    pub(super) fn next(&self, own: usize, answered: usize, at_once: usize) -> Next {
        let mut hand = self.hand(own);
        hand.untold += answered;
        // While the lock is held: whoever looks what there is in this hand finds what was taken.
        hand.at = hand.rest.next().or_else(|| {
            let first = self.next.fetch_add(at_once, Ordering::Relaxed);
            hand.rest = first.min(self.calls)..first.saturating_add(at_once).min(self.calls);
            hand.rest.next()
        });
        if hand.at.is_none() {
            drop(hand);
            let taken = self.take_from_others(own);
            hand = self.hand(own);
            hand.at = taken;
        }
        let tell = if hand.on_its_own {
            std::mem::take(&mut hand.untold)
        } else {
            0
        };
        Next {
            position: hand.at,
            on_its_own: hand.on_its_own,
            tell,
        }
    }

    /// A call that another helper has and is not at yet. Only one: until it is in this hand, nobody
    /// can see where it is.
    fn take_from_others(&self, own: usize) -> Option<usize> {
        (0..self.hands.len())
            .filter(|other| *other != own)
            .find_map(|other| self.hand(other).rest.next())
    }

    /// How many answers of a helper the batch is to be told of.
    pub(super) fn take_untold(&self, own: usize) -> usize {
        std::mem::take(&mut self.hand(own).untold)
    }

    /// The call that a helper polls, or has polled last.
    pub(super) fn at(&self, helper: usize) -> Option<usize> {
        self.hand(helper).at
    }

    /// A helper leaves, and takes what nobody has begun out of all hands.
    pub(super) fn leave(&self, own: usize) -> Left {
        let (mut others, mut tell) = (Vec::new(), 0);
        let left = |calls: Range<usize>| Some(calls).filter(|calls| !calls.is_empty());
        // First of all: what others have taken before is in their hands now, and they take no more.
        let mut rest: Vec<_> = left(self.next.swap(self.calls, Ordering::Relaxed)..self.calls)
            .into_iter()
            .collect();
        for helper in 0..self.hands.len() {
            let mut hand = self.hand(helper);
            hand.on_its_own = true;
            tell += std::mem::take(&mut hand.untold);
            rest.extend(left(std::mem::take(&mut hand.rest)));
            if helper == own {
                hand.at = None;
            } else if hand.at.is_some() {
                others.push(helper);
            }
        }
        rest.sort_by_key(|calls| calls.start);
        Left { rest, others, tell }
    }

    fn hand(&self, helper: usize) -> MutexGuard<'_, Hand> {
        self.hands[helper]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value that shares no line of a cache with others.
#[repr(C)]
struct Apart<T> {
    before: [u64; 8],
    value: T,
    behind: [u64; 8],
}

impl<T> Apart<T> {
    fn new(value: T) -> Self {
        Self {
            before: [0; 8],
            value,
            behind: [0; 8],
        }
    }
}

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(all(test, loom))]
mod tests;
