//! What goes into the machine and what comes out: what happens to batches and calls, and what the
//! driver has to do about it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::Bound;

use super::machine::{BatchEntry, BatchId, CallEntry, CallId, HeldPlaces, Phase, Scheduler, Spec};

impl<K: Clone + Eq + Hash, C: Clone> Scheduler<K, C> {
    /// Calls whose turn has come since this was last asked, in order: each holds its permits and its
    /// key.
    pub(crate) fn take_started(&mut self) -> Vec<C> {
        std::mem::take(&mut self.started)
    }

    /// Calls that have a place and have not started.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a call is admitted and has not started.
    pub(crate) fn is_queued(&self, id: CallId) -> bool {
        let entry = self.calls.get(&id);
        entry.is_some_and(|entry| entry.phase.is_waiting() && entry.phase != Phase::Reserved)
    }

    /// What such a call waits for; `None` for any other.
    pub(crate) fn wait_of(&self, id: CallId) -> Option<Wait> {
        let entry = self.calls.get(&id)?;
        let batch = self.batches.get(&entry.batch)?;
        let is_undecided = |position: &usize| {
            let id = batch.unsettled.get(position);
            id.is_some_and(|id| self.is_in(*id, Phase::Reserved))
        };
        let before = ..entry.position;
        let behind_undecided = match entry.phase {
            Phase::Reserved | Phase::Running | Phase::Over => return None,
            Phase::Ready => false,
            Phase::Keyed => {
                let key = entry.spec.key.as_ref();
                let equal = key.and_then(|key| batch.by_key.get(key));
                equal.is_some_and(|equal| equal.range(before).any(is_undecided))
            }
            Phase::Ordered if entry.spec.exclusive || batch.early => batch
                .unsettled
                .range(before)
                .any(|(at, _)| is_undecided(at)),
            Phase::Ordered => batch.barriers.range(before).any(|barrier| {
                is_undecided(barrier)
                    || batch
                        .unsettled
                        .range(..*barrier)
                        .any(|(at, _)| is_undecided(at))
            }),
        };
        Some(if behind_undecided {
            Wait::Decision
        } else {
            Wait::Turn
        })
    }

    // ---- batches

    /// A new batch, of a running call or of the program. `early` until [`finish`](Self::finish).
    pub(crate) fn open(&mut self, parent: Option<CallId>, early: bool) -> BatchId {
        let id = self.new_id();
        let batch = BatchEntry {
            parent: parent.filter(|parent| self.calls.contains_key(parent)),
            early,
            halted: false,
            closed: false,
            held: HeldPlaces::default(),
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
    pub(crate) fn halt(&mut self, id: BatchId) {
        let Some(batch) = self.batches.get_mut(&id) else {
            return;
        };
        batch.halted = true;
        let ready = std::mem::take(&mut batch.ready);
        let turns = &mut self.turns[usize::from(batch.parent.is_some())];
        for gate in ready.keys() {
            turns.remove(*gate, batch.turn, id);
        }
        // Those of other batches that wait for the same keys need wait no longer.
        let positions = ready.into_values().flatten();
        let calls = positions.filter_map(|position| batch.unsettled.get(&position));
        let keys: Vec<_> = calls
            .filter_map(|id| self.calls.get(id)?.spec.key.clone())
            .collect();
        for key in &keys {
            self.let_on(key);
        }
        self.schedule();
    }

    /// No more calls come, and the batch is forgotten when all are settled.
    pub(crate) fn close(&mut self, batch: BatchId) {
        if let Some(closed) = self.batches.get_mut(&batch) {
            (closed.early, closed.closed) = (false, true);
            if closed.is_over() {
                self.batches.remove(&batch);
            }
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
        let entry = CallEntry {
            call,
            batch,
            position,
            spec,
            phase: Phase::Reserved,
            since: None,
            is_parent: false,
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
            if !self.is_in(id, Phase::Reserved) {
                continue;
            }
            let Some((batch, position)) = self.respecify(id, spec) else {
                continue;
            };
            self.enter(id, Phase::Ordered);
            if let Some(group) = self.batches.get_mut(&batch) {
                group.ordered.insert(position);
            }
            self.hold_if_behind(id);
            batches.insert(batch);
        }
        for batch in batches {
            self.advance(batch);
        }
        self.schedule();
    }

    /// The call is held, and so are those that are ordered behind it:
    /// [`take_held`](Self::take_held) gives these, once they are admitted.
    pub(crate) fn hold(&mut self, id: CallId) {
        self.leave_held(id);
        self.schedule();
    }

    /// As if a call of this position were held.
    pub(crate) fn hold_place(&mut self, batch: BatchId, position: usize, spec: &Spec<K>) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.held.add(position, spec);
        }
    }

    /// Calls that are held since this was last asked, each with the position of the one before it.
    pub(crate) fn take_held(&mut self) -> Vec<(C, usize)> {
        std::mem::take(&mut self.held)
    }

    /// An admitted call is held if it is ordered behind one that is.
    fn hold_if_behind(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        if self.note_held(entry.batch, entry.position).is_some() {
            self.leave_held(id);
        }
    }

    /// The call's place is free but for those ordered behind it, which are held: of those that are
    /// admitted, calls that wait for earlier ones, and calls that wait for its key.
    fn leave_held(&mut self, id: CallId) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let (batch, position) = (entry.batch, entry.position);
        let ordered = self.batches.get(&batch).map(|batch| &batch.ordered);
        let later = ordered.into_iter().flat_map(|at| at.range(after(position)));
        let mut behind: BTreeSet<usize> = later.copied().collect();
        behind.extend(self.leave_place(id));
        while let Some(position) = behind.pop_first() {
            if let Some(id) = self.note_held(batch, position) {
                behind.extend(self.leave_place(id));
            }
        }
    }

