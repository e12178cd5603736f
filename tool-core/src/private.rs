//! For generated code only: no part of the public interface, and free to change in any release.

pub use tool_macros::tools;

pub use crate::declared::{Declaration, Named, Seen, Tools, declare};
pub use crate::output::{BoxFailure, DisplayFailure, PlainOutput, probe};
pub use crate::param::{Describe, Lend, Param, check_range, narrow_range};
pub use crate::state::Provide;
pub use crate::tool::Timeout;
pub use crate::toolset::ToolSet;
