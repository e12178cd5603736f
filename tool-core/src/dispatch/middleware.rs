//! Layers around a call, and what is innermost: the tool itself, tried as often as it allows.

use std::fmt;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use backon::BackoffBuilder;
use tower_layer::Layer;
use tower_service::Service;

use super::call::{Call, Run, drop_catching_panic, panic_text};
use crate::model::{BoxError, CallContext, ErrorCode, Retry, ToolError, ToolFuture, ToolOutput};

/// Runs a call: what a `tower` layer wraps.
///
/// The request is the [`CallContext`], the response the tool's output. It is always ready, and
/// cheap to clone.
#[derive(Clone, Debug)]
pub struct CallService(Inner);

#[derive(Clone, Debug)]
enum Inner {
    /// The tool with the layers of its own.
    Layered,
    /// The tool.
    Tool,
    Wrapped(Wrapped),
}

impl Service<CallContext> for CallService {
    type Response = ToolOutput;
    type Error = ToolError;
    type Future = CallFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ToolError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, context: CallContext) -> CallFuture {
        let Some(call) = Call::of(&context) else {
            return CallFuture::failed("a layer passed on a context that no dispatcher made");
        };
        let inner = match &self.0 {
            Inner::Wrapped(wrapped) => Some(wrapped.clone()),
            Inner::Layered => call.batch.setup.layers.of_tool(call.tool).cloned(),
            Inner::Tool => None,
        };
        match inner {
            Some(wrapped) => CallFuture::new(wrapped.run(context), None),
            // A layer may call its inner service more than once, or keep it: that is checked here.
            None => match call.begin_run() {
                Ok(run) => {
                    let tool = async move { attempts(call, context).await };
                    CallFuture::new(Box::pin(tool), Some(run))
                }
                Err(why) => CallFuture::failed(why),
            },
        }
    }
}

/// A running call; made by [`CallService`].
pub struct CallFuture(Option<Running>);

struct Running {
    future: ToolFuture<'static>,
    /// Set for the tool itself, not for a layer around it. Ended when the future is dropped.
    run: Option<Run>,
}

impl CallFuture {
    fn new(future: ToolFuture<'static>, run: Option<Run>) -> Self {
        Self(Some(Running { future, run }))
    }

    fn failed(why: &'static str) -> Self {
        let error = async move { Err(ToolError::of_layer(why.into())) };
        Self::new(Box::pin(error), None)
    }
}

impl Future for CallFuture {
    type Output = Result<ToolOutput, ToolError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(Running { future, run }) = &mut self.0 else {
            return Poll::Pending; // it has had its outcome
        };
        let outcome = match run {
            None => ready!(future.as_mut().poll(cx)),
            // The tool's panics do not get past the layers around it.
            Some(_) => match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(polled) => ready!(polled),
                Err(panic) => Err(ToolError::panic(panic_text(panic))),
            },
        };
        // Now, not when the layer drops this: the tool's own values must not outlive its run.
        drop_catching_panic(self.0.take());
        Poll::Ready(outcome)
    }
}

impl Drop for CallFuture {
    fn drop(&mut self) {
        drop_catching_panic(self.0.take());
    }
}

impl fmt::Debug for CallFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallFuture").finish_non_exhaustive()
    }
}

/// The layers of a dispatcher.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    all: Option<Wrapped>,
    tools: Vec<ToolLayer>,
}

/// What is around one tool.
#[derive(Clone, Debug)]
struct ToolLayer {
    tool: String,
    /// In the set, if it is there: it may come back.
    place: Option<usize>,
    wrapped: Wrapped,
}

impl Layers {
    pub(super) fn add<L>(&mut self, layer: L)
    where
        L: Layer<CallService>,
        L::Service: Service<CallContext, Response = ToolOutput> + Clone + Send + Sync + 'static,
        <L::Service as Service<CallContext>>::Error: Into<BoxError>,
        <L::Service as Service<CallContext>>::Future: Send + 'static,
    {
        let inner = self.all.take().map_or(Inner::Layered, Inner::Wrapped);
        self.all = Some(Wrapped::new(layer.layer(CallService(inner))));
    }

    /// Adds a layer around the tool of that name, at that place of the set.
    pub(super) fn add_to<L>(&mut self, tool: &str, place: usize, layer: L)
    where
        L: Layer<CallService>,
        L::Service: Service<CallContext, Response = ToolOutput> + Clone + Send + Sync + 'static,
        <L::Service as Service<CallContext>>::Error: Into<BoxError>,
        <L::Service as Service<CallContext>>::Future: Send + 'static,
    {
        let inner = self
            .of_tool(place)
            .cloned()
            .map_or(Inner::Tool, Inner::Wrapped);
        // The new layer wraps the earlier ones, so it takes their place in the list.
        self.tools.retain(|other| other.tool != tool);
        self.tools.push(ToolLayer {
            tool: tool.to_owned(),
            place: Some(place),
            wrapped: Wrapped::new(layer.layer(CallService(inner))),
        });
    }

