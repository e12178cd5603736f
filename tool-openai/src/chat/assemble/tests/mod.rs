//! Hand-written streams, one for each variant of a service.

mod hostile;
mod quirks;
mod rewrites;
mod shape;
mod whole;

use tool_core::serde_json::{Value, json};

use super::ChatAssembler;
use crate::assembler::Assembler;
use crate::chat::{Choice, Completion};
use crate::error::ModelError;
use crate::model::ModelEvent;

/// A chunk with this delta.
fn delta(delta: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

/// A chunk with these pieces of calls.
fn pieces(pieces: Value) -> Value {
    delta(json!({"tool_calls": pieces}))
}

/// A chunk that finishes.
fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// What happens to chunks, with `[DONE]` after them.
fn run(chunks: impl IntoIterator<Item = Value>) -> (Vec<ModelEvent>, Completion) {
    let mut assembler = ChatAssembler::for_tools(["add", "get", "get_weather"]);
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(assembler.push_text(&chunk.to_string()).unwrap());
    }
    events.extend(assembler.push_text("[DONE]").unwrap());
    (events, assembler.finish().unwrap())
}

/// Id, name and arguments of each call.
fn calls(completion: &Completion) -> Vec<(&str, &str, &str)> {
    let of = |choice: &'_ Choice| choice.message.tool_calls.len();
    assert!(
        completion
            .choices
            .iter()
            .skip(1)
            .all(|choice| of(choice) == 0)
    );
    let calls = completion.choices[0].message.tool_calls.iter();
    calls
        .map(|call| {
            (
                call.id.as_str(),
                call.function.name.as_str(),
                call.function.arguments.as_str(),
            )
        })
        .collect()
}

/// Chunks, and the calls they mean.
#[track_caller]
fn mean(chunks: impl IntoIterator<Item = Value>, expected: &[(&str, &str, &str)]) {
    let (events, completion) = run(chunks);
    assert_eq!(calls(&completion), expected);
    check_events(&events, &completion);
}

/// What events promise: each call begins once, in order; and each was complete in the end, as it is
/// in the message.
#[track_caller]
fn check_events(events: &[ModelEvent], completion: &Completion) {
    let calls = &completion.choices[0].message.tool_calls;
    let (mut begun, mut complete) = (0, vec![None; calls.len()]);
    let mut text = String::new();
    for event in events {
        match event {
            ModelEvent::ToolCallStarted { position, .. } => {
                assert_eq!(*position, begun);
                begun += 1;
            }
            ModelEvent::ToolCallDelta { position, .. } => {
                assert!(*position < begun && complete[*position].is_none());
            }
            ModelEvent::ToolCallComplete { position, call } => {
                assert_eq!(complete[*position].replace(call), None);
            }
            ModelEvent::ToolCallReopened { position } => {
                assert!(complete[*position].take().is_some());
            }
            ModelEvent::Text(more) => text.push_str(more),
            _ => {}
        }
    }
    assert_eq!(begun, calls.len());
    assert_eq!(
        complete.into_iter().flatten().collect::<Vec<_>>(),
        calls.iter().collect::<Vec<_>>()
    );
    assert_eq!(text, completion.choices[0].message.text());
}

fn failure(chunks: impl IntoIterator<Item = Value>) -> ModelError {
    let mut assembler = ChatAssembler::new();
    for chunk in chunks {
        if let Err(error) = assembler.push(chunk) {
            return error;
        }
    }
    assembler.finish().unwrap_err()
}

/// Positions of the calls that were reported as complete.
fn complete(events: &[ModelEvent]) -> Vec<usize> {
    let position = |event: &_| {
        if let ModelEvent::ToolCallComplete { position, .. } = event {
            Some(*position)
        } else {
            None
        }
    };
    events.iter().filter_map(position).collect()
}
