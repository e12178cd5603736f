//! One alternative of the answer, as far as it has been written.

use tool_core::serde_json::{Map, Value};

use super::budget::weight;
use super::calls::{Calls, Scene};
use super::content::Content;
use super::entry::Entry;
use super::merge::{Strings, merge, merge_key};
use crate::chat::cut::is_cut;
use crate::chat::wire::{AssistantMessage, Choice, FunctionCall, thought, thought_of_part};
use crate::error::ModelError;
use crate::model::ModelEvent;
use crate::service_error::ServiceError;

/// The received part of one entry of `choices`.
#[derive(Debug, Default)]
pub(super) struct Alternative {
    content: Content,
    refusal: String,
    calls: Calls,
    function_call: Option<FunctionCall>,
    message_extra: Map<String, Value>,
    finish_reason: Option<String>,
    extra: Map<String, Value>,
}

impl Alternative {
    /// Takes one entry of a chunk's `choices`. The delta is read before the reason to finish, which
    /// may come in the same chunk.
    ///
    /// # Errors
    ///
    /// There are more calls, or more text, than are kept.
    pub(super) fn push(
        &mut self,
        entry: Map<String, Value>,
        scene: &mut Scene<'_>,
    ) -> Result<(), ModelError> {
        let (mut delta, mut message, mut finish) = (Value::Null, Value::Null, None);
        let (mut error, mut text) = (None, Value::Null);
        for (key, value) in entry {
            match (key.as_str(), value) {
                ("index", _) => {}
                ("error", value) => error = ServiceError::of(&value),
                ("delta", value) => delta = value,
                ("message", value) => message = value,
                ("text", value) => text = value,
                // Some servers send an empty reason with each chunk.
                ("finish_reason" | "finishReason", Value::String(reason)) => {
                    finish = Some(reason).filter(|reason| !reason.is_empty()).or(finish);
                }
                ("finish_reason" | "finishReason", _) => {}
                (_, value) => {
                    let grown = merge_key(&mut self.extra, key, value, Strings::Repeat);
                    scene.budget.spend(grown)?;
                }
            }
        }
        let is_bare = !delta.is_object() && !message.is_object();
        if let Value::Object(delta) = delta {
            self.push_delta(delta, scene)?;
        }
        // Some servers answer with one chunk that is the whole message, or end with one: the
        // parts that arrived are not reported again.
        if let Value::Object(mut message) = message {
            message.retain(|key, value| self.lacks(key, value));
            self.push_delta(message, scene)?;
        }
        // `text` is the key of the older completions API.
        if is_bare {
            self.push_content(text, scene)?;
        }
        if let Some(error) = error.or_else(|| failure(finish.as_deref(), &self.extra)) {
            return Err(error.into());
        }
        // The first reason counts: a later chunk may repeat it, or have another one.
        if let (Some(reason), None) = (finish, &self.finish_reason) {
            scene.budget.spend(reason.len())?;
            self.finish_reason = Some(reason);
            self.end(true, scene.events);
        }
        Ok(())
    }

    /// Whether a key of the whole message says what has not come. Of calls, those that have come
    /// are taken out of it.
    fn lacks(&self, key: &str, value: &mut Value) -> bool {
        match key {
            "content" => self.content.is_blank(),
            "refusal" => self.refusal.is_empty(),
            "function_call" => self.function_call.is_none(),
            "tool_calls" if self.calls.is_empty() => true,
            "tool_calls" => {
                let id = |call: &Value| call.get("id").and_then(Value::as_str).map(str::to_owned);
                if let Some(calls) = value.as_array_mut() {
                    // Without an id it is not known whether it has arrived.
                    calls.retain(|call| id(call).is_some_and(|id| !self.calls.has_text_of(&id)));
                }
                value.is_array()
            }
            key => !self.message_extra.contains_key(key),
        }
    }

