//! What users of other systems have reported, as scenarios with our answer.
//!
//! The doc comment of each test names the issues it represents, so that one who knows an issue
//! finds what happens here.

mod effects;
mod isolation;
mod messages;
mod nesting;
