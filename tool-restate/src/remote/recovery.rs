//! The pace of retries while an engine restarts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The time between two retries until the engine answers.
const PACE: Duration = Duration::from_millis(25);

/// Paces retries from the engine's last failure to its next answer. Requests that come while it
/// starts keep it busy: with a thousand of them at once it does not become ready for minutes.
#[derive(Debug, Default)]
pub(crate) struct Recovery(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether it has answered since its last failure.
    has_answered: bool,
    /// When the next retry may be sent, if it has not.
    next: Option<Instant>,
}

impl Recovery {
    /// The engine has answered a call, or has failed to.
    pub(super) fn note(&self, has_answered: bool) {
        self.change(|state| state.has_answered = has_answered);
    }

    /// Waits until a retry may be sent.
    pub(super) async fn turn(&self) {
        while let Some(later) = self.change(State::later) {
            sleep_until(later).await;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// When to look again; none, if a retry may be sent now.
    fn later(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(next) = self.next.filter(|next| !self.has_answered && *next > now) {
            return Some(next);
        }
        self.next = Some(now + PACE);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn retries_are_paced_until_the_engine_answers() {
        let (recovery, start) = (Recovery::default(), Instant::now());
        let turns = |count| futures_util::future::join_all((0..count).map(|_| recovery.turn()));
        recovery.note(false);
        turns(5).await;
        assert_eq!(start.elapsed(), 4 * PACE);
        // Those that wait do not wait longer than to the next look.
        let waiting = async {
            turns(100).await;
        };
        let answered = async {
            tokio::time::sleep(2 * PACE).await;
            recovery.note(true);
        };
        tokio::join!(waiting, answered);
        assert!(start.elapsed() <= 8 * PACE, "{:?}", start.elapsed());
        recovery.note(false);
        turns(3).await;
        assert!(start.elapsed() >= 9 * PACE, "{:?}", start.elapsed());
    }
}
