//! The stages a call passes: its order, its key and its permits; which call is next, and what one
//! that is gone leaves to others.

use std::hash::Hash;

use super::machine::{BatchEntry, BatchId, CallEntry, CallId, Gate, Phase, Scheduler};

impl<K: Clone + Eq + Hash, C: Clone> Scheduler<K, C> {
    pub(super) fn enter(&mut self, id: CallId, phase: Phase) {
        if let Some(entry) = self.calls.get_mut(&id) {
            // The bound of the queue reads this count, so it follows every change of phase.
            self.waiting -= usize::from(entry.phase.is_waiting());
            self.waiting += usize::from(phase.is_waiting());
            entry.phase = phase;
        }
    }

    pub(super) fn is_in(&self, id: CallId, phase: Phase) -> bool {
        self.calls
            .get(&id)
            .is_some_and(|entry| entry.phase == phase)
    }

    pub(super) fn is_nested(&self, batch: BatchId) -> bool {
        let batch = self.batches.get(&batch);
        batch.is_some_and(|batch| batch.parent.is_some())
    }

    /// Makes what is known of a call count for the calls behind it.
    pub(super) fn note(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let Some(batch) = self.batches.get_mut(&entry.batch) else {
            return;
        };
        // Indexed by position: a call behind finds what it waits for without a scan of the batch.
        if entry.spec.exclusive {
            batch.barriers.insert(entry.position);
        }
        if let Some(key) = &entry.spec.key {
            let positions = batch.by_key.entry(key.clone()).or_default();
            positions.insert(entry.position);
        }
    }

    pub(super) fn unnote(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let Some(batch) = self.batches.get_mut(&entry.batch) else {
            return;
        };
        batch.barriers.remove(&entry.position);
        if let Some(key) = &entry.spec.key
            && let Some(positions) = batch.by_key.get_mut(key)
        {
            positions.remove(&entry.position);
            // Keys come from the model: empty sets would pile up in a long batch.
            if positions.is_empty() {
                batch.by_key.remove(key);
            }
        }
    }

    /// Lets calls past the stage of order. What holds one back holds back all behind it.
    pub(super) fn advance(&mut self, batch: BatchId) {
        while let Some(group) = self.batches.get_mut(&batch)
            && let Some(position) = group.ordered.first().copied()
            && group.in_order(position)
        {
            group.ordered.remove(&position);
            if let Some(id) = self.at(batch, position) {
                self.enter_key(id);
            }
        }
    }

    /// The call waits for permits alone.
    pub(super) fn enter_ready(&mut self, id: CallId) {
        self.enter(id, Phase::Ready);
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let (batch, position, gate) = (entry.batch, entry.position, entry.spec.gate);
        // A halted batch starts nothing, so it must not take a turn from others.
        if let Some(group) = self.batches.get_mut(&batch)
            && !group.halted
        {
            group.ready.entry(gate).or_default().insert(position);
            self.turns[usize::from(group.parent.is_some())].add(gate, group.turn, batch);
        }
    }

    fn leave_ready(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let (id, gate) = (entry.batch, entry.spec.gate);
        let Some(batch) = self.batches.get_mut(&id) else {
            return;
        };
        if let Some(positions) = batch.ready.get_mut(&gate) {
            positions.remove(&entry.position);
            // Without a ready call the batch gives up its turn: `next` would find it, and no call.
            if positions.is_empty() {
                batch.ready.remove(&gate);
                self.turns[usize::from(batch.parent.is_some())].remove(gate, batch.turn, id);
            }
        }
    }

    /// Starts calls as long as there are permits: nested ones first, the batches in turn.
    pub(crate) fn schedule(&mut self) {
        // Nested calls first: only their end lets their parents, which hold permits, continue.
        for nested in [true, false] {
            while let Some(next) = self.next(nested) {
                // Calls that wait for nested ones do not count against these.
                let beyond = if nested { self.parents } else { 0 };
                if !self.permits.take(beyond) {
                    return; // and where a nested call has no permit, no other has
                }
                self.start(next);
            }
        }
        // Nothing ready is left, so calls may borrow permits again without this lock.
        self.permits.clear_waiting();
    }

