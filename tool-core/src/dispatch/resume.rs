//! What becomes of held calls when they are decided on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::admission::{denied, overload};
use super::batch::{Batch, Origin, Running};
use super::call::{Call, Called};
use super::policy::Decision;
use super::run_id::fingerprint;
use super::scheduler::CallId;
use super::setup::Setup;
use super::{not_started, span};
use crate::model::{HeldFor, ToolError, ToolResult, clip};

/// Why decisions do not fit the results of a message. Nothing ran, and the results are in here.
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
    let mut calls = BTreeMap::new();
    for result in results {
        if calls.insert(result.position(), result).is_some() {
            return Err(Why::TwoResults(result.position()));
        }
    }
    let mut runs = results
        .iter()
        .filter_map(|result| Some(&result.held()?.run));
    let first = runs.next();
    if !runs.all(|run| Some(run) == first) {
        return Err(Why::TwoMessages);
    }
    for (position, result) in &calls {
        if let Some(HeldFor::Earlier(earlier)) = result.held_for()
            && !calls.contains_key(&earlier)
        {
            let position = *position;
            return Err(Why::Missing { position, earlier });
        }
    }
    let mut decided = BTreeMap::new();
    for (position, decision) in decisions {
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

impl Setup {
    /// Goes on with the held calls of a message, unless the decisions do not fit them.
    pub(super) fn resume(
        self: Arc<Self>,
        results: Vec<ToolResult>,
        decisions: Vec<(usize, Decision)>,
    ) -> Result<impl Future<Output = Vec<ToolResult>> + Send + use<>, ResumeError> {
        match match_up(&results, decisions) {
            Ok(decisions) => Ok(self.go_on(results, decisions)),
            Err(why) => Err(ResumeError { results, why }),
        }
    }

    async fn go_on(
        self: Arc<Self>,
        results: Vec<ToolResult>,
        decisions: BTreeMap<usize, Decision>,
    ) -> Vec<ToolResult> {
        // Without a runtime nothing can run, and the calls stay held.
        if decisions.is_empty() || Handle::try_current().is_err() {
            return results;
        }
        let is_held = |result: &ToolResult| result.held().is_some();
        let order: Vec<usize> = results.iter().map(ToolResult::position).collect();
        let (held, mut all): (Vec<_>, Vec<_>) = results.into_iter().partition(is_held);
        all.extend(self.begin_held(held, decisions).results().await);
        let mut all: BTreeMap<_, _> = all.into_iter().map(|one| (one.position(), one)).collect();
        order
            .iter()
            .filter_map(|position| all.remove(position))
            .collect()
    }

    /// Starts held calls, in their order, as far as they are decided on.
    fn begin_held(
        self: &Arc<Self>,
        mut held: Vec<ToolResult>,
        mut decisions: BTreeMap<usize, Decision>,
    ) -> Running {
        held.sort_by_key(ToolResult::position);
        let run = held
            .first()
            .and_then(ToolResult::held)
            .map(|held| held.run.clone());
        let running = Running::new(Origin {
            run: run.map(Arc::new),
            ..self.origin(Some(span::of_batch(held.len())), Some(held.len()))
        });
        let batch = running.batch();
        batch.runtime();
        let mut waiting = Vec::with_capacity(held.len());
        let calls = held.into_iter().map(|result| {
            // What is ordered behind another was decided on.
            let decision = match result.held_for() {
                Some(HeldFor::Earlier(_)) => Decision::Allow,
                _ => decisions
                    .remove(&result.position())
                    .unwrap_or(Decision::Hold),
            };
            let called = self.admit_held(batch, &result, &decision);
            let tool = match &called {
                Ok(called) => Ok(called.tool),
                Err(error) => Err(error.clone()),
            };
            let (position, call) = (result.position(), result.call().clone());
            let call = Arc::new(Call::new(call, position, Arc::clone(batch), called.ok()));
            if let Some(held) = result.held() {
                call.was_held(held.definition.clone());
            }
            waiting.push((Arc::clone(&call), tool, decision));
            call
        });
        batch.set_calls(Arc::new(calls.collect()));
        let mut seated = Vec::with_capacity(waiting.len());
        for (call, tool, decision) in waiting {
            match tool.and_then(|tool| Ok((tool, self.seat_held(&call, tool)?))) {
                Ok((tool, seat)) => seated.push((call, tool, seat, decision)),
                Err(error) => call.refuse(error),
            }
        }
        // When all have their places: what is held stays before those behind it.
        for (call, tool, seat, decision) in seated {
            self.carry_out(&call, tool, seat, decision);
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
            return Err(denied(reason)); // whatever became of its tool
        }
        let called = self.admit(batch, result.call(), 0, None)?;
        let definition = fingerprint(self.tools.definition_at(called.tool));
        let is_same = result
            .held()
            .is_some_and(|held| held.definition == definition);
        if is_same || *decision == Decision::Hold {
            return Ok(called);
        }
        Err(not_started(&format!(
            "`{}` is not defined as it was when the call was held; make the call again",
            clip(result.name())
        )))
    }

    fn seat_held(&self, call: &Arc<Call>, tool: usize) -> Result<CallId, ToolError> {
        let spec = self.spec(tool, call.arguments());
        self.engine.with(|scheduler| {
            if scheduler.waiting() >= self.limits.queue {
                return Err(overload(self.limits.queue));
            }
            let batch = call.batch.open(scheduler, None);
            let seat = scheduler.reserve(batch, call.position, Arc::clone(call), spec);
            call.take_seat(seat);
            Ok(seat)
        })
    }
}
