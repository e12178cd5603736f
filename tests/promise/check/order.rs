//! Declared order: barriers in a batch, and keys across the dispatcher.

use crate::history::{History, NEVER};
use crate::trace::Answer;

use super::codes::is_too_much;

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    for batch in &history.plan().batches {
        for (at, &earlier) in batch.calls.iter().enumerate() {
            for &later in &batch.calls[at + 1..] {
                check_barrier(history, earlier, later, faults);
            }
        }
    }
    let keyed: Vec<usize> = history
        .all()
        .filter(|(call, _, life)| life.started != NEVER && history.key(*call).is_some())
        .map(|(call, ..)| call)
        .collect();
    for &one in &keyed {
        for &other in keyed.iter().filter(|&&other| other > one) {
            check_keys(history, one, other, faults);
        }
    }
}

fn check_barrier(history: &History, earlier: usize, later: usize, faults: &mut Vec<String>) {
    if !history.call(earlier).kind.exclusive && !history.call(later).kind.exclusive {
        return;
    }
    let began = history.lives[later].started;
    if history.lives[earlier]
        .opened
        .is_some_and(|opened| is_too_much(history, earlier, opened))
    {
        return; // it found no place when it opened, and will not run
    }
    // One that was held before that cannot know what still acts: that may be in another process.
    let is_resumed = history.lives[later].held.is_some();
    let was_answered = |(_, known): &(_, Answer)| known.finished <= began;
    if is_resumed && history.lives[earlier].known.iter().any(was_answered) {
        return;
    }
    let was_there =
        history.lives[earlier].submitted.is_some() || history.lives[earlier].opened.is_some();
    if began != NEVER && was_there && history.lives[earlier].gone() > began {
        faults.push(format!(
            "call {later} starts at {began}, before call {earlier} is settled"
        ));
    }
}

fn check_keys(history: &History, one: usize, other: usize, faults: &mut Vec<String>) {
    let plan = history.plan();
    if history.key(one) != history.key(other)
        || plan.is_within(other, one)
        || plan.is_within(one, other)
    {
        return;
    }
    let (first, second) = (&history.lives[one], &history.lives[other]);
    let apart = first.surely_alive <= second.started || second.surely_alive <= first.started;
    if !apart {
        faults.push(format!("calls {one} and {other} run at once with one key"));
    }
    let same_batch = history.call(one).batch == history.call(other).batch;
    // Its key is not known before the policy has decided.
    let held = first.held.as_ref().map(|(_, answer)| answer.finished);
    let was_known = held
        .or(first.decided)
        .is_none_or(|decided| decided < second.started);
    if same_batch && was_known && second.started < first.started {
        faults.push(format!(
            "call {other} starts before call {one}, which has the same key"
        ));
    }
}
