//! What goes into the machine and what comes out: what happens to batches and calls, and what the
//! driver has to do about it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::machine::{Batch, BatchId, CallId, Entry, Phase, Scheduler};

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

impl<K: Clone + Eq + Hash, C: Clone> Scheduler<K, C> {
    /// What has to be done since this was last asked.
    pub(crate) fn take_actions(&mut self) -> Vec<Action<C>> {
        std::mem::take(&mut self.actions)
    }

    /// Calls that have a place and have not started.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Those of them that are admitted.
    pub(crate) fn admitted_calls(&self) -> impl Iterator<Item = &C> {
        self.calls
            .values()
            .filter(|entry| entry.phase.is_waiting() && entry.phase != Phase::Reserved)
            .map(|entry| &entry.call)
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

    fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) fn knows(&self, batch: BatchId) -> bool {
        self.batches.contains_key(&batch)
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
        let Some(closed) = self.batches.get_mut(&batch) else {
            return;
        };
        closed.early = false;
        if closed.unsettled.is_empty() {
            self.forget(batch);
        }
    }

    pub(super) fn forget(&mut self, id: BatchId) {
        let Some(batch) = self.batches.remove(&id) else {
            return;
        };
        self.rings[usize::from(batch.parent.is_some())].remove(&(batch.turn, id));
        let Some(parent) = batch.parent else { return };
        let Some(entry) = self.calls.get_mut(&parent) else {
            return;
        };
        entry.children.retain(|child| *child != id);
        // Nothing is left to wait for: it asks for its permits before anybody else takes those of
        // its last call.
        if entry.children.is_empty() && entry.phase == Phase::Parked {
            self.enter(parent, Phase::Resuming);
            self.resuming.push_back(parent);
        }
    }

    // ---- calls

    /// Takes a place in the batch. The call waits until it is admitted; what is known of it counts
    /// for the calls behind.
    pub(crate) fn reserve(
        &mut self,
        batch: BatchId,
        position: usize,
        call: C,
        spec: Spec<K>,
    ) -> CallId {
        let id = self.new_id();
        let entry = Entry {
            call,
            batch,
            position,
            spec,
            phase: Phase::Reserved,
            children: Vec::new(),
            stuck_since: None,
        };
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
            if !self
                .calls
                .get(&id)
                .is_some_and(|entry| entry.phase == Phase::Reserved)
            {
                continue;
            }
            let Some((batch, position)) = self.respecify(id, spec) else {
                continue;
            };
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
        if self
            .calls
            .get(&id)
            .is_some_and(|entry| entry.phase == Phase::Reserved)
        {
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

    /// A call that runs on a borrowed permit, under nobody's order, becomes one of the machine's,
    /// unless `is_running` says that it has given the permit back.
    pub(crate) fn adopt(&mut self, call: C, is_running: impl FnOnce(CallId) -> bool) {
        let batch = self.open(None, false);
        let id = self.reserve(
            batch,
            0,
            call,
            Spec {
                gate: None,
                key: None,
                exclusive: false,
            },
        );
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

    /// The call is answered, but something of it may still run: it keeps permits, key and place
    /// until it is settled.
    pub(crate) fn abandon(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        if entry.phase.is_waiting() || matches!(entry.phase, Phase::Abandoned { .. }) {
            return;
        }
        let holds_permits = entry.phase.holds_permits();
        self.abandoned += 1;
        self.resuming.retain(|resuming| *resuming != id);
        self.enter(
            id,
            Phase::Abandoned {
                with_permits: false,
            },
        );
        if holds_permits {
            self.count_abandoned_permits(id);
        }
    }

    /// An answered call holds permits.
    pub(super) fn count_abandoned_permits(&mut self, id: CallId) {
        let gate = self.calls.get(&id).and_then(|entry| entry.spec.gate);
        if let Some(gate) = gate.and_then(|gate| self.gates.get_mut(gate)) {
            gate.abandoned += 1;
        }
        self.abandoned_permits += 1;
        self.enter(id, Phase::Abandoned { with_permits: true });
    }

    /// What may still run of an answered call are calls within it, which have permits of their own:
    /// it keeps key and place alone.
    pub(crate) fn release_permits(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        if entry.phase != (Phase::Abandoned { with_permits: true }) {
            return;
        }
        self.abandoned_permits -= 1;
        if let Some(gate) = entry.spec.gate.and_then(|gate| self.gates.get_mut(gate)) {
            gate.abandoned -= 1;
        }
        self.give_permits_back(id);
        self.enter(
            id,
            Phase::Abandoned {
                with_permits: false,
            },
        );
        self.schedule();
    }

    /// The call waits for calls of its own and gives its permits back.
    ///
    /// False if it does not run, or is answered: then it keeps them.
    pub(crate) fn park(&mut self, id: CallId) -> bool {
        let runs = self
            .calls
            .get(&id)
            .is_some_and(|entry| entry.phase == Phase::Running);
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
            Some(Phase::Abandoned {
                with_permits: false,
            }) if !self.resuming.contains(&id) => {}
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
}
