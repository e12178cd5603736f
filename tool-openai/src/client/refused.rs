//! Parts of earlier answers that a provider refuses in a request: they are removed, and the request
//! is sent once more.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};
use tool_core::serde_json::{Map, Value, json};

use super::answer::Answer;
use super::retry::Failure;
use super::service::{Pace, Service};
use crate::chat::{self, Message, answer_results, replace_ids};
use crate::error::ModelError;
use crate::model::RequestRepair;
use crate::profile::{Profile, REASONING_KEYS};
use crate::responses::{self, Item};

/// How many changes are made to a request: a refusal names one thing at a time.
const MOST_REPAIRS: usize = 8;

/// What a service has refused so far for each model. Later requests come without it.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<HashMap<String, Parts>>);

/// Parts of requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// Keys of earlier answers.
    keys: HashSet<String>,
    /// Ids of calls of any form but that of [`Profile::mistral`].
    ids: bool,
    /// A user behind results.
    roles: bool,
    /// Reasoning that the service cannot read, by its hash.
    reasoning: HashSet<u64>,
}

impl Refused {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Parts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request without what was refused before. If the service refuses it because of
    /// something that it can do without, it is sent again; what the last refusal was about is kept
    /// if that helps.
    pub(super) async fn send(
        &self,
        request: &mut impl Request,
        service: &Service,
        pace: Pace,
    ) -> Result<Answer, Failure> {
        let known = self.known().get(request.model()).cloned();
        request.leave_out(&known.unwrap_or_default());
        let (mut refused, mut repairs) = (None, Vec::new());
        loop {
            let failure = match service.post(request, pace).await {
                Ok(answer) => {
                    if let Some(refused) = refused {
                        let mut known = self.known();
                        known
                            .entry(request.model().to_owned())
                            .or_default()
                            .add(refused);
                    }
                    return Ok(answer.with_repairs(repairs));
                }
                Err(failure) => failure,
            };
            let parts = refused_parts(&failure.error, request);
            let more = request.leave_out(&parts);
            if more.is_empty() || repairs.len() >= MOST_REPAIRS {
                return Err(failure);
            }
            refused = Some(parts);
            repairs.extend(more);
        }
    }
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.ids && !self.roles && self.reasoning.is_empty()
    }

    fn add(&mut self, more: Self) {
        self.keys.extend(more.keys);
        self.ids |= more.ids;
        self.roles |= more.roles;
        self.reasoning.extend(more.reasoning);
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A request from which parts of earlier answers can be removed.
pub(super) trait Request: Serialize + Sync {
    /// Its path below the base URL.
    const PATH: &'static str;

    /// The model that is asked.
    fn model(&self) -> &str;

    /// Keys that can be left out.
    fn keys(&self) -> HashSet<String>;

    /// The hashes of models' reasoning.
    fn reasoning(&self) -> HashSet<u64>;

    /// Removes these, and returns what was removed.
    fn leave_out(&mut self, parts: &Parts) -> Vec<RequestRepair>;
}

/// The parts of a request that a refusal is about.
fn refused_parts(error: &ModelError, request: &impl Request) -> Parts {
    const UNKNOWN: [&str; 12] = [
        "additional",
        "expected an id",
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
    const MISSING: [&str; 3] = ["missing", "must be provided", "required"];
    const IDS: [&str; 5] = [
        "call id",
        "call_id",
        "toolcallid",
        "tool_use.id",
        "tool_use_id",
    ];
    const FORMS: [&str; 5] = ["too long", "maximum length", "length of", "pattern", "a-z"];
    const ROLES: [&str; 2] = ["after role", "must alternate"];
    const REASONING: [&str; 4] = ["encrypted", "signature", "thinking", "thought"];
    const UNREADABLE: [&str; 7] = [
        "could not be",
        "corrupt",
        "decrypt",
        "invalid",
        "not be modified",
        "not valid",
        "verif",
    ];
    let (message, code) = match error {
        ModelError::Status {
            status: 400 | 404 | 422,
            message,
            code,
            ..
        } => (message, code.as_deref()),
        ModelError::UnknownModel { message, .. } => (message, None),
        _ => return Parts::default(),
    };
    let lower = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // An item of an answer that the service has not stored.
    let is_not_stored = has(&["not found"]) && has(&["item"]);
    let is_unknown = has(&UNKNOWN) && !has(&MISSING);
    let is_refused =
        |key: &String| is_unknown && names_key(message, key) || is_not_stored && key == "id";
    let is_call_id = has(&IDS) || has(&["tool_calls["]) && has(&["].id'"]);
    let is_secret = code == Some("invalid_encrypted_content");
    Parts {
        keys: request.keys().into_iter().filter(is_refused).collect(),
        ids: is_call_id && has(&FORMS),
        roles: has(&ROLES),
        reasoning: match is_secret || has(&REASONING) && has(&UNREADABLE) {
            true => request.reasoning(),
            false => HashSet::new(),
        },
    }
}

/// Whether a text is about this key: in quotes, at the end of a path, or, if it has an underscore,
/// as a word.
fn names_key(text: &str, key: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(key).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + key.len()..]);
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        let is_quoted = before.ends_with(['\'', '"', '`', '.']);
        is_word && (is_quoted || key.contains('_'))
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

/// A request for chat completions as it is sent: only what is changed in it is copied.
pub(super) struct Asking<'a> {
    request: Cow<'a, chat::Request>,
    pace: Pace,
    /// Whether a stream is asked to end with its token counts.
    usage: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn new(request: &'a chat::Request, pace: Pace, usage: bool) -> Self {
        let mut request = Cow::Borrowed(request);
        if request.messages.iter().any(responses::has_notes) {
            let messages = &mut request.to_mut().messages;
            messages.iter_mut().for_each(responses::forget);
        }
        Self {
            request,
            pace,
            usage,
        }
    }
}

