//! The agent as a user runs it: a process, and a server in another.

use std::process::Command;

#[test]
fn the_tools_of_another_process_make_the_summary() {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-agent"))
        .env_remove("OPENAI_API_KEY")
        .env_remove("OPENAI_BASE_URL")
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(
        printed.contains("Server: patients 0.1.0, with 4 tools:"),
        "{printed}"
    );
    assert!(printed.contains("(P-00123), born 1968-11-02"), "{printed}");
    for section in ["Current medications:", "Allergies:", "Recent lab results:"] {
        assert!(printed.contains(section), "{printed}");
    }
}

#[test]
fn a_server_that_cannot_be_started_is_an_error_that_names_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-agent"))
        .args(["--command", "no-such-server", "--stdio"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.contains("cannot start \"no-such-server\""), "{error}");
}
