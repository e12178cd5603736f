//! The times of a batch, and what follows from them.

use std::time::{Duration, Instant};

use crate::dispatch::{Lane, critical_path};
use crate::model::ToolResult;

/// The timeline (waterfall chart) of one batch: as text for a terminal, or [as an
/// image](Self::to_svg).
///
/// ```text
/// get_patient_demographics  ████████████████████████████████████████  200 ms
/// get_patient_medications   ████████████████████████████████████      180 ms
/// get_patient_allergies     ██████████████████████████████            150 ms
/// 201 ms together, 530 ms added up: 2.6 times as fast
/// ```
#[derive(Clone, Debug)]
pub struct Waterfall {
    pub(super) rows: Vec<Row>,
    pub(super) elapsed: Duration,
}

/// One call. Times are counted from the start of the batch.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) position: usize,
    pub(super) name: String,
    pub(super) queued: Duration,
    /// `None` if it never ran.
    pub(super) start: Option<Duration>,
    pub(super) end: Duration,
    /// Why it failed; empty if it did not.
    pub(super) note: &'static str,
}

impl Waterfall {
    /// The timeline of one batch.
    pub fn new(results: &[ToolResult]) -> Self {
        let origin = results.iter().map(ToolResult::queued).min();
        let since = |instant: Instant| {
            origin.map_or(Duration::ZERO, |origin| {
                instant.saturating_duration_since(origin)
            })
        };
        let row = |result: &ToolResult| Row {
            position: result.position(),
            name: result.name().to_owned(),
            queued: since(result.queued()),
            start: result.started().map(since),
            end: since(result.finished()),
            note: result
                .outcome()
                .err()
                .map_or("", |error| error.code().as_str()),
        };
        Self::of_rows(results.iter().map(row).collect())
    }

    pub(super) fn of_rows(rows: Vec<Row>) -> Self {
        let elapsed = rows.iter().map(|row| row.end).max().unwrap_or_default();
        Self { rows, elapsed }
    }

    /// How long the batch took: to the end of its last call.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The times of its calls added up: what they would have taken one after the other, had each
    /// taken as long alone.
    pub fn sequential(&self) -> Duration {
        self.rows.iter().map(Row::ran).sum()
    }

    /// How many times as fast the batch was as its calls one after the other; 1 for an empty batch.
    pub fn speed_up(&self) -> f64 {
        if self.elapsed.is_zero() {
            1.0
        } else {
            self.sequential().as_secs_f64() / self.elapsed.as_secs_f64()
        }
    }

    /// The calls that the batch's time was spent on, as positions in order of time: the one that
    /// finished last; if it had to wait for its start, the one whose end came last before that; and
    /// so on back. Calls that never ran are not among them.
    ///
    /// What is worth making faster is among these calls; where there are several, more calls at
    /// once may help too.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tool_core::{Dispatcher, ToolCall, Waterfall, tool, tools};
    ///
    /// /// Take a while.
    /// #[tool]
    /// fn work(millis: u64) {
    ///     std::thread::sleep(Duration::from_millis(millis));
    /// }
    ///
    /// let dispatcher = Dispatcher::new(tools![work]).with_max_concurrency(1);
    /// let call = |id| ToolCall::new(id, "work", r#"{"millis": 5}"#);
    /// let results = dispatcher.dispatch_blocking(vec![call("call_1"), call("call_2")]);
    ///
    /// assert_eq!(Waterfall::new(&results).critical_path().len(), 2); // one after the other
    /// ```
    pub fn critical_path(&self) -> Vec<usize> {
        self.critical_rows()
            .into_iter()
            .map(|row| self.rows[row].position)
            .collect()
    }

    /// As [`critical_path`](Self::critical_path), as places in `rows`.
    pub(super) fn critical_rows(&self) -> Vec<usize> {
        let lane = |row: &Row| Lane {
            queued: row.queued,
            start: row.start,
            end: row.end,
        };
        critical_path(&self.rows.iter().map(lane).collect::<Vec<_>>())
    }
}

impl Row {
    pub(super) fn ran(&self) -> Duration {
        self.start
            .map_or(Duration::ZERO, |start| self.end.saturating_sub(start))
    }

    /// The name as it may be shown: models make up names.
    pub(super) fn label(&self) -> String {
        const LONGEST: usize = 40;
        self.name
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Rows from when each was queued, started and finished.
    fn waterfall(times: &[(u64, Option<u64>, u64)]) -> Waterfall {
        let row = |(position, &(queued, start, end)): (usize, &(u64, Option<u64>, u64))| {
            let [queued, end] = [queued, end].map(Duration::from_millis);
            Row {
                position,
                name: "work".to_owned(),
                queued,
                start: start.map(Duration::from_millis),
                end,
                note: "",
            }
        };
        Waterfall::of_rows(times.iter().enumerate().map(row).collect())
    }

    #[test]
    fn the_critical_path_ends_at_a_call_that_did_not_wait() {
        for (times, path) in [
            (&[][..], &[][..]),
            (&[(0, Some(0), 5), (0, Some(0), 9), (0, Some(0), 7)], &[1]),
            (
                &[
                    (0, Some(0), 5),
                    (0, Some(0), 3),
                    (0, Some(3), 4),
                    (0, Some(4), 9),
                ],
                &[1, 2, 3],
            ),
            (
                &[(0, Some(6), 9), (0, Some(2), 5), (0, Some(0), 1)],
                &[2, 1, 0],
            ),
            // Of two that end together, the one that explains more.
            (
                &[(0, Some(4), 5), (0, Some(0), 5), (0, Some(5), 6)],
                &[1, 2],
            ),
            // Queued late, started at once.
            (&[(0, Some(0), 5), (5, Some(5), 9)], &[1]),
            // Calls that took no time.
            (
                &[
                    (0, Some(0), 0),
                    (0, Some(5), 5),
                    (0, Some(5), 5),
                    (0, Some(0), 5),
                ],
                &[3],
            ),
            (&[(0, Some(5), 5), (0, Some(5), 5)], &[0, 1]),
            // What never ran explains nothing.
            (&[(0, None, 9), (0, Some(0), 2), (0, None, 2)], &[1]),
            (&[(0, None, 9)], &[]),
        ] {
            assert_eq!(waterfall(times).critical_path(), path, "{times:?}");
        }
    }

    proptest! {
        #[test]
        fn the_calls_of_a_critical_path_follow_one_another(
            times in vec((0..20_u64, prop::option::weighted(0.9, 0..20_u64), 0..20_u64), 0..30),
        ) {
            let times: Vec<_> = times.iter().map(|(queued, wait, run)| (*queued, wait.map(|wait| queued + wait), queued + wait.unwrap_or(0) + run)).collect();
            let path = waterfall(&times).critical_path();
            let last = times.iter().filter_map(|(_, start, end)| start.map(|_| *end)).max();
            prop_assert_eq!(path.last().map(|&position| times[position].2), last);
            for pair in path.windows(2) {
                let (earlier, later) = (times[pair[0]], times[pair[1]]);
                let start = later.1.unwrap();
                let latest = times.iter().enumerate().filter(|(at, (_, ran, end))| !path.contains(at) && ran.is_some() && *end <= start).map(|(_, time)| time.2).max();
                prop_assert!(start > later.0 && earlier.2 <= start && latest.is_none_or(|end| end <= earlier.2));
            }
        }
    }
}
