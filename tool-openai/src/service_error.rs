//! Error messages of services, in every known form.

use tool_core::serde_json::{Map, Value, from_str};

use crate::error::ModelError;
use crate::json;

/// The service's error message, and its code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServiceError {
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// What the model wrote and the service could not read as a call.
    pub(crate) failed_generation: Option<String>,
}

/// How deep errors may be nested.
const MOST_DEPTH: usize = 6;

/// Where the sentence is, the first one with text. Each may hold another error, which is then
/// used instead.
const SENTENCES: [&str; 8] = [
    "message",
    "Message",
    "error",
    "detail",
    "error_message",
    "error_msg",
    "msg",
    "errors",
];

/// Where the code is; fallbacks, if the nested error has none either.
const CODES: [&str; 2] = ["code", "error_code"];
const KINDS: [&str; 4] = ["type", "status", "error_type", "__type"];

/// A type that adds nothing to the status 400.
const INVALID: &str = "invalid_request_error";

/// Prefixes that gateways put before the error of the service behind them.
const NO_SENTENCE: &str = "Provider returned error";

impl ServiceError {
    /// The error in an `error`, or in a body that is one. `None` if it is empty.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Self::within(value, 0)
    }

    /// The error in the body of an answer, if there is one: beside an answer only in `error`.
    ///
    /// | form | of |
    /// | --- | --- |
    /// | `{"error": {"message", "code"}}`, or the same in a list | OpenAI, Gemini |
    /// | `{"object": "error", "message", "code"}` | vLLM |
    /// | `{"detail"}`, `{"error_message"}`, `{"message", "code"}` | FastAPI and gateways |
    pub(crate) fn of_body(body: &Value, has_answer: bool) -> Option<Self> {
        match body {
            Value::Array(items) => items
                .iter()
                .find_map(|item| Self::of_body(item, has_answer)),
            Value::Object(members) => {
                let says = |key: &str| members.get(key).is_some_and(|value| !is_nothing(value));
                if let Some(error) = members.get("error").and_then(Self::of) {
                    // The code may be beside it.
                    let whole = (!has_answer).then(|| Self::of(body)).flatten();
                    let code = error.code.or_else(|| whole?.code);
                    return Some(Self { code, ..error });
                }
                let is_flat = members
                    .get("object")
                    .is_some_and(|object| object == "error")
                    || members.get("error") == Some(&Value::Bool(true))
                    || says("detail")
                    || says("error_message")
                    || says("error_msg")
                    || says("message") && says("code")
                    || says("Message");
                let is_answer = has_answer || says("usage");
                (is_flat && !is_answer).then(|| Self::of(body)).flatten()
            }
            _ => None,
        }
    }

    /// An error that a gateway has put into an event which was not over, on a line of its own.
    pub(crate) fn within_text(data: &str) -> Option<Self> {
        let read = |line: &str| Self::of_body(&json::read(line, false).ok()?, true);
        data.lines().find_map(read)
    }

    /// The data of `event: error`: an object that has an `error`, the error itself, or plain words.
    pub(crate) fn of_event(data: &str) -> Self {
        let read = json::read(data, false).ok().as_ref().and_then(Self::of);
        read.unwrap_or_else(|| Self::plain(data.to_owned()))
    }

    fn plain(message: String) -> Self {
        Self {
            code: None,
            message,
            failed_generation: None,
        }
    }

    fn within(value: &Value, depth: usize) -> Option<Self> {
        match value {
            Value::Null | Value::Bool(_) => None,
            value if is_nothing(value) => None,
            Value::String(text) if text.trim().is_empty() => None,
            // Some put JSON into text.
            Value::String(text) => Some(
                from_str(text)
                    .ok()
                    .filter(|inner: &Value| inner.is_object() && depth < MOST_DEPTH)
                    .and_then(|inner| Self::within(&inner, depth + 1))
                    .unwrap_or_else(|| Self::plain(text.clone())),
            ),
            Value::Array(items) => items.iter().find_map(|item| Self::within(item, depth)),
            Value::Object(members) if members.values().all(is_nothing) => None,
            Value::Object(members) => {
                let text = |key: &str| match members.get(key)? {
                    Value::String(text) if !text.is_empty() => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                };
                let inside = |key: &str| {
                    let found = members.get(key).filter(|_| depth < MOST_DEPTH)?;
                    Self::within(found, depth + 1)
                };
                let sentence = SENTENCES.iter().find_map(|key| inside(key));
                let behind = members
                    .get("metadata")
                    .and_then(|metadata| Self::within(metadata.get("raw")?, depth + 1))
                    .filter(|_| {
                        sentence
                            .as_ref()
                            .is_none_or(|sentence| sentence.message.starts_with(NO_SENTENCE))
                    });
                let sentence = behind.or(sentence);
                let code = CODES.iter().find_map(|key| text(key));
                let code = code.or_else(|| sentence.as_ref()?.code.clone());
                // llama.cpp repeats the status as the code.
                let kind = text("type").filter(|kind| {
                    code.as_deref() == Some("400") && kind.contains('_') && kind != INVALID
                });
                Some(Self {
                    code: kind
                        .or(code)
                        .or_else(|| KINDS.iter().find_map(|key| text(key))),
                    failed_generation: text("failed_generation")
                        .or_else(|| sentence.as_ref()?.failed_generation.clone()),
                    message: at(members)
                        + &sentence.map_or_else(|| value.to_string(), |sentence| sentence.message),
                })
            }
            Value::Number(number) => Some(Self::plain(number.to_string())),
        }
    }
}

