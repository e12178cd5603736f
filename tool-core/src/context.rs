//! What a running call knows of itself, and the thread a blocking tool runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OwnedSemaphorePermit;

use crate::call::CallRecord;
use crate::error::{ErrorCode, ToolError};
use crate::output::ToolOutput;

/// One running call, as its tool sees it.
#[derive(Debug)]
pub struct CallContext {
    pub(crate) record: Arc<CallRecord>,
    pub(crate) lease: Arc<Lease>,
}

/// The call's place under the dispatcher's limit, held by whatever may still be running.
#[derive(Debug)]
pub(crate) struct Lease {
    _permit: OwnedSemaphorePermit,
    thread_asked: AtomicBool,
    thread_started: AtomicBool,
}

impl Lease {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit, thread_asked: AtomicBool::new(false), thread_started: AtomicBool::new(false) }
    }

    /// Whether the call's code still waits for a thread to run on.
    pub(crate) fn waits_for_a_thread(&self) -> bool {
        self.thread_asked.load(Ordering::SeqCst) && !self.thread_started.load(Ordering::SeqCst)
    }
}

impl CallContext {
    /// The call's id, as the model gave it.
    pub fn id(&self) -> &str {
        &self.record.call.id
    }

    /// The name the tool was called by.
    pub fn tool(&self) -> &str {
        &self.record.call.name
    }

    /// The call's place in its batch, from 0.
    pub fn position(&self) -> usize {
        self.record.position
    }

    /// Runs `work` on the blocking pool. A call dropped before its thread is free never runs; one that runs holds the
    /// call's permit until it ends, whoever still waits.
    pub(crate) async fn blocking<F>(&self, work: F) -> Result<ToolOutput, ToolError>
    where
        F: FnOnce(&CallContext) -> Result<ToolOutput, ToolError> + Send + 'static,
    {
        self.lease.thread_asked.store(true, Ordering::SeqCst);
        let (record, lease) = (Arc::clone(&self.record), Arc::downgrade(&self.lease));
        let thread = tokio::task::spawn_blocking(move || {
            let lease = lease.upgrade()?; // nobody waits any more
            lease.thread_started.store(true, Ordering::SeqCst);
            Some(work(&CallContext { record, lease }))
        });
        let cancelled = || ToolError::with_text(ErrorCode::Cancelled, "the program is shutting down");
        match thread.await {
            Ok(outcome) => outcome.unwrap_or_else(|| Err(cancelled())),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(cancelled()),
            },
        }
    }
}
