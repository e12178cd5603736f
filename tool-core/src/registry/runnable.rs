//! Tools as the dispatcher runs them.

use std::any::Any;
use std::sync::Arc;

use crate::decode::Describe;
use crate::model::{CallContext, Tool, ToolError, ToolFuture};

/// A tool as the dispatcher runs it: one allocation a call, where [`Tool::call`] needs two.
pub(crate) trait Runnable: Any + Send + Sync {
    /// What runs a call of it: the future owns the context, and borrows the tool [from
    /// that](CallContext::runnable).
    fn start(&self) -> fn(CallContext) -> ToolFuture<'static>;

    fn check(&self, arguments: &str) -> Result<(), ToolError>;

    /// What its arguments are decoded by, if they are decoded by us.
    fn params(&self) -> &'static [&'static (dyn Describe + Sync)];
}

/// A tool that was not declared with `#[tool]`.
pub(super) struct Foreign(pub(super) Arc<dyn Tool>);

impl Runnable for Foreign {
    fn start(&self) -> fn(CallContext) -> ToolFuture<'static> {
        |context| {
            Box::pin(async move {
                let Self(tool) = context.runnable();
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
