//! What services take as tools, and what they refuse.

use tool_core::serde_json::Value;

use super::convert::legal_name;
use crate::strict::NotStrictError;

/// The most tools a service takes in one request.
pub(super) const MOST_TOOLS: usize = 128;

/// Keywords that services refuse at the root of `parameters`.
const REFUSED_AT_ROOT: [&str; 5] = ["oneOf", "anyOf", "allOf", "enum", "not"];

/// Whether services accept a definition. A [`ToolDefinition`](tool_core::ToolDefinition) may be
/// wider: these rules are theirs.
pub(super) fn check(name: &str, parameters: &Value) -> Result<(), InvalidToolsError> {
    let tool = || name.to_owned();
    if legal_name(name) != name {
        return Err(InvalidToolsError::Name { tool: tool() });
    }
    let keyword = REFUSED_AT_ROOT
        .into_iter()
        .find(|keyword| parameters.get(keyword).is_some());
    if let Some(keyword) = keyword {
        return Err(InvalidToolsError::RootKeyword {
            tool: tool(),
            keyword,
        });
    }
    if parameters.get("type").is_none_or(|kind| kind != "object") {
        return Err(InvalidToolsError::NotAnObject { tool: tool() });
    }
    Ok(())
}

/// A tool, or a number of them, that no service would accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToolsError {
    /// More than fit into one request.
    #[error(
        "{count} tools are more than the {MOST_TOOLS} a service accepts in one request; offer fewer"
    )]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A name that services refuse: it does not match `^[a-zA-Z0-9_-]{1,64}$`.
    #[error("tool name `{tool}` is not 1 to 64 letters, digits, `_` or `-`; choose another")]
    Name {
        /// The tool.
        tool: String,
    },
    /// Parameters that are not the schema of an object.
    #[error(
        "the parameters of tool `{tool}` are not an object schema; write `{{\"type\": \"object\", \"properties\": …}}`"
    )]
    NotAnObject {
        /// The tool.
        tool: String,
    },
    /// Parameters with a keyword at the root that services refuse there.
    #[error(
        "the parameters of tool `{tool}` have `{keyword}` at the root; move it into a property"
    )]
    RootKeyword {
        /// The tool.
        tool: String,
        /// The keyword.
        keyword: &'static str,
    },
    /// A tool that must be strict and cannot be.
    #[error("tool `{tool}` must be strict, but {reason}; or do without `strict`")]
    NotStrict {
        /// The tool.
        tool: String,
        /// What in its parameters prevents it, and where.
        reason: Box<NotStrictError>,
    },
    /// A tool that cannot be offered as one that takes free text.
    #[error("tool `{tool}` cannot take free text: {reason}")]
    NotText {
        /// The tool.
        tool: String,
        /// Why it cannot.
        reason: &'static str,
    },
}

impl InvalidToolsError {
    /// The tool, if it is one.
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::TooMany { .. } => None,
            Self::Name { tool }
            | Self::NotAnObject { tool }
            | Self::RootKeyword { tool, .. }
            | Self::NotStrict { tool, .. }
            | Self::NotText { tool, .. } => Some(tool),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::json;

    fn refusal(name: &str, parameters: Value) -> InvalidToolsError {
        check(name, &parameters).unwrap_err()
    }

    #[test]
    fn names_of_64_letters_digits_and_marks_are_taken() {
        let longest = "n".repeat(64);
        for name in ["a", "get_weather", "Get-Weather-2", longest.as_str()] {
            assert_eq!(check(name, &json!({"type": "object"})), Ok(()), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        let too_long = "n".repeat(65);
        for name in ["", "math.add", "get weather", "größe", too_long.as_str()] {
            let error = refusal(name, json!({"type": "object"}));
            assert_eq!(
                error.to_string(),
                format!(
                    "tool name `{name}` is not 1 to 64 letters, digits, `_` or `-`; choose another"
                )
            );
            assert!(matches!(error, InvalidToolsError::Name { tool } if tool == name));
        }
    }

    #[test]
    fn parameters_that_are_no_object_schema_are_refused() {
        for parameters in [
            json!({}),
            json!({"properties": {}}),
            json!({"type": "string"}),
            json!({"type": ["object", "null"]}),
            json!({"$ref": "#/$defs/Query"}),
            json!(true),
        ] {
            let error = refusal("find", parameters.clone());
            assert_eq!(
                error.to_string(),
                "the parameters of tool `find` are not an object schema; write `{\"type\": \"object\", \"properties\": …}`",
                "{parameters}"
            );
        }
    }

    #[test]
    fn keywords_at_the_root_are_refused() {
        for keyword in ["oneOf", "anyOf", "allOf", "enum", "not"] {
            for parameters in [
                json!({"type": "object", keyword: []}),
                json!({keyword: [{"type": "object"}]}),
            ] {
                assert_eq!(
                    refusal("find", parameters).to_string(),
                    format!(
                        "the parameters of tool `find` have `{keyword}` at the root; move it into a property"
                    )
                );
            }
            let inside = json!({"type": "object", "properties": {"p": {keyword: []}}});
            assert_eq!(check("find", &inside), Ok(()));
        }
    }
}
