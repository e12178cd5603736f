//! A whole message.

use tool_core::serde_json::Map;
use tool_core::{ToolResult, ToolSet};

use super::super::convert::{function_message, tool_messages};
use super::super::wire::{AssistantMessage, Choice, Message, ToolCall};
use super::{ReadCall, Reader};
use crate::arguments::Repair;

/// A message, read: what to run of it, and what the history keeps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The message, its calls as the history keeps them: as many as [`calls`](Self::calls), in
    /// their order, with their ids. [`into_message`](AssistantMessage::into_message) puts it into a
    /// conversation.
    pub message: AssistantMessage,
    /// The calls, in order, for [`Dispatcher::dispatch`](tool_core::Dispatcher::dispatch). None
    /// with a refusal.
    pub calls: Vec<tool_core::ToolCall>,
    /// What was mended, each with its call's position.
    pub repairs: Vec<(usize, Repair)>,
    /// The positions of calls that the message was cut short in. The dispatcher refuses them: their
    /// arguments are no object.
    pub truncated: Vec<usize>,
}

impl Reading {
    /// The answers to the calls, in order: one message per result, as the service that asked
    /// expects it.
    ///
    /// Shape: `role: "tool"` with the id of the call; for the one call of a service that knows no
    /// `tool_calls`, `role: "function"` with its name.
    pub fn replies(&self, results: &[ToolResult]) -> Vec<Message> {
        match &self.message.function_call {
            Some(function) if self.message.tool_calls.is_empty() => results
                .iter()
                .map(|result| function_message(&function.name, result.content().into_owned()))
                .collect(),
            _ => tool_messages(results),
        }
    }

    fn add(&mut self, read: ReadCall) -> ToolCall {
        let position = self.calls.len();
        self.repairs
            .extend(read.repairs.into_iter().map(|repair| (position, repair)));
        self.truncated.extend(read.truncated.then_some(position));
        self.calls.push(read.call);
        read.wire
    }
}

impl AssistantMessage {
    /// What to run of the message, and what the history keeps of it; [`Reader`] says how calls are
    /// read.
    ///
    /// No two messages of a conversation should have the same `turn`: invented ids are made of it.
    /// Of a message that may have been cut short, take [`Choice::read`].
    pub fn read(self, tools: &ToolSet, turn: usize) -> Reading {
        Reader::new(tools, turn).read_message(self, false)
    }
}

impl Choice {
    /// As [`AssistantMessage::read`]. Where the message was cut short, calls that are complete may
    /// run; arguments that are not stay so, and the call is answered with an error.
    pub fn read(self, tools: &ToolSet, turn: usize) -> Reading {
        let cut = self.is_cut();
        Reader::new(tools, turn).read_message(self.message, cut)
    }
}

impl Reader<'_> {
    /// Reads a whole message, cut short or not.
    pub fn read_message(self, message: AssistantMessage, cut: bool) -> Reading {
        self.read_rest(Vec::new(), message, cut)
    }

    /// As [`read_message`](Self::read_message), where some calls were read before the message was
    /// whole: `read` is what [`read`](Self::read) gave for its first calls, one entry for each.
    pub fn read_rest(
        mut self,
        read: Vec<Vec<ReadCall>>,
        mut message: AssistantMessage,
        cut: bool,
    ) -> Reading {
        let calls = std::mem::take(&mut message.tool_calls);
        let function = message
            .function_call
            .take()
            .filter(|function| calls.is_empty() && !function.name.is_empty());
        let mut reading = Reading {
            message,
            calls: Vec::new(),
            repairs: Vec::new(),
            truncated: Vec::new(),
        };
        if reading.message.refusal.is_some() {
            return reading;
        }
        let last = calls.len().saturating_sub(1);
        let rest = calls.into_iter().enumerate().skip(read.len());
        for read in read.into_iter().flatten() {
            let wire = reading.add(read);
            reading.message.tool_calls.push(wire);
        }
        for (position, call) in rest {
            // The text of a custom call is over when another call follows; nothing in it says so.
            let cut = cut && (position == last || call.r#type != "custom");
            for read in self.read(call, cut) {
                let wire = reading.add(read);
                reading.message.tool_calls.push(wire);
            }
        }
        if let Some(function) = function {
            let call = ToolCall {
                id: String::new(),
                r#type: "function".to_owned(),
                function,
                custom: None,
                extra: Map::new(),
            };
            for read in self.read_one(call, cut) {
                reading.message.function_call = Some(reading.add(read).function);
            }
        }
        reading
    }
}
