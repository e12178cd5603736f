mod limits;
mod property;
mod quirks;

use proptest::prelude::*;
use tool_core::serde_json::{Value, json};

use super::{MAX_ITEMS, ResponsesAssembler};
use crate::assembler::Assembler;
use crate::chat::MAX_MESSAGE_BYTES;
use crate::error::ModelError;
use crate::model::ModelEvent;
use crate::responses::Response;

fn added(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn delta(index: u64, delta: &str) -> Value {
    json!({"type": "response.function_call_arguments.delta", "output_index": index, "item_id": "fc", "delta": delta})
}

fn text(index: u64, delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": delta})
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": output}})
}

fn call(id: &str, arguments: &str, status: &str) -> Value {
    json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "add", "arguments": arguments, "status": status})
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text}]})
}

/// A response with everything in it, in the order in which the service sends it.
fn stream() -> Vec<Value> {
    let reasoning =
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"});
    let items = [
        reasoning,
        message("Let me see."),
        call("a", "{\"x\":1}", "completed"),
        call("b", "{}", "completed"),
    ];
    vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}),
        added(0, items[0].clone()),
        done(0, items[0].clone()),
        added(
            1,
            json!({"type": "message", "id": "msg", "role": "assistant", "status": "in_progress", "content": []}),
        ),
        text(1, "Let me "),
        text(1, "see."),
        done(1, items[1].clone()),
        added(2, call("a", "", "in_progress")),
        delta(2, "{\"x\""),
        delta(2, ":1}"),
        json!({"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{\"x\":1}"}),
        done(2, items[2].clone()),
        added(3, call("b", "", "in_progress")),
        delta(3, "{}"),
        done(3, items[3].clone()),
        completed(items.into_iter().collect()),
    ]
}

fn reported(
    events: impl IntoIterator<Item = Value>,
) -> Result<(Vec<ModelEvent>, ResponsesAssembler), ModelError> {
    let mut assembler = ResponsesAssembler::new();
    let mut reported = Vec::new();
    for event in events {
        reported.extend(assembler.push(event)?);
    }
    Ok((reported, assembler))
}

fn read(
    events: impl IntoIterator<Item = Value>,
) -> Result<(Vec<ModelEvent>, Response), ModelError> {
    let (reported, assembler) = reported(events)?;
    Ok((reported, assembler.finish()?))
}

fn complete(events: &[ModelEvent]) -> Vec<(usize, &str, &str)> {
    let call = |event| match event {
        &ModelEvent::ToolCallComplete { position, ref call } => {
            Some((position, call.id.as_str(), call.function.arguments.as_str()))
        }
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

#[test]
fn a_stream_is_reported_as_it_arrives() {
    let (events, response) = read(stream()).unwrap();
    // Of its reasoning, and of what comes behind it.
    let (kept, events): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| matches!(event, ModelEvent::MessageKeys(_)));
    assert_eq!(kept.len(), 4);
    assert!(matches!(
        &events[..],
        [
            ModelEvent::Text(_),
            ModelEvent::Text(_),
            ModelEvent::ToolCallStarted { position: 0, .. },
            ModelEvent::ToolCallDelta { .. },
            ModelEvent::ToolCallDelta { .. },
            ModelEvent::ToolCallComplete { position: 0, .. },
            ModelEvent::ToolCallStarted { position: 1, .. },
            ModelEvent::ToolCallDelta { .. },
            ModelEvent::ToolCallComplete { position: 1, .. },
        ]
    ));
    assert_eq!(complete(&events), [(0, "a", "{\"x\":1}"), (1, "b", "{}")]);
    assert_eq!(
        (
            response.id.as_str(),
            response.output.len(),
            response.text().as_str()
        ),
        ("resp_1", 4, "Let me see.")
    );
    let calls = response.tool_calls();
    assert!(events.iter().all(|event| !matches!(event, ModelEvent::ToolCallComplete { position, call } if calls[*position] != *call)));
}

#[test]
fn items_replace_a_last_event_without_output() {
    let mut events = stream();
    let whole = read(events.clone()).unwrap();
    events.pop();
    events.push(json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}}));
    assert_eq!(read(events.clone()).unwrap(), whole);
    events.pop();
    events.push(json!({"type": "response.completed", "response": {"id": "resp_1"}}));
    assert_eq!(read(events).unwrap(), whole);
}

