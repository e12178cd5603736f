//! The hospital's database: SQLite in a file of its own, or PostgreSQL. One schema, the same
//! queries.

use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection};

use crate::tools::{Latency, PatientDb};

/// How long to wait for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are opened before the first query: one for each tool.
const CONNECTIONS: u32 = 4;

/// Opens the database at `url` and brings it to the newest schema, sample patients included. What
/// fails is kept for the tools to report.
pub(crate) async fn open(url: &str, latency: Latency) -> PatientDb {
    sqlx::any::install_default_drivers();
    PatientDb {
        pool: connect(url).await,
        latency,
    }
}

async fn connect(url: &str) -> Result<AnyPool, sqlx::Error> {
    // A connection of its own first: a pool would hide why it cannot connect behind its own
    // time-out.
    let connecting = tokio::time::timeout(PATIENCE, AnyConnection::connect(url));
    let mut connection = connecting
        .await
        .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
    sqlx::migrate!("./patient_summary/migrations")
        .run(&mut connection)
        .await?;
    connection.close().await?;
    let pool = AnyPoolOptions::new()
        .min_connections(CONNECTIONS)
        .max_connections(2 * CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect(url)
        .await?;
    // Held together until all are open.
    let mut opened = Vec::new();
    for _ in 0..CONNECTIONS {
        opened.push(pool.acquire().await?);
    }
    drop(opened);
    Ok(pool)
}
