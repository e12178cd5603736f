//! The rules the service enforces on a request, and its error texts.

mod choice;
mod messages;
mod responses;
mod strict;
mod tools;

pub(super) use responses::responses_request;

use tool_core::serde_json::{Map, Value, json};

/// The keys of a request body, in the published specification.
const KEYS: [&str; 37] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

/// A refusal, as the service words it.
#[derive(Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
}

impl ApiError {
    pub(super) fn invalid(message: impl Into<String>, param: Option<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
            param,
            code: None,
        }
    }

    pub(super) fn no_key() -> Self {
        let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth \
                       (i.e. Authorization: Bearer YOUR_KEY).";
        Self {
            status: 401,
            ..Self::invalid(message, None)
        }
    }

    pub(super) fn not_json() -> Self {
        Self::invalid("We could not parse the JSON body of your request.", None)
    }

    pub(super) fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code}})
    }
}

type Checked = Result<(), ApiError>;

fn refuse(param: impl Into<String>, message: impl Into<String>) -> Checked {
    Err(ApiError::invalid(message, Some(param.into())))
}

fn refuse_with(
    code: &'static str,
    param: impl Into<String>,
    message: impl Into<String>,
) -> Checked {
    Err(ApiError {
        code: Some(code),
        ..ApiError::invalid(message, Some(param.into()))
    })
}

/// Which keys of a message are known.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Dialect {
    OpenAi,
    /// A service that writes `reasoning_content` takes it back.
    Thinking,
}

/// Whether the service would take this body.
pub(super) fn request(body: &Value, dialect: Dialect) -> Checked {
    let Some(body) = body.as_object() else {
        return Err(ApiError::not_json());
    };
    if let Some(key) = body.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return refuse_with(
            "unknown_parameter",
            key,
            format!("Unknown parameter: '{key}'."),
        );
    }
    if body
        .get("model")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        return refuse("model", "you must provide a model parameter");
    }
    stream(body)?;
    tools::check(body)?;
    choice::check(body)?;
    match body.get("messages") {
        None => refuse("messages", "Missing required parameter: 'messages'."),
        Some(Value::Array(messages)) if messages.is_empty() => empty_array("messages"),
        Some(Value::Array(messages)) => messages::check(messages, dialect),
        Some(other) => wrong_type("messages", "an array of objects", other),
    }
}

fn stream(body: &Map<String, Value>) -> Checked {
    let is_stream = match body.get("stream") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(stream)) => *stream,
        Some(other) => return wrong_type("stream", "a boolean", other),
    };
    match body.get("stream_options") {
        None | Some(Value::Null) => Ok(()),
        Some(_) if !is_stream => refuse(
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        Some(options @ Value::Object(_)) => known_keys(
            "stream_options",
            options,
            &["include_usage", "include_obfuscation"],
        ),
        Some(other) => wrong_type("stream_options", "an object", other),
    }
}

/// The service takes no key that the specification does not list.
fn known_keys(path: &str, object: &Value, known: &[&str]) -> Checked {
    let unknown = object
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .find(|key| !known.contains(&key.as_str()));
    unknown.map_or(Ok(()), |key| {
        refuse_with(
            "unknown_parameter",
            format!("{path}.{key}"),
            format!("Unknown parameter: '{path}.{key}'."),
        )
    })
}

fn name(path: &str, name: Option<&Value>) -> Checked {
    name_within(64, path, name)
}

fn name_within(longest: usize, path: &str, name: Option<&Value>) -> Checked {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match name.map(Value::as_str) {
        None => missing(path),
        Some(None) => wrong_type(path, "a string", name.unwrap_or(&Value::Null)),
        Some(Some("")) => refuse_with(
            "empty_string",
            path,
            format!(
                "Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead."
            ),
        ),
        Some(Some(name)) if name.len() > longest => {
            let message = format!(
                "Invalid '{path}': string too long. Expected a string with maximum length {longest}, but got a string with length {} instead.",
                name.len()
            );
            refuse_with("string_above_max_length", path, message)
        }
        Some(Some(name)) if !name.chars().all(legal) => {
            let message = format!(
                "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            );
            refuse_with("invalid_value", path, message)
        }
        Some(Some(_)) => Ok(()),
    }
}

fn empty_array(path: &str) -> Checked {
    let message = format!(
        "Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    );
    refuse_with("empty_array", path, message)
}

fn wrong_type(path: &str, expected: &str, got: &Value) -> Checked {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    refuse_with(
        "invalid_type",
        path,
        format!("Invalid type for '{path}': expected {expected}, but got {got} instead."),
    )
}

fn missing(path: &str) -> Checked {
    refuse_with(
        "missing_required_parameter",
        path,
        format!("Missing required parameter: '{path}'."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_options_are_checked() {
        let refusal = |rest: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            body.as_object_mut()
                .unwrap()
                .extend(rest.as_object().unwrap().clone());
            request(&body, Dialect::OpenAi)
                .err()
                .map(|error| error.message)
        };
        assert_eq!(
            refusal(json!({"stream": true, "stream_options": {"include_usage": true}})),
            None
        );
        assert_eq!(
            refusal(json!({"stream": null, "stream_options": null})),
            None
        );
        for (rest, expected) in [
            (
                json!({"stream_options": {"include_usage": true}}),
                "only allowed when 'stream' is enabled",
            ),
            (
                json!({"stream": "yes"}),
                "expected a boolean, but got a string",
            ),
            (
                json!({"stream": true, "stream_options": {"usage": true}}),
                "Unknown parameter: 'stream_options.usage'",
            ),
            (
                json!({"stream": true, "stream_options": true}),
                "expected an object, but got a boolean",
            ),
            (json!({"temprature": 1}), "Unknown parameter: 'temprature'"),
        ] {
            let refused = refusal(rest.clone()).unwrap_or_default();
            assert!(refused.contains(expected), "{rest}: {refused}");
        }
    }
}
