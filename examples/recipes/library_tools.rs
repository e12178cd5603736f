//! Tools that come from a library crate, beside a tool of the program: merged, with a prefix, and one
//! of them left out. The library is in `weather/`.
//!
//! `cargo run --example library_tools`: a mock model answers. With OPENAI_API_KEY (or
//! OPENAI_BASE_URL) a real service does, with the model that OPENAI_MODEL names (`gpt-4o` unless set).

use std::env;
use std::sync::Arc;

use serde_json::json;
use tool_core::{ToolSet, tool, tools};
use tool_openai::testing::{MockModel, ScriptedReply};
use tool_openai::{Agent, AgentEvent, ChatModel, OpenAi};
use weather::Weather;

/// Get the user's plans for today.
#[tool(read_only)]
async fn plans_today() -> &'static str {
    "a walk along the river"
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let library = weather::all(Weather {
        station: "Oslo".to_owned(),
    });
    println!("The library exports:  {}", names(&library));

    // The model may read the weather, but not send warnings.
    let library = library
        .filter(|definition| definition.behavior().is_read_only())
        .with_prefix("weather_");
    // Two tools of one name would be an error here.
    let tools = tools![plans_today].merge(library)?;
    println!("The model is offered: {}\n", names(&tools));

    let model_name = env::var("OPENAI_MODEL").unwrap_or_else(|_| "gpt-4o".to_owned());
    let reply = Agent::new(model()?, model_name)
        .with_tools(tools)
        .with_parallel_guidance()
        .with_on_event(|event| {
            if let AgentEvent::Result(result) = event {
                let (call, content) = (result.call(), result.content());
                println!("{} {} -> {content}", call.name, call.arguments);
            }
        })
        .run("Is the weather good enough for my plans today? I think in Celsius.")
        .await?;
    println!("\n{reply}");
    Ok(())
}

fn names(tools: &ToolSet) -> String {
    tools.names().collect::<Vec<_>>().join(", ")
}

fn model() -> anyhow::Result<Arc<dyn ChatModel>> {
    let is_set = |name| env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if is_set("OPENAI_API_KEY") || is_set("OPENAI_BASE_URL") {
        return Ok(Arc::new(OpenAi::from_env()?));
    }
    Ok(Arc::new(MockModel::new([
        ScriptedReply::calls([
            ("plans_today", json!({})),
            ("weather_temperature", json!({"scale": "celsius"})),
            ("weather_chance_of_rain", json!({})),
        ]),
        ScriptedReply::text("Yes: it has 21 °C, and rain is unlikely. Enjoy your walk."),
    ])))
}
