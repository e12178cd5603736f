//! The tools that `build.rs` writes, one for each shape, and what happens to a call.

#![expect(
    clippy::let_unit_value,
    clippy::type_complexity,
    reason = "types come as they are drawn"
)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI64, NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize,
};
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use jsonschema::Validator;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tool_core::{Dispatcher, ToolCall, ToolDefinition, ToolResult, ToolSet};
use url::Url;
use uuid::Uuid;

use crate::types::{
    Adjacent, Chain, Clear, Couple, Empty, External, Internal, Nothing, Order, Page, Solo, Tree,
    Untagged, Visit, Ward, WithAdjacent, WithMap, WithStruct, WithTagged, WithTwo,
};

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// Examines every tool, on all cores.
pub(crate) fn each_tool<T: Send>(examine: impl Fn(&ToolDefinition, &Caller) -> T + Sync) -> Vec<T> {
    let tools = shapes();
    let (definitions, next) = (tools.definitions().collect::<Vec<_>>(), AtomicUsize::new(0));
    let work = || {
        let caller = Caller::new(tools.clone());
        let mine = std::iter::from_fn(|| definitions.get(next.fetch_add(1, Ordering::Relaxed)));
        mine.map(|definition| examine(definition, &caller))
            .collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let workers = (0..thread::available_parallelism().map_or(1, usize::from))
            .map(|_| scope.spawn(work))
            .collect::<Vec<_>>();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    })
}

/// Calls tools and waits for their answers.
pub(crate) struct Caller {
    dispatcher: Dispatcher,
    runtime: Runtime,
}

impl Caller {
    pub(crate) fn new(tools: ToolSet) -> Self {
        // A message may have as many calls as there are strings to try.
        let dispatcher = Dispatcher::new(tools)
            .with_limits(|limits| (limits.calls, limits.queue) = (usize::MAX, usize::MAX));
        Self {
            dispatcher,
            runtime: Builder::new_current_thread().enable_time().build().unwrap(),
        }
    }

    /// What the tool makes of each of the argument texts: nothing, or what it has against it.
    pub(crate) fn refusals(&self, tool: &str, texts: &[String]) -> Vec<Option<String>> {
        let calls = texts
            .iter()
            .map(|text| ToolCall::new("", tool, text))
            .collect();
        let results = self.runtime.block_on(self.dispatcher.dispatch(calls));
        let refusal = |result: &ToolResult| match result.outcome() {
            Ok(_) => None,
            Err(error) => {
                assert_eq!(
                    error.code().as_str(),
                    "invalid_arguments",
                    "{}",
                    result.call().arguments
                );
                Some(result.content().into_owned())
            }
        };
        results.iter().map(refusal).collect()
    }

    /// As [`refusals`](Self::refusals), for one text.
    pub(crate) fn refusal(&self, tool: &str, text: &str) -> Option<String> {
        self.refusals(tool, &[text.to_owned()]).remove(0)
    }
}

/// A judge of argument texts that knows nothing of serde.
pub(crate) fn judge(schema: &Value) -> Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}
