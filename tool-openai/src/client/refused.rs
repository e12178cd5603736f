//! What a service does not take back of what its models said: it is left out, and the request sent
//! once more.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tool_core::serde_json::{Map, Value};

use super::retry::Failure;
use super::service::{Answer, Pace, Service};
use crate::chat::{self, Message, answer_results, replace_ids};
use crate::error::ModelError;
use crate::model::RequestRepair;
use crate::profile::{Profile, THOUGHTS};
use crate::responses;

/// How many changes are made to a request: a refusal names one thing at a time.
const MOST_REPAIRS: usize = 8;

/// What a service has refused so far. Later requests come without it.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<Parts>);

/// Parts of requests.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Keys of what models said.
    keys: HashSet<String>,
    /// Ids of calls of any form but that of [`Profile::mistral`].
    ids: bool,
    /// A user behind results.
    roles: bool,
    /// Thoughts that the service cannot read, as they are written.
    thoughts: HashSet<String>,
}

impl Refused {
    fn known(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request without what was refused before. If the service refuses it because of
    /// something that it can do without, it is sent again; what that was is kept if it helps.
    pub(super) async fn send(
        &self,
        request: &mut impl Request,
        service: &Service,
        pace: Pace,
    ) -> Result<Answer, Failure> {
        request.leave_out(&self.known());
        let (mut left_out, mut repairs) = (Parts::default(), Vec::new());
        loop {
            let failure = match service.post(request, pace).await {
                Ok(answer) => {
                    self.known().add(left_out);
                    return Ok(answer.with_repairs(repairs));
                }
                Err(failure) => failure,
            };
            let named = named(&failure.error, request);
            let more = request.leave_out(&named);
            if more.is_empty() || repairs.len() >= MOST_REPAIRS {
                return Err(failure);
            }
            left_out.add(named);
            repairs.extend(more);
        }
    }
}

impl Parts {
    fn add(&mut self, more: Self) {
        self.keys.extend(more.keys);
        self.ids |= more.ids;
        self.roles |= more.roles;
        self.thoughts.extend(more.thoughts);
    }
}

/// A request that can do without parts of what models said.
pub(super) trait Request: Serialize + Sync {
    /// Where it goes: a path below the base URL.
    const PATH: &str;

    /// The model that is asked.
    fn model(&self) -> &str;

    /// Keys that can be left out.
    fn keys(&self) -> HashSet<String>;

    /// What models thought, as it is written.
    fn thoughts(&self) -> HashSet<String>;

    /// Leaves out what is in it of these, and says what that was.
    fn leave_out(&mut self, parts: &Parts) -> Vec<RequestRepair>;
}

/// The parts of a request that a refusal is about.
fn named(error: &ModelError, request: &impl Request) -> Parts {
    const UNKNOWN: [&str; 11] = [
        "additional",
        "extra",
        "not allowed",
        "not permitted",
        "not supported",
        "too long",
        "unexpected",
        "unknown",
        "unrecognized",
        "unsupported",
        "should not",
    ];
    const IDS: [&str; 5] = [
        "call id",
        "call_id",
        "tool_calls",
        "tool_use.id",
        "tool_use_id",
    ];
    const FORMS: [&str; 5] = ["too long", "maximum length", "length of", "pattern", "a-z"];
    const ROLES: [&str; 2] = ["after role", "must alternate"];
    const THOUGHT: [&str; 4] = ["encrypted", "signature", "thinking", "thought"];
    const UNREADABLE: [&str; 7] = [
        "could not be",
        "corrupt",
        "decrypt",
        "invalid",
        "not be modified",
        "not valid",
        "verif",
    ];
    let ModelError::Status {
        status: 400 | 422,
        message,
        code,
        ..
    } = error
    else {
        return Parts::default();
    };
    let lower = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let is_secret = code.as_deref() == Some("invalid_encrypted_content");
    // Others refuse a request in which such a key is missing.
    let keys = request.keys().into_iter();
    let keys = keys.filter(|key| has(&UNKNOWN) && has_word(message, key));
    Parts {
        keys: keys.collect(),
        ids: has(&IDS) && has(&FORMS),
        roles: has(&ROLES),
        thoughts: match is_secret || has(&THOUGHT) && has(&UNREADABLE) {
            true => request.thoughts(),
            false => HashSet::new(),
        },
    }
}

/// Whether a text has this word in it, not only as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// The keys of a message that models wrote, and those of its calls.
fn extras(messages: &mut [Message]) -> impl Iterator<Item = &mut Map<String, Value>> {
    let assistants = messages.iter_mut().filter_map(|message| match message {
        Message::Assistant(message) => Some(message),
        _ => None,
    });
    assistants.flat_map(|message| {
        let calls = message.tool_calls.iter_mut().flat_map(|call| {
            let custom = call.custom.as_mut().map(|custom| &mut custom.extra);
            [&mut call.extra, &mut call.function.extra]
                .into_iter()
                .chain(custom)
        });
        std::iter::once(&mut message.extra).chain(calls)
    })
}

impl Request for chat::Request {
    const PATH: &str = "chat/completions";

