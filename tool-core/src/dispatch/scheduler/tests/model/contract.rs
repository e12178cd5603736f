//! What the contract lets the machine say: slow, and without any of the machine's bookkeeping.

use std::collections::BTreeSet;

use super::super::super::{Action, Scheduler, Spec};
use super::Life::{
    Abandoned, Borrowed, Gone, Parked, Reserved, Resuming, Running, Unsent, Waiting,
};
use super::{Admission, GRACE, Life, State};

impl<'w> State<'w> {
    // ---- what the machine may say

    pub(super) fn hear(&mut self, action: &Action<usize>) {
        match *action {
            Action::Start(task) => {
                self.claim(
                    self.lives[task] == Waiting,
                    "a call starts once, after it is admitted",
                );
                self.claim(self.has_permit(), "a call starts on a free permit");
                self.claim(
                    self.may_go_on(task),
                    "nothing stands in the way of a call that starts",
                );
                self.check_turn(task);
                self.lives[task] = Running;
            }
            Action::Resume(task) => {
                let first = self
                    .resuming
                    .iter()
                    .position(|resuming| self.may_go_on(*resuming));
                self.claim(
                    first.is_some_and(|first| self.resuming[first] == task),
                    "calls go on in turn",
                );
                self.claim(self.has_permit(), "a call goes on with a free permit");
                self.resuming.retain(|resuming| *resuming != task);
                self.lives[task] = if self.lives[task] == Resuming {
                    Running
                } else {
                    Abandoned { with_permits: true }
                };
            }
            Action::Deadlock(task) => {
                self.claim(
                    self.lives[task] == Waiting && self.waits_for_itself(task),
                    "a deadlock is a call that waits for itself",
                );
                self.lives[task] = Gone;
            }
            Action::GiveUp(task) => {
                let since = self.stuck_since[task].filter(|_| self.stuck().contains(&task));
                self.claim(
                    since.is_some(),
                    "a call is given up if only abandoned work stands in its way",
                );
                self.claim(
                    since.is_some_and(|since| self.now - since >= GRACE),
                    "a call is given up after the grace",
                );
                self.lives[task] = Gone;
            }
        }
    }

    /// Whether the call that starts was next: resumed calls come first, then nested ones; batches
    /// in turn, each in order.
    fn check_turn(&mut self, task: usize) {
        let group = self.world.tasks[task].group;
        let mut passed = BTreeSet::new();
        for other in (0..self.lives.len()).filter(|other| *other != task && self.may_go_on(*other))
        {
            let its_group = self.world.tasks[other].group;
            self.claim(
                self.lives[other] == Waiting,
                "calls that go on come before those that start",
            );
            self.claim(
                self.is_nested(group) || !self.is_nested(its_group),
                "nested calls come first",
            );
            self.claim(
                group != its_group || task < other,
                "a batch starts in call order",
            );
            if group != its_group && self.is_nested(group) == self.is_nested(its_group) {
                passed.insert(its_group);
            }
        }
        for other in passed {
            let once = self.passed_by[other].insert(group);
            self.claim(once, "no batch passes another over twice");
        }
        self.passed_by[group].clear();
    }

    pub(super) fn check(&self) {
        let machine = &self.machine;
        let count = |is: &dyn Fn(Life) -> bool| self.lives.iter().filter(|life| is(**life)).count();
        self.claim(
            machine.permits.in_use() == self.permits_in_use(),
            "permits in use are those of running calls",
        );
        self.claim(
            self.permits_in_use() <= self.world.permits,
            "the limit holds",
        );
        for (gate, limit) in self.world.gates.iter().enumerate() {
            self.claim(
                machine.gates[gate].in_use == self.gate_in_use(gate),
                "a tool's permits in use are those of its running calls",
            );
            self.claim(self.gate_in_use(gate) <= *limit, "a tool's limit holds");
        }
        self.claim(
            machine.waiting() == count(&|life| matches!(life, Reserved | Waiting)),
            "calls that wait are counted",
        );
        self.claim(
            machine.has_abandoned() == (count(&|life| matches!(life, Abandoned { .. })) > 0),
            "abandoned work is counted",
        );

        let next = (0..self.lives.len()).find(|task| self.may_go_on(*task));
        self.claim(
            next.is_none() || !self.has_permit(),
            "a call that lacks only a permit gets one that is free",
        );
        self.claim(
            next.is_none() || machine.permits.is_waited_for(),
            "whoever gives a permit back knows that it is waited for",
        );
        self.claim(
            !(0..self.lives.len()).any(|task| self.waits_for_itself(task)),
            "no call waits for itself",
        );
        let is_at_it = |task: usize| match self.lives[task] {
            Borrowed | Reserved | Running | Abandoned { .. } => true,
            Parked => self.waits_for(task).is_empty(),
            Waiting => self.halted.contains(&self.world.tasks[task].group),
            _ => false,
        };
        let is_idle = !(0..self.lives.len()).any(is_at_it);
        self.claim(
            !is_idle || count(&|life| !matches!(life, Unsent | Gone)) == 0,
            "somebody is at it while a call waits",
        );
    }

