//! An agent as a stream of events: text while the model writes it, and three lookups that start
//! before its message is over.
//!
//! A mock model answers, over real HTTP, a chunk every 10 ms.

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde_json::json;
use tool_core::{CallContext, Dispatcher, tool, tools};
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentEvent, StartPolicy};

/// Look up the weather in a city.
#[tool(read_only)]
async fn look_up_weather(#[context] cx: &CallContext, city: &str) -> String {
    cx.progress(format!("asking the station in {city}"), None);
    tokio::time::sleep(Duration::from_millis(120)).await;
    format!("sunny in {city}")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let asked = ScriptedReply::calls(
        ["Oslo", "Rome", "Lima"].map(|city| ("look_up_weather", json!({ "city": city }))),
    )
    .with_text("Let me look. ");
    let answered = ScriptedReply::text("It is sunny in all three.");
    let pace = Duration::from_millis(10);
    let server = ScriptedServer::start([asked.with_pace(pace), answered.with_pace(pace)]).await?;

    let agent = Agent::new(server.client()?, "scripted")
        .with_tools(Dispatcher::new(tools![look_up_weather]))
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    let began = Instant::now();
    let mut run = agent.stream("How is the weather in Oslo, Rome and Lima?");
    while let Some(event) = run.next().await {
        let at = format!("\n{:4} ms  ", began.elapsed().as_millis());
        match event? {
            AgentEvent::Text(text) => print!("{text}"),
            AgentEvent::ToolCallReady { position, call, .. } => print!(
                "{at}call {position} is complete: {} {}",
                call.name, call.arguments
            ),
            AgentEvent::Progress(progress) => print!(
                "{at}call {} reports: {}",
                progress.position, progress.message
            ),
            AgentEvent::ToolCallsReady(calls) => {
                print!("{at}the message is over; it has {} calls", calls.len());
            }
            AgentEvent::Result(result) => print!(
                "{at}call {} is answered: {}",
                result.position(),
                result.content()
            ),
            AgentEvent::TurnStarted { turn } => print!("{at}turn {turn}: "),
            AgentEvent::Reply(reply) => println!(
                "{at}done in {} turns, {} tokens",
                reply.turns, reply.usage.total_tokens
            ),
            _ => {}
        }
        io::stdout().flush()?;
    }
    Ok(())
}
