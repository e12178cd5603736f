//! A web service with an agent. `POST /chat` answers as server-sent events, `POST /approvals/{chat}/{approval}`
//! decides on a call that waits, `cargo run -p service` prints where it listens.
//!
//! One agent and one dispatcher serve all requests. Each request has a state of its own (who is
//! logged in), each chat a conversation. A client that disconnects drops its stream, and with it
//! the tools that run for it. Calls that wait for an approval are in a file, and survive a restart.

mod chat;
mod scripted;
mod spans;
mod store;
mod tools;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tool_openai::{Agent, OpenAi};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::chat::Service;
use crate::store::Store;

/// How long calls that run may take when the program is asked to end.
const LAST_CALLS: Duration = Duration::from_secs(30);

/// Serves chats on loopback. Without OPENAI_API_KEY (or OPENAI_BASE_URL) a mock model
/// answers.
#[derive(Parser)]
#[command(name = "service")]
struct Options {
    /// Where conversations and held runs are kept.
    #[arg(long, default_value = "service-data")]
    data: PathBuf,
    /// The port; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The model to ask.
    #[arg(long, default_value = "gpt-4o")]
    model: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::registry().with(spans::Trees).init();
    let options = Options::parse();
    let has_service = ["OPENAI_API_KEY", "OPENAI_BASE_URL"]
        .map(env::var)
        .iter()
        .any(Result::is_ok);
    let agent = match has_service {
        true => Agent::new(OpenAi::from_env()?, options.model),
        false => Agent::new(scripted::model(), "scripted"),
    };
    let agent = agent
        .with_name("receptionist")
        .with_instructions("You book appointments. Say plainly what could not be done.");
    let service = Service::new(agent, tools::dispatcher(), Store::open(options.data)?);

    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, chat::router(service.clone()))
        .with_graceful_shutdown(ending(service.clone()))
        .await?;
    // No request is left; stopped calls may still be ending.
    if timeout(LAST_CALLS, service.idle()).await.is_err() {
        eprintln!("some calls have not ended within {LAST_CALLS:?}");
    }
    println!("ended");
    Ok(())
}

/// Graceful shutdown: no new request is accepted. Active ones have a grace period, then they are
/// cancelled.
async fn ending(service: Service) {
    asked_to_end().await;
    tokio::spawn(async move {
        sleep(LAST_CALLS).await;
        service.cancel();
    });
}

/// Ctrl-C, or the signal that service managers send.
async fn asked_to_end() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
            return;
        }
    }
    let _ = interrupted.await;
}
