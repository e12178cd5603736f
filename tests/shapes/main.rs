//! The schema and the decoder of every shape of argument agree, nested as they may be.
//!
//! `build.rs` draws the types and writes a tool for each; `SHAPES_SEED=7 cargo test --test shapes`
//! draws others.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod agreement;
mod draw;
mod exceptions;
mod grammar;
mod lenience;
mod mcp;
mod strict;
mod tools;
mod types;
