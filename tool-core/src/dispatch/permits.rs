//! How many calls may run: a count that a call takes without a lock while no other call waits.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicUsize, Ordering};

/// The permits of one dispatcher. Shape of the word: the permits in use, times two, plus one while
/// a call waits for one.
#[derive(Debug)]
pub(crate) struct Permits {
    word: AtomicUsize,
    limit: usize,
}

const WAITED_FOR: usize = 1;
const ONE: usize = 2;

impl Permits {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            word: AtomicUsize::new(0),
            limit: limit.min(usize::MAX / ONE),
        }
    }

    /// A permit for a call that has no other before it: none while others wait.
    #[inline]
    pub(crate) fn borrow(&self) -> bool {
        let free = |word| (word & WAITED_FOR == 0 && word / ONE < self.limit).then(|| word + ONE);
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free)
            .is_ok()
    }

    /// Whether a call waits, so that [`borrow`](Self::borrow) is refused.
    #[inline]
    pub(crate) fn is_waited_for(&self) -> bool {
        self.word.load(Ordering::Acquire) & WAITED_FOR != 0
    }

    /// Gives a permit back. True if a call waits for it: then the caller lets the scheduler pass it
    /// on.
    #[must_use]
    #[inline]
    pub(crate) fn give_back(&self) -> bool {
        self.word.fetch_sub(ONE, Ordering::AcqRel) & WAITED_FOR != 0
    }

    /// A permit for the call whose turn it is; without one, the word is marked: a call waits.
    ///
    /// Both are one step: a permit that is given back is either seen here, or its giver sees that
    /// it is waited for.
    ///
    /// `beyond` permits in use do not count: nested calls may have one beside each parent that
    /// waits.
    pub(super) fn take(&self, beyond: usize) -> bool {
        let mut taken = false;
        let step = |word| {
            taken = word / ONE < self.limit.saturating_add(beyond);
            Some(if taken { word + ONE } else { word | WAITED_FOR })
        };
        let _ = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
        taken
    }

    /// No call waits any more.
    pub(super) fn clear_waiting(&self) {
        self.word.fetch_and(!WAITED_FOR, Ordering::AcqRel);
    }

    /// Permits in use.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.word.load(Ordering::Acquire) / ONE
    }

    /// As many, in the same use.
    #[cfg(test)]
    pub(super) fn fork(&self) -> Self {
        Self {
            word: AtomicUsize::new(self.word.load(Ordering::Acquire)),
            limit: self.limit,
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(all(test, loom))]
mod tests;
