//! A tool starts once, runs only while its call does, and is asked about once.

use std::collections::BTreeMap;

use crate::history::{History, Life, NEVER};
use crate::plan::Call;
use crate::trace::What;
use crate::world::{Mischief, Verdict, Word};

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    let mut keys = BTreeMap::new();
    for (call, plan, life) in history.all() {
        check_starts(history, call, faults);
        check_ends(history, call, faults);
        check_attempts(call, plan, life, faults);
        check_policy(call, plan, life, faults);
        check_word_to_end(history, call, faults);
        for run in &life.runs {
            if *keys.entry(run.key.clone()).or_insert(call) != call {
                faults.push(format!("call {call} has another call's idempotency key"));
            }
            if run.key != life.runs[0].key {
                faults.push(format!("call {call} changes its idempotency key"));
            }
            if run.to.is_none() {
                faults.push(format!("a future of call {call} is never dropped"));
            }
        }
    }
    check_idle(history, faults);
    for entry in &history.entries {
        if let What::AsksInVain(id) = &entry.what {
            faults.push(format!(
                "the policy is asked about `{id}`, which cannot run"
            ));
        }
    }
}

/// Nothing starts when its batch is over, and each start knows when it has to be done.
fn check_starts(history: &History, call: usize, faults: &mut Vec<String>) {
    let (plan, life) = (history.call(call), &history.lives[call]);
    let course = &history.courses[plan.batch];
    let Some(first) = life.runs.first() else {
        return;
    };
    if course.fatal.is_some_and(|fatal| life.started > fatal) {
        faults.push(format!(
            "call {call} starts after a fatal error of its batch"
        ));
    }
    if !plan.is_sound()
        || plan.position >= history.plan().world.bounds.calls
        || plan.depth > history.plan().world.bounds.nesting
    {
        faults.push(format!("call {call} runs, and should not"));
    }
    let is_allowed = |word: Word| match word.verdict {
        Verdict::Allow | Verdict::Edit(_) => true,
        Verdict::Hold { allowed } => allowed && life.held.is_some(),
        _ => false,
    };
    if !plan.word.is_none_or(is_allowed) {
        faults.push(format!(
            "call {call} runs, though the policy has not allowed it"
        ));
    }
    if plan.word.is_some() && life.decided.is_none_or(|decided| decided > first.from.at) {
        faults.push(format!("call {call} runs before it is decided on"));
    }
    let expected = history.deadline(call);
    if first.deadline != expected {
        faults.push(format!(
            "call {call} has the deadline {:?} instead of {:?}",
            first.deadline, expected
        ));
    }
}

/// No poll and no start after a call is answered or given up on, and no answer after the deadline.
fn check_ends(history: &History, call: usize, faults: &mut Vec<String>) {
    let life = &history.lives[call];
    let given_up =
        std::iter::successors(Some(call), |&call| history.call(call).parent).filter_map(|call| {
            let course = &history.courses[history.call(call).batch];
            let known = history.lives[call].known.first().map(|(moment, _)| *moment);
            let ends = known
                .into_iter()
                .chain(course.dropped)
                .chain(course.cancelled);
            ends.min()
        });
    let end = given_up.min().map_or(usize::MAX, |moment| moment.place);
    let starts = life.runs.iter().map(|run| run.from).chain(life.layered);
    for moment in life.polls.iter().copied().chain(starts) {
        if moment.place > end || moment.at > life.settled {
            faults.push(format!(
                "call {call} runs at {} (place {}), and is over",
                moment.at, moment.place
            ));
        }
    }
    let asleep = life
        .runs
        .iter()
        .filter(|run| !run.on_thread)
        .map(|run| run.end())
        .max()
        .unwrap_or(0);
    let gone = life
        .answer()
        .map_or(asleep, |answer| answer.finished.max(asleep));
    if life.started != NEVER
        && history
            .deadline(call)
            .is_some_and(|deadline| gone > deadline.saturating_add(1))
    {
        faults.push(format!(
            "call {call} is not answered by its deadline {:?}, but at {}",
            history.deadline(call),
            life.settled
        ));
    }
}

fn check_attempts(call: usize, plan: &Call, life: &Life, faults: &mut Vec<String>) {
    let tries = plan.kind.retry.map_or(1, |(attempts, _)| attempts.max(1)) as usize;
    let most = if plan.kind.repeatable && plan.mischief == Mischief::Again {
        2 * tries
    } else {
        tries
    };
    if life.runs.len() > most {
        faults.push(format!("call {call} runs {} times", life.runs.len()));
    }
    for (run, next) in life.runs.iter().zip(life.runs.iter().skip(1)) {
        if run.to.is_none_or(|to| to > next.from) {
            faults.push(format!("call {call} runs again while it runs"));
        }
        if next.attempt != run.attempt + 1 {
            faults.push(format!(
                "attempt {} of call {call} follows attempt {}",
                next.attempt, run.attempt
            ));
        }
    }
}

/// When `idle` returns, nothing is alive.
fn check_idle(history: &History, faults: &mut Vec<String>) {
    let Some(idle) = history.idle else { return };
    for (call, plan, life) in history.all() {
        let runs = life
            .runs
            .iter()
            .any(|run| run.from < idle && run.to.is_none_or(|to| to > idle));
        let came = life
            .opened
            .into_iter()
            .chain(life.submitted)
            .min()
            .is_some_and(|came| came < idle.at);
        let waits = came
            && life
                .answer()
                .is_some_and(|answer| answer.finished > idle.at);
        if runs || waits {
            faults.push(format!(
                "`idle` returns at {}, while call {call} of batch {} is alive",
                idle.at, plan.batch
            ));
        }
    }
}

/// A thread is cancelled when its call is over, and not before.
fn check_word_to_end(history: &History, call: usize, faults: &mut Vec<String>) {
    let life = &history.lives[call];
    let Some(run) = life
        .runs
        .iter()
        .find(|run| run.on_thread && run.to.is_some())
    else {
        return;
    };
    if run.end() > life.settled && !life.reported {
        faults.push(format!("a thread of call {call} is not cancelled"));
    }
    if life.reported
        && run.end() < life.settled
        && !history.may_be_left(call)
        && run.deadline.is_none_or(|deadline| deadline > run.end())
    {
        faults.push(format!("a thread of call {call} is cancelled without need"));
    }
}

fn check_policy(call: usize, plan: &Call, life: &Life, faults: &mut Vec<String>) {
    if life.asked.len() > 1 {
        faults.push(format!(
            "the policy is asked {} times about call {call}",
            life.asked.len()
        ));
    }
    if !life.asked.is_empty() && !plan.is_sound() {
        faults.push(format!(
            "the policy is asked about call {call}, which cannot run"
        ));
    }
}
