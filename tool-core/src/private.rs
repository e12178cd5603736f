//! For generated code only: not part of the public interface; it may change in any release.

#[cfg(feature = "linked")]
pub use inventory;
pub use schemars;
pub use serde;
pub use tool_macros::tools;

pub use crate::decode::{
    BorrowedParameter, Describe, Param, Parameter, check_length, check_range, narrow_length,
    narrow_range,
};
pub use crate::link;
pub use crate::model::{Retry, Timeout};
/// By a name that no program has in scope, so that no lint finds the path too long.
pub use crate::registry::Provide as ProvideState;
pub use crate::registry::{
    Borrowed, BoxFailure, Declaration, DisplayFailure, Named, Params, PlainOutput, Probe, Seen,
    ToolSet, Tools, declare, names, probe,
};
#[cfg(feature = "linked")]
pub use crate::registry::{LinkedTool, States, linked, missing};
