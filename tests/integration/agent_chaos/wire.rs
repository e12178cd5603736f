//! Rules of services for the messages of a request, taken from their error responses.

use std::collections::HashSet;

use serde_json::Value;

/// What a service would not take.
pub(super) fn faults(messages: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut at = 0;
    while at < messages.len() {
        let message = &messages[at];
        let place = at;
        let mut wrong = |what: String| faults.push(format!("message {place}: {what}: {message}"));
        at += 1;
        match message["role"].as_str() {
            Some("user") => {
                if message["content"].as_str().is_none_or(str::is_empty) {
                    wrong("says nothing".to_owned());
                }
            }
            Some("assistant") => {
                assistant(message).into_iter().for_each(&mut wrong);
                let calls = message["tool_calls"]
                    .as_array()
                    .map_or(&[][..], Vec::as_slice);
                for call in calls {
                    let Some(answer) = messages.get(at).filter(|next| next["role"] == "tool")
                    else {
                        wrong(format!("{} is not answered", call["id"]));
                        break;
                    };
                    if answer["tool_call_id"] != call["id"] {
                        wrong(format!(
                            "{} is answered as {}",
                            call["id"], answer["tool_call_id"]
                        ));
                    }
                    if !answer["content"].is_string() || answer.as_object().unwrap().len() != 3 {
                        wrong(format!("the answer has the wrong form: {answer}"));
                    }
                    at += 1;
                }
            }
            Some("tool") => wrong("answers nothing".to_owned()),
            _ => wrong("role".to_owned()),
        }
    }
    faults
}

fn assistant(message: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for key in message.as_object().unwrap().keys() {
        if !["role", "content", "tool_calls"].contains(&key.as_str()) {
            wrong.push(format!("key `{key}`"));
        }
    }
    let calls = &message["tool_calls"];
    let has_calls = !calls.is_null();
    match &message["content"] {
        Value::Null if has_calls => {}
        Value::String(text) if !text.is_empty() => {}
        Value::Array(parts)
            if !parts.is_empty() && parts.iter().all(|part| part["type"].is_string()) => {}
        _ => wrong.push("content".to_owned()),
    }
    if !has_calls {
        return wrong;
    }
    let Some(calls) = calls.as_array().filter(|calls| !calls.is_empty()) else {
        wrong.push("`tool_calls` is not a list with calls in it".to_owned());
        return wrong;
    };
    let mut ids = HashSet::new();
    for call in calls {
        let id = call["id"].as_str().unwrap_or_default();
        if id.is_empty() || !ids.insert(id) {
            wrong.push(format!("id `{id}` is missing or repeated"));
        }
        let kind = call["type"].as_str().unwrap_or_default();
        let (name, keys) = (
            call[kind]["name"].as_str().unwrap_or_default(),
            call.as_object().unwrap().len(),
        );
        let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_legal) || keys != 3 {
            wrong.push(format!("the call has the wrong form: {call}"));
        }
        let is_object =
            |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
        let is_whole = match kind {
            "function" => call[kind]["arguments"].as_str().is_some_and(is_object),
            "custom" => call[kind]["input"].is_string(),
            _ => false,
        };
        if !is_whole {
            wrong.push(format!("arguments: {call}"));
        }
    }
    wrong
}
