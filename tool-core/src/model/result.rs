//! The one result of one call.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::call::ToolCall;
use super::code::ErrorCode;
use super::error::ToolError;
use super::held::{Held, HeldFor};
use super::output::ToolOutput;
use super::text::clip;
use super::version::Version;

/// Tool result: the one result of one call.
///
/// [`content`](Self::content) is what the model reads, [`outcome`](Self::outcome) what the program
/// reads.
///
/// Shape: serialised as an object with `version` (1), the call's `id`, `name` and `arguments`, its
/// `position`, either `output` (a list of content blocks) or `error` (`code`, `message` and more),
/// `queued_at_us` (wall time, microseconds since 1970), and `started_after_ns` and
/// `finished_after_ns` (nanoseconds since then), and `held` if the call is held. Read back, the source of an error is its text.
/// Unknown fields of the result and of its error are kept; a later version is refused.
///
/// ```
/// use tool_core::{Dispatcher, ToolCall, ToolResult, serde_json, tool, tools};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// let call = ToolCall::new("call_1", "add", r#"{"a": 1, "b": 2}"#);
/// let results = Dispatcher::new(tools![add]).dispatch_blocking(vec![call]);
///
/// let stored = serde_json::to_string(&results[0])?;
/// let read_back: ToolResult = serde_json::from_str(&stored)?;
/// assert_eq!(read_back.content(), "3");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ToolResult {
    call: ToolCall,
    position: usize,
    outcome: Result<ToolOutput, ToolError>,
    times: Times,
    /// If the call is held.
    held: Option<Box<Held>>,
    /// Fields of a stored result that this version does not know.
    unknown: Option<Box<Map<String, Value>>>,
}

/// When a call was queued, started and answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) queued: Instant,
    /// Since then; `None` if no tool code ran.
    pub(crate) started: Option<Duration>,
    /// Since then.
    pub(crate) finished: Duration,
}

impl ToolResult {
    /// The result of a call that was run without a dispatcher: queued, started and finished now. It
    /// has not started if the error says that no tool code ran.
    pub fn new(call: ToolCall, position: usize, outcome: Result<ToolOutput, ToolError>) -> Self {
        let never_ran = outcome.as_ref().is_err_and(ToolError::never_ran);
        let times = Times {
            queued: Instant::now(),
            started: (!never_ran).then_some(Duration::ZERO),
            finished: Duration::ZERO,
        };
        let outcome = outcome.map_err(|error| error.of_tool(&clip(&call.name)));
        Self::with_times(call, position, outcome, times)
    }

    /// The result of a call that no tool code ran of.
    pub(crate) fn not_run(call: ToolCall, position: usize, error: ToolError) -> Self {
        let mut result = Self::new(call, position, Err(error));
        result.times.started = None;
        result
    }

    pub(crate) fn with_times(
        call: ToolCall,
        position: usize,
        outcome: Result<ToolOutput, ToolError>,
        times: Times,
    ) -> Self {
        Self {
            call,
            position,
            outcome,
            times,
            held: None,
            unknown: None,
        }
    }

    /// The same, of a call that is held.
    pub(crate) fn with_held(self, held: Option<Box<Held>>) -> Self {
        Self { held, ..self }
    }

    pub(crate) fn held(&self) -> Option<&Held> {
        let is_held = self
            .outcome
            .as_ref()
            .is_err_and(|error| error.code() == ErrorCode::Held);
        self.held.as_deref().filter(|_| is_held)
    }

    /// What the call waits for, if it is held: then
    /// [`Dispatcher::resume`](crate::Dispatcher::resume) runs it.
    pub fn held_for(&self) -> Option<HeldFor> {
        let decision = HeldFor::Decision;
        let held = self.held()?;
        Some(held.behind.map_or(decision, HeldFor::Earlier))
    }

    /// The call that this is the result of, with its arguments as they were run: a policy may have
    /// edited them.
    #[inline]
    pub fn call(&self) -> &ToolCall {
        &self.call
    }

    /// The call's id, as the model gave it.
    #[inline]
    pub fn id(&self) -> &str {
        &self.call.id
    }

    /// The name the tool was called by.
    pub fn name(&self) -> &str {
        &self.call.name
    }

    /// The call's place in its batch, from 0.
    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The same at another place: of a call that was run in a batch of its own.
    #[must_use]
    pub fn with_position(self, position: usize) -> Self {
        Self { position, ..self }
    }

    /// What the program reads: the output, or a typed error with its source.
    ///
    /// # Errors
    /// Why the call has no output.
    #[inline]
    pub fn outcome(&self) -> Result<&ToolOutput, &ToolError> {
        self.outcome.as_ref()
    }

    /// As [`outcome`](Self::outcome), owned.
    ///
    /// # Errors
    /// Why the call has no output.
    pub fn into_outcome(self) -> Result<ToolOutput, ToolError> {
        self.outcome
    }

