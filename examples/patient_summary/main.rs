//! A clinical summary for one patient: the model asks for four tools in one message, they query the
//! database together, and the model writes the summary.

mod database;
mod scripted;
#[cfg(test)]
mod tests;
mod tools;

use std::env;

use clap::Parser;
use tool_core::{Dispatcher, ToolSet, Waterfall, tools};
use tool_openai::testing::ScriptedServer;
use tool_openai::{Agent, AgentEvent, OpenAi};

use crate::tools::{
    PatientDb, get_patient_allergies, get_patient_demographics, get_patient_medications,
    get_recent_lab_results,
};

const INSTRUCTIONS: &str = "You write clinical summaries. Use only what the tools return, and say plainly what could not be retrieved.";

/// Summarises one patient with a model and four tools.
///
/// Without OPENAI_API_KEY (or OPENAI_BASE_URL) a script answers in the model's place; without
/// DATABASE_URL the patients are samples in an SQLite file.
#[derive(Parser)]
#[command(name = "patient_summary")]
struct Options {
    /// The patient to summarise.
    #[arg(long, default_value = "P-00123")]
    patient: String,
    /// What to ask, instead of a summary of the patient.
    #[arg(long)]
    question: Option<String>,
    /// The model to ask.
    #[arg(long, default_value = "gpt-4o")]
    model: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let question = options.question.unwrap_or_else(|| {
        format!(
            "Generate a complete clinical summary for patient {}.",
            options.patient
        )
    });

    // Without a key, a script answers over the same HTTP.
    let has_service = set("OPENAI_API_KEY").or(set("OPENAI_BASE_URL")).is_some();
    let script = if has_service {
        None
    } else {
        Some(ScriptedServer::start_with(scripted::respond).await?)
    };
    let model = match &script {
        Some(server) => server.client()?,
        None => OpenAi::from_env()?,
    };
    match &script {
        Some(server) => println!(
            "Model: a script at {}, since OPENAI_API_KEY is not set",
            server.base_url()
        ),
        None => println!("Model: {}", options.model),
    }

    // The file, if any, lives as long as its folder.
    let folder = tempfile::tempdir()?;
    let (kind, url) = match set("DATABASE_URL") {
        Some(url) => ("the one at DATABASE_URL", url),
        None => (
            "sample patients in an SQLite file",
            format!(
                "sqlite://{}?mode=rwc",
                folder.path().join("patients.db").display()
            ),
        ),
    };
    println!("Database: {kind}\nQuestion: {question}\n");

    let dispatcher = Dispatcher::new(patient_tools(database::open(&url).await));
    let reply = Agent::new(model, options.model)
        .with_instructions(INSTRUCTIONS)
        .with_tools(dispatcher)
        .with_parallel_guidance()
        .with_on_event(|event| print_event(&event))
        .run(question)
        .await?;
    println!("Summary:\n\n{reply}");
    Ok(())
}

/// The value of an environment variable; an empty one is none.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn patient_tools(db: PatientDb) -> ToolSet {
    tools![
        get_patient_demographics,
        get_patient_medications,
        get_patient_allergies,
        get_recent_lab_results
    ]
    .with_state(db)
}

fn print_event(event: &AgentEvent) {
    match event {
        AgentEvent::ToolCallsReady(calls) => {
            println!("The model asks for {} tools in one message:", calls.len());
            for call in calls {
                println!("  {} {}", call.name, call.arguments);
            }
        }
        AgentEvent::Results(results) => {
            println!("\nResults, in call order:");
            for result in results {
                let start: String = result.content().chars().take(80).collect();
                println!(
                    "  {:>6.1} ms  {start}",
                    result.elapsed().as_secs_f64() * 1000.0
                );
            }
            println!("\n{}\n", Waterfall::new(results));
        }
        _ => {}
    }
}