    fn push_delta(
        &mut self,
        delta: Map<String, Value>,
        scene: &mut Scene<'_>,
    ) -> Result<(), ModelError> {
        let (mut calls, mut keys) = (Value::Null, Map::new());
        for (key, value) in delta {
            match (key.as_str(), value) {
                (_, Value::Null) | ("role", _) => {}
                ("content", value) => self.push_content(value, scene)?,
                ("refusal", Value::String(text)) => self.push_refusal(text, scene)?,
                ("tool_calls", value) => calls = value,
                ("function_call", Value::Object(members)) => {
                    self.push_function_call(members, scene)?;
                }
                ("refusal" | "function_call", _) => {}
                (_, value) => _ = keys.insert(key, value),
            }
        }
        if let Some(thought) = thought(&keys) {
            scene.events.push(ModelEvent::Thinking(thought.to_owned()));
        }
        if !keys.is_empty() {
            let grown = merge(&mut self.message_extra, keys.clone(), Strings::Continue);
            scene.budget.spend(grown)?;
            scene.events.push(ModelEvent::MessageKeys(keys));
        }
        // After text and reasoning, whatever the order of keys: events stay in a fixed order.
        let entries = match calls {
            Value::Array(entries) => entries,
            Value::Null => return Ok(()),
            entry => vec![entry],
        };
        self.calls.begin_list();
        entries
            .into_iter()
            .filter_map(Entry::read)
            .try_for_each(|entry| self.calls.push(entry, scene))
    }

    fn push_content(&mut self, piece: Value, scene: &mut Scene<'_>) -> Result<(), ModelError> {
        scene.budget.spend(weight(&piece))?;
        let parts = piece.as_array().into_iter().flatten();
        let thought: String = parts.map(thought_of_part).collect();
        if !thought.is_empty() {
            scene.events.push(ModelEvent::Thinking(thought));
        }
        let text = self.content.push(piece).filter(|text| !text.is_empty());
        scene.events.extend(text.map(ModelEvent::Text));
        Ok(())
    }

    /// With a refusal there is nothing to run, so no call is complete any more.
    fn push_refusal(&mut self, text: String, scene: &mut Scene<'_>) -> Result<(), ModelError> {
        if text.is_empty() {
            return Ok(());
        }
        scene.budget.spend(text.len())?;
        self.refusal.push_str(&text);
        self.calls.refuse();
        scene.events.push(ModelEvent::Refusal(text));
        Ok(())
    }

    /// The call of servers without `tool_calls`. Some send an empty one beside each real call.
    fn push_function_call(
        &mut self,
        members: Map<String, Value>,
        scene: &mut Scene<'_>,
    ) -> Result<(), ModelError> {
        // The empty ones would turn a message of `tool_calls` into one of the older form.
        let entry = Entry::read_function_call(members);
        if self.function_call.is_none() && entry.is_idle() {
            return Ok(());
        }
        scene.budget.spend(entry.name.len() + entry.text.len())?;
        let call = self.function_call.get_or_insert_default();
        if call.name.is_empty() {
            call.name = entry.name;
        }
        call.arguments.push_str(&entry.text);
        let grown = merge(&mut call.extra, entry.inner, Strings::Repeat);
        scene.budget.spend(grown)
    }

    /// The stream has ended. Unless the server has `finished` the choice or the whole answer, the
    /// connection may have been lost.
    pub(super) fn end(&mut self, finished: bool, events: &mut Vec<ModelEvent>) {
        // Then missing arguments do not mean `{}`: they may be lost.
        let lost = !finished && self.finish_reason.is_none();
        self.calls.end(
            lost || is_cut(self.finish_reason.as_deref(), &self.extra),
            events,
        );
    }

    /// Whether the message is whole although nothing says that it is over: it calls, and its calls
    /// are complete.
    pub(super) fn is_whole(&self) -> bool {
        self.finish_reason.is_some() || (!self.calls.is_empty() && self.calls.are_complete())
    }

    pub(super) fn into_wire(mut self, index: u64) -> Choice {
        self.extra.insert("index".to_owned(), index.into());
        let message = AssistantMessage {
            content: self.content.into_value(),
            refusal: Some(self.refusal).filter(|refusal| !refusal.is_empty()),
            tool_calls: self.calls.into_wire(),
            function_call: self.function_call,
            extra: self.message_extra,
        };
        Choice {
            message,
            finish_reason: self.finish_reason,
            extra: self.extra,
        }
    }
}

/// The error of a finish reason that means failure.
fn failure(finish: Option<&str>, extra: &Map<String, Value>) -> Option<ServiceError> {
    let native = extra.get("native_finish_reason").and_then(Value::as_str);
    let fails = |reason: &str| {
        let reason = reason.to_ascii_lowercase();
        matches!(reason.as_str(), "error" | "failed" | "unexpected_tool_call")
            || reason.contains("malformed")
    };
    // A gateway may hide the failure behind `stop`: the native reason is more precise.
    let reason = native.filter(|native| fails(native));
    let reason = reason.or(finish.filter(|finish| fails(finish)))?;
    Some(ServiceError {
        code: Some(reason.to_owned()),
        message: format!("the answer ended with `{reason}`"),
        failed_generation: None,
    })
}
