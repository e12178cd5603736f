//! A trace, sorted by call and batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::{Call, Key, Plan};
use crate::stage::Stage;
use crate::trace::{Answer, Entry, What};
use crate::world::{Caller, End, Mischief};

/// When something happened: its place in the trace, and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) place: usize,
    pub(crate) at: u64,
}

/// What has not happened by the end.
pub(crate) const NEVER: u64 = u64::MAX;

/// One run of a tool.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) on_thread: bool,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    pub(crate) deadline: Option<u64>,
    pub(crate) from: Moment,
    pub(crate) to: Option<Moment>,
}

impl Run {
    pub(crate) fn end(&self) -> u64 {
        self.to.map_or(NEVER, |to| to.at)
    }

    /// Whether it is under way when nothing more happens at that time.
    pub(crate) fn is_alive(&self, at: u64) -> bool {
        self.from.at <= at && at < self.end()
    }
}

/// What happened to a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    pub(crate) opened: Option<u64>,
    /// When it was handed over, complete.
    pub(crate) submitted: Option<u64>,
    pub(crate) cut_off: Option<u64>,
    pub(crate) asked: Vec<u64>,
    pub(crate) decided: Option<u64>,
    pub(crate) layered: Option<Moment>,
    pub(crate) runs: Vec<Run>,
    pub(crate) polls: Vec<Moment>,
    /// From when to when it waited for calls within it.
    pub(crate) waits: Vec<(u64, u64)>,
    /// The batches that it waits for, as the trace continues.
    waits_for: BTreeSet<usize>,
    pub(crate) answers: Vec<(Moment, End)>,
    pub(crate) known: Vec<(Moment, Answer)>,
    /// Its answer when it was held, if it was resumed later: then it came anew.
    pub(crate) held: Option<(Moment, Answer)>,
    /// When it came before that.
    pub(crate) came_before: Option<u64>,
    /// Whether its thread was cancelled.
    pub(crate) reported: bool,
    /// When it began to run, if it did.
    pub(crate) started: u64,
    /// When it was answered, or the caller dropped it.
    pub(crate) settled: u64,
    /// When nothing of it was alive any more, calls within it among that.
    pub(crate) dead: u64,
    /// The same, as early as it may have been: it is not known when a call was answered if its
    /// batch was given up on later.
    pub(crate) surely_alive: u64,
}

impl Life {
    pub(crate) fn answer(&self) -> Option<&Answer> {
        self.known.first().map(|(_, answer)| answer)
    }

    /// When it was gone, as early as that may have been; calls within it aside.
    pub(crate) fn gone(&self) -> u64 {
        let ran = self.runs.iter().map(Run::end).max().unwrap_or(0);
        ran.max(self.answer().map_or(0, |answer| answer.finished))
    }

    /// Whether it was there at that time, and not held yet.
    pub(crate) fn waited_before(&self, at: u64) -> bool {
        self.came_before.is_some_and(|came| came <= at)
            && self
                .held
                .as_ref()
                .is_some_and(|(_, held)| held.finished >= at)
    }

    fn wait(&mut self, at: u64, batch: usize) {
        if self.waits_for.is_empty() {
            self.waits.push((at, NEVER));
        }
        self.waits_for.insert(batch);
    }

    fn continue_run(&mut self, at: u64, batch: usize) {
        self.waits_for.remove(&batch);
        if let Some((_, to)) = self.waits.last_mut().filter(|_| self.waits_for.is_empty()) {
            *to = at;
        }
    }

    pub(crate) fn is_waiting(&self, at: u64) -> bool {
        self.waits.iter().any(|(from, to)| *from <= at && at < *to)
    }
}

/// What happened to a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    pub(crate) begun: Option<Moment>,
    pub(crate) ended: Option<u64>,
    pub(crate) cancelled: Option<Moment>,
    pub(crate) dropped: Option<Moment>,
    pub(crate) returned: Option<(Moment, usize)>,
    /// When a call of it failed and asked for the end.
    pub(crate) fatal: Option<u64>,
    /// When a tool asked for the end, though a layer may not have let it.
    pub(crate) perhaps_fatal: Option<u64>,
}

impl Course {
    /// From when on there may be a reason to start nothing of it.
    pub(crate) fn over(&self) -> u64 {
        let times = [
            self.cancelled.map(|moment| moment.at),
            self.dropped.map(|moment| moment.at),
            self.fatal,
            self.perhaps_fatal,
        ];
        times.into_iter().flatten().min().unwrap_or(NEVER)
    }
}

