//! Recorded streams, assembled again.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, from_str, from_value, json};
use tool_openai::chat::{ChatAssembler, Completion, ToolCall};
use tool_openai::{Assembler, ModelEvent};

use crate::{Call, Exchange, exchanges};

/// Streams without a reference result, and how many calls a person sees in them, each with an
/// object.
const WITHOUT_EXPECTATION: [(&str, usize); 1] = [
    // The official SDK fails on it. The call comes whole, in one piece.
    (
        "tests/cassettes/groq/agent_tool_sessions/raw_stream_complex_tool_call_deltas_have_object_arguments.yaml",
        1,
    ),
];

fn json_of(text: &str) -> Value {
    from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Arguments as JSON, or as text where they are none, because they were cut.
fn expected(calls: Vec<Call>) -> Vec<Call> {
    let read = |call: Call| Call {
        arguments: call
            .arguments
            .as_str()
            .map_or_else(|| call.arguments.clone(), json_of),
        ..call
    };
    calls.into_iter().map(read).collect()
}

fn calls(completion: &Completion) -> impl Iterator<Item = &ToolCall> {
    completion
        .choices
        .iter()
        .flat_map(|choice| &choice.message.tool_calls)
}

fn read(completion: &Completion) -> Vec<Call> {
    let read = |call: &ToolCall| Call {
        id: call.id.clone(),
        name: call.function.name.clone(),
        arguments: json_of(&call.function.arguments),
    };
    calls(completion).map(read).collect()
}

fn streams() -> impl Iterator<Item = (Exchange, String)> {
    exchanges("chat.jsonl")
        .into_iter()
        .filter_map(|mut exchange| exchange.sse.take().map(|text| (exchange, text)))
}

fn bodies() -> impl Iterator<Item = (Exchange, Value)> {
    exchanges("chat.jsonl")
        .into_iter()
        .filter_map(|mut exchange| exchange.body.take().map(|body| (exchange, body)))
}

/// What happens to a stream that comes in these parts.
fn assemble<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Completion) {
    let mut assembler = ChatAssembler::new();
    let mut events = Vec::new();
    for part in parts {
        events.extend(assembler.push_bytes(part).unwrap());
    }
    events.extend(assembler.close().unwrap());
    (events, assembler.finish().unwrap())
}

#[test]
fn calls_match_those_of_other_parsers() {
    let (mut streams_read, mut calls_read) = (0, 0);
    for (mut exchange, text) in streams() {
        let (_, completion) = assemble([text.as_bytes()]);
        let found = read(&completion);
        let by_eye = WITHOUT_EXPECTATION
            .iter()
            .find(|(file, _)| *file == exchange.file && exchange.expected.is_none());
        match (exchange.expected.take(), by_eye) {
            (Some(calls), _) => assert_eq!(found, expected(calls), "{}", exchange.file),
            (None, Some(&(_, calls))) => {
                assert_eq!(found.len(), calls, "{}", exchange.file);
                assert!(
                    found.iter().all(|call| call.arguments.is_object()),
                    "{}: {found:?}",
                    exchange.file
                );
            }
            (None, None) => panic!("{} has no expectation and is not listed", exchange.file),
        }
        streams_read += 1;
        calls_read += found.len();
    }
    println!("{streams_read} streams, {calls_read} calls");
}

/// Every byte by itself, and a hundred random cuts of each stream: events too are the same. Each
/// two-part cut of all streams would take a quarter of an hour, and no state of the reader is left
/// out: byte by byte it stops in each of them.
#[test]
fn events_are_the_same_however_a_stream_is_cut() {
    let mut random = SmallRng::seed_from_u64(7);
    for (exchange, text) in streams() {
        let bytes = text.as_bytes();
        let whole = assemble([bytes]);
        assert_eq!(assemble(bytes.chunks(1)), whole, "{}", exchange.file);
        for _ in 0..50 {
            let (before, after) = bytes.split_at(random.random_range(0..=bytes.len()));
            assert_eq!(
                assemble([before, after]),
                whole,
                "{} cut at {}",
                exchange.file,
                before.len()
            );
        }
        for _ in 0..50 {
            let most = 1 << random.random_range(1..12);
            let (mut parts, mut rest) = (Vec::new(), bytes);
            while !rest.is_empty() {
                let (part, after) = rest.split_at(random.random_range(1..=most).min(rest.len()));
                parts.push(part);
                rest = after;
            }
            assert_eq!(assemble(parts), whole, "{}", exchange.file);
        }
    }
}

#[test]
fn lines_may_end_in_any_way() {
    for (exchange, text) in streams() {
        let whole = assemble([text.as_bytes()]);
        for ending in ["\r\n", "\r"] {
            let text = format!(
                "\u{feff}: a comment{ending}{ending}{}",
                text.replace('\n', ending)
            );
            assert_eq!(assemble([text.as_bytes()]), whole, "{}", exchange.file);
        }
    }
}

/// When a call was reported as complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    /// When another call began.
    AtTheNext,
    AtTheEnd,
    Never,
}

