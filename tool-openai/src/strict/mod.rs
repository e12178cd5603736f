//! Strict schemas (structured output), which a service can enforce: `strict: true` takes only a
//! part of JSON Schema. A schema is rewritten into that part without loss, or the reason says what
//! cannot be carried over.
//!
//! Every property becomes required; one that was optional may be `null`, and [`drop_nulls`] takes
//! the `null` out again before the arguments are decoded. What the service cannot enforce, but the
//! tool checks, goes into the descriptions.

mod array;
mod definitions;
mod limits;
mod merge;
mod notes;
mod nulls;
mod object;
mod reason;
mod rewrite;
mod scalar;
mod schema;
mod shape;
mod union;

pub(crate) use limits::Limits;
#[cfg(feature = "testing")]
pub(crate) use limits::check as check_limits;
pub(crate) use nulls::drop_nulls;
pub use reason::{NotStrictError, Obstacle};
pub(crate) use rewrite::{Strict, strict};
pub(crate) use schema::{each_subschema, target};

#[cfg(test)]
mod tests;
