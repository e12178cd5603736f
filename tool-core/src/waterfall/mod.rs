//! A timeline of a batch: what ran when, and what running together saved.

mod svg;
mod text;
mod times;

pub use times::Waterfall;
