//! Human-in-the-loop on the terminal: a policy holds each destructive call, the program asks the
//! user, and the run is resumed with the answers.
//!
//! `cargo run --example terminal_approval`: a mock model answers. With OPENAI_API_KEY (or
//! OPENAI_BASE_URL) a real service does, with the model that OPENAI_MODEL names (`gpt-4o` unless set).
//! The files are samples in a temporary folder.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use serde_json::json;
use tool_core::{Decision, Dispatcher, ToolCall, tool, tools};
use tool_openai::chat::{Message, Request};
use tool_openai::testing::{MockModel, ScriptedReply};
use tool_openai::{Agent, ChatModel, OpenAi, Outcome};

const FILES: [&str; 2] = ["notes.bak", "report.bak"];

struct Folder(PathBuf);

/// Delete a file.
#[tool(destructive)]
fn delete_file(#[state] folder: &Folder, name: &str) -> io::Result<String> {
    // No path leads out of the folder.
    if Path::new(name).file_name() != Some(name.as_ref()) {
        return Err(io::Error::other(format!("`{name}` is not a file name")));
    }
    fs::remove_file(folder.0.join(name))?;
    Ok(format!("{name} is deleted"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for name in FILES {
        fs::write(folder.path().join(name), "sample")?;
    }
    let tools = tools![delete_file].with_state(Folder(folder.path().to_owned()));
    let dispatcher = Dispatcher::new(tools).with_policy(|call| {
        match call.definition().behavior().is_destructive() {
            true => Decision::Hold,
            false => Decision::Allow,
        }
    });

    let model_name = env::var("OPENAI_MODEL").unwrap_or_else(|_| "gpt-4o".to_owned());
    let agent = Agent::new(model()?, model_name).with_tools(dispatcher);
    let mut reply = agent
        .run(format!("Delete {}.", FILES.join(" and ")))
        .await?;
    while let Outcome::Suspended(suspended) = reply.outcome {
        let decisions = suspended
            .held()
            .map(|held| Ok((held.position(), ask(held.call())?)))
            .collect::<io::Result<_>>()?;
        reply = agent.resume(*suspended, decisions).await?;
    }
    println!("{reply}");
    Ok(())
}

/// Asks the user. No answer is no approval.
fn ask(call: &ToolCall) -> io::Result<Decision> {
    print!("Allow {} {}? [y/N] ", call.name, printable(&call.arguments));
    io::stdout().flush()?;
    if !io::stdin().is_terminal() {
        println!("denied: the input is not a terminal");
        return Ok(Decision::deny("nobody is there to approve it"));
    }
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        println!("denied: the input has ended");
        return Ok(Decision::deny("nobody is there to approve it"));
    }
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(Decision::Allow),
        _ => Ok(Decision::deny("the user said no")),
    }
}

/// The model writes the arguments: control characters in them could hide what is asked.
fn printable(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

fn model() -> anyhow::Result<Arc<dyn ChatModel>> {
    let is_set = |name| env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if is_set("OPENAI_API_KEY") || is_set("OPENAI_BASE_URL") {
        return Ok(Arc::new(OpenAi::from_env()?));
    }
    Ok(Arc::new(MockModel::with_script(script)))
}

/// The mock model: deletes the files, and says what became of that.
fn script(request: &Request) -> ScriptedReply {
    let results = request.messages.iter().filter_map(|message| match message {
        Message::Tool(result) => Some(result.text()),
        _ => None,
    });
    let results: Vec<String> = results.collect();
    if results.is_empty() {
        return ScriptedReply::calls(FILES.map(|name| ("delete_file", json!({"name": name}))));
    }
    ScriptedReply::text(format!("Results:\n  {}", results.join("\n  ")))
}
