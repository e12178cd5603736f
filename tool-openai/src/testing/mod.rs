//! Mocks for examples and tests: a scripted server on loopback for chat completions and the
//! Responses API. It uses real HTTP, answers with its script, and checks requests as strictly as
//! the service does.

mod api;
mod check;
mod completion;
mod delivery;
mod input;
mod mock;
mod mock_state;
mod response;
mod script;
mod server;

pub use mock::MockModel;
pub use script::ScriptedReply;
pub use server::ScriptedServer;

/// Whether the service would take this body; else its answer.
#[cfg(test)]
pub(crate) fn check_request(
    body: &tool_core::serde_json::Value,
) -> Result<(), tool_core::serde_json::Value> {
    check::request(body, check::Dialect::OpenAi).map_err(|error| error.body())
}
