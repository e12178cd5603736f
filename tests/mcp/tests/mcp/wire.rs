//! What the server writes, message by message.

use std::sync::Arc;

use mcp_tests::{add, dispatcher};
use serde_json::{Value, json};
use tool_core::{Dispatcher, tool, tools};
use tool_mcp::Server;

use crate::support::{ByHand, Events, watched};

fn tools_of(list: &Value) -> &Vec<Value> {
    list["result"]["tools"].as_array().unwrap()
}

#[tokio::test]
async fn a_tool_is_listed_with_what_was_declared_and_nothing_else() {
    let dispatcher = dispatcher().unwrap();
    let server = Server::new(dispatcher.clone())
        .with_name("clinic", "1.0.0")
        .with_instructions("Look up a patient first.");
    let mut client = ByHand::new(&server, json!({})).await;
    let list = client.request(1, "tools/list", json!({})).await;
    assert_eq!(
        tools_of(&list)[0],
        json!({
            "name": "add",
            "title": "Addition",
            "description": "Add two numbers.",
            "inputSchema": dispatcher.tools().definition("add").unwrap().parameters(),
            "annotations": {"title": "Addition", "readOnlyHint": true},
        })
    );
    let by_name = |name: &str| {
        let mut tools = tools_of(&list).iter();
        tools.find(|tool| tool["name"] == name).unwrap()
    };
    assert_eq!(
        by_name("transfer")["annotations"],
        json!({"destructiveHint": true, "idempotentHint": false, "openWorldHint": false})
    );
    assert!(by_name("fails").get("annotations").is_none());
    assert_eq!(
        by_name("split")["outputSchema"]["properties"]["count"]["description"],
        "How many there are."
    );
    let page = client
        .request(2, "tools/list", json!({"cursor": "x"}))
        .await;
    assert_eq!(page["error"]["code"], -32602);
}

#[tokio::test]
async fn results_and_failures_have_the_protocols_form() {
    let server = Server::new(dispatcher().unwrap());
    let mut client = ByHand::new(&server, json!({})).await;
    let split = client.call(1, "split", json!({"text": "a b"})).await;
    assert_eq!(
        split["result"],
        json!({
            "content": [{"type": "text", "text": r#"{"words":["a","b"],"count":2}"#}],
            "structuredContent": {"words": ["a", "b"], "count": 2},
            "isError": false,
        })
    );
    let fails = client
        .call(2, "fails", json!({"why": "no such patient"}))
        .await;
    assert_eq!(
        fails["result"],
        json!({
            "content": [{"type": "text", "text": "no such patient"}],
            "isError": true,
            "_meta": {"tool-core/code": "tool_error"},
        })
    );
    let panics = client.call(3, "panics", json!({})).await;
    assert_eq!(panics["result"]["_meta"]["tool-core/code"], "panic");
    let wrong = client.call(4, "add", json!({"a": 1.5})).await;
    assert_eq!(
        wrong["result"]["_meta"]["tool-core/code"],
        "invalid_arguments"
    );
    let unknown = client.call(5, "ad", json!({})).await;
    assert_eq!(
        unknown["error"],
        json!({"code": -32602, "message": "unknown tool `ad`"})
    );
    // Arguments may be left out.
    let none = client
        .request(6, "tools/call", json!({"name": "test_simple_text"}))
        .await;
    assert_eq!(none["result"]["isError"], false);
    let image = client
        .call(7, "test_multiple_content_types", json!({}))
        .await;
    let blocks = image["result"]["content"].as_array().unwrap();
    let kinds: Vec<_> = blocks.iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["text", "image", "resource"]);
}

#[tokio::test]
async fn progress_is_reported_if_it_is_asked_for_and_only_grows() {
    /// Report this and that.
    #[tool]
    async fn reports(#[context] context: &tool_core::CallContext) {
        for fraction in [Some(0.0), Some(0.5), Some(0.25), None, Some(1.0), Some(1.0)] {
            context.progress("at work", fraction);
            tokio::task::yield_now().await;
        }
    }

    let server = Server::new(Dispatcher::new(tools![reports]));
    let mut client = ByHand::new(&server, json!({})).await;
    let silent = client.call(1, "reports", json!({})).await;
    assert_eq!(silent["id"], 1);

    let params = json!({"name": "reports", "arguments": {}, "_meta": {"progressToken": "t"}});
    client.start(2, "tools/call", params).await;
    let (mut last, mut reports) = (0.0, 0);
    loop {
        let message = client.receive().await;
        if message["id"] == 2 {
            break;
        }
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "t");
        assert_eq!(message["params"]["message"], "at work");
        let progress = message["params"]["progress"].as_f64().unwrap();
        assert!(progress > last, "{progress} after {last}");
        (last, reports) = (progress, reports + 1);
    }
    assert_eq!(reports, 6);
}

