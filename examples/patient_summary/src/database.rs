//! The hospital's database: SQLite in a file of its own, or PostgreSQL. One schema, the same
//! queries.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection, SqlStr};
use tokio::sync::OnceCell;

use crate::tools::DbError;

/// How long to wait for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are opened before the first query: one for each tool.
const CONNECTIONS: u32 = 4;

/// The hospital's database. While it cannot be reached each query says so, and tries again.
#[derive(Debug)]
pub struct PatientDb {
    url: String,
    pool: OnceCell<AnyPool>,
    latency: Latency,
}

impl PatientDb {
    /// Opens the database at `url` and brings it to the newest schema, sample patients included.
    /// An error is reported by the first query.
    pub async fn open(url: &str, latency: Latency) -> Self {
        sqlx::any::install_default_drivers();
        let db = Self {
            url: url.to_owned(),
            pool: OnceCell::new(),
            latency,
        };
        _ = db.pool().await;
        db
    }

    /// The connections.
    ///
    /// # Errors
    /// [`DbError::Unreachable`], until the database can be reached.
    pub async fn pool(&self) -> Result<&AnyPool, DbError> {
        let pool = self.pool.get_or_try_init(|| connect(&self.url));
        pool.await
            .map_err(|error| DbError::Unreachable(error.to_string()))
    }

    /// The connections, for one query of a tool.
    pub(crate) async fn query(&self) -> Result<&AnyPool, DbError> {
        self.latency.wait().await;
        self.pool().await
    }

    /// An empty list may be the truth about a patient, but not about one who does not exist.
    pub(crate) async fn require(&self, patient_id: &str, is_empty: bool) -> Result<(), DbError> {
        if !is_empty {
            return Ok(());
        }
        let found: Option<(String,)> =
            sqlx::query_as("SELECT patient_id FROM patients WHERE patient_id = $1")
                .bind(patient_id)
                .fetch_optional(self.query().await?)
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
    let connection = connecting
        .await
        .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
    connection.close().await?;
    let pool = AnyPoolOptions::new()
        .min_connections(CONNECTIONS)
        .max_connections(2 * CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect(url)
        .await?;
    migrations().run(&pool).await?;
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

/// How long queries take longer, as if the database were far away: at least so long, and up to a
/// third more, another time for each. Nothing, unless set.
#[derive(Debug, Default)]
pub struct Latency {
    least: Duration,
    queries: AtomicU64,
}

impl Latency {
    /// At least so long.
    pub fn of(least: Duration) -> Self {
        Self {
            least,
            queries: AtomicU64::new(0),
        }
    }

    async fn wait(&self) {
        let more = self.queries.fetch_add(17, Relaxed) % 51; // 51 of these are a third
        let wait = self.least.mul_f64(1.0 + more as f64 / 153.0);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.least.as_millis();
        write!(f, "simulated, {least} to {} ms a query", least * 4 / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each query waits, also where several run together.
    #[tokio::test(start_paused = true)]
    async fn queries_take_as_long_as_over_a_network() {
        let simulated = Latency::of(Duration::from_millis(150));
        assert_eq!(simulated.to_string(), "simulated, 150 to 200 ms a query");
        let start = tokio::time::Instant::now();
        tokio::join!(simulated.wait(), simulated.wait(), simulated.wait());
        assert_eq!(start.elapsed().as_millis(), 184);
    }
}
