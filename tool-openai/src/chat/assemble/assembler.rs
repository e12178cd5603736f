//! From bytes, lines or chunks to events and a completion.

use std::collections::{BTreeMap, HashSet};

use serde::de::IgnoredAny;
use tool_core::serde_json::map::Entry as Slot;
use tool_core::serde_json::{Map, Value, from_str, from_value};

use super::budget::{Budget, MAX_CHOICES, too_much, weight, weight_of_member};
use super::calls::Scene;
use super::choice::Alternative;
use super::entry::index;
use crate::assembler::Assembler;
use crate::chat::wire::{Completion, Usage};
use crate::error::{ModelError, excerpt};
use crate::json;
use crate::model::ModelEvent;
use crate::service_error::ServiceError;
use crate::sse::{Event, Sse};

/// The data of the last event.
const DONE: &str = "[DONE]";

/// Assembles the chunks of one streamed chat completion. [`Assembler`] has its methods.
///
/// ```
/// use tool_openai::chat::ChatAssembler;
/// use tool_openai::{Assembler, ModelEvent};
///
/// # fn main() -> Result<(), tool_openai::ModelError> {
/// let mut assembler = ChatAssembler::new();
/// assembler.push_text(r#"{"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "add"}}]}}]}"#)?;
/// assembler.push_text(r#"{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\":"}}]}}]}"#)?;
/// assembler.push_text(r#"{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}}]}"#)?;
/// let events = assembler.push_text(r#"{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}"#)?;
/// assert!(matches!(&events[..], [ModelEvent::ToolCallComplete { position: 0, .. }]));
/// assembler.push_text("[DONE]")?;
///
/// let completion = assembler.finish()?;
/// assert_eq!(completion.choices[0].message.tool_calls[0].function.arguments, r#"{"a":1}"#);
/// # Ok(())
/// # }
/// ```
///
/// # What it makes of a stream
///
/// - **Calls** are in the order in which they began; a position in an event is a place in the
///   final `tool_calls`. Ids are kept as the server gave them: they may be empty, or the same for
///   two calls.
/// - **A call is complete** when a piece of another call comes, when the choice has a
///   `finish_reason`, or at the latest at the end of the stream; and only if its arguments are
///   whole by then. No arguments at all count as whole, unless the model was [cut
///   off](crate::chat::Choice::is_cut) or nothing marks the end of the answer. What is between the
///   brackets is not checked. After a refusal no call is complete.
/// - **Events** cover the choice of index 0 alone, and no `function_call`, the older form. The
///   completion has everything.
/// - **Unknown keys** of a delta are in the message's `extra`, strings one after the other; those
///   of a call, a choice or a chunk in theirs, where the first or the last one stays.
/// - **It is bounded** by [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES),
///   [`MAX_CALLS`](super::MAX_CALLS) and [`MAX_CHOICES`](super::MAX_CHOICES), and takes time in
///   proportion to what is pushed.
#[derive(Debug)]
pub struct ChatAssembler {
    sse: Sse,
    tools: HashSet<String>,
    budget: Budget,
    /// By index, that of the events first.
    choices: BTreeMap<u64, Alternative>,
    usage: Option<Usage>,
    extra: Map<String, Value>,
    done: bool,
    /// The chunk has come that only the end of a stream has.
    has_ended: bool,
    /// It is an answer that came whole, not in chunks.
    whole: bool,
    /// It came whole, with an empty list of choices.
    says_no_choices: bool,
    /// The first line that is not JSON: an error in plain text, if nothing else arrives.
    other_text: Option<String>,
}

impl Default for ChatAssembler {
    fn default() -> Self {
        Self::new()
    }
}

impl ChatAssembler {
    /// An empty assembler.
    pub fn new() -> Self {
        Self::for_tools::<[String; 0]>([])
    }

    /// As [`new`](Self::new), for a server that may send a tool's name in pieces: put together,
    /// they are a name among these.
    pub fn for_tools<N>(names: N) -> Self
    where
        N: IntoIterator<Item: Into<String>>,
    {
        Self {
            sse: Sse::new(),
            tools: names.into_iter().map(Into::into).collect(),
            budget: Budget::new(),
            choices: BTreeMap::new(),
            usage: None,
            extra: Map::new(),
            done: false,
            has_ended: false,
            whole: false,
            says_no_choices: false,
            other_text: None,
        }
    }

