//! Which parts of earlier answers are sent back to a provider.

use tool_core::serde_json::{Map, Value};

use crate::chat::wire::MODEL;
use crate::chat::{AssistantMessage, Message, replace_ids};
use crate::profile::Profile;
use crate::responses::{ITEM, OUTPUT};

/// Keys that are not reasoning: every service takes them.
const PLAIN: [&str; 2] = ["audio", "name"];

/// Records the model of a message with reasoning in it.
pub(super) fn note_model(message: &mut Message, model: &str) {
    if let Message::Assistant(message) = message
        && has_thoughts(message)
    {
        message.extra.insert(MODEL.to_owned(), model.into());
    }
}

fn has_thoughts(message: &AssistantMessage) -> bool {
    let in_call = |key: &String| key != ITEM;
    message.extra.iter().any(|(key, value)| match key.as_str() {
        OUTPUT => value
            .as_array()
            .is_some_and(|items| items.iter().any(is_reasoning)),
        key => !PLAIN.contains(&key),
    }) || message.tool_calls.iter().any(|call| {
        call.extra.keys().any(in_call)
            || !call.function.extra.is_empty()
            || call.custom.as_ref().is_some_and(|of| !of.extra.is_empty())
    })
}

fn is_reasoning(item: &Value) -> bool {
    item["type"] == "reasoning"
}

/// Adapts the messages to this model of the service: with the reasoning that it must get back and
/// no other, none of another model, and with ids of the form that it takes. `before` is how many
/// messages are before them.
pub(super) fn fit(messages: &mut [Message], before: usize, profile: &Profile, model: &str) {
    for message in messages.iter_mut() {
        if let Message::Assistant(message) = message {
            let is_own = message.extra.remove(MODEL).is_none_or(|of| of == model);
            leave_out(message, is_own, profile);
        }
    }
    replace_ids(messages, before, profile, |id| profile.takes_id(id));
}

fn leave_out(message: &mut AssistantMessage, is_own: bool, profile: &Profile) {
    let goes_back = |key: &str| PLAIN.contains(&key) || is_own && profile.returns(key);
    let filter = |extra: &mut Map<String, Value>, ours: &str| {
        extra.retain(|key, _| key == ours || goes_back(key));
    };
    filter(&mut message.extra, OUTPUT);
    for call in &mut message.tool_calls {
        filter(&mut call.extra, ITEM);
        filter(&mut call.function.extra, "");
        if let Some(custom) = &mut call.custom {
            filter(&mut custom.extra, "");
        }
    }
    if let Some(Value::Array(items)) = message.extra.get_mut(OUTPUT).filter(|_| !is_own) {
        without_reasoning(items);
    }
}

/// An item's id refers to the reasoning before it. Places stay: calls have the place they were read
/// at.
fn without_reasoning(items: &mut [Value]) {
    for item in items {
        match item {
            item if is_reasoning(item) => *item = Value::Null,
            Value::Object(item) => drop(item.remove("id")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{from_value, json, to_value};

    fn fitted(message: &Value, profile: &Profile, model: &str) -> Value {
        let mut messages: Vec<Message> = from_value(json!([message])).unwrap();
        note_model(&mut messages[0], "first");
        fit(&mut messages, 0, profile, model);
        to_value(&messages[0]).unwrap()
    }

    #[test]
    fn reasoning_is_sent_back_only_to_the_model_that_wrote_it() {
        let call = json!({"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "S"}}});
        let message = json!({"role": "assistant", "content": "hm", "name": "n", "reasoning_content": "r", "reasoning_details": [], "odd": 1, "tool_calls": [call]});
        let keys = |profile: Profile, model: &str| {
            let fitted = fitted(&message, &profile, model);
            let of = |value: &Value| {
                value
                    .as_object()
                    .unwrap()
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
            };
            [of(&fitted), of(&fitted["tool_calls"][0])]
                .concat()
                .join(" ")
        };
        let plain = "role content tool_calls name";
        let call = "id type function";
        for (profile, expected) in [
            (Profile::openai(), format!("{plain} {call}")),
            (Profile::gemini(), format!("{plain} {call} extra_content")),
            (
                Profile::openai().with_returned_keys(&["reasoning_content"]),
                format!("{plain} reasoning_content {call}"),
            ),
            (
                Profile::portable(),
                format!("{plain} reasoning_content reasoning_details {call} extra_content"),
            ),
        ] {
            assert_eq!(keys(profile.clone(), "first"), expected);
            assert_eq!(keys(profile, "second"), format!("{plain} {call}"));
        }
    }

    #[test]
    fn reasoning_of_another_model_is_left_out_of_the_items() {
        let items = json!([
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "x"},
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "now", "arguments": "{}"},
        ]);
        let message = json!({"role": "assistant", "content": null, "responses_output": items,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}, "responses_item": 1}]});
        let sent = |model: &str| {
            let fitted = fitted(&message, &Profile::openai(), model);
            let message: AssistantMessage = from_value(fitted).unwrap();
            to_value(crate::responses::items(&message)).unwrap()
        };
        assert_eq!(sent("first"), items);
        assert_eq!(
            sent("second"),
            json!([{"type": "function_call", "call_id": "a", "name": "now", "arguments": "{}"}])
        );
    }

    #[test]
    fn a_message_without_reasoning_records_nothing() {
        let plain = json!({"role": "assistant", "content": "hm"});
        let mut message: Message = from_value(plain.clone()).unwrap();
        note_model(&mut message, "first");
        assert_eq!(to_value(message).unwrap(), plain);
    }
}
