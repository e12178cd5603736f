//! For generated code only: no part of the public interface, and free to change in any release.

#[cfg(feature = "linked")]
pub use inventory;
pub use schemars;
pub use serde;
pub use tool_macros::tools;

pub use crate::behavior::{Retry, Timeout};
pub use crate::declared::{Declaration, Named, Params, Seen, Tools, declare, names};
pub use crate::limits::{check_length, check_range, narrow_length, narrow_range};
pub use crate::link;
#[cfg(feature = "linked")]
pub use crate::linked::{LinkedTool, States, linked, missing};
pub use crate::output::{BoxFailure, DisplayFailure, PlainOutput, probe};
pub use crate::param::{Describe, Lend, Param};
pub use crate::state::{Lent, Provide};
pub use crate::toolset::ToolSet;
