//! Calls that can run do run: free permits are used, by nested work first, then by batches in turn,
//! in call order.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{History, Life, NEVER};
use crate::plan::Call;
use crate::world::Verdict;

use super::codes::is_turn;

/// How often another batch may be served before one that waits, for each time that it is served
/// itself.
const OVERTAKEN: usize = 2;

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    let mut eager: Vec<usize> = Vec::new();
    let mut overtaken: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut waits_since = BTreeMap::new();
    let mut queued = 0;
    for &at in &history.times {
        let still = Scene::at(history, at);
        faults.extend(still.idle_permits());
        faults.extend(still.stuck_parents());
        faults.extend(still.full_queue());
        // One that has waited for a thread had its permit before.
        let begins =
            |call: &Call, life: &Life| life.started == at && !(call.kind.is_sync && queued > 0);
        let starts: Vec<usize> = history
            .all()
            .filter(|(_, call, life)| begins(call, life))
            .map(|(call, ..)| call)
            .collect();
        // One that has its permits back has them before those that start.
        let continued = history
            .all()
            .filter(|(_, _, life)| life.waits.iter().any(|(_, to)| *to == at))
            .map(|(call, ..)| call);
        let served_now: Vec<usize> = continued.chain(starts.iter().copied()).collect();
        let passed = eager
            .iter()
            .filter(|call| still.wants_a_permit(**call) && !flickers(history, **call, &served_now));
        // A call whose arguments do not decode is answered when its turn comes.
        let undecoded = history
            .all()
            .filter(|(_, call, life)| !call.is_sound() && life.settled == at)
            .map(|(_, call, _)| call.batch);
        // The trace does not show when a call begins to wait for a thread.
        let unseen = history
            .all()
            .filter(|(_, call, life)| call.kind.is_sync && (still.queued > 0 || life.started == at))
            .map(|(_, call, _)| call.batch);
        let served = undecoded
            .chain(unseen)
            .chain(starts.iter().map(|&call| history.call(call).batch));
        let passed = passed.copied().collect();
        check_turns_taken(history, at, &passed, &starts, faults);
        check_turns_of_batches(
            history,
            at,
            &passed,
            &starts,
            &served.collect(),
            &mut overtaken,
            faults,
        );
        still.check_queue_time(&mut waits_since, faults);
        queued = still.queued;
        eager = (0..history.lives.len())
            .filter(|&call| still.wants_a_permit(call))
            .collect();
    }
}

/// Whether it may have been held up in between by a call that started or continued now.
fn flickers(history: &History, call: usize, served: &[usize]) -> bool {
    let plan = history.call(call);
    let is_in_its_way = |&other: &usize| {
        let same_tool = plan.kind.concurrency.is_some() && history.call(other).name == plan.name;
        let same_key = history.key(call).is_some() && history.key(call) == history.key(other);
        same_tool || same_key
    };
    served.iter().any(is_in_its_way)
}

/// Of those that wanted a permit before, `passed` got none, though `starts` did.
fn check_turns_taken(
    history: &History,
    at: u64,
    passed: &BTreeSet<usize>,
    starts: &[usize],
    faults: &mut Vec<String>,
) {
    for &waiting in passed {
        for &started in starts {
            let (first, second) = (history.call(waiting), history.call(started));
            if first.depth > 0 && second.depth == 0 {
                faults.push(format!(
                    "at {at}: call {started} starts before call {waiting}, which is nested"
                ));
            }
            if first.batch == second.batch && first.position < second.position {
                faults.push(format!(
                    "at {at}: call {started} starts before call {waiting} of the same batch"
                ));
            }
        }
    }
}

/// As long as a batch waits, others are served as often as it is.
fn check_turns_of_batches(
    history: &History,
    at: u64,
    passed: &BTreeSet<usize>,
    starts: &[usize],
    served: &BTreeSet<usize>,
    overtaken: &mut BTreeMap<(usize, usize), usize>,
    faults: &mut Vec<String>,
) {
    let batch = |call: &usize| history.call(*call).batch;
    let top = |call: &&usize| history.call(**call).depth == 0;
    let waiting: BTreeSet<usize> = passed
        .iter()
        .filter(top)
        .map(batch)
        .filter(|batch| !served.contains(batch))
        .collect();
    overtaken.retain(|(one, _), _| waiting.contains(one));
    for &one in &waiting {
        for other in starts.iter().filter(top).map(batch) {
            let times = overtaken.entry((one, other)).or_default();
            *times += 1;
            if *times == OVERTAKEN + 1 {
                faults.push(format!(
                    "at {at}: batch {other} is served over and over while batch {one} waits"
                ));
            }
        }
    }
}

