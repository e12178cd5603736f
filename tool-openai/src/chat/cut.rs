//! Whether a message was truncated.

use tool_core::serde_json::{Map, Value};

use super::wire::Choice;

/// Finish reasons of services that stopped the model before it had finished.
const REASONS: [&str; 7] = [
    "length",
    "max_tokens",
    "max_output_tokens",
    "model_length",
    "content_filter",
    "safety",
    "error",
];

impl Choice {
    /// Whether the service stopped the model before it had finished. Where a gateway passes on the
    /// reason of the service behind it (`native_finish_reason`), either may say so.
    pub fn is_cut(&self) -> bool {
        is_cut(self.finish_reason.as_deref(), &self.extra)
    }
}

/// As [`Choice::is_cut`], by the parts of a choice: why it ended, and its other keys.
pub(super) fn is_cut(finish_reason: Option<&str>, extra: &Map<String, Value>) -> bool {
    let native = extra.get("native_finish_reason").and_then(Value::as_str);
    [finish_reason, native].into_iter().flatten().any(|given| {
        REASONS
            .iter()
            .any(|reason| given.eq_ignore_ascii_case(reason))
    })
}
