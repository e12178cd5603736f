//! One message of the model: received while it is written, its calls run, each of them answered.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use tool_core::serde_json::{Map, Value};
use tool_core::{Dispatcher, ErrorCode, StreamingBatch, ToolCall, ToolError, ToolResult};

use super::events::Events;
use super::{AgentEvent, StartPolicy};
use crate::chat::assemble::merge_message_keys;
use crate::chat::{
    self, AssistantMessage, Choice, Message, MessageParser, ParsedCall, ParsedMessage, Repair,
};
use crate::model::ModelEvent;
use crate::profile::Profile;
use crate::responses::{MAX_ITEMS, OUTPUT};

/// What is known of a message, and what runs of it.
pub(super) struct Answering<'a> {
    dispatcher: &'a Dispatcher,
    start_policy: StartPolicy,
    parser: MessageParser<'a>,
    /// What runs. Calls are handed over in call order.
    pub(super) running: StreamingBatch,
    /// Complete calls that may not start yet, by their place in what the model writes.
    waiting: BTreeMap<usize, chat::ToolCall>,
    /// What happened to the calls that were parsed before the message was over.
    early: Vec<Vec<ParsedCall>>,
    /// Positions of those that the model wrote on after they had started.
    reopened: BTreeSet<usize>,
    /// For each of `early` the position it started at.
    started_at: Vec<usize>,
    /// The complete call that may not start early, and holds up those behind it.
    blocked: Option<usize>,
    text: String,
    /// Whether the reasoning of the model was reported.
    has_thought: bool,
    /// The other keys of the message so far.
    keys: Map<String, Value>,
    handed_over: usize,
}

/// A message whose calls are all handed over.
pub(super) struct ReceivedMessage {
    pub(super) parsed: ParsedMessage,
    /// Calls that ran before the model had finished writing them, by position.
    reopened: BTreeSet<usize>,
}

impl<'a> Answering<'a> {
    pub(super) fn new(
        dispatcher: &'a Dispatcher,
        parser: MessageParser<'a>,
        start_policy: StartPolicy,
    ) -> Self {
        Self {
            dispatcher,
            start_policy,
            parser,
            running: dispatcher.streaming_batch(),
            waiting: BTreeMap::new(),
            early: Vec::new(),
            started_at: Vec::new(),
            reopened: BTreeSet::new(),
            blocked: None,
            text: String::new(),
            has_thought: false,
            keys: Map::new(),
            handed_over: 0,
        }
    }

    /// Receives a part of the message.
    pub(super) fn receive(&mut self, event: ModelEvent, events: &mut Events) {
        match event {
            ModelEvent::Text(text) => {
                self.text.push_str(&text);
                events.emit(AgentEvent::Text(text));
            }
            ModelEvent::Thinking(text) => {
                self.has_thought = true;
                events.emit(AgentEvent::Thinking(text));
            }
            ModelEvent::MessageKeys(keys) => merge_message_keys(&mut self.keys, keys),
            ModelEvent::Refusal(text) => events.emit(AgentEvent::Refusal(text)),
            ModelEvent::ToolCallStarted { position, name } => {
                events.emit(AgentEvent::ToolCallStarted { position, name });
            }
            ModelEvent::ToolCallDelta { position, delta } => {
                events.emit(AgentEvent::ToolCallDelta { position, delta });
            }
            ModelEvent::ToolCallComplete { position, call } => {
                self.blocked = self.blocked.filter(|blocked| *blocked != position);
                self.waiting.insert(position, call);
                self.start_early(events);
            }
            ModelEvent::ToolCallReopened { position } => {
                if self.waiting.remove(&position).is_none() {
                    self.reopened.extend(self.started_at.get(position));
                }
            }
            ModelEvent::Finished(_) => {}
        }
    }

    /// Starts the calls that may, in call order up to the first that may not. What is run decides:
    /// the parser reads a call as it does at the end of the message.
    fn start_early(&mut self, events: &mut Events) {
        while self.start_policy == StartPolicy::CallEnd
            && self.blocked != Some(self.early.len())
            && let Some(call) = self.waiting.get(&self.early.len())
        {
            let found = self.parser.look_at(call.clone(), false);
            if !found.iter().all(|found| self.may_start_early(&found.name)) {
                self.blocked = Some(self.early.len());
                return;
            }
            let parsed = self.parser.take(found);
            self.waiting.remove(&self.early.len());
            self.started_at.push(self.handed_over);
            for call in &parsed {
                self.hand_over(
                    call.call.clone(),
                    call.truncated,
                    call.repairs.clone(),
                    events,
                );
            }
            self.early.push(parsed);
        }
    }

