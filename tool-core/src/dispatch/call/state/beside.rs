//! What a call runs beside its body.

use std::num::NonZeroU32;
use std::sync::Weak;

use crate::dispatch::batch::{Batch, BatchNumber};

/// What a call runs beside its body.
#[derive(Debug, Default)]
pub(in crate::dispatch::call) struct Beside {
    /// Threads that run.
    pub(super) threads: usize,
    /// Calls within it that have not ended.
    pub(super) nested: usize,
    /// Nested batches that are not done: while there are any, the call does not count against them.
    waits: usize,
    /// Nested batches of this attempt, done or not.
    batches: usize,
    /// And those that layers began.
    layer_batches: usize,
    pub(super) children: Vec<Weak<Batch>>,
    /// A thread was requested, and none has begun so far.
    pub(super) waits_for_thread: bool,
    pub(super) had_thread: bool,
    /// A nested remote call was abandoned, and may still act.
    pub(in crate::dispatch::call) acts_elsewhere: bool,
    /// The current attempt of the tool, or the last one.
    pub(super) attempt: Option<NonZeroU32>,
    /// What layers did with the tool.
    pub(super) run: Run,
}

/// What layers did with the tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Run {
    #[default]
    Never,
    Running,
    Over,
}

impl Beside {
    pub(super) fn has_any(&self) -> bool {
        self.threads + self.nested > 0
    }

    /// Whether something of it may still act.
    pub(in crate::dispatch::call) fn is_acting(&self) -> bool {
        self.acts_elsewhere || self.has_any()
    }

    /// Whether something of the tool runs, called by a layer or beside the body.
    pub(in crate::dispatch::call) fn has_running_work(&self) -> bool {
        self.has_any() || self.run == Run::Running
    }

    pub(in crate::dispatch::call) fn has_thread(&self) -> bool {
        self.threads > 0
    }

    pub(in crate::dispatch::call) fn waits_for_thread(&self) -> bool {
        self.waits_for_thread
    }

    pub(in crate::dispatch::call) fn end_nested(&mut self) {
        self.nested -= 1;
    }

    pub(in crate::dispatch::call) fn ask_for_thread(&mut self) {
        self.waits_for_thread = !self.had_thread;
    }

    pub(in crate::dispatch::call) fn end_on_thread(&mut self) {
        self.threads -= 1;
    }

    pub(in crate::dispatch::call) fn begin_attempt(&mut self) -> NonZeroU32 {
        self.batches = 0;
        let next = self
            .attempt
            .map_or(NonZeroU32::MIN, |last| last.saturating_add(1));
        *self.attempt.insert(next)
    }

    pub(in crate::dispatch::call) fn end_run(&mut self) {
        self.run = Run::Over;
    }

    /// A nested batch of the tool's, or of a layer's, begins.
    pub(in crate::dispatch::call) fn begin_wait(&mut self, of_layer: bool) -> BatchNumber {
        self.waits += 1;
        let (count, number): (_, fn(usize) -> BatchNumber) = match of_layer {
            true => (&mut self.layer_batches, BatchNumber::OfLayer),
            false => (&mut self.batches, BatchNumber::OfTool),
        };
        *count += 1;
        number(*count - 1)
    }

    /// True if it was the last.
    pub(in crate::dispatch::call) fn end_wait(&mut self) -> bool {
        self.waits -= 1;
        self.waits == 0
    }
}
