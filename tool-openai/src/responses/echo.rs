//! Answers of the model, sent back: the original items where they are known, else the message.

use std::collections::BTreeMap;

use tool_core::serde_json::Value;

use super::completion::{ITEM, OUTPUT};
use super::wire::Item;
use crate::chat::{AssistantMessage, ToolCall};

/// Appends the items of an assistant message. Reasoning stays as it is, in front of what it led to;
/// calls are written as the message has them, since they may have been renamed or unpacked since
/// they were read.
pub(super) fn assistant(message: &AssistantMessage, stateless: bool, items: &mut Vec<Item>) {
    let start = items.len();
    match message.extra.get(OUTPUT).and_then(Value::as_array) {
        Some(output) => {
            let item = |item: &Value| item.as_object().cloned().map(Item).unwrap_or_default();
            let output: Vec<Item> = output.iter().map(item).collect();
            echo(message, output, stateless, items);
        }
        None => {
            let text = text_or_refusal(message);
            if !text.is_empty() {
                items.push(Item::from([
                    ("type", "message".into()),
                    ("role", "assistant".into()),
                    ("content", text.into()),
                ]));
            }
            items.extend(
                message
                    .tool_calls
                    .iter()
                    .map(|call| written(Item::default(), call)),
            );
        }
    }
    leave_out_reasoning(start, items); // no item follows it
    for Item(item) in &mut items[start..] {
        let is_too_long = |id: &Value| id.as_str().is_some_and(|id| id.len() > MOST_ID);
        if item.get("id").is_some_and(is_too_long) {
            item.remove("id");
        }
    }
}

/// The longest id of an item, and of a call, that services take back. Copilot writes longer ones; they are not
/// needed.
pub(crate) const MOST_ID: usize = 64;

fn echo(message: &AssistantMessage, output: Vec<Item>, stateless: bool, items: &mut Vec<Item>) {
    let start = items.len();
    let mut calls = by_item(&message.tool_calls, &output);
    for (position, item) in output.into_iter().enumerate() {
        let calls = calls.remove(&position);
        match item.tool_call() {
            // Without a call there is no answer either, and the reasoning before it leads
            // nowhere.
            Some(_) if calls.is_none() => leave_out_reasoning(start, items),
            None if item.0.is_empty() => {} // was left out
            // The service finds nothing under its id, and there is nothing else in it.
            None if stateless && item.kind() == "reasoning" && is_hollow(&item) => {}
            None => items.push(item),
            Some(original) => items.extend(calls.into_iter().flatten().map(|call| {
                if is_as_read(call, &original) {
                    item.clone()
                } else {
                    written(item.clone(), call)
                }
            })),
        }
    }
    items.extend(
        calls
            .into_values()
            .flatten()
            .map(|call| written(Item::default(), call)),
    );
}

fn is_as_read(call: &ToolCall, original: &ToolCall) -> bool {
    call.id == original.id && call.function == original.function && call.custom == original.custom
}

/// The calls by the position of the item that each was read from. One that does not say is where
/// the one before it is.
fn by_item<'a>(calls: &'a [ToolCall], output: &[Item]) -> BTreeMap<usize, Vec<&'a ToolCall>> {
    let is_call = |position: &usize| {
        output
            .get(*position)
            .is_some_and(|item| item.tool_call().is_some())
    };
    let mut last = (0..output.len()).find(is_call).unwrap_or(output.len());
    let mut by_item: BTreeMap<usize, Vec<&ToolCall>> = BTreeMap::new();
    for call in calls {
        let position = call
            .extra
            .get(ITEM)
            .and_then(Value::as_u64)
            .and_then(|position| usize::try_from(position).ok());
        last = position.filter(is_call).unwrap_or(last);
        by_item.entry(last).or_default().push(call);
    }
    by_item
}

fn leave_out_reasoning(start: usize, items: &mut Vec<Item>) {
    while items.len() > start && items.last().is_some_and(|item| item.kind() == "reasoning") {
        items.pop();
    }
}

fn is_hollow(reasoning: &Item) -> bool {
    let is_empty = |key: &str| match reasoning.0.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(parts)) => parts.is_empty(),
        Some(_) => false,
    };
    is_empty("encrypted_content") && is_empty("content")
}

/// A call as an item; `item` is the one it was read from, of which the service's own additions stay
/// (`namespace`, for example).
fn written(item: Item, call: &ToolCall) -> Item {
    let Item(mut kept) = item;
    kept.retain(|key, _| {
        ![
            "type",
            "id",
            "status",
            "call_id",
            "name",
            "arguments",
            "input",
        ]
        .contains(&key.as_str())
    });
    let Item(mut written) = match &call.custom {
        Some(custom) => self::call(
            "custom_tool_call",
            &call.id,
            &custom.name,
            "input",
            &custom.input,
        ),
        None => self::call(
            "function_call",
            &call.id,
            &call.function.name,
            "arguments",
            &call.function.arguments,
        ),
    };
    written.extend(kept);
    Item(written)
}

pub(super) fn call(kind: &str, id: &str, name: &str, key: &str, text: &str) -> Item {
    Item::from([
        ("type", kind.into()),
        ("call_id", id.into()),
        ("name", name.into()),
        (key, text.into()),
    ])
}

