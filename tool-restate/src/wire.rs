//! The protocol between workers and callers.

use tool_core::{ErrorCode, ToolError};

/// The prefix of each tool's service, so that any tool name is a valid service name.
pub(crate) const PREFIX: &str = "tool.";

/// The one handler of each service.
pub(crate) const HANDLER: &str = "call";

/// In the metadata of a service: the tool's title, behavior, output schema (JSON), and the
/// fingerprint of its definition.
pub(crate) const TITLE: &str = "tool-core/title";
pub(crate) const BEHAVIOR: &str = "tool-core/behavior";
pub(crate) const OUTPUT_SCHEMA: &str = "tool-core/output-schema";
pub(crate) const FINGERPRINT: &str = "tool-core/fingerprint";

/// The header of a call that names the definition it was made for.
pub(crate) const FINGERPRINT_HEADER: &str = "x-tool-fingerprint";

/// The header of a call that says whether the tool may be begun [`AGAIN`] or just [`ONCE`]. It is the
/// same in each attempt, even if the tool has changed.
pub(crate) const BEGIN_HEADER: &str = "x-tool-begin";
pub(crate) const AGAIN: &str = "again";
pub(crate) const ONCE: &str = "once";

/// Text as a part of a path or a key.
#[cfg(feature = "remote")]
pub(crate) fn encode(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A failure as the engine carries it: the code, and what the model reads.
#[cfg(feature = "worker")]
pub(crate) fn to_message(error: &ToolError) -> String {
    format!("{}: {}", error.code(), error.message_for_model())
}

/// A failure as a worker wrote it; `None` if it has another source.
#[cfg(feature = "remote")]
pub(crate) fn from_message(message: &str) -> Option<ToolError> {
    let (code, text) = message.split_once(": ")?;
    let code = match code.parse().ok()? {
        // A decision is not possible here.
        ErrorCode::Held => ErrorCode::Denied,
        code => code,
    };
    Some(ToolError::new(code, text))
}

/// The HTTP status that is nearest to a code, for callers without these codes.
#[cfg(feature = "worker")]
pub(crate) fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::InvalidJson | ErrorCode::InvalidArguments | ErrorCode::TruncatedCall => 400,
        ErrorCode::Denied | ErrorCode::Held => 403,
        ErrorCode::UnknownTool => 404,
        ErrorCode::NotStarted
        | ErrorCode::Cancelled
        | ErrorCode::CancelledIndeterminate
        | ErrorCode::LostIndeterminate => 409,
        ErrorCode::TooLarge => 413,
        ErrorCode::ToolError => 422,
        ErrorCode::Timeout | ErrorCode::TimeoutIndeterminate => 408,
        _ => 500,
    }
}
