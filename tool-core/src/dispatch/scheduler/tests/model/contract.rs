//! The output that the contract allows: slow, and without any of the machine's bookkeeping.

use std::collections::BTreeSet;

use super::super::super::{Scheduler, Spec, Wait};
use super::Life::{Behind, Borrowed, Gone, Held, Over, Parent, Reserved, Running, Unsent, Waiting};
use super::{Admission, Event, Life, State};

impl<'w> State<'w> {
    // ---- what the machine may say

    pub(super) fn start(&mut self, task: usize) {
        self.claim(
            self.lives[task] == Waiting,
            "a call starts once, after it is admitted",
        );
        self.claim(self.has_permit(task), "a call starts on a free permit");
        self.claim(
            self.may_start(task),
            "nothing is in the way of a call that starts",
        );
        self.check_turn(task);
        self.lives[task] = Running;
    }

    pub(super) fn hold_behind(&mut self, task: usize, earlier: usize) {
        self.claim(
            self.lives[task] == Waiting,
            "a call is held behind another once, when it is admitted",
        );
        self.claim(
            self.held_before(task).contains(&earlier),
            "a call is held behind one that it is ordered behind",
        );
        self.lives[task] = Behind;
    }

    /// The held calls that this one is ordered behind.
    fn held_before(&self, task: usize) -> Vec<usize> {
        let is_held = |other: &usize| matches!(self.lives[*other], Held | Behind);
        let orders = |other: &usize| {
            let (one, two) = (self.spec(*other), self.spec(task));
            one.exclusive || two.exclusive || one.key.is_some() && one.key == two.key
        };
        self.tasks_of(self.world.tasks[task].group)
            .take_while(|other| *other < task)
            .filter(is_held)
            .filter(orders)
            .collect()
    }

    /// Whether the call that starts was next: nested ones come first; batches in turn, each in
    /// order.
    fn check_turn(&mut self, task: usize) {
        let group = self.world.tasks[task].group;
        let mut passed = BTreeSet::new();
        for other in (0..self.lives.len()).filter(|other| *other != task && self.may_start(*other))
        {
            let its_group = self.world.tasks[other].group;
            let comes_first = self.is_nested(its_group) && !self.is_nested(group);
            self.claim(
                !comes_first || !self.has_permit(other),
                "nested calls come first",
            );
            // A key is handed on in the order of waiting, before there is a permit.
            let has_rival = (0..self.lives.len()).any(|rival| {
                self.world.tasks[rival].group != its_group
                    && self.spec(other).key.is_some()
                    && self.spec(rival).key == self.spec(other).key
                    && self.may_start(rival)
            });
            self.claim(
                group != its_group || task < other || has_rival,
                "a batch starts in call order",
            );
            // A key goes to the batch that has waited for it the longest, where its call may be
            // behind others.
            let of_one_key =
                self.spec(task).key.is_some() && self.spec(task).key == self.spec(other).key;
            let may_lack_key = has_rival && self.has_rival_behind_others(other);
            let of_one_kind = self.is_nested(group) == self.is_nested(its_group);
            if group != its_group && of_one_kind && !of_one_key && !may_lack_key {
                passed.insert(its_group);
            }
        }
        for other in passed {
            let once = self.passed_by[other].insert(group);
            self.claim(once, "no batch passes another over twice");
        }
        self.passed_by[group].clear();
    }

    /// Whether a call of another batch may have the key, and has to let others of its batch start.
    fn has_rival_behind_others(&self, task: usize) -> bool {
        let group = self.world.tasks[task].group;
        (0..self.lives.len()).any(|rival| {
            let its_group = self.world.tasks[rival].group;
            let mut before = self.tasks_of(its_group).take_while(|other| *other < rival);
            its_group != group
                && self.spec(rival).key == self.spec(task).key
                && self.may_start(rival)
                && before.any(|other| self.may_start(other))
        })
    }

    pub(super) fn check(&self) {
        let machine = &self.machine;
        let tasks = || 0..self.lives.len();
        let count = |is: &dyn Fn(Life) -> bool| self.lives.iter().filter(|life| is(**life)).count();
        self.claim(
            machine.permits.in_use() == self.permits_in_use(),
            "permits in use are those of unfinished calls",
        );
        self.claim(
            machine.parents == count(&|life| life == Parent),
            "calls that wait for nested ones are counted",
        );
        for (gate, state) in machine.gates.iter().enumerate() {
            let of_tool = |parents_only| self.gate_in_use(gate, parents_only);
            self.claim(
                (state.in_use, state.parents) == (of_tool(false), of_tool(true)),
                "a tool's permits in use are those of its unfinished calls",
            );
        }
        self.claim(
            machine.waiting() == count(&|life| matches!(life, Reserved | Waiting)),
            "calls that wait are counted",
        );
        let next = tasks().find(|task| self.may_start(*task) && self.has_permit(*task));
        self.claim(
            next.is_none(),
            "a call that lacks only a permit gets one that is free",
        );
        let waits = tasks().any(|task| self.may_start(task));
        self.claim(
            !waits || machine.permits.is_waited_for(),
            "giving a permit back reports that a call waits for it",
        );
        for task in tasks() {
            self.check_wait(task);
            self.claim(
                self.lives[task] != Waiting || self.held_before(task).is_empty(),
                "no call waits behind one that is held",
            );
        }
    }

