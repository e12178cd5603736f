//! Names as models write them.

use tool_core::ToolSet;

/// What some models put before the name of a tool.
const PREFIX: &str = "functions.";

/// The tool that a name means, or the name itself if it means none.
pub(super) fn resolve<'n>(tools: &ToolSet, given: &'n str) -> &'n str {
    let trimmed = given.trim();
    let bare = unprefixed(trimmed);
    let candidates = [given, trimmed, bare, unnumbered(trimmed), unnumbered(bare)];
    candidates
        .into_iter()
        .find(|name| tools.definition(name).is_some())
        .unwrap_or(given)
}

/// The name without `functions.`.
pub(super) fn unprefixed(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The name without the `:0` that Kimi puts behind it.
fn unnumbered(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((name, number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => name,
    }
}