    /// The layers that were added for one tool, apart from those for all.
    fn of_tool(&self, place: usize) -> Option<&Wrapped> {
        self.tools
            .iter()
            .find(|layer| layer.place == Some(place))
            .map(|layer| &layer.wrapped)
    }

    /// The same layers for other tools, whose places `place_of` knows.
    pub(super) fn set_places(&mut self, place_of: impl Fn(&str) -> Option<usize>) {
        for layer in &mut self.tools {
            layer.place = place_of(&layer.tool);
        }
    }

    /// The layers around the tool, if there are any.
    pub(super) fn around(&self, tool: usize) -> Option<&Wrapped> {
        self.all.as_ref().or_else(|| self.of_tool(tool))
    }
}

/// A type-erased service. Each call readies and calls a clone of its own.
#[derive(Clone)]
pub(crate) struct Wrapped(Arc<dyn Fn(CallContext) -> ToolFuture<'static> + Send + Sync>);

impl Wrapped {
    fn new<S>(service: S) -> Self
    where
        S: Service<CallContext, Response = ToolOutput> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self(Arc::new(move |context| {
            // `poll_ready` and `call` belong together: a shared service would mix up calls.
            let mut service = service.clone();
            let call = Call::of(&context);
            Box::pin(async move {
                let failed = |error: S::Error| {
                    let error = ToolError::of_layer(error.into());
                    // A timeout layer, for example, stops waiting while the tool still acts.
                    if error.code() == ErrorCode::MiddlewareError
                        && call.as_ref().is_some_and(|call| call.has_running_work())
                    {
                        error.still_acting()
                    } else {
                        error
                    }
                };
                std::future::poll_fn(|cx| service.poll_ready(cx))
                    .await
                    .map_err(failed)?;
                let outcome = service.call(context).await;
                outcome.map_err(failed)
            })
        }))
    }

    #[inline]
    pub(super) fn run(&self, context: CallContext) -> ToolFuture<'static> {
        (self.0)(context)
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wrapped").finish_non_exhaustive()
    }
}

/// The call from the outermost layer to the tool.
pub(super) fn run(call: &Arc<Call>) -> ToolFuture<'static> {
    let context = CallContext::new(Arc::<Call>::clone(call));
    match call.batch.setup.layers.around(call.tool).cloned() {
        Some(wrapped) => wrapped.run(context),
        None => attempts(Arc::clone(call), context),
    }
}

/// The tool, tried again where it asks for that.
#[inline]
fn attempts(call: Arc<Call>, context: CallContext) -> ToolFuture<'static> {
    match call.definition().behavior().retry {
        Some(retry) if retry.attempts > 1 => Box::pin(try_often(call, context, retry)),
        _ if call.batch.setup.layers.around(call.tool).is_some() => {
            // A layer may run the tool again, so nested calls are counted for each attempt.
            let attempt = call.begin_attempt();
            start(&call, context, Some(attempt))
        }
        _ => start(&call, context, None),
    }
}

#[inline]
fn start(call: &Call, context: CallContext, attempt: Option<NonZeroU32>) -> ToolFuture<'static> {
    let context = CallContext { attempt, ..context };
    call.batch.setup.runnables[call.tool].start()(context)
}

async fn try_often(
    call: Arc<Call>,
    context: CallContext,
    retry: Retry,
) -> Result<ToolOutput, ToolError> {
    let backoff = backon::ExponentialBuilder::new()
        .with_min_delay(retry.backoff)
        .with_max_delay(retry.max_backoff.max(retry.backoff))
        .with_factor(2.0)
        .with_max_times(retry.attempts as usize - 1)
        .with_jitter();
    let mut pauses = backoff.build();
    let mut attempt = call.begin_attempt();
    loop {
        let outcome = start(&call, context.clone(), Some(attempt)).await;
        // Only the tool's own error: after a timeout or a panic it may still act, or fail again.
        let failed = outcome
            .as_ref()
            .is_err_and(|error| error.code() == ErrorCode::ToolError && !error.is_fatal());
        match pauses.next() {
            // Jitter is added to the longest wait, too.
            Some(pause) if failed && !call.is_acting() => {
                tokio::time::sleep(pause.min(retry.max_backoff)).await;
            }
            _ => return outcome,
        }
        // A nested call that still runs belongs to the attempt, also one that was moved to a task.
        match call.begin_retry() {
            Some(next) => attempt = next,
            None => return outcome,
        }
    }
}
