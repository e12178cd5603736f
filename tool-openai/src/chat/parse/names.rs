//! Names as models write them.

use tool_core::ToolSet;

/// What some models put before the name of a tool.
const PREFIXES: [&str; 3] = ["functions.", "default_api.", "default_api:"];

/// Where a marker of the model's own format begins, which may have leaked into the name.
const MARKER: &str = "<|";

/// The tool that a name means, or the name itself if it means none.
pub(super) fn resolve<'n>(tools: &ToolSet, given: &'n str) -> &'n str {
    let trimmed = given.trim();
    let unmarked = trimmed
        .split_once(MARKER)
        .map_or(trimmed, |(name, _)| name.trim());
    let (bare, unmarked_bare) = (unprefixed(trimmed), unprefixed(unmarked));
    let candidates = [
        given,
        trimmed,
        bare,
        unnumbered(trimmed),
        unnumbered(bare),
        unmarked,
        unmarked_bare,
    ];
    candidates
        .into_iter()
        .find(|name| tools.definition(name).is_some())
        .unwrap_or(given)
}

/// The name without `functions.` and similar prefixes.
pub(super) fn unprefixed(name: &str) -> &str {
    let mut bare = PREFIXES
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix));
    bare.next().unwrap_or(name)
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
