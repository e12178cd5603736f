//! Custom tools, which take free text instead of JSON.

use tool_core::ToolDefinition;
use tool_core::serde_json::{Map, Value, json};

use super::tool_rules::{InvalidToolsError, check};
use super::wire::{CustomDefinition, FunctionDefinition, Tool};
use crate::strict::target;

/// What the text of a custom tool may be.
///
/// Shape: `custom.format` of the chat completions API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextFormat {
    /// Any text.
    Text,
    /// Text of a grammar, in the syntax of Lark.
    Lark(String),
    /// Text that matches a regular expression.
    Regex(String),
}

impl TextFormat {
    fn to_value(&self) -> Value {
        let grammar = |syntax: &str, definition: &str| {
            let grammar = json!({ "syntax": syntax, "definition": definition });
            json!({ "type": "grammar", "grammar": grammar })
        };
        match self {
            Self::Text => json!({ "type": "text" }),
            Self::Lark(definition) => grammar("lark", definition),
            Self::Regex(definition) => grammar("regex", definition),
        }
    }
}

/// Offers a tool as one that takes free text: what the model writes becomes the tool's one
/// parameter. For code, queries and the like, which models write better outside of JSON.
///
/// # Errors
/// Services refuse its name or its parameters, as for [`tools_for`](super::tools_for), or these are
/// not exactly one string.
///
/// ```
/// use tool_core::serde_json::{json, to_value};
/// use tool_core::{tool, tools};
/// use tool_openai::chat::{self, TextFormat};
///
/// /// Run a query.
/// #[tool(read_only)]
/// fn query(sql: String) -> usize {
///     sql.len()
/// }
///
/// let tools = tools![query];
/// let query = tools.definition("query").unwrap();
/// assert_eq!(
///     to_value(chat::custom(query, &TextFormat::Regex("SELECT .*".to_owned()))?)?,
///     json!({"type": "custom", "custom": {
///         "name": "query",
///         "description": "Run a query.",
///         "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "SELECT .*"}},
///     }}),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn custom(definition: &ToolDefinition, format: &TextFormat) -> Result<Tool, InvalidToolsError> {
    check(definition.name(), definition.parameters())?;
    if text_parameter(definition.parameters()).is_none() {
        let reason = "its parameters must be exactly one, a required string";
        return Err(InvalidToolsError::NotText {
            tool: definition.name().to_owned(),
            reason,
        });
    }
    let custom = CustomDefinition {
        name: definition.name().to_owned(),
        description: definition.description().to_owned(),
        format: Some(format.to_value()),
        extra: Map::new(),
    };
    Ok(Tool {
        r#type: "custom".to_owned(),
        function: FunctionDefinition::default(),
        custom: Some(custom),
        extra: Map::new(),
    })
}

/// The parameter that free text becomes: the only one, a required string.
fn text_parameter(parameters: &Value) -> Option<&str> {
    let mut properties = parameters.get("properties")?.as_object()?.iter();
    let (Some((name, schema)), None) = (properties.next(), properties.next()) else {
        return None;
    };
    let is_required = parameters
        .get("required")?
        .as_array()?
        .iter()
        .any(|required| required == name);
    (is_required && behind_references(parameters, schema)?.get("type")? == "string").then_some(name)
}

/// What a schema is that may be a reference, as a newtype of a string is.
pub(super) fn behind_references<'s>(root: &'s Value, mut schema: &'s Value) -> Option<&'s Value> {
    for _ in 0..16 {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => schema = target(root, reference)?,
            None => break,
        }
    }
    Some(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tool_of_one_required_string_takes_free_text() {
        let parameter = |properties: Value, required: Value| {
            let parameters = json!({"type": "object", "properties": properties, "required": required, "$defs": {"S": {"type": "string"}}});
            text_parameter(&parameters).map(str::to_owned)
        };
        let text = || json!({"type": "string"});
        assert_eq!(
            parameter(json!({"a": text()}), json!(["a"])).as_deref(),
            Some("a")
        );
        assert_eq!(
            parameter(json!({"a": {"$ref": "#/$defs/S"}}), json!(["a"])).as_deref(),
            Some("a")
        );
        assert_eq!(parameter(json!({"a": text()}), json!([])), None);
        assert_eq!(
            parameter(json!({"a": {"type": "integer"}}), json!(["a"])),
            None
        );
        assert_eq!(
            parameter(json!({"a": text(), "b": text()}), json!(["a"])),
            None
        );
        assert_eq!(parameter(json!({}), json!([])), None);

        let definition =
            ToolDefinition::new("t", "", json!({"type": "object", "properties": {}})).unwrap();
        let error = custom(&definition, &TextFormat::Text)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "tool `t` cannot take free text: its parameters must be exactly one, a required string"
        );
    }

    #[test]
    fn formats_are_written_as_the_service_reads_them() {
        let lark = TextFormat::Lark("start: \"a\"".to_owned()).to_value();
        assert_eq!(
            lark,
            json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: \"a\""}})
        );
        assert_eq!(TextFormat::Text.to_value(), json!({"type": "text"}));
    }
}
