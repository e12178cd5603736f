//! When a service asks its callers to wait: all clones of a client do.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Requests wait before it while the service has asked for that.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Waits until the service takes requests again.
    pub(super) async fn wait(&self) {
        // The time may be set later while this one waits.
        while let Some(until) = self.closed_until() {
            sleep_until(until).await;
        }
    }

    fn closed_until(&self) -> Option<Instant> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
    }

    /// The service asks for a wait.
    pub(super) fn close_for(&self, wait: Duration) {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Instant::now().checked_add(wait).max(*until);
    }
}
