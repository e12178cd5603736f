//! For generated code only: no part of the public interface, and free to change in any release.

pub use serde_json;
pub use tool_macros::tools;

pub use crate::declared::{Call, Declaration, Named, Seen, Tools, declare};
pub use crate::output::{DisplayFailure, Failure, Output, PlainOutput, probe};
pub use crate::param::{Describe, Lend, Param, Parameter, check_range, narrow_range};
pub use crate::state::Provide;
pub use crate::tool::{Timeout, ToolFuture};
pub use crate::toolset::ToolSet;
