//! `null` for absent properties.

use std::borrow::Cow;

use tool_core::ToolDefinition;

use crate::strict::drop_nulls;

/// The arguments of a call without the properties that are `null` where the tool's schema lists
/// them, but neither requires them nor allows `null`. A model writes these for absent properties
/// when the service enforces a strict schema. The rest keeps its text.
///
/// ```
/// use tool_core::serde_json::json;
/// use tool_core::ToolDefinition;
/// use tool_openai::chat;
///
/// let schema = json!({"type": "object", "properties": {"name": {"type": "string"}, "limit": {"type": "integer"}}, "required": ["name"]});
/// let find = ToolDefinition::new("find", "Find a patient.", schema)?;
/// assert_eq!(chat::without_nulls(r#"{"name": "Jana", "limit": null}"#, &find), r#"{"name":"Jana"}"#);
/// # Ok::<(), tool_core::InvalidDefinitionError>(())
/// ```
pub fn without_nulls<'a>(arguments: &'a str, definition: &ToolDefinition) -> Cow<'a, str> {
    drop_nulls(arguments, definition.parameters()).map_or(Cow::Borrowed(arguments), Cow::Owned)
}
