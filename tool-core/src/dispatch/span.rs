//! What a trace shows of a batch: OpenTelemetry's conventions for generative AI, one span for each
//! call and one around them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::{Level, Span, field};

use super::batch::Batch;
use super::call::{Call, catch_panic};
use super::critical_path::{Lane, critical_path};
use crate::model::ToolDefinition;
use crate::model::clip;

/// The span around the calls of one message, below the one that is entered now; none, for a message
/// without calls.
pub(super) fn of_batch(calls: usize) -> Span {
    if calls == 0 {
        return Span::none();
    }
    tracing::span!(
        Level::INFO,
        "execute_tools",
        otel.name = "execute_tools",
        otel.kind = "internal",
        gen_ai.operation.name = "execute_tools",
        tool_batch.calls = field::Empty,
        tool_batch.failed = field::Empty,
        tool_batch.queue_time = field::Empty,
        tool_batch.critical_path = field::Empty,
        tool_batch.critical_path.duration = field::Empty,
    )
}

/// Runs user code within a call's span. `Err` is its panic; a panic of the subscriber is
/// caught.
#[inline]
pub(super) fn within<T>(span: Option<&Span>, run: impl FnOnce() -> T) -> thread::Result<T> {
    let Some(span) = span else {
        return catch_unwind(AssertUnwindSafe(run));
    };
    let mut entered = None;
    catch_panic(|| entered = Some(span.enter()));
    let done = catch_unwind(AssertUnwindSafe(run));
    catch_panic(|| drop(entered));
    done
}

impl Batch {
    /// The span of one call that begins, or that is answered without: then there may be no tool of
    /// its name.
    pub(super) fn call_span(
        &self,
        call: &Call,
        definition: Option<&ToolDefinition>,
    ) -> Option<Box<Span>> {
        let mut span = None;
        catch_panic(|| {
            span =
                tracing::enabled!(Level::INFO).then(|| Box::new(open_call_span(call, definition)));
        });
        if let Some(span) = &span {
            catch_panic(|| self.note_begin(span, call));
        }
        span
    }

    /// Notes how long a call was queued, and its arguments where contents are recorded.
    fn note_begin(&self, span: &Span, call: &Call) {
        if let Some(started) = call.started() {
            span.record(
                "tool_call.queue_time",
                started
                    .saturating_duration_since(call.batch.queued())
                    .as_secs_f64(),
            );
        }
        if self.setup.records_content {
            span.record("gen_ai.tool.call.arguments", call.arguments());
        }
    }

    /// Notes how a call ended.
    pub(super) fn close_call_span(&self, span: Box<Span>, call: &Call) {
        // A subscriber is user code: its panic must not take the answer away.
        catch_panic(|| match call.outcome() {
            Some(Err(error)) => {
                span.record("error.type", error.code().as_str());
                span.record("otel.status_code", "ERROR");
                span.record("otel.status_description", error.code().as_str());
            }
            Some(Ok(output)) if self.setup.records_content => {
                span.record("gen_ai.tool.call.result", &*output.text());
            }
            _ => {}
        });
        catch_panic(|| drop(span)); // not while that unwinds: a second panic would end the program
    }

    /// Notes what the batch came to: how many calls failed, how long they waited, and which calls it
    /// took the longest.
    pub(super) fn close_span(&self, calls: &[Arc<Call>]) {
        // Computed only for an enabled span: it looks at every call.
        let lanes: Vec<Lane> = calls.iter().map(|call| call.lane()).collect();
        let path = critical_path(&lanes);
        let ran = |lane: &Lane| lane.end.saturating_sub(lane.start.unwrap_or(lane.end));
        let took: Duration = path.iter().map(|index| ran(&lanes[*index])).sum();
        let path = path.iter().map(|index| calls[*index].position.to_string());
        let wait = lanes.iter().filter_map(|lane| lane.start).max();
        let failed = |call: &&Arc<Call>| matches!(call.outcome(), Some(Err(_)));
        self.span().record("tool_batch.calls", calls.len());
        self.span()
            .record("tool_batch.failed", calls.iter().filter(failed).count());
        self.span().record(
            "tool_batch.queue_time",
            wait.unwrap_or_default().as_secs_f64(),
        );
        self.span().record(
            "tool_batch.critical_path",
            path.collect::<Vec<_>>().join(","),
        );
        self.span()
            .record("tool_batch.critical_path.duration", took.as_secs_f64());
    }
}

fn open_call_span(call: &Call, definition: Option<&ToolDefinition>) -> Span {
    // The model wrote the name: it may be of any length.
    let name = clip(&call.call.name);
    tracing::span!(
        parent: call.batch.span(),
        Level::INFO,
        "execute_tool",
        otel.name = format!("execute_tool {name}"),
        otel.kind = "internal",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = name,
        gen_ai.tool.description = definition.map(ToolDefinition::description),
        gen_ai.tool.type = "function",
        gen_ai.tool.call.id = call.call.id,
        gen_ai.tool.call.arguments = field::Empty,
        gen_ai.tool.call.result = field::Empty,
        error.type = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
        tool_call.position = call.position,
        tool_call.queue_time = field::Empty,
    )
}
