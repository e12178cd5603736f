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
use crate::model::Timeout;
use crate::registry::{Runnable, ToolSet};

/// A dispatcher: its parts, and its state. One allocation, and one more reference to the parts.
pub(crate) struct Setup<T: ?Sized = dyn Bound> {
    parts: Arc<Parts>,
    pub(super) state: T,
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
    pub(super) layers: Layers,
    pub(super) records_content: bool,
    /// How long a first poll may take before the calls behind it get tasks of their own.
    pub(super) slow_poll: Option<Duration>,
    pub(super) threads: Option<Threads>,
}

/// Runs what blocks.
pub(super) type Threads = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// The state that a dispatcher is bound to.
pub(crate) trait Bound: Send + Sync {
    fn get(&self) -> &dyn Any;

    /// Whose state it is.
    fn owner(&self) -> Option<&Arc<Setup>> {
        None
    }
}

struct Owned<S>(S);

struct Shared<S>(Arc<S>);

/// That of another dispatcher, with other parts.
struct Same(Arc<Setup>);

impl<S: Send + Sync + 'static> Bound for Owned<S> {
    fn get(&self) -> &dyn Any {
        &self.0
    }
}

impl<S: Send + Sync + 'static> Bound for Shared<S> {
    fn get(&self) -> &dyn Any {
        &*self.0
    }
}

impl Bound for Same {
    fn get(&self) -> &dyn Any {
        self.0.state.get()
    }

    fn owner(&self) -> Option<&Arc<Setup>> {
        Some(&self.0)
    }
}

impl Setup {
    /// Bound to nothing.
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let (parts, state) = (Arc::new(parts), Owned(()));
        Arc::new(Setup { parts, state })
    }

    /// The same parts with another state.
    pub(super) fn bind<S: Send + Sync + 'static>(&self, state: S) -> Arc<Self> {
        let (parts, state) = (Arc::clone(&self.parts), Owned(state));
        Arc::new(Setup { parts, state })
    }

    /// As [`bind`](Self::bind), with state that the program keeps a hold of.
    pub(super) fn bind_shared<S: Send + Sync + 'static>(&self, state: Arc<S>) -> Arc<Self> {
        let (parts, state) = (Arc::clone(&self.parts), Shared(state));
        Arc::new(Setup { parts, state })
    }

    /// The same state with other parts.
    pub(super) fn with(mut self: Arc<Self>, change: impl FnOnce(&mut Parts)) -> Arc<Self> {
        let mut parts = Parts::clone(&self.parts);
        change(&mut parts);
        let parts = Arc::new(parts);
        match Arc::get_mut(&mut self) {
            Some(own) => own.parts = parts,
            None => {
                let state = Same(self.state.owner().unwrap_or(&self).clone());
                return Arc::new(Setup { parts, state });
            }
        }
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
                _ = thread::Builder::new().name("tool".to_owned()).spawn(work); // without a thread, the call hears of it
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
