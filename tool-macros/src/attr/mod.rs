//! Parses the options of our attributes into spanned values. What a value means for the tool is
//! decided in `model`.

mod arg;
mod duration;
mod option;
mod passed_on;
mod tool;

pub(crate) use arg::{ArgDefault, ArgOptions, arg_options};
pub(crate) use option::crate_option;
pub(crate) use passed_on::{PassedOn, SerdeDefault, is_passed_on, passed_on};
pub(crate) use tool::{RetryOption, TimeoutOption, ToolOptions, tool_options};
