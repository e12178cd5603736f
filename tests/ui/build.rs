//! Passes to `main.rs` whether this compiler is the one whose wording the cases record.

use std::env;
use std::error::Error;
use std::process::Command;

/// The `.stderr` files hold what this compiler says; another release words and underlines a little
/// differently.
const RECORDED_COMPILER: &str = "rustc 1.95.";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(recorded_compiler)");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output()?.stdout;
    if version.starts_with(RECORDED_COMPILER.as_bytes()) {
        println!("cargo::rustc-cfg=recorded_compiler");
    }
    Ok(())
}
