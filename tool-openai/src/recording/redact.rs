//! What is left of an event without contents: what spans show, and no more.
//!
//! Events keep their shape, so that they are read back like others: texts are empty.

use serde_json::{Error, Value, json};

use crate::agent::AgentEvent;

/// The event as it serialises, without contents.
pub(super) fn event(event: &AgentEvent) -> Result<Value, Error> {
    let mut value = serde_json::to_value(event)?;
    let data = &mut value["data"];
    match event {
        // Spans show all of these.
        AgentEvent::TurnStarted { .. }
        | AgentEvent::ToolsLeftOut(_)
        | AgentEvent::RequestRepaired(_)
        | AgentEvent::RequestRetried(_)
        | AgentEvent::ToolCallStarted { .. } => {}
        AgentEvent::HistoryRepaired(_) => each(data, |repair| {
            for key in ["id", "given"] {
                if let Some(value) = repair["change"].get_mut(key) {
                    *value = "…".into();
                }
            }
        }),
        AgentEvent::Text(_) | AgentEvent::Thinking(_) | AgentEvent::Refusal(_) => {
            *data = "".into();
        }
        AgentEvent::ToolCallDelta { .. } => data["delta"] = "".into(),
        AgentEvent::ToolCallReady { .. } => call(&mut data["call"]),
        AgentEvent::ToolCallsReady(_) => each(data, call),
        AgentEvent::Progress(_) => data["message"] = "".into(),
        AgentEvent::Result(_) => result(data),
        AgentEvent::Results(_) => each(data, result),
        AgentEvent::Usage(_) => usage(data),
        AgentEvent::Reply(_) => reply(data),
    }
    Ok(value)
}

/// A [`Reply`](crate::Reply) without contents. A suspended run keeps no conversation, and cannot be
/// resumed.
pub(super) fn reply(reply: &mut Value) {
    reply["text"] = "".into();
    usage(&mut reply["usage"]);
    if let Some(suspended) = reply["outcome"].get_mut("data") {
        each(&mut suspended["results"], result);
        usage(&mut suspended["usage"]);
        keep(suspended, &["version", "results", "turns", "usage"]);
        suspended["history"] = json!({"version": 1, "messages": []});
        suspended["message"] = json!({});
        suspended["fingerprint"] = "".into();
    }
}

fn call(call: &mut Value) {
    call["arguments"] = "".into();
}

fn result(result: &mut Value) {
    keep(
        result,
        &[
            "version",
            "id",
            "name",
            "position",
            "output",
            "error",
            "queued_at_us",
            "started_after_ns",
            "finished_after_ns",
            "held",
        ],
    );
    call(result);
    if let Some(output) = result.get_mut("output") {
        *output = json!([{"type": "text", "text": ""}]);
    }
    if let Some(error) = result.get_mut("error") {
        keep(error, &["code", "tool", "fatal"]);
        error["message"] = "".into();
    }
    if let Some(held) = result.get_mut("held") {
        keep(held, &["behind"]);
        held["definition"] = "".into();
        held["run"] = json!({"unnamed": ""});
    }
}

fn usage(usage: &mut Value) {
    keep(
        usage,
        &["prompt_tokens", "completion_tokens", "total_tokens"],
    );
}

fn each(list: &mut Value, change: impl Fn(&mut Value)) {
    list.as_array_mut().into_iter().flatten().for_each(change);
}

/// Removes all other fields.
fn keep(object: &mut Value, fields: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|field, _| fields.contains(&field.as_str()));
    }
}
