//! A machine together with a driver that may send whatever the contract lets it.

mod contract;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::super::{BatchId, CallId, Scheduler, Spec};
use crate::dispatch::permits::Permits;

/// What may happen. Groups and tasks are known by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) permits: usize,
    pub(super) gates: Vec<usize>,
    pub(super) groups: Vec<Group>,
    pub(super) tasks: Vec<Task>,
    /// Batches may be cancelled.
    pub(super) cancels: bool,
    /// Calls of the program may be held when they are decided on.
    pub(super) holds: bool,
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
    Hold(usize),
    Finish(usize),
    Cancel(usize),
    Borrow(usize),
    GiveBack(usize),
    Adopt(usize),
    BeginWait(usize),
    EndWait(usize),
    LeavePermits(usize),
    Settle(usize),
}

impl Event {
    /// Whether it cannot be sent for ever.
    pub(super) fn is_progress(self) -> bool {
        !matches!(self, Self::BeginWait(_))
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
    /// Runs, and waits for nested calls.
    Parent,
    /// Answered, while nested calls run on.
    Over,
    /// Held by a decision.
    Held,
    /// Held, since it is ordered behind another.
    Behind,
    Gone,
}

use Life::{Behind, Borrowed, Gone, Held, Over, Parent, Reserved, Running, Unsent, Waiting};

/// The machine, what was sent to it, and its output.
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
            passed_by: vec![BTreeSet::new(); groups],
        }
    }

    /// A copy whose permits are its own.
    pub(super) fn fork(&self) -> Self {
        let mut fork = self.clone();
        fork.machine.permits = Arc::new(self.machine.permits.fork());
        fork
    }

    /// What distinguishes this state from others. Of ids only their order matters.
    pub(super) fn fingerprint(&self) -> u64 {
        let hash = &mut DefaultHasher::new();
        let Scheduler {
            calls,
            batches,
            keys,
            turns,
            permits,
            ..
        } = &self.machine;
        let call_at = |id: &CallId| calls.range(..id).count();
        let batch_at = |id: &BatchId| batches.range(..id).count();
        let batch_of = |batch: &Option<BatchId>| {
            batch.map(|batch| batches.contains_key(&batch).then(|| batch_at(&batch)))
        };

        (&self.lives, &self.finished, &self.halted, &self.passed_by).hash(hash);
        self.batches
            .iter()
            .for_each(|batch| batch_of(batch).hash(hash));
        for call in calls.values() {
            (call.call, call.phase, call.is_parent).hash(hash);
        }
        let order: BTreeSet<_> = batches.values().map(|batch| batch.turn).collect();
        for batch in batches.values() {
            (batch.early, batch.halted, order.range(..batch.turn).count()).hash(hash);
            (&batch.unstarted, &batch.ordered, &batch.ready).hash(hash);
        }
        for (key, state) in keys.iter().collect::<BTreeMap<_, _>>() {
            let holders: Vec<_> = state.holders.iter().map(call_at).collect();
            let waiting = state.waiting.iter().map(|waiting| {
                let ids = waiting.values().flat_map(BTreeMap::values).map(call_at);
                ids.collect::<Vec<_>>()
            });
            (key, holders, waiting.collect::<Vec<_>>()).hash(hash);
        }
        for turns in turns {
            let batches = turns
                .batches()
                .map(|(gate, id)| (gate, batch_of(&Some(id))));
            batches.collect::<Vec<_>>().hash(hash);
        }
        permits.is_waited_for().hash(hash);
        hash.finish()
    }

    // ---- what the driver may do

    pub(super) fn events(&self) -> Vec<Event> {
        let groups = (0..self.world.groups.len()).flat_map(|group| self.group_events(group));
        let tasks = (0..self.lives.len()).flat_map(|task| self.task_events(task));
        groups.chain(tasks).collect()
    }

    fn group_events(&self, group: usize) -> Vec<Event> {
        let Group { parent, admission } = self.world.groups[group];
        if admission == Admission::Borrowed {
            return Vec::new();
        }
        let is_open = self.batches[group].is_some();
        let is_empty = admission != Admission::Early && self.tasks_of(group).next().is_none();
        let may_open =
            !is_open && !is_empty && parent.is_none_or(|parent| self.lives[parent] == Parent);
        let may_grow = admission == Admission::Early && is_open && !self.finished.contains(&group);
        let next = self
            .tasks_of(group)
            .find(|task| self.lives[*task] == Unsent);
        [
            may_open.then_some(Event::Open(group)),
            next.filter(|_| may_grow).map(Event::Reserve),
            may_grow.then_some(Event::Finish(group)),
            (self.world.cancels && is_open && !self.halted.contains(&group) && self.is_live(group))
                .then_some(Event::Cancel(group)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn task_events(&self, task: usize) -> Vec<Event> {
        let group = self.world.tasks[task].group;
        let is_borrowed = self.world.groups[group].admission == Admission::Borrowed;
        let mut nested = self.groups_of(task);
        let has_nested = nested.clone().next().is_some();
        let is_over = nested.all(|group| self.batches[group].is_none() || !self.is_live(group));
        let settle = is_over.then_some(Event::Settle(task));
        let events = match self.lives[task] {
            Unsent => [is_borrowed.then_some(Event::Borrow(task)), None],
            Borrowed => [Some(Event::GiveBack(task)), Some(Event::Adopt(task))],
            Reserved => [Some(Event::Admit(task)), Some(Event::Settle(task))],
            Waiting => {
                let is_halted = self.halted.contains(&group);
                [is_halted.then_some(Event::Settle(task)), None]
            }
            Running => [has_nested.then_some(Event::BeginWait(task)), settle],
            Parent => [Some(Event::EndWait(task)), settle],
            Over => [settle, None],
            Held | Behind | Gone => [None; 2],
        };
        let started = matches!(self.lives[task], Running | Parent);
        let leave = (started && !is_over).then_some(Event::LeavePermits(task));
        let may_hold = self.world.holds
            && self.lives[task] == Reserved
            && self.world.groups[group].parent.is_none();
        let hold = may_hold.then_some(Event::Hold(task));
        events
            .into_iter()
            .flatten()
            .chain(leave)
            .chain(hold)
            .collect()
    }

    /// Sends an event, and holds the answer against the contract.
    pub(super) fn apply(&mut self, event: Event) {
        self.trail.push(event);
        self.send(event);
        for task in self.machine.take_started() {
            self.start(task);
        }
        for (task, earlier) in self.machine.take_held() {
            self.hold_behind(task, earlier);
        }
        self.check();
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
                self.machine.close(batch);
            }
            Event::Reserve(task) => {
                self.reserve(task, self.batches[world.tasks[task].group].unwrap());
            }
            Event::Admit(task) => {
                self.lives[task] = Waiting;
                self.machine
                    .admit(self.ids[task], world.tasks[task].spec.clone());
            }
            Event::Hold(task) => {
                self.lives[task] = Held;
                self.machine.hold(self.ids[task]);
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
            Event::BeginWait(task) => {
                self.lives[task] = Parent;
                self.machine.begin_wait(self.ids[task]);
            }
            Event::EndWait(task) => {
                self.lives[task] = Running;
                self.machine.end_wait(self.ids[task]);
            }
            Event::LeavePermits(task) => {
                self.lives[task] = Over;
                self.machine.leave_permits(self.ids[task]);
            }
            Event::Settle(task) => {
                self.lives[task] = Gone;
                self.machine.settle(self.ids[task]);
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
