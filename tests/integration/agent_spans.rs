//! What a trace shows of a run: a tree of spans after the conventions for generative AI.

use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;
use serde_json::json;
use tool_core::{Dispatcher, tool, tools};
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
    let spans = trace.spans();
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
async fn retries_are_told_and_in_the_trace() {
    let busy = ScriptedReply::error(503, "unavailable", "Overloaded.");
    let (agent, _server) = agent([busy, ScriptedReply::text("Hello.")]).await;
    let trace = Trace::begin();
    let mut stream = agent.stream("Hello?");
    let mut retries = Vec::new();
    while let Some(event) = stream.next().await {
        if let AgentEvent::RequestRetried(told) = event.unwrap() {
            retries.extend(told);
        }
    }
    assert_eq!(retries.len(), 1);
    assert!(retries[0].reason.contains("Overloaded."), "{retries:?}");
    let spans = trace.spans();
    let chat = spans.iter().find(is_of("chat ")).unwrap();
    let events: Vec<_> = chat.events.iter().map(|event| event.name.clone()).collect();
    assert!(
        events.iter().any(|event| event == "request sent again"),
        "{events:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn what_fails_says_so_in_its_span() {
    let (agent, _server) = agent([ScriptedReply::error(400, "bad", "No.")]).await;
    let trace = Trace::begin();
    agent.run("Hello?").await.unwrap_err();
    let spans = trace.spans();
    assert_eq!(tree(&spans), ["invoke_agent adder", "  chat gpt-none"]);
    for span in &spans {
        assert_eq!(attribute(span, "error.type").as_deref(), Some("400"));
        assert!(matches!(span.status, Status::Error { .. }));
    }
}