    /// Takes an answer that came whole, as if it were one chunk in which every call is one of its
    /// own.
    ///
    /// # Errors
    ///
    /// As [`push`](Assembler::push) and [`finish`](Assembler::finish).
    pub(super) fn read_whole(mut self, answer: Value) -> Result<Completion, ModelError> {
        (self.whole, self.done) = (true, true);
        let is_empty = answer["choices"] == Value::Array(Vec::new());
        self.take(answer, &mut Vec::new())?;
        self.says_no_choices = is_empty;
        self.finish()
    }
}

impl Assembler for ChatAssembler {
    type Output = Completion;

    /// Takes more of the body: server-sent events, cut anywhere.
    ///
    /// # Errors
    ///
    /// As [`push_text`](Self::push_text), and:
    /// - [`ModelError::StreamError`]: there is an event of type `error`.
    /// - [`ModelError::InvalidResponse`]: an event is larger than 16 MiB.
    fn push_bytes(&mut self, bytes: &[u8]) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reported = Vec::new();
        for event in self.sse.push(bytes)? {
            self.take_event(&event, &mut reported)?;
        }
        Ok(reported)
    }

    /// Takes the data of one event: a chunk as JSON text, or `[DONE]`, after which nothing is read.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`ModelError::InvalidResponse`]: the text is not JSON.
    fn push_text(&mut self, data: &str) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reported = Vec::new();
        self.take_text(data, false, &mut reported)?;
        Ok(reported)
    }

    /// Takes one chunk. What in it is not of the type it should be is ignored.
    ///
    /// # Errors
    ///
    /// - [`ModelError::StreamError`]: the chunk reports an error.
    /// - [`ModelError::InvalidResponse`]: there are more calls, choices or bytes than are kept.
    fn push(&mut self, chunk: Value) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reported = Vec::new();
        self.take(chunk, &mut reported)?;
        Ok(reported)
    }

    /// Whether the server ended the answer. Nothing after it is read.
    fn is_done(&self) -> bool {
        self.done
    }

    /// The stream is over: what is known only now. Call it once, before
    /// [`finish`](Self::finish), if you need each event.
    ///
    /// # Errors
    ///
    /// As [`push_bytes`](Self::push_bytes), for a last event that the server did not end with a
    /// blank line.
    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reported = Vec::new();
        for event in self.sse.finish()? {
            let is_cut = event.event != "error"
                && event.data.trim() != DONE
                && from_str::<IgnoredAny>(&event.data).is_err();
            if !is_cut {
                self.take_event(&event, &mut reported)?;
            }
        }
        self.end(&mut reported);
        Ok(reported)
    }

    /// The completion.
    ///
    /// # Errors
    ///
    /// - [`ModelError::Interrupted`]: the stream ended although neither `[DONE]` nor a
    ///   `finish_reason` marked it, and it is not a message whose calls are all complete.
    /// - [`ModelError::InvalidResponse`]: there was no choice in it.
    /// - As [`close`](Self::close).
    fn finish(mut self) -> Result<Completion, ModelError> {
        self.close()?;
        if self.choices.is_empty() && !self.says_no_choices {
            if let Some(text) = &self.other_text {
                return Err(ServiceError::of_event(text).into());
            }
            let what = if self.whole {
                "it has"
            } else {
                "the stream has"
            };
            return Err(ModelError::invalid_response(format!("{what} no `choices`")));
        }
        let whole = self.done || self.has_ended || self.choices.values().all(Alternative::is_whole);
        if self.extra.contains_key("object") {
            self.extra
                .insert("object".to_owned(), Value::from("chat.completion"));
        }
        let choices = self
            .choices
            .into_iter()
            .map(|(index, choice)| choice.into_wire(index))
            .collect();
        let completion = Completion {
            choices,
            usage: self.usage,
            extra: self.extra,
        };
        if whole {
            Ok(completion)
        } else {
            Err(ModelError::Interrupted {
                partial: Box::new(completion),
                request_id: None,
            })
        }
    }
}

impl ChatAssembler {
    fn take_event(
        &mut self,
        event: &Event,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        if event.event == "error" && !self.done {
            return Err(ServiceError::of_event(&event.data).into());
        }
        self.take_text(&event.data, event.is_lossy, reported)
    }

