//! Moments as a call notes them: nanoseconds since its batch was queued, plus one. 0 is never.

use std::time::Duration;

use tokio::time::Instant;

use crate::model;

/// The offset at which a batch is queued.
pub(crate) const QUEUED: u64 = 1;

/// The offset of a moment.
#[inline]
pub(crate) fn offset(queued: Instant, at: Instant) -> u64 {
    nanoseconds(at.saturating_duration_since(queued)).saturating_add(QUEUED)
}

/// The moment of an offset.
pub(super) fn at(queued: Instant, offset: u64) -> Option<Instant> {
    queued.checked_add(since_queued(offset)?)
}

pub(super) fn since_queued(offset: u64) -> Option<Duration> {
    offset.checked_sub(QUEUED).map(Duration::from_nanos)
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Those of a call that was queued with its batch, and started and answered at these offsets.
pub(super) fn of_result(queued: Instant, started: u64, finished: u64) -> model::Times {
    model::Times {
        queued: queued.into_std(),
        started: since_queued(started),
        finished: since_queued(finished).unwrap_or_default(),
    }
}
