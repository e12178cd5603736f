//! What services refuse in a request, quirk by quirk: what is not sent, and which error is shown.

use std::error::Error;

use serde_json::{Value, json, to_value};
use tool_core::{Dispatcher, tool, tools};
use tool_openai::chat::{Message, Request, ToolChoice};
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, Profile};

/// Add two numbers.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

async fn asked(set: impl FnOnce(Agent) -> Agent) -> Value {
    let server = ScriptedServer::start([ScriptedReply::text("Done.")])
        .await
        .unwrap();
    set(Agent::new(server.client().unwrap(), "scripted"))
        .run("Go.")
        .await
        .unwrap();
    server.requests().remove(0)
}

#[tokio::test]
async fn quirk_32_strict_is_not_sent_to_a_service_that_refuses_it() {
    let tools = || Dispatcher::new(tools![add]);
    let strict = asked(|agent| agent.with_tools(tools())).await;
    assert_eq!(strict["tools"][0]["function"]["strict"], true);
    let plain = asked(|agent| {
        agent
            .with_tools(tools())
            .with_profile(Profile::portable().without_strict())
    })
    .await;
    let function = plain["tools"][0]["function"].as_object().unwrap();
    assert!(
        !function.contains_key("strict")
            && !function["parameters"]
                .as_object()
                .unwrap()
                .contains_key("additionalProperties")
    );
}

#[tokio::test]
async fn quirk_33_tool_keys_are_omitted_without_tools() {
    let request = asked(|agent| {
        agent
            .with_parallel_tool_calls(true)
            .with_tool_choice(ToolChoice::Auto)
    })
    .await;
    let keys: Vec<&String> = request.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["model", "messages"]);

    let request = Request {
        model: "m".into(),
        messages: vec![Message::user("Go.")],
        parallel_tool_calls: Some(true),
        ..Request::default()
    };
    assert_eq!(
        to_value(request).unwrap(),
        json!({"model": "m", "messages": [{"role": "user", "content": "Go."}]})
    );
}

#[tokio::test]
async fn quirk_34_a_refused_tool_choice_keeps_the_providers_text() {
    let words = "Thinking mode does not support this tool_choice";
    let server = ScriptedServer::start([ScriptedReply::error(400, "invalid_request_error", words)])
        .await
        .unwrap();
    let agent = Agent::new(server.client().unwrap(), "scripted")
        .with_tools(Dispatcher::new(tools![add]))
        .with_tool_choice(ToolChoice::Required)
        .conversation();
    let error = agent.run("Go.").await.unwrap_err();
    assert_eq!(
        error.source().unwrap().to_string(),
        format!("the service answered 400: {words}")
    );
    assert_eq!(
        (server.requests().len(), agent.messages().len()),
        (1, 1),
        "asked once, and the history can be continued"
    );
}
