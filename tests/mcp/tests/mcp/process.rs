//! A server over stdio has stdin and stdout to itself.

use tool_core::Dispatcher;
use tool_mcp::connect;

use crate::support::{calls, contents, fixture};

#[tokio::test]
async fn output_printed_by_a_tool_is_not_a_message() {
    let client = connect(fixture()).await.unwrap();
    let dispatcher = Dispatcher::new(client.tools());
    let printed = r#"{"text": "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}"}"#;
    let results = dispatcher
        .dispatch(calls([
            ("prints", printed),
            ("prints", r#"{"text": "\u0000 garbage"}"#),
            ("add", r#"{"a": 1, "b": 2}"#),
        ]))
        .await;
    assert_eq!(contents(&results), ["printed", "printed", "3"]);
    client.close().await;
}

#[tokio::test]
async fn a_client_that_is_dropped_ends_its_server() {
    use crate::support::{eventually, fixture_with_pid};
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let client = connect(fixture_with_pid(&pid)).await.unwrap();
    let tools = client.tools();
    drop(client);
    let results = Dispatcher::new(tools)
        .dispatch(calls([("add", r#"{"a": 1, "b": 2}"#)]))
        .await;
    assert_eq!(contents(&results), ["3"], "tools keep the connection");

    let process = std::path::PathBuf::from(format!(
        "/proc/{}",
        std::fs::read_to_string(&pid).unwrap().trim()
    ));
    eventually(async || !process.exists()).await;
}

#[tokio::test]
async fn a_server_ends_when_its_client_closes_the_pipe() {
    use crate::support::shell;
    let folder = tempfile::tempdir().unwrap();
    let ended = folder.path().join("ended");
    let script = format!(r#""$FIXTURE" stdio; touch '{}'"#, ended.display());
    let mut client = connect(shell(&script)).await.unwrap();
    let dispatcher = Dispatcher::new(client.tools());
    let change = calls([("test_trigger_tool_change", "{}")]);
    assert_eq!(contents(&dispatcher.dispatch(change).await), ["changed"]);
    client.changed().await; // it is subscribed to
    client.close().await;
    assert!(ended.exists(), "it was killed");
}
