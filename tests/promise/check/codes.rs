//! Each answer has an accurate code.

use crate::history::{History, Life, NEVER};
use crate::plan::Call;
use crate::trace::Answer;
use crate::world::{Arguments, Caller, End, Mischief, Tool, Verdict};

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    for (call, _, life) in history.all() {
        let Some(answer) = life.answer() else {
            continue;
        };
        let held = life.held.iter().map(|(_, answer)| answer);
        let held = held.chain(Some(answer).filter(|answer| answer.code == "held"));
        for answer in held {
            if !may_be_held(history, call) || answer.started.is_some() {
                faults.push(format!("call {call} is held for no reason"));
            }
        }
        if answer.code == "held" {
            let all_decided = life.held.as_ref();
            faults.extend(all_decided.map(|_| format!("call {call} is held once more")));
            continue;
        }
        if let Err(why) = check_code(history, call, answer) {
            faults.push(format!(
                "call {call} is answered {} at {}: {why}",
                answer.code, answer.finished
            ));
        }
        if NOT_RUN.contains(&answer.code) && answer.started.is_some() {
            faults.push(format!(
                "call {call} is answered {}, but reported as started",
                answer.code
            ));
        }
    }
}

/// Codes of calls of which no code ran.
const NOT_RUN: [&str; 7] = [
    "unknown_tool",
    "invalid_json",
    "too_large",
    "truncated_call",
    "denied",
    "overloaded",
    "not_started",
];

/// Whether a decision on it, or on one that it is ordered behind, is to come.
fn may_be_held(history: &History, call: usize) -> bool {
    let (plan, life) = (history.call(call), &history.lives[call]);
    let is_held = plan.is_held() && life.asked.len() == 1;
    let earlier = &history.plan().batches[plan.batch].calls[..plan.position];
    let is_behind = earlier.iter().any(|&earlier| {
        let life = &history.lives[earlier];
        // If no one received its answer, or its message is over, it may have been.
        let may_have_been = |known: &Answer| matches!(known.code, "held" | "not_started");
        let is_held = life.held.is_some() || life.answer().is_none_or(may_have_been);
        is_held && plan.excludes(history.call(earlier))
    });
    is_held || is_behind
}

fn check_code(history: &History, call: usize, answer: &Answer) -> Result<(), &'static str> {
    let (plan, life) = (history.call(call), &history.lives[call]);
    let ran = !life.runs.is_empty();
    if NOT_RUN.contains(&answer.code) && ran {
        return Err("it ran");
    }
    let verdict = life.decided.and(plan.word).map(|word| word.verdict);
    let expected = match answer.code {
        "unknown_tool" => matches!(plan.tool, Tool::Unknown),
        "invalid_json" => plan.arguments == Arguments::NotJson,
        "too_large" => matches!(plan.arguments, Arguments::TooLong | Arguments::TooDeep),
        "invalid_arguments" if !ran => !plan.is_sound() || verdict == Some(Verdict::EditBadly),
        "truncated_call" => life.submitted.is_none(),
        "denied" => match verdict {
            Some(Verdict::Refuse | Verdict::Panic) => true,
            Some(Verdict::Hold { allowed }) => !allowed || plan.depth > 0,
            _ => false,
        },
        // A place is taken when a call opens.
        "overloaded" => {
            is_too_much(history, call, answer.finished)
                || life
                    .opened
                    .is_some_and(|opened| is_too_much(history, call, opened))
        }
        // A held call ends when its message is over, and keeps the time at which it was held.
        "not_started" => {
            let is_over = history.courses[plan.batch].over() != NEVER;
            is_stopped(history, call, answer.finished) || is_over && may_be_held(history, call)
        }
        "timeout" | "timeout_indeterminate" | "cancelled" | "cancelled_indeterminate" => {
            return check_stop(history, call, answer);
        }
        _ => {
            return check_outcome(
                plan,
                life,
                answer,
                history.has_thread(call, answer.finished),
            );
        }
    };
    if expected {
        Ok(())
    } else {
        Err("for no reason")
    }
}

/// Whether it came on top of all that is taken.
pub(super) fn is_too_much(history: &History, call: usize, at: u64) -> bool {
    let (plan, bounds) = (history.call(call), &history.plan().world.bounds);
    let waits = |life: &Life| {
        let came = life
            .opened
            .or(life.submitted)
            .is_some_and(|came| came <= at);
        came && life.settled >= at && life.started >= at || life.waited_before(at)
    };
    let waiting = history
        .all()
        .filter(|(other, _, life)| *other != call && waits(life))
        .count();
    plan.position >= bounds.calls || plan.depth > bounds.nesting || waiting >= bounds.queue
}

