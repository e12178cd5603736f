//! Runs many cases on all cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::check;
use crate::draw;
use crate::plan::Plan;
use crate::run::run;
use crate::world::World;

/// Cases, unless set by `PROMISE_CASES`.
const CASES: u64 = 2500;

/// Time to look for a smaller case that fails as well.
const SHRINK_MILLIS: u32 = 60_000;

/// Bytes of stack to draw calls within calls on.
const STACK: usize = 64 << 20;

pub(crate) fn run_all() {
    let cases = variable("PROMISE_CASES").unwrap_or(CASES);
    let first = variable("PROMISE_SEED").unwrap_or_default();
    silence_panics_on_purpose();
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while failures.lock().unwrap().is_empty() {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases {
                break;
            }
            if let Err(failure) = run_one(first.wrapping_add(case)) {
                failures.lock().unwrap().push(failure);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work)
                .unwrap();
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("`{name}` is a number, not `{value}`"))
    })
}

fn run_one(seed: u64) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        max_shrink_time: SHRINK_MILLIS,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let drawn = draw::world()
        .new_tree(&mut runner)
        .map_err(|why| format!("nothing can be drawn: {why}"))?;
    let judge = |world| judge(world).map_err(|faults| TestCaseError::fail(faults.join("\n")));
    match runner.run_one(drawn, judge) {
        Ok(_) => Ok(()),
        Err(TestError::Abort(why)) => Err(format!("seed {seed}: {why}")),
        Err(TestError::Fail(_, world)) => Err(format!(
            "PROMISE_SEED={seed} PROMISE_CASES=1\n{}",
            report(world)
        )),
    }
}

/// Lets a world happen, and says what is wrong with that.
fn judge(world: World) -> Result<(), Vec<String>> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(Plan::of(world))))
        .map_err(|_| vec!["it panicked".to_owned()])?;
    let faults = check::faults(outcome);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// What a person needs to see what went wrong.
fn report(world: World) -> String {
    let plan = Plan::of(world.clone());
    let outcome = match catch_unwind(AssertUnwindSafe(|| run(Plan::of(world)))) {
        Ok(outcome) => outcome,
        Err(_) => return format!("{plan:#?}\nit panicked"),
    };
    let trace: Vec<_> = outcome
        .stage
        .trace
        .entries()
        .iter()
        .map(ToString::to_string)
        .collect();
    format!(
        "{}\n{}\n{}",
        check::faults(outcome).join("\n"),
        describe(&plan),
        trace.join("\n")
    )
}

fn describe(plan: &Plan) -> String {
    let world = &plan.world;
    let mut lines = vec![
        format!(
            "limit {}, threads {}, timeout {:?}, {:?}",
            world.limit, world.threads, world.timeout, world.bounds
        ),
        format!(
            "policy {}, layer {:?}, idle {:?}",
            world.has_policy, world.layered, world.idle
        ),
    ];
    lines.extend(
        world
            .kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| format!("drawn_{at}: {kind:?}")),
    );
    for (at, batch) in plan.batches.iter().enumerate() {
        lines.push(format!(
            "batch {at} of {:?} at {}: {:?}, calls {:?}",
            batch.parent, batch.at, batch.caller, batch.calls
        ));
    }
    for (at, call) in plan.calls.iter().enumerate() {
        let crate::plan::Call {
            name,
            arguments,
            bed,
            room,
            failures,
            steps,
            end,
            word,
            mischief,
            ..
        } = call;
        lines.push(format!(
            "call {at}: {name} {arguments:?} bed {bed} room {room}, fails {failures}, {steps:?} {end:?}, {word:?}, {mischief:?}{}",
            if call.panics_when_dropped { ", panics when dropped" } else { "" }
        ));
    }
    lines.join("\n")
}

/// Keeps what tools do on purpose out of what a person reads.
fn silence_panics_on_purpose() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic
            .payload()
            .downcast_ref::<&str>()
            .copied()
            .map(str::to_owned);
        let text = text.or_else(|| panic.payload().downcast_ref::<String>().cloned());
        if text.is_none_or(|text| !text.contains("on purpose")) {
            usual(panic);
        }
    }));
}
