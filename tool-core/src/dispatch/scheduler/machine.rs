//! What the machine knows: of calls and their batches, of keys, and of permits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use crate::dispatch::permits::Permits;

pub(crate) type BatchId = u64;
pub(crate) type CallId = u64;

/// The machine. `K` is what calls are serialised by, `C` what the driver knows a call by.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Scheduler<K, C> {
    pub(super) permits: Arc<Permits>,
    /// Running calls that wait for nested ones: they do not count against these.
    pub(super) parents: usize,
    pub(super) gates: Vec<Gate>,
    pub(super) calls: BTreeMap<CallId, CallEntry<K, C>>,
    pub(super) batches: BTreeMap<BatchId, BatchEntry<K>>,
    pub(super) keys: HashMap<K, KeyState>,
    /// Batches with calls that wait for permits alone: those of the program, and nested ones.
    pub(super) turns: [Turns; 2],
    pub(super) waiting: usize,
    pub(super) next_id: u64,
    pub(super) started: Vec<C>,
    /// Calls that are held, each with the position of the one that it is ordered behind.
    pub(super) held: Vec<(C, usize)>,
}

impl<K, C> Scheduler<K, C> {
    /// A machine for tools with these limits of their own.
    pub(crate) fn new(permits: Arc<Permits>, gates: impl IntoIterator<Item = usize>) -> Self {
        Self {
            permits,
            parents: 0,
            gates: gates.into_iter().map(Gate::new).collect(),
            calls: BTreeMap::new(),
            batches: BTreeMap::new(),
            keys: HashMap::new(),
            turns: [Turns::default(), Turns::default()],
            waiting: 0,
            next_id: 1,
            started: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Adds a limit of a tool, and returns its place.
    pub(crate) fn add_gate(&mut self, limit: usize) -> usize {
        self.gates.push(Gate::new(limit));
        self.gates.len() - 1
    }

    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// The call at a position of a batch.
    pub(super) fn at(&self, batch: BatchId, position: usize) -> Option<CallId> {
        self.batches.get(&batch)?.unsettled.get(&position).copied()
    }
}

#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(super) struct CallEntry<K, C> {
    pub(super) call: C,
    pub(super) batch: BatchId,
    pub(super) position: usize,
    pub(super) spec: Spec<K>,
    pub(super) phase: Phase,
    /// When it began to wait for its key, if that is noted with the key.
    pub(super) since: Option<u64>,
    /// It runs, and waits for nested calls.
    pub(super) is_parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Reserved,
    Ordered,
    Keyed,
    Ready,
    Running,
    Over,
}

impl Phase {
    pub(super) fn is_waiting(self) -> bool {
        !matches!(self, Self::Running | Self::Over)
    }
}

#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(super) struct BatchEntry<K> {
    /// The call that it was dispatched from.
    pub(super) parent: Option<CallId>,
    /// More calls may come, and none starts before all earlier ones have.
    pub(super) early: bool,
    /// Nothing of it starts any more.
    pub(super) halted: bool,
    /// No more calls come.
    pub(super) closed: bool,
    pub(super) held: HeldPlaces<K>,
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

impl<K> BatchEntry<K> {
    /// Whether the call may pass the calls before it.
    pub(super) fn in_order(&self, position: usize) -> bool {
        let first_unstarted = !self.early || self.unstarted.first() == Some(&position);
        let behind_barrier = self.barriers.range(..position).next().is_some();
        let first = self.unsettled.first_key_value();
        let exclusive = self.barriers.contains(&position);
        let alone = !exclusive || first.is_some_and(|(first, _)| *first == position);
        let held = self.held.before(position, exclusive).is_some();
        !self.halted && first_unstarted && !behind_barrier && alone && !held
    }

    /// Whether it is forgotten now.
    pub(super) fn is_over(&self) -> bool {
        // Calls that are still to come may be ordered behind one that is held.
        let expects_none = self.closed || (!self.early && self.held.first.is_none());
        self.unsettled.is_empty() && expects_none
    }
}

/// The first positions of calls that are held.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(super) struct HeldPlaces<K> {
    /// Of any.
    pub(super) first: Option<usize>,
    /// Of a barrier.
    barrier: Option<usize>,
    keys: HashMap<K, usize>,
}

impl<K> Default for HeldPlaces<K> {
    fn default() -> Self {
        Self {
            first: None,
            barrier: None,
            keys: HashMap::new(),
        }
    }
}

impl<K> HeldPlaces<K> {
    /// A held call that one of this position is ordered behind, whatever its key.
    fn before(&self, position: usize, exclusive: bool) -> Option<usize> {
        let any = self.first.filter(|_| exclusive);
        any.or(self.barrier).filter(|held| *held < position)
    }
}

