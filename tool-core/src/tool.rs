//! What a tool is: a definition for the model, and a call from argument text to output.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::{Value, json};

use crate::arguments;
use crate::behavior::Behavior;
use crate::context::CallContext;
use crate::error::ToolError;
use crate::output::ToolOutput;
use crate::param::Describe;

/// The future of one call.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send + 'a>>;

/// Something a model can call. [`tool`](crate::tool) makes one of a function;
/// [`DynamicTool`](crate::DynamicTool) is one that is known only at run time.
///
/// The definition does not change while the tool lives. `call` may run many times at once. It may
/// panic or never end without harm to its siblings, and is dropped at an await point when its
/// deadline passes or nobody waits for it any more.
///
/// ```
/// use tool_core::{CallContext, Tool, ToolDefinition, ToolError, ToolFuture, ToolOutput};
/// use tool_core::serde_json::json;
///
/// /// Runs on another machine; this side only forwards.
/// struct Remote(ToolDefinition);
///
/// impl Tool for Remote {
///     fn definition(&self) -> &ToolDefinition {
///         &self.0
///     }
///
///     fn call<'a>(&'a self, _: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
///         Box::pin(async move { Ok(ToolOutput::from_text(format!("sent {} bytes", arguments.len()))) })
///     }
/// }
///
/// let schema = json!({"type": "object", "properties": {}, "additionalProperties": true});
/// let remote = Remote(ToolDefinition::new("forward", "Send anything on.", schema)?);
/// assert_eq!(remote.definition().name(), "forward");
/// # Ok::<(), tool_core::InvalidDefinitionError>(())
/// ```
pub trait Tool: Send + Sync {
    /// What the model is told of the tool.
    fn definition(&self) -> &ToolDefinition;

    /// Runs the tool once. `arguments` is the text as the model wrote it, not yet checked.
    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a>;

    /// What is wrong with the arguments, if anything: [`call`](Self::call) is not run then, nor a
    /// policy asked about the call. That they are one JSON object, unless the tool looks closer.
    ///
    /// # Errors
    /// The arguments are none that the tool takes.
    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        arguments::object(arguments).map(drop)
    }
}

/// A tool as the dispatcher runs it.
pub(crate) trait Start: Any + Send + Sync {
    /// What runs a call of it: the future owns the context, and borrows the tool [from
    /// that](CallContext::runner).
    fn start(&self) -> fn(CallContext) -> ToolFuture<'static>;

    fn check(&self, arguments: &str) -> Result<(), ToolError>;

    /// What its arguments are decoded by, if they are decoded by us.
    fn params(&self) -> &'static [&'static (dyn Describe + Sync)];
}

/// A tool of another kind.
pub(crate) struct Foreign<T>(pub(crate) T);

impl<T: Tool + 'static> Start for Foreign<T> {
    fn start(&self) -> fn(CallContext) -> ToolFuture<'static> {
        |context| {
            Box::pin(async move {
                let Self(tool) = context.runner();
                tool.check(context.arguments())
                    .map_err(ToolError::undecoded)?;
                tool.call(&context, context.arguments()).await
            })
        }
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        self.0.check(arguments)
    }

    fn params(&self) -> &'static [&'static (dyn Describe + Sync)] {
        &[]
    }
}

impl<T: Tool + ?Sized> Tool for Arc<T> {
    fn definition(&self) -> &ToolDefinition {
        (**self).definition()
    }

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        (**self).call(context, arguments)
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        (**self).check(arguments)
    }
}

impl<T: Tool + ?Sized> Tool for Box<T> {
    fn definition(&self) -> &ToolDefinition {
        (**self).definition()
    }

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        (**self).call(context, arguments)
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        (**self).check(arguments)
    }
}

impl fmt::Debug for dyn Tool + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tool")
            .field(&self.definition().name())
            .finish()
    }
}

/// What a model is told of a tool, and what the dispatcher is told of its behaviour.
///
/// Shape: `parameters` is a JSON Schema (draft 2020-12) of type `object`. Equal declarations have
/// equal definitions, byte for byte, in every run and on every machine.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    name: String,
    description: String,
    parameters: Value,
    behavior: Behavior,
    checks_arguments: bool,
}

