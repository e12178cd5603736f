//! A message of the scripted model as the Responses API writes it, whole or as events.

use tool_core::serde_json::{Value, json};

use super::completion::{Head, pieces};
use super::script::Spoken;

/// The body of a response.
pub(super) fn whole(head: &Head<'_>, spoken: &Spoken) -> Value {
    let (read, written) = head.tokens(spoken);
    let mut response = begun(head);
    response["status"] = json!("completed");
    if let Some(reason) = cut(spoken) {
        response["status"] = json!("incomplete");
        response["incomplete_details"] = json!({"reason": reason});
    }
    response["output"] = items(head, spoken).into();
    response["usage"] = json!({
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    });
    response
}

/// The same as the events of a stream.
pub(super) fn events(head: &Head<'_>, spoken: &Spoken) -> Vec<Value> {
    let mut events = vec![json!({"type": "response.created", "response": begun(head)})];
    events.push(json!({"type": "response.in_progress", "response": begun(head)}));
    for (index, item) in items(head, spoken).into_iter().enumerate() {
        let place = json!({"item_id": item["id"], "output_index": index});
        events.push(json!({"type": "response.output_item.added", "output_index": index, "item": empty(&item)}));
        events.extend(parts(&item).into_iter().map(|event| joined(event, &place)));
        events.push(
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
    }
    let response = whole(head, spoken);
    let kind = if response["status"] == "completed" {
        "response.completed"
    } else {
        "response.incomplete"
    };
    events.push(json!({"type": kind, "response": response}));
    let number =
        |(number, event): (usize, Value)| joined(event, &json!({"sequence_number": number}));
    events.into_iter().enumerate().map(number).collect()
}

/// What a service answers that fails on the way.
pub(super) fn failed(head: &Head<'_>, error: &Value) -> Value {
    let mut response = begun(head);
    response["status"] = json!("failed");
    response["error"] =
        json!({"code": error["error"]["code"], "message": error["error"]["message"]});
    response
}

/// The same in a stream.
pub(super) fn error(error: &Value) -> Value {
    json!({"type": "error", "code": error["error"]["code"], "message": error["error"]["message"], "param": null, "sequence_number": 0})
}

/// A response of which nothing is written yet.
fn begun(head: &Head<'_>) -> Value {
    json!({
        "id": format!("resp_scripted{}", head.number),
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "model": head.request.model,
        "output": [],
        "parallel_tool_calls": true,
        "tools": [],
        "tool_choice": "auto",
        "temperature": 1.0,
        "top_p": 1.0,
        "metadata": {},
    })
}

fn cut(spoken: &Spoken) -> Option<&'static str> {
    match spoken.finish_reason.as_deref() {
        Some("length") => Some("max_output_tokens"),
        Some("content_filter") => Some("content_filter"),
        _ => None,
    }
}

fn items(head: &Head<'_>, spoken: &Spoken) -> Vec<Value> {
    let id = |kind: &str, position: usize| format!("{kind}_{:012}{position:012}", head.number);
    let reasoning = spoken.reasoning.iter().map(|text| {
        let summary = json!([{"type": "summary_text", "text": text}]);
        json!({"type": "reasoning", "id": id("rs", 0), "summary": summary, "encrypted_content": id("scripted", 0)})
    });
    let message_item = |content: Value| json!({"type": "message", "id": id("msg", 0), "role": "assistant", "status": "completed", "content": [content]});
    let text = spoken.text.iter().map(|text| {
        message_item(
            json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
        )
    });
    let refusal = spoken
        .refusal
        .iter()
        .map(|refusal| message_item(json!({"type": "refusal", "refusal": refusal})));
    let calls = spoken.calls.iter().enumerate().map(|(position, (name, arguments))| {
        let call_id = head.call_id(position);
        if head.is_custom(name) {
            json!({"type": "custom_tool_call", "id": id("ctc", position), "call_id": call_id, "name": name, "input": arguments})
        } else {
            let status = "completed";
            json!({"type": "function_call", "id": id("fc", position), "call_id": call_id, "name": name, "arguments": arguments, "status": status})
        }
    });
    let mut items: Vec<Value> = reasoning.chain(text).chain(refusal).chain(calls).collect();
    if cut(spoken).is_some()
        && let Some(status) = items.last_mut().and_then(|item| item.get_mut("status"))
    {
        *status = json!("incomplete");
    }
    items
}

/// An item of which nothing is written yet.
fn empty(item: &Value) -> Value {
    let mut empty = item.clone();
    for (key, nothing) in [
        ("status", json!("in_progress")),
        ("arguments", json!("")),
        ("input", json!("")),
        ("content", json!([])),
    ] {
        if let Some(value) = empty.get_mut(key) {
            *value = nothing;
        }
    }
    if let Some(summary) = empty.get_mut("summary") {
        *summary = json!([]);
    }
    empty
}

/// The delta events between an item's beginning and its end.
fn parts(item: &Value) -> Vec<Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match item["type"].as_str().unwrap_or_default() {
        "function_call" => {
            let done = json!({"arguments": item["arguments"], "name": item["name"]});
            delta_events(
                "response.function_call_arguments",
                &text(&item["arguments"]),
                done,
                &json!({}),
            )
        }
        "custom_tool_call" => delta_events(
            "response.custom_tool_call_input",
            &text(&item["input"]),
            json!({"input": item["input"]}),
            &json!({}),
        ),
        "reasoning" => {
            let part = &item["summary"][0];
            let inner = |at: &Value| {
                delta_events(
                    "response.reasoning_summary_text",
                    &text(&part["text"]),
                    json!({"text": part["text"]}),
                    at,
                )
            };
            framed(
                "response.reasoning_summary_part",
                part,
                "text",
                &json!({"summary_index": 0}),
                inner,
            )
        }
        _ => {
            let (part, at) = (&item["content"][0], json!({"content_index": 0}));
            if part["type"] == "refusal" {
                let inner = |at: &Value| {
                    delta_events(
                        "response.refusal",
                        &text(&part["refusal"]),
                        json!({"refusal": part["refusal"]}),
                        at,
                    )
                };
                framed("response.content_part", part, "refusal", &at, inner)
            } else {
                let at_text = json!({"content_index": 0, "logprobs": []});
                let inner = |_: &Value| {
                    delta_events(
                        "response.output_text",
                        &text(&part["text"]),
                        json!({"text": part["text"]}),
                        &at_text,
                    )
                };
                framed("response.content_part", part, "text", &at, inner)
            }
        }
    }
}

/// The text in pieces, and then whole.
fn delta_events(kind: &str, text: &str, done: Value, at: &Value) -> Vec<Value> {
    let deltas = pieces(text)
        .map(|delta| joined(json!({"type": format!("{kind}.delta"), "delta": delta}), at));
    let done = joined(joined(json!({"type": format!("{kind}.done")}), &done), at);
    deltas.chain([done]).collect()
}

/// A part with nothing under `key`, its delta events, and the whole part.
fn framed(
    kind: &str,
    part: &Value,
    key: &str,
    at: &Value,
    inner: impl FnOnce(&Value) -> Vec<Value>,
) -> Vec<Value> {
    let mut nothing = part.clone();
    nothing[key] = json!("");
    let event = |word: &str, part: &Value| {
        joined(json!({"type": format!("{kind}.{word}"), "part": part}), at)
    };
    let (added, done) = (event("added", &nothing), event("done", part));
    [added].into_iter().chain(inner(at)).chain([done]).collect()
}

/// An object with the keys of another behind its own.
fn joined(mut object: Value, more: &Value) -> Value {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
    object
}
