#![doc = include_str!("../README.md")]

/// The code of the guides, tested.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../docs/guide/approvals.md")]
    mod approvals {}
    #[doc = include_str!("../../docs/guide/effects.md")]
    mod effects {}
    #[doc = include_str!("../../docs/guide/first-tool.md")]
    mod first_tool {}
    #[doc = include_str!("../../docs/guide/libraries.md")]
    mod libraries {}
    #[doc = include_str!("../../docs/guide/ordering.md")]
    mod ordering {}
    #[doc = include_str!("../../docs/guide/results.md")]
    mod results {}
    #[doc = include_str!("../../docs/guide/state.md")]
    mod state {}
}

// The macro's doctests and our own tests name this crate as its users do.
extern crate self as tool_core;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod decode;
mod dispatch;
mod model;
mod registry;
mod schema;
mod waterfall;

pub use decode::{ArgumentError, ArgumentsError, BorrowedParameter, Parameter};
pub use dispatch::{
    ApprovalRequest, CallFuture, CallService, Decision, DispatchEvent, Dispatcher, EventStream,
    InvalidRunIdError, Limits, Progress, ResultStream, ResumeError, ResumedBatch, StreamingBatch,
};
pub use model::{
    Audio, Behavior, CallContext, Content, ErrorCode, HeldFor, Image, InvalidDefinitionError,
    LeftOutTool, Link, Resource, ResourceContents, Retry, Timeout, Tool, ToolCall, ToolDefinition,
    ToolError, ToolFuture, ToolOutput, ToolResult, UnknownErrorCodeError, read_arguments,
};
pub use registry::{
    DuplicateToolError, DynamicTool, OutputStore, Provide, ToolSet, UnknownToolError,
};
#[cfg(feature = "linked")]
pub use registry::{LinkedError, States};
pub use waterfall::Waterfall;

/// Asks a call that cannot be dropped to end: see [`CallContext::cancellation`].
#[doc(no_inline)]
pub use tokio_util::sync::CancellationToken;

pub use tool_macros::{Provide, tool, toolbox};

// For the types of parameters and results in a crate that depends on this one alone:
// `#[derive(serde::Serialize)] #[serde(crate = "tool_core::serde")]`.
#[doc(no_inline)]
pub use {schemars, serde, serde_json};

/// Lists tools: `tools![add, billing::refund]` is a [`ToolSet`] in that order.
///
/// An entry is the name of a function with `#[tool]`, or a path to it; `#[cfg(…)]` before one is
/// respected. The set is generic over its state until [`ToolSet::with_state`] supplies it. Where a
/// function has no `#[tool]`, the compiler says "expected type, found function".
///
/// Two tools of one name do not compile:
///
/// ```compile_fail,E0080
/// use tool_core::{tool, tools};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// /// Add two other numbers.
/// #[tool(name = "add")]
/// fn add_floats(a: f64, b: f64) -> f64 {
///     a + b
/// }
///
/// let tools = tools![add, add_floats].with_state(());
/// ```
#[macro_export]
macro_rules! tools {
    ($($entries:tt)*) => { $crate::__private::tools!($crate; $($entries)*) };
}

#[cfg(feature = "linked")]
#[doc(hidden)]
#[macro_export]
macro_rules! link {
    ($name:expr, $bind:expr) => {
        $crate::__private::inventory::submit! { $crate::__private::LinkedTool::new($name, ::core::module_path!(), $bind) }
    };
}

#[cfg(not(feature = "linked"))]
#[doc(hidden)]
#[macro_export]
macro_rules! link {
    ($($tokens:tt)*) => {
        ::core::compile_error!("`linked` tools need the feature `linked` of `tool-core`");
    };
}
