//! What a dispatcher is made of: the parts that its copies share, and the state that one is bound
//! to.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::call::Call;
use super::engine::Engine;
use super::limits::Limits;
use super::middleware::Layers;
use super::policy::Policy;
use crate::model::{CallContext, Timeout, ToolOutput};
use crate::registry::{Runnable, ToolSet};

/// A dispatcher: its parts, and the state that it is bound to.
#[derive(Clone)]
pub(crate) struct Setup {
    parts: Arc<Parts>,
    pub(super) state: Arc<dyn Any + Send + Sync>,
}

/// What the copies of a dispatcher share, whatever state they are bound to.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) tools: ToolSet,
    /// What runs calls of each tool.
    pub(crate) runnables: Arc<[Arc<dyn Runnable>]>,
    pub(super) engine: Arc<Engine>,
    /// For each tool its place among those with a limit of their own.
    pub(super) gates: Arc<[Option<usize>]>,
    /// How long a call may run if its tool does not say.
    pub(super) timeout: Option<Duration>,
    pub(crate) limits: Limits,
    pub(super) policy: Option<Policy>,
    pub(super) overflow: Option<Overflow>,
    pub(super) layers: Layers,
    pub(super) records_content: bool,
    /// How long a first poll may take before the calls behind it get tasks of their own.
    pub(super) slow_poll: Option<Duration>,
    pub(super) threads: Option<Threads>,
}

/// Takes an output that is too long for the model, and returns what the model reads of it.
pub(super) type Overflow = Arc<dyn Fn(&CallContext, &ToolOutput) -> String + Send + Sync>;

/// Runs what blocks.
pub(super) type Threads = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

impl Setup {
    /// Bound to nothing.
    pub(super) fn new(parts: Parts) -> Self {
        let (parts, state) = (Arc::new(parts), Arc::new(()));
        Self { parts, state }
    }

    /// The same parts with another state.
    pub(super) fn bind<S: Send + Sync + 'static>(&self, state: Arc<S>) -> Self {
        let parts = Arc::clone(&self.parts);
        Self { parts, state }
    }

    /// The same state with other parts.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(Arc::make_mut(&mut self.parts));
        self
    }

    /// How long a call may run.
    pub(super) fn timeout(&self, tool: usize) -> Option<Duration> {
        match self.tools.definition_at(tool).behavior().timeout {
            Timeout::Inherit => self.timeout,
            Timeout::After(timeout) => Some(timeout),
            Timeout::Never => None,
        }
    }

    /// Runs what blocks for a call.
    pub(crate) fn on_thread(&self, call: &Call, work: Box<dyn FnOnce() + Send>) {
        match (&self.threads, call.batch.runtime().cloned()) {
            (Some(threads), _) => threads(work),
            // The pool may be full of calls that wait for this one.
            (None, Some(runtime)) if call.is_within_thread() => {
                let work = move || {
                    let _runtime = runtime.enter();
                    work();
                };
                _ = thread::Builder::new().name("tool".to_owned()).spawn(work); // without a thread, the dropped work answers the call
            }
            (None, _) => _ = tokio::task::spawn_blocking(work),
        }
    }
}

impl Deref for Setup {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("tools", &self.tools)
            .finish_non_exhaustive()
    }
}
