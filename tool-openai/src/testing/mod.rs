//! A scripted chat-completions server on loopback, for examples and tests. It speaks real HTTP, answers what its script says,
//! and checks what it is sent as strictly as the service does.

mod check;
mod completion;
mod delivery;
mod script;
mod server;

pub use script::Turn;
pub use server::ScriptedServer;
