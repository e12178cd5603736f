//! Draws cases, plays and checks them.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::checks;
use super::plan::{Case, Form, case};
use super::play::{Played, play};

/// Time to look for a smaller case that fails as well.
const SHRINK_MILLIS: u32 = 30_000;

pub(super) fn run_all(usual: u64, forms: &[Form]) {
    silence_panics_on_purpose();
    let cases = variable("CHAOS_CASES").unwrap_or(usual);
    let first = variable("CHAOS_SEED").unwrap_or_default();
    for seed in first..first.saturating_add(cases) {
        let form = forms[usize::try_from(seed).unwrap() % forms.len()];
        if let Err(failure) = run_one(seed, form) {
            panic!("CHAOS_SEED={seed} CHAOS_CASES=1\n{failure}");
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("`{name}` is a number, not `{value}`"))
    })
}

fn run_one(seed: u64, form: Form) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        max_shrink_time: SHRINK_MILLIS,
        max_shrink_iters: 5_000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let drawn = case(form)
        .new_tree(&mut runner)
        .map_err(|why| format!("nothing can be drawn: {why}"))?;
    let check = |case| check_case(&case).map_err(|faults| TestCaseError::fail(faults.join("\n")));
    match runner.run_one(drawn, check) {
        Ok(_) => Ok(()),
        Err(TestError::Abort(why)) => Err(why.to_string()),
        Err(TestError::Fail(_, case)) => Err(report(&case)),
    }
}

/// Plays a case, and says what is wrong with it.
pub(super) fn check_case(case: &Case) -> Result<(), Vec<String>> {
    let played = played(case).map_err(|why| vec![why])?;
    let faults = checks::faults(case, &played);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

fn played(case: &Case) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(case.form != Form::Http)
        .build()
        .unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(case))))
        .map_err(|_| "it panicked".to_owned())
}

/// What a person needs to see what went wrong.
fn report(case: &Case) -> String {
    let Ok(played) = played(case) else {
        return format!("{case:#?}\nit panicked");
    };
    let mut lines = checks::faults(case, &played);
    lines.push(format!("{case:?}\n{:?}", played.notes));
    for run in &played.runs {
        lines.push(format!("{:?}", run.outcome));
        lines.extend(run.events.iter().map(|event| format!("    {event:?}")));
        lines.extend(run.after.iter().map(|message| format!("  {message}")));
    }
    lines.join("\n")
}

/// Keeps what tools do on purpose out of what a person reads.
fn silence_panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if panic
                .payload_as_str()
                .is_none_or(|text| !text.contains("on purpose"))
            {
                usual(panic);
            }
        }));
    });
}
