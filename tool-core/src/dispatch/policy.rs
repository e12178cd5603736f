//! The approval policy of the program: whether a call may run.

use std::fmt;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use serde::{Deserialize, Serialize};

use super::call::{Call, drop_catching_panic, panic_text};
use crate::model::{ErrorCode, ToolCall, ToolDefinition, ToolError};

/// A tool call that a policy is asked to approve (human-in-the-loop).
#[derive(Clone, Debug)]
pub struct ApprovalRequest {
    pub(super) call: Arc<Call>,
}

impl ApprovalRequest {
    /// The call, as the model made it.
    pub fn call(&self) -> &ToolCall {
        &self.call.call
    }

    /// The state that the dispatcher is bound to, if that is of this type: who asks, for example.
    pub fn state<S: 'static>(&self) -> Option<&S> {
        self.call.batch.setup.state.downcast_ref()
    }

    /// The call's place in its batch, from 0.
    pub fn position(&self) -> usize {
        self.call.position
    }

    /// What the model reads of the tool, and how its calls behave.
    pub fn definition(&self) -> &ToolDefinition {
        self.call.definition()
    }
}

/// The decision of an approval policy on a call: allow, deny, edit or hold.
///
/// Shape: serialised as `"allow"`, `{"deny": "reason"}`, `{"edit": "arguments"}` or `"hold"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// It runs as it is.
    Allow,
    /// It does not run; the model reads why.
    Deny(String),
    /// It runs with these arguments: the text of one JSON object, which is checked as the model's
    /// was.
    Edit(String),
    /// It waits until it is resumed: it is answered [`Held`](ErrorCode::Held), and so are the calls of
    /// its message that are ordered behind it. [`Dispatcher::resume`](super::Dispatcher::resume)
    /// continues, later or in another process. A call within another cannot be held, and is denied.
    Hold,
}

impl Decision {
    /// It does not run; the model reads `reason`.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::Deny(reason.into())
    }
}

/// A policy that need not wait returns its decision as it is.
impl IntoFuture for Decision {
    type Output = Self;
    type IntoFuture = Ready<Self>;

    fn into_future(self) -> Ready<Self> {
        ready(self)
    }
}

type Deciding = Pin<Box<dyn Future<Output = Decision> + Send>>;

/// The program's policy.
#[derive(Clone)]
pub(crate) struct Policy(Arc<dyn Fn(ApprovalRequest) -> Deciding + Send + Sync>);

impl Policy {
    pub(super) fn new<P, D>(policy: P) -> Self
    where
        P: Fn(ApprovalRequest) -> D + Send + Sync + 'static,
        D: IntoFuture<Output = Decision, IntoFuture: Send + 'static>,
    {
        Self(Arc::new(move |request| {
            Box::pin(policy(request).into_future())
        }))
    }

    /// Asks. A policy that panics has not allowed the call.
    pub(super) async fn decide(&self, request: ApprovalRequest) -> Result<Decision, ToolError> {
        let failed = |panic| {
            let text = "not allowed: the program could not decide on it";
            ToolError::failed(ErrorCode::Denied, text, panic_text(panic))
        };
        let asked = catch_unwind(AssertUnwindSafe(|| (self.0)(request)));
        let mut deciding = Quiet(Some(asked.map_err(failed)?));
        let decided = std::future::poll_fn(|cx| match &mut deciding.0 {
            Some(deciding) => match catch_unwind(AssertUnwindSafe(|| pin!(deciding).poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            },
            None => Poll::Pending,
        });
        decided.await.map_err(failed)
    }
}

/// A future of the user's, whose destructor may panic.
struct Quiet(Option<Deciding>);

impl Drop for Quiet {
    fn drop(&mut self) {
        drop_catching_panic(self.0.take());
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Policy").finish_non_exhaustive()
    }
}