impl Serialize for Asking<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_stream = self.pace == Pace::Stream; // services refuse the options without one
        let usage = self.usage.then(|| json!({"include_usage": true}));
        let stream = is_stream.then_some(true);
        self.request.write(serializer, stream, is_stream, usage)
    }
}

impl Request for Asking<'_> {
    const PATH: &'static str = "chat/completions";

    fn model(&self) -> &str {
        &self.request.model
    }

    fn keys(&self) -> HashSet<String> {
        let mut messages = self.request.messages.clone();
        extras(&mut messages)
            .flat_map(|extra| extra.keys().cloned())
            .collect()
    }

    fn reasoning(&self) -> HashSet<u64> {
        let mut messages = self.request.messages.clone();
        let values = extras(&mut messages).flat_map(|extra| extra.iter());
        let values = values.filter(|(key, _)| REASONING_KEYS.contains(&key.as_str()));
        values.map(|(_, value)| hash(&value.to_string())).collect()
    }

    fn leave_out(&mut self, parts: &Parts) -> Vec<RequestRepair> {
        let mut repairs = Repairs::default();
        if parts.is_empty() {
            return repairs.0;
        }
        let messages = &mut self.request.to_mut().messages;
        for extra in extras(messages) {
            extra.retain(|key, value| {
                let is_unreadable = !parts.reasoning.is_empty()
                    && REASONING_KEYS.contains(&key.as_str())
                    && parts.reasoning.contains(&hash(&value.to_string()));
                repairs.keeps(parts, key, is_unreadable)
            });
        }
        let mistral = Profile::mistral();
        let takes = |id: &str| !parts.ids || mistral.takes_id(id);
        if replace_ids(messages, 0, &mistral, takes) {
            repairs.add(RequestRepair::IdsReplaced);
        }
        let before = messages.len();
        if parts.roles {
            answer_results(messages);
        }
        if messages.len() > before {
            repairs.add(RequestRepair::RolesAlternated);
        }
        repairs.0
    }
}

/// Keys that identify an item.
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
    const PATH: &'static str = "responses";

    fn model(&self) -> &str {
        &self.model
    }

    fn keys(&self) -> HashSet<String> {
        let keys = self.input.iter().flat_map(|item| item.0.keys());
        let keys = keys.filter(|key| !NEEDED.contains(&key.as_str()));
        keys.cloned().collect()
    }

    fn reasoning(&self) -> HashSet<u64> {
        let secrets = self.input.iter().filter_map(encrypted);
        secrets.map(hash).collect()
    }

    fn leave_out(&mut self, parts: &Parts) -> Vec<RequestRepair> {
        let mut repairs = Repairs::default();
        let before = self.input.len();
        let is_unreadable = |item: &Item| {
            encrypted(item).is_some_and(|secret| parts.reasoning.contains(&hash(secret)))
        };
        self.input.retain(|item| !is_unreadable(item));
        if self.input.len() < before {
            repairs.add(RequestRepair::ReasoningLeftOut);
            // They refer to the reasoning before them.
            let calls = ["function_call", "custom_tool_call", "message"];
            for item in &mut self.input {
                if calls.contains(&item.kind()) {
                    item.0.remove("id");
                }
            }
        }
        if parts.ids && replace_call_ids(&mut self.input) {
            repairs.add(RequestRepair::IdsReplaced);
        }
        for item in &mut self.input {
            item.0.retain(|key, _| {
                NEEDED.contains(&key.as_str()) || repairs.keeps(parts, key, false)
            });
        }
        repairs.0
    }
}

/// What is encrypted in a piece of reasoning.
fn encrypted(item: &Item) -> Option<&str> {
    let secret = item.str("encrypted_content");
    (item.kind() == "reasoning" && !secret.is_empty()).then_some(secret)
}

/// Gives calls and their outputs ids of nine letters and digits, those of a call by its place.
fn replace_call_ids(items: &mut [Item]) -> bool {
    let mistral = Profile::mistral();
    let mut replaced: HashMap<String, String> = HashMap::new();
    for (place, item) in items.iter_mut().enumerate() {
        let id = item.str("call_id");
        if id.is_empty() || mistral.takes_id(id) {
            continue;
        }
        let new = replaced.entry(id.to_owned());
        let new = new.or_insert_with(|| mistral.invented_id(place, 0)).clone();
        item.0.insert("call_id".to_owned(), new.into());
    }
    !replaced.is_empty()
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
mod tests;
