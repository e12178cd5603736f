//! What the scripted server writes, before any type of ours has read it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tool_openai::testing::{ScriptedServer, Turn};

/// The body of the answer to a request with these keys beside the usual ones.
async fn raw_answer(turn: Turn, rest: Value) -> String {
    let server = ScriptedServer::start([turn]).await.unwrap();
    let mut body = json!({"model": "scripted", "messages": [{"role": "user", "content": "Go."}]});
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let (address, body) = (server.base_url().replace("http://", "").replace("/v1", ""), body.to_string());
    // A server ends the body of an answer to HTTP/1.0 with the connection, and writes nothing in between.
    let head = format!("POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer key\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer).await; // which may break off
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK"), "{answer}");
    body.to_owned()
}

async fn chunks(turn: Turn, rest: Value) -> Vec<Value> {
    let body = raw_answer(turn, rest).await;
    let data = body.strip_suffix("data: [DONE]\n\n").expect(&body);
    data.split_terminator("\n\n").map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

fn calls() -> Turn {
    Turn::calls([("add", json!({"a": 1000, "b": 2000})), ("now", json!({}))])
}

#[tokio::test]
async fn a_stream_has_the_order_of_the_services_own() {
    let chunks = chunks(calls().with_text("Let me see."), json!({"stream": true, "stream_options": {"include_usage": true}})).await;
    let (usage, told) = chunks.split_last().unwrap();
    let deltas: Vec<_> = told.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect();
    let more = |index: usize, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    let first = |index: usize, id: &str, name: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
    assert_eq!(
        deltas,
        [
            json!({"role": "assistant", "content": "", "refusal": null}),
            json!({"content": "Let me s"}),
            json!({"content": "ee."}),
            first(0, "call_000000000001000000000000", "add"),
            more(0, "{\"a\":100"),
            more(0, "0,\"b\":20"),
            more(0, "00}"),
            first(1, "call_000000000001000000000001", "now"),
            more(1, "{}"),
            json!({}),
        ]
    );
    let reasons: Vec<_> = told.iter().map(|chunk| chunk["choices"][0]["finish_reason"].clone()).collect();
    assert_eq!(reasons.iter().filter(|reason| !reason.is_null()).collect::<Vec<_>>(), ["tool_calls"]);
    assert_eq!(reasons.last().unwrap(), "tool_calls");
    assert!(told.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn token_counts_come_only_when_asked_for() {
    for options in [json!({"stream": true}), json!({"stream": true, "stream_options": {"include_usage": false}})] {
        let chunks = chunks(Turn::text("Hello."), options).await;
        assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none() && chunk["choices"][0].is_object()));
    }
}

#[tokio::test]
async fn a_tool_offered_as_a_custom_one_is_called_as_one() {
    let tools = json!([{"type": "custom", "custom": {"name": "run"}}]);
    let turn = Turn::calls([("run", json!("1 + 1"))]);
    let whole: Value = serde_json::from_str(&raw_answer(turn.clone(), json!({"tools": tools})).await).unwrap();
    let call = &whole["choices"][0]["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["custom"]), (&json!("custom"), &json!({"name": "run", "input": "1 + 1"})));
    let chunks = chunks(turn, json!({"tools": tools, "stream": true})).await;
    assert_eq!(chunks[1]["choices"][0]["delta"]["tool_calls"][0]["custom"], json!({"name": "run", "input": ""}));
    assert_eq!(chunks[2]["choices"][0]["delta"]["tool_calls"], json!([{"index": 0, "custom": {"input": "1 + 1"}}]));
}

#[tokio::test]
async fn an_answer_breaks_off_where_the_script_says() {
    let events = |body: String| body.matches("data: ").count();
    for chunks in 0..4 {
        assert_eq!(events(raw_answer(calls().with_cut_after(chunks), json!({"stream": true})).await), chunks);
        let failed = raw_answer(calls().with_error_after(chunks, "server_error", "No."), json!({"stream": true})).await;
        assert_eq!(events(failed.clone()), chunks + 1);
        assert!(failed.ends_with("\"code\":\"server_error\"}}\n\n"), "{failed}");
    }
    let cut = raw_answer(Turn::text("Hello.").with_cut_after(0), json!({})).await;
    assert!(cut.starts_with("{\"id\"") && serde_json::from_str::<Value>(&cut).is_err(), "{cut}");
    let failed = raw_answer(Turn::text("Hello.").with_error_after(0, "server_error", "No."), json!({})).await;
    assert_eq!(serde_json::from_str::<Value>(&failed).unwrap()["error"]["message"], "No.");
}

#[tokio::test]
async fn every_answer_is_one_that_the_specification_has() {
    for turn in [
        Turn::text("Hello. 🦀"),
        calls(),
        calls().with_text("Let me see."),
        Turn::refusal("I will not."),
        Turn::calls([("add", json!("{\"a\": 1, "))]).with_finish_reason("length"),
        Turn::text("").with_finish_reason("content_filter"),
    ] {
        check_against_the_specification("response", &raw_answer(turn.clone(), json!({})).await);
        for options in [json!({"stream": true}), json!({"stream": true, "stream_options": {"include_usage": true}})] {
            check_against_the_specification("chunk", &raw_answer(turn.clone(), options).await);
        }
    }
    let custom = json!({"tools": [{"type": "custom", "custom": {"name": "run"}}]});
    check_against_the_specification("response", &raw_answer(Turn::calls([("run", json!("1 + 1"))]), custom).await);
}

/// Puts a body before a checker made from OpenAI's published specification. The checker is no part of this
/// repository: `OPENAI_SPEC_CHECK` says where it is.
fn check_against_the_specification(kind: &str, body: &str) {
    let Some(checker) = std::env::var_os("OPENAI_SPEC_CHECK").map(PathBuf::from) else {
        eprintln!("skipped: OPENAI_SPEC_CHECK is not set, so the {kind} was not checked against the specification");
        return;
    };
    let mut check = Command::new("python3").arg(checker).args(["--werror", "--kind", kind, "-"]).stdin(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success(), "refused by the specification: {body}");
}
