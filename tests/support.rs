//! Calls and their results, in a form to compare.

use tool_core::{ToolCall, ToolResult};

/// Calls with the ids `call_0`, `call_1` and so on.
pub(crate) fn calls<const N: usize>(calls: [(&str, &str); N]) -> Vec<ToolCall> {
    let call = |(position, (name, arguments)): (usize, (&str, &str))| {
        ToolCall::new(format!("call_{position}"), name, arguments)
    };
    calls.into_iter().enumerate().map(call).collect()
}

/// What the model reads, in order.
pub(crate) fn contents(results: &[ToolResult]) -> Vec<String> {
    results
        .iter()
        .map(|result| result.content().into_owned())
        .collect()
}

/// `ok`, or the code of the error.
pub(crate) fn code(result: &ToolResult) -> &'static str {
    result
        .outcome()
        .err()
        .map_or("ok", |error| error.code().as_str())
}

/// The code of each result, in order.
pub(crate) fn codes(results: &[ToolResult]) -> Vec<&'static str> {
    results.iter().map(code).collect()
}

/// The code of the error and the message that the model reads; `ok` and the output without one.
pub(crate) fn reported(result: &ToolResult) -> (&'static str, String) {
    let message = match result.outcome() {
        Ok(_) => result.content().into_owned(),
        Err(error) => error.message_for_model().to_owned(),
    };
    (code(result), message)
}
