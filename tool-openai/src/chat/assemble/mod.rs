//! Assembles a message from the chunks of a stream.
//!
//! Services differ in how they cut calls up: `index` or `id` may be missing, repeated or reused, a
//! call may come whole or twice. `calls` finds the call that a piece belongs to, `scan` detects
//! the end of its JSON, `choice` keeps the rest of the message.

mod assembler;
pub(crate) mod budget;
mod call;
mod calls;
mod choice;
mod content;
mod entry;
mod merge;
mod scan;
#[cfg(test)]
mod tests;
mod whole;

pub use assembler::ChatAssembler;
pub use budget::{MAX_CALLS, MAX_CHOICES, MAX_MESSAGE_BYTES};
pub(crate) use merge::merge_message_keys;
#[cfg(any(feature = "http", feature = "testing", test))]
pub(crate) use whole::read;
