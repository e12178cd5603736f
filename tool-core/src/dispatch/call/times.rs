//! When things happened to a call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When a call started and finished, and when it has to be: nanoseconds since its batch was queued, plus one; 0 is never.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) started: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) deadline: AtomicU64,
}

impl Times {
    pub(super) fn offset(queued: Instant, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(queued).as_nanos()).unwrap_or(u64::MAX - 1).saturating_add(1)
    }

    pub(super) fn at(&self, queued: Instant, offset: &AtomicU64) -> Option<Instant> {
        let offset = offset.load(Ordering::Acquire).checked_sub(1)?;
        queued.checked_add(Duration::from_nanos(offset))
    }

    pub(super) fn start(&self, queued: Instant, now: Instant, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.deadline.store(Self::offset(queued, deadline), Ordering::Release);
        }
        self.started.store(Self::offset(queued, now), Ordering::Release);
    }

    pub(super) fn finish(&self, queued: Instant) {
        let now = Self::offset(queued, Instant::now());
        let _ = self.finished.compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed);
    }

    pub(super) fn never_started(&self) {
        self.started.store(0, Ordering::Release);
    }
}
