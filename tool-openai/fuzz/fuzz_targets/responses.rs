//! Any stream of the Responses API: no panic, no call lost or doubled between the
//! events and the response, and the same response however the bytes are cut.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tool_core::serde_json::{Value, json};
use tool_openai::chat::ToolCall;
use tool_openai::responses::{Response, ResponsesAssembler};
use tool_openai::{Assembler, ModelError, ModelEvent};
use tool_openai_fuzz::cut;

#[derive(Debug, Arbitrary)]
struct Input {
    events: Vec<Event>,
    raw: Vec<u8>,
    cuts: Vec<u8>,
    last: Option<Vec<Item>>,
}

#[derive(Debug, Arbitrary)]
enum Event {
    Added(Option<u8>, Item),
    Done(Option<u8>, Item),
    Text(Option<u8>, Option<u8>),
    Arguments(Option<u8>, u8),
    ArgumentsDone(Option<u8>, u8),
    Refusal(Option<u8>),
    Other(u8),
}

#[derive(Debug, Arbitrary)]
struct Item {
    kind: u8,
    id: u8,
    text: u8,
    status: u8,
}

const TEXTS: [&str; 6] = ["", "{", "}", "{}", "{\"a\":1}", "{\"a\""];

impl Item {
    fn value(&self) -> Value {
        let text = TEXTS[usize::from(self.text) % TEXTS.len()];
        let status = [
            json!("completed"),
            json!("in_progress"),
            json!("incomplete"),
            Value::Null,
        ];
        let status = &status[usize::from(self.status) % 4];
        let id = ["", "a", "b", "c"][usize::from(self.id) % 4];
        match self.kind % 6 {
            0 => {
                json!({"type": "message", "id": id, "status": status, "content": [{"type": "output_text", "text": text}]})
            }
            1 => json!({"type": "reasoning", "id": id, "encrypted_content": text}),
            2 => {
                json!({"type": "custom_tool_call", "call_id": id, "name": "run", "input": text, "status": status})
            }
            3 => json!([id]),
            kind => {
                let name = if kind == 4 { "now" } else { "add" };
                json!({"type": "function_call", "id": text, "call_id": id, "name": name, "arguments": text, "status": status})
            }
        }
    }
}

impl Event {
    fn value(&self) -> Value {
        let place = |index: &Option<u8>| index.map(|index| index % 4);
        let text = |text: &u8| TEXTS[usize::from(*text) % TEXTS.len()];
        match self {
            Self::Added(index, item) => {
                json!({"type": "response.output_item.added", "output_index": place(index), "item": item.value()})
            }
            Self::Done(index, item) => {
                json!({"type": "response.output_item.done", "output_index": place(index), "item": item.value()})
            }
            Self::Text(index, delta) => {
                json!({"type": "response.output_text.delta", "output_index": place(index), "delta": delta.map(|delta| TEXTS[usize::from(delta) % 6])})
            }
            Self::Arguments(index, delta) => {
                json!({"type": "response.function_call_arguments.delta", "output_index": place(index), "delta": text(delta)})
            }
            Self::ArgumentsDone(index, whole) => {
                json!({"type": "response.function_call_arguments.done", "output_index": place(index), "arguments": text(whole)})
            }
            Self::Refusal(index) => {
                json!({"type": "response.refusal.delta", "output_index": place(index), "delta": "no"})
            }
            Self::Other(number) => json!({"type": format!("response.other_{number}")}),
        }
    }
}

fuzz_target!(|input: Input| {
    let events = input.events.iter().map(Event::value);
    let last = input.last.as_ref().map(|items| {
        let items: Vec<Value> = items.iter().map(Item::value).collect();
        json!({"type": "response.completed", "response": {"status": "completed", "output": items}})
    });
    let events = events.chain(last).map(|event| format!("data: {event}\n\n"));
    let mut bytes = events.collect::<String>().into_bytes();
    bytes.extend(&input.raw);
    match (assemble(&[&bytes]), assemble(&cut(&bytes, &input.cuts))) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        (Err(_), Err(_)) => {}
        (whole, cut) => panic!("cutting made a difference: {whole:?} {cut:?}"),
    }
});

fn assemble(parts: &[&[u8]]) -> Result<Response, ModelError> {
    let mut assembler = ResponsesAssembler::new();
    let mut calls: Vec<Option<ToolCall>> = Vec::new();
    let mut receive = |events: Vec<ModelEvent>| {
        for event in events {
            match event {
                ModelEvent::ToolCallStarted { position, .. } => {
                    assert_eq!(position, calls.len());
                    calls.push(None);
                }
                ModelEvent::ToolCallComplete { position, call } => {
                    assert!(calls[position].replace(call).is_none(), "complete twice");
                }
                _ => {}
            }
        }
    };
    for part in parts {
        receive(assembler.push_bytes(part)?);
    }
    receive(assembler.close()?);
    let response = assembler.finish()?;
    let made = response.tool_calls();
    assert_eq!(made.len(), calls.len(), "a call was lost");
    for (made, complete) in made.iter().zip(calls) {
        let Some(complete) = complete else { continue };
        assert_eq!(
            (made.id.as_str(), &made.function, &made.custom),
            (complete.id.as_str(), &complete.function, &complete.custom)
        );
    }
    Ok(response)
}
