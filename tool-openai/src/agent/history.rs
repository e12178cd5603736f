//! What a conversation keeps, and how it is stored.

use serde::{Deserialize, Serialize};
use tool_core::serde_json::{Map, Value};

use super::run::is_result;
use crate::chat::{Message, Usage};
use crate::version::Version;

/// A conversation to be stored: its messages, and the tokens it has used.
///
/// Shape: serialised as an object with `version` (1), `messages` as in a request, without the
/// instructions, and `usage`. Unknown fields are kept; a later version is refused.
///
/// ```
/// use tool_core::serde_json;
/// use tool_openai::History;
/// use tool_openai::chat::Message;
///
/// let history = History::from(vec![Message::user("Hello?"), Message::assistant("Hello!")]);
/// let stored = serde_json::to_string(&history)?;
/// assert_eq!(serde_json::from_str::<History>(&stored)?, history);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    version: Version,
    /// The messages, without the instructions.
    pub messages: Vec<Message>,
    /// Tokens used by all runs, where the service counts them.
    #[serde(default)]
    pub usage: Usage,
    /// Fields that this version does not know.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl From<Vec<Message>> for History {
    fn from(messages: Vec<Message>) -> Self {
        Self {
            messages,
            ..Self::default()
        }
    }
}

impl History {
    /// Leaves out the oldest messages: the newest stay, `most` at most, from one of a user on.
    pub(super) fn truncate(&mut self, most: usize) {
        let first = self.messages.len().saturating_sub(most);
        // Images of results are behind them in a message of the user.
        let is_prompt = |at: usize| {
            let follows_result = at > 0 && is_result(&self.messages[at - 1]);
            matches!(&self.messages[at], Message::User(text) if !(follows_result && text.content.is_array()))
        };
        let starts = (first..self.messages.len()).find(|at| is_prompt(*at));
        let kept = match first {
            0 => 0,
            _ => starts.unwrap_or(self.messages.len()),
        };
        self.messages.drain(..kept);
    }
}
