//! The critical path of a batch: the calls that determined how long it took.

use std::cmp::Reverse;
use std::time::Duration;

/// When one call was queued, started and answered, counted from the same moment for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    pub(crate) queued: Duration,
    /// `None` if it never ran.
    pub(crate) start: Option<Duration>,
    pub(crate) end: Duration,
}

/// The lane that ended last; if it had to wait for its start, the one whose end came last before
/// that; and so on back. Indices into `lanes`, in order of time. Calls that never ran are not among
/// them.
pub(crate) fn critical_path(lanes: &[Lane]) -> Vec<usize> {
    let ran = lanes
        .iter()
        .enumerate()
        .filter_map(|(index, lane)| Some((lane.end, Reverse(lane.start?), index)));
    let mut by_end: Vec<_> = ran.collect();
    by_end.sort_unstable(); // of those that end together, the longest is last
    let mut path = Vec::new();
    while let Some((_, Reverse(start), index)) = by_end.pop() {
        path.push(index);
        if start <= lanes[index].queued {
            break;
        }
        by_end.truncate(by_end.partition_point(|(end, ..)| *end <= start));
    }
    path.reverse();
    path
}