    /// What the model reads: the tool's output, or `{"error": …, "tool": …}` with enough to correct
    /// the call. It is never blank, which some services refuse: a blank output is `[no output]`.
    #[inline]
    pub fn content(&self) -> Cow<'_, str> {
        #[derive(Serialize)]
        struct Failed<'a> {
            error: &'a str,
            tool: &'a str,
        }
        match &self.outcome {
            Ok(output) => match output.text() {
                text if text.trim_start().is_empty() => Cow::Borrowed("[no output]"),
                text => text,
            },
            Err(error) => {
                let failed = Failed {
                    error: error.message_for_model(),
                    tool: &clip(self.name()),
                };
                let json = serde_json::to_string(&failed);
                Cow::Owned(json.unwrap_or_else(|_| error.code().to_string()))
            }
        }
    }

    /// When the batch was dispatched; in a streaming batch, when its first call was opened.
    pub fn queued(&self) -> Instant {
        self.times.queued
    }

    /// When the call began to run; `None` if none of its code ran.
    pub fn started(&self) -> Option<Instant> {
        self.times.started.map(|after| self.after(after))
    }

    /// When the result was known.
    pub fn finished(&self) -> Instant {
        self.after(self.times.finished)
    }

    /// How long the call ran, zero if it did not.
    pub fn elapsed(&self) -> Duration {
        let Times {
            started, finished, ..
        } = self.times;
        started.map_or(Duration::ZERO, |started| finished.saturating_sub(started))
    }

    fn after(&self, offset: Duration) -> Instant {
        let queued = self.times.queued;
        queued.checked_add(offset).unwrap_or(queued)
    }
}

/// A result as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredResult<'a> {
    version: Version,
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
    position: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<Cow<'a, ToolOutput>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, ToolError>>,
    queued_at_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_after_ns: Option<u64>,
    finished_after_ns: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Cow<'a, Held>>,
    #[serde(flatten)]
    unknown: Cow<'a, Map<String, Value>>,
}

impl Serialize for ToolResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = |after: Duration| u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let unknown = match &self.unknown {
            Some(unknown) => Cow::Borrowed(&**unknown),
            None => Cow::Owned(Map::new()),
        };
        StoredResult {
            version: Version,
            id: Cow::Borrowed(&self.call.id),
            name: Cow::Borrowed(&self.call.name),
            arguments: Cow::Borrowed(&self.call.arguments),
            position: self.position,
            output: self.outcome.as_ref().ok().map(Cow::Borrowed),
            error: self.outcome.as_ref().err().map(Cow::Borrowed),
            queued_at_us: Clocks::now().micros_of(self.times.queued),
            started_after_ns: self.times.started.map(nanos),
            finished_after_ns: nanos(self.times.finished),
            held: self.held.as_deref().map(Cow::Borrowed),
            unknown,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ToolResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = StoredResult::deserialize(deserializer)?;
        let outcome = match (stored.output, stored.error) {
            (Some(output), None) => Ok(output.into_owned()),
            (None, Some(error)) => Err(error.into_owned()),
            _ => {
                let message = "a stored result has either an `output` or an `error`";
                return Err(D::Error::custom(message));
            }
        };
        let call = ToolCall {
            id: stored.id.into_owned(),
            name: stored.name.into_owned(),
            arguments: stored.arguments.into_owned(),
        };
        let times = Times {
            queued: Clocks::now().at_micros(stored.queued_at_us),
            started: stored.started_after_ns.map(Duration::from_nanos),
            finished: Duration::from_nanos(stored.finished_after_ns),
        };
        let unknown = Some(stored.unknown.into_owned()).filter(|unknown| !unknown.is_empty());
        Ok(Self {
            held: stored.held.map(|held| Box::new(held.into_owned())),
            unknown: unknown.map(Box::new),
            ..Self::with_times(call, stored.position, outcome, times)
        })
    }
}

/// The same moment on both clocks: between runs of a program only wall time means anything.
#[derive(Clone, Copy)]
struct Clocks {
    monotonic: Instant,
    wall: SystemTime,
}

impl Clocks {
    /// One pair for the whole program, so that the results of a batch keep their distances. It is
    /// taken again when the clocks have drifted apart: the wall clock was set, or the machine
    /// slept.
    fn now() -> Self {
        const DRIFT: Duration = Duration::from_secs(1);
        static PAIR: Mutex<Option<Clocks>> = Mutex::new(None);
        let now = Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        };
        let mut pair = PAIR.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = pair.filter(|pair| {
            let expected = pair.wall.checked_add(now.monotonic - pair.monotonic);
            expected.is_some_and(|expected| {
                let drift = now.wall.duration_since(expected);
                drift.unwrap_or_else(|error| error.duration()) <= DRIFT
            })
        });
        *pair.insert(kept.unwrap_or(now))
    }

    /// Microseconds since 1970.
    fn micros_of(self, at: Instant) -> u64 {
        let wall = match at.checked_duration_since(self.monotonic) {
            Some(later) => self.wall.checked_add(later),
            None => self.wall.checked_sub(self.monotonic - at),
        };
        let since = wall.and_then(|wall| wall.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        })
    }

    /// Now, if the clock cannot go so far back.
    fn at_micros(self, micros: u64) -> Instant {
        let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros));
        let at = wall.and_then(|wall| match wall.duration_since(self.wall) {
            Ok(later) => self.monotonic.checked_add(later),
            Err(earlier) => self.monotonic.checked_sub(earlier.duration()),
        });
        at.unwrap_or(self.monotonic)
    }
}