pub(crate) struct History {
    pub(crate) stage: Arc<Stage>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) lives: Vec<Life>,
    pub(crate) courses: Vec<Course>,
    /// How much work waited for a thread from when on.
    pub(crate) queued: Vec<(u64, usize)>,
    /// When `idle` returned.
    pub(crate) idle: Option<Moment>,
    /// Every time at which something happened.
    pub(crate) times: Vec<u64>,
}

impl History {
    pub(crate) fn of(stage: Arc<Stage>) -> Self {
        let entries = stage.trace.entries();
        let lives = vec![Life::default(); stage.plan.calls.len()];
        let courses = vec![Course::default(); stage.plan.batches.len()];
        let mut history = Self {
            stage,
            entries: Vec::new(),
            lives,
            courses,
            queued: Vec::new(),
            idle: None,
            times: Vec::new(),
        };
        for (place, entry) in entries.iter().enumerate() {
            history.add(
                Moment {
                    place,
                    at: entry.at,
                },
                &entry.what,
            );
        }
        history.entries = entries;
        history.conclude();
        history
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.stage.plan
    }

    pub(crate) fn call(&self, call: usize) -> &Call {
        &self.stage.plan.calls[call]
    }

    pub(crate) fn key(&self, call: usize) -> Option<Key> {
        self.call(call).key()
    }

