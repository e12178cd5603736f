//! Checks of a finished run: rules that must not be broken.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, from_value, to_value};
use tool_openai::chat::{self, Message};
use tool_openai::{AgentError, AgentEvent, Reply};

use super::plan::{Case, End, Form, Id, Style};
use super::play::{Outcome, Played, Seen};
use super::text::{Fate, Wire, calls, numbers};
use super::tools::Note;
use super::{events, wire};

/// All that is wrong with what was noted.
pub(super) fn faults(case: &Case, played: &Played) -> Vec<String> {
    let script: Vec<Vec<Wire>> = case
        .turns
        .iter()
        .enumerate()
        .map(|(at, turn)| calls(turn, at))
        .collect();
    let mut faults = Vec::new();
    for (at, request) in played.requests.iter().enumerate() {
        let messages = request["messages"].as_array().unwrap();
        faults.extend(
            valid(messages)
                .into_iter()
                .map(|fault| format!("request {at}: {fault}")),
        );
    }
    for (at, run) in played.runs.iter().enumerate() {
        faults.extend(
            one_run(case, run, at >= case.runs.len())
                .into_iter()
                .map(|fault| format!("run {at}: {fault}")),
        );
    }
    let last = &played.runs.last().unwrap().after;
    faults.extend(executions(case, &script, &played.notes));
    faults.extend(pairs(last));
    faults.extend(made_up(&script, last));
    if case.form != Form::Http {
        faults.extend(kept(case, &script, played));
    }
    faults
}

/// The history is one that services accept, that needs no repair, and that can be stored.
fn valid(messages: &[Value]) -> Vec<String> {
    let mut faults = wire::faults(messages);
    let mut read: Vec<Message> = messages
        .iter()
        .map(|message| from_value(message.clone()).unwrap())
        .collect();
    if read
        .iter()
        .map(|message| to_value(message).unwrap())
        .ne(messages.iter().cloned())
    {
        faults.push("reading it back gives something else".to_owned());
    }
    faults.extend(
        chat::repair(&mut read)
            .into_iter()
            .map(|repair| format!("repaired: {repair}")),
    );
    faults
}

fn one_run(case: &Case, run: &Seen, is_last: bool) -> Vec<String> {
    let mut faults = run.faults.clone();
    faults.extend(valid(&run.after));
    if !run.after.starts_with(&run.before) {
        faults.push("what was in the history has changed".to_owned());
        return faults;
    }
    let ended = matches!(run.outcome, Outcome::Ended(_));
    faults.extend(events::faults(
        &run.events,
        &run.after[run.before.len()..],
        ended,
    ));
    if run
        .events
        .iter()
        .any(|event| matches!(event, AgentEvent::HistoryRepaired(_)))
    {
        faults.push("its own history was repaired".to_owned());
    }
    let reported = run
        .events
        .iter()
        .map(|event| {
            if let AgentEvent::Usage(usage) = event {
                usage.total_tokens
            } else {
                0
            }
        })
        .sum::<u64>();
    if reported != run.tokens
        || matches!(&run.outcome, Outcome::Ended(Ok(reply)) if reply.usage.total_tokens != reported)
    {
        faults.push(format!("it cost {}, and reported {reported}", run.tokens));
    }
    match &run.outcome {
        Outcome::Ended(Ok(reply)) if is_last && reply.text != "Over." => {
            faults.push(format!("the last reply is {reply:?}"));
        }
        Outcome::Ended(Ok(reply)) if reply.turns > case.max_turns => {
            faults.push("too many turns".to_owned());
        }
        Outcome::Ended(Ok(reply))
            if run.after.last().is_none_or(|last| {
                last["content"] != *reply.text && !ends_silently(reply, last)
            }) =>
        {
            faults.push("the reply is not in the history".to_owned());
        }
        Outcome::Ended(Err(AgentError::Model {
            source: tool_openai::ModelError::Status { message, .. },
            ..
        })) => {
            faults.push(format!("the server refused: {message}"));
        }
        Outcome::Ended(Err(AgentError::TokenBudget { used, budget }))
            if case.budget != Some(*budget) || used < budget || *used != reported =>
        {
            faults.push(format!(
                "it ended after {used} of {budget} tokens, and reported {reported}"
            ));
        }
        Outcome::Ended(Ok(reply))
            if case
                .budget
                .is_some_and(|budget| before_last_turn(run) >= budget) =>
        {
            faults.push(format!("it continued over its budget: {reply:?}"));
        }
        Outcome::Ended(Err(AgentError::Cancelled)) if case.cancelled_after.is_none() => {
            faults.push("it was not cancelled".to_owned());
        }
        Outcome::Ended(Err(error)) if is_last && !matches!(error, AgentError::Cancelled) => {
            faults.push(format!("it does not continue: {error:?}"));
        }
        Outcome::Hung => faults.push("it hangs".to_owned()),
        _ => {}
    }
    faults
}

