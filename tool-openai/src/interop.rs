//! Conversions to and from the types of `async-openai`, by way of the JSON that both represent.
//!
//! Theirs are closed (0.43 has no call of a custom tool as services write it, for example): a
//! field that they lack is an error, not left out. Programs that want to keep it, the
//! `reasoning_content` of some services for example, give our types to that crate's client as they
//! are, with its bring-your-own-types calls.

use async_openai::types::chat as theirs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tool_core::serde_json::{self, Value};

use crate::chat;
use crate::responses::forget;

/// Why a value of one crate is not a value of the other.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// It has another shape there.
    #[error("this is not a `{target}`")]
    Shape {
        /// The type it should become.
        target: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// There is no place for a part of it there.
    #[error("`{target}` has no place for `{path}`; remove it, or send our own type")]
    NoPlace {
        /// The type it should become.
        target: &'static str,
        /// Where the part is in the JSON.
        path: String,
    },
}

macro_rules! conversions {
    ($($from:ty => $to:ty;)*) => {
        $(impl TryFrom<$from> for $to {
            type Error = ConversionError;

            fn try_from(value: $from) -> Result<Self, ConversionError> {
                convert(&value)
            }
        })*
    };
}

conversions! {
    chat::Tool => theirs::ChatCompletionTools;
    theirs::ChatCompletionTools => chat::Tool;
    theirs::ChatCompletionRequestMessage => chat::Message;
    theirs::CreateChatCompletionRequest => chat::Request;
    theirs::ChatCompletionResponseMessage => chat::AssistantMessage;
    theirs::CreateChatCompletionResponse => chat::Completion;
    theirs::CompletionUsage => chat::Usage;
}

impl TryFrom<chat::Message> for theirs::ChatCompletionRequestMessage {
    type Error = ConversionError;

    /// What the message keeps for the Responses API alone is left out.
    fn try_from(mut message: chat::Message) -> Result<Self, ConversionError> {
        forget(&mut message);
        convert(&message)
    }
}

impl TryFrom<chat::Request> for theirs::CreateChatCompletionRequest {
    type Error = ConversionError;

    /// What its messages keep for the Responses API alone is left out.
    fn try_from(mut request: chat::Request) -> Result<Self, ConversionError> {
        request.messages.iter_mut().for_each(forget);
        convert(&request)
    }
}

fn convert<T: Serialize, U: Serialize + DeserializeOwned>(value: &T) -> Result<U, ConversionError> {
    let target = std::any::type_name::<U>()
        .rsplit("::")
        .next()
        .unwrap_or_default();
    let shape = |source| ConversionError::Shape { target, source };
    let before = serde_json::to_value(value).map_err(shape)?;
    let converted: U = serde_json::from_value(before.clone()).map_err(shape)?;
    let after = serde_json::to_value(&converted).map_err(shape)?;
    match lost(&before, &after) {
        Some(path) => Err(ConversionError::NoPlace { target, path }),
        None => Ok(converted),
    }
}

/// Where something of `before` is not in `after`. A `null` and the role of an answer do not count;
/// numbers may have become shorter.
fn lost(before: &Value, after: &Value) -> Option<String> {
    let inside = |key: String, before: &Value, after: &Value| {
        let path = lost(before, after)?;
        Some(if path.is_empty() {
            key
        } else {
            format!("{key}.{path}")
        })
    };
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let says = |(key, value): &(&String, &Value)| {
                !value.is_null() && (key.as_str() != "role" || *value != "assistant")
            };
            before.iter().filter(says).find_map(|(key, value)| {
                inside(key.clone(), value, after.get(key).unwrap_or(&Value::Null))
            })
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => before
            .iter()
            .zip(after)
            .enumerate()
            .find_map(|(at, (before, after))| inside(at.to_string(), before, after)),
        (Value::Array(none), Value::Null) if none.is_empty() => None,
        (Value::Number(before), Value::Number(after))
            if before.as_f64().map(|it| it as f32) == after.as_f64().map(|it| it as f32) =>
        {
            None
        }
        (before, after) => (before != after).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use theirs::{ChatCompletionRequestMessage, ChatCompletionTools};
    use tool_core::serde_json::{Map, from_value, json, to_value};

    #[test]
    fn tools_and_messages_go_there_and_back() {
        for tool in [
            json!({"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {"role": {"type": "string"}}}, "strict": true}}),
            json!({"type": "custom", "custom": {"name": "sh", "description": "Run.", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]+"}}}}),
        ] {
            let ours: chat::Tool = from_value(tool).unwrap();
            let theirs = ChatCompletionTools::try_from(ours.clone()).unwrap();
            assert_eq!(chat::Tool::try_from(theirs).unwrap(), ours);
        }
        for message in [
            json!({"role": "system", "content": "Be brief."}),
            json!({"role": "developer", "content": "Be brief."}),
            json!({"role": "user", "content": [{"type": "text", "text": "Hi."}, {"type": "image_url", "image_url": {"url": "data:x"}}]}),
            json!({"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ]}),
            json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}),
            json!({"role": "tool", "tool_call_id": "1", "content": "5"}),
        ] {
            let ours: chat::Message = from_value(message).unwrap();
            let theirs = ChatCompletionRequestMessage::try_from(ours.clone()).unwrap();
            assert_eq!(chat::Message::try_from(theirs).unwrap(), ours);
        }
    }

    #[test]
    fn fields_without_a_counterpart_are_reported() {
        let message: chat::Message =
            from_value(json!({"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."}))
                .unwrap();
        let error = ChatCompletionRequestMessage::try_from(message).unwrap_err();
        assert!(
            matches!(&error, ConversionError::NoPlace { path, .. } if path == "reasoning_content"),
            "{error}"
        );

        let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"signature": "x"}});
        let message: chat::Message =
            from_value(json!({"role": "assistant", "tool_calls": [call]})).unwrap();
        let error = ChatCompletionRequestMessage::try_from(message).unwrap_err();
        assert!(
            matches!(&error, ConversionError::NoPlace { path, .. } if path == "tool_calls.0.extra_content"),
            "{error}"
        );

        // Theirs has the key `custom_tool`, which no service writes.
        let call = json!({"id": "1", "type": "custom", "custom": {"name": "sh", "input": "ls"}});
        let message: chat::Message =
            from_value(json!({"role": "assistant", "tool_calls": [call]})).unwrap();
        assert!(matches!(
            ChatCompletionRequestMessage::try_from(message),
            Err(ConversionError::Shape { .. })
        ));
        let tool: chat::Tool = from_value(json!({"type": "web_search"})).unwrap();
        assert!(matches!(
            ChatCompletionTools::try_from(tool),
            Err(ConversionError::Shape { .. })
        ));
    }

    #[test]
    fn what_is_for_the_responses_api_is_left_out() {
        let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "responses_item": 0});
        let message = json!({"role": "assistant", "tool_calls": [call], "responses_output": [{"type": "function_call"}]});
        let request = chat::Request {
            messages: vec![from_value(message).unwrap()],
            ..chat::Request::default()
        };
        let theirs = theirs::CreateChatCompletionRequest::try_from(request).unwrap();
        assert!(!to_value(theirs).unwrap().to_string().contains("responses_"));
    }

    #[test]
    fn numbers_may_become_shorter() {
        let extra = Map::from_iter([("temperature".to_owned(), json!(0.7))]);
        let request = chat::Request {
            model: "m".into(),
            messages: vec![chat::Message::user("Hi.")],
            extra,
            ..chat::Request::default()
        };
        assert!(theirs::CreateChatCompletionRequest::try_from(request).is_ok());
    }
}
