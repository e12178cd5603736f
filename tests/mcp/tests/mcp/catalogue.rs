//! The tools that a server lists become a set, also if some are invalid.

use std::time::Duration;

use mcp_tests::{add, split};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tool_core::{CallContext, Dispatcher, ErrorCode, tool, tools};
use tool_mcp::{Client, Connect, Server, Transport, connect};

use crate::support::{calls, codes, connected, contents, eventually, shell};

/// A server of the revision 2025-11-25 that lists these, and answers each call with `answer`.
fn listing(tools: Value, answer: Value) -> Connect {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let (reader, mut writer) = tokio::io::split(theirs);
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            let request: Value = serde_json::from_str(&line).unwrap();
            let Some(id) = request.get("id") else {
                continue;
            };
            let result = match request["method"].as_str().unwrap() {
                "initialize" => json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "by hand", "version": "7"},
                    "instructions": "Be kind.",
                }),
                "tools/list" => json!({"tools": tools}),
                "tools/call" => answer.clone(),
                other => json!({"error": {"code": -32601, "message": other}}),
            };
            let message = match result.get("error") {
                Some(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
                None => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            };
            writer
                .write_all(format!("{message}\n").as_bytes())
                .await
                .unwrap();
        }
    });
    let (reader, writer) = tokio::io::split(ours);
    connect(Transport::io(reader, writer))
}

fn object() -> Value {
    json!({"type": "object", "properties": {}})
}

#[tokio::test]
async fn a_bad_definition_leaves_out_that_tool_alone() {
    let wrong = |schema: Value| json!({"name": "wrong", "inputSchema": schema});
    for (bad, says) in [
        (wrong(json!({"type": "objekt"})), "objekt"),
        (wrong(json!({"type": "array"})), "not an object schema"),
        (
            wrong(json!({"properties": {"a": {"minimum": null}}})),
            "is not of type \"number\"",
        ),
        (
            wrong(json!({"properties": {"a": {"$ref": "#/$defs/none"}}})),
            "none",
        ),
        (
            wrong(json!({"properties": {"a": {"pattern": "("}}})),
            "regex",
        ),
        (
            wrong(json!({"$ref": "https://example.com/schema"})),
            "example.com",
        ),
        (json!({"name": "", "inputSchema": object()}), "empty name"),
        (
            json!({"name": "good", "inputSchema": object()}),
            "another tool of this name",
        ),
        (
            json!({"name": "wrong", "inputSchema": object(), "outputSchema": {"type": 5}}),
            "output schema",
        ),
    ] {
        let good = json!({"name": "good", "inputSchema": object()});
        let other = json!({"name": "a.b/c", "inputSchema": {"type": "object", "anyOf": [{}]}});
        let client = listing(json!([good, bad, other]), json!({})).await.unwrap();
        assert_eq!(
            client.tools().names().collect::<Vec<_>>(),
            ["good", "a.b/c"]
        );
        let left_out = client.left_out();
        assert_eq!(left_out.len(), 1);
        assert!(left_out[0].reason.contains(says), "{}", left_out[0].reason);
    }
}

#[tokio::test]
async fn only_a_trusted_server_s_annotations_make_a_tool_look_harmless() {
    let list = json!([
        {"name": "reads", "inputSchema": object(), "annotations": {
            "title": "Reads", "readOnlyHint": true, "destructiveHint": true, "openWorldHint": false}},
        {"name": "deletes", "inputSchema": object(), "annotations": {
            "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": true}},
    ]);
    let behaviors = |client: Client| {
        let tools = client.tools();
        let hints = tools.definitions().map(|definition| {
            let behavior = definition.behavior();
            assert!(behavior.remote);
            (
                behavior.read_only,
                behavior.destructive,
                behavior.idempotent,
                behavior.open_world,
            )
        });
        hints.collect::<Vec<_>>()
    };
    let client = listing(list.clone(), json!({})).await.unwrap();
    assert_eq!(
        client.tools().definition("reads").unwrap().title(),
        Some("Reads")
    );
    assert_eq!(
        behaviors(client),
        [
            (None, Some(true), None, None),
            (Some(false), Some(true), None, Some(true)),
        ]
    );
    let client = listing(list, json!({}))
        .with_trusted_annotations()
        .await
        .unwrap();
    assert_eq!(
        behaviors(client),
        [
            (Some(true), None, None, Some(false)),
            (Some(false), Some(true), Some(true), Some(true)),
        ]
    );
}

