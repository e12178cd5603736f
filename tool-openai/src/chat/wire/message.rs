//! Messages of a conversation, by role.

use serde::{Deserialize, Serialize};
use tool_core::serde_json::{Map, Value};

use super::lenient::{
    empty_as_none, function, json_text, null_as_default, null_as_function, without_role,
};
use crate::responses::OUTPUT;

/// Where a message keeps the name of the model whose reasoning it has. It is never sent.
pub(crate) const MODEL: &str = "_model";

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    /// Instructions to the model.
    System(TextMessage),
    /// A message of the user.
    User(TextMessage),
    /// A message of the model: text and tool calls.
    Assistant(AssistantMessage),
    /// The result of one call.
    Tool(ToolMessage),
    /// A message of any other role, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

impl Message {
    /// Instructions to the model.
    pub fn system(content: impl Into<String>) -> Self {
        Self::System(TextMessage::new(content))
    }

    /// A message of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::User(TextMessage::new(content))
    }

    /// A message of the model without calls: for a history that is written by hand.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::Assistant(AssistantMessage {
            content: Value::String(content.into()),
            ..AssistantMessage::default()
        })
    }

    /// The result of the call with this id. Those of the dispatcher are written by
    /// [`ParsedMessage::replies`](crate::chat::ParsedMessage::replies).
    pub fn tool(tool_call_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self::Tool(ToolMessage {
            tool_call_id: tool_call_id.into(),
            content: Value::String(content.into()),
            extra: Map::new(),
        })
    }
}

/// A message of text, or of content parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextMessage {
    /// A string, or a list of content parts.
    pub content: Value,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl TextMessage {
    /// A message of plain text.
    pub fn new(content: impl Into<String>) -> Self {
        Self {
            content: Value::String(content.into()),
            extra: Map::new(),
        }
    }

    /// The text, parts joined.
    pub fn text(&self) -> String {
        text_of(&self.content)
    }
}

/// A message of the model: text and tool calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// A string, a list of content parts, or null beside calls.
    #[serde(default)]
    pub content: Value,
    /// Why the model will not answer. With one there is nothing to run.
    #[serde(
        default,
        deserialize_with = "empty_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub refusal: Option<String>,
    /// The calls, in the order they are to be answered; left out when there are none.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tool_calls: Vec<ToolCall>,
    /// The one call of services without `tool_calls`; it has no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionCall>,
    /// Any other key (`reasoning_content`, for example), to be sent back untouched.
    #[serde(flatten, deserialize_with = "without_role")]
    pub extra: Map<String, Value>,
}

impl AssistantMessage {
    /// The text, parts joined; empty if there is none.
    pub fn text(&self) -> String {
        text_of(&self.content)
    }

    /// The reasoning of the model, as far as the service shows it; empty if it does not.
    pub fn thinking(&self) -> String {
        match (thought(&self.extra), self.extra.get(OUTPUT)) {
            (Some(thought), _) => thought.to_owned(),
            (None, Some(Value::Array(items))) => {
                let parts = items.iter().flat_map(thoughts_of_item);
                parts.collect::<Vec<_>>().join("\n\n")
            }
            (None, _) => {
                let parts = self.content.as_array().into_iter().flatten();
                parts.map(thought_of_part).collect()
            }
        }
    }
}

/// Reasoning, by the keys of a message or a part of it. Some services write it twice.
pub(in crate::chat) fn thought(keys: &Map<String, Value>) -> Option<&str> {
    let text = |key: &str| keys.get(key).and_then(Value::as_str);
    let thought = text("reasoning_content").or_else(|| text("reasoning"))?;
    (!thought.is_empty()).then_some(thought)
}

/// The reasoning in a part of the content: Mistral writes `{"type": "thinking", "thinking": […]}`.
pub(in crate::chat) fn thought_of_part(part: &Value) -> String {
    let parts = part["thinking"].as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

/// The parts of an item of reasoning of the Responses API: its summary, or else its text.
fn thoughts_of_item(item: &Value) -> Vec<&str> {
    if item["type"] != "reasoning" {
        return Vec::new();
    }
    let texts = |key: &str| -> Vec<&str> {
        let parts = item[key].as_array().into_iter().flatten();
        parts.filter_map(|part| part["text"].as_str()).collect()
    };
    let summary = texts("summary");
    match summary.is_empty() {
        true => texts("content"),
        false => summary,
    }
}

/// One entry of `tool_calls`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the answer is matched by; empty where the server gave none.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    /// `function`, also where the server left it out, or `custom`.
    #[serde(default = "function", deserialize_with = "null_as_function")]
    pub r#type: String,
    /// What to call.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "FunctionCall::is_absent"
    )]
    pub function: FunctionCall,
    /// The call of a custom tool, in place of `function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomCall>,
    /// Any other key, to be sent back untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ToolCall {
    /// Whether it is the call of a custom tool. Servers send an empty `custom` beside `function`,
    /// and an empty `function` beside `custom`.
    pub(in crate::chat) fn is_custom(&self) -> bool {
        let custom = self
            .custom
            .as_ref()
            .is_some_and(|custom| !custom.name.is_empty() || !custom.input.is_empty());
        custom && (self.r#type == "custom" || self.function.name.is_empty())
    }
}

/// What to call, and with what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The tool's name, which may be unknown.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// JSON text, not yet checked. Read also from servers that send the object itself, `null`, or
    /// nothing (empty text).
    #[serde(default, deserialize_with = "json_text")]
    pub arguments: String,
    /// Any other key, to be sent back untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl FunctionCall {
    fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}

/// The call of a custom tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomCall {
    /// The tool's name, which may be unknown.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub input: String,
    /// Any other key, to be sent back untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The result of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolMessage {
    /// The call that this answers.
    pub tool_call_id: String,
    /// What the model reads. Ours are always strings: several servers refuse lists.
    pub content: Value,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ToolMessage {
    /// The text, parts joined.
    pub fn text(&self) -> String {
        text_of(&self.content)
    }
}

pub(in crate::chat) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}
