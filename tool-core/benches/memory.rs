//! What it takes from the allocator to answer a message, beside the same tools run by hand: `cargo
//! bench -p tool-core`.
//!
//! The forms are those of `speed.rs`, which is a program of its own because counting slows the
//! allocator down.

#[expect(dead_code, reason = "the rest is for `speed.rs`")]
mod support;

use std::alloc::System;
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Either, select};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::{Builder, Runtime};

use support::Result;
use support::definitions;
use support::forms::{Form, Program};
use support::table::{self, Rounds, Row, Target};
use support::tools::{ARGUMENTS, WAITING, message};

/// Counts what all threads do.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
}

/// Allocations from the first poll to the last answer, those of the tool included; blocks that grow
/// count once more.
fn allocations(runtime: &Runtime, calls: usize, most: f64) -> Row<'_> {
    let program = Program::new(|dispatcher| dispatcher);
    let messages = 1_000 / calls;
    let measure = move |form| {
        let messages = vec![message("get_patient", ARGUMENTS, calls); messages];
        let total = (messages.len() * calls) as f64;
        runtime.block_on(async {
            let region = Region::new(ALLOCATOR);
            for calls in messages {
                black_box(program.answer(form, calls).await?);
            }
            let change = region.change();
            Ok((change.allocations + change.reallocations) as f64 / total)
        })
    };
    let title = format!("allocations per call, {calls} at once");
    Row {
        title,
        target: Target::AtMost(most),
        forms: &Form::ALL,
        measure: Box::new(measure),
    }
}

/// Bytes of calls that wait, less those of the message: what a form has freed by then of the calls
/// and of their strings counts in its favour.
fn parked() -> Row<'static> {
    const CALLS: usize = 1_000;
    let program = Program::new(|dispatcher| dispatcher.with_max_concurrency(CALLS));
    let measure = move |form| {
        let runtime = runtime()?; // takes its tasks away with it, of which "spawned" has some left
        runtime.block_on(async {
            program
                .answer(form, message("get_patient", ARGUMENTS, 100))
                .await?; // what threads allocate once
            settle().await;
            WAITING.store(0, Ordering::SeqCst);
            let calls = message("wait", ARGUMENTS, CALLS);
            let region = Region::new(ALLOCATOR);
            let answer = pin!(program.answer(form, calls));
            let all_wait = pin!(async {
                while WAITING.load(Ordering::SeqCst) < CALLS {
                    tokio::task::yield_now().await;
                }
                settle().await;
            });
            match select(answer, all_wait).await {
                Either::Left(_) => Err("a call did not wait".into()),
                Either::Right(_) => {
                    let change = region.change();
                    Ok(
                        (change.bytes_allocated as f64 - change.bytes_deallocated as f64)
                            / CALLS as f64,
                    )
                }
            }
        })
    };
    let title = format!("live bytes per waiting call, {CALLS} at once");
    Row {
        title,
        target: Target::AtMost(650.0),
        forms: &Form::ALL,
        measure: Box::new(measure),
    }
}

/// Until the threads of a runtime have done what is left to do.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn reading() -> Row<'static> {
    let tools = definitions::by_attribute();
    let measure = move |_| {
        tools.definitions_json();
        let region = Region::new(ALLOCATOR);
        black_box(tools.definitions_json());
        let change = region.change();
        Ok((change.allocations + change.reallocations) as f64)
    };
    let title = "allocations to read 50 definitions again as JSON".to_owned();
    Row {
        title,
        target: Target::AtMost(0.0),
        forms: &[Form::Ours],
        measure: Box::new(measure),
    }
}

fn main() -> Result<()> {
    if !table::is_asked_for() {
        return Ok(());
    }
    let runtime = runtime()?;
    let rows = vec![
        allocations(&runtime, 1, 10.0),
        allocations(&runtime, 1_000, 9.0),
        parked(),
        reading(),
    ];
    table::print(Rounds { full: 11, quick: 3 }, rows)
}
