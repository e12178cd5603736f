//! What the machine knows: of calls and their batches, of keys, and of permits.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::events::{Action, Spec};
use crate::dispatch::permits::Permits;

pub(crate) type BatchId = u64;
pub(crate) type CallId = u64;

/// The smallest id: those below are what else a call's seat can be.
pub(crate) const FIRST_ID: CallId = 3;

/// The machine. `K` is what calls are serialised by, `C` what the driver knows a call by.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Scheduler<K, C> {
    pub(super) permits: Arc<Permits>,
    pub(super) gates: Vec<Gate>,
    pub(super) calls: BTreeMap<CallId, Entry<K, C>>,
    pub(super) batches: BTreeMap<BatchId, Batch<K>>,
    pub(super) keys: HashMap<K, KeyState>,
    pub(super) resuming: VecDeque<CallId>,
    /// Batches with calls that wait for permits alone, the one whose turn was longest ago first:
    /// those of the program, and those of running calls.
    pub(super) rings: [BTreeSet<(u64, BatchId)>; 2],
    /// Calls of nested batches that wait for others: they alone can close a circle.
    pub(super) nested_waiting: BTreeSet<CallId>,
    /// Whether one of these, or a call that waits for calls of its own, has begun to wait since
    /// there was no circle.
    pub(super) may_circle: bool,
    pub(super) waiting: usize,
    pub(super) abandoned: usize,
    pub(super) abandoned_permits: usize,
    pub(super) next_id: u64,
    pub(super) actions: Vec<Action<C>>,
}

impl<K, C> Scheduler<K, C> {
    /// A machine for tools with these limits of their own.
    pub(crate) fn new(permits: Arc<Permits>, gates: impl IntoIterator<Item = usize>) -> Self {
        Self {
            permits,
            gates: gates
                .into_iter()
                .map(|limit| Gate {
                    limit,
                    in_use: 0,
                    abandoned: 0,
                })
                .collect(),
            calls: BTreeMap::new(),
            batches: BTreeMap::new(),
            keys: HashMap::new(),
            resuming: VecDeque::new(),
            rings: [BTreeSet::new(), BTreeSet::new()],
            nested_waiting: BTreeSet::new(),
            may_circle: false,
            waiting: 0,
            abandoned: 0,
            abandoned_permits: 0,
            next_id: FIRST_ID,
            actions: Vec::new(),
        }
    }
}

#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(super) struct Entry<K, C> {
    pub(super) call: C,
    pub(super) batch: BatchId,
    pub(super) position: usize,
    pub(super) spec: Spec<K>,
    pub(super) phase: Phase,
    /// Batches it dispatched that are not done.
    pub(super) children: Vec<BatchId>,
    /// Since when only abandoned work stands in its way.
    pub(super) stuck_since: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Has a place; may not run yet.
    Reserved,
    /// Waits for earlier calls of its batch.
    Ordered,
    /// Waits for its key.
    Keyed,
    /// Waits for permits alone.
    Ready,
    Running,
    /// Waits for calls of its own, without permits.
    Parked,
    /// Wants its permits back.
    Resuming,
    /// Answered, but something of it may still run.
    Abandoned {
        with_permits: bool,
    },
}

impl Phase {
    pub(super) fn is_waiting(self) -> bool {
        matches!(
            self,
            Self::Reserved | Self::Ordered | Self::Keyed | Self::Ready
        )
    }

    pub(super) fn holds_permits(self) -> bool {
        matches!(self, Self::Running | Self::Abandoned { with_permits: true })
    }
}

#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(super) struct Batch<K> {
    pub(super) parent: Option<CallId>,
    /// More calls may come, and none starts before all earlier ones have.
    pub(super) early: bool,
    /// Nothing of it starts any more.
    pub(super) halted: bool,
    pub(super) unsettled: BTreeMap<usize, CallId>,
    pub(super) unstarted: BTreeSet<usize>,
    pub(super) barriers: BTreeSet<usize>,
    pub(super) by_key: HashMap<K, BTreeSet<usize>>,
    /// Calls that wait for earlier ones.
    pub(super) ordered: BTreeSet<usize>,
    /// Calls that wait for permits alone, by their tool's limit.
    pub(super) ready: BTreeMap<Option<usize>, BTreeSet<usize>>,
    /// When a call of it was started last, or it was opened.
    pub(super) turn: u64,
}

/// A key that is held or waited for.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug, Default)]
pub(super) struct KeyState {
    /// Each but the first is a descendant of the one before.
    pub(super) holders: Vec<CallId>,
    /// Per batch, the positions that wait.
    pub(super) waiting: BTreeMap<BatchId, BTreeSet<usize>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    pub(super) limit: usize,
    pub(super) in_use: usize,
    pub(super) abandoned: usize,
}
