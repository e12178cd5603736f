//! Definitions to the flat `tools` array.

use tool_core::ToolSet;
use tool_core::serde_json::{Map, Value};

use super::flat::flat;
use super::wire::Tool;
use crate::Profile;
use crate::chat::{self, InvalidToolsError, OfferedTools, ToolChoice};

/// The `tools` array of a Responses request to api.openai.com: as [`tools_for`] writes it for
/// [`Profile::openai`].
///
/// # Errors
/// As for [`chat::tools_for`].
///
/// ```
/// use tool_core::serde_json::{json, to_value};
/// use tool_core::{tool, tools};
///
/// /// Get the weather in a city.
/// #[tool]
/// fn get_weather(city: &str) -> String {
///     format!("sunny in {city}")
/// }
///
/// assert_eq!(
///     to_value(tool_openai::responses::tools(&tools![get_weather])?)?,
///     json!([{
///         "type": "function",
///         "name": "get_weather",
///         "description": "Get the weather in a city.",
///         "parameters": {
///             "type": "object",
///             "properties": {"city": {"type": "string"}},
///             "required": ["city"],
///             "additionalProperties": false,
///         },
///         "strict": true,
///     }]),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tools(tools: &ToolSet) -> Result<OfferedTools<Tool>, InvalidToolsError> {
    tools_for(tools, &Profile::default())
}

/// The `tools` array of a Responses request to a service of that profile: what [`chat::tools_for`]
/// gives, flat, and with `strict` always explicit, since the service decides if it is left out.
///
/// # Errors
/// As for [`chat::tools_for`].
pub fn tools_for(
    tools: &ToolSet,
    profile: &Profile,
) -> Result<OfferedTools<Tool>, InvalidToolsError> {
    type Made = (Profile, Result<OfferedTools<Tool>, InvalidToolsError>);
    let of_profile = |(of, _): &Made| of == profile;
    let make =
        || chat::tools_for(tools, profile).map(|tools| tools.map(|tool| tool.clone().into()));
    let made = tools.cached(of_profile, || (profile.clone(), make()));
    made.1.clone()
}

/// A `tool_choice` as the Responses API writes it.
///
/// ```
/// use tool_core::serde_json::json;
/// use tool_openai::chat::ToolChoice;
/// use tool_openai::responses::tool_choice;
///
/// assert_eq!(tool_choice(&ToolChoice::function("get_weather")), json!({"type": "function", "name": "get_weather"}));
/// ```
pub fn tool_choice(choice: &ToolChoice) -> Value {
    flat(choice.to_value())
}

impl From<chat::Tool> for Tool {
    fn from(tool: chat::Tool) -> Self {
        let chat::Tool {
            r#type,
            function,
            custom,
            extra,
        } = tool;
        let mut all: Map<String, Value> = extra;
        if let Some(custom) = custom {
            all.extend(custom.extra);
            let format = custom.format.map(flat);
            return Self {
                r#type,
                name: custom.name,
                description: custom.description,
                parameters: None,
                strict: None,
                format,
                extra: all,
            };
        }
        all.extend(function.extra);
        let strict = (r#type == "function").then(|| function.strict.unwrap_or(false));
        let (name, description, parameters) =
            (function.name, function.description, function.parameters);
        Self {
            r#type,
            name,
            description,
            parameters,
            strict,
            format: None,
            extra: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{from_value, json, to_value};

    fn converted(chat: Value) -> Value {
        to_value(Tool::from(from_value::<chat::Tool>(chat).unwrap())).unwrap()
    }

    #[test]
    fn definitions_are_flat_and_strict_is_always_explicit() {
        let parameters = json!({"type": "object", "properties": {}});
        for (strict, expected) in [
            (Value::Null, false),
            (json!(false), false),
            (json!(true), true),
        ] {
            assert_eq!(
                converted(
                    json!({"type": "function", "function": {"name": "n", "description": "d", "parameters": parameters, "strict": strict}})
                ),
                json!({"type": "function", "name": "n", "description": "d", "parameters": parameters, "strict": expected}),
            );
        }
    }

    #[test]
    fn custom_tools_are_flat_down_to_their_grammar() {
        let grammar = json!({"syntax": "regex", "definition": "[a-z]+"});
        assert_eq!(
            converted(
                json!({"type": "custom", "custom": {"name": "n", "description": "d", "format": {"type": "grammar", "grammar": grammar}}})
            ),
            json!({"type": "custom", "name": "n", "description": "d", "format": {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"}}),
        );
    }

    #[test]
    fn tools_of_the_service_pass() {
        let search = json!({"type": "web_search", "search_context_size": "low"});
        assert_eq!(converted(search.clone()), search);
    }
}