    /// The call that waits at a position, if it is ordered behind one that is held: it is put
    /// among those that the driver takes.
    fn note_held(&mut self, batch: BatchId, position: usize) -> Option<CallId> {
        let id = self.at(batch, position)?;
        let entry = self.calls.get(&id)?;
        let waits = matches!(entry.phase, Phase::Ordered | Phase::Keyed);
        let held = &self.batches.get(&batch).filter(|_| waits)?.held;
        let earlier = held.ahead_of(position, &entry.spec)?;
        self.held.push((entry.call.clone(), earlier));
        Some(id)
    }

    /// A held call leaves its place. The positions behind it of calls with its key.
    fn leave_place(&mut self, id: CallId) -> Vec<usize> {
        let mut behind = Vec::new();
        if let Some(entry) = self.calls.get(&id)
            && let Some(batch) = self.batches.get_mut(&entry.batch)
        {
            let of_key = entry
                .spec
                .key
                .as_ref()
                .and_then(|key| batch.by_key.get(key));
            let later = of_key
                .into_iter()
                .flat_map(|at| at.range(after(entry.position)));
            behind.extend(later);
            batch.held.add(entry.position, &entry.spec);
        }
        self.remove(id);
        behind
    }

    /// Sets what a reserved call's start will depend on: it counts for the calls behind.
    pub(crate) fn propose(&mut self, id: CallId, spec: Spec<K>) {
        if self.is_in(id, Phase::Reserved) {
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
            // Those behind may be free of it now.
            self.release_key(&key, id, batch);
        }
        Some((batch, position))
    }

    /// Puts another call in the place of one that is reserved.
    pub(crate) fn replace(&mut self, id: CallId, call: C) {
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.call = call;
        }
    }

    /// A call that runs on a borrowed permit, outside any order, becomes one of the machine's,
    /// unless `is_running` says that it has given the permit back.
    pub(crate) fn adopt(&mut self, call: C, is_running: impl FnOnce(CallId) -> bool) {
        let batch = self.open(None, false);
        let id = self.reserve(batch, 0, call, Spec::none());
        if !is_running(id) {
            return self.remove(id);
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

    /// The call is answered, and nothing of it runs but nested calls on permits of their own. It
    /// keeps its key and its place, which these may still act on.
    pub(crate) fn leave_permits(&mut self, id: CallId) {
        if self.is_in(id, Phase::Running) {
            self.give_permits_back(id);
            self.enter(id, Phase::Over);
            self.schedule();
        }
    }

    /// The running call waits for nested ones from here on: it does not count against these.
    pub(crate) fn begin_wait(&mut self, id: CallId) {
        self.set_parent(id, true);
        self.schedule();
    }

    /// The call continues at once, whatever else runs.
    pub(crate) fn end_wait(&mut self, id: CallId) {
        self.set_parent(id, false);
    }
}

/// The positions behind one, which may be the last that there is.
fn after(position: usize) -> (Bound<usize>, Bound<usize>) {
    (Bound::Excluded(position), Bound::Unbounded)
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Its own turn: for permits, a key, or calls that run.
    Turn,
    /// A decision on a call that it is ordered behind.
    Decision,
}
