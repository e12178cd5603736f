//! What outlives the program: notes, runs and their events, beside the patients.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use patient_summary::{DbError, PatientDb};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, Row};
use tokio::sync::OnceCell;
use tool_core::ToolResult;
use tool_openai::{AgentEvent, History, Suspended};
use uuid::Uuid;

/// Patients that a list shows.
const MOST_PATIENTS: i64 = 50;

/// Events that one query reads.
const MOST_EVENTS: i64 = 500;

/// SQL for SQLite and PostgreSQL. JSON is text, times are microseconds since 1970.
const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS notes (
        note_id    TEXT PRIMARY KEY,
        patient_id TEXT NOT NULL,
        text       TEXT NOT NULL,
        written_at BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS runs (
        run_id     TEXT PRIMARY KEY,
        patient_id TEXT NOT NULL,
        prompt     TEXT NOT NULL,
        started_at BIGINT NOT NULL,
        status     TEXT NOT NULL,
        history    TEXT,
        approval   TEXT,
        suspended  TEXT)",
    "CREATE TABLE IF NOT EXISTS run_events (
        run_id TEXT NOT NULL,
        seq    BIGINT NOT NULL,
        at_us  BIGINT NOT NULL,
        entry  TEXT NOT NULL,
        PRIMARY KEY (run_id, seq))",
];

/// The database. Clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    db: Arc<PatientDb>,
    tables: Arc<OnceCell<()>>,
}

/// One line in a list of patients.
pub(crate) struct Patient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) born: String,
}

/// One line in a list of runs.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) id: Uuid,
    pub(crate) patient: String,
    pub(crate) prompt: String,
    /// Microseconds since 1970.
    pub(crate) started_at: i64,
    pub(crate) status: String,
}

pub(crate) struct Note {
    pub(crate) text: String,
    /// Microseconds since 1970.
    pub(crate) written_at: i64,
}

/// What happened in a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    Event(AgentEvent),
    /// Calls wait for an approval, which has this name.
    Held(Uuid),
    Decided {
        /// The call's place in its message.
        position: usize,
        is_approved: bool,
    },
    Finished,
    Stopped,
    Failed(String),
    /// A call, by its place among all calls of the run, runs again.
    Retrying(usize),
    Retried(usize, ToolResult),
}

/// An entry, its number in its run (from 1), and when it was made, in microseconds since 1970.
pub(crate) struct Recorded {
    pub(crate) seq: i64,
    pub(crate) at_us: i64,
    pub(crate) entry: Entry,
}

/// How a run has ended, or that it waits for an approval.
pub(crate) struct Ended {
    pub(crate) status: &'static str,
    pub(crate) history: History,
    /// The calls that wait, under the name of their approval.
    pub(crate) held: Option<(Uuid, Box<Suspended>)>,
}

pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

impl Store {
    pub(crate) fn new(db: Arc<PatientDb>) -> Self {
        Self {
            db,
            tables: Arc::default(),
        }
    }

    async fn pool(&self) -> Result<&AnyPool, DbError> {
        let pool = self.db.pool().await?;
        let tables = self.tables.get_or_try_init(|| prepare(pool));
        tables.await?;
        Ok(pool)
    }

    /// Patients whose name or id contains the text, in the order of their ids.
    pub(crate) async fn patients(&self, text: &str) -> Result<Vec<Patient>, DbError> {
        let pattern = |text: &str| {
            let escaped = text.replace('\\', r"\\").replace('%', r"\%");
            format!("%{}%", escaped.replace('_', r"\_"))
        };
        let rows = sqlx::query(
            r"SELECT patient_id, name, date_of_birth FROM patients
              WHERE LOWER(name) LIKE $1 ESCAPE '\' OR LOWER(patient_id) LIKE $2 ESCAPE '\'
                 OR name LIKE $3 ESCAPE '\'
              ORDER BY patient_id LIMIT $4",
        )
        .bind(pattern(&text.to_lowercase()))
        .bind(pattern(&text.to_lowercase()))
        .bind(pattern(text)) // SQLite knows no small form of letters like `Š`
        .bind(MOST_PATIENTS)
        .fetch_all(self.pool().await?)
        .await?;
        rows.iter().map(patient_of).collect()
    }

