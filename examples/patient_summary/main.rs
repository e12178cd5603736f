//! A clinical summary for one patient: the model asks for four tools in one message, they query the
//! database together, and the model writes the summary.

mod scripted;
#[cfg(test)]
mod tests;

use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use patient_summary::{Latency, PatientDb, patient_tools};
use tool_core::{Dispatcher, ToolCall, Waterfall};
use tool_openai::{Agent, AgentEvent};

const INSTRUCTIONS: &str = "You write clinical summaries. Use only what the tools return, and say plainly what could not be retrieved.";

/// Summarises one patient with a model and four tools.
///
/// Without OPENAI_API_KEY (or OPENAI_BASE_URL) a mock model answers; without
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
    /// Milliseconds that each query takes longer, as over a network, and up to a third more; 150 unless
    /// set for the SQLite file, none for DATABASE_URL.
    #[arg(long)]
    latency: Option<u64>,
    /// A file for the timeline of the first message's calls, an SVG.
    #[arg(long)]
    timeline: Option<PathBuf>,
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

    let (model, script) = scripted::model().await?;
    match &script {
        Some(server) => println!(
            "Model: a mock model at {}, since OPENAI_API_KEY is not set",
            server.base_url()
        ),
        None => println!("Model: {}", options.model),
    }

    // The file, if any, lives as long as its folder.
    let folder = tempfile::tempdir()?;
    let (kind, url, least) = match set("DATABASE_URL") {
        Some(url) => ("the one at DATABASE_URL", url, 0),
        None => (
            "sample patients in an SQLite file",
            format!(
                "sqlite://{}?mode=rwc",
                folder.path().join("patients.db").display()
            ),
            150,
        ),
    };
    println!("Database: {kind}");
    let least = options.latency.unwrap_or(least);
    let latency = Latency::of(Duration::from_millis(least));
    if least > 0 {
        println!("Network:  {latency}; `--latency 0` turns it off");
    }
    println!("Question: {question}\n");

    let dispatcher = Dispatcher::new(patient_tools(PatientDb::open(&url, latency).await));
    let message = Arc::new(Mutex::new(Message::default()));
    let seen = Arc::clone(&message);
    let reply = Agent::new(model, options.model)
        .with_instructions(INSTRUCTIONS)
        .with_tools(dispatcher.clone())
        .with_parallel_guidance()
        .with_on_event(move |event| {
            print_event(
                event,
                &mut seen.lock().unwrap_or_else(PoisonError::into_inner),
            );
        })
        .run(question)
        .await?;
    let message = std::mem::take(&mut *message.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(file) = options.timeline {
        std::fs::write(&file, &message.timeline)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if !message.calls.is_empty() {
        compare(&dispatcher, message).await;
    }
    println!("Summary:\n\n{reply}");
    Ok(())
}

/// The first message with calls: what it asks for, and how long all of it took.
#[derive(Default)]
struct Message {
    calls: Vec<ToolCall>,
    took: Duration,
    /// An SVG.
    timeline: String,
}

/// The same calls once more, one after the other.
async fn compare(dispatcher: &Dispatcher, message: Message) {
    let Message { calls, took, .. } = message;
    let (count, start) = (calls.len(), Instant::now());
    for call in calls {
        dispatcher.dispatch(vec![call]).await;
    }
    println!("{}\n", sentence(count, took, start.elapsed()));
}

/// What was measured, whatever it is.
fn sentence(calls: usize, together: Duration, apart: Duration) -> String {
    let [together, apart] = [together, apart].map(|time| time.as_secs_f64() * 1000.0);
    let times = format!(
        "{calls} calls in one message took {together:.0} ms; one after the other they take {apart:.0} ms"
    );
    match apart / together {
        ratio if ratio >= 1.05 => format!("{times}: {ratio:.1} times as long."),
        _ => format!("{times}. Queries this short gain nothing."),
    }
}

/// The value of an environment variable; an empty one is none.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn print_event(event: &AgentEvent, message: &mut Message) {
    match event {
        AgentEvent::ToolCallReady { call, .. } => {
            println!("  running   {} {}", call.name, call.arguments);
        }
        AgentEvent::ToolCallsReady(calls) => {
            println!(
                "The model has asked for {} tools in one message.",
                calls.len()
            );
            if message.calls.is_empty() {
                message.calls.clone_from(calls);
            }
        }
        AgentEvent::Result(result) => println!(
            "  {:>4} ms   {} has answered",
            result.elapsed().as_millis(),
            result.name()
        ),
        AgentEvent::Results(results) => {
            let waterfall = Waterfall::new(results);
            if message.took.is_zero() {
                message.took = waterfall.elapsed();
                message.timeline = waterfall.to_svg();
            }
            println!("\nResults, in call order:");
            for result in results {
                let start: String = result.content().chars().take(80).collect();
                println!("  {start}");
            }
            println!("\n{waterfall}\n");
        }
        _ => {}
    }
}