    fn may_start_early(&self, name: &str) -> bool {
        self.dispatcher
            .tools()
            .definition(name)
            .is_some_and(|tool| tool.behavior().is_repeatable())
    }

    fn hand_over(
        &mut self,
        call: ToolCall,
        truncated: bool,
        repairs: Vec<Repair>,
        events: &mut Events,
    ) {
        events.emit(AgentEvent::ToolCallReady {
            position: self.handed_over,
            call: call.clone(),
            repairs,
        });
        self.handed_over += 1;
        if truncated {
            let position = self.running.open(call.id, call.name);
            self.running.truncate(position);
        } else {
            self.running.push(call);
        }
    }

    /// The message is over: hands over the rest of its calls.
    pub(super) fn finish(
        mut self,
        choice: Choice,
        events: &mut Events,
    ) -> (ReceivedMessage, StreamingBatch) {
        if !self.has_thought {
            let thinking = choice.message.thinking();
            if !thinking.is_empty() {
                events.emit(AgentEvent::Thinking(thinking));
            }
        }
        if self.text.is_empty() {
            let text = choice.message.text();
            if !text.is_empty() {
                events.emit(AgentEvent::Text(text));
            }
        }
        let cut = choice.is_cut();
        let parsed =
            self.parser
                .clone()
                .parse_rest(std::mem::take(&mut self.early), choice.message, cut);
        let mut repairs = parsed.repairs.iter().peekable();
        for (position, call) in parsed.calls.iter().enumerate() {
            let of_this = std::iter::from_fn(|| repairs.next_if(|(of, _)| *of == position))
                .map(|(_, repair)| repair.clone())
                .collect();
            if position >= self.handed_over {
                self.hand_over(
                    call.clone(),
                    parsed.truncated.binary_search(&position).is_ok(),
                    of_this,
                    events,
                );
            }
        }
        (
            ReceivedMessage {
                parsed,
                reopened: self.reopened,
            },
            self.running,
        )
    }

    /// The message never ends, or does not count: stops what runs of it. Nothing, if nothing has
    /// started.
    pub(super) fn abandon(self) -> Option<(ReceivedMessage, Vec<ToolResult>)> {
        let results = self.running.cancel();
        let content = if self.text.is_empty() {
            Value::Null
        } else {
            self.text.into()
        };
        let mut keys = self.keys;
        if let Some(items) = keys.get_mut(OUTPUT) {
            *items = in_places(items.take());
        }
        let message = AssistantMessage {
            content,
            extra: keys,
            ..AssistantMessage::default()
        };
        let parsed = self.parser.parse_rest(self.early, message, false);
        (!results.is_empty()).then_some((
            ReceivedMessage {
                parsed,
                reopened: self.reopened,
            },
            results,
        ))
    }
}

/// The items of a response that broke off, as a list; `null` for those that were not done.
///
/// Input:  `{"0": {"type": "reasoning"}, "2": {"type": "function_call"}}`
/// Output: `[{"type": "reasoning"}, null, {"type": "function_call"}]`
fn in_places(items: Value) -> Value {
    let Value::Object(items) = items else {
        return items;
    };
    let mut list = Vec::new();
    for (place, item) in items {
        let Some(place) = place.parse().ok().filter(|place| *place < MAX_ITEMS) else {
            continue;
        };
        if list.len() <= place {
            list.resize(place + 1, Value::Null);
        }
        list[place] = item;
    }
    list.into()
}

impl ReceivedMessage {
    pub(super) fn new(parsed: ParsedMessage, reopened: BTreeSet<usize>) -> Self {
        Self { parsed, reopened }
    }

    /// The message and its results, as they are kept until the last of them is there.
    pub(super) fn into_parts(
        self,
        mut results: Vec<ToolResult>,
    ) -> (AssistantMessage, Vec<ToolResult>) {
        self.replace_reopened(&mut results);
        (self.parsed.message, results)
    }

    /// The message and its answers, as the history takes them.
    pub(super) fn into_messages(self, results: &[ToolResult], profile: &Profile) -> Vec<Message> {
        let mut results = Cow::Borrowed(results);
        if !self.reopened.is_empty() {
            self.replace_reopened(results.to_mut());
        }
        let replies = self.parsed.replies_for(&results, profile);
        std::iter::once(self.parsed.message.into_message())
            .chain(replies)
            .collect()
    }

    fn replace_reopened(&self, results: &mut [ToolResult]) {
        for position in &self.reopened {
            if let Some(result) = results.get_mut(*position) {
                let error = "the call was run before all of its arguments had been written; make it again if the result matters";
                let error = ToolError::new(ErrorCode::InvalidArguments, error);
                *result = ToolResult::new(result.call().clone(), *position, Err(error));
            }
        }
    }
}
