//! A server with the patient tools, over any transport.

use std::env;

use anyhow::Context;
use patient_summary::{Latency, PatientDb, patient_tools};
use tempfile::TempDir;
use tool_core::Dispatcher;
use tool_mcp::Server;

/// The server, and the folder that its database is in, if it has no `DATABASE_URL`.
///
/// # Errors
/// There is no place for a file.
pub async fn patient_server() -> anyhow::Result<(Server, Option<TempDir>)> {
    let given = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    let (url, folder) = match given {
        Some(url) => (url, None),
        None => {
            let folder = tempfile::tempdir().context("there is no place for the patients")?;
            let file = folder.path().join("patients.db");
            (
                format!("sqlite://{}?mode=rwc", file.display()),
                Some(folder),
            )
        }
    };
    let database = PatientDb::open(&url, Latency::default()).await;
    // One dispatcher for all clients: their calls share its limits.
    let dispatcher = Dispatcher::new(patient_tools(database)).with_max_concurrency(16);
    let server = Server::new(dispatcher)
        .with_name("patients", env!("CARGO_PKG_VERSION"))
        .with_instructions(
            "Look up a patient by an id of the form P-NNNNN. Ask for all you need at once.",
        );
    Ok((server, folder))
}