    fn model(&self) -> &str {
        &self.model
    }

    fn keys(&self) -> HashSet<String> {
        let mut messages = self.messages.clone();
        extras(&mut messages)
            .flat_map(|extra| extra.keys().cloned())
            .collect()
    }

    fn thoughts(&self) -> HashSet<String> {
        let mut messages = self.messages.clone();
        let thoughts = extras(&mut messages).flat_map(|extra| extra.iter());
        let thoughts = thoughts.filter(|(key, _)| THOUGHTS.contains(&key.as_str()));
        thoughts.map(|(_, value)| value.to_string()).collect()
    }

    fn leave_out(&mut self, parts: &Parts) -> Vec<RequestRepair> {
        let mut repairs = Repairs::default();
        for extra in extras(&mut self.messages) {
            extra.retain(|key, value| {
                let is_unreadable = !parts.thoughts.is_empty()
                    && THOUGHTS.contains(&key.as_str())
                    && parts.thoughts.contains(&value.to_string());
                repairs.keeps(parts, key, is_unreadable)
            });
        }
        let mistral = Profile::mistral();
        let takes = |id: &str| !parts.ids || mistral.takes_id(id);
        if replace_ids(&mut self.messages, &mistral, takes) {
            repairs.add(RequestRepair::IdsReplaced);
        }
        let before = self.messages.len();
        if parts.roles {
            answer_results(&mut self.messages);
        }
        if self.messages.len() > before {
            repairs.add(RequestRepair::RolesAlternated);
        }
        repairs.0
    }
}

/// Keys of items that say what they are.
const NEEDED: [&str; 11] = [
    "arguments",
    "call_id",
    "content",
    "encrypted_content",
    "input",
    "name",
    "output",
    "role",
    "summary",
    "text",
    "type",
];

impl Request for responses::Request {
    const PATH: &str = "responses";

    fn model(&self) -> &str {
        &self.model
    }

    fn keys(&self) -> HashSet<String> {
        let keys = self.input.iter().flat_map(|item| item.0.keys());
        let keys = keys.filter(|key| !NEEDED.contains(&key.as_str()));
        keys.cloned().collect()
    }

    fn thoughts(&self) -> HashSet<String> {
        let secrets = self.input.iter().map(|item| item.str("encrypted_content"));
        let secrets = secrets.filter(|secret| !secret.is_empty());
        secrets.map(str::to_owned).collect()
    }

    fn leave_out(&mut self, parts: &Parts) -> Vec<RequestRepair> {
        let mut repairs = Repairs::default();
        let before = self.input.len();
        self.input
            .retain(|item| !parts.thoughts.contains(item.str("encrypted_content")));
        if self.input.len() < before {
            repairs.add(RequestRepair::ReasoningLeftOut);
            // They refer to what was thought before them.
            self.input
                .iter_mut()
                .for_each(|item| drop(item.0.remove("id")));
        }
        for item in &mut self.input {
            item.0.retain(|key, _| {
                NEEDED.contains(&key.as_str()) || repairs.keeps(parts, key, false)
            });
        }
        repairs.0
    }
}

#[derive(Default)]
struct Repairs(Vec<RequestRepair>);

impl Repairs {
    fn add(&mut self, repair: RequestRepair) {
        if !self.0.contains(&repair) {
            self.0.push(repair);
        }
    }