    /// All calls, with what happened to them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, &Call, &Life)> {
        self.stage
            .plan
            .calls
            .iter()
            .zip(&self.lives)
            .enumerate()
            .map(|(at, (call, life))| (at, call, life))
    }

    fn add(&mut self, moment: Moment, what: &What) {
        let at = moment.at;
        match what {
            What::Opens(call) => self.lives[*call].opened = Some(at),
            What::Completes(call) => self.lives[*call].submitted = Some(at),
            What::CutsOff(call) => self.lives[*call].cut_off = Some(at),
            What::Asks(call) => self.lives[*call].asked.push(at),
            What::Decides(call) => self.lives[*call].decided = Some(at),
            What::Reported(call) => self.lives[*call].reported = true,
            What::Layer(call) => _ = self.lives[*call].layered.get_or_insert(moment),
            What::Poll(call) => self.lives[*call].polls.push(moment),
            What::Waits { call, batch } => self.lives[*call].wait(at, *batch),
            What::Continues { call, batch } => self.lives[*call].continue_run(at, *batch),
            What::Enters {
                call,
                on_thread,
                attempt,
                key,
                deadline,
            } => {
                let run = Run {
                    on_thread: *on_thread,
                    attempt: *attempt,
                    key: key.clone(),
                    deadline: *deadline,
                    from: moment,
                    to: None,
                };
                self.lives[*call].runs.push(run);
            }
            What::Leaves { call, .. } => {
                if let Some(run) = self.lives[*call].runs.last_mut() {
                    run.to = Some(moment);
                }
            }
            What::Answers(call, end) => {
                self.lives[*call].answers.push((moment, *end));
                if *end == End::Fatal {
                    let batch = self.stage.plan.calls[*call].batch;
                    self.courses[batch].perhaps_fatal.get_or_insert(at);
                }
            }
            What::Known(call, answer) => {
                if let Some(life) = self.lives.get_mut(*call) {
                    life.known.push((moment, answer.clone()));
                }
            }
            what => self.add_of_batch(moment, what),
        }
    }

    /// What happens to no single call.
    fn add_of_batch(&mut self, moment: Moment, what: &What) {
        let at = moment.at;
        match what {
            What::Begins { batch } => {
                self.courses[*batch].begun = Some(moment);
                let plan = &self.stage.plan.batches[*batch];
                if !matches!(plan.caller, Caller::Turn(_)) {
                    plan.calls
                        .iter()
                        .for_each(|&call| self.lives[call].submitted = Some(at));
                }
            }
            What::Resumes { batch } => self.resume(*batch, moment),
            What::Ends { batch } => self.courses[*batch].ended = Some(at),
            What::Cancels { batch } => self.courses[*batch].cancelled = Some(moment),
            What::Drops { batch } => self.courses[*batch].dropped = Some(moment),
            What::Returns { batch, results } => {
                self.courses[*batch].returned = Some((moment, *results));
            }
            What::Queued(queued) => self.queued.push((at, *queued)),
            What::Idle => self.idle = Some(moment),
            _ => {}
        }
    }

    /// The held calls of a batch come anew, decided on.
    fn resume(&mut self, batch: usize, moment: Moment) {
        self.courses[batch].begun = Some(moment);
        self.courses[batch].returned = None;
        for &call in &self.stage.plan.batches[batch].calls {
            let (plan, life) = (&self.stage.plan.calls[call], &mut self.lives[call]);
            if life.answer().is_none_or(|answer| answer.code != "held") {
                continue;
            }
            life.held = life.known.pop();
            life.came_before = life.opened.take().or(life.submitted);
            life.submitted = Some(moment.at);
            if plan.is_held() {
                life.decided = Some(moment.at);
            }
        }
    }

    /// What follows from all entries together.
    fn conclude(&mut self) {
        for call in 0..self.lives.len() {
            let plan = &self.stage.plan.calls[call];
            // A parent is before its children.
            let parent = plan
                .parent
                .map_or(NEVER, |parent| self.lives[parent].settled);
            let dropped = self.courses[plan.batch]
                .dropped
                .map_or(NEVER, |moment| moment.at);
            let life = &mut self.lives[call];
            let answer = life.answer();
            let reported = answer.and_then(|answer| answer.started);
            let seen = life
                .layered
                .into_iter()
                .chain(life.runs.first().map(|run| run.from))
                .map(|moment| moment.at);
            let (started, settled) = (
                seen.chain(reported).min().unwrap_or(NEVER),
                answer
                    .map_or(NEVER, |answer| answer.finished)
                    .min(dropped)
                    .min(parent),
            );
            let fatal = answer
                .filter(|answer| answer.is_fatal)
                .map(|answer| answer.finished);
            (life.started, life.settled) = (started, settled);
            let course = &mut self.courses[plan.batch];
            course.fatal = course.fatal.into_iter().chain(fatal).min();
        }
        for call in (0..self.lives.len()).rev() {
            let life = &mut self.lives[call];
            life.dead = life.dead.max(life.settled).max(life.gone());
            life.surely_alive = life.surely_alive.max(life.gone());
            let (dead, alive) = if life.submitted.is_some() {
                (life.dead, life.surely_alive)
            } else {
                (0, 0)
            };
            if let Some(parent) = self.stage.plan.calls[call].parent {
                let parent = &mut self.lives[parent];
                parent.dead = parent.dead.max(dead);
                parent.surely_alive = parent.surely_alive.max(alive);
            }
        }
        self.times = self
            .entries
            .iter()
            .map(|entry| entry.at)
            .chain(self.lives.iter().map(|life| life.settled))
            .collect();
        self.times.retain(|at| *at != NEVER);
        self.times.sort_unstable();
        self.times.dedup();
    }

    /// How much work waits for a thread when nothing more happens at that time.
    pub(crate) fn queued(&self, at: u64) -> usize {
        self.queued
            .iter()
            .take_while(|(from, _)| *from <= at)
            .last()
            .map_or(0, |(_, queued)| *queued)
    }

    /// Whether a thread of the call, or of a call within it, is under way at that time.
    pub(crate) fn has_thread(&self, call: usize, at: u64) -> bool {
        let own = |call: usize| {
            self.lives[call]
                .runs
                .iter()
                .any(|run| run.on_thread && run.from.at <= at && at <= run.end())
        };
        own(call)
            || (call..self.lives.len())
                .any(|other| own(other) && self.plan().is_within(other, call))
    }

    /// Whether a layer may have answered for the call, though the answer was not delivered.
    pub(crate) fn may_be_left(&self, call: usize) -> bool {
        let gives_up = matches!(self.call(call).mischief, Mischief::GiveUp(_));
        gives_up && self.lives[call].answer().is_none()
    }

    /// When the call has to be answered.
    pub(crate) fn deadline(&self, call: usize) -> Option<u64> {
        let (plan, life) = (self.call(call), &self.lives[call]);
        // Time passes while a call waits for a thread; if the start of that is not known, its
        // thread knows how much is left.
        if let Some(run) = life
            .runs
            .first()
            .filter(|run| run.on_thread && life.answer().is_none())
        {
            return run.deadline;
        }
        let own = plan
            .kind
            .time(&self.plan().world)
            .map(|time| life.started.saturating_add(time));
        own.into_iter()
            .chain(plan.parent.and_then(|parent| self.deadline(parent)))
            .min()
    }
}