    /// The call that a permit would go to.
    fn next(&mut self, nested: bool) -> Option<CallId> {
        loop {
            let turns = &self.turns[usize::from(nested)];
            let batch = turns.next(|gate| self.has_room(gate, nested))?;
            let group = self.batches.get(&batch)?;
            // A tool at its limit must not hold up the other tools of the batch.
            let open = group.ready.iter();
            let open = open.filter(|(gate, _)| self.has_room(**gate, nested));
            let first = open.filter_map(|(_, positions)| positions.first()).min();
            let id = group.unsettled.get(first?).copied()?;
            if self.has_key(id) {
                return Some(id);
            }
            // Another batch took the key first: it waits for the key again, without a permit.
            self.leave_ready(id);
            self.enter_key(id);
        }
    }

    pub(super) fn has_room(&self, gate: Option<usize>, nested: bool) -> bool {
        let gate = gate.and_then(|gate| self.gates.get(gate));
        gate.is_none_or(|gate| gate.has_room(nested))
    }

    fn gate_of(&mut self, id: CallId) -> Option<&mut Gate> {
        let gate = self.calls.get(&id)?.spec.gate?;
        self.gates.get_mut(gate)
    }

    /// The call has its permit of the dispatcher and takes the rest.
    fn start(&mut self, id: CallId) {
        if let Some(gate) = self.gate_of(id) {
            gate.in_use += 1;
        }
        self.hold_key(id);
        self.leave_ready(id);
        self.enter(id, Phase::Running);
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let (batch, position) = (entry.batch, entry.position);
        self.started.push(entry.call.clone());
        // A new turn puts the batch behind all others, so that a large one starves none.
        let turn = self.new_id();
        if let Some(group) = self.batches.get_mut(&batch) {
            group.unstarted.remove(&position);
            let turns = &mut self.turns[usize::from(group.parent.is_some())];
            for gate in group.ready.keys() {
                turns.remove(*gate, group.turn, batch);
                turns.add(*gate, turn, batch);
            }
            group.turn = turn;
        }
        // While a message still arrives, the calls behind waited for this start.
        self.advance(batch);
    }

    /// Begins or ends a running call's wait for nested calls.
    pub(super) fn set_parent(&mut self, id: CallId, is_parent: bool) {
        let Some(entry) = self.calls.get_mut(&id) else {
            return;
        };
        // Counted once: the end of a call also ends a wait that may be over already.
        if entry.is_parent == is_parent || entry.phase != Phase::Running {
            return;
        }
        entry.is_parent = is_parent;
        self.parents = self.parents + usize::from(is_parent) - usize::from(!is_parent);
        if let Some(gate) = self.gate_of(id) {
            gate.parents = gate.parents + usize::from(is_parent) - usize::from(!is_parent);
        }
    }

    /// Those of a running call.
    pub(super) fn give_permits_back(&mut self, id: CallId) {
        self.set_parent(id, false);
        if self.is_in(id, Phase::Running) {
            // The scheduler looks for the next call itself.
            let _ = self.permits.give_back();
            if let Some(gate) = self.gate_of(id) {
                gate.in_use -= 1;
            }
        }
    }

    pub(super) fn remove(&mut self, id: CallId) {
        // All of these find what to undo through the entry, so they come before its removal.
        self.give_permits_back(id);
        self.unnote(id);
        self.leave_key(id);
        self.leave_ready(id);
        let Some(entry) = self.calls.remove(&id) else {
            return;
        };
        let CallEntry {
            batch,
            position,
            spec,
            phase,
            ..
        } = entry;
        self.waiting -= usize::from(phase.is_waiting());
        if let Some(group) = self.batches.get_mut(&batch) {
            group.unsettled.remove(&position);
            group.unstarted.remove(&position);
            group.ordered.remove(&position);
        }
        if let Some(key) = spec.key {
            self.release_key(&key, id, batch);
        }
        self.advance(batch);
        // Otherwise every message that ever ran would stay in the map.
        if self.batches.get(&batch).is_some_and(BatchEntry::is_over) {
            self.batches.remove(&batch);
        }
    }
}
