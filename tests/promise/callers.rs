//! The callers: they dispatch messages and wait for the results.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tool_core::{DispatchEvent, Dispatcher, HeldFor, ResultStream, ToolResult};

use crate::policy::decide_later;
use crate::stage::Stage;
use crate::trace::What;
use crate::world::{Arrival, Caller, Turn, TurnEnd};

fn after(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Hands over a batch when it is time, and waits for its results as its caller does.
pub(crate) async fn call(stage: Arc<Stage>, dispatcher: Dispatcher, batch: usize) {
    let stage = &*stage;
    sleep(after(stage.plan.batches[batch].at)).await;
    let calls = stage.plan.tool_calls(batch);
    match &stage.plan.batches[batch].caller {
        Caller::Awaits => stage.hand_over(batch, dispatcher.dispatch(calls)).await,
        Caller::Drops(millis) => drop(
            timeout(
                after(*millis),
                stage.hand_over(batch, dispatcher.dispatch(calls)),
            )
            .await,
        ),
        Caller::Stalls(polls, millis) => {
            let wakes = Box::pin(sleep(after(*millis)));
            Stalling {
                polls: *polls,
                wakes,
                inner: Box::pin(stage.hand_over(batch, dispatcher.dispatch(calls))),
            }
            .await;
        }
        Caller::Reads(pause) => read(stage, batch, &mut dispatcher.stream(calls), *pause).await,
        Caller::ReadsAndDrops(pause, millis) => {
            let mut stream = dispatcher.stream(calls);
            if timeout(after(*millis), read(stage, batch, &mut stream, *pause))
                .await
                .is_err()
            {
                drop(stream);
                stage.note(What::Drops { batch });
            }
        }
        Caller::Turn(turn) => arrive(stage, batch, turn, dispatcher.streaming_batch()).await,
    }
    resume(stage, batch, &dispatcher).await;
}

/// Decides on the calls of a batch that are held, after a while, and from results as another
/// process would read them.
async fn resume(stage: &Stage, batch: usize, dispatcher: &Dispatcher) {
    let is_given_up = match &stage.plan.batches[batch].caller {
        Caller::Drops(_) | Caller::ReadsAndDrops(..) => true,
        Caller::Turn(turn) => matches!(turn.end, TurnEnd::Cancels | TurnEnd::Drops),
        _ => false,
    };
    let held = stage.held.lock().unwrap().remove(&batch);
    let Some(held) = held.filter(|_| !is_given_up) else {
        return;
    };
    sleep(after(20)).await;
    let calls = &stage.plan.batches[batch].calls;
    let stored = serde_json::to_string(&held).unwrap();
    let stored: Vec<ToolResult> = serde_json::from_str(&stored).unwrap();
    let is_asked = |result: &&ToolResult| result.held_for() == Some(HeldFor::Decision);
    let decide = |result: &ToolResult| {
        let call = calls[result.position()];
        (result.position(), decide_later(stage, call))
    };
    let decisions = stored.iter().filter(is_asked).map(decide).collect();
    stage.note(What::Resumes { batch });
    let results = dispatcher.resume(stored, decisions).unwrap().await;
    assert_eq!(
        results.len(),
        held.len(),
        "results of a batch that is resumed"
    );
    for (before, result) in held.iter().zip(&results) {
        assert_eq!(before.position(), result.position(), "positions");
        if before.held_for().is_some() {
            stage.trace.note_result(calls[result.position()], result);
        } else {
            assert_eq!(
                before.content(),
                result.content(),
                "an answer that was there"
            );
        }
    }
    stage.note(What::Returns {
        batch,
        results: results.len(),
    });
}

/// Reads results one at a time.
async fn read(stage: &Stage, batch: usize, stream: &mut ResultStream, pause: u64) {
    stage.note(What::Begins { batch });
    let mut results = Vec::new();
    while let Some(result) = stream.next().await {
        let call = stage.plan.batches[batch].calls.get(result.position());
        stage
            .trace
            .note_result(call.copied().unwrap_or(usize::MAX), &result);
        results.push(result);
        if pause > 0 {
            sleep(after(pause)).await;
        }
    }
    stage.note(What::Returns {
        batch,
        results: results.len(),
    });
    results.sort_by_key(ToolResult::position);
    stage.keep_held(batch, &results);
}

/// A future that is polled so many times, and then not before a while is over.
struct Stalling<F> {
    polls: u32,
    wakes: Pin<Box<Sleep>>,
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for Stalling<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.polls == 0 && self.wakes.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.polls = self.polls.saturating_sub(1);
        let polled = self.inner.as_mut().poll(cx);
        if self.polls == 0 {
            _ = self.wakes.as_mut().poll(cx);
        }
        polled
    }
}

/// What happens to a call of a turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open,
    Complete,
    CutOff,
}

/// A message that arrives bit by bit.
async fn arrive(stage: &Stage, batch: usize, plan: &Turn, mut turn: tool_core::StreamingBatch) {
    stage.note(What::Begins { batch });
    let begun = Instant::now();
    let (steps, last) = steps(plan, stage.plan.batches[batch].calls.len());
    for (at, position, step) in steps {
        sleep_until(begun + after(at)).await;
        let call = stage.plan.batches[batch].calls[position];
        let asked = stage.plan.tool_call(call);
        match step {
            Step::Open => {
                stage.note(What::Opens(call));
                assert_eq!(turn.open(asked.id, asked.name), position);
            }
            Step::Complete => {
                stage.note(What::Completes(call));
                turn.complete(position, asked.arguments);
            }
            Step::CutOff => {
                stage.note(What::CutsOff(call));
                turn.truncate(position);
            }
        }
    }
    sleep_until(begun + after(last + plan.rest)).await;
    end(stage, batch, plan.end, turn).await;
}

/// The steps of a message in order, and when the last is.
fn steps(plan: &Turn, calls: usize) -> (Vec<(u64, usize, Step)>, u64) {
    let mut steps = Vec::new();
    let mut opens = 0;
    for (position, (pause, arrival)) in (0..calls).zip(plan.arrivals.iter().cycle()) {
        opens += pause;
        steps.push((opens, position, Step::Open));
        match arrival {
            Arrival::Whole => steps.push((opens, position, Step::Complete)),
            Arrival::Later(millis) => steps.push((opens + millis, position, Step::Complete)),
            Arrival::CutOff(millis) => steps.push((opens + millis, position, Step::CutOff)),
            Arrival::Never => {}
        }
    }
    steps.sort();
    let last = steps.last().map_or(0, |(at, ..)| *at);
    (steps, last)
}

async fn end(stage: &Stage, batch: usize, end: TurnEnd, mut turn: tool_core::StreamingBatch) {
    match end {
        TurnEnd::Finishes => {
            stage.note(What::Ends { batch });
            stage.wait_for(batch, turn.finish()).await;
        }
        TurnEnd::Reads => {
            stage.note(What::Ends { batch });
            turn.end();
            let mut results = 0;
            while let Some(event) = turn.next().await {
                results += usize::from(matches!(event, DispatchEvent::Result(_)));
            }
            let all = turn.finish().await;
            assert_eq!(results, all.len(), "events of a turn");
            stage.note_results(batch, &all);
        }
        TurnEnd::Cancels => {
            let results = turn.cancel();
            stage.note(What::Cancels { batch });
            stage.note_results(batch, &results);
        }
        TurnEnd::Drops => {
            drop(turn);
            stage.note(What::Drops { batch });
        }
    }
}
