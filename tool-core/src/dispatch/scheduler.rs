//! Which call runs next: a machine without tasks or clocks. Events go in as methods, [`Action`]s come out.
//!
//! A call is reserved (its place is taken), admitted (it may run), started, and settled. In between it passes three stages
//! in one direction: its *order* in the batch, its *key*, and the *permits* of the dispatcher and of its tool.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use super::call::FIRST_ID;
use super::permits::Permits;

pub(crate) type BatchId = u64;
pub(crate) type CallId = u64;

/// What the driver has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action<C> {
    /// Its turn has come; it holds its permits and its key.
    Start(C),
    /// It has its permits back and goes on.
    Resume(C),
    /// It would wait for itself. It is out of the machine.
    Deadlock(C),
    /// Only abandoned work has stood in its way, for too long. It is out of the machine.
    GiveUp(C),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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
    fn is_waiting(self) -> bool {
        matches!(self, Self::Reserved | Self::Ordered | Self::Keyed | Self::Ready)
    }

    fn holds_permits(self) -> bool {
        matches!(self, Self::Running | Self::Abandoned { with_permits: true })
    }
}

#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
struct Entry<K, C> {
    call: C,
    batch: BatchId,
    position: usize,
    spec: Spec<K>,
    phase: Phase,
    /// Batches it dispatched that are not done.
    children: Vec<BatchId>,
    /// Since when only abandoned work stands in its way.
    stuck_since: Option<Duration>,
}

#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
struct Batch<K> {
    parent: Option<CallId>,
    /// More calls may come, and none starts before all earlier ones have.
    early: bool,
    /// Nothing of it starts any more.
    halted: bool,
    unsettled: BTreeMap<usize, CallId>,
    unstarted: BTreeSet<usize>,
    barriers: BTreeSet<usize>,
    by_key: HashMap<K, BTreeSet<usize>>,
    /// Calls that wait for earlier ones.
    ordered: BTreeSet<usize>,
    /// Calls that wait for permits alone, by their tool's limit.
    ready: BTreeMap<Option<usize>, BTreeSet<usize>>,
    /// When a call of it was started last, or it was opened.
    turn: u64,
}

/// A key that is held or waited for.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug, Default)]
struct KeyState {
    /// Each but the first is a descendant of the one before.
    holders: Vec<CallId>,
    /// Per batch, the positions that wait.
    waiting: BTreeMap<BatchId, BTreeSet<usize>>,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    limit: usize,
    in_use: usize,
    abandoned: usize,
}

/// The machine. `K` is what calls are serialised by, `C` what the driver knows a call by.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Scheduler<K, C> {
    permits: Arc<Permits>,
    gates: Vec<Gate>,
    calls: BTreeMap<CallId, Entry<K, C>>,
    batches: BTreeMap<BatchId, Batch<K>>,
    keys: HashMap<K, KeyState>,
    resuming: VecDeque<CallId>,
    /// Batches with calls that wait for permits alone, the one whose turn was longest ago first: those of the program, and
    /// those of running calls.
    rings: [BTreeSet<(u64, BatchId)>; 2],
    /// Calls of nested batches that wait for others: they alone can close a circle.
    nested_waiting: BTreeSet<CallId>,
    waiting: usize,
    abandoned: usize,
    abandoned_permits: usize,
    next_id: u64,
    actions: Vec<Action<C>>,
}

impl<K: Clone + Eq + Hash, C: Clone> Scheduler<K, C> {
    /// A machine for tools with these limits of their own.
    pub(crate) fn new(permits: Arc<Permits>, gates: impl IntoIterator<Item = usize>) -> Self {
        Self {
            permits,
            gates: gates.into_iter().map(|limit| Gate { limit, in_use: 0, abandoned: 0 }).collect(),
            calls: BTreeMap::new(),
            batches: BTreeMap::new(),
            keys: HashMap::new(),
            resuming: VecDeque::new(),
            rings: [BTreeSet::new(), BTreeSet::new()],
            nested_waiting: BTreeSet::new(),
            waiting: 0,
            abandoned: 0,
            abandoned_permits: 0,
            next_id: FIRST_ID,
            actions: Vec::new(),
        }
    }

