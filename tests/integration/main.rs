//! What users see of the workspace as a whole; a module per topic.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod agent;
mod agreement;
mod arguments;
mod batches;
mod cancellation;
mod deadlines;
mod dispatch;
mod failures;
mod functions;
mod http;
mod runtime;
mod schema;
mod state;
#[path = "../support.rs"]
mod support;
mod toolset;
mod waterfall;
