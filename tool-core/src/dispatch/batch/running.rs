//! A batch as its caller holds it: awaited, or dropped.

use std::sync::Arc;

use super::{Batch, Origin};
use crate::dispatch::call::{Call, Stop};
use crate::model::ToolResult;

/// The batch as its caller holds it. Dropping it stops the batch.
#[derive(Debug)]
pub(in crate::dispatch) struct Running {
    batch: Arc<Batch>,
    /// Its results are handed out.
    is_over: bool,
}

impl Running {
    pub(in crate::dispatch) fn new(origin: Origin) -> Self {
        let batch = Arc::new(Batch::new(origin));
        batch.count();
        Self {
            batch,
            is_over: false,
        }
    }

    /// A batch whose only call has begun.
    pub(in crate::dispatch) fn begun(call: &Arc<Call>) -> Self {
        call.batch.runtime();
        call.batch.set_calls(Arc::new(vec![Arc::clone(call)]));
        call.batch.count();
        Self {
            batch: Arc::clone(&call.batch),
            is_over: false,
        }
    }

    pub(in crate::dispatch) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The results, when all calls are answered.
    pub(in crate::dispatch) async fn results(mut self) -> Vec<ToolResult> {
        std::future::poll_fn(|cx| self.batch.poll_done(cx)).await;
        // With events, `drop` still has to clear those that were not read.
        self.is_over = !self.batch.observed;
        self.batch.take_results()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if !self.batch.is_done() {
            self.batch.cancel(Stop::Drop);
            self.batch.seal();
        }
        self.batch.forget();
    }
}
