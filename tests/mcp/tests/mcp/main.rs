//! Servers and clients of ours against each other, over every transport.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod approval;
mod catalogue;
mod faults;
mod http;
mod process;
mod support;
mod trace;
mod wire;
