//! Any stream of a server: no panic, no call lost or doubled between the events and the message,
//! and the same message however the bytes are cut.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tool_core::serde_json::{Map, Value, json};
use tool_openai::chat::{ChatAssembler, Completion, ToolCall};
use tool_openai::{Assembler, ModelError, ModelEvent};
use tool_openai_fuzz::cut;

#[derive(Debug, Arbitrary)]
struct Input {
    deltas: Vec<Delta>,
    raw: Vec<u8>,
    cuts: Vec<u8>,
    done: bool,
}

#[derive(Debug, Arbitrary)]
struct Delta {
    choice: Option<u8>,
    index: Option<i8>,
    id: Option<u8>,
    name: Option<u8>,
    arguments: Option<Piece>,
    content: Option<u8>,
    finish: Option<u8>,
    custom: bool,
}

#[derive(Debug, Arbitrary)]
enum Piece {
    Text(String),
    Open,
    Member(u8),
    Close,
    Whole(u8),
    Null,
}

impl Delta {
    fn event(&self) -> String {
        let arguments = self.arguments.as_ref().map(|piece| match piece {
            Piece::Text(text) => json!(text),
            Piece::Open => json!("{"),
            Piece::Member(number) => json!(format!("\"a{number}\":\"}}\"")),
            Piece::Close => json!("}"),
            Piece::Whole(number) => json!(format!("{{\"a\":{number}}}")),
            Piece::Null => Value::Null,
        });
        let mut call = Map::new();
        let mut put =
            |key: &str, value: Option<Value>| value.map(|value| call.insert(key.to_owned(), value));
        put("index", self.index.map(|index| json!(index)));
        put(
            "id",
            self.id.map(|id| {
                if id % 4 == 0 {
                    json!("")
                } else {
                    json!(format!("call_{}", id % 4))
                }
            }),
        );
        let name = self
            .name
            .map(|name| json!(["", "a", "b", "ab"][usize::from(name % 4)]));
        let (kind, text) = if self.custom {
            ("custom", "input")
        } else {
            ("function", "arguments")
        };
        put(kind, Some(json!({"name": name, text: arguments})));
        let finish = self
            .finish
            .map(|finish| ["stop", "tool_calls", "length", ""][usize::from(finish % 4)]);
        let content = self
            .content
            .map(|letter| char::from(b'a' + letter % 26).to_string());
        let chunk = json!({"choices": [{
            "index": self.choice.map(|choice| choice % 3),
            "delta": {"content": content, "tool_calls": [call]},
            "finish_reason": finish,
        }]});
        format!("data: {chunk}\n\n")
    }
}

fuzz_target!(|input: Input| {
    let mut bytes: Vec<u8> = input
        .deltas
        .iter()
        .map(Delta::event)
        .collect::<String>()
        .into_bytes();
    bytes.extend(&input.raw);
    if input.done {
        bytes.extend(b"\n\ndata: [DONE]\n\n");
    }
    match (assemble(&[&bytes]), assemble(&cut(&bytes, &input.cuts))) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        (Err(_), Err(_)) => {}
        (whole, cut) => panic!("cutting made a difference: {whole:?} {cut:?}"),
    }
});

fn assemble(parts: &[&[u8]]) -> Result<Completion, ModelError> {
    let mut assembler = ChatAssembler::new();
    let (mut begun, mut complete) = (0, Vec::new());
    let mut receive = |events: Vec<ModelEvent>| {
        for event in events {
            match event {
                ModelEvent::ToolCallStarted { position, .. } => {
                    assert_eq!(position, begun);
                    begun += 1;
                    complete.push(None);
                }
                ModelEvent::ToolCallComplete { position, call } => complete[position] = Some(call),
                ModelEvent::ToolCallReopened { position } => {
                    assert!(complete[position].take().is_some())
                }
                _ => {}
            }
        }
        begun
    };
    for part in parts {
        receive(assembler.push_bytes(part)?);
    }
    let begun = receive(assembler.close()?);
    let completion = assembler.finish()?;
    if let Some(choice) = completion
        .choices
        .iter()
        .find(|choice| choice.extra["index"] == 0)
    {
        assert_eq!(choice.message.tool_calls.len(), begun, "a call was lost");
        for (call, reported) in choice.message.tool_calls.iter().zip(complete) {
            // An id may still come, and a name where there was none.
            let Some(reported) = reported else { continue };
            assert_eq!(
                text(&reported),
                text(call),
                "the arguments of a complete call changed"
            );
            assert!(
                name(&reported).is_empty() || name(&reported) == name(call),
                "the name of a complete call changed"
            );
        }
    }
    Ok(completion)
}

fn text(call: &ToolCall) -> &str {
    call.custom
        .as_ref()
        .map_or(&call.function.arguments, |custom| &custom.input)
}

fn name(call: &ToolCall) -> &str {
    call.custom
        .as_ref()
        .map_or(&call.function.name, |custom| &custom.name)
}
