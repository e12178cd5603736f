//! A clinical dashboard: a list of patients, and a page for each that an agent fills while its tools
//! run. `cargo run -p dashboard` prints its address.
//!
//! Everything that happens in a run is in the database before a page shows it. A page that is reloaded,
//! a second one, and a server that was restarted continue from there; a write waits for a person's
//! approval in the same place.

mod cards;
mod chart;
mod guard;
mod pages;
mod runs;
mod store;
mod tools;
mod traces;
mod view;
mod watched;
mod web;
mod writer;

#[path = "../patient_summary/scripted.rs"]
mod scripted;

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use patient_summary::{Latency, PatientDb};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tool_openai::Agent;

use crate::pages::About;
use crate::runs::Runs;
use crate::store::Store;
use crate::web::Dashboard;

const INSTRUCTIONS: &str = "You write clinical summaries and answer questions about one patient. Use only what the tools return, and say plainly what could not be retrieved. Add a note only if the user asks for one.";

/// Serves the dashboard on loopback.
///
/// Without OPENAI_API_KEY (or OPENAI_BASE_URL) a mock model answers; without DATABASE_URL the patients
/// are samples in an SQLite file.
#[derive(Parser)]
#[command(name = "dashboard")]
struct Options {
    /// The port; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The folder of the SQLite file.
    #[arg(long, default_value = "dashboard-data")]
    data: PathBuf,
    /// The model to ask.
    #[arg(long, default_value = "gpt-4o")]
    model: String,
    /// Milliseconds that each query takes longer, as over a network, and up to a third more; 150 unless
    /// set for the SQLite file, none for DATABASE_URL.
    #[arg(long)]
    latency: Option<u64>,
    /// The address of an OpenTelemetry collector for traces, `http://127.0.0.1:4318` for example.
    #[arg(long)]
    otlp: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let traces = options.otlp.as_deref().map(traces::export).transpose()?;
    let (model, script) = scripted::model().await?;
    let (url, latency, database) = database(&options)?;
    let about = About {
        model: match script {
            Some(_) => "a mock model, since OPENAI_API_KEY is not set".to_owned(),
            None => options.model.clone(),
        },
        database,
    };

    let db = Arc::new(PatientDb::open(&url, latency).await);
    let store = Store::new(Arc::clone(&db));
    let agent = Agent::new(model, options.model)
        .with_name("clinician's assistant")
        .with_instructions(INSTRUCTIONS)
        .with_parallel_guidance()
        .with_tools(tools::dispatcher(db, store.clone()));
    let dashboard = Dashboard {
        runs: Runs::new(store, agent),
        about: Arc::new(about),
        shutdown: CancellationToken::new(),
    };

    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    println!("http://{}", listener.local_addr()?);
    let stopping = dashboard.clone();
    axum::serve(listener, web::router(dashboard.clone()))
        .with_graceful_shutdown(async move {
            shutdown_signal().await;
            stopping.shutdown.cancel(); // pages that watch a run would wait for its end
            stopping.runs.shut_down().await;
        })
        .await?;
    if let Some(traces) = traces {
        traces.shutdown()?;
    }
    println!("stopped");
    Ok(())
}

/// The database's address, how long its queries take, and what the page says of it.
fn database(options: &Options) -> anyhow::Result<(String, Latency, String)> {
    let (kind, url, least) = match env::var("DATABASE_URL")
        .ok()
        .filter(|url| !url.trim().is_empty())
    {
        Some(url) => ("the one at DATABASE_URL", url, 0),
        None => {
            fs::create_dir_all(&options.data)?;
            let file = options.data.join("patients.db");
            let url = format!("sqlite://{}?mode=rwc", file.display());
            ("an SQLite file", url, 150)
        }
    };
    let least = options.latency.unwrap_or(least);
    let latency = Latency::of(Duration::from_millis(least));
    let database = match least {
        0 => kind.to_owned(),
        _ => format!("{kind}; network: {latency}"),
    };
    Ok((url, latency, database))
}

/// Ctrl-C, or the signal that service managers send.
async fn shutdown_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
            return;
        }
    }
    _ = interrupted.await;
}
