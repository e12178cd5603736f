//! The patient tools for every MCP client: over stdio for one that starts this program, over HTTP
//! for many.

use std::net::SocketAddr;

use anyhow::Context;
use clap::{Parser, Subcommand};
use mcp_server::patient_server;
use tokio::net::TcpListener;
use tool_core::CancellationToken;

/// Serves the patient tools over MCP.
///
/// Without DATABASE_URL the patients are samples in an SQLite file.
#[derive(Parser)]
#[command(name = "mcp-server")]
struct Options {
    #[command(subcommand)]
    transport: Transport,
}

#[derive(Subcommand)]
enum Transport {
    /// Over stdin and stdout, for a client that starts this program.
    Stdio,
    /// Over streamable HTTP, at the path /mcp.
    Http {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Prints the lines for a client's configuration.
    Config,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let transport = Options::parse().transport;
    if matches!(transport, Transport::Config) {
        return print_config();
    }
    let (server, _folder) = patient_server().await?;
    match transport {
        Transport::Http { listen } => {
            let stop = CancellationToken::new();
            let app = axum::Router::new()
                .route_service("/mcp", server.with_cancellation(stop.clone()).service());
            let listener = TcpListener::bind(listen).await;
            let listener = listener.with_context(|| format!("cannot listen on {listen}"))?;
            println!("MCP server at http://{}/mcp", listener.local_addr()?);
            // Graceful shutdown: connections end, and calls that run are answered.
            let stopped = async move {
                _ = tokio::signal::ctrl_c().await;
                stop.cancel();
            };
            axum::serve(listener, app)
                .with_graceful_shutdown(stopped)
                .await?;
            Ok(())
        }
        Transport::Stdio | Transport::Config => Ok(server.stdio().await?),
    }
}

fn print_config() -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let program = program.display();
    println!("Claude Desktop, Cursor and others, in their JSON configuration:\n");
    println!(
        r#"  {{"mcpServers": {{"patients": {{"command": "{program}", "args": ["stdio"]}}}}}}"#
    );
    println!("\nClaude Code:\n");
    println!("  claude mcp add patients -- {program} stdio");
    println!("\nAny client over HTTP, after `mcp-server http`:\n");
    println!(
        r#"  {{"mcpServers": {{"patients": {{"type": "http", "url": "http://127.0.0.1:8080/mcp"}}}}}}"#
    );
    println!("\nThe inspector:\n");
    println!("  npx @modelcontextprotocol/inspector {program} stdio");
    Ok(())
}
