//! Interoperability with software from outside of this project. Neither is needed to use the
//! project, and both are looked for only where the environment says they are: `INTEROP_PYTHON` is a
//! Python with the package `openai`, `INTEROP_AIMOCK` the folder of the npm package
//! `@copilotkit/aimock`.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod aimock;
mod python_sdk;

use std::ffi::OsString;
use std::io::{self, Write};

use tool_core::{ToolSet, tool, tools};

/// Add two numbers.
#[tool(read_only)]
fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

fn toolset() -> ToolSet {
    tools![add]
}

/// Where something is, if it is anywhere.
fn tool_at(variable: &str) -> Option<OsString> {
    let place = std::env::var_os(variable).filter(|place| !place.is_empty());
    if place.is_none() {
        // Not `eprintln!`, which the test harness keeps to itself.
        let _ = writeln!(
            io::stderr(),
            "skipped: {variable} is not set, so nothing was tried with it"
        );
    }
    place
}

/// A file beside this one.
fn script(name: &str) -> String {
    format!("{}/interop/{name}", env!("CARGO_MANIFEST_DIR"))
}
