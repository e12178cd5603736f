//! The limits of a dispatcher: everything it keeps is bounded.

use std::time::Duration;

/// The limits of a dispatcher: sizes, nesting and queue timeout. Each is finite, unless set to
/// `None`; past one, the latest calls are answered, never dropped.
///
/// ```
/// use tool_core::{Dispatcher, tools};
///
/// let dispatcher = Dispatcher::new(tools![]).with_limits(|limits| {
///     limits.calls = 32;
///     limits.output_bytes = 16 * 1024;
/// });
/// assert_eq!(dispatcher.limits().calls, 32);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a call's argument text: 1 MiB. A longer one is answered
    /// [`TooLarge`](crate::ErrorCode::TooLarge).
    pub argument_bytes: usize,
    /// Arrays and objects within each other in a call's arguments: 64. Deeper ones are answered
    /// [`TooLarge`](crate::ErrorCode::TooLarge).
    pub argument_depth: usize,
    /// Calls of one message: 1 024. Those behind are answered
    /// [`Overloaded`](crate::ErrorCode::Overloaded).
    pub calls: usize,
    /// Calls that wait for their turn, in all batches: 16 384. Those that come to wait when it is
    /// reached are answered [`Overloaded`](crate::ErrorCode::Overloaded). A call waits from when no
    /// permit is free for it, or when it is ordered behind another, serialised, decided on or
    /// nested.
    pub queue: usize,
    /// Calls within each other, by [`CallContext::dispatch`](crate::CallContext::dispatch): 8.
    /// Deeper ones are answered [`Overloaded`](crate::ErrorCode::Overloaded).
    pub nesting: usize,
    /// Bytes of a call's output: 256 KiB. A longer one keeps its head and tail and says what was
    /// left out.
    pub output_bytes: usize,
    /// Bytes of a call's output that are handed to
    /// [`with_overflow`](crate::Dispatcher::with_overflow), if it is set: 16 MiB. Without it no more
    /// is written than `output_bytes`.
    pub overflow_bytes: usize,
    /// Bytes of the outputs of one message: 4 MiB. When they are used up, later outputs are
    /// shortened to a few hundred bytes.
    pub batch_output_bytes: usize,
    /// Progress events that wait to be read, in one batch: 256. Past that the oldest is dropped.
    pub progress_events: usize,
    /// How long a call waits for its turn, from when it was admitted: ten minutes; `None` for
    /// no timeout. Then it is answered [`NotStarted`](crate::ErrorCode::NotStarted). The time
    /// does not advance while a policy decides on the call, or on one that it is ordered behind.
    pub queue_time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            argument_bytes: 1 << 20,
            argument_depth: 64,
            calls: 1 << 10,
            queue: 1 << 14,
            nesting: 8,
            output_bytes: 256 << 10,
            overflow_bytes: 16 << 20,
            batch_output_bytes: 4 << 20,
            progress_events: 256,
            queue_time: Some(Duration::from_secs(600)),
        }
    }
}
