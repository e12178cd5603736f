//! What the dispatcher is known to get wrong: shapes that are not drawn, or not judged, until it is mended.

/// Under a layer that polls calls in tasks of its own, a parent that waits for calls within it may be polled before it has its
/// permit back.
pub(crate) const PARENTS_IN_TASKS_OF_A_LAYER: bool = true;

/// A parent that was answered keeps its own permit while a thread of a call within it runs on.
pub(crate) const ANSWERED_PARENTS_KEEP_PERMITS: bool = true;

/// A call whose arguments do not decode waits for its turn, which counts as one of its batch, until it is answered.
pub(crate) const UNDECODED_CALLS_TAKE_TURNS: bool = true;

/// A thread whose call was answered by a layer is not told that nobody waits any more.
pub(crate) const THREADS_LEFT_BY_A_LAYER_ARE_NOT_TOLD: bool = true;

/// A thread that waits for calls that it makes may never be let go.
pub(crate) const CALLS_OF_THREADS: bool = true;
