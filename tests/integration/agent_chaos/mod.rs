//! The agent's guarantees, under models that do everything wrong: every call is answered once, in
//! order, with its id, and the history is one that services accept, whatever happens to the
//! message, to the tools, to the run.
//!
//! Each case draws a script of messages and how the runs over it go, plays it on a paused clock,
//! and checks what was recorded. They are the same cases in every run: `CHAOS_CASES=10000 cargo
//! test --test integration agent_chaos` draws more, `CHAOS_SEED=1000000` others.

mod cases;
mod checks;
mod events;
mod plan;
mod play;
mod script;
mod text;
mod tools;
mod wire;

use plan::Form;

/// Cases over models in the program, unless set by `CHAOS_CASES`.
const CASES: u64 = 300;

/// Cases over HTTP, where the clock is real.
const HTTP_CASES: u64 = 12;

#[test]
fn any_model_output_answers_each_call_and_keeps_history_valid() {
    cases::run_all(
        CASES,
        &[
            Form::Events,
            Form::Events,
            Form::Silent,
            Form::Bytes,
            Form::Bytes,
        ],
    );
}

#[test]
fn any_http_body_answers_each_call_and_keeps_history_valid() {
    cases::run_all(HTTP_CASES, &[Form::Http]);
}
