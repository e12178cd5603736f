//! What the scripted server writes, read by OpenAI's own Python SDK; and what we write, held
//! against its types.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, from_value, json, to_value};
use tool_core::Dispatcher;
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, chat, responses};

use crate::{script, tool_at, toolset};

/// What the SDK reads from the server, an answer per ask.
async fn ask(python: &OsStr, server: &ScriptedServer, asks: Vec<Value>) -> Vec<Value> {
    let mut command = Command::new(python);
    let mut sdk = command
        .arg(script("python_sdk.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let job = json!({"base_url": server.base_url(), "asks": asks}).to_string();
    sdk.stdin.take().unwrap().write_all(job.as_bytes()).unwrap();
    let output = tokio::task::spawn_blocking(move || sdk.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A body with our tools, strict: the SDK's helper refuses others.
fn body(messages: Value) -> Value {
    json!({"model": "scripted", "messages": messages, "tools": chat::tools(&toolset()).unwrap()})
}

/// The same for the Responses API, after a call that is answered.
fn response_body() -> Value {
    let call =
        json!({"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}});
    let asked = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let history = json!([user(), asked, {"role": "tool", "tool_call_id": "1", "content": "3"}]);
    to_value(responses::Request::from(
        &from_value(body(history)).unwrap(),
    ))
    .unwrap()
}

fn user() -> Value {
    json!({"role": "user", "content": "Go."})
}

fn two_calls() -> ScriptedReply {
    ScriptedReply::calls([
        ("add", json!({"a": 1, "b": 2})),
        ("add", json!({"a": 3000, "b": 4000})),
    ])
}

const CALLS: [(&str, &str); 2] = [
    ("add", r#"{"a":1,"b":2}"#),
    ("add", r#"{"a":3000,"b":4000}"#),
];

/// A turn of the script, the calls to be read from it, and what else.
type Case = (ScriptedReply, Value, Value);

/// Asks for each turn in each of these ways. Every answer is to be as expected, and the helper to
/// report each call when it is complete.
async fn read_alike<const N: usize>(python: &OsStr, hows: [&str; N], body: &Value, cases: &[Case]) {
    let script = cases.iter().flat_map(|(turn, ..)| vec![turn.clone(); N]);
    let server = ScriptedServer::start(script).await.unwrap();
    let asks = cases
        .iter()
        .flat_map(|_| hows.map(|how| json!({"how": how, "body": body})));
    let answers = ask(python, &server, asks.collect()).await;
    assert_eq!(answers.len(), cases.len() * N);
    for (answers, (_, calls, rest)) in answers.chunks(N).zip(cases) {
        for answer in answers {
            assert_eq!(answer["calls"], *calls, "{answer}");
            for (key, value) in rest.as_object().unwrap() {
                assert_eq!(answer[key], *value, "{key}: {answer}");
            }
            assert!(answer["tokens"].as_u64() > Some(0), "{answer}");
            let ids = answer["ids"].as_array().unwrap();
            assert!(ids.len() < 2 || ids[0] != ids[1], "{answer}");
        }
        assert_eq!(answers[N - 1]["done"], *calls);
    }
}

#[tokio::test]
async fn the_sdk_reads_whole_and_streamed_answers_alike() {
    let Some(python) = tool_at("INTEROP_PYTHON") else {
        return;
    };
    let cases = [
        (
            two_calls(),
            json!(CALLS),
            json!({"content": null, "refusal": null, "finish_reason": "tool_calls"}),
        ),
        (
            two_calls().with_text("Let me see."),
            json!(CALLS),
            json!({"content": "Let me see.", "finish_reason": "tool_calls"}),
        ),
        (
            two_calls().with_finish_reason("stop"),
            json!(CALLS),
            json!({"finish_reason": "stop"}),
        ),
        (
            ScriptedReply::text("Grüße. 🦀"),
            json!([]),
            json!({"content": "Grüße. 🦀", "finish_reason": "stop"}),
        ),
        (
            ScriptedReply::refusal("I will not."),
            json!([]),
            json!({"content": null, "refusal": "I will not."}),
        ),
    ];
    read_alike(
        &python,
        ["whole", "chunks", "helper"],
        &body(json!([user()])),
        &cases,
    )
    .await;
}

#[tokio::test]
async fn the_sdk_reads_responses_whole_and_streamed_alike() {
    let Some(python) = tool_at("INTEROP_PYTHON") else {
        return;
    };
    let thoughtful = two_calls()
        .with_text("Let me see.")
        .with_reasoning("Two sums.");
    let all = json!(["reasoning", "message", "function_call", "function_call"]);
    let cases = [
        (
            two_calls(),
            json!(CALLS),
            json!({"kinds": ["function_call", "function_call"], "finish_reason": "completed"}),
        ),
        (
            thoughtful,
            json!(CALLS),
            json!({"content": "Let me see.", "kinds": all}),
        ),
        (
            ScriptedReply::text("Grüße. 🦀"),
            json!([]),
            json!({"content": "Grüße. 🦀"}),
        ),
    ];
    read_alike(
        &python,
        ["response", "response_helper"],
        &response_body(),
        &cases,
    )
    .await;
}

#[tokio::test]
async fn the_sdk_reads_refusals_and_broken_streams_as_the_services_own() {
    let Some(python) = tool_at("INTEROP_PYTHON") else {
        return;
    };
    let cut = || ScriptedReply::calls([("add", json!("{\"a\": 1, "))]).with_finish_reason("length");
    let server = ScriptedServer::start([
        ScriptedReply::rate_limit(0),
        ScriptedReply::text("Hello."),
        ScriptedReply::error(400, "bad_day", "Not today."),
        two_calls().with_error_after(4, "server_error", "The model is overloaded."),
        two_calls().with_cut_after(4),
        cut(),
        cut(),
    ]);
    let server = server.await.unwrap();
    let ask_so = |how: &str| json!({"how": how, "body": body(json!([user()]))});
    let misplaced = json!({"how": "whole", "body": body(json!([user(), {"role": "tool", "tool_call_id": "x", "content": "1"}]))});
    let response = json!({"how": "response", "body": response_body()});
    let asks = vec![
        ask_so("whole"),
        ask_so("whole"),
        ask_so("chunks"),
        ask_so("chunks"),
        ask_so("helper"),
        response,
        misplaced,
    ];
    let answers = ask(&python, &server, asks).await;
    assert_eq!(
        answers[0]["content"], "Hello.",
        "a rate limit is waited out: {}",
        answers[0]
    );
    let wording = |answer: &Value, class: &str, words: &str| {
        let error = &answer["error"];
        error[0] == class && error[1].as_str().unwrap().contains(words)
    };
    assert!(
        wording(&answers[1], "BadRequestError", "Not today."),
        "{}",
        answers[1]
    );
    assert!(
        wording(&answers[2], "APIError", "The model is overloaded."),
        "{}",
        answers[2]
    );
    assert!(answers[3]["error"].is_array(), "{}", answers[3]);
    assert!(
        wording(&answers[4], "LengthFinishReasonError", ""),
        "{}",
        answers[4]
    );
    assert_eq!(
        (&answers[5]["calls"], &answers[5]["finish_reason"]),
        (&json!([["add", "{\"a\": 1, "]]), &json!("incomplete"))
    );
    assert!(
        wording(
            &answers[6],
            "BadRequestError",
            "must be a response to a preceeding message"
        ),
        "{}",
        answers[6]
    );
}

#[tokio::test]
async fn a_conversation_continues_through_the_sdk() {
    let Some(python) = tool_at("INTEROP_PYTHON") else {
        return;
    };
    // Ours, with calls that fail, fed back by the SDK.
    let calls = [
        ("add", json!({"a": 1, "b": 2})),
        ("add", json!("{\"a\": ")),
        ("functions.subtract it", json!({})),
    ];
    let ours = ScriptedServer::start([
        ScriptedReply::calls(calls).with_text("Let me see."),
        ScriptedReply::text("Done."),
    ])
    .await
    .unwrap();
    let agent = Agent::new(ours.client().unwrap(), "scripted")
        .with_tools(Dispatcher::new(toolset()))
        .conversation();
    agent.run("Go.").await.unwrap();
    let mut history = to_value(agent.messages()).unwrap();
    history
        .as_array_mut()
        .unwrap()
        .push(json!({"role": "user", "content": "Sure?"}));
    // And the SDK's own.
    let server = ScriptedServer::start([
        ScriptedReply::text("Sure."),
        two_calls(),
        ScriptedReply::text("Sums."),
    ])
    .await
    .unwrap();
    let asks = vec![
        json!({"how": "whole", "body": body(history)}),
        json!({"how": "feed_back", "body": body(json!([user()]))}),
    ];
    let answers = ask(&python, &server, asks).await;
    let wording: Vec<_> = answers.iter().map(|answer| &answer["content"]).collect();
    assert_eq!(wording, ["Sure.", "Sums."], "{answers:?}");
}
