//! What the scripted model says.

use tool_core::serde_json::{Value, json};

use crate::chat::Request;

/// One answer of the scripted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn(pub(crate) Answer);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Text(String),
    Calls(Vec<(String, String)>),
    Status { status: u16, body: Value, retry_after: Option<u64> },
    Body(String),
}

impl Turn {
    /// The model answers with text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Answer::Text(text.into()))
    }

    /// The model asks for these calls in one message: pairs of a tool's name and its arguments. Arguments given as a JSON
    /// string are sent as that text, so that they need not be valid.
    pub fn calls<N: Into<String>>(calls: impl IntoIterator<Item = (N, Value)>) -> Self {
        let text = |arguments: Value| match arguments {
            Value::String(text) => text,
            value => value.to_string(),
        };
        Self(Answer::Calls(calls.into_iter().map(|(name, arguments)| (name.into(), text(arguments))).collect()))
    }

    /// The service refuses with this HTTP status, the way OpenAI words it.
    pub fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        let body = json!({"error": {"message": message.into(), "type": "scripted_error", "param": null, "code": code}});
        Self(Answer::Status { status, body, retry_after: None })
    }

    /// As [`error`](Self::error) with 429, asking to be tried again after so many seconds.
    pub fn rate_limit(retry_after: u64) -> Self {
        let Self(error) = Self::error(429, "rate_limit_exceeded", "Rate limit reached. Please try again later.");
        match error {
            Answer::Status { status, body, .. } => Self(Answer::Status { status, body, retry_after: Some(retry_after) }),
            other => Self(other),
        }
    }

    /// The service answers 200 with this body, whatever it is.
    pub fn body(body: impl Into<String>) -> Self {
        Self(Answer::Body(body.into()))
    }
}

/// Decides each answer from the request.
pub(crate) type Script = Box<dyn FnMut(&Request) -> Turn + Send>;

/// The body of a completion. Token counts are estimates: a token for every four bytes.
pub(crate) fn completion(number: usize, model: &str, prompt_bytes: usize, answer: &Answer) -> Option<Value> {
    let (message, finish_reason) = match answer {
        Answer::Text(text) => (json!({"role": "assistant", "content": text, "refusal": null, "annotations": []}), "stop"),
        Answer::Calls(calls) => {
            let call = |(position, (name, arguments)): (usize, &(String, String))| {
                let id = format!("call_{number:012}{position:012}");
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
            };
            let calls: Vec<_> = calls.iter().enumerate().map(call).collect();
            (json!({"role": "assistant", "content": null, "refusal": null, "annotations": [], "tool_calls": calls}), "tool_calls")
        }
        Answer::Status { .. } | Answer::Body(_) => return None,
    };
    let (prompt, written) = (prompt_bytes.div_ceil(4), message.to_string().len().div_ceil(4));
    Some(json!({
        "id": format!("chatcmpl-scripted{number}"),
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
        "system_fingerprint": null,
    }))
}