/// Where a validator found the mistake, which its sentence does not say.
///
/// Input:  `{"loc": ["body", "messages", 1, "name"], "msg": "Field required"}`
/// Output: `body.messages.1.name: `
fn at(error: &Map<String, Value>) -> String {
    let Some(Value::Array(steps)) = error.get("loc") else {
        return String::new();
    };
    let step = |step: &Value| match step {
        Value::String(name) => name.clone(),
        step => step.to_string(),
    };
    let path: Vec<String> = steps.iter().map(step).collect();
    path.join(".") + ": "
}

/// Whether it means "no error": services have the keys beside every answer.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_so) => !is_so,
        Value::Number(number) => matches!(number.as_u64(), Some(0 | 200)),
        Value::String(text) => {
            let text = text.trim();
            let fine = ["", "0", "200", "ok", "success"];
            fine.iter().any(|fine| text.eq_ignore_ascii_case(fine))
        }
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

impl From<ServiceError> for ModelError {
    fn from(error: ServiceError) -> Self {
        let ServiceError {
            code,
            message,
            failed_generation,
        } = error;
        Self::StreamError {
            code,
            message,
            failed_generation,
            request_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::json;

    fn read(body: &Value) -> Option<(String, Option<String>)> {
        let error = ServiceError::of_body(body, false)?;
        Some((error.message, error.code))
    }

    #[test]
    fn the_sentence_and_the_code_are_found_at_any_position() {
        let raw = r#"{"error":{"message":"too long","type":"invalid_request_error"}}"#;
        for (body, message, code) in [
            (
                json!({"error": {"message": "no", "code": "bad"}}),
                "no",
                Some("bad"),
            ),
            (
                json!({"error": {"message": "no", "type": "bad"}}),
                "no",
                Some("bad"),
            ),
            (
                json!({"error": {"message": "no", "code": null}}),
                "no",
                None,
            ),
            (
                json!([{"error": {"message": "no", "code": 503, "status": "UNAVAILABLE"}}]),
                "no",
                Some("503"),
            ),
            (
                json!({"object": "error", "message": "no", "code": 400}),
                "no",
                Some("400"),
            ),
            (
                json!({"error": {"code": 400, "message": "no", "type": "exceed_context_size_error"}}),
                "no",
                Some("exceed_context_size_error"),
            ),
            (json!({"error": "no"}), "no", None),
            (
                json!({"error": r#"{"message": "no", "type": "bad"}"#}),
                "no",
                Some("bad"),
            ),
            (
                json!({"error": {"message": {"detail": "no"}, "code": "bad"}}),
                "no",
                Some("bad"),
            ),
            (
                json!({"error": {"message": NO_SENTENCE, "code": 400, "metadata": {"raw": raw}}}),
                "too long",
                Some("400"),
            ),
            (
                json!({"error": {"message": NO_SENTENCE, "code": 429, "metadata": {"raw": "wait"}}}),
                "wait",
                Some("429"),
            ),
            (json!({"detail": "no"}), "no", None),
            (
                json!({"detail": [{"loc": ["body", 1, "name"], "msg": "no", "type": "missing"}]}),
                "body.1.name: no",
                Some("missing"),
            ),
            (
                json!({"error": "no", "error_type": "generation"}),
                "no",
                Some("generation"),
            ),
            (
                json!({"Message": "no", "__type": "ValidationException"}),
                "no",
                Some("ValidationException"),
            ),
            (json!({"error": true, "message": "no"}), "no", None),
            (
                json!({"error": {"message": "no", "code": "bad"}, "message": "Bad Request"}),
                "no",
                Some("bad"),
            ),
            (
                json!({"error_message": "no", "error_code": 7}),
                "no",
                Some("7"),
            ),
            (
                json!({"code": "bad", "message": "no", "request_id": "r"}),
                "no",
                Some("bad"),
            ),
            (
                json!({"errors": [], "error": {"errors": [{"message": "no"}]}}),
                "no",
                None,
            ),
        ] {
            let expected = (message.to_owned(), code.map(str::to_owned));
            assert_eq!(read(&body), Some(expected), "{body}");
        }
        for none in [
            json!({}),
            json!({"error": null}),
            json!({"error": {}}),
            json!({"error": false}),
            json!({"error": 0}),
            json!({"error": {"code": 0, "message": "ok", "retryable": false}}),
            json!({"code": 0, "message": "Success"}),
            json!({"error_msg": "", "detail": {}}),
            json!({"usage": {"prompt_tokens": 1}, "code": "x", "message": "m"}),
            json!([]),
            json!("x"),
        ] {
            assert_eq!(read(&none), None, "{none}");
        }
    }

    #[test]
    fn beside_an_answer_only_an_error_object_is_an_error() {
        let sentence = |body: Value| ServiceError::of_body(&body, true).map(|error| error.message);
        assert_eq!(
            sentence(json!({"detail": "high", "message": "m", "code": 1})),
            None
        );
        assert_eq!(
            sentence(json!({"error": {"message": "no"}})),
            Some("no".to_owned())
        );
    }

    #[test]
    fn nested_errors_are_read_to_a_limited_depth() {
        let nest = |inner: Value, _| json!({"error": inner.to_string()});
        let deep = (0..6).fold(json!({"message": "no"}), nest);
        assert!(ServiceError::of(&deep).is_some());
    }
}