/// Whether there is a reason not to start it.
fn is_stopped(history: &History, call: usize, at: u64) -> bool {
    let batch = history.call(call).batch;
    let course = &history.courses[batch];
    // The time in the queue begins when the call comes, or later.
    let has_waited = history.lives[call]
        .submitted
        .is_some_and(|came| at >= came.saturating_add(history.plan().world.bounds.queue_time));
    let ended_before = course.ended.is_some_and(|ended| {
        history.lives[call]
            .submitted
            .is_none_or(|came| came >= ended)
    });
    let has_no_thread = history.call(call).kind.is_sync
        && history
            .queued
            .iter()
            .any(|(from, queued)| *from <= at && *queued > 0);
    has_no_thread
        || is_parent_over(history, call, at)
        || course.over() <= at
        || has_waited
        || ended_before
}

/// Whether a parent call is over: a thread may be cancelled by that.
fn is_parent_over(history: &History, call: usize, at: u64) -> bool {
    std::iter::successors(history.call(call).parent, |&parent| {
        history.call(parent).parent
    })
    .any(|parent| {
        let is_due = history
            .deadline(parent)
            .is_some_and(|deadline| deadline <= at);
        history.lives[parent].settled <= at || is_due || history.may_be_left(parent)
    })
}

/// Whether it was stopped for a reason, and may run on if that is what its answer says.
fn check_stop(history: &History, call: usize, answer: &Answer) -> Result<(), &'static str> {
    let (plan, life) = (history.call(call), &history.lives[call]);
    let is_timeout = answer.code.starts_with("timeout");
    let due = if is_timeout {
        history
            .deadline(call)
            .is_some_and(|deadline| deadline <= answer.finished)
    } else {
        history.courses[plan.batch]
            .cancelled
            .is_some_and(|cancelled| cancelled.at <= answer.finished)
            || is_parent_over(history, call, answer.finished)
    };
    let gives_up = matches!(plan.mischief, Mischief::GiveUp(_));
    if !due && !gives_up {
        return Err("nothing stops it yet");
    }
    let on_thread = history.has_thread(call, answer.finished);
    if answer.code.ends_with("_indeterminate") && !on_thread {
        return Err("nothing of it runs on");
    }
    let runs_on = history.lives[call..]
        .iter()
        .enumerate()
        .filter(|(other, _)| *other == 0 || history.plan().is_within(call + other, call))
        .any(|(_, life)| {
            life.runs.iter().any(|run| {
                run.on_thread && run.from.at <= answer.finished && run.end() > answer.finished
            })
        });
    if !answer.code.ends_with("_indeterminate") && runs_on {
        return Err("a thread of it runs on");
    }
    // With retries or a layer, an answer of the tool is not yet one of the call.
    let is_final = plan.kind.retry.is_none() && plan.mischief == Mischief::None;
    match life.answers.last() {
        Some((moment, _)) if is_final && moment.at < answer.finished && !runs_on => {
            Err("its tool had answered")
        }
        _ => Ok(()),
    }
}

/// Whether it is what the tool, or the layer around it, answered.
fn check_outcome(
    plan: &Call,
    life: &Life,
    answer: &Answer,
    on_thread: bool,
) -> Result<(), &'static str> {
    let code = answer.code;
    let last = life.answers.last().map(|(_, end)| code_of(*end));
    let is_own = last == Some(code)
        || (plan.panics_when_dropped && code == "panic" && !life.runs.is_empty());
    let expected = match plan.mischief {
        Mischief::None | Mischief::Wait(_) => is_own,
        // Of two at once one is refused; which of two errors comes first does not matter.
        Mischief::Twice => code == "middleware_error" || is_own && code != "ok",
        Mischief::Panic => matches!(code, "panic" | "middleware_error"),
        Mischief::Never => false,
        Mischief::Again => {
            if plan.kind.repeatable {
                is_own
            } else {
                code == "middleware_error" && last.is_some() || is_own && code == "panic"
            }
        }
        Mischief::Swallow => code == "ok" || code == "panic" && is_own,
        Mischief::GiveUp(_) => {
            is_own || code == "middleware_error" || on_thread && code.ends_with("_indeterminate")
        }
    };
    if expected {
        Ok(())
    } else {
        Err("that is not what its tool or its layer says")
    }
}

/// What happens to a script's end.
fn code_of(end: End) -> &'static str {
    match end {
        End::Text | End::Long(_) => "ok",
        End::Error | End::Fatal => "tool_error",
        End::BadArguments => "invalid_arguments",
        End::Panic | End::PanicWhenShown | End::PanicWhenWritten => "panic",
        End::Unwritable => "unserializable_output",
        End::Never => "ok", // on a thread, after a while
    }
}

/// Whether the batch of a call may have open calls in front of it.
pub(super) fn is_turn(history: &History, batch: usize) -> bool {
    matches!(history.plan().batches[batch].caller, Caller::Turn(_))
}
