//! Which call runs next: a machine without tasks or clocks. Events go in as methods, [`Action`]s
//! come out.
//!
//! A call is reserved (its place is taken), admitted (it may run), started, and settled. In between
//! it passes three stages in one direction: its *order* in the batch, its *key*, and the *permits*
//! of the dispatcher and of its tool.
//!
//! [`machine`] is what is known of calls, [`events`] what happens to them and what is to be done
//! about it, [`stages`] what each passes before it starts, [`circles`] what becomes of those that
//! would wait for ever.

mod circles;
mod events;
mod machine;
mod stages;
#[cfg(test)]
mod tests;

pub(crate) use events::{Action, Spec};
pub(crate) use machine::{BatchId, CallId, FIRST_ID, Scheduler};