    pub(crate) async fn patient(&self, id: &str) -> Result<Option<Patient>, DbError> {
        if id.contains('\0') {
            return Ok(None); // PostgreSQL takes no such text
        }
        let row = sqlx::query(
            "SELECT patient_id, name, date_of_birth FROM patients WHERE patient_id = $1",
        )
        .bind(id)
        .fetch_optional(self.pool().await?)
        .await?;
        row.as_ref().map(patient_of).transpose()
    }

    /// Writes a note, once for each key.
    pub(crate) async fn add_note(
        &self,
        key: &str,
        patient: &str,
        text: &str,
    ) -> Result<(), DbError> {
        sqlx::query("INSERT INTO notes VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(patient)
            .bind(text)
            .bind(now_us())
            .execute(self.pool().await?)
            .await?;
        Ok(())
    }

    /// The notes of a patient, newest first.
    pub(crate) async fn notes(&self, patient: &str) -> Result<Vec<Note>, DbError> {
        let rows = sqlx::query(
            "SELECT text, written_at FROM notes WHERE patient_id = $1
             ORDER BY written_at DESC LIMIT 20",
        )
        .bind(patient)
        .fetch_all(self.pool().await?)
        .await?;
        let note = |row: AnyRow| {
            Ok(Note {
                text: row.try_get(0)?,
                written_at: row.try_get(1)?,
            })
        };
        rows.into_iter().map(note).collect()
    }

    pub(crate) async fn add_run(&self, run: &Run) -> Result<(), DbError> {
        sqlx::query(
            "INSERT INTO runs (run_id, patient_id, prompt, started_at, status)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(run.id.to_string())
        .bind(&run.patient)
        .bind(&run.prompt)
        .bind(run.started_at)
        .bind(&run.status)
        .execute(self.pool().await?)
        .await?;
        Ok(())
    }

    /// The latest runs for a patient, newest first.
    pub(crate) async fn runs(&self, patient: &str) -> Result<Vec<Run>, DbError> {
        let rows = sqlx::query(
            "SELECT run_id, patient_id, prompt, started_at, status FROM runs
             WHERE patient_id = $1 ORDER BY started_at DESC LIMIT 20",
        )
        .bind(patient)
        .fetch_all(self.pool().await?)
        .await?;
        rows.iter().map(run_of).collect()
    }

    pub(crate) async fn run(&self, id: Uuid) -> Result<Option<Run>, DbError> {
        let row = sqlx::query(
            "SELECT run_id, patient_id, prompt, started_at, status FROM runs WHERE run_id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.pool().await?)
        .await?;
        row.as_ref().map(run_of).transpose()
    }

    /// The conversation that a run has left.
    pub(crate) async fn history(&self, id: Uuid) -> Result<History, DbError> {
        let row = sqlx::query("SELECT history FROM runs WHERE run_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.pool().await?)
            .await?;
        let text = row
            .map(|row| row.try_get::<Option<String>, _>(0))
            .transpose()?
            .flatten();
        text.map_or(Ok(History::default()), |text| from_json(&text))
    }

    /// Takes a run that waits for this approval, and writes that it is decided on: of several requests
    /// one gets it.
    pub(crate) async fn take(
        &self,
        id: Uuid,
        approval: Uuid,
        decided: Recorded,
    ) -> Result<Option<Suspended>, DbError> {
        let mut transaction = self.pool().await?.begin().await?;
        // It writes first: SQLite lets no transaction that has read become one that writes, if another
        // has written meanwhile.
        let taken = sqlx::query(
            "UPDATE runs SET status = 'running', approval = NULL
             WHERE run_id = $1 AND approval = $2",
        )
        .bind(id.to_string())
        .bind(approval.to_string())
        .execute(&mut *transaction)
        .await?;
        if taken.rows_affected() != 1 {
            return Ok(None);
        }
        let row = sqlx::query("SELECT suspended FROM runs WHERE run_id = $1")
            .bind(id.to_string())
            .fetch_one(&mut *transaction)
            .await?;
        let suspended: Suspended = from_json(&row.try_get::<String, _>(0)?)?;
        insert(&mut transaction, id, &decided).await?;
        transaction.commit().await?;
        Ok(Some(suspended))
    }

    /// The number of a run's last event; 0 if it has none.
    pub(crate) async fn last_event(&self, id: Uuid) -> Result<i64, DbError> {
        let row = sqlx::query("SELECT COALESCE(MAX(seq), 0) FROM run_events WHERE run_id = $1")
            .bind(id.to_string())
            .fetch_one(self.pool().await?)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Appends to the events of a run, and says how it has ended, if it has: both or neither.
    pub(crate) async fn append(
        &self,
        id: Uuid,
        events: &[Recorded],
        ended: Option<&Ended>,
    ) -> Result<(), DbError> {
        let mut transaction = self.pool().await?.begin().await?;
        for event in events {
            insert(&mut transaction, id, event).await?;
        }
        if let Some(ended) = ended {
            let held = ended.held.as_ref();
            let suspended = held.map(|(_, suspended)| to_json(suspended)).transpose()?;
            sqlx::query(
                "UPDATE runs SET status = $1, history = $2, approval = $3, suspended = $4
                 WHERE run_id = $5",
            )
            .bind(ended.status)
            .bind(to_json(&ended.history)?)
            .bind(held.map(|(approval, _)| approval.to_string()))
            .bind(suspended)
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The events of a run after one, in order; the next ones only, if they are many.
    pub(crate) async fn events(&self, id: Uuid, after: i64) -> Result<Vec<Recorded>, DbError> {
        let rows = sqlx::query(
            "SELECT seq, at_us, entry FROM run_events WHERE run_id = $1 AND seq > $2
             ORDER BY seq LIMIT $3",
        )
        .bind(id.to_string())
        .bind(after)
        .bind(MOST_EVENTS)
        .fetch_all(self.pool().await?)
        .await?;
        let recorded = |row: AnyRow| {
            Ok(Recorded {
                seq: row.try_get(0)?,
                at_us: row.try_get(1)?,
                entry: from_json(&row.try_get::<String, _>(2)?)?,
            })
        };
        rows.into_iter().map(recorded).collect()
    }
}

/// Once, however often it is tried.
async fn insert(
    connection: &mut AnyConnection,
    id: Uuid,
    event: &Recorded,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO run_events VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(id.to_string())
        .bind(event.seq)
        .bind(event.at_us)
        .bind(to_json(&event.entry)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Creates the tables, and ends runs of a program that ended before them.
async fn prepare(pool: &AnyPool) -> Result<(), sqlx::Error> {
    if pool.acquire().await?.backend_name() == "SQLite" {
        sqlx::query("PRAGMA journal_mode = WAL")
            .execute(pool)
            .await?; // readers beside a writer
    }
    for table in TABLES {
        sqlx::query(table).execute(pool).await?;
    }
    sqlx::query("UPDATE runs SET status = 'interrupted' WHERE status = 'running'")
        .execute(pool)
        .await?;
    Ok(())
}

fn patient_of(row: &AnyRow) -> Result<Patient, DbError> {
    Ok(Patient {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        born: row.try_get(2)?,
    })
}

fn run_of(row: &AnyRow) -> Result<Run, DbError> {
    let id: String = row.try_get(0)?;
    Ok(Run {
        id: id
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        patient: row.try_get(1)?,
        prompt: row.try_get(2)?,
        started_at: row.try_get(3)?,
        status: row.try_get(4)?,
    })
}

fn to_json(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbError> {
    let value = serde_json::from_str(text);
    Ok(value.map_err(|error| sqlx::Error::Decode(Box::new(error)))?)
}
