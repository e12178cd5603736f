//! The hospital's database: SQLite in a file of its own, or PostgreSQL. One schema, the same
//! queries.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection, SqlStr};

use crate::tools::DbError;

/// How long to wait for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are opened before the first query: one for each tool.
const CONNECTIONS: u32 = 4;

/// The hospital's database, or why there is none: the tools report that to the model.
#[derive(Debug)]
pub struct PatientDb {
    pool: Result<AnyPool, sqlx::Error>,
    latency: Latency,
}

impl PatientDb {
    /// Opens the database at `url` and brings it to the newest schema, sample patients included.
    /// What fails is kept for the tools to report.
    pub async fn open(url: &str, latency: Latency) -> Self {
        sqlx::any::install_default_drivers();
        Self {
            pool: connect(url).await,
            latency,
        }
    }

    /// The connections, for one query.
    pub(crate) async fn pool(&self) -> Result<&AnyPool, DbError> {
        let pool = self.pool.as_ref();
        let pool = pool.map_err(|error| DbError::Unreachable(error.to_string()))?;
        self.latency.wait().await;
        Ok(pool)
    }

    /// An empty list may be the truth about a patient, but not about one who does not exist.
    pub(crate) async fn require(&self, patient_id: &str, is_empty: bool) -> Result<(), DbError> {
        if !is_empty {
            return Ok(());
        }
        let found: Option<(String,)> =
            sqlx::query_as("SELECT patient_id FROM patients WHERE patient_id = $1")
                .bind(patient_id)
                .fetch_optional(self.pool().await?)
                .await?;
        found
            .map(|_| ())
            .ok_or_else(|| DbError::NoSuchPatient(patient_id.to_owned()))
    }
}

async fn connect(url: &str) -> Result<AnyPool, sqlx::Error> {
    // A connection of its own first: a pool would hide why it cannot connect behind its own
    // time-out.
    let connecting = tokio::time::timeout(PATIENCE, AnyConnection::connect(url));
    let mut connection = connecting
        .await
        .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
    migrations().run(&mut connection).await?;
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

/// Every version of the schema. `sqlx::migrate!` would find the files by itself, and compile sqlx
/// and SQLite a second time for the macro.
fn migrations() -> Migrator {
    let files = [
        ("schema", include_str!("../migrations/0001_schema.sql")),
        (
            "sample patients",
            include_str!("../migrations/0002_sample_patients.sql"),
        ),
    ];
    let migrations = (1..).zip(files).map(|(version, (description, sql))| {
        Migration::new(
            version,
            Cow::Borrowed(description),
            MigrationType::Simple,
            SqlStr::from_static(sql),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

/// How long each query takes longer, as if the database were far away.
#[derive(Debug)]
pub enum Latency {
    /// Always as long; nothing if zero.
    Fixed(Duration),
    /// 150 to 200 ms, another time for each query; counts the queries.
    Simulated(AtomicU64),
}

impl Latency {
    async fn wait(&self) {
        let wait = match self {
            Self::Fixed(wait) => *wait,
            Self::Simulated(queries) => {
                Duration::from_millis(150 + queries.fetch_add(17, Relaxed) % 51)
            }
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each query waits, also where several run together.
    #[tokio::test(start_paused = true)]
    async fn queries_take_as_long_as_over_a_network() {
        let simulated = Latency::Simulated(0.into());
        let start = tokio::time::Instant::now();
        tokio::join!(simulated.wait(), simulated.wait(), simulated.wait());
        assert_eq!(start.elapsed(), Duration::from_millis(184));
    }
}