/// Tokens that were used before the last turn began.
fn before_last_turn(run: &Seen) -> u64 {
    let (mut used, mut before) = (0, 0);
    for event in &run.events {
        match event {
            AgentEvent::Usage(usage) => used += usage.total_tokens,
            AgentEvent::TurnStarted { .. } => before = used,
            _ => {}
        }
    }
    before
}

/// No call runs twice, before it is written, or at all if it must not.
fn executions(case: &Case, script: &[Vec<Wire>], notes: &[Note]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ran: HashMap<u32, usize> = HashMap::new();
    let begun = notes.iter().filter_map(|note| {
        if let Note::Begun(at) = note {
            Some(*at)
        } else {
            None
        }
    });
    let nothings = begun
        .flat_map(|at| &script[at])
        .filter(|call| call.nothing)
        .count();
    if notes.iter().filter(|note| **note == Note::Ran(0)).count() > nothings {
        faults.push(format!("`nothing` ran more than {nothings} times"));
    }
    for (at, note) in notes.iter().enumerate() {
        let Note::Ran(n @ 1..) = *note else { continue };
        let (turn, position) = (n as usize / 1000 - 1, n as usize % 1000 / 10 - 1);
        let Some(call) = script.get(turn).and_then(|calls| calls.get(position)) else {
            faults.push("a tool ran with half of its text".to_owned());
            continue;
        };
        *ran.entry(n).or_default() += 1;
        if ran[&n] > 1 {
            faults.push(format!("{n} ran twice"));
        }
        let fate = call
            .numbers
            .iter()
            .find(|number| number.n == n)
            .map(|number| number.fate);
        // What the model wrote on with may be a call of its own.
        let wrote_on = fate.is_none()
            && call
                .numbers
                .first()
                .is_some_and(|number| number.n + 5 == n && number.fate == Fate::MayRun);
        // A name that comes late is reported from that of a second call by nothing on the wire.
        let named_late = call.name.is_empty() && !is_plain(case, turn);
        if !matches!(fate, Some(Fate::Runs | Fate::MayRun)) && !wrote_on && !named_late {
            faults.push(format!("{n} ran, and never should"));
        }
        if case.form == Form::Http {
            continue;
        }
        let before = &notes[..at];
        let finished = before.contains(&Note::Finished(turn));
        if !finished {
            let complete = before
                .iter()
                .any(|note| matches!(note, Note::Complete(numbers) if numbers.contains(&n)));
            let written = before.contains(&Note::Written(turn, position));
            if !case.early
                || !complete
                || !written
                || script[turn][..=position].iter().any(|call| !call.early)
            {
                faults.push(format!("{n} ran before the message was over"));
            }
        }
        if finished
            && case.turns[turn].refusal
            && case.turns[turn].end == End::Finish
            && !case.early
        {
            faults.push(format!("{n} ran although the model refused"));
        }
    }
    faults
}

/// Each result is of the call that it is behind, and no call is there twice.
fn pairs(messages: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (at, message) in messages.iter().enumerate() {
        let Some(calls) = message["tool_calls"].as_array() else {
            continue;
        };
        let mut last = 0;
        for (position, call) in calls.iter().enumerate() {
            let asked = asked(call);
            let content = messages[at + 1 + position]["content"]
                .as_str()
                .unwrap_or_default();
            let answered = numbers(content);
            if answered
                .iter()
                .any(|n| !asked.is_empty() && !asked.contains(n))
                || answered.len() > 1
            {
                faults.push(format!("{call} is answered {content}"));
            }
            for n in asked {
                if !seen.insert(n) {
                    faults.push(format!("{n} is in the history twice"));
                }
                if n <= last || last > 0 && n / 1000 != last / 1000 {
                    faults.push(format!("{n} is behind {last}"));
                }
                last = n;
            }
        }
    }
    faults
}

fn asked(call: &Value) -> Vec<u32> {
    let mut asked = numbers(
        call["function"]["arguments"]
            .as_str()
            .or(call["custom"]["input"].as_str())
            .unwrap_or_default(),
    );
    asked.dedup();
    asked.truncate(1);
    asked
}

