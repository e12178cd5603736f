//! Parses the calls of a message: into calls that run, and into what the history keeps of them.

mod names;
mod parsed;
mod parser;
#[cfg(test)]
mod tests;
mod wrapper;

pub use parsed::ParsedMessage;
pub use parser::{MessageParser, ParsedCall};
