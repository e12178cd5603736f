//! Calls that wait for each other.

use std::collections::BTreeSet;

use crate::history::History;

/// Whether the call was waiting for itself, or for a call that it is within, just before that time.
pub(super) fn waits_for_itself(history: &History, call: usize, at: u64) -> bool {
    let mut seen = BTreeSet::new();
    let mut ahead = blockers(history, call, at, true);
    while let Some(next) = ahead.pop() {
        if next == call || history.plan().is_within(call, next) {
            return true;
        }
        if seen.insert(next) {
            ahead.extend(blockers(history, next, at, true));
        }
    }
    false
}

/// Calls that wait for each other when nothing more happens at that time.
pub(super) fn cycle(history: &History, at: u64) -> Option<usize> {
    let waits = |call: usize| !blockers(history, call, at, false).is_empty();
    let reaches = |call: usize| {
        let mut seen = BTreeSet::new();
        let mut ahead = blockers(history, call, at, false);
        while let Some(next) = ahead.pop() {
            if next == call {
                return true;
            }
            if seen.insert(next) {
                ahead.extend(blockers(history, next, at, false));
            }
        }
        false
    };
    (0..history.lives.len())
        .filter(|&call| history.lives[call].is_waiting(at) && waits(call))
        .find(|&call| reaches(call))
}

/// All calls that have to end before this one can go on. `just_before`: what happened at that time
/// may not have happened yet.
pub(super) fn blockers(history: &History, call: usize, at: u64, just_before: bool) -> Vec<usize> {
    let life = &history.lives[call];
    let is_open = |other: usize| {
        if just_before {
            history.lives[other].settled >= at
        } else {
            history.lives[other].settled > at
        }
    };
    if !is_open(call) || life.submitted.is_none_or(|came| came > at) {
        return Vec::new();
    }
    let holds = |other: usize| {
        let other = &history.lives[other];
        other.started <= at
            && if just_before {
                other.dead >= at
            } else {
                other.dead > at
            }
    };
    let mut blockers = Vec::new();
    if life.started <= at {
        blockers.extend(
            children(history, call, at, just_before)
                .into_iter()
                .filter(|&child| is_open(child)),
        );
    }
    let plan = history.call(call);
    // Before that, it may yet be refused.
    let is_decided = plan.word.is_none() || life.decided.is_some_and(|decided| decided <= at);
    if is_decided && (life.started > at || just_before && life.started == at) {
        let key = history.key(call);
        let same_key = |other: usize| key.is_some() && history.key(other) == key;
        let is_within = |other: usize| history.plan().is_within(call, other);
        blockers.extend((0..history.lives.len()).filter(|&other| {
            other != call && same_key(other) && holds(other) && !is_within(other)
        }));
        let before = history.plan().batches[plan.batch].calls[..plan.position]
            .iter()
            .copied();
        blockers.extend(before.filter(|&earlier| {
            let is_barrier = plan.kind.exclusive || history.call(earlier).kind.exclusive;
            (is_barrier || same_key(earlier)) && is_open(earlier)
        }));
    }
    blockers
}

/// The calls within a call that it certainly waits for.
fn children(history: &History, call: usize, at: u64, just_before: bool) -> Vec<usize> {
    let waits = history.lives[call]
        .waits
        .iter()
        .any(|(from, to)| *from <= at && if just_before { *to >= at } else { *to > at });
    let is_open = |batch: usize| {
        let (plan, course) = (&history.plan().batches[batch], &history.courses[batch]);
        let mut over = course
            .returned
            .map(|(moment, _)| moment)
            .into_iter()
            .chain(course.dropped);
        plan.parent == Some(call)
            && course.begun.is_some_and(|begun| begun.at <= at)
            && over.all(|over| over.at > at)
    };
    let waits_for_one = (0..history.courses.len())
        .filter(|&batch| is_open(batch))
        .count()
        == 1;
    let is_here = |child: usize| {
        let came = history.lives[child]
            .submitted
            .is_some_and(|came| came <= at);
        // Of several calls, one may be answered already, and nobody told.
        let is_alone = waits_for_one
            && history.plan().batches[history.call(child).batch]
                .calls
                .len()
                == 1;
        history.call(child).parent == Some(call) && came && (just_before || is_alone)
    };
    if waits {
        (call..history.lives.len())
            .filter(|&child| is_here(child))
            .collect()
    } else {
        Vec::new()
    }
}
