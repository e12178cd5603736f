//! A tool that is known only at run time.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::decode::{self, Param, Parameter};
use crate::model::object;
use crate::model::{
    Behavior, CallContext, InvalidDefinitionError, OutputFormat, Tool, ToolDefinition, ToolError,
    ToolFuture, ToolOutput,
};
use crate::schema;

type Handler = dyn Fn(CallContext, &str, OutputFormat) -> ToolFuture<'static> + Send + Sync;

/// A dynamic tool, known only at run time: its name, description and schema are values, its body is
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
    check: fn(&str) -> Result<(), ToolError>,
    handler: Arc<Handler>,
}

impl DynamicTool {
    /// A tool that runs `handler`. Shape: `parameters` is a JSON Schema of the arguments object.
    ///
    /// # Errors
    /// The name is empty, or the schema is not a JSON Schema.
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
        let handler = move |_, arguments| handler(arguments);
        Self::new_with_context(name, description, parameters, handler)
    }

    /// As [`new`](Self::new), for a handler that takes the call's context too.
    ///
    /// # Errors
    /// As those of [`new`](Self::new).
    ///
    /// ```
    /// # use tool_core::serde_json::json;
    /// # use tool_core::{DynamicTool, InvalidDefinitionError};
    /// let schema = json!({"type": "object", "properties": {}});
    /// let book = DynamicTool::new_with_context("book", "Book a bed.", schema, |context, _| async move {
    ///     Ok::<_, String>(format!("booked under {}", context.idempotency_key()))
    /// })?;
    /// # Ok::<(), InvalidDefinitionError>(())
    /// ```
    pub fn new_with_context<H, F, T, E>(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
        handler: H,
    ) -> Result<Self, InvalidDefinitionError>
    where
        H: Fn(CallContext, Map<String, Value>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let definition = ToolDefinition::new(name, description, parameters)?;
        let check = |text: &str| object::read_arguments(text).map(drop);
        Ok(Self::of(definition, check, object::read_arguments, handler))
    }

    /// A tool whose handler takes its arguments as one value, from whose type the schema is
    /// derived.
    ///
    /// ```
    /// use tool_core::{Dispatcher, DynamicTool, ToolCall, schemars, serde, tools};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// # #[serde(crate = "tool_core::serde")]
    /// # #[schemars(crate = "tool_core::schemars")]
    /// struct City {
    ///     /// The city's name.
    ///     city: String,
    /// }
    ///
    /// let weather = DynamicTool::typed("get_weather", "Get the weather.", |City { city }| async move {
    ///     Ok::<_, String>(format!("sunny in {city}"))
    /// })?;
    ///
    /// let dispatcher = Dispatcher::new(tools![].with_tool(weather)?);
    /// let call = ToolCall::new("call_1", "get_weather", r#"{"city": 5}"#);
    /// let results = dispatcher.dispatch_blocking(vec![call]);
    /// assert!(results[0].content().contains("`city`: invalid type: integer `5`"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The name is empty, or the type does not serialise as an object.
    pub fn typed<A, H, F, T, E>(
        name: impl Into<String>,
        description: impl Into<String>,
        handler: H,
    ) -> Result<Self, InvalidDefinitionError>
    where
        A: Parameter + 'static,
        H: Fn(A) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::typed_with_context(name, description, move |_, arguments| handler(arguments))
    }

    /// As [`typed`](Self::typed), for a handler that takes the call's context too.
    ///
    /// # Errors
    /// As those of [`typed`](Self::typed).
    pub fn typed_with_context<A, H, F, T, E>(
        name: impl Into<String>,
        description: impl Into<String>,
        handler: H,
    ) -> Result<Self, InvalidDefinitionError>
    where
        A: Parameter + 'static,
        H: Fn(CallContext, A) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        fn read<A: Parameter>(text: &str) -> Result<A, ToolError> {
            decode::whole(text, &Param::new("", "")).map_err(ToolError::undecoded)
        }
        let param = Param::<A>::new("", "");
        let definition = ToolDefinition::new(name, description, schema::of_object(&[&param]))?
            .with_checked_arguments();
        let check = |text: &str| decode::check(text, &[&Param::<A>::new("", "")], true);
        Ok(Self::of(definition, check, read, handler))
    }

    fn of<A, H, F, T, E>(
        definition: ToolDefinition,
        check: fn(&str) -> Result<(), ToolError>,
        read: fn(&str) -> Result<A, ToolError>,
        handler: H,
    ) -> Self
    where
        H: Fn(CallContext, A) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        A: 'static,
        T: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let handler = move |context: CallContext, text: &str, format| -> ToolFuture<'static> {
            let running = read(text).map(|arguments| handler(context, arguments));
            Box::pin(async move {
                match running?.await {
                    Ok(value) => ToolOutput::serialize_within(&value, format),
                    Err(error) => Err(ToolError::returned(error.into())),
                }
            })
        };
        Self {
            definition,
            check,
            handler: Arc::new(handler),
        }
    }

    /// Sets a title for people to read.
    #[must_use]
    pub fn with_title(self, title: impl Into<String>) -> Self {
        Self {
            definition: self.definition.with_title(title),
            ..self
        }
    }

    /// Publishes the schema of what the handler returns.
    ///
    /// # Errors
    /// `schema` is not a JSON Schema.
    pub fn with_output_schema(self, schema: Value) -> Result<Self, InvalidDefinitionError> {
        Ok(Self {
            definition: self.definition.with_output_schema(schema)?,
            ..self
        })
    }

    /// Sets how calls behave.
    ///
    /// # Errors
    /// The behavior contradicts itself.
    ///
    /// ```
    /// # use tool_core::serde_json::json;
    /// # use tool_core::{DynamicTool, InvalidDefinitionError};
    /// let schema = json!({"type": "object", "properties": {}});
    /// let now = DynamicTool::new("now", "Get the time.", schema, |_| async { Ok::<_, String>("noon") })?
    ///     .with_behavior(|behavior| behavior.read_only = Some(true))?;
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

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        let format = context.output_format_of(&self.definition);
        (self.handler)(context.clone(), arguments, format)
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        (self.check)(arguments)
    }
}

impl fmt::Debug for DynamicTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicTool")
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}
