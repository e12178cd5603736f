//! The calls of one message: how many are unanswered, who waits for them, and when the next
//! deadline is.
//!
//! [`shared`] is what its calls have in common, [`answers`] what happens to each call's answer,
//! [`deadlines`] stops those that take too long, [`running`] is the batch as its caller holds it.

mod answers;
mod deadlines;
mod running;
mod shared;

pub(super) use running::Running;
pub(crate) use shared::Batch;
pub(super) use shared::{BatchNumber, Calls, Origin};
