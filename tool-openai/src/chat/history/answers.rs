//! The messages together: every call answered once, behind it.

use std::collections::HashMap;

use tool_core::serde_json::{Value, json};

use super::super::convert::{function_message, tool_message};
use super::super::ids::Ids;
use super::super::images::ShownImages;
use super::super::wire::{AssistantMessage, Message};
use super::{HistoryChange, Repairs};
use crate::profile::Images;

/// How a result names its call: by id, or by the function's name where calls have no id.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(String),
    Function(String),
}

/// A call that is to be answered.
struct AskedCall {
    id: String,
    name: String,
    /// The call of a service without `tool_calls`.
    function: bool,
    result: Option<(usize, Message)>,
}

/// A message, and the calls in it.
struct Asked {
    at: usize,
    message: Message,
    calls: Vec<AskedCall>,
}

/// Puts every result behind its call, removes those of no call, and writes those that are missing.
pub(super) fn place(messages: Vec<(usize, Message)>, repairs: &mut Repairs) -> Vec<Message> {
    let mut placed: Vec<Asked> = Vec::new();
    // The calls without a result, by what results name them; the next to be answered last.
    let mut open: HashMap<Key, Vec<(usize, usize)>> = HashMap::new();
    for (at, mut message) in messages {
        let Some(key) = key_of(&message) else {
            let calls = calls_of(&mut message, at, repairs);
            for (position, (key, _)) in calls.iter().enumerate().rev() {
                open.entry(key.clone())
                    .or_default()
                    .push((placed.len(), position));
            }
            placed.push(Asked {
                at,
                message,
                calls: calls.into_iter().map(|(_, call)| call).collect(),
            });
            continue;
        };
        let Some((asked, position)) = open.get_mut(&key).and_then(Vec::pop) else {
            let (Key::Id(id) | Key::Function(id)) = key;
            repairs.add(at, HistoryChange::ResultRemoved { id });
            continue;
        };
        let in_place = asked + 1 == placed.len();
        let call = &mut placed[asked].calls[position];
        repairs.add_if(!in_place, at, || HistoryChange::ResultMoved {
            id: call.id.clone(),
        });
        if let Message::Tool(result) = &mut message {
            result.tool_call_id.clone_from(&call.id);
        }
        call.result = Some((at, message));
    }
    placed
        .into_iter()
        .flat_map(|asked| with_results(asked, repairs))
        .collect()
}

/// What a result names its call by; `None` if the message is not a result.
fn key_of(message: &Message) -> Option<Key> {
    match message {
        Message::Tool(result) => Some(Key::Id(result.tool_call_id.clone())),
        Message::Other(keys) if keys.get("role")? == "function" => Some(Key::Function(
            keys.get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        )),
        _ => None,
    }
}

/// The calls of a message, each with an id of its own, and with what its result names it by.
fn calls_of(message: &mut Message, at: usize, repairs: &mut Repairs) -> Vec<(Key, AskedCall)> {
    let Message::Assistant(AssistantMessage {
        tool_calls,
        function_call,
        ..
    }) = message
    else {
        return Vec::new();
    };
    let mut ids = Ids::new(at);
    let mut calls = Vec::new();
    for call in tool_calls {
        let key = Key::Id(call.id.clone());
        if let Some(given) = ids.take(&mut call.id) {
            repairs.add(at, HistoryChange::Id { given });
        }
        let name = call
            .custom
            .as_ref()
            .map_or(&call.function.name, |custom| &custom.name)
            .clone();
        calls.push((
            key,
            AskedCall {
                id: call.id.clone(),
                name,
                function: false,
                result: None,
            },
        ));
    }
    if let Some(function) = function_call {
        let name = function.name.clone();
        calls.push((
            Key::Function(name.clone()),
            AskedCall {
                id: name.clone(),
                name,
                function: true,
                result: None,
            },
        ));
    }
    calls
}

/// The message and the results of its calls, in call order: some servers match them by position.
fn with_results(asked: Asked, repairs: &mut Repairs) -> impl Iterator<Item = Message> + use<> {
    let mut results = Vec::new();
    let mut images = ShownImages::new(Images::Behind);
    let mut last = 0;
    for call in asked.calls {
        results.push(match call.result {
            Some((at, mut result)) => {
                if let Message::Tool(result) = &mut result {
                    let moved = images.move_from(&mut result.content, &call.id, &call.name);
                    repairs.add_if(moved, at, || HistoryChange::Content);
                }
                repairs.add_if(at < last, at, || HistoryChange::ResultMoved {
                    id: call.id.clone(),
                });
                last = last.max(at);
                result
            }
            None => {
                repairs.add(
                    asked.at,
                    HistoryChange::ResultMissing {
                        id: call.id.clone(),
                    },
                );
                let error = "the call was interrupted; whether it took effect is not known";
                let content = json!({"error": error, "tool": call.name})
                    .to_string()
                    .into();
                if call.function {
                    function_message(&call.name, content)
                } else {
                    tool_message(call.id, content)
                }
            }
        });
    }
    std::iter::once(asked.message)
        .chain(results)
        .chain(images.into_message())
}
