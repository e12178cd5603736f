//! Text of at most so many bytes: what is longer keeps its head and its tail, and says how much is
//! left out between them.

mod ends;
mod shorten;
mod write;

pub(crate) use shorten::{Form, shorten};
pub(crate) use write::write;