/// How things are when nothing more happens at a time.
struct Scene<'a> {
    history: &'a History,
    at: u64,
    /// Calls that may hold permits.
    unfinished: Vec<usize>,
    /// Those of them that may not be waiting for nested calls.
    running: Vec<usize>,
    queued: usize,
}

impl<'a> Scene<'a> {
    fn at(history: &'a History, at: u64) -> Self {
        let lives = &history.lives;
        let unfinished = |call: &usize| {
            let life = &lives[*call];
            let is_open = life.settled > at || life.dead > at;
            life.started <= at && is_open || life.runs.iter().any(|run| run.is_alive(at))
        };
        let waits = |call: usize| lives[call].is_waiting(at) && lives[call].settled > at;
        let unfinished: Vec<_> = (0..lives.len()).filter(unfinished).collect();
        let running = unfinished.iter().copied().filter(|call| !waits(*call));
        Self {
            history,
            at,
            running: running.collect(),
            unfinished,
            queued: history.queued(at),
        }
    }

    /// Those that count against the call's start.
    fn counted(&self, call: usize) -> &[usize] {
        if self.history.call(call).depth > 0 {
            &self.running
        } else {
            &self.unfinished
        }
    }

    /// Permits that are unused, though a call could use them.
    fn idle_permits(&self) -> Vec<String> {
        let limit = self.history.plan().world.limit;
        let has_permit = |call: &usize| self.counted(*call).len() + self.queued < limit;
        let calls = (0..self.history.lives.len()).filter(has_permit);
        let idle = calls.filter(|&call| self.wants_a_permit(call));
        let fault = |call| {
            let (at, counted) = (self.at, self.counted(call));
            format!("at {at}: call {call} could run and does not; {counted:?} of {limit} run")
        };
        idle.map(fault).collect()
    }

    /// Calls that wait for nested ones which are all answered.
    fn stuck_parents(&self) -> Vec<String> {
        let stuck = (0..self.history.lives.len()).filter(|&call| self.could_continue(call));
        let fault = |call| format!("at {}: call {call} could continue and does not", self.at);
        stuck.map(fault).collect()
    }

    /// More calls that wait than may.
    fn full_queue(&self) -> Option<String> {
        let (at, most) = (self.at, self.history.plan().world.bounds.queue);
        let waits = |life: &Life| {
            let is_reported = life.answer().is_some() || life.started != NEVER;
            // A call that is resumed was admitted before.
            is_reported
                && life.held.is_none()
                && life.submitted.is_some_and(|came| came <= at)
                && life.started > at
                && life.settled > at
        };
        let waiting = self
            .history
            .lives
            .iter()
            .filter(|life| waits(life))
            .count()
            .saturating_sub(self.queued);
        (waiting > most).then(|| format!("at {at}: {waiting} calls wait, more than {most}"))
    }

    /// Whether all that the call waits for is a permit of the dispatcher.
    fn wants_a_permit(&self, call: usize) -> bool {
        let (plan, life) = (self.history.call(call), &self.history.lives[call]);
        let course = &self.history.courses[plan.batch];
        let is_here = life.submitted.is_some_and(|came| came <= self.at)
            && life.settled > self.at
            && life.started > self.at;
        let may_run = self.can_run(call) && course.over() > self.at;
        let is_decided = plan.word.is_none_or(|word| {
            let is_allowed = match word.verdict {
                Verdict::Allow | Verdict::Edit(_) => true,
                Verdict::Hold { allowed } => allowed && life.held.is_some(),
                _ => false,
            };
            is_allowed && life.decided.is_some_and(|decided| decided <= self.at)
        });
        let has_thread = !plan.kind.is_sync || self.queued == 0;
        is_here
            && may_run
            && !self.may_be_answered(call)
            && is_decided
            && has_thread
            && self.is_in_turn(call)
            && self.has_tool_permit(call)
            && !self.is_held_up(call)
    }

    fn can_run(&self, call: usize) -> bool {
        let (plan, bounds) = (self.history.call(call), &self.history.plan().world.bounds);
        plan.is_sound() && plan.position < bounds.calls && plan.depth <= bounds.nesting
    }

    /// Whether it may have an answer that was not delivered.
    fn may_be_answered(&self, call: usize) -> bool {
        let history = self.history;
        let is_reported =
            history.lives[call].answer().is_some() || history.lives[call].started != NEVER;
        let has_small_queue = history.plan().world.bounds.queue < history.lives.len();
        let has_threads = history
            .lives
            .iter()
            .any(|life| life.runs.iter().any(|run| run.on_thread));
        let plan = history.call(call);
        let up_to = &history.plan().batches[plan.batch].calls[..=plan.position];
        let may_be_held = up_to.iter().any(|&call| history.call(call).is_held());
        let queue_time = history.plan().world.bounds.queue_time;
        let came = history.lives[call].submitted.unwrap_or(NEVER);
        !is_reported
            && (self.at >= came.saturating_add(queue_time)
                || has_small_queue
                || may_be_held
                || has_threads
                || history.call(call).parent.is_some()
                || !self.can_run(call))
    }

