//! The raw output of the mock server, before any of our types reads it.

mod responses_api;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tool_core::{Dispatcher, tool, tools};
use tool_openai::chat::{Message, Request};
use tool_openai::responses::{self, Response, ResponsesAssembler};
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, Assembler, StartPolicy};

/// The body of the answer to a request with these keys beside the usual ones.
async fn raw_answer(reply: ScriptedReply, rest: Value) -> String {
    posted(
        "chat/completions",
        reply,
        json!({"messages": [{"role": "user", "content": "Go."}]}),
        rest,
    )
    .await
}

/// The same of the Responses API.
async fn raw_response(reply: ScriptedReply, rest: Value) -> String {
    posted("responses", reply, json!({"input": "Go."}), rest).await
}

async fn posted(path: &str, reply: ScriptedReply, mut body: Value, rest: Value) -> String {
    let server = ScriptedServer::start([reply]).await.unwrap();
    body["model"] = json!("scripted");
    body.as_object_mut()
        .unwrap()
        .extend(rest.as_object().unwrap().clone());
    post(&server, path, &body).await
}

async fn post(server: &ScriptedServer, path: &str, body: &Value) -> String {
    let (address, body) = (
        server.base_url().replace("http://", "").replace("/v1", ""),
        body.to_string(),
    );
    // A server ends the body of an answer to HTTP/1.0 with the connection, and writes nothing in
    // between.
    let head = format!(
        "POST /v1/{path} HTTP/1.0\r\nAuthorization: Bearer key\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection
        .write_all((head + &body).as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer).await; // which may break off
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK"), "{answer}");
    body.to_owned()
}

async fn chunks(reply: ScriptedReply, rest: Value) -> Vec<Value> {
    let body = raw_answer(reply, rest).await;
    let data = body.strip_suffix("data: [DONE]\n\n").expect(&body);
    data.split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

fn calls() -> ScriptedReply {
    ScriptedReply::calls([("add", json!({"a": 1000, "b": 2000})), ("now", json!({}))])
}

#[tokio::test]
async fn a_stream_has_the_order_of_the_services_own() {
    let chunks = chunks(
        calls().with_text("Let me see."),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    )
    .await;
    let (usage, reported) = chunks.split_last().unwrap();
    let deltas: Vec<_> = reported
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"].clone())
        .collect();
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
    let reasons: Vec<_> = reported
        .iter()
        .map(|chunk| chunk["choices"][0]["finish_reason"].clone())
        .collect();
    assert_eq!(
        reasons
            .iter()
            .filter(|reason| !reason.is_null())
            .collect::<Vec<_>>(),
        ["tool_calls"]
    );
    assert_eq!(reasons.last().unwrap(), "tool_calls");
    assert!(
        reported
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn token_counts_come_only_when_asked_for() {
    for options in [
        json!({"stream": true}),
        json!({"stream": true, "stream_options": {"include_usage": false}}),
    ] {
        let chunks = chunks(ScriptedReply::text("Hello."), options).await;
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.get("usage").is_none() && chunk["choices"][0].is_object())
        );
    }
}

#[tokio::test]
async fn a_tool_offered_as_a_custom_one_is_called_as_one() {
    let tools = json!([{"type": "custom", "custom": {"name": "run"}}]);
    let reply = ScriptedReply::calls([("run", json!("1 + 1"))]);
    let whole: Value =
        serde_json::from_str(&raw_answer(reply.clone(), json!({"tools": tools})).await).unwrap();
    let call = &whole["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(
        (&call["type"], &call["custom"]),
        (&json!("custom"), &json!({"name": "run", "input": "1 + 1"}))
    );
    let chunks = chunks(reply, json!({"tools": tools, "stream": true})).await;
    assert_eq!(
        chunks[1]["choices"][0]["delta"]["tool_calls"][0]["custom"],
        json!({"name": "run", "input": ""})
    );
    assert_eq!(
        chunks[2]["choices"][0]["delta"]["tool_calls"],
        json!([{"index": 0, "custom": {"input": "1 + 1"}}])
    );
}

#[tokio::test]
async fn an_answer_is_cut_where_the_script_says() {
    let events = |body: String| body.matches("data: ").count();
    for chunks in 0..4 {
        assert_eq!(
            events(raw_answer(calls().with_cut_after(chunks), json!({"stream": true})).await),
            chunks
        );
        let failed = raw_answer(
            calls().with_error_after(chunks, "server_error", "No."),
            json!({"stream": true}),
        )
        .await;
        assert_eq!(events(failed.clone()), chunks + 1);
        assert!(
            failed.ends_with("\"code\":\"server_error\"}}\n\n"),
            "{failed}"
        );
    }
    let cut = raw_answer(ScriptedReply::text("Hello.").with_cut_after(0), json!({})).await;
    assert!(
        cut.starts_with("{\"id\"") && serde_json::from_str::<Value>(&cut).is_err(),
        "{cut}"
    );
    let failed = raw_answer(
        ScriptedReply::text("Hello.").with_error_after(0, "server_error", "No."),
        json!({}),
    )
    .await;
    assert_eq!(
        serde_json::from_str::<Value>(&failed).unwrap()["error"]["message"],
        "No."
    );
}

/// Add two numbers.
#[tool(read_only)]
fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

#[tokio::test]
async fn an_agent_has_the_same_conversation_over_both_apis() {
    let replies = || {
        let calls =
            ScriptedReply::calls([("add", json!({"a": 1, "b": 2})), ("subtract", json!({}))])
                .with_text("Let me see.");
        [
            calls.with_reasoning("Two things."),
            ScriptedReply::text("3."),
            ScriptedReply::text("Sure."),
        ]
    };
    for policy in [StartPolicy::StreamEnd, StartPolicy::CallEnd] {
        let mut conversations = Vec::new();
        for is_chat in [true, false] {
            let server = ScriptedServer::start(replies()).await.unwrap();
            let client = server.client().unwrap();
            let agent = if is_chat {
                Agent::new(client, "scripted")
            } else {
                Agent::new(client.into_responses(), "scripted")
            };
            let agent = agent
                .with_instructions("Be brief.")
                .with_tools(Dispatcher::new(tools![add]))
                .with_start_policy(policy)
                .conversation();
            assert_eq!(agent.run("Go.").await.unwrap().text, "3.");
            assert_eq!(agent.run("Sure?").await.unwrap().text, "Sure.");
            let messages = agent.messages();
            let results = messages.iter().filter_map(|message| match message {
                Message::Tool(result) => Some(result.text()),
                _ => None,
            });
            conversations.push((
                results.collect::<Vec<_>>(),
                agent.messages().len(),
                server.requests().len(),
            ));
        }
        assert_eq!(conversations[0], conversations[1]);
        assert_eq!(
            (
                conversations[0].0[0].as_str(),
                conversations[0].1,
                conversations[0].2
            ),
            ("3", 7, 3)
        );
    }
}

#[tokio::test]
async fn every_answer_matches_the_specification() {
    let mut answers: [(&str, Vec<String>); 4] =
        ["response", "chunk", "responses-response", "responses-event"]
            .map(|kind| (kind, Vec::new()));
    let usage = json!({"stream": true, "stream_options": {"include_usage": true}});
    for reply in [
        ScriptedReply::text("Hello. 🦀"),
        calls(),
        calls().with_text("Let me see."),
        ScriptedReply::refusal("I will not."),
        ScriptedReply::calls([("add", json!("{\"a\": 1, "))]).with_finish_reason("length"),
        ScriptedReply::text("").with_finish_reason("content_filter"),
    ] {
        answers[0]
            .1
            .push(raw_answer(reply.clone(), json!({})).await);
        answers[1]
            .1
            .push(raw_answer(reply.clone(), json!({"stream": true})).await);
        answers[1]
            .1
            .push(raw_answer(reply.clone(), usage.clone()).await);
        let reply = reply.with_reasoning("Well.");
        answers[2]
            .1
            .push(raw_response(reply.clone(), json!({})).await);
        answers[3]
            .1
            .push(raw_response(reply, json!({"stream": true})).await);
    }
    let custom = || ScriptedReply::calls([("run", json!("1 + 1"))]);
    answers[0].1.push(
        raw_answer(
            custom(),
            json!({"tools": [{"type": "custom", "custom": {"name": "run"}}]}),
        )
        .await,
    );
    answers[3].1.push(
        raw_response(
            custom(),
            json!({"stream": true, "tools": [{"type": "custom", "name": "run"}]}),
        )
        .await,
    );
    for (kind, answers) in answers {
        check_against_the_specification(kind, &answers);
    }
}

/// Sends bodies to a checker made from OpenAI's published specification. It is not part of this
/// repository: `ORACLE` says in which folder it is.
pub(crate) fn check_against_the_specification(kind: &str, bodies: &[String]) {
    let Some(folder) = std::env::var_os("ORACLE").map(PathBuf::from) else {
        // Not `eprintln!`, which the test harness keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: ORACLE is not set, so no {kind} was checked against the specification"
        );
        return;
    };
    let file = |(number, body): (usize, &String)| {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{kind}-{number}"));
        std::fs::write(&file, body).unwrap();
        file
    };
    let files: Vec<_> = bodies.iter().enumerate().map(file).collect();
    let check = Command::new("python3")
        .arg(folder.join("openai_spec_check.py"))
        .args(["--werror", "--kind", kind])
        .args(&files)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "refused by the specification: {}",
        String::from_utf8_lossy(&check.stdout)
    );
}
