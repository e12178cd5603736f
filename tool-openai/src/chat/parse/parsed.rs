//! A whole message.

use tool_core::serde_json::Map;
use tool_core::{ToolResult, ToolSet};

use super::super::convert::{function_message, tool_message};
use super::super::images::ShownImages;
use super::super::wire::{AssistantMessage, Choice, Message, ToolCall};
use super::{MessageParser, ParsedCall};
use crate::arguments::Repair;
use crate::profile::Profile;

/// A parsed message: what to run of it, and what the history keeps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParsedMessage {
    /// The message, its calls as the history keeps them: as many as [`calls`](Self::calls), in
    /// their order, with their ids. [`into_message`](AssistantMessage::into_message) puts it into a
    /// conversation.
    pub message: AssistantMessage,
    /// The calls, in order, for [`Dispatcher::dispatch`](tool_core::Dispatcher::dispatch). None
    /// with a refusal.
    pub calls: Vec<tool_core::ToolCall>,
    /// What was repaired, each with its call's position.
    pub repairs: Vec<(usize, Repair)>,
    /// The positions of calls that the message was cut short in. The dispatcher refuses them: their
    /// arguments are not an object.
    pub truncated: Vec<usize>,
}

impl ParsedMessage {
    /// The answers to the calls, for a service of [`Profile::openai`]:
    /// [`replies_for`](Self::replies_for).
    pub fn replies(&self, results: &[ToolResult]) -> Vec<Message> {
        self.replies_for(results, &Profile::default())
    }

    /// The answers to the calls, in order: one message per result, as the service that asked
    /// expects it, and behind them the images of all results in one message of the user, if there
    /// are any and the service takes them there.
    ///
    /// Shape: `role: "tool"` with the id of the call; for the one call of a service without
    /// `tool_calls`, `role: "function"` with its name. What is neither text nor shown is named in
    /// the text of its result. Images are shown if they are GIF, JPEG, PNG or WebP.
    pub fn replies_for(&self, results: &[ToolResult], profile: &Profile) -> Vec<Message> {
        let function = self.message.function_call.as_ref();
        let function = function.filter(|_| self.message.tool_calls.is_empty());
        let mut images = ShownImages::new(profile.images());
        let mut replies: Vec<Message> = results
            .iter()
            .map(|result| {
                let content = images.content(result);
                match function {
                    Some(function) => function_message(&function.name, content),
                    None => tool_message(result.id().to_owned(), content),
                }
            })
            .collect();
        replies.extend(images.into_message());
        replies
    }

    fn add(&mut self, parsed: ParsedCall) -> ToolCall {
        let position = self.calls.len();
        self.repairs
            .extend(parsed.repairs.into_iter().map(|repair| (position, repair)));
        self.truncated.extend(parsed.truncated.then_some(position));
        self.calls.push(parsed.call);
        parsed.wire
    }
}

impl AssistantMessage {
    /// What to run of the message, and what the history keeps of it; [`MessageParser`] says how calls are
    /// parsed.
    ///
    /// No two messages of a conversation should have the same `turn`: invented ids are made of it.
    /// Of a message that may have been cut short, take [`Choice::parse`].
    pub fn parse(self, tools: &ToolSet, turn: usize) -> ParsedMessage {
        MessageParser::new(tools, turn).parse_message(self, false)
    }
}

impl Choice {
    /// As [`AssistantMessage::parse`]. Where the message was cut short, calls that are complete may
    /// run; arguments that are not stay so, and the call is answered with an error.
    pub fn parse(self, tools: &ToolSet, turn: usize) -> ParsedMessage {
        let cut = self.is_cut();
        MessageParser::new(tools, turn).parse_message(self.message, cut)
    }
}

impl MessageParser<'_> {
    /// Parses a whole message, cut short or not.
    pub fn parse_message(self, message: AssistantMessage, cut: bool) -> ParsedMessage {
        self.parse_rest(Vec::new(), message, cut)
    }

    /// As [`parse_message`](Self::parse_message), where some calls were parsed before the message was
    /// whole: `early` is what [`parse`](Self::parse) gave for its first calls, one entry for each.
    pub fn parse_rest(
        mut self,
        early: Vec<Vec<ParsedCall>>,
        mut message: AssistantMessage,
        cut: bool,
    ) -> ParsedMessage {
        let calls = std::mem::take(&mut message.tool_calls);
        let function = message
            .function_call
            .take()
            .filter(|function| calls.is_empty() && !function.name.is_empty());
        let mut parsed = ParsedMessage {
            message,
            calls: Vec::new(),
            repairs: Vec::new(),
            truncated: Vec::new(),
        };
        if parsed.message.refusal.is_some() {
            return parsed;
        }
        let last = calls.len().saturating_sub(1);
        let rest = calls.into_iter().enumerate().skip(early.len());
        for call in early.into_iter().flatten() {
            let wire = parsed.add(call);
            parsed.message.tool_calls.push(wire);
        }
        for (position, call) in rest {
            // The text of a custom call ends when another call follows; it has no end marker.
            let cut = cut && (position == last || call.r#type != "custom");
            for call in self.parse(call, cut) {
                let wire = parsed.add(call);
                parsed.message.tool_calls.push(wire);
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
            for call in self.parse_one(call, cut) {
                parsed.message.function_call = Some(parsed.add(call).function);
            }
        }
        parsed
    }
}
