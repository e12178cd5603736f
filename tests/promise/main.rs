//! The main guarantee: n calls in, n results out, in call order, for random cases.
//!
//! Each case draws a dispatcher with its tools, messages for it and what happens to each call, lets
//! all that happen on a paused clock, and judges what was noted against a model of the contract.
//! They are the same cases in every run, so that a failure is the last change's:
//! `PROMISE_CASES=10000 cargo test --test promise` draws more, `PROMISE_SEED=1000000` others. A
//! case that fails says by which seed it comes again.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod body;
mod callers;
mod cases;
mod check;
mod draw;
mod history;
mod layers;
mod plan;
mod policy;
mod run;
mod stage;
mod threads;
mod tools;
mod trace;
mod world;

#[test]
fn each_call_is_answered_and_each_rule_holds() {
    cases::run_all();
}
