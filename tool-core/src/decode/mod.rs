//! From argument text to parameters.

mod arguments;
mod decimal;
mod explain;
mod integers;
mod param;
mod ranges;
mod strict;

pub(crate) use arguments::Arguments;
pub use arguments::{ArgumentError, ArgumentsError};
pub(crate) use arguments::{check, whole};
pub(crate) use decimal::{Decimal, respell};
pub use param::{BorrowedParameter, Describe, Param, Parameter};
pub use ranges::{check_length, check_range, narrow_length, narrow_range};
