//! How calls of a tool behave: what the dispatcher is told of it.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How calls of a tool behave. [`tool`](crate::tool) declares it with options of the same names;
/// tools of other kinds with
/// [`ToolDefinition::with_behavior`](crate::ToolDefinition::with_behavior).
///
/// The [`Dispatcher`](crate::Dispatcher) acts on all of it but `destructive`, which is there for a
/// policy to read, and `strict`, which is for the services that definitions are sent to.
///
/// ```
/// use tool_core::{tool, tools};
///
/// /// Get a patient's name.
/// #[tool(read_only, concurrency = 4, retry(attempts = 5, backoff = "50ms"))]
/// async fn get_name(patient_id: &str) -> Result<String, std::io::Error> {
///     Ok(format!("the name of {patient_id}"))
/// }
///
/// let tools = tools![get_name];
/// let behavior = tools.definition("get_name").unwrap().behavior();
/// assert!(behavior.read_only && !behavior.destructive);
/// assert_eq!(behavior.retry.map(|retry| retry.attempts), Some(5));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Behavior {
    /// How long a call may run.
    pub timeout: Timeout,
    /// How many calls of it may run at once; as many as the dispatcher allows, unless set.
    pub concurrency: Option<NonZeroUsize>,
    /// Whether a call runs with no other call of its message beside it.
    pub exclusive: bool,
    /// The properties that tell calls apart: those with equal values run one after the other, in
    /// call order.
    pub serialize_by: Vec<String>,
    /// Whether calls change nothing.
    pub read_only: bool,
    /// Whether a repeated call changes no more than the first did.
    pub idempotent: bool,
    /// Whether a call may destroy what cannot be brought back.
    pub destructive: bool,
    /// Whether and how a failed call is tried again.
    pub retry: Option<Retry>,
    /// Whether its schema has to be one that a service can enforce.
    pub strict: bool,
}

impl Behavior {
    /// Whether a call may run more than once: it changes nothing, or no more than the first time.
    pub fn is_repeatable(&self) -> bool {
        self.read_only || self.idempotent
    }

    /// What is contradictory in it, if anything. `has` tells whether there is a property of that
    /// name.
    pub(crate) fn contradiction(&self, has: impl Fn(&str) -> bool) -> Option<String> {
        if self.read_only && self.destructive {
            return Some("it cannot be both `read_only` and `destructive`".to_owned());
        }
        if self.retry.is_some() && !self.is_repeatable() {
            return Some("a retry may repeat what a first attempt has done; it must be `read_only` or `idempotent`".to_owned());
        }
        let unknown = self.serialize_by.iter().find(|name| !has(name))?;
        Some(format!(
            "`serialize_by` names `{unknown}`, which its schema does not list"
        ))
    }
}

/// How long a call may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timeout {
    /// As long as the dispatcher says.
    #[default]
    Inherit,
    /// At most this long.
    After(Duration),
    /// As long as it likes.
    Never,
}

/// How a failed call is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// How often it is tried, the first time included: 3, unless set.
    pub attempts: u32,
    /// How long to wait before the second attempt: 100 ms, unless set. Each later wait is twice as
    /// long, and each is longer by up to as much again at random, so that calls which failed
    /// together are not repeated together.
    pub backoff: Duration,
    /// The longest wait: 10 s, unless set.
    pub max_backoff: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
        }
    }
}
