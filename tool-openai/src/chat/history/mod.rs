//! Repairs a stored conversation, so that providers accept it.

mod answers;
mod fix;
#[cfg(test)]
mod tests;

use std::fmt;

use super::wire::Message;
use serde::{Deserialize, Serialize};

/// Repairs a stored conversation so that providers accept it, and reports each change: after a
/// crash in the middle of a turn, after an edit by hand, or from another library.
///
/// Every call is answered by one message behind it, in call order and before any other message;
/// calls, names, arguments and contents have the form that all services take. Ids stay as they
/// came, unless one is missing or belongs to two calls. A valid conversation is not changed, and
/// the result depends on the input only. A lost result is not known: the model reads that, and
/// decides itself. Messages of roles that the API does not have stay as they are, and so do unknown
/// keys.
///
/// ```
/// use tool_core::serde_json::{from_value, json};
/// use tool_openai::chat::{self, Message};
///
/// let mut messages: Vec<Message> = from_value(json!([
///     {"role": "user", "content": "Water the plants."},
///     {"role": "assistant", "content": null, "tool_calls": [
///         {"id": "call_1", "type": "function", "function": {"name": "water", "arguments": "{}"}},
///     ]},
///     {"role": "user", "content": "Are you still there?"},
/// ]))?;
/// let repairs = chat::repair(&mut messages);
/// assert_eq!(repairs[0].to_string(), "message 1: call `call_1` had no result; it is reported as interrupted");
/// assert!(matches!(&messages[2], Message::Tool(result) if result.tool_call_id == "call_1"));
/// assert_eq!(chat::repair(&mut messages), []);
/// # Ok::<(), tool_core::serde_json::Error>(())
/// ```
pub fn repair(messages: &mut Vec<Message>) -> Vec<HistoryRepair> {
    let mut repairs = Repairs(Vec::new());
    let given = std::mem::take(messages).into_iter().enumerate();
    let repaired: Vec<(usize, Message)> = given
        .filter_map(|(at, message)| Some((at, fix::message(message, at, &mut repairs)?)))
        .collect();
    *messages = answers::place(repaired, &mut repairs);
    repairs.0.sort_by_key(|repair| repair.message);
    repairs.0.dedup();
    repairs.0
}

/// One change to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryRepair {
    /// The position of the message before the repair, from 0.
    pub message: usize,
    /// What was changed in it.
    pub change: HistoryChange,
}

/// What was changed in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryChange {
    /// A call had no result: one was written behind it, which says that the call was interrupted.
    ResultMissing {
        /// The id of the call.
        id: String,
    },
    /// A result did not follow its call, or came before that of an earlier call: it was moved to
    /// its place, before whatever came between.
    ResultMoved {
        /// The id of the call.
        id: String,
    },
    /// A result was of no call before it, or of one that has a result: it was removed.
    ResultRemoved {
        /// The id it names.
        id: String,
    },
    /// A message without content and calls was removed.
    EmptyRemoved,
    /// A call's id was missing, or another's of the message: it was replaced, in its result too.
    Id {
        /// The id that it was.
        given: String,
    },
    /// A name that no service accepts was changed into one.
    Name {
        /// The name that it was.
        given: String,
    },
    /// A call's arguments were not a JSON object: they are `{}` now.
    Arguments,
    /// The content was written as text, or as parts with a type; images in a result were moved into
    /// a message of the user behind all results.
    Content,
    /// Keys were left out that only answers have, or that are empty.
    Keys,
}

impl fmt::Display for HistoryRepair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {}: ", self.message)?;
        match &self.change {
            HistoryChange::ResultMissing { id } => {
                write!(
                    f,
                    "call `{id}` had no result; it is reported as interrupted"
                )
            }
            HistoryChange::ResultMoved { id } => write!(f, "result of `{id}` moved to its call"),
            HistoryChange::ResultRemoved { id } => write!(
                f,
                "result of `{id}` removed; no call before it is without one"
            ),
            HistoryChange::EmptyRemoved => f.write_str("removed; it was empty"),
            HistoryChange::Id { given } => write!(f, "id `{given}` replaced"),
            HistoryChange::Name { given } => {
                write!(f, "name `{given}` changed to one that services accept")
            }
            HistoryChange::Arguments => {
                f.write_str("arguments that were not an object replaced by `{}`")
            }
            HistoryChange::Content => {
                f.write_str("content written in the form that services accept")
            }
            HistoryChange::Keys => f.write_str("keys left out that services do not take"),
        }
    }
}

/// What has been changed so far.
struct Repairs(Vec<HistoryRepair>);

impl Repairs {
    fn add(&mut self, message: usize, change: HistoryChange) {
        self.0.push(HistoryRepair { message, change });
    }

    /// Notes a change, if there is one.
    fn add_if(&mut self, changed: bool, message: usize, change: impl FnOnce() -> HistoryChange) {
        if changed {
            self.add(message, change());
        }
    }
}
