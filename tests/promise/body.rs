//! The bodies of tools: they act a call's script, and note each poll, start and end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tool_core::CallContext;

use crate::plan::{Act, Call};
use crate::stage::Stage;
use crate::trace::What;
use crate::world::End;

/// How long a thread runs that was to run for ever.
const FOR_EVER: u64 = 3000;

/// Acts on the runtime.
pub(crate) async fn act(stage: &Stage, cx: &CallContext, call: usize) -> End {
    Watched {
        stage,
        call,
        body: Some(Box::pin(script(stage, cx, call))),
    }
    .await
}

async fn script(stage: &Stage, cx: &CallContext, call: usize) -> End {
    enter(stage, cx, call, false);
    let plan = &stage.plan.calls[call];
    for step in &plan.steps {
        match step {
            Act::Sleep(millis) => sleep(Duration::from_millis(*millis)).await,
            Act::Yield => tokio::task::yield_now().await,
            Act::Dispatch(batch, patience) => {
                let waiting = stage.hand_over(*batch, cx.dispatch(stage.plan.tool_calls(*batch)));
                match patience {
                    Some(millis) => drop(timeout(Duration::from_millis(*millis), waiting).await),
                    None => waiting.await,
                }
            }
            Act::DispatchTwo(batches) => {
                let [one, other] = batches
                    .map(|batch| stage.hand_over(batch, cx.dispatch(stage.plan.tool_calls(batch))));
                tokio::join!(one, other);
            }
        }
    }
    let end = plan.end_of(cx.attempt());
    if end == End::Never {
        std::future::pending::<()>().await;
    }
    leave(stage, call, end)
}

/// Acts on a thread.
pub(crate) fn hold(stage: &Stage, cx: &CallContext, call: usize) -> End {
    let _leaves = Leaves { stage, call };
    enter(stage, cx, call, true);
    let plan = &stage.plan.calls[call];
    for step in &plan.steps {
        match step {
            Act::Sleep(millis) => stage.block(*millis),
            Act::Yield => {}
            Act::Dispatch(batch, _) => {
                stage.block_on(stage.hand_over(*batch, cx.dispatch(stage.plan.tool_calls(*batch))));
            }
            Act::DispatchTwo(batches) => {
                let [one, other] = batches
                    .map(|batch| stage.hand_over(batch, cx.dispatch(stage.plan.tool_calls(batch))));
                stage.block_on(async {
                    _ = tokio::join!(one, other);
                });
            }
        }
    }
    let end = plan.end_of(cx.attempt());
    if end == End::Never {
        stage.block(FOR_EVER);
    }
    if cx.cancellation().is_cancelled() {
        stage.note(What::Reported(call));
    }
    leave(stage, call, end)
}

fn enter(stage: &Stage, cx: &CallContext, call: usize, on_thread: bool) {
    let deadline = cx
        .deadline()
        .map(|deadline| stage.trace.millis(deadline.into()));
    stage.note(What::Enters {
        call,
        on_thread,
        attempt: cx.attempt(),
        key: cx.idempotency_key(),
        deadline,
    });
}

fn leave(stage: &Stage, call: usize, end: End) -> End {
    stage.note(What::Answers(call, end));
    assert!(end != End::Panic, "on purpose");
    end
}

impl Call {
    fn end_of(&self, attempt: u32) -> End {
        if attempt <= self.failures {
            End::Error
        } else {
            self.end
        }
    }
}

impl Stage {
    fn block(&self, millis: u64) {
        let trace = Arc::clone(&self.trace);
        self.threads
            .wait(millis, move |queued| trace.note(What::Queued(queued)));
    }
}

impl Stage {
    /// Waits on a thread for calls that it makes.
    fn block_on(&self, waiting: impl Future<Output = ()>) {
        let trace = Arc::clone(&self.trace);
        let done = self
            .threads
            .block_on(waiting, move |queued| trace.note(What::Queued(queued)));
        assert!(done.is_some(), "on purpose: the case is over");
    }
}

type Body<'a> = Pin<Box<dyn Future<Output = End> + Send + 'a>>;

/// A body whose polls are noted.
struct Watched<'a> {
    stage: &'a Stage,
    call: usize,
    body: Option<Body<'a>>,
}

impl Future for Watched<'_> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Pending;
        };
        this.stage.note(What::Poll(this.call));
        body.as_mut().poll(cx)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.body = None;
        self.stage.note(What::Leaves {
            call: self.call,
            on_thread: false,
        });
        let panics = self.stage.plan.calls[self.call].panics_when_dropped;
        assert!(!panics || std::thread::panicking(), "on purpose");
    }
}

struct Leaves<'a> {
    stage: &'a Stage,
    call: usize,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.stage.note(What::Leaves {
            call: self.call,
            on_thread: true,
        });
    }
}
