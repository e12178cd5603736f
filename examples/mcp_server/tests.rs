//! The server as a user starts it.

use std::net::TcpListener;
use std::process::Command;

#[test]
fn a_port_that_another_program_has_is_an_error_that_names_it() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .args(["http", "--listen", &address])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(&format!("cannot listen on {address}")),
        "{error}"
    );
}

#[test]
fn the_lines_for_a_client_s_configuration_name_this_program() {
    let program = env!("CARGO_BIN_EXE_mcp-server");
    let output = Command::new(program).arg("config").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains(&format!(r#""command": "{program}", "args": ["stdio"]"#)),
        "{printed}"
    );
}
