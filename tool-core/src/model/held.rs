//! What is kept of a call that is held.

use serde::{Deserialize, Serialize};

/// What a held call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldFor {
    /// A decision of the program on this call.
    Decision,
    /// The call at that position, which it is ordered behind, and which is held itself.
    Earlier(usize),
}

/// What it takes to run a held call later. Shape: stored as an object with these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// The position of the held call that it is ordered behind; without, it waits for a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) behind: Option<usize>,
    /// A hash of the tool's definition.
    pub(crate) definition: String,
    pub(crate) run: RunName,
}

/// What the keys of a message's calls are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunName {
    /// What the program calls the message.
    Named(String),
    /// What keys of the message begin with.
    Unnamed(String),
}
