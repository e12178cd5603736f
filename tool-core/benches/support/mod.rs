//! What the benches share: the same tools by attribute and by hand, the forms of running them, and
//! the table.

pub(crate) mod definitions;
pub(crate) mod forms;
pub(crate) mod table;
pub(crate) mod tools;

use std::error::Error;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;