    /// Notes what a sweep sees.
    pub(super) fn check_stuck(&mut self) {
        let stuck = self.stuck();
        for task in 0..self.lives.len() {
            self.stuck_since[task] = stuck
                .contains(&task)
                .then(|| self.stuck_since[task].unwrap_or(self.now));
            let since = self.stuck_since[task].unwrap_or(self.now);
            let is_halted = self.halted.contains(&self.world.tasks[task].group);
            self.claim(
                is_halted || self.now - since < GRACE,
                "a call that only abandoned work blocks is given up",
            );
        }
    }

    /// Nothing is left to do.
    pub(in super::super) fn check_end(&self) {
        let Scheduler {
            calls,
            batches,
            keys,
            resuming,
            nested_waiting,
            permits,
            gates,
            ..
        } = &self.machine;
        self.claim(
            self.lives.iter().all(|life| matches!(life, Unsent | Gone)),
            "every call ends",
        );
        self.claim(
            calls.is_empty() && batches.is_empty() && keys.is_empty(),
            "calls, batches and keys are forgotten",
        );
        self.claim(
            resuming.is_empty() && nested_waiting.is_empty(),
            "nobody waits",
        );
        self.claim(
            permits.in_use() == 0
                && gates
                    .iter()
                    .all(|gate| gate.in_use == 0 && gate.abandoned == 0),
            "permits are given back",
        );
    }

    #[track_caller]
    pub(super) fn claim(&self, holds: bool, what: &str) {
        assert!(
            holds,
            "{what}\nafter {:?}\ncalls: {:?}\nin {:?}",
            self.trail, self.lives, self.world
        );
    }

    // ---- the contract

