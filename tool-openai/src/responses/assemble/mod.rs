//! Assembles a response from the events of a stream.

mod assembler;
mod items;
mod slot;
#[cfg(test)]
mod tests;

pub use assembler::ResponsesAssembler;
pub use items::MAX_ITEMS;
