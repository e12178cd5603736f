//! Requests and the tools on offer.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use tool_core::serde_json::{Map, Value};

use super::super::list::Tools;
use super::super::tool_choice::ToolChoice;
use super::Message;

/// The body of a request: `POST /chat/completions`.
///
/// Without tools, their keys are omitted: services refuse `tool_choice` and `parallel_tool_calls`
/// then.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Request {
    /// The model to ask, by the service's name for it.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What the model may call; left out when there is nothing, since services refuse an empty
    /// list.
    #[serde(default)]
    pub tools: Tools,
    /// Which of them it may call, or must. Left out unless set, and without tools.
    #[serde(default)]
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may ask for several calls in one message. Some models refuse the key: left
    /// out unless set, and without tools.
    #[serde(default)]
    pub parallel_tool_calls: Option<bool>,
    /// Whether the answer arrives as a stream. Set by the sender of the request.
    #[serde(default)]
    pub stream: Option<bool>,
    /// Any other key of the body, `temperature` for example.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(serializer, self.stream, true, None)
    }
}

impl Request {
    /// Writes it with another `stream`, and with or without `stream_options`: those that it has, or
    /// else these.
    pub(crate) fn write<S: Serializer>(
        &self,
        serializer: S,
        stream: Option<bool>,
        has_options: bool,
        options: Option<Value>,
    ) -> Result<S::Ok, S::Error> {
        const OPTIONS: &str = "stream_options";
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("model", &self.model)?;
        body.serialize_entry("messages", &self.messages)?;
        let has_tools = !self.tools.is_empty();
        if has_tools {
            body.serialize_entry("tools", &self.tools)?;
        }
        if let Some(choice) = self.tool_choice.as_ref().filter(|_| has_tools) {
            body.serialize_entry("tool_choice", choice)?;
        }
        if let Some(parallel) = self.parallel_tool_calls.filter(|_| has_tools) {
            body.serialize_entry("parallel_tool_calls", &parallel)?;
        }
        if let Some(stream) = stream {
            body.serialize_entry("stream", &stream)?;
        }
        let options = options.filter(|_| has_options && !self.extra.contains_key(OPTIONS));
        if let Some(options) = options {
            body.serialize_entry(OPTIONS, &options)?;
        }
        let is_taken = |key: &str| match key {
            "model" | "messages" | "tools" => true,
            "tool_choice" => self.tool_choice.is_some() || !has_tools,
            "parallel_tool_calls" => self.parallel_tool_calls.is_some() || !has_tools,
            "stream" => stream.is_some(),
            OPTIONS => !has_options,
            _ => false,
        };
        self.extra
            .iter()
            .filter(|(key, _)| !is_taken(key))
            .try_for_each(|(key, value)| body.serialize_entry(key, value))?;
        body.end()
    }
}

/// One entry of `tools`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function` or `custom`.
    pub r#type: String,
    /// The definition of a function.
    #[serde(default, skip_serializing_if = "FunctionDefinition::is_absent")]
    pub function: FunctionDefinition,
    /// The definition of a custom tool, which takes free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomDefinition>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A tool that takes free text: `tools[].custom`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomDefinition {
    /// 1 to 64 letters, digits, `_` or `-`.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What the text may be: `{"type": "text"}`, or a grammar. Any text, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A tool definition as it is sent: `tools[].function`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionDefinition {
    /// 1 to 64 letters, digits, `_` or `-`.
    #[serde(default)]
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema of the arguments object; absent for a function without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the service holds the model to the schema. Some refuse the key: left out unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl FunctionDefinition {
    fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}
