//! The same scenario in one process: what it loses.

use std::path::PathBuf;
use std::process::Command;

use restate_tests::scenario::{self, Adapter};

/// The caller runs the tools itself: there are no workers and no engine to be killed.
struct Local(tempfile::TempDir);

impl Adapter for Local {
    fn caller(&self, run_id: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caller"));
        command.args(["local", run_id]);
        command
    }

    fn kill_worker(&mut self, _: usize) {}

    fn kill_engine(&mut self) {}

    fn log(&self) -> PathBuf {
        self.0.path().join("log")
    }
}

#[test]
fn one_process_begins_everything_again() {
    let mut local = Local(tempfile::tempdir().unwrap());
    let report = scenario::sixty_calls(&mut local, 1);
    println!("{report}");
    assert_eq!(report.wrong, Vec::<String>::new());
    assert!(report.begun_again > 0, "what it had begun");
    assert!(report.ended_twice > 0, "and what had finished");
}
