//! Resuming held calls after their approval or denial.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::runtime::Handle;

use super::admission::denied;
use super::batch::{Batch, Origin, Running};
use super::call::{Call, Called, Stop};
use super::key::Key;
use super::policy::Decision;
use super::scheduler::{CallId, Spec};
use super::setup::Setup;
use super::stream::DispatchEvent;
use super::{not_started, span};
use crate::model::{HeldFor, ToolError, ToolResult, clip};

/// Why decisions do not match the results of a message. Nothing ran; the error holds the results.
#[derive(Clone, Debug)]
pub struct ResumeError {
    results: Vec<ToolResult>,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NoCall(usize),
    Answered(usize),
    Behind { position: usize, earlier: usize },
    DecidedTwice(usize),
    TwoResults(usize),
    Missing { position: usize, earlier: usize },
    TwoMessages,
}

impl ResumeError {
    /// The results, as they were given.
    pub fn into_results(self) -> Vec<ToolResult> {
        self.results
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::NoCall(position) => write!(f, "there is no call at position {position}"),
            Why::Answered(position) => {
                write!(
                    f,
                    "call {position} does not wait for a decision: it is answered"
                )
            }
            Why::Behind { position, earlier } => write!(
                f,
                "call {position} does not wait for a decision, but for call {earlier}: decide on that"
            ),
            Why::DecidedTwice(position) => {
                write!(f, "there are two decisions on call {position}; give one")
            }
            Why::TwoResults(position) => {
                write!(
                    f,
                    "two results have position {position}; give those of one message"
                )
            }
            Why::Missing { position, earlier } => write!(
                f,
                "call {position} waits for call {earlier}, whose result is missing; give all results of the message"
            ),
            Why::TwoMessages => {
                f.write_str("the held calls are of different messages; resume each by itself")
            }
        }
    }
}

impl std::error::Error for ResumeError {}

/// Whether the decisions are on held calls of one message: then by their positions.
fn match_up(
    results: &[ToolResult],
    decisions: Vec<(usize, Decision)>,
) -> Result<BTreeMap<usize, Decision>, Why> {
    // Results may come from a store, so nothing about them is taken for granted.
    let mut calls = BTreeMap::new();
    for result in results {
        if calls.insert(result.position(), result).is_some() {
            return Err(Why::TwoResults(result.position()));
        }
    }
    let mut runs = results
        .iter()
        .filter_map(|result| Some(&result.held()?.run));
    // Idempotency keys depend on the run: mixed messages would get wrong ones.
    let first = runs.next();
    if !runs.all(|run| Some(run) == first) {
        return Err(Why::TwoMessages);
    }
    // A call without its predecessor could run before that is decided on.
    for (position, result) in &calls {
        if let Some(HeldFor::Earlier(earlier)) = result.held_for()
            && (earlier >= *position || !calls.contains_key(&earlier))
        {
            let position = *position;
            return Err(Why::Missing { position, earlier });
        }
    }
    let mut decided = BTreeMap::new();
    for (position, decision) in decisions {
        // A decision on the wrong call must not be ignored: the person meant another one.
        let result = calls.get(&position).ok_or(Why::NoCall(position))?;
        match result.held_for() {
            Some(HeldFor::Decision) => {}
            Some(HeldFor::Earlier(earlier)) => return Err(Why::Behind { position, earlier }),
            None => return Err(Why::Answered(position)),
        }
        if decided.insert(position, decision).is_some() {
            return Err(Why::DecidedTwice(position));
        }
    }
    Ok(decided)
}

/// A resumed message with held calls; made by [`Dispatcher::resume_stream`]. As a stream it
/// yields what happens to the calls that run; dropped, it stops them.
///
/// [`Dispatcher::resume_stream`]: crate::Dispatcher::resume_stream
#[must_use = "dropped, it stops what it has started"]
pub struct ResumedBatch {
    /// The calls that run now, if any do.
    running: Option<Running>,
    /// All results of the message, as they were given.
    results: Vec<ToolResult>,
    /// Where in them those of the running calls go.
    slots: Vec<usize>,
}

