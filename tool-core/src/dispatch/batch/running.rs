//! A batch in the hands of whoever started it: awaited, or given up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Batch, Origin};
use crate::dispatch::call::{Call, Stop};
use crate::model::ToolResult;

/// The batch as whoever started it holds it: given up, it stops.
#[derive(Debug)]
pub(in crate::dispatch) struct Running {
    batch: Arc<Batch>,
}

impl Running {
    pub(in crate::dispatch) fn new(origin: Origin) -> Self {
        let batch = Arc::new(Batch::new(origin));
        batch.count();
        Self { batch }
    }

    /// A batch whose only call has begun.
    pub(in crate::dispatch) fn begun(call: &Arc<Call>) -> Self {
        call.batch.runtime();
        call.batch.set_calls(Arc::new(vec![Arc::clone(call)]));
        call.batch.count();
        Self {
            batch: Arc::clone(&call.batch),
        }
    }

    pub(in crate::dispatch) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The results, when all calls are answered.
    pub(in crate::dispatch) async fn results(self) -> Vec<ToolResult> {
        std::future::poll_fn(|cx| self.batch.poll_done(cx)).await;
        self.batch.take_results()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (batch, done) = (&self.batch, self.batch.is_done());
        if !done {
            batch.cancel(Stop::Drop);
            batch.seal();
        }
        if !done || batch.waited_for.load(Ordering::SeqCst) || batch.told {
            batch.forget();
        }
    }
}