impl ToolDefinition {
    /// The definition of a tool that is known only at run time.
    ///
    /// # Errors
    /// The name does not match `^[a-zA-Z0-9_-]{1,64}$`, or `parameters` is not the schema of a
    /// plain object.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Result<Self, InvalidDefinitionError> {
        let name = name.into();
        if !is_legal(&name) {
            return Err(InvalidDefinitionError::Name(name));
        }
        let definition = Self {
            checks_arguments: false,
            ..Self::declared(name, description, parameters)
        };
        definition.check().map(|()| definition)
    }

    /// Whether services accept its parameters, as they need not those of every `#[args]` type.
    ///
    /// # Errors
    /// They are not the schema of a plain object.
    pub fn check(&self) -> Result<(), InvalidDefinitionError> {
        let name = || self.name.clone();
        let unsupported = ["oneOf", "anyOf", "allOf", "enum", "not"]
            .into_iter()
            .find(|key| self.parameters.get(key).is_some());
        match unsupported {
            None if self.parameters["type"] == json!("object") => Ok(()),
            None => Err(InvalidDefinitionError::NotAnObject { name: name() }),
            Some(keyword) => Err(InvalidDefinitionError::RootKeyword {
                name: name(),
                keyword,
            }),
        }
    }

    /// As [`new`](Self::new), for what the macro has already checked.
    pub(crate) fn declared(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Self {
        let (name, description) = (name.into(), description.into());
        Self {
            name,
            description,
            parameters,
            behavior: Behavior::default(),
            checks_arguments: true,
        }
    }

    /// Says how calls behave, to what was said before.
    ///
    /// # Errors
    /// What is said contradicts itself.
    pub fn with_behavior(
        mut self,
        behave: impl FnOnce(&mut Behavior),
    ) -> Result<Self, InvalidDefinitionError> {
        behave(&mut self.behavior);
        match self
            .behavior
            .contradiction(|property| self.parameters["properties"].get(property).is_some())
        {
            None => Ok(self),
            Some(contradiction) => Err(InvalidDefinitionError::Behavior {
                name: self.name,
                contradiction,
            }),
        }
    }

    /// As [`with_behavior`](Self::with_behavior), for what the macro has already checked.
    pub(crate) fn with_checked_behavior(self, behavior: Behavior) -> Self {
        Self { behavior, ..self }
    }

    /// The same tool under another name.
    pub(crate) fn renamed(&self, name: String) -> Result<Self, InvalidDefinitionError> {
        if is_legal(&name) {
            Ok(Self {
                name,
                ..self.clone()
            })
        } else {
            Err(InvalidDefinitionError::Name(name))
        }
    }

    /// The name the model calls it by: `^[a-zA-Z0-9_-]{1,64}$`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does, for the model to choose it by.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// JSON Schema of the arguments object, its properties in declaration order.
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// How calls behave, as declared.
    pub fn behavior(&self) -> &Behavior {
        &self.behavior
    }

    /// Whether the tool itself refuses arguments that its schema refuses, as every `#[tool]` does;
    /// a service need not be told of what hardly any model gets wrong.
    pub fn checks_arguments(&self) -> bool {
        self.checks_arguments
    }
}

/// What the model is told: name, description and parameters.
impl Serialize for ToolDefinition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("ToolDefinition", 3)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("description", &self.description)?;
        object.serialize_field("parameters", &self.parameters)?;
        object.end()
    }
}

fn is_legal(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= 64 && name.chars().all(legal)
}

/// A definition that no service would accept, or that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDefinitionError {
    /// The name cannot be written on the wire.
    #[error("tool name `{0}` is not 1 to 64 letters, digits, `_` or `-`; choose another")]
    Name(String),
    /// The schema is not that of an object.
    #[error(
        "the parameters of tool `{name}` are not an object schema; write `{{\"type\": \"object\", \"properties\": …}}`"
    )]
    NotAnObject {
        /// The tool.
        name: String,
    },
    /// Services refuse this keyword at the root.
    #[error(
        "the parameters of tool `{name}` have `{keyword}` at the root; move it into a property"
    )]
    RootKeyword {
        /// The tool.
        name: String,
        /// The keyword.
        keyword: &'static str,
    },
    /// What is said of its calls contradicts itself.
    #[error("the behavior of tool `{name}` contradicts itself: {contradiction}")]
    Behavior {
        /// The tool.
        name: String,
        /// What is said against what.
        contradiction: String,
    },
}
