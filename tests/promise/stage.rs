//! What the tools, the policy, the layers and the callers of a case share.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tool_core::{ToolError, ToolResult};

use crate::plan::Plan;
use crate::threads::Threads;
use crate::trace::{Trace, What};

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) trace: Arc<Trace>,
    pub(crate) threads: Arc<Threads>,
    /// The results of batches with held calls, by batch.
    pub(crate) held: Mutex<BTreeMap<usize, Vec<ToolResult>>>,
}

type Results = Pin<Box<dyn Future<Output = Vec<ToolResult>> + Send>>;

/// A batch whose results are awaited; notes when it is handed over, when it returns and when
/// it is dropped.
pub(crate) struct Waiting<'a> {
    stage: &'a Stage,
    batch: usize,
    results: Option<Results>,
    begun: bool,
}

impl Stage {
    pub(crate) fn note(&self, what: What) {
        self.trace.note(what);
    }

    /// Waits for the results of a batch that is not handed over yet.
    pub(crate) fn hand_over(
        &self,
        batch: usize,
        results: impl Future<Output = Vec<ToolResult>> + Send + 'static,
    ) -> Waiting<'_> {
        Waiting {
            stage: self,
            batch,
            results: Some(Box::pin(results)),
            begun: false,
        }
    }

    /// Waits for the results of a batch.
    pub(crate) fn wait_for(
        &self,
        batch: usize,
        results: impl Future<Output = Vec<ToolResult>> + Send + 'static,
    ) -> Waiting<'_> {
        Waiting {
            stage: self,
            batch,
            results: Some(Box::pin(results)),
            begun: true,
        }
    }

    /// Keeps the results of a batch, if some calls of it are held.
    pub(crate) fn keep_held(&self, batch: usize, results: &[ToolResult]) {
        if results.iter().any(|result| result.held_for().is_some()) {
            self.held.lock().unwrap().insert(batch, results.to_vec());
        }
    }

    pub(crate) fn note_results(&self, batch: usize, results: &[ToolResult]) {
        let is_fatal = |result: &ToolResult| result.outcome().is_err_and(ToolError::is_fatal);
        let is_held = |result: &ToolResult| result.held_for().is_some();
        assert!(
            !results.iter().any(is_fatal) || !results.iter().any(is_held),
            "calls of batch {batch} are held after a fatal error"
        );
        self.keep_held(batch, results);
        for (&call, result) in self.plan.batches[batch].calls.iter().zip(results) {
            self.trace.note_result(call, result);
        }
        self.note(What::Returns {
            batch,
            results: results.len(),
        });
    }
}

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !std::mem::replace(&mut this.begun, true) {
            this.stage.note(What::Begins { batch: this.batch });
        }
        let parent = this.stage.plan.batches[this.batch].parent;
        if let Some(call) = parent {
            this.stage.note(What::Waits {
                call,
                batch: this.batch,
            });
        }
        let Some(results) = &mut this.results else {
            return Poll::Ready(());
        };
        let Poll::Ready(results) = results.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        if let Some(call) = parent {
            this.stage.note(What::Continues {
                call,
                batch: this.batch,
            });
        }
        this.stage.note_results(this.batch, &results);
        this.results = None;
        Poll::Ready(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.results.take().is_some() && self.begun {
            self.stage.note(What::Drops { batch: self.batch });
            if let Some(call) = self.stage.plan.batches[self.batch].parent {
                self.stage.note(What::Continues {
                    call,
                    batch: self.batch,
                });
            }
        }
    }
}
