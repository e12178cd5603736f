//! Every use of the macros under every edition. Cargo gives all targets of a package one edition,
//! so a workspace with a package for each is written and run.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

use std::fs;
use std::path::Path;
use std::process::Command;

const EDITIONS: [&str; 3] = ["2018", "2021", "2024"];

#[test]
fn the_macros_work_under_every_edition() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("editions");
    fs::create_dir_all(&root).unwrap();
    let members = EDITIONS
        .map(|edition| format!("\"edition-{edition}\""))
        .join(", ");
    fs::write(
        root.join("Cargo.toml"),
        format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n"),
    )
    .unwrap();
    fs::copy(tests.join("../Cargo.lock"), root.join("Cargo.lock")).unwrap(); // the versions that are at hand
    for edition in EDITIONS {
        let package = root.join(format!("edition-{edition}"));
        fs::create_dir_all(&package).unwrap();
        let manifest = format!(
            "[package]\nname = \"edition-{edition}\"\nversion = \"0.0.0\"\nedition = \"{edition}\"\n\n\
             [dependencies]\ntool-core = {{ path = {:?}, features = [\"linked\"] }}\n\n\
             [[bin]]\nname = \"edition-{edition}\"\npath = {:?}\n",
            tests.join("../tool-core"),
            tests.join("editions/uses.rs"),
        );
        fs::write(package.join("Cargo.toml"), manifest).unwrap();
    }
    for edition in EDITIONS {
        let mut run = Command::new(env!("CARGO"));
        run.args(["run", "--quiet", "--offline", "--package"])
            .arg(format!("edition-{edition}"));
        let output = run
            .current_dir(&root)
            .env("CARGO_TARGET_DIR", root.join("target"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "edition {edition}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