    /// What has to be done since this was last asked.
    pub(crate) fn take_actions(&mut self) -> Vec<Action<C>> {
        std::mem::take(&mut self.actions)
    }

    /// Calls that have a place and have not started.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether work of an answered call may still run.
    pub(crate) fn has_abandoned(&self) -> bool {
        self.abandoned > 0
    }

    // ---- batches

    /// A new batch, of a running call or of the program. `early` until [`finish`](Self::finish).
    pub(crate) fn open(&mut self, parent: Option<CallId>, early: bool) -> BatchId {
        let id = self.new_id();
        let parent = parent.filter(|parent| self.calls.contains_key(parent));
        if let Some(parent) = parent.and_then(|parent| self.calls.get_mut(&parent)) {
            parent.children.push(id);
        }
        let batch = Batch {
            parent,
            early,
            halted: false,
            unsettled: BTreeMap::new(),
            unstarted: BTreeSet::new(),
            barriers: BTreeSet::new(),
            by_key: HashMap::new(),
            ordered: BTreeSet::new(),
            ready: BTreeMap::new(),
            turn: id,
        };
        self.batches.insert(id, batch);
        id
    }

    /// No more calls come: the rest may start in any order that is not declared.
    pub(crate) fn finish(&mut self, batch: BatchId) {
        if let Some(open) = self.batches.get_mut(&batch) {
            open.early = false;
            self.advance(batch);
            self.schedule();
        }
    }

