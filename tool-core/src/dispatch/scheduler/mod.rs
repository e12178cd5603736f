//! Which call runs next: a pure state machine, without tasks or clocks. Events go in as methods,
//! the calls that start come out.
//!
//! A call is reserved (its place is taken), admitted (it may run), started, and settled. In between
//! it passes three stages in one direction: its *order* in the batch, its *key*, and the *permits*
//! of the dispatcher and of its tool.
//!
//! | phase | the call | leaves it when |
//! | --- | --- | --- |
//! | `Reserved` | has a place; may not run yet | it is admitted |
//! | `Ordered` | waits for earlier calls of its batch | none of them is a barrier, nor it one behind others |
//! | `Keyed` | waits for its key | no earlier call of its batch and no other holder has it |
//! | `Ready` | waits for permits alone | the dispatcher and its tool have one; it takes key and permits at once |
//! | `Running` | has been started | it is settled, or over |
//! | `Over` | is answered, but a nested call's thread may still be acting: it keeps key and place, and no permit | it is settled |
//!
//! No event costs more than what it concerns: other batches that wait are not visited.
//!
//! [`machine`] is the data on calls, keys and turns, [`events`] the input, [`stages`] what each
//! call passes before it starts, [`keys`] which call holds a key.

mod events;
mod keys;
mod machine;
mod stages;
#[cfg(test)]
mod tests;

pub(crate) use events::Wait;
pub(crate) use machine::{BatchId, CallId, Scheduler, Spec};
