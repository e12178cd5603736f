//! What users see of the workspace as a whole; a module per topic.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod agent;
mod agreement;
mod arguments;
mod attributes;
mod batches;
mod behavior;
mod cancellation;
mod context;
mod deadlines;
mod diary;
mod dispatch;
mod failures;
mod functions;
mod http;
mod methods;
mod nesting;
mod order;
mod policy;
mod registration;
mod runtime;
mod schema;
mod state;
#[path = "../support.rs"]
mod support;
mod toolset;
mod turns;
mod waterfall;
mod whole_object;
