//! Assembles a response from the events of a stream.

mod assembler;
mod slot;
#[cfg(test)]
mod tests;

pub use assembler::{MAX_ITEMS, ResponsesAssembler};
