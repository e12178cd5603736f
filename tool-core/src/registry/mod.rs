//! Tools of every kind, and the sets a model chooses from.

mod declared;
mod dynamic;
#[cfg(feature = "linked")]
mod linked;
mod output_store;
mod provide;
mod returned;
mod runnable;
mod set;
mod set_tool;
mod unknown;

pub use declared::{Declaration, Named, Params, Seen, Tools, declare, names};
pub use dynamic::DynamicTool;
#[cfg(feature = "linked")]
pub use linked::{LinkedError, LinkedTool, States, linked, missing};
pub use output_store::OutputStore;
pub use provide::{Borrowed, Provide};
pub use returned::{BoxFailure, DisplayFailure, PlainOutput, Probe, probe};
pub(crate) use runnable::Runnable;
pub use set::{DuplicateToolError, ToolSet};
pub use unknown::UnknownToolError;
