//! The stages a call passes: its order, its key and its permits; which call is next, and what one
//! that is gone leaves to others.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::ops::Bound::{Excluded, Unbounded};

use super::events::Action;
use super::machine::{Batch, BatchId, CallId, Entry, Phase, Scheduler};

impl<K: Clone + Eq + Hash, C: Clone> Scheduler<K, C> {
    pub(super) fn enter(&mut self, id: CallId, phase: Phase) {
        let Some(entry) = self.calls.get_mut(&id) else {
            return;
        };
        self.waiting -= usize::from(entry.phase.is_waiting());
        self.waiting += usize::from(phase.is_waiting());
        entry.phase = phase;
        let nested = self
            .batches
            .get(&entry.batch)
            .is_some_and(|batch| batch.parent.is_some());
        let waits_nested = nested && matches!(phase, Phase::Ordered | Phase::Keyed);
        self.may_circle |= waits_nested || phase == Phase::Parked;
        if waits_nested {
            self.nested_waiting.insert(id);
        } else {
            self.nested_waiting.remove(&id);
        }
    }

    /// Makes what is known of a call count for the calls behind it.
    pub(super) fn note(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let Some(batch) = self.batches.get_mut(&entry.batch) else {
            return;
        };
        if entry.spec.exclusive {
            batch.barriers.insert(entry.position);
        }
        if let Some(key) = &entry.spec.key {
            batch
                .by_key
                .entry(key.clone())
                .or_default()
                .insert(entry.position);
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
            let id = group.unsettled.get(&position).copied();
            if let Some(id) = id {
                self.enter_key(id);
            }
        }
    }

    fn enter_key(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let (batch, position, gate, key) = (
            entry.batch,
            entry.position,
            entry.spec.gate,
            entry.spec.key.clone(),
        );
        if let Some(key) = key
            && !self.has_key(id)
        {
            self.keys
                .entry(key)
                .or_default()
                .waiting
                .entry(batch)
                .or_default()
                .insert(position);
            return self.enter(id, Phase::Keyed);
        }
        self.enter(id, Phase::Ready);
        let Some(group) = self.batches.get_mut(&batch) else {
            return;
        };
        if group.halted {
            return;
        }
        group.ready.entry(gate).or_default().insert(position);
        self.rings[usize::from(group.parent.is_some())].insert((group.turn, batch));
    }

    /// Whether no other call stands between this one and its key: none before it in its batch, none
    /// that holds it but those that this one runs for.
    pub(super) fn has_key(&self, id: CallId) -> bool {
        let Some(entry) = self.calls.get(&id) else {
            return false;
        };
        let Some(key) = &entry.spec.key else {
            return true;
        };
        let batch = self.batches.get(&entry.batch);
        let first = batch
            .and_then(|batch| batch.by_key.get(key))
            .and_then(|positions| positions.first());
        let last_holder = self.keys.get(key).and_then(|state| state.holders.last());
        first == Some(&entry.position)
            && last_holder
                .is_none_or(|holder| self.ancestors(id).any(|ancestor| ancestor == *holder))
    }

    /// The calls this one runs for, the nearest first.
    pub(super) fn ancestors(&self, id: CallId) -> impl Iterator<Item = CallId> {
        let parent = |id: &CallId| {
            self.calls
                .get(id)
                .and_then(|entry| self.batches.get(&entry.batch))
                .and_then(|batch| batch.parent)
        };
        std::iter::successors(parent(&id), parent)
    }

    /// The call that a permit would go to: first one that goes on, then calls of running calls,
    /// then the rest, the batches in turn.
    pub(super) fn next(&mut self) -> Option<CallId> {
        let resuming = self
            .resuming
            .iter()
            .copied()
            .find(|id| self.has_room(self.calls.get(id).and_then(|entry| entry.spec.gate)));
        resuming
            .or_else(|| self.next_in(1))
            .or_else(|| self.next_in(0))
    }

