//! A batch in the hands of whoever started it: awaited, or given up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Batch, Origin};
use crate::call::ToolResult;
use crate::dispatch::Setup;
use crate::dispatch::call::{Call, Stop};

/// The batch as whoever started it holds it: given up, it stops.
#[derive(Debug)]
pub(in crate::dispatch) struct Running {
    pub(in crate::dispatch) setup: Arc<Setup>,
    batch: Arc<Batch>,
    /// The calls of a batch that was done before anybody could ask it for them.
    done: Vec<Arc<Call>>,
}

impl Running {
    pub(in crate::dispatch) fn new(setup: Arc<Setup>, origin: Origin) -> Self {
        Self { batch: Batch::new(&setup, origin), setup, done: Vec::new() }
    }

    pub(in crate::dispatch) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The calls it was made for, which have been polled once.
    pub(in crate::dispatch) fn with_calls(mut self, calls: Vec<Arc<Call>>) -> Self {
        if self.batch.is_done() {
            self.done = calls;
        } else {
            self.batch.set_calls(calls);
        }
        self
    }

    /// Ready when all calls are answered.
    pub(in crate::dispatch) async fn results(mut self) -> Vec<ToolResult> {
        std::future::poll_fn(|cx| self.batch.poll_done(cx)).await;
        match std::mem::take(&mut self.done) {
            done if done.is_empty() => self.batch.take_results(),
            done => done.into_iter().map(ToolResult::new).collect(),
        }
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
