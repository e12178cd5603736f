//! Starts the compile-fail and compile-pass cases, on the one compiler whose wording they record.

use std::process::Command;

/// The `.stderr` files hold what this compiler says; another release words and underlines a little
/// differently.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn mistakes_are_reported_where_they_are_made() {
    let compiler = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("--version")
        .output();
    let version = compiler
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    if !version.starts_with(COMPILER) {
        eprintln!(
            "ignored: the cases record the output of {COMPILER}*, and this is {}",
            version.trim()
        );
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*.rs");
    cases.pass("ui/pass/*.rs");
}
