//! A server of its own process: `fixture stdio`, or `fixture http ADDRESS`, which prints where it
//! listens. With `LISTS` set, it has one tool.

use std::env;
use std::sync::{Arc, OnceLock};

use serde_json::json;
use tokio::net::TcpListener;
use tool_core::{DynamicTool, ToolSet, tools};
use tool_mcp::Server;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let this = Arc::new(OnceLock::new());
    let tools = match env::var_os("LISTS") {
        None => changing(&this)?,
        Some(_) => tools![mcp_tests::add],
    };
    let dispatcher = mcp_tests::dispatcher()?.with_tools(tools);
    let server = Server::new(dispatcher).with_name("fixture", "1.2.3");
    _ = this.set(server.clone());
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("stdio") => Ok(server.stdio().await?),
        Some("http") => {
            let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
            let listener = TcpListener::bind(address).await?;
            #[expect(clippy::print_stdout, reason = "for the program that started it")]
            {
                println!("{}", listener.local_addr()?);
            }
            let app = axum::Router::new().route_service("/mcp", server.service());
            Ok(axum::serve(listener, app).await?)
        }
        _ => Err("usage: fixture stdio | fixture http [ADDRESS]".into()),
    }
}

/// The tools, with one that replaces them by fewer.
fn changing(server: &Arc<OnceLock<Server>>) -> Result<ToolSet, Error> {
    let this = Arc::clone(server);
    let change = move |_| {
        let this = Arc::clone(&this);
        async move {
            let server = this.get().ok_or("there is no server")?;
            server.replace_tools(changing(&this)?.filter(|tool| tool.name() != "hangs"));
            Ok::<_, Error>("changed")
        }
    };
    let schema = json!({"type": "object", "properties": {}});
    let tool = DynamicTool::new(
        "test_trigger_tool_change",
        "Replace the tools.",
        schema,
        change,
    )?;
    Ok(mcp_tests::tools()?.with_tool(tool)?)
}
