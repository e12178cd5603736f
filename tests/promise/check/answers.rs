//! One answer per call, by position, with its id as given, as soon as it is known.

use crate::history::{History, NEVER};
use crate::layers::SWALLOWED;
use crate::tools::DONE;
use crate::world::{Caller, End, TurnEnd};

/// Bytes of an output that is shortened because its batch has used up what it has.
const SHORT: usize = 600;

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    for batch in 0..history.courses.len() {
        check_batch(history, batch, faults);
    }
    for (call, plan, life) in history.all() {
        for (_, answer) in life.held.iter().chain(&life.known) {
            if answer.position != plan.position || answer.id != plan.id {
                faults.push(format!(
                    "call {call} is answered at {} as `{}`",
                    answer.position, answer.id
                ));
            }
            if answer
                .started
                .is_some_and(|started| started > answer.finished)
            {
                faults.push(format!("call {call} is answered before it started"));
            }
            let most = history.plan().world.bounds.output_bytes.max(300);
            if answer.content.len() > most {
                faults.push(format!(
                    "call {call} has an output of {} bytes",
                    answer.content.len()
                ));
            }
            let is_done = life
                .answers
                .last()
                .is_some_and(|(_, end)| *end == End::Text);
            if answer.code == "ok"
                && is_done
                && answer.content != DONE
                && answer.content != SWALLOWED
            {
                faults.push(format!("call {call} is answered `{}`", answer.content));
            }
        }
        if life.known.len() > 1 {
            faults.push(format!(
                "call {call} is answered {} times",
                life.known.len()
            ));
        }
        if life.known.is_empty()
            && life.settled == NEVER
            && (life.submitted.is_some() || life.opened.is_some())
        {
            faults.push(format!("call {call} is not answered"));
        }
    }
}

fn check_batch(history: &History, batch: usize, faults: &mut Vec<String>) {
    let (plan, course) = (&history.plan().batches[batch], &history.courses[batch]);
    let Some((returned, results)) = course.returned else {
        return;
    };
    if results != plan.calls.len() {
        faults.push(format!(
            "batch {batch} has {results} results for {} calls",
            plan.calls.len()
        ));
    }
    let bytes = |&call: &usize| {
        history.lives[call]
            .answer()
            .filter(|answer| answer.code == "ok")
            .map_or(0, |answer| answer.content.len())
    };
    let (most, all) = (
        history.plan().world.bounds.batch_output_bytes,
        plan.calls.iter().map(bytes).sum::<usize>(),
    );
    // Calls that were held have a share of their own.
    let is_resumed = plan
        .calls
        .iter()
        .any(|&call| history.lives[call].held.is_some());
    let most = most * (1 + usize::from(is_resumed));
    if all > most + SHORT * plan.calls.len() {
        faults.push(format!("batch {batch} has outputs of {all} bytes"));
    }
    if !is_resumed && matches!(plan.caller, Caller::Reads(_) | Caller::ReadsAndDrops(..)) {
        let mut read: Vec<_> = plan
            .calls
            .iter()
            .filter_map(|&call| history.lives[call].known.first())
            .collect();
        read.sort_by_key(|(moment, _)| *moment);
        if !read.is_sorted_by_key(|(_, answer)| answer.finished) {
            faults.push(format!(
                "results of batch {batch} do not come as they are known"
            ));
        }
    }
    let answered = plan
        .calls
        .iter()
        .map(|&call| history.lives[call].settled)
        .max()
        .unwrap_or(returned.at);
    let at_once = match &plan.caller {
        Caller::Awaits => plan.parent.is_none(),
        Caller::Turn(turn) => turn.end == TurnEnd::Finishes,
        _ => false,
    };
    let begun = course
        .ended
        .or(course.begun.map(|moment| moment.at))
        .unwrap_or(0);
    if at_once && returned.at > answered.max(begun) {
        faults.push(format!(
            "batch {batch} returns at {}, and its calls were answered at {answered}",
            returned.at
        ));
    }
    if answered > returned.at {
        faults.push(format!(
            "batch {batch} returns at {}, before its calls were answered at {answered}",
            returned.at
        ));
    }
}
