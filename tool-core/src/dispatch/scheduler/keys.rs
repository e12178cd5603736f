//! Keys: calls of equal keys exclude each other, in call order within a batch.

use std::collections::BTreeSet;
use std::hash::Hash;

use super::machine::{BatchId, CallId, KeyState, Phase, Scheduler};

impl<K: Clone + Eq + Hash, C: Clone> Scheduler<K, C> {
    /// Lets a call past the stage of keys, or has it wait for its key.
    pub(super) fn enter_key(&mut self, id: CallId) {
        if self.has_key(id) {
            return self.enter_ready(id);
        }
        self.enter(id, Phase::Keyed);
        let since = self.new_id();
        // Only the first of its batch is listed, so that a large batch does not keep the key.
        if self.is_first_of_key(id)
            && let Some(entry) = self.calls.get_mut(&id)
            && let Some(key) = entry.spec.key.clone()
        {
            entry.since = Some(since);
            let (batch, gate) = (entry.batch, entry.spec.gate);
            let nested = self.is_nested(batch);
            let state = self.keys.entry(key).or_default();
            state.add(since, id, nested, gate);
        }
    }

    /// Whether no other call is between this one and its key: none before it in its batch, none
    /// that holds it but those that this one runs for.
    pub(super) fn has_key(&self, id: CallId) -> bool {
        let key = self
            .calls
            .get(&id)
            .and_then(|entry| entry.spec.key.as_ref());
        let Some(key) = key else { return true };
        let last_holder = self.keys.get(key).and_then(|state| state.holders.last());
        // A nested call shares its parent's key: waiting for it would be a deadlock.
        let is_ancestor = |holder: &CallId| self.ancestors(id).any(|ancestor| ancestor == *holder);
        self.is_first_of_key(id) && last_holder.is_none_or(is_ancestor)
    }

    /// Whether no call before it in its batch has the same key.
    fn is_first_of_key(&self, id: CallId) -> bool {
        let Some(entry) = self.calls.get(&id) else {
            return false;
        };
        let (Some(key), Some(batch)) = (&entry.spec.key, self.batches.get(&entry.batch)) else {
            return false;
        };
        let first = batch.by_key.get(key).and_then(BTreeSet::first);
        let held = batch.held.ahead_of(entry.position, &entry.spec);
        first == Some(&entry.position) && held.is_none()
    }

    /// The calls this one runs for, the nearest first.
    fn ancestors(&self, id: CallId) -> impl Iterator<Item = CallId> {
        let parent = |id: &CallId| self.batches.get(&self.calls.get(id)?.batch)?.parent;
        std::iter::successors(parent(&id), parent)
    }

    /// The call takes its key.
    pub(super) fn hold_key(&mut self, id: CallId) {
        let key = self.calls.get(&id).and_then(|entry| entry.spec.key.clone());
        if let Some(key) = key {
            self.keys.entry(key).or_default().holders.push(id);
        }
    }

    /// A call no longer has the key, nor waits for it. Next in its batch is the one behind it; of
    /// all batches, the call that came first.
    pub(super) fn release_key(&mut self, key: &K, id: CallId, batch: BatchId) {
        if let Some(state) = self.keys.get_mut(key) {
            state.holders.retain(|holder| *holder != id);
        }
        let first = self.batches.get(&batch).and_then(|batch| {
            let position = batch.by_key.get(key)?.first()?;
            batch.unsettled.get(position).copied()
        });
        let is_noted = |id| {
            self.calls
                .get(&id)
                .is_some_and(|entry| entry.since.is_some())
        };
        // One that is listed already keeps its place: entering again would put it last.
        if let Some(first) = first
            && self.is_in(first, Phase::Keyed)
            && !is_noted(first)
        {
            self.enter_key(first);
        }
        self.let_on(key);
        // Keys come from the model: unused ones must not stay in the map for ever.
        if self.keys.get(key).is_some_and(KeyState::is_unused) {
            self.keys.remove(key);
        }
    }

    /// The call does not wait for its key any more.
    pub(super) fn leave_key(&mut self, id: CallId) {
        let Some(entry) = self.calls.get_mut(&id) else {
            return;
        };
        let (batch, gate) = (entry.batch, entry.spec.gate);
        if let (Some(since), Some(key)) = (entry.since.take(), entry.spec.key.clone()) {
            let nested = self.is_nested(batch);
            if let Some(state) = self.keys.get_mut(&key) {
                state.remove(since, nested, gate);
            }
        }
    }

    /// Moves calls on that wait for a key: the first of each tool's limit. A call takes the key
    /// only when it starts, so a call whose tool is at its limit does not block the others.
    pub(super) fn let_on(&mut self, key: &K) {
        let Some(state) = self.keys.get(key) else {
            return;
        };
        // While a call holds it, only a call nested in the holder can have it.
        let only_nested = !state.holders.is_empty();
        let gates_of = |nested: bool| {
            let gates = state.waiting[usize::from(nested)].keys();
            gates.map(move |gate| (nested, *gate))
        };
        let of_program = gates_of(false).filter(|_| !only_nested);
        let classes: Vec<_> = gates_of(true).chain(of_program).collect();
        for (nested, gate) in classes {
            let mut passed = 0;
            while let Some((since, next)) = self.next_waiting(key, nested, gate, passed) {
                passed = since + 1;
                if !self.has_key(next) {
                    continue;
                }
                self.leave_key(next);
                self.enter_ready(next);
                let batch = self.calls.get(&next).map(|entry| entry.batch);
                let batch = batch.and_then(|batch| self.batches.get(&batch));
                // A call of a halted batch never starts, so the next one is moved on, too.
                if batch.is_some_and(|batch| !batch.halted) {
                    break;
                }
            }
        }
    }

    fn next_waiting(
        &self,
        key: &K,
        nested: bool,
        gate: Option<usize>,
        from: u64,
    ) -> Option<(u64, CallId)> {
        let waiting = &self.keys.get(key)?.waiting[usize::from(nested)];
        let (since, id) = waiting.get(&gate)?.range(from..).next()?;
        Some((*since, *id))
    }
}
