//! What a caller makes of answers that an engine, or a proxy before it, may give. No engine is needed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tool_core::{Dispatcher, ToolCall};
use tool_restate::{Remote, RemoteAgent, RemoteError, register};

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// Knows one tool, gives calls of it these answers, and the last of them again and again.
async fn answering(answers: &[(u16, &str)]) -> String {
    let services = json!({"services": [{
        "name": "tool.x",
        "documentation": "Do something.",
        "metadata": {"tool-core/behavior": "{}"},
        "handlers": [{"name": "call", "input_json_schema": {"type": "object", "properties": {}}}],
    }]});
    let mut answers: Vec<(u16, String)> = answers
        .iter()
        .map(|(status, body)| (*status, (*body).to_owned()))
        .collect();
    answers.reverse();
    let answers = Arc::new(Mutex::new(answers));
    let answer = move || {
        let mut answers = answers.lock().unwrap();
        let (status, body) = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop().unwrap(),
        };
        async move { (StatusCode::from_u16(status).unwrap(), body) }
    };
    let router = Router::new()
        .route("/services", get(async move || Json(services)))
        .route("/query", post(async || Json(json!({"rows": []}))))
        .route("/tool.x/call", post(answer));
    serve(router).await
}

#[tokio::test]
async fn answers_have_an_accurate_code() {
    const DONE: (u16, &str) = (200, r#"[{"type": "text", "text": "done"}]"#);
    for (answers, code) in [
        (vec![DONE], "ok"),
        (vec![(200, "<html>")], "tool_error"),
        (vec![(400, "{}")], "not_started"),
        (vec![(401, "<html>")], "not_started"),
        (vec![(404, "{}")], "unknown_tool"),
        (vec![(409, "{}")], "lost_indeterminate"),
        (vec![(410, "{}")], "lost_indeterminate"),
        (vec![(413, "{}")], "too_large"),
        (vec![(422, "{}")], "not_started"),
        // What may pass is asked again, and what was refused then may have run before.
        (
            vec![(429, "{}"), (502, "<html>"), (503, "{}"), (504, "{}"), DONE],
            "ok",
        ),
        (vec![(500, "{}"), DONE], "ok"),
        (vec![(500, "<html>")], "lost_indeterminate"),
        (vec![(503, "{}"), (404, "{}")], "lost_indeterminate"),
        (vec![(503, "{}")], "timeout_indeterminate"),
    ] {
        let url = answering(&answers).await;
        let tools = Remote::connect(&url, &url).await.unwrap().tools();
        assert_eq!(tools.len(), 1);
        let dispatcher = Dispatcher::new(tools).with_timeout(Duration::from_secs(5));
        let call = ToolCall::new("call", "x", "{}");
        let results = dispatcher.dispatch(vec![call]).await;
        let read = match results[0].outcome() {
            Ok(_) => "ok",
            Err(error) => error.code().as_str(),
        };
        assert_eq!(read, code, "{answers:?}: {}", results[0].content());
        assert!(!results[0].content().contains("html"), "{:?}", results[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_says_nothing_is_an_error() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let start = tokio::time::Instant::now();
    let tools = Remote::connect(&url, &url).await;
    assert!(matches!(tools, Err(RemoteError::Unreachable(error)) if error.is_timeout()));
    let agent = RemoteAgent::connect(&url, &url, "clerk").await;
    assert!(matches!(agent, Err(RemoteError::Unreachable(_))));
    register(&url, "http://127.0.0.1:9080").await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(100));
}

#[tokio::test]
async fn a_service_that_is_no_tool_is_left_out() {
    let services: Value = json!({"services": [
        {"name": "tool.x", "handlers": []},
        {"name": "other", "handlers": []},
    ]});
    let router = Router::new().route("/services", get(async move || Json(services)));
    let url = serve(router).await;
    let remote = Remote::connect(&url, &url).await.unwrap();
    let left_out: Vec<_> = remote
        .left_out()
        .iter()
        .map(|tool| tool.tool.as_str())
        .collect();
    assert_eq!((left_out, remote.tools().len()), (vec!["x"], 0));
}
