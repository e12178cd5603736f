//! What users see of the workspace as a whole; a module per topic.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod agent;
mod agent_chaos;
mod agent_streams;
mod agreement;
mod arguments;
mod async_openai_client;
mod attributes;
mod batches;
mod behavior;
mod blocking;
mod bounds;
mod cancellation;
mod content;
mod context;
mod deadlines;
mod detached;
mod diary;
mod dispatch;
mod failures;
mod faults;
mod functions;
mod gate;
mod holding;
mod http;
mod http_stream;
mod idleness;
mod layers;
mod methods;
mod nesting;
mod order;
mod peers;
mod per_request;
mod policy;
mod real_time;
mod registration;
mod requests;
mod responses;
mod retries;
mod rogue_layers;
mod run_ids;
mod runtime;
mod schema;
mod scripted;
mod spans;
mod state;
mod stored;
mod streaming_batch;
mod streams;
#[path = "../support.rs"]
mod support;
mod toolset;
mod wakers;
mod waterfall;
mod whole_object;
