//! Circles, and work that never ends: takes out calls that would wait for ever.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::time::Duration;

use super::events::Action;
use super::machine::{CallId, Phase, Scheduler};

impl<K: Clone + Eq + Hash, C: Clone> Scheduler<K, C> {
    /// Takes one call out that waits for itself: the one that came last.
    pub(super) fn break_circle(&mut self) -> bool {
        self.may_circle = self.may_circle && self.has_circle();
        if !self.may_circle {
            return false;
        }
        let Some(id) = self
            .nested_waiting
            .iter()
            .rev()
            .copied()
            .find(|id| self.waits_for_itself(*id))
        else {
            return false;
        };
        let removed = self.remove(id);
        self.actions.extend(removed.map(Action::Deadlock));
        true
    }

    /// Whether any call waits for itself: each is looked at once.
    fn has_circle(&self) -> bool {
        // Those on the way from the start to the call that is looked at, and those behind which
        // there is no circle.
        let (mut open, mut done) = (HashSet::new(), HashSet::new());
        for start in &self.nested_waiting {
            let mut way = vec![(*start, vec![*start])];
            while let Some((from, next)) = way.last_mut() {
                match next.pop() {
                    Some(id) if open.contains(&id) => return true,
                    Some(id) if done.contains(&id) => {}
                    Some(id) => {
                        open.insert(id);
                        way.push((id, self.blockers(id)));
                    }
                    None => {
                        open.remove(from);
                        done.insert(*from);
                        way.pop();
                    }
                }
            }
        }
        false
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

    /// The calls that have to be settled before this one can go on, permits aside: those are given
    /// back.
    ///
    /// Of those before it in its batch, without the ones that one of them waits for in turn: only a
    /// call that is not admitted yet may never do so.
    fn blockers(&self, id: CallId) -> Vec<CallId> {
        let Some(entry) = self.calls.get(&id) else {
            return Vec::new();
        };
        let Some(batch) = self.batches.get(&entry.batch) else {
            return Vec::new();
        };
        let at = |position: &usize| batch.unsettled.get(position).copied();
        let is_admitted = |id: &CallId| {
            self.calls
                .get(id)
                .is_some_and(|entry| entry.phase != Phase::Reserved)
        };
        match entry.phase {
            Phase::Ordered => {
                let before = ..entry.position;
                let unstarted = batch
                    .unstarted
                    .range(before)
                    .filter(|_| batch.early)
                    .filter_map(at);
                let barriers = batch.barriers.range(before).filter_map(at);
                let barrier = |id: &CallId| {
                    self.calls.get(id).is_some_and(|entry| entry.spec.exclusive) && is_admitted(id)
                };
                let all = batch
                    .unsettled
                    .range(before)
                    .map(|(_, id)| *id)
                    .filter(|_| entry.spec.exclusive);
                up_to(unstarted.rev(), is_admitted)
                    .chain(up_to(barriers.rev(), is_admitted))
                    .chain(up_to(all.rev(), barrier))
                    .collect()
            }
            Phase::Keyed | Phase::Ready => {
                let Some(key) = &entry.spec.key else {
                    return Vec::new();
                };
                let before = batch
                    .by_key
                    .get(key)
                    .into_iter()
                    .flat_map(|positions| positions.range(..entry.position))
                    .filter_map(at);
                let mine: HashSet<CallId> = self.ancestors(id).collect();
                let holders = self
                    .keys
                    .get(key)
                    .into_iter()
                    .flat_map(|state| &state.holders)
                    .copied();
                up_to(before.rev(), is_admitted)
                    .chain(holders.filter(|holder| !mine.contains(holder)))
                    .collect()
            }
            Phase::Parked => {
                let children = entry
                    .children
                    .iter()
                    .filter_map(|child| self.batches.get(child));
                children
                    .flat_map(|child| child.unsettled.values().copied())
                    .collect()
            }
            Phase::Reserved | Phase::Running | Phase::Resuming | Phase::Abandoned { .. } => {
                Vec::new()
            }
        }
    }

    /// Takes calls out that only abandoned work stood in the way of at every sweep for `grace`. To
    /// be called now and then while there is such work.
    pub(crate) fn sweep(&mut self, now: Duration, grace: Duration) {
        let mut stuck: BTreeSet<CallId> = BTreeSet::new();
        let groups: Vec<Vec<CallId>> = self
            .batches
            .values()
            .map(|batch| batch.unsettled.values().copied().collect())
            .collect();
        for id in groups.into_iter().flatten() {
            let is_stuck = self.abandoned > 0 && self.is_stuck(id, &stuck);
            let Some(entry) = self.calls.get_mut(&id) else {
                continue;
            };
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
                self.calls
                    .entry(id)
                    .and_modify(|entry| entry.stuck_since = None);
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
        let Some(entry) = self.calls.get(&id) else {
            return false;
        };
        match entry.phase {
            Phase::Ready if self.has_key(id) => {
                let all_gone = self.abandoned_permits >= self.permits.limit()
                    && self.permits.in_use() >= self.permits.limit();
                let gate = entry.spec.gate.and_then(|gate| self.gates.get(gate));
                all_gone
                    || gate.is_some_and(|gate| {
                        gate.in_use >= gate.limit && gate.abandoned >= gate.limit
                    })
            }
            // Another batch may have taken the key first.
            Phase::Ordered | Phase::Keyed | Phase::Ready => {
                let hopeless = |id: &CallId| {
                    let abandoned = self
                        .calls
                        .get(id)
                        .is_some_and(|entry| matches!(entry.phase, Phase::Abandoned { .. }));
                    abandoned || stuck.contains(id)
                };
                let blockers = self.blockers(id);
                !blockers.is_empty() && blockers.iter().all(hopeless)
            }
            _ => false,
        }
    }
}

/// All of them up to the first that is the last, which is among them.
fn up_to<T>(
    items: impl Iterator<Item = T>,
    is_last: impl Fn(&T) -> bool,
) -> impl Iterator<Item = T> {
    let mut over = false;
    items.take_while(move |item| !std::mem::replace(&mut over, is_last(item)))
}
