//! How long it takes to answer a message, beside the same tools run by hand: `cargo bench -p
//! tool-core`.
//!
//! "Joined" runs all calls in one task, by `join_all`; "spawned" runs each in a task of its own;
//! "halved" runs them in two tasks, the least that keeps a tool which computes from holding up all
//! others: a thread is woken for that, which a message of few calls pays for. All do what a
//! dispatcher does of necessity: look the name up, decode the arguments, run the tool, write its
//! answer as text and keep the call's id beside it. Making the calls is outside the measured time,
//! dropping them and their answers inside.
//!
//! The harness is our own, since what counts is how the forms compare within a round: neither
//! criterion nor divan takes the ratio of two benchmarks, and both finish one before they start the
//! next, which on a busy machine compares two different machines.
//!
//! `-- --quick` takes fewer rounds, `-- instant` only the rows with that in their title. Run it for
//! this package alone: another one may switch on `test-util` of tokio, which slows down every look
//! at the clock.

mod support;

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fmt};

use cpu_time::ProcessTime;
use tokio::runtime::{Builder, Runtime};
use tool_core::ToolCall;

use support::Result;
use support::definitions;
use support::forms::{Form, Program};
use support::table::{self, Rounds, Row, Target};
use support::tools::{self, ARGUMENTS, message};

/// Which thread answers the messages.
#[derive(Clone, Copy)]
enum Caller {
    /// A task on one of the runtime's threads, as in a server.
    Task,
    /// The thread that called `block_on`, as in `main`. It is none of the runtime's: to hand a call
    /// over and be woken takes microseconds.
    BlockOn,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "in a task",
            Self::BlockOn => "in block_on",
        })
    }
}

/// How long it takes to answer a message, so many times one after the other.
fn answer(
    runtime: &Runtime,
    caller: Caller,
    program: &Arc<Program>,
    form: Form,
    calls: Vec<ToolCall>,
    times: usize,
) -> Result<Duration> {
    // Calls that are made ahead of their turn; few enough to stay in the cache.
    const AHEAD: usize = 256;
    let program = Arc::clone(program);
    let answer = async move {
        let ahead = (AHEAD / calls.len()).max(1);
        let mut took = Duration::ZERO;
        for answered in (0..times).step_by(ahead) {
            let messages = vec![calls.clone(); ahead.min(times - answered)];
            let start = Instant::now();
            for calls in messages {
                black_box(
                    program
                        .answer(form, calls)
                        .await
                        .map_err(|error| error.to_string())?,
                );
            }
            took += start.elapsed();
        }
        Ok::<_, String>(took)
    };
    Ok(match caller {
        Caller::Task => runtime.block_on(runtime.spawn(answer))??,
        Caller::BlockOn => runtime.block_on(answer)?,
    })
}

/// Messages of `calls` instant calls each; nanoseconds per call.
fn instant(runtime: &Runtime, caller: Caller, calls: usize, target: Target) -> Row<'_> {
    let program = Arc::new(Program::new(|dispatcher| dispatcher));
    let times = (8_000 / calls).max(1);
    let measure = move |form| {
        let took = answer(
            runtime,
            caller,
            &program,
            form,
            message("get_patient", ARGUMENTS, calls),
            times,
        )?;
        Ok(took.as_secs_f64() * 1e9 / (times * calls) as f64)
    };
    Row {
        title: format!("instant, {calls} at once, {caller}; ns a call"),
        target,
        forms: &Form::ALL,
        measure: Box::new(measure),
    }
}

/// Messages of a thousand instant calls; processor time of all threads, nanoseconds per call.
fn processor_time(runtime: &Runtime) -> Row<'_> {
    const CALLS: usize = 1_000;
    const TIMES: usize = 20;
    let program = Arc::new(Program::new(|dispatcher| dispatcher));
    let measure = move |form| {
        let calls = message("get_patient", ARGUMENTS, CALLS);
        let before = ProcessTime::try_now()?;
        answer(runtime, Caller::Task, &program, form, calls, TIMES)?;
        Ok(before.try_elapsed()?.as_secs_f64() * 1e9 / (TIMES * CALLS) as f64)
    };
    Row {
        title: format!("processor, {CALLS} instant at once; ns a call"),
        target: Target::Times(1.5, Form::Joined),
        forms: &Form::ALL,
        measure: Box::new(measure),
    }
}

