//! A message of the mock model in the chat completions format, whole or in chunks.

use tool_core::serde_json::{Map, Value, json};

use super::script::Spoken;
use crate::chat::{Request, Tool};

/// What all chunks of one answer have in common with the answer as a whole.
pub(super) struct Head<'a> {
    /// Counts the answers of the server.
    pub(super) number: usize,
    pub(super) request: &'a Request,
    /// How long the request was.
    pub(super) bytes: usize,
}

impl Head<'_> {
    fn object(&self, kind: &str, rest: Value) -> Value {
        let mut object = json!({
            "id": format!("chatcmpl-scripted{}", self.number),
            "object": kind,
            "created": 0,
            "model": self.request.model,
        });
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        object
    }

    /// Estimates: a token for every four bytes.
    pub(super) fn tokens(&self, message: &Spoken) -> (usize, usize) {
        let texts = [&message.reasoning, &message.text, &message.refusal];
        let calls = message
            .calls
            .iter()
            .map(|(name, arguments)| name.len() + arguments.len() + 8);
        let written: usize = texts
            .into_iter()
            .flatten()
            .map(String::len)
            .chain(calls)
            .sum();
        (self.bytes.div_ceil(4), written.div_ceil(4))
    }

    fn usage(&self, message: &Spoken) -> Value {
        let (read, written) = self.tokens(message);
        json!({"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written})
    }

    pub(super) fn call_id(&self, position: usize) -> String {
        format!("call_{:012}{position:012}", self.number)
    }

    pub(super) fn is_custom(&self, name: &str) -> bool {
        let is_it = |tool: &Tool| {
            tool.custom
                .as_ref()
                .is_some_and(|custom| custom.name == name)
        };
        self.request.tools.iter().any(is_it)
    }

    /// An entry of `tool_calls`.
    fn call(&self, position: usize, name: &str, arguments: &str) -> Value {
        let id = self.call_id(position);
        if self.is_custom(name) {
            json!({"id": id, "type": "custom", "custom": {"name": name, "input": arguments}})
        } else {
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        }
    }
}

/// The body of a completion.
pub(super) fn whole(head: &Head<'_>, spoken: &Spoken) -> Value {
    let mut message = json!({"role": "assistant", "content": spoken.text, "refusal": spoken.refusal, "annotations": []});
    if let Some(reasoning) = &spoken.reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    if !spoken.calls.is_empty() {
        let calls = spoken
            .calls
            .iter()
            .enumerate()
            .map(|(position, (name, arguments))| head.call(position, name, arguments));
        message["tool_calls"] = calls.collect();
    }
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(spoken)});
    head.object(
        "chat.completion",
        json!({"choices": [choice], "usage": head.usage(spoken), "system_fingerprint": null}),
    )
}

/// The same in chunks.
pub(super) fn chunks(head: &Head<'_>, spoken: &Spoken) -> Vec<Value> {
    let include_usage = head
        .request
        .extra
        .get("stream_options")
        .is_some_and(|options| options["include_usage"] == true);
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut rest = Map::from_iter([("choices".to_owned(), choices)]);
        if include_usage {
            rest.insert("usage".to_owned(), usage.into());
        }
        head.object("chat.completion.chunk", Value::Object(rest))
    };
    let choice = |delta: Value, finish_reason: Option<&str>| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
    let deltas = deltas(head, spoken)
        .into_iter()
        .map(|delta| chunk(choice(delta, None), None));
    let last = chunk(choice(json!({}), Some(finish_reason(spoken))), None);
    let usage = include_usage.then(|| chunk(json!([]), Some(head.usage(spoken))));
    deltas.chain([last]).chain(usage).collect()
}

fn deltas(head: &Head<'_>, spoken: &Spoken) -> Vec<Value> {
    let content = if spoken.text.is_some() {
        json!("")
    } else {
        Value::Null
    };
    let mut deltas = vec![json!({"role": "assistant", "content": content, "refusal": null})];
    for (key, text) in [
        ("reasoning_content", &spoken.reasoning),
        ("content", &spoken.text),
        ("refusal", &spoken.refusal),
    ] {
        deltas.extend(
            text.iter()
                .flat_map(|text| pieces(text))
                .map(|piece| json!({key: piece})),
        );
    }
    for (index, (name, arguments)) in spoken.calls.iter().enumerate() {
        let mut first = head.call(index, name, "");
        first["index"] = json!(index);
        let (kind, key) = if head.is_custom(name) {
            ("custom", "input")
        } else {
            ("function", "arguments")
        };
        let more = pieces(arguments)
            .map(|piece| json!({"tool_calls": [{"index": index, kind: {key: piece}}]}));
        deltas.push(json!({"tool_calls": [first]}));
        deltas.extend(more);
    }
    deltas
}

fn finish_reason(spoken: &Spoken) -> &str {
    let usual = if spoken.calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    };
    spoken.finish_reason.as_deref().unwrap_or(usual)
}

/// The text in pieces of eight characters.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .nth(8)
            .map_or(rest.len(), |(end, _)| end);
        let (piece, more) = rest.split_at(end);
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fragments_join_to_the_text() {
        for text in ["", "1234567", "12345678", "123456789", "äöüß€🦀äöüß€🦀"] {
            assert_eq!(pieces(text).collect::<String>(), text);
            assert!(pieces(text).all(|piece| piece.chars().count() <= 8));
        }
    }
}