/// Ids that the model did not write are of one call only.
fn made_up(script: &[Vec<Wire>], messages: &[Value]) -> Vec<String> {
    let given: HashSet<_> = script
        .iter()
        .flatten()
        .filter_map(|call| call.id.as_deref())
        .collect();
    let ids = messages
        .iter()
        .filter_map(|message| message["tool_calls"].as_array())
        .flatten()
        .filter_map(|call| call["id"].as_str());
    let mut seen = HashSet::new();
    let twice: Vec<_> = ids
        .filter(|id| !given.contains(id))
        .filter(|id| !seen.insert(*id))
        .collect();
    twice
        .into_iter()
        .map(|id| format!("`{id}` was made up twice"))
        .collect()
}

/// What a run that was not dropped ran is in the history, and what could run in it did.
fn kept(case: &Case, script: &[Vec<Wire>], played: &Played) -> Vec<String> {
    let mut faults = Vec::new();
    let history = &played.runs.last().unwrap().after;
    let answers = answers(history);
    let ran: HashSet<u32> = played
        .notes
        .iter()
        .filter_map(|note| {
            if let Note::Ran(n) = note {
                Some(*n)
            } else {
                None
            }
        })
        .collect();
    let runs = played
        .notes
        .split(|note| matches!(note, Note::Run(_)))
        .skip(1);
    for (run, notes) in played.runs.iter().zip(runs) {
        let Outcome::Ended(outcome) = &run.outcome else {
            continue;
        };
        for n in notes.iter().filter_map(|note| {
            if let Note::Ran(n @ 1..) = note {
                Some(*n)
            } else {
                None
            }
        }) {
            let call = script
                .get(n as usize / 1000 - 1)
                .and_then(|calls| calls.get(n as usize % 1000 / 10 - 1));
            if !answers.contains_key(&n) && call.is_none_or(|call| call.more.is_none()) {
                faults.push(format!("{n} ran, and is not in the history"));
            }
        }
        for turn in notes.iter().filter_map(|note| {
            if let Note::Finished(at) = note {
                Some(*at)
            } else {
                None
            }
        }) {
            if case.turns[turn].refusal
                || case.turns[turn].end == End::NoChoice
                || !is_plain(case, turn)
            {
                continue;
            }
            let halts = script[turn]
                .iter()
                .flat_map(|call| &call.numbers)
                .any(|number| ["halt", "give_up"].contains(&number.tool));
            let may_not =
                case.most.is_some() || matches!(outcome, Err(AgentError::Cancelled)) || halts;
            for number in script[turn]
                .iter()
                .flat_map(|call| &call.numbers)
                .filter(|number| number.fate == Fate::Runs)
            {
                let Some(answer) = answers.get(&number.n) else {
                    faults.push(format!("{} is not in the history", number.n));
                    continue;
                };
                if may_not {
                    continue;
                }
                if !ran.contains(&number.n) {
                    faults.push(format!("{} did not run: {answer}", number.n));
                }
                let says = ["look", "enter", "alone", "memo", "fail"].contains(&number.tool);
                if says && !answer.contains(&format!("#{}.", number.n)) {
                    faults.push(format!("{} is answered {answer}", number.n));
                }
            }
        }
    }
    faults
}

/// Whether nothing about a message can be read in two ways.
fn is_plain(case: &Case, turn: usize) -> bool {
    let turn = &case.turns[turn];
    let repeats = turn
        .calls
        .iter()
        .filter(|call| matches!(call.id, Id::Same | Id::Stolen(..)))
        .count()
        > 1;
    matches!(case.form, Form::Events | Form::Silent)
        || turn.style == Style::Canonical && turn.end == End::Finish && !repeats
}

/// What each call is answered, by its number.
fn answers(messages: &[Value]) -> BTreeMap<u32, &str> {
    let calls = messages
        .iter()
        .enumerate()
        .filter_map(|(at, message)| Some((at, message["tool_calls"].as_array()?)));
    let answer = |at: usize| messages[at]["content"].as_str().unwrap_or_default();
    let answered = calls.flat_map(|(at, calls)| {
        calls.iter().enumerate().flat_map(move |(position, call)| {
            asked(call).into_iter().map(move |n| (n, at + 1 + position))
        })
    });
    answered.map(|(n, at)| (n, answer(at))).collect()
}

/// Whether the model had nothing to add to results: then there is no message of it.
fn ends_silently(reply: &Reply, last: &Value) -> bool {
    reply.text.is_empty() && matches!(last["role"].as_str(), Some("tool" | "function"))
}
