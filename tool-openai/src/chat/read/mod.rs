//! What a message asks for: wire calls to calls that run, and to what the history keeps of them.

mod names;
mod reader;
mod reading;
#[cfg(test)]
mod tests;
mod wrapper;

pub use reader::{ReadCall, Reader};
pub use reading::Reading;