    /// Whether a key stays; notes it if it does not.
    fn keeps(&mut self, parts: &Parts, key: &str, is_unreadable: bool) -> bool {
        if is_unreadable {
            self.add(RequestRepair::ReasoningLeftOut);
        }
        let is_refused = parts.keys.contains(key);
        if is_refused {
            self.add(RequestRepair::KeyLeftOut {
                key: key.to_owned(),
            });
        }
        !is_unreadable && !is_refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{from_value, json, to_value};

    fn refusal(message: &str) -> ModelError {
        ModelError::Status {
            status: 400,
            code: None,
            message: message.to_owned(),
            request_id: None,
        }
    }

    fn repaired(request: &mut impl Request, message: &str) -> Vec<String> {
        let parts = named(&refusal(message), request);
        let repairs = request.leave_out(&parts);
        repairs.iter().map(ToString::to_string).collect()
    }

    fn chat() -> chat::Request {
        let call = json!({"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}, "extra_content": {"s": 1}});
        from_value(json!({"model": "m", "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [call], "reasoning_content": "r", "reasoning": "r"},
            {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
            {"role": "user", "content": "thanks"},
        ]}))
        .unwrap()
    }

    #[test]
    fn what_a_refusal_names_is_left_out() {
        for (message, expected) in [
            (
                "property 'reasoning_content' is unsupported",
                &["key `reasoning_content` left out"][..],
            ),
            (
                "messages.1.reasoning: Extra inputs are not permitted",
                &["key `reasoning` left out"],
            ),
            (
                "Unknown parameter: 'messages[1].tool_calls[0].extra_content'.",
                &["key `extra_content` left out"],
            ),
            (
                "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
                &["ids of calls replaced"],
            ),
            (
                "Invalid 'messages[1].tool_calls[0].id': string too long.",
                &["ids of calls replaced"],
            ),
            (
                "Invalid `signature` in `thinking` block",
                &["encrypted reasoning left out"],
            ),
            (
                "Unexpected role 'user' after role 'tool'",
                &["a word of the model put between results and the user"],
            ),
            ("reasoning_content is missing in message 1", &[]),
            (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
                &[],
            ),
            ("Function call is missing a thought_signature", &[]),
        ] {
            assert_eq!(repaired(&mut chat(), message), expected, "{message}");
        }
        let mut request = chat();
        repaired(
            &mut request,
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
        );
        let messages = to_value(&request.messages).unwrap();
        let id = &messages[1]["tool_calls"][0]["id"];
        assert_eq!(
            (id.as_str().unwrap().len(), &messages[2]["tool_call_id"]),
            (9, id)
        );
    }

    #[test]
    fn items_are_sent_again_without_what_is_refused_of_them() {
        let request = || -> responses::Request {
            from_value(json!({"model": "m", "input": [
                {"type": "message", "role": "user", "content": "hi"},
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
                {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "now", "arguments": "{}", "namespace": "n"},
            ]}))
            .unwrap()
        };
        for (message, expected, ids) in [
            (
                "The encrypted content for item rs_1 could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
                "encrypted reasoning left out",
                0,
            ),
            (
                "Invalid 'input[2].id': string too long.",
                "key `id` left out",
                0,
            ),
            (
                "Unknown parameter: 'input[2].namespace'.",
                "key `namespace` left out",
                2,
            ),
        ] {
            let mut request = request();
            assert_eq!(repaired(&mut request, message), [expected]);
            let left = request
                .input
                .iter()
                .filter(|item| item.0.contains_key("id"));
            assert_eq!(left.count(), ids, "{message}");
        }
    }
}