#[test]
fn a_call_that_is_complete_stays_as_it_is() {
    let mut counts = BTreeMap::<(String, When), usize>::new();
    for (exchange, text) in streams() {
        let (events, completion) = assemble([text.as_bytes()]);
        let calls: Vec<_> = calls(&completion).collect();
        let mut when = vec![When::Never; calls.len()];
        for (at, event) in events.iter().enumerate() {
            match event {
                ModelEvent::ToolCallComplete { position, call } => {
                    assert_eq!(call, calls[*position], "{}", exchange.file);
                    let arguments = &call.function.arguments;
                    assert!(
                        arguments.is_empty() || from_str::<Value>(arguments).is_ok(),
                        "{}: {arguments}",
                        exchange.file
                    );
                    let later = |event: &ModelEvent| {
                        matches!(
                            event,
                            ModelEvent::ToolCallStarted { .. } | ModelEvent::ToolCallDelta { .. }
                        )
                    };
                    when[*position] = if events[at..].iter().any(later) {
                        When::AtTheNext
                    } else {
                        When::AtTheEnd
                    };
                }
                ModelEvent::ToolCallReopened { .. } => panic!("{} reopens a call", exchange.file),
                _ => {}
            }
        }
        let cut = exchange.finish.iter().any(|reason| reason == "length");
        for (call, when) in calls.into_iter().zip(when) {
            let parses = from_str::<Value>(&call.function.arguments).is_ok();
            assert_eq!(
                when == When::Never,
                !parses && (cut || !call.function.arguments.is_empty()),
                "{}: {call:?}",
                exchange.file
            );
            *counts.entry((exchange.provider.clone(), when)).or_default() += 1;
        }
    }
    for ((provider, when), calls) in counts {
        println!("{provider:20} {when:?}: {calls}");
    }
}

/// A whole answer as a stream of one chunk, and as one of small pieces.
#[test]
fn a_body_says_the_same_as_a_stream() {
    let mut count = 0;
    for (exchange, body) in bodies() {
        let Ok(whole) = from_value::<Completion>(body.clone()) else {
            continue;
        };
        count += 1;
        for pieces in [vec![as_delta(&body)], in_pieces(&body)] {
            let text: String = pieces
                .iter()
                .map(|chunk| format!("data: {chunk}\n\n"))
                .collect::<String>()
                + "data: [DONE]\n\n";
            let (_, completion) = assemble([text.as_bytes()]);
            let reported = |completion: &Completion| {
                let choice = &completion.choices[0];
                let finish = choice
                    .finish_reason
                    .clone()
                    .filter(|reason| !reason.is_empty()); // Snowflake's says nothing
                let calls: Vec<_> = calls(completion)
                    .map(|call| (call.id.clone(), call.function.clone(), call.r#type.clone()))
                    .collect();
                (
                    calls,
                    choice.message.text(),
                    choice.message.refusal.clone(),
                    finish,
                    completion.usage.clone(),
                )
            };
            assert_eq!(reported(&completion), reported(&whole), "{}", exchange.file);
        }
    }
    println!("{count} bodies");
}

fn as_delta(body: &Value) -> Value {
    let mut chunk = body.clone();
    for choice in chunk["choices"].as_array_mut().unwrap() {
        choice["delta"] = choice["message"].take();
    }
    chunk
}

fn in_pieces(body: &Value) -> Vec<Value> {
    let mut last = body.clone();
    let mut chunks = Vec::new();
    for choice in last["choices"].as_array_mut().unwrap() {
        let mut message = choice["message"].take();
        let calls = message["tool_calls"].take();
        message.as_object_mut().unwrap().remove("tool_calls");
        chunks.push(json!({"choices": [{"index": choice["index"], "delta": message}]}));
        for (index, call) in calls.as_array().into_iter().flatten().enumerate() {
            let mut opening = call.clone();
            opening["index"] = json!(index);
            let text = call["function"]["arguments"].as_str().map(str::to_owned);
            if text.is_some() {
                opening["function"]["arguments"] = json!("");
            }
            let mut deltas = vec![opening];
            let characters: Vec<_> = text.unwrap_or_default().chars().collect();
            deltas.extend(
                characters.chunks(3).map(|part| json!({"index": index, "function": {"arguments": part.iter().collect::<String>()}})),
            );
            chunks
                .extend(deltas.into_iter().map(|piece| json!({"choices": [{"index": choice["index"], "delta": {"tool_calls": [piece]}}]})));
        }
        choice["delta"] = json!({});
    }
    chunks.push(last);
    chunks
}

/// The same conversation, recorded once in each form: the model chose the same calls.
#[test]
fn both_recordings_of_a_conversation_have_the_same_calls() {
    let key = |exchange: &Exchange| {
        exchange
            .file
            .replace("nonstreaming", "")
            .replace("streaming", "")
    };
    let mut whole = BTreeMap::<String, Vec<Vec<(String, Value)>>>::new();
    let reported = |completion: &Completion| -> Vec<_> {
        read(completion)
            .into_iter()
            .map(|call| (call.name, call.arguments))
            .collect()
    };
    for (exchange, body) in bodies().filter(|(exchange, _)| exchange.file.contains("nonstreaming"))
    {
        whole
            .entry(key(&exchange))
            .or_default()
            .push(reported(&from_value(body).unwrap()));
    }
    let mut count = 0;
    for (exchange, text) in streams() {
        if let Some(turns) = whole.get(&key(&exchange)) {
            let (_, completion) = assemble([text.as_bytes()]);
            assert!(
                turns.contains(&reported(&completion)),
                "{}: {:?} is not in {turns:?}",
                exchange.file,
                reported(&completion)
            );
            count += 1;
        }
    }
    println!("{count} turns");
}