    /// Whether the message has arrived so far that it may start.
    fn is_in_turn(&self, call: usize) -> bool {
        let plan = self.history.call(call);
        let has_ended = self.history.courses[plan.batch]
            .ended
            .is_some_and(|ended| ended <= self.at);
        let mut before = self.history.plan().batches[plan.batch].calls[..plan.position].iter();
        !is_turn(self.history, plan.batch)
            || has_ended
            || before.all(|&earlier| {
                let life = &self.history.lives[earlier];
                let held = life.held.as_ref().map_or(NEVER, |(_, held)| held.finished);
                life.started.min(life.settled).min(held) <= self.at
            })
    }

    fn has_tool_permit(&self, call: usize) -> bool {
        let plan = self.history.call(call);
        let held = self
            .counted(call)
            .iter()
            .filter(|&&other| self.history.call(other).name == plan.name)
            .count();
        plan.kind
            .concurrency
            .is_none_or(|most| held + if plan.kind.is_sync { self.queued } else { 0 } < most)
    }

    /// Whether order or a key, or what may have taken one, is in its way.
    fn is_held_up(&self, call: usize) -> bool {
        let history = self.history;
        let (plan, key) = (history.call(call), history.key(call));
        let has_key = |other: usize| {
            let (life, is_sync) = (&history.lives[other], history.call(other).kind.is_sync);
            let may_wait_for_thread =
                is_sync && self.queued > 0 && life.submitted.is_some_and(|came| came <= self.at);
            history.key(other) == key
                && (life.started <= self.at || may_wait_for_thread)
                && life.dead > self.at
        };
        let mut others = (0..history.lives.len())
            .filter(|&other| other != call && !history.plan().is_within(call, other));
        // A key goes to the batch that has waited for it the longest, which may not be this one.
        let waits_longer = |other: usize| {
            let life = &history.lives[other];
            let came = life.submitted.unwrap_or(NEVER);
            let waits = came <= self.at && life.started > self.at && life.settled > self.at;
            let is_other_batch = history.call(other).batch != plan.batch;
            waits && is_other_batch && history.key(other) == key
        };
        if key.is_some() && others.any(|other| has_key(other) || waits_longer(other)) {
            return true;
        }
        history.plan().batches[plan.batch].calls[..plan.position]
            .iter()
            .any(|&earlier| {
                let (before, life) = (history.call(earlier), &history.lives[earlier]);
                let is_barrier = plan.kind.exclusive || before.kind.exclusive;
                // What it was to be keyed by before the policy had its word, or what does not
                // decode, may count too.
                let may_share_key =
                    plan.kind.serialize_by == before.kind.serialize_by && key.is_some();
                (is_barrier || may_share_key) && life.dead > self.at
            })
    }

    /// Whether it waited for calls within it that are all answered.
    fn could_continue(&self, call: usize) -> bool {
        let (history, life) = (self.history, &self.history.lives[call]);
        let is_waiting = life.is_waiting(self.at) && life.settled > self.at;
        let open = |(_, child, life): (usize, &Call, &Life)| {
            child.parent == Some(call)
                && life.submitted.is_some_and(|came| came <= self.at)
                && life.settled > self.at
        };
        is_waiting && !history.all().any(open)
    }

    /// A call that waits for its turn is answered after a while, unless a decision is pending in
    /// its batch meanwhile.
    fn check_queue_time(&self, since: &mut BTreeMap<usize, u64>, faults: &mut Vec<String>) {
        let (history, at) = (self.history, self.at);
        let most = history.plan().world.bounds.queue_time;
        for (call, plan, life) in history.all() {
            let waits = life.submitted.is_some_and(|came| came <= at)
                && life.settled > at
                && life.started > at;
            let decides = |(_, other, life): (usize, &Call, &Life)| {
                let is_asked = life.submitted.is_some_and(|came| came <= at);
                let is_open = life.settled > at && life.decided.is_none_or(|moment| moment >= at);
                let is_here = is_asked && is_open || life.waited_before(at);
                other.batch == plan.batch && other.word.is_some() && is_here
            };
            if !waits
                || self.may_be_answered(call)
                || !self.is_in_turn(call)
                || self.queued > 0
                || history.all().any(decides)
                || life.settled == NEVER
            {
                since.remove(&call);
                continue;
            }
            let since = *since.entry(call).or_insert(at);
            // A call is looked at again an eighth of the time after one that made no progress.
            if at - since > most + most / 8 + 10 {
                faults.push(format!(
                    "at {at}: call {call} of batch {} waits for its turn since {since}",
                    plan.batch
                ));
            }
        }
    }
}
