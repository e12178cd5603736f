//! The data model: what a tool is, what it is asked, and what it answers. Nothing here runs calls;
//! [`dispatch`](crate::dispatch) does, and anything else may.

mod behavior;
mod bounded;
mod call;
mod code;
mod content;
mod context;
mod definition;
mod derived;
mod error;
mod held;
pub(crate) mod object;
mod output;
mod result;
mod schema_check;
mod text;
mod tool;
mod version;

pub use behavior::{Behavior, Retry, Timeout};
pub use call::ToolCall;
pub use code::{ErrorCode, UnknownErrorCodeError};
pub use content::{Audio, Content, Image, Link, Resource, ResourceContents};
pub use context::CallContext;
pub(crate) use context::{BlockingWork, CallHost, NestedFuture};
pub use definition::{InvalidDefinitionError, ToolDefinition};
pub use error::ToolError;
pub(crate) use error::{BorrowedError, BoxError};
pub use held::HeldFor;
pub(crate) use held::{Held, RunName};
pub(crate) use output::OutputFormat;
pub use output::ToolOutput;
pub(crate) use result::Times;
pub use result::ToolResult;
pub(crate) use text::{beginning, clip, nearest};
pub use tool::{Tool, ToolFuture};
pub(crate) use version::Version;