    fn take_text(
        &mut self,
        data: &str,
        is_lossy: bool,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        let data = data.trim();
        if self.done || data.is_empty() {
            return Ok(());
        }
        if data == DONE {
            self.done = true;
            self.end(reported);
            return Ok(());
        }
        match json::read(data, is_lossy) {
            Ok(chunk) => self.take(chunk, reported),
            Err(_) if json::is_other_text(data) => {
                let text = || excerpt(data.as_bytes());
                self.other_text.get_or_insert_with(text);
                Ok(())
            }
            Err(error) => match json::lines(data, is_lossy) {
                Some(chunks) => chunks
                    .into_iter()
                    .try_for_each(|chunk| self.take(chunk, reported)),
                None => Err(ServiceError::within_text(data).map_or_else(
                    || ModelError::InvalidResponse {
                        reason: format!("a chunk of the stream is not JSON: {error}"),
                        body: excerpt(data.as_bytes()),
                        request_id: None,
                    },
                    ModelError::from,
                )),
            },
        }
    }

    fn take(&mut self, chunk: Value, reported: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let has_answer = match chunk.get("choices") {
            Some(Value::Array(choices)) => !choices.is_empty(),
            choices => choices.is_some_and(Value::is_object),
        };
        if let Some(error) = ServiceError::of_body(&chunk, has_answer) {
            return Err(error.into());
        }
        let Value::Object(members) = chunk else {
            return Ok(());
        };
        self.has_ended &= !has_answer;
        let mut choices = Value::Null;
        for (key, value) in members {
            match key.as_str() {
                "choices" => choices = value,
                // The last chunk of a stream has nothing else.
                "usage" => self.has_ended |= self.take_usage(value) && !has_answer,
                "x_groq" if value.get("usage").is_some() => {
                    self.take_usage(value["usage"].clone());
                    self.keep(key, value)?;
                }
                "error" | "obfuscation" => {}
                _ => self.keep(key, value)?,
            }
        }
        let choices = match choices {
            Value::Array(choices) => choices,
            choice @ Value::Object(_) => vec![choice],
            _ => return Ok(()),
        };
        for (position, choice) in choices.into_iter().enumerate() {
            self.take_choice(position, choice, reported)?;
        }
        Ok(())
    }

    /// Counts of tokens: all of them, as far as they are known by now, or a part. Whether there are
    /// any.
    fn take_usage(&mut self, value: Value) -> bool {
        let Ok(Some(more)) = from_value::<Option<Usage>>(value) else {
            return false;
        };
        self.usage.get_or_insert_default().update(more);
        true
    }

    /// A key of the chunk. It comes with each chunk, the same or changed.
    fn keep(&mut self, key: String, value: Value) -> Result<(), ModelError> {
        let says_nothing = value.is_null() || value == "";
        if says_nothing || self.extra.get(&key) == Some(&value) {
            return Ok(());
        }
        match self.extra.entry(key) {
            Slot::Vacant(free) => {
                self.budget.spend(weight_of_member(free.key(), &value))?;
                free.insert(value);
            }
            Slot::Occupied(mut kept) => {
                self.budget.give_back(weight(kept.get()));
                self.budget.spend(weight(&value))?;
                kept.insert(value);
            }
        }
        Ok(())
    }

    fn take_choice(
        &mut self,
        position: usize,
        choice: Value,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        let Value::Object(mut entry) = choice else {
            return Ok(());
        };
        if let Some(usage) = entry.remove("usage") {
            self.take_usage(usage); // Moonshot's is here
        }
        let unless_given = if self.whole { position as u64 } else { 0 };
        let index = entry.get("index").and_then(index);
        let mut index = index.map_or(unless_given, |index| index as u64); // what is negative is last
        if self.whole && self.choices.contains_key(&index) {
            index = (0..)
                .find(|free| !self.choices.contains_key(free))
                .unwrap_or(index);
        }
        if self.choices.len() == MAX_CHOICES && !self.choices.contains_key(&index) {
            return Err(too_much(MAX_CHOICES, "choices"));
        }
        let mut unreported = Vec::new();
        let events = if index == 0 {
            reported
        } else {
            &mut unreported
        };
        let mut scene = Scene {
            tools: &self.tools,
            budget: &mut self.budget,
            events,
            whole: self.whole,
        };
        self.choices
            .entry(index)
            .or_default()
            .push(entry, &mut scene)
    }

    fn end(&mut self, reported: &mut Vec<ModelEvent>) {
        for (index, choice) in &mut self.choices {
            let mut unreported = Vec::new();
            choice.end(
                self.done || self.has_ended,
                if *index == 0 {
                    reported
                } else {
                    &mut unreported
                },
            );
        }
    }
}
