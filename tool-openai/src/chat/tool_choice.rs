//! Which tools the model may call, or must.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tool_core::serde_json::{Value, json};

use super::wire::{Request, Tool};

/// Which of the tools on offer the model may call, or must.
///
/// Shape: `tool_choice` of the chat completions API.
///
/// ```
/// use tool_core::serde_json::{json, to_value};
/// use tool_openai::chat::{ToolChoice, ToolName};
///
/// assert_eq!(to_value(ToolChoice::Required)?, json!("required"));
/// let one_of_two = ToolChoice::Allowed { required: true, tools: vec![ToolName::function("add"), ToolName::custom("query")] };
/// assert_eq!(
///     to_value(one_of_two)?,
///     json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
///         {"type": "function", "function": {"name": "add"}},
///         {"type": "custom", "custom": {"name": "query"}},
///     ]}}),
/// );
/// # Ok::<(), tool_core::serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// None: the model answers with text.
    None,
    /// Any number, as the model decides. The default of services.
    Auto,
    /// At least one.
    Required,
    /// This one.
    Tool(ToolName),
    /// Some of them: the list of tools stays the same, which keeps the service's cache of the
    /// prompt.
    Allowed {
        /// Whether at least one must be called.
        required: bool,
        /// Those that may be called.
        tools: Vec<ToolName>,
    },
    /// What a service knows beside these, as it reads it.
    Other(Value),
}

impl ToolChoice {
    /// The function of that name must be called.
    pub fn function(name: impl Into<String>) -> Self {
        Self::Tool(ToolName::function(name))
    }

    /// The custom tool of that name must be called.
    pub fn custom(name: impl Into<String>) -> Self {
        Self::Tool(ToolName::custom(name))
    }

    fn named(&self) -> &[ToolName] {
        match self {
            Self::Tool(tool) => std::slice::from_ref(tool),
            Self::Allowed { tools, .. } => tools,
            Self::None | Self::Auto | Self::Required | Self::Other(_) => &[],
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::None => "none".into(),
            Self::Auto => "auto".into(),
            Self::Required => "required".into(),
            Self::Tool(tool) => tool.to_value(),
            Self::Allowed { required, tools } => {
                let tools: Vec<Value> = tools.iter().map(ToolName::to_value).collect();
                let allowed =
                    json!({ "mode": if *required { "required" } else { "auto" }, "tools": tools });
                json!({ "type": "allowed_tools", "allowed_tools": allowed })
            }
            Self::Other(value) => value.clone(),
        }
    }

    fn from_value(value: Value) -> Self {
        let allowed = |value: &Value| {
            let allowed = value
                .get("allowed_tools")
                .filter(|_| value["type"] == "allowed_tools")?;
            let required = match allowed.get("mode")?.as_str()? {
                "required" => true,
                "auto" => false,
                _ => return None,
            };
            let tools = allowed
                .get("tools")?
                .as_array()?
                .iter()
                .map(ToolName::from_value)
                .collect::<Option<_>>()?;
            Some(Self::Allowed { required, tools })
        };
        match value.as_str() {
            Some("none") => Self::None,
            Some("auto") => Self::Auto,
            Some("required") => Self::Required,
            _ => ToolName::from_value(&value)
                .map(Self::Tool)
                .or_else(|| allowed(&value))
                .unwrap_or(Self::Other(value)),
        }
    }
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Err(D::Error::custom("no tool choice")),
            value => Ok(Self::from_value(value)),
        }
    }
}

/// A tool that a [`ToolChoice`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolName {
    is_custom: bool,
    name: String,
}

impl ToolName {
    /// A function.
    pub fn function(name: impl Into<String>) -> Self {
        Self {
            is_custom: false,
            name: name.into(),
        }
    }