impl<K: Clone + Eq + Hash> HeldPlaces<K> {
    pub(super) fn add(&mut self, position: usize, spec: &Spec<K>) {
        let least = |place: Option<usize>| Some(place.map_or(position, |at| at.min(position)));
        self.first = least(self.first);
        if spec.exclusive {
            self.barrier = least(self.barrier);
        }
        if let Some(key) = &spec.key {
            let first = self.keys.entry(key.clone()).or_insert(position);
            *first = position.min(*first);
        }
    }

    /// A held call that one of this position is ordered behind.
    pub(super) fn ahead_of(&self, position: usize, spec: &Spec<K>) -> Option<usize> {
        let of_key = spec
            .key
            .as_ref()
            .and_then(|key| self.keys.get(key).copied());
        let of_key = of_key.filter(|held| *held < position);
        self.before(position, spec.exclusive).or(of_key)
    }
}

/// The limit of one tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    pub(super) limit: usize,
    pub(super) in_use: usize,
    /// Those in use by calls that wait for nested ones.
    pub(super) parents: usize,
}

impl Gate {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            in_use: 0,
            parents: 0,
        }
    }

    pub(super) fn has_room(&self, nested: bool) -> bool {
        let running = self.in_use - if nested { self.parents } else { 0 };
        running < self.limit
    }
}

/// What a call's start depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec<K> {
    /// The tool's own limit, by its place in what [`Scheduler::new`] was given.
    pub(crate) gate: Option<usize>,
    /// Calls of equal keys exclude each other.
    pub(crate) key: Option<K>,
    /// Whether the call is a barrier in its batch.
    pub(crate) exclusive: bool,
}

impl<K> Spec<K> {
    /// A call that needs a permit of the dispatcher alone.
    pub(crate) fn none() -> Self {
        Self {
            gate: None,
            key: None,
            exclusive: false,
        }
    }
}

/// A key that is held or waited for.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug, Default)]
pub(super) struct KeyState {
    /// Each but the first is a descendant of the one before.
    pub(super) holders: Vec<CallId>,
    /// Calls that wait, those of the program and nested ones, by their tool's limit and in the order
    /// in which they began to: of each batch the first alone, so that a large batch does not keep
    /// the key to itself.
    pub(super) waiting: [BTreeMap<Option<usize>, BTreeMap<u64, CallId>>; 2],
}

impl KeyState {
    pub(super) fn add(&mut self, since: u64, id: CallId, nested: bool, gate: Option<usize>) {
        let waiting = &mut self.waiting[usize::from(nested)];
        waiting.entry(gate).or_default().insert(since, id);
    }

    pub(super) fn remove(&mut self, since: u64, nested: bool, gate: Option<usize>) {
        let waiting = &mut self.waiting[usize::from(nested)];
        if let Some(ids) = waiting.get_mut(&gate) {
            ids.remove(&since);
            if ids.is_empty() {
                waiting.remove(&gate);
            }
        }
    }

    pub(super) fn is_unused(&self) -> bool {
        self.holders.is_empty() && self.waiting.iter().all(BTreeMap::is_empty)
    }
}

/// Batches that wait for permits alone, the one whose turn was longest ago first.
///
/// By the limit of a tool that its calls need, so that calls which wait for a limit that is used up
/// are passed over without a look at them.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(BTreeMap<Option<usize>, BTreeSet<(u64, BatchId)>>);

impl Turns {
    pub(super) fn add(&mut self, gate: Option<usize>, turn: u64, batch: BatchId) {
        self.0.entry(gate).or_default().insert((turn, batch));
    }

    pub(super) fn remove(&mut self, gate: Option<usize>, turn: u64, batch: BatchId) {
        if let Some(batches) = self.0.get_mut(&gate) {
            batches.remove(&(turn, batch));
            if batches.is_empty() {
                self.0.remove(&gate);
            }
        }
    }

    /// The batch that is next, of those with a call that needs a limit with room.
    pub(super) fn next(&self, has_room: impl Fn(Option<usize>) -> bool) -> Option<BatchId> {
        let open = self.0.iter().filter(|(gate, _)| has_room(**gate));
        let first = open.filter_map(|(_, batches)| batches.first()).min();
        first.map(|(_, batch)| *batch)
    }

    #[cfg(test)]
    pub(super) fn batches(&self) -> impl Iterator<Item = (Option<usize>, BatchId)> {
        let of_gate = |(gate, batches): (&Option<usize>, &'_ BTreeSet<(u64, BatchId)>)| {
            let gate = *gate;
            let pairs: Vec<_> = batches.iter().map(|(_, batch)| (gate, *batch)).collect();
            pairs
        };
        self.0.iter().flat_map(of_gate)
    }
}