#[tokio::test]
async fn a_cancelled_call_is_dropped_and_not_answered() {
    let events = Arc::<Events>::default();
    let set = tools![watched, add].with_state(Arc::clone(&events));
    let dispatcher = Dispatcher::new(set);
    let mut client = ByHand::new(&Server::new(dispatcher.clone()), json!({})).await;
    let watched = json!({"name": "watched", "arguments": {}});
    client.start(1, "tools/call", watched).await;
    events.started.notified().await;
    let cancel = json!({"method": "notifications/cancelled", "params": {"requestId": 1}});
    client.send(cancel).await;
    events.dropped.notified().await;
    dispatcher.idle().await;
    let add = client.call(2, "add", json!({"a": 1, "b": 2})).await;
    assert_eq!(add["id"], 2);
}

#[tokio::test]
async fn clients_are_notified_of_other_tools() {
    let server = Server::new(Dispatcher::new(tools![add]));
    let mut client = ByHand::new(&server, json!({})).await;
    // It has been registered once the next request is answered.
    client.request(1, "tools/list", json!({})).await;
    server.replace_tools(tools![add, mcp_tests::split]);
    let notified = client.receive().await;
    assert_eq!(notified["method"], "notifications/tools/list_changed");
    let list = client.request(2, "tools/list", json!({})).await;
    assert_eq!(tools_of(&list).len(), 2);
}

#[tokio::test]
async fn invalid_requests_affect_no_other_request() {
    let server = Server::new(dispatcher().unwrap());
    let mut client = ByHand::new(&server, json!({})).await;
    for line in ["", "garbage", "{", "\u{0}", "[]"] {
        client.send_line(line).await;
    }
    client.send_line(&"x".repeat(10 << 20)).await;
    client
        .start(1, "tools/call", json!({"arguments": {}}))
        .await;
    client.start(2, "no/such/method", json!({})).await;
    client
        .start(
            3,
            "tools/call",
            json!({"name": "add", "arguments": {"a": 1, "b": 2}}),
        )
        .await;
    loop {
        let message = client.receive().await;
        if message["id"] == 3 {
            assert_eq!(message["result"]["content"][0]["text"], "3");
            break;
        }
        assert!(message.get("error").is_some(), "{message}");
    }
}

#[tokio::test]
async fn a_key_in_meta_is_the_call_s_key_each_time() {
    /// Return the key.
    #[tool]
    async fn key(#[context] context: &tool_core::CallContext) -> String {
        context.idempotency_key()
    }

    let server = Server::new(Dispatcher::new(tools![key]));
    let mut client = ByHand::new(&server, json!({})).await;
    let mut keys = Vec::new();
    for (id, key) in [(1, "order 7"), (2, "order 7"), (3, "order 8")] {
        let meta = json!({"tool-core/idempotencyKey": key});
        let params = json!({"name": "key", "arguments": {}, "_meta": meta});
        let answer = client.request(id, "tools/call", params).await;
        keys.push(answer["result"]["content"][0]["text"].clone());
    }
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[0], keys[2]);
    for key in [json!(""), json!(7), json!("x".repeat(1000))] {
        let meta = json!({"tool-core/idempotencyKey": key});
        let params = json!({"name": "key", "arguments": {}, "_meta": meta});
        let answer = client.request(4, "tools/call", params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}
