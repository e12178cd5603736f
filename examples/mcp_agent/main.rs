//! An agent whose tools come from an MCP server: by default the patient tools, which this program
//! serves itself, in a second process.

#[path = "../patient_summary/scripted.rs"]
mod scripted;

use std::env;
use std::process::Command;

use clap::Parser;
use tool_core::{Dispatcher, Waterfall};
use tool_mcp::{Client, HttpTransport, connect};
use tool_openai::{Agent, AgentEvent};

/// Answers a question with the tools of an MCP server.
///
/// Without OPENAI_API_KEY (or OPENAI_BASE_URL) a mock model answers, which knows only the
/// patient tools.
#[derive(Parser)]
#[command(name = "mcp-agent")]
struct Options {
    /// What to ask.
    #[arg(default_value = "Generate a complete clinical summary for patient P-00123.")]
    question: String,
    /// The model to ask.
    #[arg(long, default_value = "gpt-4o")]
    model: String,
    /// A server over streamable HTTP: http://127.0.0.1:8080/mcp for example.
    #[arg(long)]
    url: Option<String>,
    /// A server that is a command: the program, and its arguments.
    #[arg(long, num_args = 1.., allow_hyphen_values = true, conflicts_with = "url")]
    command: Vec<String>,
    /// Be the server.
    #[arg(long, hide = true)]
    serve: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.serve {
        let (server, _folder) = mcp_server::patient_server().await?;
        return Ok(server.stdio().await?);
    }
    let client = connect_to(&options).await?;
    let (name, version) = client.server().unwrap_or_default();
    let tools = client.tools();
    println!("Server: {name} {version}, with {} tools:", tools.len());
    for definition in tools.definitions() {
        println!("  {}: {}", definition.name(), definition.description());
    }
    for tool in client.left_out() {
        println!("  left out: {}: {}", tool.tool, tool.reason);
    }

    let (model, script) = scripted::model().await?;
    match &script {
        Some(_) => println!("Model: a mock model, since OPENAI_API_KEY is not set"),
        None => println!("Model: {}", options.model),
    }
    println!("Question: {}\n", options.question);

    let reply = Agent::new(model, options.model)
        .with_instructions(client.instructions().unwrap_or_default())
        .with_tools(Dispatcher::new(tools))
        .with_parallel_guidance()
        .with_on_event(|event| {
            if let AgentEvent::Results(results) = event {
                println!("{}\n", Waterfall::new(results));
            }
        })
        .run(options.question)
        .await?;
    println!("{reply}");
    client.close().await;
    Ok(())
}

async fn connect_to(options: &Options) -> anyhow::Result<Client> {
    let connecting = match (&options.url, &options.command[..]) {
        (Some(url), _) => connect(HttpTransport::new(url)),
        (None, [program, arguments @ ..]) => {
            let mut command = Command::new(program);
            command.args(arguments);
            connect(command)
        }
        (None, []) => {
            let mut command = Command::new(env::current_exe()?);
            command.arg("--serve");
            connect(command)
        }
    };
    Ok(connecting
        .with_name("mcp-agent", env!("CARGO_PKG_VERSION"))
        .await?)
}
