//! The trace of a run: a tree of spans that follow the conventions for generative AI.

use std::time::Duration;

use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;
use serde_json::json;
use tool_core::{Dispatcher, tool, tools};
use tool_openai::chat::Message;
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentEvent};

use crate::spans::{Trace, attribute};

/// Add two numbers.
#[tool(read_only)]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

async fn agent(replies: impl IntoIterator<Item = ScriptedReply>) -> (Agent, ScriptedServer) {
    let server = ScriptedServer::start(replies).await.unwrap();
    let agent = Agent::new(server.client().unwrap(), "gpt-none")
        .with_name("adder")
        .with_tools(Dispatcher::new(tools![add]));
    (agent, server)
}

/// The spans, when that of the run is over: a thread that a tool ran on may hold on to it a little
/// longer than the run takes.
async fn exported(trace: &Trace) -> Vec<SpanData> {
    let is_run = |span: &SpanData| span.name.starts_with("invoke_agent");
    let exported = async {
        while !trace.spans().iter().any(is_run) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        trace.spans()
    };
    let exported = tokio::time::timeout(Duration::from_secs(60), exported).await;
    exported.expect("the span of the run is exported")
}

fn is_of(kind: &str) -> impl Fn(&&SpanData) -> bool {
    move |span| span.name.starts_with(kind)
}

/// Names with those of what is below, indented, in the order in which they began.
fn tree(spans: &[SpanData]) -> Vec<String> {
    fn below(spans: &[SpanData], parent: SpanId, depth: usize, lines: &mut Vec<String>) {
        let mut children: Vec<_> = spans
            .iter()
            .filter(|span| span.parent_span_id == parent)
            .collect();
        children.sort_by_key(|span| span.start_time);
        for span in children {
            lines.push(format!("{}{}", "  ".repeat(depth), span.name));
            below(spans, span.span_context.span_id(), depth + 1, lines);
        }
    }
    let mut lines = Vec::new();
    below(spans, SpanId::INVALID, 0, &mut lines);
    lines
}

#[tokio::test(flavor = "current_thread")]
async fn a_run_is_a_tree_of_spans() {
    let (agent, _server) = agent([
        ScriptedReply::calls([
            ("add", json!({"a": 1, "b": 2})),
            ("add", json!({"a": 3, "b": 4})),
        ]),
        ScriptedReply::text("3 and 7."),
    ])
    .await;
    let trace = Trace::begin();
    let reply = agent.run("Add.").await.unwrap();
    let spans = exported(&trace).await;
    assert_eq!(
        tree(&spans),
        [
            "invoke_agent adder",
            "  chat gpt-none",
            "  execute_tools",
            "    execute_tool add",
            "    execute_tool add",
            "  chat gpt-none",
        ]
    );
    let run = spans.iter().find(is_of("invoke_agent")).unwrap();
    for (key, expected) in [
        ("gen_ai.operation.name", "invoke_agent".to_owned()),
        ("gen_ai.agent.name", "adder".to_owned()),
        ("gen_ai.request.model", "gpt-none".to_owned()),
        (
            "gen_ai.usage.input_tokens",
            reply.usage.prompt_tokens.to_string(),
        ),
        (
            "gen_ai.usage.output_tokens",
            reply.usage.completion_tokens.to_string(),
        ),
    ] {
        assert_eq!(attribute(run, key), Some(expected), "{key}");
    }
    let chats: Vec<_> = spans.iter().filter(is_of("chat ")).collect();
    for (chat, reason) in chats.iter().zip(["tool_calls", "stop"]) {
        for (key, expected) in [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.model", "gpt-none"),
            ("gen_ai.response.model", "gpt-none"),
            ("gen_ai.response.finish_reasons", reason),
        ] {
            assert_eq!(attribute(chat, key).as_deref(), Some(expected), "{key}");
        }
        assert!(attribute(chat, "gen_ai.response.id").is_some());
        assert!(attribute(chat, "gen_ai.usage.input_tokens").is_some());
    }
}

#[tokio::test(flavor = "current_thread")]
async fn retries_are_reported_and_traced() {
    let busy = ScriptedReply::error(503, "unavailable", "Overloaded.");
    let (agent, _server) = agent([busy, ScriptedReply::text("Hello.")]).await;
    let trace = Trace::begin();
    let mut stream = agent.stream("Hello?");
    let mut retries = Vec::new();
    while let Some(event) = stream.next().await {
        if let AgentEvent::RequestRetried(notice) = event.unwrap() {
            retries.extend(notice);
        }
    }
    assert_eq!(retries.len(), 1);
    assert!(retries[0].reason.contains("Overloaded."), "{retries:?}");
    let spans = exported(&trace).await;
    let chat = spans.iter().find(is_of("chat ")).unwrap();
    let events: Vec<_> = chat.events.iter().map(|event| event.name.clone()).collect();
    assert!(
        events.iter().any(|event| event == "request sent again"),
        "{events:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_failure_is_recorded_in_its_span() {
    let (agent, _server) = agent([ScriptedReply::error(400, "bad", "No.")]).await;
    let trace = Trace::begin();
    agent.run("Hello?").await.unwrap_err();
    let spans = exported(&trace).await;
    assert_eq!(tree(&spans), ["invoke_agent adder", "  chat gpt-none"]);
    for span in &spans {
        assert_eq!(attribute(span, "error.type").as_deref(), Some("400"));
        assert!(matches!(span.status, Status::Error { .. }));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn cached_and_thought_tokens_and_ids_are_in_the_trace() {
    let body = json!({
        "id": "chatcmpl-7", "model": "gpt-none-2026",
        "choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 12},
        },
    });
    let (agent, _server) = agent([ScriptedReply::body(body.to_string())]).await;
    let trace = Trace::begin();
    agent.run("Hello?").await.unwrap();
    let spans = exported(&trace).await;
    let chat = spans.iter().find(is_of("chat ")).unwrap();
    for (key, expected) in [
        ("gen_ai.request.model", "gpt-none"),
        ("gen_ai.response.model", "gpt-none-2026"),
        ("gen_ai.response.id", "chatcmpl-7"),
        ("gen_ai.usage.input_tokens", "100"),
        ("gen_ai.usage.output_tokens", "20"),
        ("gen_ai.usage.cache_read.input_tokens", "64"),
        ("gen_ai.usage.reasoning.output_tokens", "12"),
    ] {
        assert_eq!(attribute(chat, key).as_deref(), Some(expected), "{key}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_removed_request_key_is_reported_and_traced() {
    let (agent, _server) = agent([ScriptedReply::text("Hello.")]).await;
    let messages = json!([
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hi.", "reasoning_content": "A greeting."},
    ]);
    let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
    let trace = Trace::begin();
    let mut stream = agent.conversation_from(messages).stream("Hello?");
    let mut repairs = Vec::new();
    while let Some(event) = stream.next().await {
        if let AgentEvent::RequestRepaired(reported) = event.unwrap() {
            repairs.extend(reported.iter().map(ToString::to_string));
        }
    }
    assert_eq!(repairs, ["key `reasoning_content` left out"]);
    let spans = exported(&trace).await;
    let chat = spans.iter().find(is_of("chat ")).unwrap();
    let mut events = chat.events.iter();
    let repaired = events
        .find(|event| event.name == "request repaired")
        .unwrap();
    let mut attributes = repaired.attributes.iter();
    assert!(attributes.any(|attribute| attribute.value.to_string() == repairs[0]));
}
