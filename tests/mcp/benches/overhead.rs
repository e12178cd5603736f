//! What a call over MCP costs with this crate on both ends, beside `rmcp` alone on both ends, in one
//! run: `cargo bench -p mcp-tests --bench overhead`. Each takes its turn; the medians are compared.
//!
//! `rmcp` alone parses no arguments and checks none, and a panic of its tool is never answered.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, RequestContext, RoleClient, RoleServer, RunningService,
};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::{Map, Value, json};
use tool_core::{Dispatcher, ToolCall, tool, tools};
use tool_mcp::{Server, Transport, connect};

const ROUNDS: usize = 41;
const CALLS: [usize; 3] = [1, 10, 100];

/// Add two numbers.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// The same tool, by hand.
struct ByHand;

impl ServerHandler for ByHand {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
        let schema = schema.as_object().cloned().unwrap_or_default();
        let add = Tool::new("add", "Add two numbers.", Arc::new(schema));
        Ok(ListToolsResult::with_all_items(vec![add]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let number = |name: &str| arguments[name].as_i64().unwrap_or_default();
        let sum = (number("a") + number("b")).to_string();
        Ok(CallToolResult::success(vec![ContentBlock::text(sum)]).into())
    }
}

type Client = RunningService<RoleClient, ()>;

async fn alone(client: &Client, calls: usize) -> Result<(), Failure> {
    let call = || async {
        let arguments = Map::from_iter([("a".to_owned(), 2.into()), ("b".to_owned(), 40.into())]);
        let params = CallToolRequestParams::new("add").with_arguments(arguments);
        client.call_tool(params).await
    };
    let answers = futures_util::future::join_all((0..calls).map(|_| call())).await;
    for answer in answers {
        assert_eq!(answer?.content, [ContentBlock::text("42")]);
    }
    Ok(())
}

async fn ours(dispatcher: &Dispatcher, calls: usize) {
    let call = |_| ToolCall::new("call", "add", r#"{"a": 2, "b": 40}"#);
    let results = dispatcher.dispatch((0..calls).map(call).collect()).await;
    assert!(results.iter().all(|result| result.content() == "42"));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // In a task, as a program's handlers and agents are.
    tokio::spawn(measure()).await?
}

async fn measure() -> Result<(), Failure> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        if let Ok(server) = ByHand.serve(tokio::io::split(far)).await {
            _ = server.waiting().await;
        }
    });
    let lifecycle = ClientLifecycleMode::Discover {
        preferred_versions: vec![rmcp::model::ProtocolVersion::V_2026_07_28],
    };
    let by_hand = ().serve_with_lifecycle(tokio::io::split(near), lifecycle).await?;

    let (near, far) = tokio::io::duplex(1 << 16);
    let server = Server::new(Dispatcher::new(tools![add]).with_max_concurrency(1000));
    tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(far);
        server.serve(reader, writer).await
    });
    let (reader, writer) = tokio::io::split(near);
    let client = connect(Transport::io(reader, writer)).await?;
    let dispatcher = Dispatcher::new(client.tools()).with_max_concurrency(1000);

    for calls in CALLS {
        let (mut alone_times, mut our_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let repeats = 1000 / calls;
            let start = Instant::now();
            for _ in 0..repeats {
                alone(&by_hand, calls).await?;
            }
            alone_times.push(start.elapsed() / 1000);
            let start = Instant::now();
            for _ in 0..repeats {
                ours(&dispatcher, calls).await;
            }
            our_times.push(start.elapsed() / 1000);
        }
        let (alone, ours) = (median(alone_times), median(our_times));
        let ratio = ours.as_secs_f64() / alone.as_secs_f64();
        println!(
            "{calls:>4} at once: {alone:>9.1?} a call with rmcp alone, {ours:>9.1?} here: {ratio:.2} x"
        );
    }
    Ok(())
}
