//! A tool that is known only at run time.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::arguments;
use crate::behavior::Behavior;
use crate::context::CallContext;
use crate::error::ToolError;
use crate::output::ToolOutput;
use crate::tool::{InvalidDefinitionError, Tool, ToolDefinition, ToolFuture};

type Handler = dyn Fn(Map<String, Value>) -> Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send>>
    + Send
    + Sync;

/// A tool that is known only at run time: its name, description and schema are values, its body is
/// an async closure over the arguments object.
///
/// The arguments are one JSON object; checking them against the schema is the closure's part, with
/// [`ToolError::invalid_arguments`] to say what is wrong.
///
/// ```
/// use tool_core::serde_json::json;
/// use tool_core::{Dispatcher, DynamicTool, ToolCall, ToolError, tools};
///
/// let schema = json!({
///     "type": "object",
///     "properties": {"city": {"type": "string"}},
///     "required": ["city"],
///     "additionalProperties": false,
/// });
/// let weather = DynamicTool::new("get_weather", "Get the weather in a city.", schema, |arguments| async move {
///     match arguments.get("city").and_then(|city| city.as_str()) {
///         Some(city) => Ok(format!("sunny in {city}")),
///         None => Err(ToolError::invalid_arguments("`city`: missing; this string is required")),
///     }
/// })?;
///
/// let dispatcher = Dispatcher::new(tools![].with_tool(weather)?);
/// let results = dispatcher.dispatch_blocking(vec![ToolCall::new("call_1", "get_weather", r#"{"city": "Oslo"}"#)]);
/// assert_eq!(results[0].content(), "sunny in Oslo");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DynamicTool {
    definition: ToolDefinition,
    handler: Arc<Handler>,
}

impl DynamicTool {
    /// A tool that runs `handler`. Shape: `parameters` is a JSON Schema of type `object`.
    ///
    /// # Errors
    /// No service would accept the name or the schema.
    pub fn new<H, F, T, E>(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
        handler: H,
    ) -> Result<Self, InvalidDefinitionError>
    where
        H: Fn(Map<String, Value>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let handler = move |arguments| {
            let running = handler(arguments);
            let outcome = async move {
                match running.await {
                    Ok(value) => ToolOutput::from_serialize(&value),
                    Err(error) => Err(ToolError::returned(error.into())),
                }
            };
            Box::pin(outcome) as Pin<Box<dyn Future<Output = _> + Send>>
        };
        Ok(Self {
            definition: ToolDefinition::new(name, description, parameters)?,
            handler: Arc::new(handler),
        })
    }

    /// Says how calls behave.
    ///
    /// # Errors
    /// What is said contradicts itself.
    ///
    /// ```
    /// # use tool_core::serde_json::json;
    /// # use tool_core::{DynamicTool, InvalidDefinitionError};
    /// let schema = json!({"type": "object", "properties": {}});
    /// let now = DynamicTool::new("now", "Get the time.", schema, |_| async { Ok::<_, String>("noon") })?
    ///     .with_behavior(|behavior| behavior.read_only = true)?;
    /// # Ok::<(), InvalidDefinitionError>(())
    /// ```
    pub fn with_behavior(
        self,
        behave: impl FnOnce(&mut Behavior),
    ) -> Result<Self, InvalidDefinitionError> {
        Ok(Self {
            definition: self.definition.with_behavior(behave)?,
            ..self
        })
    }
}

impl Tool for DynamicTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call<'a>(&'a self, _: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        Box::pin(async move { (self.handler)(arguments::object(arguments)?).await })
    }
}

impl fmt::Debug for DynamicTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicTool")
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}
