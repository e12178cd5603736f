//! A machine together with a driver that may send whatever the contract lets it.

mod contract;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use super::super::{BatchId, CallId, Scheduler, Spec};
use crate::dispatch::permits::Permits;

/// Sweeps before a call is given up.
const GRACE: u64 = 2;

/// What may happen. Groups and tasks are known by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) permits: usize,
    pub(super) gates: Vec<usize>,
    pub(super) groups: Vec<Group>,
    pub(super) tasks: Vec<Task>,
    /// Calls may be answered while something of them still runs.
    pub(super) abandons: bool,
    /// Batches may be cancelled.
    pub(super) cancels: bool,
}

/// A batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// The task that dispatches it.
    pub(super) parent: Option<usize>,
    pub(super) admission: Admission,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    AtOnce,
    /// Each when it is decided on.
    Decided,
    /// Each when it is decided on, and the batch still grows.
    Early,
    /// One call that starts on a borrowed permit, past the machine.
    Borrowed,
}

/// A call. Those of one batch come in call order.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) group: usize,
    /// What is known of it before it is admitted.
    pub(super) reserved: Spec<char>,
    pub(super) spec: Spec<char>,
}

impl Task {
    /// One of which everything is known from the start.
    pub(super) fn known(group: usize, spec: Spec<char>) -> Self {
        Self {
            group,
            reserved: spec.clone(),
            spec,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Open(usize),
    Reserve(usize),
    Admit(usize),
    Finish(usize),
    Cancel(usize),
    Borrow(usize),
    GiveBack(usize),
    Adopt(usize),
    Park(usize),
    Resume(usize),
    Abandon(usize),
    ReleasePermits(usize),
    /// Something of an answered call wants to go on.
    GoOn(usize),
    Settle(usize),
    Sweep,
}

impl Event {
    /// Whether it cannot be sent for ever.
    pub(super) fn is_progress(self) -> bool {
        !matches!(
            self,
            Self::Park(_) | Self::ReleasePermits(_) | Self::GoOn(_) | Self::Sweep
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Unsent,
    /// Runs on a borrowed permit.
    Borrowed,
    Reserved,
    Waiting,
    Running,
    Parked,
    Resuming,
    Abandoned {
        with_permits: bool,
    },
    Gone,
}

use Life::{Abandoned, Borrowed, Gone, Parked, Reserved, Resuming, Running, Unsent, Waiting};

/// The machine, what was sent to it, and what it said.
#[derive(Clone)]
pub(super) struct State<'w> {
    world: &'w World,
    machine: Scheduler<char, usize>,
    trail: Vec<Event>,
    lives: Vec<Life>,
    ids: Vec<CallId>,
    batches: Vec<Option<BatchId>>,
    finished: BTreeSet<usize>,
    halted: BTreeSet<usize>,
    /// Calls that want to go on, the first first.
    resuming: Vec<usize>,
    now: u64,
    /// Since which sweep only abandoned work has stood in the way of a call.
    stuck_since: Vec<Option<u64>>,
    /// By which others a batch was passed over since it last had its turn.
    passed_by: Vec<BTreeSet<usize>>,
}

impl<'w> State<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let (tasks, groups) = (world.tasks.len(), world.groups.len());
        Self {
            world,
            machine: Scheduler::new(
                Arc::new(Permits::new(world.permits)),
                world.gates.iter().copied(),
            ),
            trail: Vec::new(),
            lives: vec![Unsent; tasks],
            ids: vec![0; tasks],
            batches: vec![None; groups],
            finished: BTreeSet::new(),
            halted: BTreeSet::new(),
            resuming: Vec::new(),
            now: 0,
            stuck_since: vec![None; tasks],
            passed_by: vec![BTreeSet::new(); groups],
        }
    }

    /// A copy whose permits are its own.
    pub(super) fn fork(&self) -> Self {
        let mut fork = self.clone();
        fork.machine.permits = Arc::new(self.machine.permits.fork());
        fork
    }

    /// What tells this state from others. Times count from now, and of ids only their order
    /// matters.
    pub(super) fn fingerprint(&self) -> u64 {
        let hash = &mut DefaultHasher::new();
        let Scheduler {
            calls,
            batches,
            keys,
            resuming,
            rings,
            permits,
            ..
        } = &self.machine;
        let call_at = |id: &CallId| calls.range(..id).count();
        let batch_at = |id: &BatchId| batches.range(..id).count();
        let batch_of = |batch: &Option<BatchId>| {
            batch.map(|batch| batches.contains_key(&batch).then(|| batch_at(&batch)))
        };
        let since = |since: u64| (self.now - since).min(GRACE);

        (&self.lives, &self.finished, &self.halted, &self.passed_by).hash(hash);
        self.batches
            .iter()
            .for_each(|batch| batch_of(batch).hash(hash));
        self.stuck_since
            .iter()
            .for_each(|stuck| stuck.map(since).hash(hash));
        for call in calls.values() {
            let children: Vec<_> = call.children.iter().map(batch_at).collect();
            (
                call.call,
                discriminant(&call.phase),
                children,
                call.stuck_since.map(|stuck| since(stuck.as_secs())),
            )
                .hash(hash);
        }
        let turns: BTreeSet<_> = batches.values().map(|batch| batch.turn).collect();
        for batch in batches.values() {
            (batch.early, batch.halted, turns.range(..batch.turn).count()).hash(hash);
            (&batch.unstarted, &batch.ordered, &batch.ready).hash(hash);
        }
        for (key, state) in keys.iter().collect::<BTreeMap<_, _>>() {
            let holders: Vec<_> = state.holders.iter().map(call_at).collect();
            let waiting: Vec<_> = state
                .waiting
                .iter()
                .map(|(batch, positions)| (batch_at(batch), positions))
                .collect();
            (key, holders, waiting).hash(hash);
        }
        for ring in rings {
            ring.iter()
                .map(|(_, id)| batch_of(&Some(*id)))
                .collect::<Vec<_>>()
                .hash(hash);
        }
        (
            resuming.iter().map(call_at).collect::<Vec<_>>(),
            permits.is_waited_for(),
        )
            .hash(hash);
        hash.finish()
    }

    // ---- what the driver may do

    pub(super) fn events(&self) -> Vec<Event> {
        let groups = (0..self.world.groups.len()).flat_map(|group| self.group_events(group));
        let tasks = (0..self.lives.len()).flat_map(|task| self.task_events(task));
        let sweep = self
            .lives
            .iter()
            .any(|life| matches!(life, Abandoned { .. }))
            .then_some(Event::Sweep);
        groups.chain(tasks).chain(sweep).collect()
    }

    fn group_events(&self, group: usize) -> Vec<Event> {
        let Group { parent, admission } = self.world.groups[group];
        if admission == Admission::Borrowed {
            return Vec::new();
        }
        let is_open = self.batches[group].is_some();
        let is_empty = admission != Admission::Early && self.tasks_of(group).next().is_none();
        let may_open =
            !is_open && !is_empty && parent.is_none_or(|parent| self.lives[parent] == Running);
        let may_grow = admission == Admission::Early && is_open && !self.finished.contains(&group);
        let may_cancel = self.world.cancels || self.world.abandons && parent.is_some();
        let next = self
            .tasks_of(group)
            .find(|task| self.lives[*task] == Unsent);
        [
            may_open.then_some(Event::Open(group)),
            next.filter(|_| may_grow).map(Event::Reserve),
            may_grow.then_some(Event::Finish(group)),
            (may_cancel && is_open && !self.halted.contains(&group) && self.is_live(group))
                .then_some(Event::Cancel(group)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn task_events(&self, task: usize) -> Vec<Event> {
        let group = self.world.tasks[task].group;
        let nested: Vec<_> = self
            .groups_of(task)
            .filter(|group| self.batches[*group].is_some())
            .collect();
        let settle = nested
            .iter()
            .all(|group| !self.is_live(*group))
            .then_some(Event::Settle(task));
        let over = nested
            .iter()
            .all(|group| self.halted.contains(group) || !self.is_live(*group));
        let abandon = (self.world.abandons && over).then_some(Event::Abandon(task));
        let events = match self.lives[task] {
            Unsent => [
                (self.world.groups[group].admission == Admission::Borrowed)
                    .then_some(Event::Borrow(task)),
                None,
                None,
            ],
            Borrowed => [Some(Event::GiveBack(task)), Some(Event::Adopt(task)), None],
            Reserved => [Some(Event::Admit(task)), Some(Event::Settle(task)), None],
            Waiting => [
                self.halted.contains(&group).then_some(Event::Settle(task)),
                None,
                None,
            ],
            Running => [
                (!nested.is_empty()).then_some(Event::Park(task)),
                settle,
                abandon,
            ],
            Parked => [Some(Event::Resume(task)), settle, abandon],
            Resuming => [settle, abandon, None],
            Abandoned { .. } if nested.is_empty() => [settle, None, None],
            Abandoned { with_permits: true } => [settle, Some(Event::ReleasePermits(task)), None],
            Abandoned {
                with_permits: false,
            } => [
                settle,
                (!self.resuming.contains(&task)).then_some(Event::GoOn(task)),
                None,
            ],
            Gone => [None; 3],
        };
        events.into_iter().flatten().collect()
    }

    /// Sends an event, and holds the answer against the contract.
    pub(super) fn apply(&mut self, event: Event) {
        self.trail.push(event);
        let mut waiting = self.parents_that_wait();
        self.send(event);
        waiting.extend(self.parents_that_wait());
        self.let_parents_on(&waiting);
        for action in self.machine.take_actions() {
            self.hear(&action);
            self.let_parents_on(&waiting);
        }
        self.check();
        if event == Event::Sweep {
            self.check_stuck();
        }
    }

    fn parents_that_wait(&self) -> BTreeSet<usize> {
        let waits = |task: &usize| {
            self.lives[*task] == Parked && self.groups_of(*task).any(|group| self.is_live(group))
        };
        (0..self.lives.len()).filter(waits).collect()
    }

    /// A parent asks for its permits as soon as the last of its calls is settled.
    fn let_parents_on(&mut self, waiting: &BTreeSet<usize>) {
        let on = |task: &usize| {
            self.lives[*task] == Parked && !self.groups_of(*task).any(|group| self.is_live(group))
        };
        for task in waiting.iter().copied().filter(on).collect::<Vec<_>>() {
            self.lives[task] = Resuming;
            self.resuming.push(task);
        }
    }

    fn send(&mut self, event: Event) {
        let world = self.world;
        match event {
            Event::Open(group) => {
                let Group { parent, admission } = world.groups[group];
                let batch = self.machine.open(
                    parent.map(|parent| self.ids[parent]),
                    admission == Admission::Early,
                );
                self.batches[group] = Some(batch);
                if admission == Admission::Early {
                    return;
                }
                let tasks: Vec<_> = self.tasks_of(group).collect();
                tasks.iter().for_each(|task| self.reserve(*task, batch));
                if admission == Admission::AtOnce {
                    tasks.iter().for_each(|task| self.lives[*task] = Waiting);
                    self.machine.admit_all(
                        tasks
                            .iter()
                            .map(|task| (self.ids[*task], world.tasks[*task].spec.clone())),
                    );
                }
            }
            Event::Reserve(task) => {
                self.reserve(task, self.batches[world.tasks[task].group].unwrap());
            }
            Event::Admit(task) => {
                self.lives[task] = Waiting;
                self.machine
                    .admit(self.ids[task], world.tasks[task].spec.clone());
            }
            Event::Finish(group) => {
                self.finished.insert(group);
                self.machine.finish(self.batches[group].unwrap());
                self.machine.close(self.batches[group].unwrap());
            }
            Event::Cancel(group) => {
                self.halted.insert(group);
                self.machine.halt(self.batches[group].unwrap());
            }
            Event::Borrow(task) => {
                let is_free = self.permits_in_use() < world.permits;
                let borrowed = self.machine.permits.borrow();
                self.claim(
                    !borrowed || is_free,
                    "a permit is borrowed only if one is free",
                );
                self.lives[task] = if borrowed { Borrowed } else { Gone };
            }
            Event::GiveBack(task) => {
                self.lives[task] = Gone;
                if self.machine.permits.give_back() {
                    self.machine.schedule();
                }
            }
            Event::Adopt(task) => {
                self.lives[task] = Running;
                let id = &mut self.ids[task];
                self.machine.adopt(task, |given| {
                    *id = given;
                    true
                });
            }
            Event::Park(task) => {
                self.lives[task] = Parked;
                self.machine.park(self.ids[task]);
            }
            Event::Resume(task) => {
                self.lives[task] = Resuming;
                self.resuming.push(task);
                self.machine.resume(self.ids[task]);
            }
            Event::Abandon(task) => {
                self.resuming.retain(|resuming| *resuming != task);
                self.lives[task] = Abandoned {
                    with_permits: self.lives[task] == Running,
                };
                self.machine.abandon(self.ids[task]);
            }
            Event::ReleasePermits(task) => {
                self.lives[task] = Abandoned {
                    with_permits: false,
                };
                self.machine.release_permits(self.ids[task]);
            }
            Event::GoOn(task) => {
                self.resuming.push(task);
                self.machine.resume(self.ids[task]);
            }
            Event::Settle(task) => {
                self.resuming.retain(|resuming| *resuming != task);
                self.lives[task] = Gone;
                self.machine.settle(self.ids[task]);
            }
            Event::Sweep => {
                self.now += 1;
                self.machine
                    .sweep(Duration::from_secs(self.now), Duration::from_secs(GRACE));
            }
        }
    }

    fn reserve(&mut self, task: usize, batch: BatchId) {
        self.lives[task] = Reserved;
        self.ids[task] =
            self.machine
                .reserve(batch, task, task, self.world.tasks[task].reserved.clone());
    }
}
