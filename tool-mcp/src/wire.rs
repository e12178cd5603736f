//! The wire format of both sides: keys of `_meta`, and content blocks.

use rmcp::model::ContentBlock;
use tool_core::{Content, ToolOutput};

/// In the `_meta` of a result with `isError`: the text of the [`ErrorCode`](tool_core::ErrorCode).
pub(crate) const CODE: &str = "tool-core/code";

/// In the `_meta` of a call: a key for services that do a thing once per key.
pub(crate) const IDEMPOTENCY_KEY: &str = "tool-core/idempotencyKey";

/// The first revision without a handshake and without requests by the server.
pub(crate) const STATELESS: rmcp::model::ProtocolVersion =
    rmcp::model::ProtocolVersion::V_2026_07_28;

/// The blocks as they are sent. [`Content`] is serialised in the protocol's own form.
#[cfg(feature = "server")]
pub(crate) fn to_blocks(output: &ToolOutput) -> Vec<ContentBlock> {
    let block = |content: &Content| match content {
        Content::Text(text) => ContentBlock::text(text),
        other => serde_json::to_value(other)
            .and_then(serde_json::from_value)
            .unwrap_or_else(|_| ContentBlock::text(other.to_text())),
    };
    output.blocks().iter().map(block).collect()
}

/// The blocks as they were received. One that cannot be read becomes a text with that note.
#[cfg(feature = "client")]
pub(crate) fn from_blocks(blocks: Vec<ContentBlock>) -> ToolOutput {
    let content = |block: ContentBlock| match block {
        ContentBlock::Text(text) => Content::Text(text.text),
        other => serde_json::to_value(other)
            .and_then(serde_json::from_value)
            .unwrap_or_else(|error| {
                Content::Text(format!(
                    "[a block of the server's answer cannot be read: {error}]"
                ))
            }),
    };
    match blocks.is_empty() {
        true => ToolOutput::from_text(""),
        false => ToolOutput::from_blocks(blocks.into_iter().map(content)),
    }
}