#[tokio::test]
async fn every_answer_of_a_server_is_a_result() {
    let text = |text: &str| json!({"type": "text", "text": text});
    for (answer, code, content) in [
        (json!({"content": [text("fine")]}), "ok", "fine"),
        (json!({"content": []}), "ok", "[no output]"),
        (json!({}), "ok", "[no output]"),
        (
            json!({"structuredContent": {"b": 1, "a": 2}}),
            "ok",
            r#"{"b":1,"a":2}"#,
        ),
        (
            json!({"content": [text(r#"{ "a": 2 }"#)], "structuredContent": {"a": 2}}),
            "ok",
            r#"{ "a": 2 }"#,
        ),
        (
            json!({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}),
            "ok",
            "[image: image/png, 3 bytes, not shown]",
        ),
        (
            json!({"content": [text("no")], "isError": true}),
            "tool_error",
            "no",
        ),
        (
            json!({"content": [text("slow")], "isError": true, "_meta": {"tool-core/code": "timeout"}}),
            "timeout",
            "slow",
        ),
        (
            json!({"content": [text("x")], "isError": true, "_meta": {"tool-core/code": "held"}}),
            "tool_error",
            "x",
        ),
        (
            json!({"content": [], "isError": true}),
            "tool_error",
            "no text",
        ),
        (
            json!({"error": {"code": -32602, "message": "Unknown tool: tool"}}),
            "unknown_tool",
            "Unknown tool: tool",
        ),
        (
            json!({"error": {"code": -32602, "message": "bad"}}),
            "invalid_arguments",
            "bad",
        ),
        (
            json!({"error": {"code": -32603, "message": "broken"}}),
            "tool_error",
            "broken",
        ),
        (
            json!({"something": "else"}),
            "tool_error",
            "not the result of a call",
        ),
    ] {
        let list = json!([{"name": "tool", "inputSchema": object(), "outputSchema": object()}]);
        let client = listing(list, answer.clone()).await.unwrap();
        let dispatcher = Dispatcher::new(client.tools());
        let results = dispatcher.dispatch(calls([("tool", "{}")])).await;
        assert_eq!(codes(&results), [code], "{answer}");
        let read = contents(&results).remove(0);
        match results[0].outcome() {
            Ok(_) => assert_eq!(read, content, "{answer}"),
            Err(_) => assert!(read.contains(content), "{answer}: {read}"),
        }
    }
}

#[tokio::test]
async fn a_client_knows_what_the_server_says_of_itself() {
    let client = listing(json!([]), json!({}))
        .with_name("test", "1")
        .await
        .unwrap();
    assert_eq!(
        client.server(),
        Some(("by hand".to_owned(), "7".to_owned()))
    );
    assert_eq!(client.instructions().as_deref(), Some("Be kind."));
}

#[tokio::test]
async fn tools_are_listed_again_when_the_server_replaces_them() {
    let server = Server::new(Dispatcher::new(tools![add]));
    let mut client = connected(&server).await;
    let before = client.tools().with_prefix("remote_");
    server.replace_tools(tools![split]);
    client.changed().await;
    assert_eq!(client.tools().names().collect::<Vec<_>>(), ["split"]);

    // A set that was taken before stays as it is, and its calls are answered.
    let results = Dispatcher::new(before)
        .dispatch(calls([("remote_add", r#"{"a": 1, "b": 1}"#)]))
        .await;
    assert_eq!(codes(&results), ["unknown_tool"]);
}

#[tokio::test]
async fn tools_are_listed_again_when_the_process_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let (pid, second) = (folder.path().join("pid"), folder.path().join("second"));
    // Its second life begins with other tools.
    let script = format!(
        r#"echo $$ > '{pid}'; if [ -e '{second}' ]; then export LISTS=few; fi; touch '{second}'; exec "$FIXTURE" stdio"#,
        pid = pid.display(),
        second = second.display(),
    );
    let mut client = connect(shell(&script)).await.unwrap();
    let before = client.tools().len();
    crate::support::kill(&pid);
    client.changed().await;
    assert!(client.tools().len() < before);
    eventually(async || client.server().is_some()).await;
}

#[tokio::test]
async fn a_call_s_key_reaches_the_server() {
    /// Return the key.
    #[tool]
    async fn key(#[context] context: &CallContext) -> String {
        context.idempotency_key()
    }

    let client = connected(&Server::new(Dispatcher::new(tools![key]))).await;
    let dispatcher = Dispatcher::new(client.tools());
    let call = async |run: &str| {
        let results = dispatcher
            .dispatch_as(run, calls([("key", "{}")]))
            .unwrap()
            .await;
        contents(&results).remove(0)
    };
    assert_eq!(call("turn 1").await, call("turn 1").await);
    assert_ne!(call("turn 1").await, call("turn 2").await);
}

#[tokio::test]
async fn progress_on_the_server_is_progress_here() {
    let client = connected(&Server::new(mcp_tests::dispatcher().unwrap())).await;
    let dispatcher = Dispatcher::new(client.tools());
    let mut events = dispatcher
        .stream(calls([("test_tool_with_progress", "{}")]))
        .events();
    let mut fractions = Vec::new();
    while let Some(event) = events.next().await {
        if let tool_core::DispatchEvent::Progress(progress) = event {
            fractions.push(progress.fraction.unwrap());
        }
    }
    assert_eq!(fractions.last(), Some(&1.0));
}

#[tokio::test]
async fn a_closed_client_starts_no_calls() {
    let client = connected(&Server::new(Dispatcher::new(tools![add]))).await;
    let dispatcher = Dispatcher::new(client.tools());
    client.close().await;
    client.close().await;
    let results = dispatcher.dispatch(calls([("add", r#"{"a": 1, "b": 1}"#)]));
    let results = tokio::time::timeout(Duration::from_secs(60), results)
        .await
        .unwrap();
    assert_eq!(
        results[0].outcome().unwrap_err().code(),
        ErrorCode::NotStarted
    );
}

#[tokio::test]
async fn tools_of_a_server_can_join_tools_of_the_program() {
    /// Greet somebody.
    #[tool]
    fn greet(#[state] greeting: &String, name: &str) -> String {
        format!("{greeting}, {name}!")
    }

    let client = connected(&Server::new(Dispatcher::new(tools![add]))).await;
    let both = tools![greet].merge(client.tools().for_any_state()).unwrap();
    let dispatcher = Dispatcher::new(both).with_state("Hello".to_owned());
    let results = dispatcher
        .dispatch(calls([
            ("greet", r#"{"name": "Ada"}"#),
            ("add", r#"{"a": 1, "b": 1}"#),
        ]))
        .await;
    assert_eq!(contents(&results), ["Hello, Ada!", "2"]);
}

#[tokio::test]
async fn a_mistake_quotes_the_beginning_of_a_value() {
    let schema = json!({
        "properties": {"number": {"type": "integer"}, "list": {"items": {"type": "string"}}},
        "additionalProperties": false,
    });
    let list = json!([{"name": "tool", "inputSchema": schema}]);
    let client = listing(list, json!({"content": []})).await.unwrap();
    let dispatcher = Dispatcher::new(client.tools());
    let long = "é".repeat(100_000);
    for arguments in [
        json!({"number": long}),
        json!({"list": [[long]]}),
        json!({long.as_str(): 1}),
    ] {
        let call = calls([("tool", arguments.to_string().as_str())]);
        let results = dispatcher.dispatch(call).await;
        assert_eq!(codes(&results), ["invalid_arguments"]);
        let read = contents(&results).remove(0);
        assert!(
            read.contains("éé") && read.len() < 2_500,
            "{} bytes",
            read.len()
        );
    }
}
