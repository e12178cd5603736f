//! A conversation that is kept in SQLite: one row for each, read before a question and written after
//! its answer. Each question here opens the database anew, as another process would.
//!
//! `cargo run --example stored_history`: a mock model answers. With OPENAI_API_KEY (or
//! OPENAI_BASE_URL) a real service does, with the model that OPENAI_MODEL names (`gpt-4o` unless set).

use std::env;
use std::sync::Arc;

use anyhow::Context;
use sqlx::AnyPool;
use tool_openai::chat::{Message, Request};
use tool_openai::testing::{MockModel, ScriptedReply};
use tool_openai::{Agent, ChatModel, History, OpenAi};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    sqlx::any::install_default_drivers();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("conversations.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());

    let model_name = env::var("OPENAI_MODEL").unwrap_or_else(|_| "gpt-4o".to_owned());
    let agent = Agent::new(model()?, model_name);
    ask(&agent, &url, "chat-1", "My name is Jana.").await?;
    ask(&agent, &url, "chat-1", "What is my name?").await?;
    ask(&agent, &url, "chat-2", "What is my name?").await?;
    Ok(())
}

/// One request of a user: reads the conversation, continues it, and stores it.
async fn ask(agent: &Agent, url: &str, id: &str, question: &str) -> anyhow::Result<()> {
    let pool = open(url).await?;
    let history = load(&pool, id).await?;
    println!("{id}: {} messages are stored", history.messages.len());

    let conversation = agent.conversation_from(history);
    let reply = conversation.run(question).await;
    // Also when the run has failed: what the history has by then is valid.
    store(&pool, id, &conversation.history())
        .await
        .with_context(|| format!("not stored; error of the run: {:?}", reply.as_ref().err()))?;
    pool.close().await;
    println!("  user:  {question}\n  model: {}", reply?);
    Ok(())
}

async fn open(url: &str) -> Result<AnyPool, sqlx::Error> {
    let pool = AnyPool::connect(url).await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS conversations (id TEXT PRIMARY KEY, history TEXT NOT NULL)",
    )
    .execute(&pool)
    .await?;
    Ok(pool)
}

async fn load(pool: &AnyPool, id: &str) -> anyhow::Result<History> {
    let stored: Option<String> =
        sqlx::query_scalar("SELECT history FROM conversations WHERE id = $1")
            .bind(id)
            .fetch_optional(pool)
            .await?;
    match stored {
        Some(history) => Ok(serde_json::from_str(&history)?),
        None => Ok(History::default()),
    }
}

/// The last one to store wins: let one request at a time into a conversation, or compare a version.
async fn store(pool: &AnyPool, id: &str, history: &History) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO conversations (id, history) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE SET history = excluded.history",
    )
    .bind(id)
    .bind(serde_json::to_string(history)?)
    .execute(pool)
    .await?;
    Ok(())
}

fn model() -> anyhow::Result<Arc<dyn ChatModel>> {
    let is_set = |name| env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if is_set("OPENAI_API_KEY") || is_set("OPENAI_BASE_URL") {
        return Ok(Arc::new(OpenAi::from_env()?));
    }
    Ok(Arc::new(MockModel::with_script(script)))
}

/// The mock model: knows the name only if it is in the messages.
fn script(request: &Request) -> ScriptedReply {
    let said = request.messages.iter().filter_map(|message| match message {
        Message::User(user) => Some(user.text()),
        _ => None,
    });
    let said: Vec<String> = said.collect();
    let name = said
        .iter()
        .find_map(|text| text.strip_prefix("My name is "));
    ScriptedReply::text(match (name, said.len()) {
        (Some(name), 1) => format!("Hello, {}!", name.trim_end_matches('.')),
        (Some(name), _) => format!("Your name is {name}"),
        (None, _) => "You have not said your name.".to_owned(),
    })
}
