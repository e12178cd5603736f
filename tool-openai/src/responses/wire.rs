//! The JSON of the Responses API, field for field. What is not named here is kept in `extra` and
//! sent back as it came.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use tool_core::serde_json::{Map, Value, from_value};

use crate::chat::wire::null_as_default;
use crate::chat::{CustomCall, FunctionCall, ToolCall};

/// The body of a request: `POST /responses`.
///
/// A chat request becomes one with `From`. Without tools, their keys are omitted. Its
/// messages become items, its instructions `instructions`, and the parameters that have another
/// name here (`max_completion_tokens`, `reasoning_effort`, `response_format`, `verbosity`) get it.
/// Unless `store` says otherwise the service is asked to keep nothing (`store: false`) and to hand
/// out its reasoning in encrypted form (`include`), so that it can be sent back: the history is the
/// only state.
///
/// ```
/// use tool_core::serde_json::{Map, json, to_value};
/// use tool_openai::chat::{self, Message};
/// use tool_openai::responses::Request;
///
/// let chat = chat::Request {
///     model: "gpt-5".into(),
///     messages: vec![Message::system("Be brief."), Message::user("Hello?")],
///     extra: Map::from_iter([("max_completion_tokens".into(), json!(500))]),
///     ..chat::Request::default()
/// };
/// assert_eq!(
///     to_value(Request::from(&chat))?,
///     json!({
///         "model": "gpt-5",
///         "instructions": "Be brief.",
///         "input": [{"type": "message", "role": "user", "content": "Hello?"}],
///         "max_output_tokens": 500,
///         "store": false,
///         "include": ["reasoning.encrypted_content"],
///     }),
/// );
/// # Ok::<(), tool_core::serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The model to ask, by the service's name for it.
    pub model: String,
    /// The instructions before the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The conversation so far.
    pub input: Vec<Item>,
    /// What the model may call; left out when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Which of them it may call, or must: as [`tool_choice`](super::tool_choice) writes it. Left
    /// out unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Whether the model may ask for several calls at once. Left out unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// Whether the answer arrives as a stream. Set by the sender of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Any other key of the body, `temperature` for example.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One entry of `tools`: flat, where chat completions nest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function`, `custom`, or a tool that the service runs.
    pub r#type: String,
    /// 1 to 128 letters, digits, `_` or `-`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it does.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub description: String,
    /// Of a function: JSON Schema of the arguments object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Of a function: whether the service holds the model to the schema. Left out, the service
    /// would decide by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Of a custom tool: what the text may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One item of a request's `input` or of an answer's `output`: a message, a call, a call's output,
/// a piece of reasoning, or whatever else the service has. Shape: the JSON object as it came, to be
/// sent back untouched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Item(pub Map<String, Value>);

impl Item {
    /// What it is: `message`, `function_call`, `custom_tool_call`, `reasoning` and so on; empty if
    /// it does not say.
    pub fn kind(&self) -> &str {
        self.str("type")
    }

    /// The call, if it is one of ours to answer: a `function_call` or a `custom_tool_call`. Its id
    /// is the item's `call_id`.
    pub fn tool_call(&self) -> Option<ToolCall> {
        let custom = match self.kind() {
            "function_call" => false,
            "custom_tool_call" => true,
            _ => return None,
        };
        let name = self.str("name").to_owned();
        Some(ToolCall {
            id: self.str("call_id").to_owned(),
            r#type: if custom { "custom" } else { "function" }.to_owned(),
            function: if custom {
                FunctionCall::default()
            } else {
                FunctionCall {
                    name: name.clone(),
                    arguments: self.json_text("arguments"),
                    extra: Map::new(),
                }
            },
            custom: custom.then(|| CustomCall {
                name,
                input: self.json_text("input"),
                extra: Map::new(),
            }),
            extra: Map::new(),
        })
    }

    /// Whether the model has finished it: its `status` is `completed`, or it has none.
    pub fn is_complete(&self) -> bool {
        matches!(self.0.get("status"), None | Some(Value::Null))
            || self.str("status") == "completed"
    }

    /// The text of a message, parts joined; empty for anything else.
    pub fn text(&self) -> String {
        match self.0.get("content") {
            // As some services write it.
            Some(Value::String(text)) if self.kind() == "message" => text.clone(),
            _ => self.parts(&["output_text", "text"], "text"),
        }
    }

    /// The refusal in a message; empty if there is none.
    pub fn refusal(&self) -> String {
        self.parts(&["refusal"], "refusal")
    }

    fn parts(&self, kinds: &[&str], key: &str) -> String {
        let parts = match self.0.get("content") {
            Some(Value::Array(parts)) if self.kind() == "message" => parts.as_slice(),
            _ => &[],
        };
        parts
            .iter()
            .filter(|part| kinds.iter().any(|kind| part["type"] == *kind))
            .filter_map(|part| part[key].as_str())
            .collect()
    }

