//! What a tool is: a definition, and a call from a context and argument text to output.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::context::CallContext;
use super::definition::ToolDefinition;
use super::error::ToolError;
use super::object;
use super::output::ToolOutput;

/// The future of one call.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send + 'a>>;

/// A tool: something a model can call. [`tool`](crate::tool) makes one of a function;
/// [`DynamicTool`](crate::DynamicTool) is one that is known only at run time.
///
/// The definition does not change while the tool lives. `call` may run many times at once.
///
/// Anyone may run a tool: `call` needs a context, and [`CallContext::detached`] makes one. Run by a
/// [`Dispatcher`](crate::Dispatcher), it may panic or never end without harm to its siblings, and
/// is dropped at an await point when its deadline passes or the caller drops the future. Run by
/// hand, it is isolated from nothing: a panic unwinds, and time limits, retries, layers and
/// policies are the dispatcher's.
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
    /// What the model reads of the tool, and how its calls behave.
    fn definition(&self) -> &ToolDefinition;

    /// Runs the tool once. `arguments` is the text as the model wrote it, which
    /// a dispatcher or a set has passed to [`check`](Self::check).
    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a>;

    /// What is wrong with the arguments, if anything: [`call`](Self::call) is not run then, nor a
    /// policy asked about the call. That they are one JSON object, unless the tool looks closer.
    ///
    /// # Errors
    /// The tool does not accept the arguments.
    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        object::read_arguments(arguments).map(drop)
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
