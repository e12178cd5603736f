//! How calls of a tool behave, as declared to the dispatcher.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How calls of a tool behave: timeout, concurrency, retry, hints. [`tool`](crate::tool) declares
/// it with options of the same names; tools of other kinds with
/// [`ToolDefinition::with_behavior`](crate::ToolDefinition::with_behavior).
///
/// `read_only`, `idempotent`, `destructive` and `open_world` have three values: `None` is
/// undeclared, which clients read as the worst case, and `Some(false)` declares that it is not so.
///
/// The [`Dispatcher`](crate::Dispatcher) acts on all of it but `destructive` and `open_world`, which
/// are for policies and clients to read, and `strict`, which is for the providers that
/// definitions are sent to.
///
/// Shape: serialised as an object with these fields; what is missing in one that is read back has
/// its default, and unknown fields are ignored.
///
/// ```
/// use tool_core::{tool, tools};
///
/// /// Get a patient's name.
/// #[tool(read_only, open_world = false, concurrency = 4, retry(attempts = 5, backoff = "50ms"))]
/// async fn get_name(patient_id: &str) -> Result<String, std::io::Error> {
///     Ok(format!("the name of {patient_id}"))
/// }
///
/// let tools = tools![get_name];
/// let behavior = tools.definition("get_name").unwrap().behavior();
/// assert_eq!(behavior.read_only, Some(true));
/// assert_eq!(behavior.open_world, Some(false));
/// assert_eq!(behavior.destructive, None);
/// assert_eq!(behavior.retry.map(|retry| retry.attempts), Some(5));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Behavior {
    /// How long a call may run.
    pub timeout: Timeout,
    /// How many calls of it may run at once; as many as the dispatcher allows, unless set. 0 is
    /// taken as 1.
    pub concurrency: Option<usize>,
    /// Whether a call runs with no other call of its message beside it.
    pub exclusive: bool,
    /// The properties that distinguish calls: those with equal values run one after the other, in
    /// call order.
    pub serialize_by: Vec<String>,
    /// Whether calls change nothing.
    pub read_only: Option<bool>,
    /// Whether a repeated call changes no more than the first did.
    pub idempotent: Option<bool>,
    /// Whether a call may destroy something for good.
    pub destructive: Option<bool>,
    /// Whether calls reach beyond what the program controls: the web, say, and not its own
    /// database.
    pub open_world: Option<bool>,
    /// Whether the work is done elsewhere, so that dropping a call's future does not prove that the
    /// work has stopped. A started call that is stopped is then answered `…_indeterminate`.
    pub remote: bool,
    /// Whether and how a failed call is tried again.
    pub retry: Option<Retry>,
    /// Whether its schema has to be one that a service can enforce.
    pub strict: bool,
}

impl Behavior {
    /// Whether calls are declared to change nothing.
    pub fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    /// Whether calls are declared to destroy something.
    pub fn is_destructive(&self) -> bool {
        self.destructive == Some(true)
    }

    /// Whether a call may run more than once: it changes nothing, or no more than the first time.
    pub fn is_repeatable(&self) -> bool {
        self.is_read_only() || self.idempotent == Some(true)
    }

    /// What is contradictory in it, if anything. `has` checks whether a property of that name
    /// exists.
    pub(crate) fn contradiction(&self, has: impl Fn(&str) -> bool) -> Option<String> {
        if self.is_read_only() && self.is_destructive() {
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

/// The timeout of a call.
///
/// Shape: serialised as `"inherit"`, `{"after": {"secs": 5, "nanos": 0}}` or `"never"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Timeout {
    /// As long as the dispatcher says.
    #[default]
    Inherit,
    /// At most this long.
    After(Duration),
    /// Without a limit.
    Never,
}

/// The retry policy of a tool: attempts and backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
