//! A message that arrives bit by bit starts a call early only when every earlier one is complete
//! and started.

use crate::history::{History, NEVER};

use super::codes::{is_too_much, is_turn};

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    for (batch, plan) in history.plan().batches.iter().enumerate() {
        if !is_turn(history, batch) {
            continue;
        }
        for (at, &call) in plan.calls.iter().enumerate() {
            let began = history.lives[call].started;
            let is_early = began != NEVER
                && history.courses[batch]
                    .ended
                    .is_none_or(|ended| began < ended);
            let behind = plan.calls[..at].iter().find(|&&earlier| {
                let life = &history.lives[earlier];
                // One that found no place when it opened will not run, and delays no other call.
                if life
                    .opened
                    .is_some_and(|opened| is_too_much(history, earlier, opened))
                {
                    return false;
                }
                // A held call counts as started.
                if let Some((_, held)) = &life.held
                    && held.finished <= began
                {
                    return false;
                }
                // The trace does not show when a call begins to wait for a thread.
                if history.call(earlier).kind.is_sync && life.answer().is_none() {
                    return false;
                }
                // A call whose caller dropped the batch may have been answered at any time.
                let settled = life.answer().map_or(0, |answer| answer.finished);
                life.submitted.is_none_or(|came| came > began)
                    && life.cut_off.is_none_or(|cut| cut > began)
                    || life.started != NEVER && life.started.min(settled.max(life.gone())) > began
            });
            if let Some(earlier) = behind.filter(|_| is_early) {
                faults.push(format!("call {call} starts at {began}, before call {earlier}, while its message arrives"));
            }
        }
    }
}
