//! Checks the events of a run against each other and against the history.

use std::collections::BTreeMap;

use serde_json::{Value, to_value};
use tool_core::{ToolCall, ToolResult};
use tool_openai::AgentEvent;

/// What the model is reported of a call that it wrote on after it had started, whatever its result was.
const REOPENED: &str = "before all of its arguments had been written";

/// What was reported of one message.
#[derive(Default)]
struct Reported<'a> {
    calls: BTreeMap<usize, &'a ToolCall>,
    all_calls: Option<&'a [ToolCall]>,
    results: BTreeMap<usize, &'a ToolResult>,
    all_results: Option<&'a [ToolResult]>,
}

/// What is wrong with what a run reported. `added` is what it left in the history, `ended` whether it
/// was not dropped.
pub(super) fn faults(events: &[AgentEvent], added: &[Value], ended: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut left = added
        .iter()
        .enumerate()
        .filter(|(_, message)| message["tool_calls"].is_array());
    for (turn, events) in events
        .split(|event| matches!(event, AgentEvent::TurnStarted { .. }))
        .enumerate()
    {
        let mut wrong = |what: String| faults.push(format!("turn {turn}: {what}"));
        let reported = one_message(events, &mut wrong);
        agree(&reported, &mut wrong);
        if reported.all_results.is_some() {
            match left.next() {
                Some((at, message)) => in_history(&reported, message, &added[at + 1..], &mut wrong),
                None if ended => wrong("what it reported is not in the history".to_owned()),
                None => {}
            }
        } else if ended && reported.all_calls.is_some() {
            wrong("`Calls` without `Results`".to_owned());
        }
    }
    if ended && let Some((_, message)) = left.next() {
        faults.push(format!("never reported of {message}"));
    }
    faults
}

fn one_message<'a>(events: &'a [AgentEvent], wrong: &mut impl FnMut(String)) -> Reported<'a> {
    let mut reported = Reported::default();
    for event in events {
        if reported.all_results.is_some()
            && !matches!(event, AgentEvent::Usage(_) | AgentEvent::Reply(_))
        {
            wrong(format!("after the results: {event:?}"));
        }
        match event {
            AgentEvent::ToolCallReady { position, call, .. } => {
                let is_new = reported.calls.insert(*position, call).is_none();
                if !is_new || reported.all_calls.is_some() {
                    wrong(format!("call {position} is reported twice or late"));
                }
            }
            AgentEvent::ToolCallsReady(calls) if reported.all_calls.replace(calls).is_some() => {
                wrong("`Calls` twice".to_owned());
            }
            AgentEvent::Progress(progress) => {
                if reported.results.contains_key(&progress.position) {
                    wrong(format!(
                        "progress after the result of {}",
                        progress.position
                    ));
                }
                if reported
                    .calls
                    .get(&progress.position)
                    .is_none_or(|call| call.id != progress.id)
                {
                    wrong(format!(
                        "progress of no call that was reported: {progress:?}"
                    ));
                }
            }
            // It comes again after the decision.
            AgentEvent::Result(result) if result.held_for().is_some() => {}
            AgentEvent::Results(results)
                if results.iter().any(|result| result.held_for().is_some()) => {}
            AgentEvent::Result(result) => {
                let position = result.position();
                if reported.results.insert(position, result).is_some() {
                    wrong(format!("result {position} is reported twice"));
                }
                if reported
                    .calls
                    .get(&position)
                    .is_none_or(|call| call.id != result.id())
                {
                    wrong(format!("result of no call that was reported: {result:?}"));
                }
            }
            AgentEvent::Results(results) => reported.all_results = Some(results),
            _ => {}
        }
    }
    reported
}

fn agree(reported: &Reported, wrong: &mut impl FnMut(String)) {
    let reported_calls: Vec<_> = reported
        .calls
        .values()
        .map(|call| (&call.id, &call.name, &call.arguments))
        .collect();
    if reported
        .calls
        .keys()
        .enumerate()
        .any(|(at, position)| at != *position)
    {
        wrong(format!(
            "calls were reported at {:?}",
            reported.calls.keys()
        ));
    }
    if let Some(calls) = reported.all_calls {
        let calls: Vec<_> = calls
            .iter()
            .map(|call| (&call.id, &call.name, &call.arguments))
            .collect();
        if calls != reported_calls {
            wrong(format!(
                "`Call` reported {reported_calls:?}, `Calls` {calls:?}"
            ));
        }
    }
    if let Some(results) = reported.all_results {
        let answers: Vec<_> = results
            .iter()
            .map(|result| (result.id(), result.content()))
            .collect();
        let reported_answers: Vec<_> = reported
            .results
            .values()
            .map(|result| (result.id(), result.content()))
            .collect();
        if answers != reported_answers {
            wrong(format!(
                "`Result` reported {reported_answers:?}, `Results` {answers:?}"
            ));
        }
        if results
            .iter()
            .enumerate()
            .any(|(at, result)| result.position() != at)
            || results.len() != reported.calls.len()
        {
            wrong(format!(
                "{} results of {} calls",
                results.len(),
                reported.calls.len()
            ));
        }
    }
}

fn in_history(
    reported: &Reported,
    message: &Value,
    behind: &[Value],
    wrong: &mut impl FnMut(String),
) {
    let kept: Vec<_> = message["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].clone())
        .collect();
    let calls: Vec<_> = reported
        .calls
        .values()
        .map(|call| to_value(&call.id).unwrap())
        .collect();
    let answers: Vec<_> = behind
        .iter()
        .take(kept.len())
        .map(|answer| answer["content"].clone())
        .collect();
    let results: Vec<_> = reported
        .all_results
        .unwrap_or_default()
        .iter()
        .map(|result| Value::from(result.content()))
        .collect();
    let agree = |(answer, result): (&Value, &Value)| {
        answer == result
            || answer
                .as_str()
                .is_some_and(|answer| answer.contains(REOPENED))
    };
    if kept != calls || answers.len() != results.len() || !answers.iter().zip(&results).all(agree) {
        wrong(format!(
            "reported {calls:?} {results:?}, kept {kept:?} {answers:?}"
        ));
    }
}
