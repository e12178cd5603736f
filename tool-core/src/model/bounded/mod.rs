//! Text of at most so many bytes: what is longer keeps its head and its tail, and says how much is
//! left out between them.

mod display;
mod ends;
mod forward;
mod list;
mod shorten;
mod write;

pub(crate) use display::display;
pub(crate) use list::CONTENT;
pub(crate) use shorten::{Form, LEAST, shorten};
pub(crate) use write::{Written, write, write_json};
