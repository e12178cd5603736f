//! A layer with a drawn behavior for each call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tool_core::{CallContext, CallService, ToolOutput};
use tower::{BoxError, Layer, Service};

use crate::plan::Plan;
use crate::stage::Stage;
use crate::trace::What;
use crate::world::Mischief;

#[derive(Clone)]
pub(crate) struct Mischievous(pub(crate) Arc<Stage>);

#[derive(Clone)]
pub(crate) struct Around {
    stage: Arc<Stage>,
    inner: CallService,
}

impl Layer<CallService> for Mischievous {
    type Service = Around;

    fn layer(&self, inner: CallService) -> Around {
        Around {
            stage: Arc::clone(&self.0),
            inner,
        }
    }
}

type Answer = Result<ToolOutput, BoxError>;

impl Service<CallContext> for Around {
    type Response = ToolOutput;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, context: CallContext) -> Self::Future {
        let inner = self.inner.clone();
        let Some(call) = Plan::call_of(context.arguments()) else {
            return Box::pin(pass_on(inner, context));
        };
        self.stage.note(What::Layer(call));
        let mischief = self.stage.plan.calls[call].mischief;
        Box::pin(act(mischief, inner, context))
    }
}

async fn pass_on(mut inner: CallService, context: CallContext) -> Answer {
    Ok(inner.call(context).await?)
}

/// What a layer answers of its own accord.
pub(crate) const SWALLOWED: &str = "swallowed";

async fn act(mischief: Mischief, mut inner: CallService, context: CallContext) -> Answer {
    let after = |millis| sleep(Duration::from_millis(millis));
    match mischief {
        Mischief::None => {}
        Mischief::Wait(millis) => after(millis).await,
        Mischief::Panic => panic!("on purpose"),
        Mischief::Never => std::future::pending().await,
        Mischief::Again => drop(inner.call(context.clone()).await),
        Mischief::Twice => {
            let (first, second) = (inner.call(context.clone()), inner.call(context));
            let (first, second) = tokio::join!(first, second);
            return Ok(first.and(second)?);
        }
        Mischief::Swallow => {
            drop(inner.call(context).await);
            return Ok(ToolOutput::from_text(SWALLOWED));
        }
        Mischief::GiveUp(millis) => {
            return Ok(timeout(Duration::from_millis(millis), inner.call(context)).await??);
        }
    }
    pass_on(inner, context).await
}
