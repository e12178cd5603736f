//! When things happened to a call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::model;

/// When a call started, and when it has to be answered: [offsets](offset), 0 is never.
#[derive(Debug, Default)]
pub(super) struct CallTimes {
    started: AtomicU64,
    deadline: AtomicU64,
}

/// Nanoseconds since a batch was queued, plus one.
#[inline]
pub(crate) fn offset(queued: Instant, at: Instant) -> u64 {
    nanoseconds(at.saturating_duration_since(queued)).saturating_add(1)
}

/// What was made an [`offset`].
pub(super) fn at(queued: Instant, offset: u64) -> Option<Instant> {
    queued.checked_add(Duration::from_nanos(offset.checked_sub(1)?))
}

/// The [`offset`] at which a batch is queued.
pub(crate) const QUEUED: u64 = 1;

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl CallTimes {
    /// It starts at this offset, and may run until `timeout` is over, or whatever it belongs to.
    #[inline]
    pub(super) fn start(
        &self,
        queued: Instant,
        started: u64,
        timeout: Option<Duration>,
        inherited: Option<Instant>,
    ) {
        let own = timeout.and_then(|timeout| started.checked_add(nanoseconds(timeout)));
        let inherited = inherited.map(|deadline| offset(queued, deadline));
        if let Some(deadline) = own.into_iter().chain(inherited).min() {
            self.deadline.store(deadline, Ordering::Release);
        }
        self.started.store(started, Ordering::SeqCst);
    }

    pub(super) fn started(&self, queued: Instant) -> Option<Instant> {
        at(queued, self.started.load(Ordering::SeqCst))
    }

    pub(super) fn deadline(&self, queued: Instant) -> Option<Instant> {
        at(queued, self.deadline.load(Ordering::Acquire))
    }

    /// The times of a call that was answered at this offset.
    pub(super) fn of_result(&self, queued: Instant, finished: u64) -> model::Times {
        let since = |offset: u64| Some(Duration::from_nanos(offset.checked_sub(1)?));
        model::Times {
            queued: queued.into_std(),
            started: since(self.started.load(Ordering::SeqCst)),
            finished: since(finished).unwrap_or_default(),
        }
    }

    pub(super) fn never_started(&self) {
        self.started.store(0, Ordering::Release);
    }
}
