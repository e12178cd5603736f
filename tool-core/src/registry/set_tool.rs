//! One tool of a set, to run without a dispatcher.

use std::sync::Arc;

use super::runnable::Runnable;
use crate::model::{CallContext, Tool, ToolDefinition, ToolError, ToolFuture, clip};

/// A tool of a set, under the name it has there.
pub(super) struct SetTool {
    pub(super) definition: Arc<ToolDefinition>,
    pub(super) runnable: Arc<dyn Runnable>,
}

impl Tool for SetTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        let most = context.output_format().most;
        // A context of its own: the call may be of another tool, which calls this one.
        let (tool, definition) = (Arc::clone(&self.runnable), Arc::clone(&self.definition));
        let context = context.for_tool(tool, definition, arguments);
        let name = clip(self.definition.name());
        Box::pin(async move {
            match (self.runnable.start())(context).await {
                Ok(output) => Ok(output.within(most)),
                // Of a call of its own: to a tool that passes it on, it is an error like others.
                Err(error) => Err(error.of_tool(&name).within(most)),
            }
        })
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        self.runnable.check(arguments)
    }
}