/// Eight tools that compute, before their first await or on a thread; milliseconds for all.
///
/// Meaningful only while two cores are free: "joined" then takes twice as long as "spawned".
fn computing<'a>(runtime: &'a Runtime, caller: Caller, tool: &'a str, most: f64) -> Row<'a> {
    const EACH: Duration = Duration::from_millis(20);
    let program = Arc::new(Program::new(|dispatcher| dispatcher));
    let steps = (EACH.as_secs_f64() / second_per_step()) as u64;
    let measure = move |form| {
        let calls = message(tool, &format!(r#"{{"steps": {steps}}}"#), 8);
        Ok(answer(runtime, caller, &program, form, calls, 1)?.as_secs_f64() * 1e3)
    };
    Row {
        title: format!("{tool} {EACH:?}, 8 at once, {caller}; ms for all"),
        target: Target::Times(most, Form::Spawned),
        forms: &Form::ALL,
        measure: Box::new(measure),
    }
}

/// The best of some tries, as when nothing else runs.
fn second_per_step() -> f64 {
    const STEPS: u64 = 1_000_000;
    let try_once = || {
        let start = Instant::now();
        black_box(tools::arithmetic(black_box(STEPS)));
        start.elapsed().as_secs_f64() / STEPS as f64
    };
    (0..20).map(|_| try_once()).fold(f64::INFINITY, f64::min)
}

/// So many tools that sleep, the limit raised to them; milliseconds for all, above those of one.
fn sleeping(runtime: &Runtime, calls: usize) -> Row<'_> {
    let program = Arc::new(Program::new(|dispatcher| {
        dispatcher.with_max_concurrency(calls)
    }));
    let measure = move |form| {
        let calls = message("sleep", ARGUMENTS, calls);
        let took = answer(runtime, Caller::Task, &program, form, calls, 1)?;
        Ok((took.as_secs_f64() - tools::NAP.as_secs_f64()) * 1e3)
    };
    Row {
        title: format!(
            "sleeping {:?}, {calls} at once, {caller}; ms over",
            tools::NAP,
            caller = Caller::Task
        ),
        target: Target::Times(1.1, Form::Spawned),
        forms: &Form::ALL,
        measure: Box::new(measure),
    }
}

/// The forms there are of definitions: ours, and by hand.
const OF_DEFINITIONS: &[Form] = &[Form::Ours, Form::Joined];

fn building() -> Row<'static> {
    let measure = |form| {
        let output = Command::new(env::current_exe()?)
            .args([BUILD, &format!("{form:?}")])
            .output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    let title = "50 definitions, first build; us".to_owned();
    Row {
        title,
        target: Target::AtMost(300.0),
        forms: OF_DEFINITIONS,
        measure: Box::new(measure),
    }
}

/// The argument that makes this program time one build: the first of a process, where nothing is
/// kept of an earlier one.
const BUILD: &str = "--build";

fn build(by_hand: bool) -> Result<f64> {
    let start = Instant::now();
    match by_hand {
        false => black_box(definitions::read(&definitions::by_attribute())),
        true => black_box(definitions::read_by_hand(&definitions::by_hand()?)),
    };
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

fn reading() -> Result<Row<'static>> {
    const TIMES: u32 = 100;
    let ours = definitions::by_attribute();
    let by_hand = serde_json::to_string(&definitions::by_hand()?)?;
    let measure = move |form| {
        let start = Instant::now();
        for _ in 0..TIMES {
            black_box(match form {
                Form::Ours => black_box(&ours).definitions_json(),
                Form::Joined | Form::Spawned | Form::Halved => &**black_box(&by_hand),
            });
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES))
    };
    let title = "50 definitions, read again as JSON; us".to_owned();
    Ok(Row {
        title,
        target: Target::AtMost(1.0),
        forms: OF_DEFINITIONS,
        measure: Box::new(measure),
    })
}

/// All forms give the same answers, or nothing is worth comparing.
fn agree(runtime: &Runtime) -> Result<()> {
    let program = Program::new(|dispatcher| dispatcher);
    let answer =
        |form| runtime.block_on(program.answer(form, message("get_patient", ARGUMENTS, 8)));
    let lengths = Form::ALL
        .into_iter()
        .map(answer)
        .collect::<Result<Vec<_>>>()?;
    if lengths.iter().all(|length| *length == lengths[0]) {
        Ok(())
    } else {
        Err(format!("the answers have {lengths:?} bytes").into())
    }
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip_while(|argument| argument != BUILD).skip(1);
    if let Some(form) = arguments.next() {
        println!("{}", build(form != "Ours")?);
        return Ok(());
    }
    if !table::is_asked_for() {
        return Ok(());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;
    agree(&runtime)?;
    let mut rows = Vec::new();
    for caller in [Caller::Task, Caller::BlockOn] {
        rows.extend([
            instant(&runtime, caller, 1, Target::Times(1.4, Form::Joined)),
            instant(&runtime, caller, 8, Target::Times(1.5, Form::Joined)),
            instant(&runtime, caller, 64, Target::Times(1.15, Form::Joined)),
            instant(&runtime, caller, 1_000, Target::Times(0.9, Form::Joined)),
            instant(&runtime, caller, 100_000, Target::Times(0.8, Form::Joined)),
            computing(&runtime, caller, "compute", 1.3),
            computing(&runtime, caller, "compute_blocking", 1.15),
        ]);
    }
    rows.extend([
        processor_time(&runtime),
        sleeping(&runtime, 8),
        sleeping(&runtime, 1_000),
        building(),
        reading()?,
    ]);
    table::print(Rounds { full: 31, quick: 5 }, rows)
}
