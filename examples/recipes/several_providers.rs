//! One agent over several OpenAI-compatible providers: a `Fallback` asks the next one when a provider
//! gives no answer, and each retry is reported.
//!
//! `cargo run --example several_providers`: both providers are scripted servers on loopback. With
//! OPENAI_API_KEY (or OPENAI_BASE_URL) the first is a real service, with the model that OPENAI_MODEL
//! names (`gpt-4o` unless set).

use std::env;

use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentEvent, Fallback, OpenAi, Profile};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The first provider, unless the environment names one: busy once, later down.
    let down = || ScriptedReply::error(503, "unavailable", "The server is down.");
    let (busy, hello) = (ScriptedReply::rate_limit(0), ScriptedReply::text("Hello!"));
    let first_server = ScriptedServer::start([busy, hello, down(), down()]).await?;
    let second_server =
        ScriptedServer::start_with(|_| ScriptedReply::text("Hello from the second!")).await?;

    let is_set = |name| env::var(name).is_ok_and(|value| !value.trim().is_empty());
    let first = match is_set("OPENAI_API_KEY") || is_set("OPENAI_BASE_URL") {
        true => OpenAi::from_env()?,
        false => first_server.client()?,
    };
    // Fewer retries than the default: another provider is there.
    let first = first.with_retries(1);
    let second = second_server.client()?;

    let model_name = env::var("OPENAI_MODEL").unwrap_or_else(|_| "gpt-4o".to_owned());
    let agent = Agent::new(Fallback::new(first).or(second, "llama-3.3-70b"), model_name)
        // What both take: the profile is the first one's, unless set.
        .with_profile(Profile::portable())
        .with_on_event(|event| {
            if let AgentEvent::RequestRetried(retries) = event {
                for retry in retries {
                    println!("  sent again, after: {}", retry.reason);
                }
            }
        });
    for prompt in ["Hello?", "Hello again?"] {
        println!("{prompt}");
        println!("  reply: {}", agent.run(prompt).await?);
    }
    Ok(())
}