#[test]
fn a_call_is_complete_when_its_item_is() {
    let arguments_done = json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{\"x\":48151"});
    let cut = call("a", "{\"x\":48151", "incomplete");
    let events = [
        added(0, call("a", "", "in_progress")),
        delta(0, "{\"x\":48151"),
        arguments_done,
        done(0, cut.clone()),
    ];
    let last = json!({"type": "response.incomplete", "response": {
        "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [cut]}});
    let (events, response) = read(events.into_iter().chain([last])).unwrap();
    assert_eq!(complete(&events), []);
    assert!(response.into_completion().choices[0].is_cut());
}

#[test]
fn a_call_without_status_is_complete_when_it_is_done() {
    let item = json!({"type": "function_call", "call_id": "a", "name": "add", "arguments": "{}"});
    let (events, _) = read([
        added(0, item.clone()),
        done(0, item.clone()),
        completed(json!([item])),
    ])
    .unwrap();
    assert_eq!(complete(&events), [(0, "a", "{}")]);
}

#[test]
fn what_no_delta_reported_is_reported_when_the_item_is_done() {
    for before in [
        vec![],
        vec![added(0, call("a", "", "in_progress"))],
        vec![added(0, call("a", "", "in_progress")), delta(0, "{\"x")],
    ] {
        let events = before.into_iter().chain([
            done(0, call("a", "{\"x\":1}", "completed")),
            completed(json!([])),
        ]);
        let (events, _) = read(events).unwrap();
        let deltas = events.iter().filter_map(|event| match event {
            ModelEvent::ToolCallDelta { position: 0, delta } => Some(delta.as_str()),
            _ => None,
        });
        assert_eq!(deltas.collect::<String>(), "{\"x\":1}");
        assert!(matches!(
            events[0],
            ModelEvent::ToolCallStarted { position: 0, .. }
        ));
    }
    let (events, _) = read([done(0, message("Hi.")), completed(json!([]))]).unwrap();
    assert_eq!(events, [ModelEvent::Text("Hi.".into())]);
}

#[test]
fn items_are_known_by_output_index_whatever_their_id() {
    let rotated = |id: &str, mut item: Value| {
        item["id"] = id.into();
        item
    };
    let events = [
        added(0, rotated("one", call("a", "", "in_progress"))),
        added(1, rotated("two", call("b", "", "in_progress"))),
        delta(1, "{}"),
        delta(0, "{\"x\":1}"),
        done(1, rotated("three", call("b", "{}", "completed"))),
        done(0, rotated("four", call("a", "{\"x\":1}", "completed"))),
        completed(json!([
            rotated("five", call("a", "{\"x\":1}", "completed")),
            rotated("six", call("b", "{}", "completed"))
        ])),
    ];
    let (events, response) = read(events).unwrap();
    assert_eq!(complete(&events), [(1, "b", "{}"), (0, "a", "{\"x\":1}")]);
    assert_eq!(response.output.len(), 2);
}

#[test]
fn calls_without_an_index_are_known_by_their_ids() {
    let mut events = vec![
        added(0, call("a", "", "in_progress")),
        added(0, call("b", "", "in_progress")),
        done(0, call("a", "{\"x\":1}", "completed")),
        done(0, call("b", "{}", "completed")),
        completed(json!([])),
    ];
    for event in &mut events {
        event.as_object_mut().unwrap().remove("output_index");
    }
    let (_, response) = read(events).unwrap();
    let ids: Vec<_> = response
        .tool_calls()
        .into_iter()
        .map(|call| (call.id, call.function.arguments))
        .collect();
    assert_eq!(
        ids,
        [
            ("a".to_owned(), "{\"x\":1}".to_owned()),
            ("b".to_owned(), "{}".to_owned())
        ]
    );
}

#[test]
fn an_output_index_may_be_used_again_or_be_missing() {
    let without_index = |mut event: Value| {
        event.as_object_mut().unwrap().remove("output_index");
        event
    };
    let events: Vec<_> = ["a", "b", "c"]
        .iter()
        .flat_map(|id| {
            [
                added(0, call(id, "", "in_progress")),
                delta(0, "{}"),
                done(0, call(id, "{}", "completed")),
            ]
        })
        .collect();
    for events in [
        events.clone(),
        events.into_iter().map(without_index).collect(),
    ] {
        let (events, response) = read(events.into_iter().chain([completed(json!([]))])).unwrap();
        assert_eq!(
            complete(&events),
            [(0, "a", "{}"), (1, "b", "{}"), (2, "c", "{}")]
        );
        assert_eq!(response.output.len(), 3);
    }
}

#[test]
fn repeated_events_count_once() {
    let events = stream();
    let doubled = events
        .iter()
        .flat_map(|event| match event["type"].as_str() {
            Some(
                "response.output_item.added" | "response.output_item.done" | "response.completed",
            ) => vec![event.clone(); 2],
            _ => vec![event.clone()],
        });
    assert_eq!(read(doubled).unwrap(), read(events.clone()).unwrap());
}

#[test]
fn calls_only_in_the_last_event_are_reported() {
    let output = json!([
        message("Hm."),
        call("a", "{}", "completed"),
        call("b", "{}", "completed")
    ]);
    let (events, response) = read([
        done(0, message("Hm.")),
        added(1, call("a", "", "in_progress")),
        completed(output),
    ])
    .unwrap();
    assert_eq!(complete(&events), [(0, "a", "{}"), (1, "b", "{}")]);
    assert_eq!(response.tool_calls().len(), 2);
}

#[test]
fn conflicting_repeats_of_a_call_are_an_error() {
    let first = done(0, call("a", "{}", "completed"));
    for second in [
        done(0, call("a", "{\"x\":1}", "completed")),
        completed(json!([call("a", "{\"x\":1}", "completed")])),
    ] {
        assert!(matches!(
            reported([first.clone(), second]).map(drop),
            Err(ModelError::InvalidResponse { .. })
        ));
    }
    let mut other = call("other", "{}", "completed");
    other["name"] = json!("get");
    assert!(reported([first, completed(json!([other]))]).is_err());
}

#[test]
fn custom_calls_are_streamed_too() {
    let item = |input: &str| json!({"type": "custom_tool_call", "call_id": "a", "name": "shell", "input": input});
    let input =
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "ls"});
    let (events, _) = read([
        added(0, item("")),
        input,
        done(0, item("ls")),
        completed(json!([item("ls")])),
    ])
    .unwrap();
    assert!(matches!(&events[0], ModelEvent::ToolCallStarted { name, .. } if name == "shell"));
    assert_eq!(
        events[1],
        ModelEvent::ToolCallDelta {
            position: 0,
            delta: "ls".into()
        }
    );
    assert!(
        matches!(&events[2], ModelEvent::ToolCallComplete { call, .. } if call.custom.as_ref().is_some_and(|custom| custom.input == "ls"))
    );
}