    /// A custom tool, which takes free text.
    pub fn custom(name: impl Into<String>) -> Self {
        Self {
            is_custom: true,
            name: name.into(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a custom tool.
    pub fn is_custom(&self) -> bool {
        self.is_custom
    }

    fn kind(&self) -> &'static str {
        if self.is_custom { "custom" } else { "function" }
    }

    fn to_value(&self) -> Value {
        let kind = self.kind();
        json!({ "type": kind, kind: { "name": self.name } })
    }

    fn from_value(value: &Value) -> Option<Self> {
        let kind = value
            .get("type")?
            .as_str()
            .filter(|kind| ["custom", "function"].contains(kind))?;
        Some(Self {
            is_custom: kind == "custom",
            name: value.get(kind)?.get("name")?.as_str()?.to_owned(),
        })
    }

    fn is(&self, tool: &Tool) -> bool {
        name_of(tool) == self.name && tool.custom.is_some() == self.is_custom
    }
}

fn name_of(tool: &Tool) -> &str {
    tool.custom
        .as_ref()
        .map_or(&tool.function.name, |custom| &custom.name)
}

impl Request {
    /// Whether the tools that `tool_choice` names are on offer. Services refuse the whole request
    /// otherwise.
    ///
    /// # Errors
    /// One is not on offer, or a call is required and there are no tools.
    pub fn check_tool_choice(&self) -> Result<(), InvalidToolChoiceError> {
        match &self.tool_choice {
            None => return Ok(()),
            Some(ToolChoice::Allowed { tools, .. }) if tools.is_empty() => {
                return Err(InvalidToolChoiceError::NothingAllowed);
            }
            Some(ToolChoice::Required) if self.tools.is_empty() => {
                return Err(InvalidToolChoiceError::NoTools);
            }
            Some(_) => {}
        }
        let unknown = self
            .tool_choice
            .iter()
            .flat_map(ToolChoice::named)
            .find(|named| !self.tools.iter().any(|tool| named.is(tool)));
        let Some(named) = unknown else { return Ok(()) };
        let (name, kind) = (named.name.clone(), named.kind());
        Err(match self.tools.iter().any(|tool| name_of(tool) == name) {
            true => InvalidToolChoiceError::OtherKind { name, kind },
            false => InvalidToolChoiceError::Unknown {
                fix: fix(&name, &self.tools),
                name,
            },
        })
    }
}

fn fix(name: &str, tools: &[Tool]) -> String {
    const ALIKE: f64 = 0.8;
    let likeness = |tool: &str| strsim::jaro_winkler(&name.to_lowercase(), &tool.to_lowercase());
    let nearest = tools
        .iter()
        .map(name_of)
        .map(|tool| (likeness(tool), tool))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((likeness, tool)) if likeness >= ALIKE => format!("did you mean `{tool}`?"),
        Some(_) => "name one that is".to_owned(),
        None => "there are no tools".to_owned(),
    }
}

/// A `tool_choice` that no service would accept with the tools on offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToolChoiceError {
    /// A tool that is not on offer.
    #[error("the tool choice names `{name}`, which is not on offer; {fix}")]
    Unknown {
        /// The name.
        name: String,
        /// How to fix it: the nearest name, or the tools on offer.
        fix: String,
    },
    /// A function named as a custom tool, or the other way round.
    #[error(
        "the tool choice names `{name}` as a {kind} tool, but it is offered as the other kind; name it as that"
    )]
    OtherKind {
        /// The name.
        name: String,
        /// As what it is named.
        kind: &'static str,
    },
    /// An empty list of allowed tools.
    #[error("the tool choice allows no tool; name one, or choose none")]
    NothingAllowed,
    /// A call is required, and nothing is on offer.
    #[error("the tool choice requires a call, and no tool is on offer; offer one")]
    NoTools,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FunctionDefinition, TextFormat, custom};
    use tool_core::ToolDefinition;
    use tool_core::serde_json::{Map, from_value, to_value};

    fn offered() -> Vec<Tool> {
        let function = FunctionDefinition {
            name: "get_patient".to_owned(),
            ..FunctionDefinition::default()
        };
        let parameters = json!({"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]});
        let query = ToolDefinition::new("query", "", parameters).unwrap();
        let function = Tool {
            r#type: "function".to_owned(),
            function,
            custom: None,
            extra: Map::new(),
        };
        vec![function, custom(&query, &TextFormat::Text).unwrap()]
    }

    fn refusal(choice: ToolChoice, tools: Vec<Tool>) -> Option<String> {
        let request = Request {
            tools: tools.into(),
            tool_choice: Some(choice),
            ..Request::default()
        };
        request
            .check_tool_choice()
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for wire in [
            json!("none"),
            json!("auto"),
            json!("required"),
            json!({"type": "function", "function": {"name": "x"}}),
            json!({"type": "custom", "custom": {"name": "x"}}),
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "x"}}]}}),
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}),
        ] {
            let choice: ToolChoice = from_value(wire.clone()).unwrap();
            assert!(!matches!(choice, ToolChoice::Other(_)), "{wire}");
            assert_eq!(to_value(choice).unwrap(), wire);
        }
        let other = json!("any"); // Mistral's name for it
        assert_eq!(
            from_value::<ToolChoice>(other.clone()).unwrap(),
            ToolChoice::Other(other.clone())
        );
        assert_eq!(to_value(ToolChoice::Other(other.clone())).unwrap(), other);
    }

    #[test]
    fn an_unknown_tool_choice_suggests_the_nearest_name() {
        assert_eq!(
            refusal(ToolChoice::function("get_patient"), offered()),
            None
        );
        assert_eq!(refusal(ToolChoice::custom("query"), offered()), None);
        assert_eq!(
            refusal(ToolChoice::function("get_patients"), offered()).as_deref(),
            Some(
                "the tool choice names `get_patients`, which is not on offer; did you mean `get_patient`?"
            )
        );
        assert_eq!(
            refusal(ToolChoice::function("query"), offered()).as_deref(),
            Some(
                "the tool choice names `query` as a function tool, but it is offered as the other kind; name it as that"
            )
        );
        let allowed = |names: &[&str]| ToolChoice::Allowed {
            required: false,
            tools: names.iter().map(|name| ToolName::function(*name)).collect(),
        };
        assert_eq!(refusal(allowed(&["get_patient"]), offered()), None);
        let words = refusal(allowed(&["get_patient", "xyz"]), offered());
        assert_eq!(
            words.as_deref(),
            Some("the tool choice names `xyz`, which is not on offer; name one that is")
        );
        assert_eq!(
            refusal(allowed(&[]), offered()).as_deref(),
            Some("the tool choice allows no tool; name one, or choose none")
        );
        assert!(
            refusal(ToolChoice::Required, Vec::new())
                .is_some_and(|words| words.contains("no tool is on offer"))
        );
        assert_eq!(refusal(ToolChoice::None, Vec::new()), None);
    }

    #[test]
    fn tool_keys_are_omitted_without_tools() {
        let extra = Map::from_iter([
            ("parallel_tool_calls".to_owned(), false.into()),
            ("temperature".to_owned(), 0.into()),
        ]);
        let choice = Some(ToolChoice::Auto);
        let mut request = Request {
            model: "m".into(),
            tool_choice: choice,
            parallel_tool_calls: Some(true),
            extra,
            ..Request::default()
        };
        assert_eq!(
            to_value(&request).unwrap(),
            json!({"model": "m", "messages": [], "temperature": 0})
        );
        request.tools = offered().into();
        let sent = to_value(&request).unwrap();
        assert_eq!(
            (
                &sent["tool_choice"],
                &sent["parallel_tool_calls"],
                &sent["temperature"]
            ),
            (&json!("auto"), &json!(true), &json!(0))
        );
        let text = tool_core::serde_json::to_string(&request).unwrap();
        assert_eq!(
            text.matches("parallel_tool_calls").count(),
            1,
            "the field goes before a key of the same name"
        );
        assert_eq!(
            from_value::<Request>(sent).unwrap().tool_choice,
            Some(ToolChoice::Auto)
        );
    }
}