    fn next_in(&mut self, ring: usize) -> Option<CallId> {
        let mut passed_over = (0, 0);
        while let Some(place) = self.rings[ring]
            .range((Excluded(passed_over), Unbounded))
            .next()
            .copied()
        {
            if let Some(id) = self.startable(place.1) {
                return Some(id);
            }
            if self
                .batches
                .get(&place.1)
                .is_none_or(|group| group.ready.is_empty())
            {
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
            let position = open
                .filter_map(|(_, positions)| positions.first())
                .min()
                .copied()?;
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
        gate.and_then(|gate| self.gates.get(gate))
            .is_none_or(|gate| gate.in_use < gate.limit)
    }

    fn leave_ready(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let Some(batch) = self.batches.get_mut(&entry.batch) else {
            return;
        };
        if let Some(positions) = batch.ready.get_mut(&entry.spec.gate) {
            positions.remove(&entry.position);
            if positions.is_empty() {
                batch.ready.remove(&entry.spec.gate);
            }
        }
    }

    /// The call has its permit of the dispatcher and takes the rest.
    pub(super) fn start(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let (batch, position, call, phase) =
            (entry.batch, entry.position, entry.call.clone(), entry.phase);
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

    pub(super) fn give_permits_back(&mut self, id: CallId) {
        // The scheduler looks for the next call itself.
        let _ = self.permits.give_back();
        let gate = self.calls.get(&id).and_then(|entry| entry.spec.gate);
        if let Some(gate) = gate.and_then(|gate| self.gates.get_mut(gate)) {
            gate.in_use -= 1;
        }
    }

    pub(super) fn remove(&mut self, id: CallId) -> Option<C> {
        self.unnote(id);
        self.leave_ready(id);
        let phase = self.calls.get(&id)?.phase;
        if phase.holds_permits() {
            self.give_permits_back(id);
        }
        let Entry {
            call,
            batch,
            position,
            spec,
            ..
        } = self.calls.remove(&id)?;
        if let Phase::Abandoned { with_permits } = phase {
            self.abandoned -= 1;
            self.abandoned_permits -= usize::from(with_permits);
            if let Some(gate) = spec
                .gate
                .filter(|_| with_permits)
                .and_then(|gate| self.gates.get_mut(gate))
            {
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
        if self
            .batches
            .get(&batch)
            .is_some_and(|group| group.unsettled.is_empty() && !group.early)
        {
            self.forget(batch);
        }
        Some(call)
    }

    /// The key goes to whoever waits for it: the first of each batch is let on, and the first to be
    /// started takes it.
    pub(super) fn release_key(&mut self, key: &K, id: CallId, batch: BatchId, position: usize) {
        let Some(state) = self.keys.get_mut(key) else {
            return;
        };
        state.holders.retain(|holder| *holder != id);
        if let Some(positions) = state.waiting.get_mut(&batch) {
            positions.remove(&position);
        }
        state.waiting.retain(|_, positions| !positions.is_empty());
        let first: Vec<_> = state
            .waiting
            .iter()
            .filter_map(|(batch, positions)| Some((*batch, *positions.first()?)))
            .collect();
        for (batch, position) in first {
            let id = self
                .batches
                .get(&batch)
                .and_then(|batch| batch.unsettled.get(&position))
                .copied();
            if let Some(id) = id.filter(|id| self.has_key(*id)) {
                if let Some(positions) = self
                    .keys
                    .get_mut(key)
                    .and_then(|state| state.waiting.get_mut(&batch))
                {
                    positions.remove(&position);
                }
                self.enter_key(id);
            }
        }
        if self.keys.get(key).is_some_and(|state| {
            state.holders.is_empty() && state.waiting.values().all(BTreeSet::is_empty)
        }) {
            self.keys.remove(key);
        }
    }
}

impl<K> Batch<K> {
    /// Whether the call may pass the calls before it.
    fn in_order(&self, position: usize) -> bool {
        let first_unstarted = !self.early || self.unstarted.first() == Some(&position);
        let behind_barrier = self.barriers.range(..position).next().is_some();
        let alone = !self.barriers.contains(&position)
            || self
                .unsettled
                .first_key_value()
                .is_some_and(|(first, _)| *first == position);
        !self.halted && first_unstarted && !behind_barrier && alone
    }
}