#[test]
fn a_refusal_is_reported() {
    let refused = json!({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]});
    let refusing = json!({"type": "response.refusal.delta", "output_index": 0, "delta": "No"});
    let (events, response) = read([
        added(0, json!({"type": "message"})),
        refusing,
        done(0, refused),
        completed(json!([])),
    ])
    .unwrap();
    assert_eq!(
        events,
        [
            ModelEvent::Refusal("No".into()),
            ModelEvent::Refusal(".".into())
        ]
    );
    assert_eq!(response.refusal().as_deref(), Some("No."));
}

#[test]
fn after_a_refusal_no_call_is_complete() {
    let refused = json!({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]});
    let (events, _) = read([
        done(0, refused),
        done(1, call("a", "{}", "completed")),
        completed(json!([])),
    ])
    .unwrap();
    assert_eq!(complete(&events), []);
}

#[test]
fn an_empty_line_separates_two_messages() {
    let (events, response) = read([
        done(0, message("One.")),
        done(1, message("Two.")),
        completed(json!([])),
    ])
    .unwrap();
    assert_eq!(
        events,
        [
            ModelEvent::Text("One.".into()),
            ModelEvent::Text("\n\nTwo.".into())
        ]
    );
    assert_eq!(response.text(), "One.\n\nTwo.");
}

proptest! {
    #[test]
    fn chunk_boundaries_make_no_difference(cuts in proptest::collection::vec(0usize..4000, 0..40), crlf: bool, named: bool) {
        let end = if crlf { "\r\n" } else { "\n" };
        let line = |event: &Value| {
            let name = if named { format!("event: {}{end}", event["type"].as_str().unwrap()) } else { String::new() };
            format!("{name}data: {event}{end}{end}")
        };
        let body: String = stream().iter().map(line).chain([format!("data: [DONE]{end}{end}")]).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).chain([0, body.len()]).collect();
        cuts.sort_unstable();
        let mut assembler = ResponsesAssembler::new();
        let mut events = Vec::new();
        for cut in cuts.windows(2) {
            events.extend(assembler.push_bytes(&body.as_bytes()[cut[0]..cut[1]]).unwrap());
        }
        prop_assert!(assembler.is_done());
        prop_assert_eq!((events, assembler.finish().unwrap()), read(stream()).unwrap());
    }

    /// For any events in any order, the reported events match the final response.
    #[test]
    fn any_order_of_events_is_accepted(order in proptest::collection::vec(0usize..16, 0..40)) {
        let events = stream();
        let Ok((reported, assembler)) = reported(order.into_iter().map(|at| events[at].clone())) else { return Ok(()) };
        let Ok(response) = assembler.finish() else { return Ok(()) };
        let calls = response.tool_calls();
        for event in &reported {
            if let ModelEvent::ToolCallComplete { position, call } = event {
                prop_assert_eq!(Some(call), calls.get(*position));
            }
        }
    }
}