    /// Nothing of the batch starts any more. Its calls are settled one by one.
    pub(crate) fn halt(&mut self, batch: BatchId) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.halted = true;
            batch.ready.clear();
        }
    }

    /// All of its calls are settled, or stay behind as abandoned work.
    pub(crate) fn close(&mut self, batch: BatchId) {
        let Some(closed) = self.batches.get_mut(&batch) else { return };
        closed.early = false;
        if closed.unsettled.is_empty() {
            self.forget(batch);
        }
    }

    fn forget(&mut self, id: BatchId) {
        let Some(parent) = self.batches.remove(&id).and_then(|batch| batch.parent) else { return };
        let Some(entry) = self.calls.get_mut(&parent) else { return };
        entry.children.retain(|child| *child != id);
        // Nothing is left to wait for: it asks for its permits before anybody else takes those of its last call.
        if entry.children.is_empty() && entry.phase == Phase::Parked {
            self.enter(parent, Phase::Resuming);
            self.resuming.push_back(parent);
        }
    }

    // ---- calls

    /// Takes a place in the batch. The call waits until it is admitted; what is known of it counts for the calls behind.
    pub(crate) fn reserve(&mut self, batch: BatchId, position: usize, call: C, spec: Spec<K>) -> CallId {
        let id = self.new_id();
        let entry = Entry { call, batch, position, spec, phase: Phase::Reserved, children: Vec::new(), stuck_since: None };
        self.calls.insert(id, entry);
        self.waiting += 1;
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.unsettled.insert(position, id);
            batch.unstarted.insert(position);
        }
        self.note(id);
        id
    }

    /// The call may run when its turn comes.
    pub(crate) fn admit(&mut self, id: CallId, spec: Spec<K>) {
        self.admit_all([(id, spec)]);
    }

    /// As [`admit`](Self::admit), for calls that are admitted together.
    pub(crate) fn admit_all(&mut self, calls: impl IntoIterator<Item = (CallId, Spec<K>)>) {
        let mut batches = BTreeSet::new();
        for (id, spec) in calls {
            if !self.calls.get(&id).is_some_and(|entry| entry.phase == Phase::Reserved) {
                continue;
            }
            let Some((batch, position)) = self.respecify(id, spec) else { continue };
            self.enter(id, Phase::Ordered);
            if let Some(group) = self.batches.get_mut(&batch) {
                group.ordered.insert(position);
            }
            batches.insert(batch);
        }
        for batch in batches {
            self.advance(batch);
        }
        self.schedule();
    }

    /// Tells what a reserved call's start will depend on: it counts for the calls behind.
    pub(crate) fn propose(&mut self, id: CallId, spec: Spec<K>) {
        if self.calls.get(&id).is_some_and(|entry| entry.phase == Phase::Reserved) {
            self.respecify(id, spec);
        }
    }

    fn respecify(&mut self, id: CallId, spec: Spec<K>) -> Option<(BatchId, usize)> {
        self.unnote(id);
        let entry = self.calls.get_mut(&id)?;
        let before = std::mem::replace(&mut entry.spec, spec);
        let (batch, position) = (entry.batch, entry.position);
        self.note(id);
        if let Some(key) = before.key {
            self.release_key(&key, id, batch, position); // those behind may be free of it now
        }
        Some((batch, position))
    }

    /// Puts another call in the place of one that is reserved.
    pub(crate) fn replace(&mut self, id: CallId, call: C) {
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.call = call;
        }
    }

    /// A call that runs on a borrowed permit, under nobody's order, becomes one of the machine's, unless `is_running` says
    /// that it has given the permit back.
    pub(crate) fn adopt(&mut self, call: C, is_running: impl FnOnce(CallId) -> bool) {
        let batch = self.open(None, false);
        let id = self.reserve(batch, 0, call, Spec { gate: None, key: None, exclusive: false });
        if !is_running(id) {
            self.remove(id);
            return;
        }
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.unstarted.clear();
        }
        self.enter(id, Phase::Running);
    }

    /// The call is answered and nothing of it runs.
    pub(crate) fn settle(&mut self, id: CallId) {
        self.remove(id);
        self.schedule();
    }

    /// The call is answered, but something of it may still run: it keeps permits, key and place until it is settled.
    pub(crate) fn abandon(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        if entry.phase.is_waiting() || matches!(entry.phase, Phase::Abandoned { .. }) {
            return;
        }
        let holds_permits = entry.phase.holds_permits();
        self.abandoned += 1;
        self.resuming.retain(|resuming| *resuming != id);
        self.enter(id, Phase::Abandoned { with_permits: false });
        if holds_permits {
            self.count_abandoned_permits(id);
        }
    }

    /// An answered call holds permits.
    fn count_abandoned_permits(&mut self, id: CallId) {
        let gate = self.calls.get(&id).and_then(|entry| entry.spec.gate);
        if let Some(gate) = gate.and_then(|gate| self.gates.get_mut(gate)) {
            gate.abandoned += 1;
        }
        self.abandoned_permits += 1;
        self.enter(id, Phase::Abandoned { with_permits: true });
    }

    /// What may still run of an answered call are calls within it, which have permits of their own: it keeps key and place alone.
    pub(crate) fn release_permits(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        if entry.phase != (Phase::Abandoned { with_permits: true }) {
            return;
        }
        self.abandoned_permits -= 1;
        if let Some(gate) = entry.spec.gate.and_then(|gate| self.gates.get_mut(gate)) {
            gate.abandoned -= 1;
        }
        self.give_permits_back(id);
        self.enter(id, Phase::Abandoned { with_permits: false });
        self.schedule();
    }

    /// The call waits for calls of its own and gives its permits back.
    ///
    /// False if it does not run, or is answered: then it keeps them.
    pub(crate) fn park(&mut self, id: CallId) -> bool {
        let runs = self.calls.get(&id).is_some_and(|entry| entry.phase == Phase::Running);
        if runs {
            self.give_permits_back(id);
            self.enter(id, Phase::Parked);
            self.schedule();
        }
        runs
    }

    /// The call wants to go on, or a thread of it that was answered does.
    pub(crate) fn resume(&mut self, id: CallId) {
        match self.calls.get(&id).map(|entry| entry.phase) {
            Some(Phase::Parked) => self.enter(id, Phase::Resuming),
            Some(Phase::Abandoned { with_permits: false }) if !self.resuming.contains(&id) => {}
            _ => return,
        }
        self.resuming.push_back(id);
        self.schedule();
    }

    /// Passes permits on that were given back outside.
    pub(crate) fn schedule(&mut self) {
        loop {
            while let Some(next) = self.next() {
                if !self.permits.take() {
                    break;
                }
                self.start(next);
            }
            if !self.break_circle() {
                break;
            }
        }
        if self.next().is_none() {
            self.permits.nobody_waits();
        }
    }

    // ---- stages

    fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn enter(&mut self, id: CallId, phase: Phase) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        self.waiting -= usize::from(entry.phase.is_waiting());
        self.waiting += usize::from(phase.is_waiting());
        entry.phase = phase;
        let nested = self.batches.get(&entry.batch).is_some_and(|batch| batch.parent.is_some());
        if nested && matches!(phase, Phase::Ordered | Phase::Keyed) {
            self.nested_waiting.insert(id);
        } else {
            self.nested_waiting.remove(&id);
        }
    }

    /// Makes what is known of a call count for the calls behind it.
    fn note(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        let Some(batch) = self.batches.get_mut(&entry.batch) else { return };
        if entry.spec.exclusive {
            batch.barriers.insert(entry.position);
        }
        if let Some(key) = &entry.spec.key {
            batch.by_key.entry(key.clone()).or_default().insert(entry.position);
        }
    }

    fn unnote(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        let Some(batch) = self.batches.get_mut(&entry.batch) else { return };
        batch.barriers.remove(&entry.position);
        if let Some(key) = &entry.spec.key
            && let Some(positions) = batch.by_key.get_mut(key)
        {
            positions.remove(&entry.position);
            if positions.is_empty() {
                batch.by_key.remove(key);
            }
        }
    }

    /// Lets calls past the stage of order. What holds one back holds back all behind it.
    fn advance(&mut self, batch: BatchId) {
        while let Some(group) = self.batches.get_mut(&batch)
            && let Some(position) = group.ordered.first().copied()
            && group.in_order(position)
        {
            group.ordered.remove(&position);
            let id = group.unsettled.get(&position).copied();
            if let Some(id) = id {
                self.enter_key(id);
            }
        }
    }

    fn enter_key(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        let (batch, position, gate, key) = (entry.batch, entry.position, entry.spec.gate, entry.spec.key.clone());
        if let Some(key) = key
            && !self.has_key(id)
        {
            self.keys.entry(key).or_default().waiting.entry(batch).or_default().insert(position);
            return self.enter(id, Phase::Keyed);
        }
        self.enter(id, Phase::Ready);
        let Some(group) = self.batches.get_mut(&batch) else { return };
        if group.halted {
            return;
        }
        group.ready.entry(gate).or_default().insert(position);
        self.rings[usize::from(group.parent.is_some())].insert((group.turn, batch));
    }

    /// Whether no other call stands between this one and its key: none before it in its batch, none that holds it but
    /// those that this one runs for.
    fn has_key(&self, id: CallId) -> bool {
        let Some(entry) = self.calls.get(&id) else { return false };
        let Some(key) = &entry.spec.key else { return true };
        let batch = self.batches.get(&entry.batch);
        let first = batch.and_then(|batch| batch.by_key.get(key)).and_then(|positions| positions.first());
        let last_holder = self.keys.get(key).and_then(|state| state.holders.last());
        first == Some(&entry.position) && last_holder.is_none_or(|holder| self.ancestors(id).any(|ancestor| ancestor == *holder))
    }

    /// The calls this one runs for, the nearest first.
    fn ancestors(&self, id: CallId) -> impl Iterator<Item = CallId> {
        let parent = |id: &CallId| self.calls.get(id).and_then(|entry| self.batches.get(&entry.batch)).and_then(|batch| batch.parent);
        std::iter::successors(parent(&id), parent)
    }

    /// The call that a permit would go to: first one that goes on, then calls of running calls, then the rest, the batches
    /// in turn.
    fn next(&mut self) -> Option<CallId> {
        let resuming = self.resuming.iter().copied().find(|id| self.has_room(self.calls.get(id).and_then(|entry| entry.spec.gate)));
        resuming.or_else(|| self.next_in(1)).or_else(|| self.next_in(0))
    }

    fn next_in(&mut self, ring: usize) -> Option<CallId> {
        let mut passed_over = (0, 0);
        while let Some(place) = self.rings[ring].range((Excluded(passed_over), Unbounded)).next().copied() {
            if let Some(id) = self.startable(place.1) {
                return Some(id);
            }
            if self.batches.get(&place.1).is_none_or(|group| group.ready.is_empty()) {
                self.rings[ring].remove(&place);
            }
            passed_over = place;
        }
        None
    }

    /// The first call of the batch that lacks nothing but a permit of the dispatcher.
    fn startable(&mut self, batch: BatchId) -> Option<CallId> {
        loop {
            let group = self.batches.get(&batch)?;
            let open = group.ready.iter().filter(|(gate, _)| self.has_room(**gate));
            let position = open.filter_map(|(_, positions)| positions.first()).min().copied()?;
            let id = group.unsettled.get(&position).copied()?;
            if self.has_key(id) {
                return Some(id);
            }
            // Another batch took the key first.
            self.leave_ready(id);
            self.enter_key(id);
        }
    }

    fn has_room(&self, gate: Option<usize>) -> bool {
        gate.and_then(|gate| self.gates.get(gate)).is_none_or(|gate| gate.in_use < gate.limit)
    }

    fn leave_ready(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        let Some(batch) = self.batches.get_mut(&entry.batch) else { return };
        if let Some(positions) = batch.ready.get_mut(&entry.spec.gate) {
            positions.remove(&entry.position);
            if positions.is_empty() {
                batch.ready.remove(&entry.spec.gate);
            }
        }
    }

    /// The call has its permit of the dispatcher and takes the rest.
    fn start(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        let (batch, position, call, phase) = (entry.batch, entry.position, entry.call.clone(), entry.phase);
        if let Some(gate) = entry.spec.gate.and_then(|gate| self.gates.get_mut(gate)) {
            gate.in_use += 1;
        }
        if let Phase::Resuming | Phase::Abandoned { .. } = phase {
            self.resuming.retain(|resuming| *resuming != id);
            if phase == Phase::Resuming {
                self.enter(id, Phase::Running);
            } else {
                self.count_abandoned_permits(id);
            }
            return self.actions.push(Action::Resume(call));
        }
        if let Some(key) = entry.spec.key.clone() {
            self.keys.entry(key).or_default().holders.push(id);
        }
        self.leave_ready(id);
        self.enter(id, Phase::Running);
        if let Some(group) = self.batches.get_mut(&batch) {
            group.unstarted.remove(&position);
            let ring = &mut self.rings[usize::from(group.parent.is_some())];
            ring.remove(&(group.turn, batch));
            group.turn = self.next_id;
            self.next_id += 1;
            if !group.ready.is_empty() {
                ring.insert((group.turn, batch));
            }
        }
        self.actions.push(Action::Start(call));
        self.advance(batch);
    }

    fn give_permits_back(&mut self, id: CallId) {
        // The scheduler looks for the next call itself.
        let _ = self.permits.give_back();
        let gate = self.calls.get(&id).and_then(|entry| entry.spec.gate);
        if let Some(gate) = gate.and_then(|gate| self.gates.get_mut(gate)) {
            gate.in_use -= 1;
        }
    }

    fn remove(&mut self, id: CallId) -> Option<C> {
        self.unnote(id);
        self.leave_ready(id);
        let phase = self.calls.get(&id)?.phase;
        if phase.holds_permits() {
            self.give_permits_back(id);
        }
        let Entry { call, batch, position, spec, .. } = self.calls.remove(&id)?;
        if let Phase::Abandoned { with_permits } = phase {
            self.abandoned -= 1;
            self.abandoned_permits -= usize::from(with_permits);
            if let Some(gate) = spec.gate.filter(|_| with_permits).and_then(|gate| self.gates.get_mut(gate)) {
                gate.abandoned -= 1;
            }
        }
        self.waiting -= usize::from(phase.is_waiting());
        self.nested_waiting.remove(&id);
        self.resuming.retain(|resuming| *resuming != id);
        if let Some(group) = self.batches.get_mut(&batch) {
            group.unsettled.remove(&position);
            group.unstarted.remove(&position);
            group.ordered.remove(&position);
        }
        if let Some(key) = spec.key {
            self.release_key(&key, id, batch, position);
        }
        self.advance(batch);
        if self.batches.get(&batch).is_some_and(|group| group.unsettled.is_empty() && !group.early) {
            self.forget(batch);
        }
        Some(call)
    }

    /// The key goes to whoever waits for it: the first of each batch is let on, and the first to be started takes it.
    fn release_key(&mut self, key: &K, id: CallId, batch: BatchId, position: usize) {
        let Some(state) = self.keys.get_mut(key) else { return };
        state.holders.retain(|holder| *holder != id);
        if let Some(positions) = state.waiting.get_mut(&batch) {
            positions.remove(&position);
        }
        state.waiting.retain(|_, positions| !positions.is_empty());
        let first: Vec<_> = state.waiting.iter().filter_map(|(batch, positions)| Some((*batch, *positions.first()?))).collect();
        for (batch, position) in first {
            let id = self.batches.get(&batch).and_then(|batch| batch.unsettled.get(&position)).copied();
            if let Some(id) = id.filter(|id| self.has_key(*id)) {
                if let Some(positions) = self.keys.get_mut(key).and_then(|state| state.waiting.get_mut(&batch)) {
                    positions.remove(&position);
                }
                self.enter_key(id);
            }
        }
        if self.keys.get(key).is_some_and(|state| state.holders.is_empty() && state.waiting.values().all(BTreeSet::is_empty)) {
            self.keys.remove(key);
        }
    }

    // ---- circles, and work that never ends

    /// Takes one call out that waits for itself: the one that came last.
    fn break_circle(&mut self) -> bool {
        let Some(id) = self.nested_waiting.iter().rev().copied().find(|id| self.waits_for_itself(*id)) else { return false };
        let removed = self.remove(id);
        self.actions.extend(removed.map(Action::Deadlock));
        true
    }

    fn waits_for_itself(&self, id: CallId) -> bool {
        let (mut seen, mut next) = (HashSet::new(), self.blockers(id));
        while let Some(blocker) = next.pop() {
            if blocker == id {
                return true;
            }
            if seen.insert(blocker) {
                next.extend(self.blockers(blocker));
            }
        }
        false
    }

    /// The calls that have to be settled before this one can go on, permits aside: those are given back.
    fn blockers(&self, id: CallId) -> Vec<CallId> {
        let Some(entry) = self.calls.get(&id) else { return Vec::new() };
        let Some(batch) = self.batches.get(&entry.batch) else { return Vec::new() };
        let at = |position: &usize| batch.unsettled.get(position).copied();
        match entry.phase {
            Phase::Ordered => {
                let unstarted = batch.unstarted.range(..entry.position).filter(|_| batch.early);
                let barriers = batch.barriers.range(..entry.position);
                let all = batch.unsettled.range(..entry.position).map(|(_, id)| *id).filter(|_| entry.spec.exclusive);
                unstarted.chain(barriers).filter_map(at).chain(all).collect()
            }
            Phase::Keyed | Phase::Ready => {
                let Some(key) = &entry.spec.key else { return Vec::new() };
                let before = batch.by_key.get(key).into_iter().flat_map(|positions| positions.range(..entry.position));
                let mine: HashSet<CallId> = self.ancestors(id).collect();
                let holders = self.keys.get(key).into_iter().flat_map(|state| &state.holders).copied();
                before.filter_map(at).chain(holders.filter(|holder| !mine.contains(holder))).collect()
            }
            Phase::Parked => {
                let children = entry.children.iter().filter_map(|child| self.batches.get(child));
                children.flat_map(|child| child.unsettled.values().copied()).collect()
            }
            Phase::Reserved | Phase::Running | Phase::Resuming | Phase::Abandoned { .. } => Vec::new(),
        }
    }

    /// Takes calls out that only abandoned work stood in the way of at every sweep for `grace`. To be called now and then
    /// while there is such work.
    pub(crate) fn sweep(&mut self, now: Duration, grace: Duration) {
        let mut stuck: BTreeSet<CallId> = BTreeSet::new();
        let groups: Vec<Vec<CallId>> = self.batches.values().map(|batch| batch.unsettled.values().copied().collect()).collect();
        for id in groups.into_iter().flatten() {
            let is_stuck = self.abandoned > 0 && self.is_stuck(id, &stuck);
            let Some(entry) = self.calls.get_mut(&id) else { continue };
            entry.stuck_since = is_stuck.then(|| entry.stuck_since.unwrap_or(now));
            if is_stuck {
                stuck.insert(id);
            }
        }
        for id in stuck.clone() {
            let since = self.calls.get(&id).and_then(|entry| entry.stuck_since);
            // An earlier one that was given up may have been all that stood in its way.
            if !self.is_stuck(id, &stuck) {
                stuck.remove(&id);
                self.calls.entry(id).and_modify(|entry| entry.stuck_since = None);
            } else if since.is_some_and(|since| now.saturating_sub(since) >= grace) {
                stuck.remove(&id);
                let removed = self.remove(id);
                self.actions.extend(removed.map(Action::GiveUp));
            }
        }
        self.schedule();
    }

    /// `stuck` holds the earlier calls of the batch that are.
    fn is_stuck(&self, id: CallId, stuck: &BTreeSet<CallId>) -> bool {
        let Some(entry) = self.calls.get(&id) else { return false };
        match entry.phase {
            Phase::Ready if self.has_key(id) => {
                let all_gone = self.abandoned_permits >= self.permits.limit() && self.permits.in_use() >= self.permits.limit();
                let gate = entry.spec.gate.and_then(|gate| self.gates.get(gate));
                all_gone || gate.is_some_and(|gate| gate.in_use >= gate.limit && gate.abandoned >= gate.limit)
            }
            // Another batch may have taken the key first.
            Phase::Ordered | Phase::Keyed | Phase::Ready => {
                let hopeless = |id: &CallId| {
                    let abandoned = self.calls.get(id).is_some_and(|entry| matches!(entry.phase, Phase::Abandoned { .. }));
                    abandoned || stuck.contains(id)
                };
                let blockers = self.blockers(id);
                !blockers.is_empty() && blockers.iter().all(hopeless)
            }
            _ => false,
        }
    }
}

impl<K> Batch<K> {
    /// Whether the call may pass the calls before it.
    fn in_order(&self, position: usize) -> bool {
        let first_unstarted = !self.early || self.unstarted.first() == Some(&position);
        let behind_barrier = self.barriers.range(..position).next().is_some();
        let alone = !self.barriers.contains(&position) || self.unsettled.first_key_value().is_some_and(|(first, _)| *first == position);
        !self.halted && first_unstarted && !behind_barrier && alone
    }
}

#[cfg(test)]
mod tests;