/// The text of a message, or its refusal.
fn text_or_refusal(message: &AssistantMessage) -> String {
    let refused = || match &message.content {
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["refusal"].as_str())
            .collect(),
        _ => String::new(),
    };
    Some(message.text())
        .filter(|text| !text.is_empty())
        .or_else(|| message.refusal.clone())
        .unwrap_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::responses::Response;
    use tool_core::serde_json::{from_value, json, to_value};

    fn reasoning(id: &str) -> Value {
        json!({"type": "reasoning", "id": id, "summary": [], "encrypted_content": "secret"})
    }

    fn function_call(id: &str, arguments: &str) -> Value {
        json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "add", "arguments": arguments,
               "status": "completed", "namespace": "n"})
    }

    /// A message as it was read, and as `edit` left it.
    fn message(output: Value, edit: impl FnOnce(&mut AssistantMessage)) -> AssistantMessage {
        let response: Response =
            from_value(json!({"status": "completed", "output": output})).unwrap();
        let mut message = response.into_completion().choices.remove(0).message;
        edit(&mut message);
        message
    }

    fn echoed(message: &AssistantMessage, stateless: bool) -> Value {
        let mut items = Vec::new();
        assistant(message, stateless, &mut items);
        to_value(items).unwrap()
    }

    #[test]
    fn items_go_back_as_they_came() {
        let text_or_refusal = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
                          "content": [{"type": "output_text", "text": "Hm.", "annotations": [], "logprobs": []}]});
        let unknown = json!({"type": "tool_search_call", "call_id": null, "arguments": {"x": 1}});
        let output = json!([
            reasoning("rs_1"),
            text_or_refusal,
            unknown,
            function_call("a", "{}"),
            reasoning("rs_2"),
            function_call("b", "{}")
        ]);
        assert_eq!(echoed(&message(output.clone(), |_| ()), true), output);
    }

    #[test]
    fn calls_go_back_as_the_history_has_them() {
        let output = json!([
            reasoning("rs_1"),
            function_call("a", "{\"cut"),
            reasoning("rs_2"),
            function_call("a", "{}")
        ]);
        let edited = message(output, |message| {
            message.tool_calls[0].function.arguments = "{}".into();
            message.tool_calls[1].id = "b".into();
        });
        let written = |id: &str| json!({"type": "function_call", "call_id": id, "name": "add", "arguments": "{}", "namespace": "n"});
        assert_eq!(
            echoed(&edited, true),
            json!([
                reasoning("rs_1"),
                written("a"),
                reasoning("rs_2"),
                written("b")
            ])
        );
    }

    #[test]
    fn a_call_that_became_several_is_several_items_in_its_place() {
        let output = json!([
            function_call("a", "{}"),
            reasoning("rs_1"),
            function_call("b", "{}")
        ]);
        let edited = message(output, |message| {
            let mut pieces = vec![message.tool_calls[0].clone(); 2];
            pieces[0].id = "a1".into();
            pieces[1].id = "a2".into();
            message.tool_calls.splice(0..1, pieces);
        });
        let ids: Vec<_> = echoed(&edited, true)
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["call_id"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(
            ids,
            [
                Some("a1".to_owned()),
                Some("a2".to_owned()),
                None,
                Some("b".to_owned())
            ]
        );
    }

    #[test]
    fn reasoning_without_a_following_item_is_not_sent_back() {
        let output = json!([
            reasoning("rs_1"),
            function_call("a", "{}"),
            reasoning("rs_2"),
            function_call("b", "{}"),
            reasoning("rs_3")
        ]);
        let edited = message(output, |message| drop(message.tool_calls.remove(0)));
        assert_eq!(
            echoed(&edited, true),
            json!([reasoning("rs_2"), function_call("b", "{}")])
        );
    }

    #[test]
    fn encrypted_reasoning_is_sent_back_only_if_stored() {
        let hollow = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": null});
        let open = json!({"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
        let output = json!([hollow, open, function_call("a", "{}")]);
        let message = message(output.clone(), |_| ());
        assert_eq!(echoed(&message, false), output);
        assert_eq!(
            echoed(&message, true),
            json!([open, function_call("a", "{}")])
        );
    }

    #[test]
    fn a_refusal_of_another_service_is_text() {
        let refused: AssistantMessage =
            from_value(json!({"content": [{"type": "refusal", "refusal": "No."}]})).unwrap();
        assert_eq!(
            echoed(&refused, true),
            json!([{"type": "message", "role": "assistant", "content": "No."}])
        );
    }

    #[test]
    fn ids_that_no_service_accepts_are_left_out() {
        let long = "x".repeat(65);
        let output = json!([
            {"type": "reasoning", "id": long, "summary": [], "encrypted_content": "x"},
            {"type": "message", "id": "y".repeat(64), "role": "assistant", "content": []},
            {"type": "function_call", "id": long, "call_id": "a", "name": "add", "arguments": "{}"},
        ]);
        let response: Response = from_value(json!({"output": output})).unwrap();
        let choice = response.into_completion().into_choice().unwrap();
        let mut items = Vec::new();
        assistant(&choice.message, true, &mut items);
        let ids: Vec<bool> = items.iter().map(|item| item.0.contains_key("id")).collect();
        assert_eq!(ids, [false, true, false]);
        assert_eq!(items[0].str("encrypted_content"), "x");
    }
}