impl ResumedBatch {
    /// One result for every call of the message, when the last is there.
    ///
    /// # Cancel safety
    /// Dropping the future stops the calls, as dropping the batch does.
    pub async fn finish(mut self) -> Vec<ToolResult> {
        match self.running.take() {
            Some(running) => {
                let done = running.results().await;
                self.with(done)
            }
            None => self.results,
        }
    }

    /// Answers every call that runs now: stopped at its next await. Held ones stay held.
    pub fn cancel(mut self) -> Vec<ToolResult> {
        match self.running.take() {
            Some(running) => {
                running.batch().cancel(Stop::Cancel);
                let done = running.batch().take_results();
                self.with(done)
            }
            None => self.results,
        }
    }

    fn with(mut self, done: Vec<ToolResult>) -> Vec<ToolResult> {
        for (at, result) in self.slots.into_iter().zip(done) {
            self.results[at] = result;
        }
        match self.results.iter().any(is_fatal) {
            true => self.results.into_iter().map(not_after_fatal).collect(),
            false => self.results,
        }
    }
}

impl Stream for ResumedBatch {
    type Item = DispatchEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<DispatchEvent>> {
        match &self.running {
            Some(running) => running.batch().poll_event(cx),
            None => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for ResumedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumedBatch")
            .field("results", &self.results.len())
            .field("running", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl Setup {
    /// Resumes the held calls of a message, unless the decisions do not match them. `observed`:
    /// whether events are read.
    pub(super) fn resume(
        self,
        results: Vec<ToolResult>,
        decisions: Vec<(usize, Decision)>,
        observed: bool,
    ) -> Result<impl FnOnce() -> ResumedBatch + Send + use<>, ResumeError> {
        match match_up(&results, decisions) {
            Ok(decisions) => Ok(move || self.continue_run(results, decisions, observed)),
            Err(why) => Err(ResumeError { results, why }),
        }
    }

    fn continue_run(
        self,
        results: Vec<ToolResult>,
        mut decisions: BTreeMap<usize, Decision>,
        observed: bool,
    ) -> ResumedBatch {
        let nothing = |results| ResumedBatch {
            running: None,
            results,
            slots: Vec::new(),
        };
        // After a fatal error nothing of the message may start.
        if results.iter().any(is_fatal) {
            return nothing(results.into_iter().map(not_after_fatal).collect());
        }
        // Without a runtime nothing can run, and the calls stay held.
        if decisions.is_empty() || Handle::try_current().is_err() {
            return nothing(results);
        }
        let stay = stay_held(&results, &decisions);
        let (mut places, mut going) = (Vec::new(), Vec::new());
        for (at, result) in results.iter().enumerate() {
            if stay.contains(&result.position()) {
                places.push(result);
            } else if result.held().is_some() {
                let decision = decisions.remove(&result.position());
                // Without a decision of its own it was held only because of an earlier call.
                going.push((at, result, decision.unwrap_or(Decision::Allow)));
            }
        }
        // Stored results may have any order; calls start in call order.
        going.sort_by_key(|(_, result, _)| result.position());
        let running = self.begin_held(&places, &going, observed);
        let slots = going.iter().map(|(at, ..)| *at).collect();
        ResumedBatch {
            running: Some(running),
            results,
            slots,
        }
    }

    /// Starts held calls, in their order, around the places of those that stay held.
    fn begin_held(
        &self,
        places: &[&ToolResult],
        going: &[(usize, &ToolResult, Decision)],
        observed: bool,
    ) -> Running {
        let run = going.iter().find_map(|(_, result, _)| result.held());
        let running = Running::new(Origin {
            run: run.map(|held| Arc::new(held.run.clone())),
            observed,
            ..self.origin(Some(span::of_batch(going.len())), Some(going.len()))
        });
        let batch = running.batch();
        batch.runtime();
        // These places first, or calls that are ordered behind them would start.
        for result in places {
            let spec = self.spec_of_held(result);
            self.engine.with(|scheduler| {
                let id = batch.open(scheduler, None);
                scheduler.hold_place(id, result.position(), &spec);
            });
        }
        let mut waiting = Vec::with_capacity(going.len());
        for (_, result, decision) in going {
            let admitted = self.admit_held(batch, result, decision);
            let (called, refused) = match admitted {
                Ok(called) => (Some(called), None),
                Err(error) => (None, Some(error)),
            };
            let (position, call) = (result.position(), result.call().clone());
            let call = Arc::new(Call::new(call, position, Arc::clone(batch), called));
            if let Some(held) = result.held() {
                call.was_held(held.definition.clone());
            }
            waiting.push((call, called, refused, decision));
        }
        let calls = waiting.iter().map(|(call, ..)| Arc::clone(call));
        batch.set_calls(Arc::new(calls.collect()));
        // After `set_calls`: an answer may be the last one, and lets the caller take the results.
        let mut seated = Vec::with_capacity(waiting.len());
        for (call, called, refused, decision) in waiting {
            if let Some(error) = refused {
                call.refuse(error);
            } else if let Some(Called { tool, .. }) = called {
                let seat = self.seat_held(&call, tool);
                seated.push((call, tool, seat, decision));
            }
        }
        // When all have their places, so that none passes an earlier one.
        for (call, tool, seat, decision) in seated {
            self.carry_out(&call, tool, seat, decision.clone());
        }
        self.close(batch);
        running
    }

    /// The tool of a held call, or why the call cannot run.
    fn admit_held(
        &self,
        batch: &Batch,
        result: &ToolResult,
        decision: &Decision,
    ) -> Result<Called, ToolError> {
        if let Decision::Deny(reason) = decision {
            return Err(denied(reason)); // whatever happened to its tool
        }
        // Position 0: the bound on calls of a message was applied when the message came.
        let called = self.admit(batch, result.call(), 0, None)?;
        // The approval is for the tool as it was; a changed one may do something else.
        let definition = self.tools.definition_at(called.tool).fingerprint();
        if result
            .held()
            .is_some_and(|held| held.definition == definition)
        {
            return Ok(called);
        }
        Err(not_started(&format!(
            "`{}` is not defined as it was when the call was held; make the call again",
            clip(result.name())
        )))
    }

    /// The place of a call that stays held. If its tool is gone, what is ordered behind
    /// it is not known.
    fn spec_of_held(&self, result: &ToolResult) -> Spec<Key> {
        match self.tools.position(result.name()) {
            Some(tool) => self.spec(tool, &result.call().arguments),
            // The safe choice: nothing passes it.
            None => Spec {
                exclusive: true,
                ..Spec::none()
            },
        }
    }

    /// The call was admitted when its message came: the bound of the queue is not for it.
    fn seat_held(&self, call: &Arc<Call>, tool: usize) -> CallId {
        let spec = self.spec(tool, call.arguments());
        self.engine.with(|scheduler| {
            let batch = call.batch.open(scheduler, None);
            let seat = scheduler.reserve(batch, call.position, Arc::clone(call), spec);
            call.take_seat(seat);
            seat
        })
    }
}

/// The positions of calls that stay held: those that are not decided on, and those behind them.
fn stay_held(results: &[ToolResult], decisions: &BTreeMap<usize, Decision>) -> BTreeSet<usize> {
    let waits = |result: &ToolResult| Some((result.position(), result.held_for()?));
    let held: BTreeMap<_, _> = results.iter().filter_map(waits).collect();
    let mut stay = BTreeSet::new();
    // In call order: whether a call stays depends on the earlier ones.
    for (position, waits) in held {
        let stays = match waits {
            HeldFor::Earlier(earlier) => stay.contains(&earlier),
            HeldFor::Decision => {
                let decision = decisions.get(&position);
                decision.is_none_or(|decision| *decision == Decision::Hold)
            }
        };
        if stays {
            stay.insert(position);
        }
    }
    stay
}

/// Whether the program gave up on the whole message with this result.
fn is_fatal(result: &ToolResult) -> bool {
    result.outcome().is_err_and(ToolError::is_fatal)
}

/// After a fatal error nothing of its message starts.
fn not_after_fatal(result: ToolResult) -> ToolResult {
    if result.held().is_none() {
        return result;
    }
    let (call, position) = (result.call().clone(), result.position());
    ToolResult::not_run(call, position, Stop::Fatal.unstarted())
}