    /// Whether the machine knows that a call waits for a decision.
    fn check_wait(&self, task: usize) {
        let wait = self.machine.wait_of(self.ids[task]);
        if self.lives[task] != Waiting {
            return self.claim(
                wait.is_none(),
                "only calls that wait have something to wait for",
            );
        }
        let group = self.world.tasks[task].group;
        if self.halted.contains(&group) {
            return; // it waits to be answered, and for nothing else
        }
        let mut before = self.tasks_of(group).take_while(|other| *other < task);
        let is_undecided = |task: usize| self.lives[task] == Reserved;
        let directly = self.waits_for(task).into_iter().any(is_undecided);
        self.claim(
            wait == Some(Wait::Decision) || !directly,
            "a call that is ordered behind one that is not decided on waits for the decision",
        );
        self.claim(
            wait == Some(Wait::Turn) || before.any(is_undecided),
            "a call waits for a decision only on an earlier call of its batch",
        );
    }

    /// What ends calls that wait for each other through keys: the deadline of one of them, whose
    /// nested calls are cancelled with it.
    pub(in super::super) fn deadline(&self) -> Option<Event> {
        (0..self.lives.len())
            .filter(|task| self.lives[*task] == Over && self.waits_for_itself(*task))
            .flat_map(|task| self.groups_of(task))
            .find(|group| self.is_live(*group) && !self.halted.contains(group))
            .map(Event::Cancel)
    }

    fn waits_for_itself(&self, task: usize) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = self.held_up_by(task);
        while let Some(other) = next.pop() {
            if seen.insert(other) {
                next.extend(self.held_up_by(other));
            }
        }
        seen.contains(&task)
    }

    /// The calls that have to continue before this one can.
    fn held_up_by(&self, task: usize) -> Vec<usize> {
        match self.lives[task] {
            Waiting => self.waits_for(task),
            Over => {
                let nested = self.groups_of(task).flat_map(|group| self.tasks_of(group));
                nested.filter(|task| self.is_unsettled(*task)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Nothing is left to do.
    pub(in super::super) fn check_end(&self) {
        let Scheduler {
            calls,
            batches,
            keys,
            turns,
            permits,
            gates,
            parents,
            ..
        } = &self.machine;
        self.claim(
            self.lives
                .iter()
                .all(|life| matches!(life, Unsent | Held | Behind | Gone)),
            "every call ends",
        );
        self.claim(
            calls.is_empty() && batches.is_empty() && keys.is_empty(),
            "calls, batches and keys are forgotten",
        );
        self.claim(
            turns.iter().all(|turns| turns.batches().next().is_none()),
            "no call waits",
        );
        let is_free = permits.in_use() == 0 && *parents == 0;
        self.claim(
            is_free
                && gates
                    .iter()
                    .all(|gate| (gate.in_use, gate.parents) == (0, 0)),
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

    pub(super) fn groups_of(&self, task: usize) -> impl Iterator<Item = usize> + Clone + use<'w> {
        let groups = &self.world.groups;
        (0..groups.len()).filter(move |group| groups[*group].parent == Some(task))
    }

    fn is_nested(&self, group: usize) -> bool {
        self.world.groups[group].parent.is_some()
    }

    fn is_unsettled(&self, task: usize) -> bool {
        !matches!(self.lives[task], Unsent | Borrowed | Held | Behind | Gone)
    }

    fn has_started(&self, task: usize) -> bool {
        matches!(self.lives[task], Running | Parent | Over)
    }

    pub(super) fn is_live(&self, group: usize) -> bool {
        self.tasks_of(group).any(|task| self.is_unsettled(task))
    }

    fn spec(&self, task: usize) -> &'w Spec<char> {
        let task_of = &self.world.tasks[task];
        if matches!(self.lives[task], Reserved | Held) {
            &task_of.reserved
        } else {
            &task_of.spec
        }
    }

    pub(super) fn permits_in_use(&self) -> usize {
        let holds = |life: &&Life| matches!(life, Borrowed | Running | Parent);
        self.lives.iter().filter(holds).count()
    }

    /// Whether the dispatcher's limit lets the call start: one of the program while fewer calls are
    /// unfinished, a nested one while fewer run that do not wait for nested ones themselves.
    fn has_permit(&self, task: usize) -> bool {
        let parents = self.lives.iter().filter(|life| **life == Parent).count();
        let nested = self.is_nested(self.world.tasks[task].group);
        let counted = self.permits_in_use() - if nested { parents } else { 0 };
        counted < self.world.permits
    }

    fn gate_in_use(&self, gate: usize, parents_only: bool) -> usize {
        let holds = |task: &usize| match self.lives[*task] {
            Running => !parents_only,
            Parent => true,
            _ => false,
        };
        (0..self.lives.len())
            .filter(|task| self.spec(*task).gate == Some(gate))
            .filter(holds)
            .count()
    }

    /// The same for the limit of its tool.
    fn has_room(&self, task: usize) -> bool {
        let nested = self.is_nested(self.world.tasks[task].group);
        self.spec(task).gate.is_none_or(|gate| {
            let parents = if nested {
                self.gate_in_use(gate, true)
            } else {
                0
            };
            self.gate_in_use(gate, false) - parents < self.world.gates[gate]
        })
    }

    /// Whether the call lacks nothing but a permit of the dispatcher.
    fn may_start(&self, task: usize) -> bool {
        let is_halted = self.halted.contains(&self.world.tasks[task].group);
        let waits = self.lives[task] == Waiting && !is_halted && self.waits_for(task).is_empty();
        waits && self.has_room(task)
    }

    /// The calls that have to be settled, or else to start, before this one can start: by its order,
    /// then by its key.
    fn waits_for(&self, task: usize) -> Vec<usize> {
        let earlier = self.earlier(task);
        if earlier.is_empty() {
            self.rivals(task)
        } else {
            earlier
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
}
