//! n calls in, n results out, in call order, for every fault of the server.

use std::sync::Arc;
use std::time::Duration;

use mcp_tests::dispatcher;
use tool_core::{DispatchEvent, Dispatcher, ErrorCode, tools};
use tool_mcp::{Client, HttpTransport, Server, Transport, connect};

use crate::support::{
    Events, HttpFixture, calls, codes, connected, contents, eventually, fixture, fixture_with_pid,
    in_memory, kill, shell, watched,
};

async fn every_fault_is_answered(client: &Client) {
    let dispatcher = Dispatcher::new(client.tools()).with_timeout(Duration::from_millis(500));
    let results = dispatcher
        .dispatch(calls([
            ("add", r#"{"a": 2, "b": 40}"#),
            ("panics", "{}"),
            ("hangs", "{}"),
            ("fails", r#"{"why": "no such patient"}"#),
            ("nothing", "{}"),
            ("add", r#"{"a": "x"}"#),
            ("add", "{"),
            ("transfer", r#"{"cents": 5}"#),
            ("split", r#"{"text": "a b"}"#),
        ]))
        .await;
    assert_eq!(
        codes(&results),
        [
            "ok",
            "panic",
            "timeout_indeterminate",
            "tool_error",
            "unknown_tool",
            "invalid_arguments",
            "invalid_json",
            "denied",
            "ok",
        ]
    );
    let contents = contents(&results);
    assert_eq!(contents[0], "42");
    assert_eq!(contents[3], r#"{"error":"no such patient","tool":"fails"}"#);
    assert!(!contents[1].contains("secret"), "{}", contents[1]);
    assert!(
        contents[5].contains("`a`: ") && contents[5].contains("is a required property"),
        "{}",
        contents[5]
    );
    assert_eq!(contents[8], r#"{"words":["a","b"],"count":2}"#);
}

#[tokio::test]
async fn every_fault_is_answered_in_memory() {
    let client = connected(&Server::new(dispatcher().unwrap())).await;
    every_fault_is_answered(&client).await;
}

#[tokio::test]
async fn every_fault_is_answered_over_stdio() {
    let client = connect(fixture()).await.unwrap();
    every_fault_is_answered(&client).await;
    client.close().await;
}

#[tokio::test]
async fn every_fault_is_answered_over_http() {
    let server = HttpFixture::start("127.0.0.1:0");
    let client = connect(HttpTransport::new(server.url())).await.unwrap();
    every_fault_is_answered(&client).await;
}

#[tokio::test]
async fn a_killed_process_loses_its_calls_and_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let client = connect(fixture_with_pid(&pid)).await.unwrap();
    let dispatcher = Dispatcher::new(client.tools());
    let mut events = dispatcher
        .stream(calls([
            ("hangs", "{}"),
            ("add", r#"{"a": 1, "b": 1}"#),
            ("hangs", "{}"),
        ]))
        .events();
    let first = events.next().await.unwrap();
    assert!(matches!(first, DispatchEvent::Result(result) if result.content() == "2"));

    kill(&pid);
    for _ in 0..2 {
        let Some(DispatchEvent::Result(result)) = events.next().await else {
            panic!("each call is answered");
        };
        assert_eq!(
            result.outcome().unwrap_err().code(),
            ErrorCode::LostIndeterminate
        );
    }
    assert!(events.next().await.is_none());
    let again = dispatcher
        .dispatch(calls([("add", r#"{"a": 2, "b": 2}"#)]))
        .await;
    assert_eq!(contents(&again), ["4"]);
}

#[tokio::test]
async fn a_killed_http_server_loses_its_calls_and_may_come_back() {
    let mut server = HttpFixture::start("127.0.0.1:0");
    let client = connect(HttpTransport::new(server.url())).await.unwrap();
    let dispatcher = Dispatcher::new(client.tools()).with_timeout(Duration::from_secs(30));
    let mut events = dispatcher
        .stream(calls([("hangs", "{}"), ("test_tool_with_progress", "{}")]))
        .events();
    // Both have been sent by then.
    assert!(matches!(
        events.next().await,
        Some(DispatchEvent::Progress(_))
    ));
    while let Some(event) = events.next().await {
        if let DispatchEvent::Result(result) = event {
            assert_eq!(result.content(), "Done.");
            break;
        }
    }
    server.kill();
    let Some(DispatchEvent::Result(lost)) = events.next().await else {
        panic!("each call is answered");
    };
    assert_eq!(
        lost.outcome().unwrap_err().code(),
        ErrorCode::LostIndeterminate
    );

    let add = || dispatcher.dispatch(calls([("add", r#"{"a": 2, "b": 2}"#)]));
    // A connection that is kept open may take one more call, and lose it.
    eventually(async || codes(&add().await) == ["not_started"]).await;
    let _again = HttpFixture::start(&server.address);
    eventually(async || codes(&add().await) == ["ok"]).await;
}

#[tokio::test]
async fn lines_that_are_not_messages_are_skipped() {
    let script = r#"echo 'Starting up'; echo '{"a": '; printf '\377\376\n'; exec "$FIXTURE" stdio"#;
    let client = connect(shell(script)).await.unwrap();
    every_fault_is_answered(&client).await;
}

#[tokio::test]
async fn ten_megabytes_in_one_line_arrive() {
    let large = |dispatcher: Dispatcher| {
        dispatcher.with_limits(|limits| {
            limits.argument_bytes = 20 << 20;
            limits.output_bytes = 20 << 20;
            limits.batch_output_bytes = 20 << 20;
        })
    };
    let client = connected(&Server::new(large(dispatcher().unwrap()))).await;
    let dispatcher = large(Dispatcher::new(client.tools()));
    let text = "x".repeat(10 << 20);
    let results = dispatcher
        .dispatch(calls([
            ("repeats", r#"{"text": "x", "times": 10485760}"#),
            ("repeats", &format!(r#"{{"text": "{text}", "times": 1}}"#)),
        ]))
        .await;
    assert_eq!(codes(&results), ["ok", "ok"]);
    assert!(results.iter().all(|result| result.content() == text));
}

#[tokio::test]
async fn a_server_that_closes_its_pipe_is_an_error_that_says_so() {
    for (script, says) in [
        ("exit 3", "exit status: 3"),
        ("read line; exec >&-; sleep 60", "closed"),
        ("read line; echo 'not a message'; exit 0", "exit status: 0"),
    ] {
        let error = connect(shell(script)).await.unwrap_err().to_string();
        assert!(error.contains(says), "{script}: {error}");
    }
    let error = connect(std::process::Command::new("no-such-program")).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("cannot start \"no-such-program\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let connecting = connect(shell("exec sleep 60")).with_timeout(Duration::from_millis(200));
    let error = connecting.await.unwrap_err().to_string();
    assert!(error.contains("does not answer within 200ms"), "{error}");
}

#[tokio::test]
async fn a_listener_that_is_not_an_mcp_server_is_an_error() {
    let nobody = HttpTransport::new("http://127.0.0.1:9/mcp");
    connect(nobody).await.unwrap_err();

    // Another program has the port: it takes the connection, and never says anything.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let connecting = connect(HttpTransport::new(url)).with_timeout(Duration::from_millis(200));
    let error = connecting.await.unwrap_err().to_string();
    assert!(error.contains("does not answer"), "{error}");
}

#[tokio::test]
async fn a_connection_in_memory_that_ends_is_not_made_again() {
    let server = Server::new(dispatcher().unwrap());
    let stop = tool_core::CancellationToken::new();
    let client = connect(in_memory(&server.with_cancellation(stop.clone())))
        .await
        .unwrap();
    let dispatcher = Dispatcher::new(client.tools());
    stop.cancel();
    let hangs = dispatcher.dispatch(calls([("hangs", "{}")])).await;
    assert!(["lost_indeterminate", "not_started"].contains(&codes(&hangs)[0]));
    let results = dispatcher
        .dispatch(calls([("add", r#"{"a": 1, "b": 1}"#)]))
        .await;
    assert_eq!(codes(&results), ["not_started"]);
    client.close().await;
}

#[tokio::test]
async fn an_abandoned_call_is_dropped_on_the_server() {
    let events = Arc::<Events>::default();
    let server = Dispatcher::new(tools![watched].with_state(Arc::clone(&events)));
    let client = connected(&Server::new(server.clone())).await;
    let calling = Dispatcher::new(client.tools());
    tokio::select! {
        _ = calling.dispatch(calls([("watched", "{}")])) => panic!("it never returns"),
        () = events.started.notified() => {}
    }
    events.dropped.notified().await;
    server.idle().await;
}

#[tokio::test]
async fn an_unused_transport_says_what_is_wrong_with_it() {
    let broken = HttpTransport::new("http://127.0.0.1:9/mcp").with_header("a b", "c");
    let error = connect(Transport::from(broken)).await.unwrap_err();
    assert!(
        error.to_string().contains("invalid HTTP header name"),
        "{error}"
    );
}
