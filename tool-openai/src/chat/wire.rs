//! The JSON of the chat completions API, field for field. What is not named here is kept in `extra` and sent back as it came.

use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tool_core::serde_json::{Map, Value, from_value};

use super::tool_choice::ToolChoice;

/// The body of a request: `POST /chat/completions`.
///
/// Where there are no tools, nothing is said of them: services refuse `tool_choice` and `parallel_tool_calls` then.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Request {
    /// The model to ask, by the service's name for it.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What the model may call; left out when there is nothing, since services refuse an empty list.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// Which of them it may call, or must. Left out unless set, and without tools.
    #[serde(default)]
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may ask for several calls in one message. Some models refuse the key: left out unless set, and
    /// without tools.
    #[serde(default)]
    pub parallel_tool_calls: Option<bool>,
    /// Whether the answer arrives as a stream. Set by whoever sends the request.
    #[serde(default)]
    pub stream: Option<bool>,
    /// Any other key of the body, `temperature` for example.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
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
        if let Some(stream) = self.stream {
            body.serialize_entry("stream", &stream)?;
        }
        let is_taken = |key: &str| match key {
            "model" | "messages" | "tools" => true,
            "tool_choice" => self.tool_choice.is_some() || !has_tools,
            "parallel_tool_calls" => self.parallel_tool_calls.is_some() || !has_tools,
            "stream" => self.stream.is_some(),
            _ => false,
        };
        self.extra.iter().filter(|(key, _)| !is_taken(key)).try_for_each(|(key, value)| body.serialize_entry(key, value))?;
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

/// A tool as the service is told of it: `tools[].function`.
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

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    /// Instructions to the model.
    System(TextMessage),
    /// What the user says.
    User(TextMessage),
    /// What the model says, and the calls it asks for.
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

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::User(TextMessage::new(content))
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
        Self { content: Value::String(content.into()), extra: Map::new() }
    }

    /// The text, parts joined.
    pub fn text(&self) -> String {
        text_of(&self.content)
    }
}

/// What the model says, and the calls it asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// A string, a list of content parts, or null beside calls.
    #[serde(default)]
    pub content: Value,
    /// Why the model will not answer. With one there is nothing to run.
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The calls, in the order they are to be answered; left out when there are none.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The one call of services that know no `tool_calls`; it has no id.
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
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "FunctionCall::is_absent")]
    pub function: FunctionCall,
    /// The call of a custom tool, in place of `function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomCall>,
    /// Any other key, to be sent back untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ToolCall {
    /// Whether it is the call of a custom tool. Servers send an empty `custom` beside `function`, and an empty `function`
    /// beside `custom`.
    pub(super) fn is_custom(&self) -> bool {
        let custom = self.custom.as_ref().is_some_and(|custom| !custom.name.is_empty() || !custom.input.is_empty());
        custom && (self.r#type == "custom" || self.function.name.is_empty())
    }
}

/// What to call, and with what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The tool's name, which may be unknown.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// JSON text, not yet checked. Read also from servers that send the object itself, `null`, or nothing (empty text).
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

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The alternatives; one, unless more were asked for.
    pub choices: Vec<Choice>,
    /// Tokens used, where the server counts them in a form that can be read.
    #[serde(default, deserialize_with = "illegible_as_none")]
    pub usage: Option<Usage>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One alternative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What the model says.
    pub message: AssistantMessage,
    /// Why it stopped: `stop`, `tool_calls`, `length`, `content_filter`, or a word of the server's own. Whether there are
    /// calls is decided by their presence, never by this.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Tokens used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    #[serde(default, deserialize_with = "null_as_default")]
    pub prompt_tokens: u64,
    /// Tokens written.
    #[serde(default, deserialize_with = "null_as_default")]
    pub completion_tokens: u64,
    /// Both.
    #[serde(default, deserialize_with = "null_as_default")]
    pub total_tokens: u64,
    /// Any other key: `prompt_tokens_details`, for example. Sums have none.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl std::ops::AddAssign<&Self> for Usage {
    fn add_assign(&mut self, more: &Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(more.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(more.completion_tokens);
        self.total_tokens = self.total_tokens.saturating_add(more.total_tokens);
    }
}

pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
        _ => String::new(),
    }
}

fn function() -> String {
    "function".to_owned()
}

pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An answer is not lost because its costs cannot be read.
pub(crate) fn illegible_as_none<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(from_value(Value::deserialize(deserializer)?).ok())
}

fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.filter(|text: &String| !text.is_empty()))
}

/// The role is the tag of [`Message`], and stands in answers where there is nothing to tell apart.
fn without_role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let mut extra = Map::deserialize(deserializer)?;
    extra.remove("role");
    Ok(extra)
}

fn null_as_function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(function))
}

fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        value => value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{json, to_value};

    #[test]
    fn unknown_keys_are_sent_back_untouched() {
        let message = json!({
            "role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [{
                "id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "x"}}
            }]
        });
        let read: Message = from_value(message.clone()).unwrap();
        assert_eq!(to_value(read).unwrap(), message);

        let other = json!({"role": "developer", "content": "Be brief."});
        let read: Message = from_value(other.clone()).unwrap();
        assert!(matches!(read, Message::Other(_)));
        assert_eq!(to_value(read).unwrap(), other);
    }

    #[test]
    fn calls_are_read_from_servers_that_leave_things_out() {
        let message: AssistantMessage = from_value(json!({"tool_calls": [
            {"function": {"name": "a", "arguments": {"x": 1}}, "index": 0},
            {"id": null, "type": null, "function": {"name": "b", "arguments": null}},
            {"id": "", "function": {"name": "c"}},
        ]}))
        .unwrap();
        let calls: Vec<_> = message.tool_calls.iter().map(|call| (call.r#type.as_str(), call.function.arguments.as_str())).collect();
        assert_eq!(calls, [("function", r#"{"x":1}"#), ("function", ""), ("function", "")]);
        assert_eq!(from_value::<AssistantMessage>(json!({"content": "hi", "tool_calls": null})).unwrap().tool_calls, []);
    }

    #[test]
    fn a_request_leaves_out_what_is_not_set() {
        let request = Request { model: "m".into(), messages: vec![Message::user("hi")], ..Request::default() };
        assert_eq!(to_value(request).unwrap(), json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}));
    }

    #[test]
    fn an_answer_is_read_whatever_it_says_of_its_costs() {
        for usage in [json!(null), json!("none"), json!({"total_tokens": 1.5}), json!({"total_tokens": -1})] {
            let body = json!({"choices": [{"message": {"content": "Hi."}}], "usage": usage});
            assert_eq!(from_value::<Completion>(body).unwrap().usage, None, "{usage}");
        }
    }

    #[test]
    fn text_is_found_in_parts() {
        let message: AssistantMessage =
            from_value(json!({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})).unwrap();
        assert_eq!(message.text(), "ab");
    }
}