    pub(crate) fn str(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Text, or the JSON that a server sent in its place.
    fn json_text(&self, key: &str) -> String {
        match self.0.get(key) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Item {
    fn from(entries: [(&str, Value); N]) -> Self {
        Self(
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }
}

/// The body of an answer, alone or in the last event of a stream. It is read as leniently as a
/// stream: fields of a wrong type are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Response {
    /// The service's name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// `completed`, `incomplete`, `failed` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What the model made, in order.
    pub output: Vec<Item>,
    /// Why it is incomplete: `{"reason": "max_output_tokens"}` or `content_filter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incomplete_details: Option<Value>,
    /// Why it failed: `{"code", "message"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// Tokens used, where the server counts them in a form that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(mut keys) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("it is not an object"));
        };
        let output = match keys.remove("output") {
            Some(Value::Array(items)) => items,
            Some(Value::Null) => Vec::new(),
            Some(_) => return Err(D::Error::custom("its `output` is not a list")),
            None => return Err(D::Error::missing_field("output")),
        };
        let items = output.into_iter().filter_map(|item| match item {
            Value::Object(item) => Some(Item(item)),
            _ => None,
        });
        let text = |value| match value {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let given = |value: Option<Value>| value.filter(|value| !value.is_null());
        Ok(Self {
            id: text(keys.remove("id")).unwrap_or_default(),
            status: text(keys.remove("status")),
            output: items.collect(),
            incomplete_details: given(keys.remove("incomplete_details")),
            error: given(keys.remove("error")),
            usage: given(keys.remove("usage")).and_then(|usage| from_value(usage).ok()),
            extra: keys,
        })
    }
}

/// Tokens used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    #[serde(default, deserialize_with = "null_as_default")]
    pub input_tokens: u64,
    /// Tokens written.
    #[serde(default, deserialize_with = "null_as_default")]
    pub output_tokens: u64,
    /// Both.
    #[serde(default, deserialize_with = "null_as_default")]
    pub total_tokens: u64,
    /// Any other key: `output_tokens_details`, for example.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{json, to_value};

    #[test]
    fn unknown_items_and_keys_are_kept_untouched() {
        let body = json!({"id": "resp_1", "object": "response", "status": "completed", "output": [
            {"type": "tool_search_call", "call_id": null, "arguments": {"paths": ["x"]}, "status": "completed"},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{}", "namespace": "n"},
        ], "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "input_tokens_details": {"cached_tokens": 0}}});
        let read: Response = from_value(body.clone()).unwrap();
        assert_eq!(to_value(read).unwrap(), body);
    }

    #[test]
    fn an_answer_without_output_is_an_error() {
        assert!(from_value::<Response>(json!({"id": "resp_1"})).is_err());
        assert_eq!(
            from_value::<Response>(json!({"output": null, "id": null})).unwrap(),
            Response::default()
        );
        assert_eq!(
            from_value::<Response>(json!({"output": [], "usage": {"total_tokens": 1.5}})).unwrap(),
            Response::default()
        );
        for none in [json!([]), json!({"output": {}}), json!({"output": "x"})] {
            assert!(from_value::<Response>(none).is_err());
        }
    }

    #[test]
    fn items_of_another_type_are_skipped() {
        let response: Response = from_value(json!({
            "id": 7, "status": {}, "incomplete_details": null, "error": null, "usage": "many",
            "output": [null, "x", {"type": "message", "content": "Hello."}, {"type": 1}, {"type": "message", "content": [1, {"type": "text", "text": "You."}]}],
        }))
        .unwrap();
        assert_eq!(
            (response.id.as_str(), &response.status, &response.usage),
            ("", &None, &None)
        );
        assert_eq!(response.output.len(), 3);
        assert_eq!(response.text(), "Hello.\n\nYou.");
    }

    #[test]
    fn calls_are_known_by_their_call_id() {
        let item = |value| from_value::<Item>(value).unwrap();
        let call = item(
            json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{\"a\":1}"}),
        );
        let read = call.tool_call().unwrap();
        assert_eq!(
            (
                read.id.as_str(),
                read.function.name.as_str(),
                read.function.arguments.as_str()
            ),
            ("call_1", "add", "{\"a\":1}")
        );

        let custom = item(
            json!({"type": "custom_tool_call", "call_id": "call_2", "name": "sh", "input": "ls"}),
        )
        .tool_call()
        .unwrap();
        assert_eq!(
            (
                custom.r#type.as_str(),
                custom.custom.unwrap().input.as_str()
            ),
            ("custom", "ls")
        );
        assert_eq!(
            item(json!({"type": "reasoning", "id": "rs_1", "summary": []})).tool_call(),
            None
        );
    }

    #[test]
    fn calls_with_missing_fields_are_read() {
        let item = |value| from_value::<Item>(value).unwrap().tool_call().unwrap();
        assert_eq!(
            item(json!({"type": "function_call"})).function.arguments,
            ""
        );
        assert_eq!(
            item(json!({"type": "function_call", "call_id": null, "arguments": {"a": 1}}))
                .function
                .arguments,
            r#"{"a":1}"#
        );
    }

    #[test]
    fn an_item_is_complete_unless_its_status_says_otherwise() {
        for (status, complete) in [
            (json!("completed"), true),
            (Value::Null, true),
            (json!("incomplete"), false),
            (json!("in_progress"), false),
        ] {
            assert_eq!(
                Item::from([("status", status.clone())]).is_complete(),
                complete,
                "{status}"
            );
        }
        assert!(Item::default().is_complete());
    }
}
