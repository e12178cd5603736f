//! The Responses API: the same calls as other programs read, however the stream is cut.

use proptest::prelude::*;
use serde_json::{Value, json};
use tool_openai::responses::{Request, Response, ResponsesAssembler};
use tool_openai::{Assembler, ModelEvent, chat};

use super::{Call, Exchange, exchanges};

const FILE: &str = "responses.jsonl";

#[test]
fn recorded_bodies_match_other_parsers() {
    let mut bodies = 0;
    for exchange in exchanges(FILE) {
        let Some(body) = &exchange.body else { continue };
        bodies += 1;
        let response: Response = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(&response.output).unwrap(),
            body["output"],
            "{}",
            name(&exchange)
        );
        check(&exchange, &response, &body["output"]);
    }
    println!("{bodies} bodies");
}

#[test]
fn recorded_streams_cut_into_bytes_match_other_parsers() {
    let mut streams = 0;
    for exchange in exchanges(FILE) {
        let Some(sse) = &exchange.sse else { continue };
        streams += 1;
        let (whole, events) = assemble([sse.as_bytes()]);
        let (bytes, reported) = assemble(sse.as_bytes().chunks(1));
        assert_eq!(
            (&whole, &events),
            (&bytes, &reported),
            "{}",
            name(&exchange)
        );
        check(&exchange, &whole, &Value::Array(items(sse)));
        check_events(&exchange, &whole, &events);
    }
    println!("{streams} streams");
}

#[test]
fn recorded_streams_cut_at_random_are_the_same() {
    for exchange in exchanges(FILE) {
        let Some(sse) = &exchange.sse else { continue };
        let whole = assemble([sse.as_bytes()]);
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 16,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let cuts = proptest::collection::vec(0..sse.len(), 0..64);
        let result = runner.run(&cuts, |mut cuts| {
            cuts.extend([0, sse.len()]);
            cuts.sort_unstable();
            prop_assert_eq!(
                &assemble(cuts.windows(2).map(|cut| &sse.as_bytes()[cut[0]..cut[1]])),
                &whole
            );
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{}: {error}", name(&exchange)));
    }
}

#[test]
fn recorded_items_go_back_untouched() {
    for exchange in exchanges(FILE) {
        let Some(body) = &exchange.body else { continue };
        let response: Response = serde_json::from_value(body.clone()).unwrap();
        let message = response.into_completion().choices.remove(0).message;
        // As a program would keep it.
        let message: chat::AssistantMessage =
            serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
        let chat = chat::Request {
            messages: vec![message.into_message()],
            extra: [("store".to_owned(), json!(true))].into_iter().collect(),
            ..chat::Request::default()
        };
        let input = serde_json::to_value(Request::from(&chat).input).unwrap();
        assert_eq!(input, body["output"], "{}", name(&exchange));
    }
}

fn name(exchange: &Exchange) -> String {
    format!("{}: {}", exchange.source, exchange.file)
}

fn assemble<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Response, Vec<ModelEvent>) {
    let mut assembler = ResponsesAssembler::new();
    let mut events = Vec::new();
    for piece in pieces {
        for event in assembler.push_bytes(piece).unwrap() {
            match (&event, events.last_mut()) {
                // Where a delta ends does not matter.
                (
                    ModelEvent::ToolCallDelta { position: p, delta },
                    Some(ModelEvent::ToolCallDelta {
                        position,
                        delta: before,
                    }),
                ) if p == position => {
                    before.push_str(delta);
                }
                _ => events.push(event),
            }
        }
    }
    (assembler.finish().unwrap(), events)
}

/// The items of a stream, read the plain way.
fn items(sse: &str) -> Vec<Value> {
    let events = sse
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str::<Value>(data).ok());
    events
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| event["item"].clone())
        .collect()
}

fn check(exchange: &Exchange, response: &Response, items: &Value) {
    let read: Vec<Call> = response
        .tool_calls()
        .into_iter()
        .map(|call| self::call(&call))
        .collect();
    let expected = exchange.expected.clone().unwrap_or_else(|| {
        let items = items
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["type"] == "function_call");
        items
            .map(|item| Call {
                id: text(&item["call_id"]),
                name: text(&item["name"]),
                arguments: item["arguments"].clone(),
            })
            .collect()
    });
    let expected: Vec<Call> = expected
        .into_iter()
        .map(|call| Call {
            arguments: parsed(call.arguments),
            ..call
        })
        .collect();
    assert_eq!(read, expected, "{}", name(exchange));
    assert!(!read.is_empty(), "{}", name(exchange));
    let cut = exchange.finish.iter().any(|finish| finish == "incomplete");
    let completion = response.clone().into_completion();
    assert_eq!(completion.choices[0].is_cut(), cut, "{}", name(exchange));
}

fn check_events(exchange: &Exchange, response: &Response, events: &[ModelEvent]) {
    let all = response.tool_calls();
    let complete = response
        .output
        .iter()
        .filter(|item| item.tool_call().is_some() && item.is_complete())
        .count();
    let reported: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ToolCallComplete { position, call } => Some((*position, call)),
            _ => None,
        })
        .collect();
    assert_eq!(reported.len(), complete, "{}", name(exchange));
    for (position, call) in reported {
        assert_eq!(call, &all[position], "{}", name(exchange));
        let arguments: String = events
            .iter()
            .filter_map(|event| match event {
                ModelEvent::ToolCallDelta { position: p, delta } if *p == position => {
                    Some(delta.as_str())
                }
                _ => None,
            })
            .collect();
        assert_eq!(arguments, call.function.arguments, "{}", name(exchange));
    }
    let text: String = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, response.text(), "{}", name(exchange));
}

fn call(call: &chat::ToolCall) -> Call {
    Call {
        id: call.id.clone(),
        name: call.function.name.clone(),
        arguments: parsed(call.function.arguments.clone().into()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// As a value, where it is JSON: recorders write it anew.
fn parsed(arguments: Value) -> Value {
    arguments
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(arguments)
}