    pub(super) fn tasks_of(&self, group: usize) -> impl Iterator<Item = usize> + use<'w> {
        let tasks = &self.world.tasks;
        (0..tasks.len()).filter(move |task| tasks[*task].group == group)
    }

    pub(super) fn groups_of(&self, task: usize) -> impl Iterator<Item = usize> + use<'w> {
        let groups = &self.world.groups;
        (0..groups.len()).filter(move |group| groups[*group].parent == Some(task))
    }

    fn is_nested(&self, group: usize) -> bool {
        self.world.groups[group].parent.is_some()
    }

    fn is_unsettled(&self, task: usize) -> bool {
        !matches!(self.lives[task], Unsent | Borrowed | Gone)
    }

    fn has_started(&self, task: usize) -> bool {
        matches!(
            self.lives[task],
            Running | Parked | Resuming | Abandoned { .. }
        )
    }

    pub(super) fn is_live(&self, group: usize) -> bool {
        self.tasks_of(group).any(|task| self.is_unsettled(task))
    }

    fn spec(&self, task: usize) -> &'w Spec<char> {
        let task_of = &self.world.tasks[task];
        if self.lives[task] == Reserved {
            &task_of.reserved
        } else {
            &task_of.spec
        }
    }

    pub(super) fn permits_in_use(&self) -> usize {
        self.lives
            .iter()
            .filter(|life| matches!(life, Borrowed | Running | Abandoned { with_permits: true }))
            .count()
    }

    fn has_permit(&self) -> bool {
        self.permits_in_use() < self.world.permits
    }

    fn gate_in_use(&self, gate: usize) -> usize {
        let holds = |task: &usize| {
            matches!(
                self.lives[*task],
                Running | Abandoned { with_permits: true }
            )
        };
        (0..self.lives.len())
            .filter(|task| self.spec(*task).gate == Some(gate))
            .filter(holds)
            .count()
    }

    fn has_room(&self, task: usize) -> bool {
        self.spec(task)
            .gate
            .is_none_or(|gate| self.gate_in_use(gate) < self.world.gates[gate])
    }

    /// Whether the call lacks nothing but a permit of the dispatcher.
    fn may_go_on(&self, task: usize) -> bool {
        let is_halted = self.halted.contains(&self.world.tasks[task].group);
        let waits = self.lives[task] == Waiting && !is_halted && self.waits_for(task).is_empty();
        (waits || self.resuming.contains(&task)) && self.has_room(task)
    }

    /// The calls that have to be settled, or else to start, before this one can go on: by its
    /// order, then by its key.
    fn waits_for(&self, task: usize) -> Vec<usize> {
        match self.lives[task] {
            Waiting => {
                let earlier = self.earlier(task);
                if earlier.is_empty() {
                    self.rivals(task)
                } else {
                    earlier
                }
            }
            Parked => self
                .groups_of(task)
                .flat_map(|group| self.tasks_of(group))
                .filter(|task| self.is_unsettled(*task))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn earlier(&self, task: usize) -> Vec<usize> {
        let group = self.world.tasks[task].group;
        let grows = self.world.groups[group].admission == Admission::Early
            && !self.finished.contains(&group);
        let is_barrier = |task| self.spec(task).exclusive;
        let earlier = self
            .tasks_of(group)
            .take_while(|other| *other < task)
            .filter(|other| self.is_unsettled(*other));
        earlier
            .filter(|other| {
                is_barrier(task) || is_barrier(*other) || grows && !self.has_started(*other)
            })
            .collect()
    }

    fn rivals(&self, task: usize) -> Vec<usize> {
        let group = self.world.tasks[task].group;
        let Some(key) = self.spec(task).key else {
            return Vec::new();
        };
        let equal = (0..self.lives.len())
            .filter(|other| self.is_unsettled(*other) && self.spec(*other).key == Some(key));
        let is_earlier = |other: usize| self.world.tasks[other].group == group && other < task;
        equal
            .filter(|other| {
                is_earlier(*other)
                    || *other != task && self.has_started(*other) && !self.runs_for(task, *other)
            })
            .collect()
    }

    /// Whether `other` waits for the call, at some remove.
    fn runs_for(&self, task: usize, other: usize) -> bool {
        let parent = self.world.groups[self.world.tasks[task].group].parent;
        parent.is_some_and(|parent| parent == other || self.runs_for(parent, other))
    }

    fn waits_for_itself(&self, task: usize) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), self.waits_for(task));
        while let Some(other) = next.pop() {
            if seen.insert(other) {
                next.extend(self.waits_for(other));
            }
        }
        seen.contains(&task)
    }

    /// The calls in whose way stands nothing but abandoned work, and calls of which the same is
    /// true.
    fn stuck(&self) -> BTreeSet<usize> {
        let is_abandoned = |task: usize| matches!(self.lives[task], Abandoned { .. });
        let holds = |task: &usize| self.lives[*task] == Abandoned { with_permits: true };
        let mut stuck = BTreeSet::new();
        loop {
            let is_stuck = |task: &usize| {
                let waits_for = self.waits_for(*task);
                if self.lives[*task] != Waiting {
                    return false;
                }
                if !waits_for.is_empty() {
                    return waits_for
                        .iter()
                        .all(|other| is_abandoned(*other) || stuck.contains(other));
                }
                let held = |gate: Option<usize>| {
                    (0..self.lives.len())
                        .filter(holds)
                        .filter(|other| gate.is_none() || self.spec(*other).gate == gate)
                        .count()
                };
                let gate = self.spec(*task).gate;
                held(None) >= self.world.permits
                    || gate.is_some_and(|limit| held(gate) >= self.world.gates[limit])
            };
            let more: BTreeSet<_> = (0..self.lives.len())
                .filter(|task| !stuck.contains(task))
                .filter(is_stuck)
                .collect();
            if more.is_empty() {
                return stuck;
            }
            stuck.extend(more);
        }
    }
}
