//! The four tools: each an SQL query, each answering for one patient.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::Serialize;
use sqlx::AnyPool;
use tool_core::{ToolError, tool};

/// The hospital's database, or why there is none: the tools tell the model, and the model the user.
#[derive(Debug)]
pub(crate) struct PatientDb {
    pub(crate) pool: Result<AnyPool, sqlx::Error>,
    pub(crate) latency: Latency,
}

/// How long each query takes longer, as if the database were far away.
#[derive(Debug)]
pub(crate) enum Latency {
    /// Always as long; nothing if zero.
    Fixed(Duration),
    /// 150 to 200 ms, another time for each query.
    Simulated(AtomicU64),
}

impl Latency {
    pub(crate) async fn wait(&self) {
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

#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    #[error("the patient database cannot be reached: {0}")]
    Unreachable(String),
    #[error("there is no patient `{0}`; ids look like P-00123")]
    NoSuchPatient(String),
    #[error("the patient database failed; try once more, then say so")]
    Query(#[from] sqlx::Error),
}

impl PatientDb {
    /// The connections, for one query.
    async fn pool(&self) -> Result<&AnyPool, DbError> {
        let pool = self.pool.as_ref();
        let pool = pool.map_err(|error| DbError::Unreachable(error.to_string()))?;
        self.latency.wait().await;
        Ok(pool)
    }

    /// An empty list may be the truth about a patient, but not about one who does not exist.
    async fn require(&self, patient_id: &str, is_empty: bool) -> Result<(), DbError> {
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

#[derive(Debug, PartialEq, Serialize, sqlx::FromRow)]
pub(crate) struct Demographics {
    patient_id: String,
    name: String,
    date_of_birth: String,
    phone: Option<String>,
    email: Option<String>,
}

/// Name, date of birth, contact details.
#[tool(read_only, timeout = "10s")]
pub(crate) async fn get_patient_demographics(
    #[state] db: &PatientDb,
    /// Patient ID, like P-00123
    patient_id: &str,
) -> Result<Demographics, DbError> {
    sqlx::query_as(
        "SELECT patient_id, name, date_of_birth, phone, email FROM patients WHERE patient_id = $1",
    )
    .bind(patient_id)
    .fetch_optional(db.pool().await?)
    .await?
    .ok_or_else(|| DbError::NoSuchPatient(patient_id.to_owned()))
}

#[derive(Debug, Serialize)]
pub(crate) struct Medications {
    patient_id: String,
    medications: Vec<Medication>,
    count: usize,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
struct Medication {
    drug: String,
    dose: String,
    frequency: String,
    route: String,
}

/// Active medications.
#[tool(read_only, timeout = "10s")]
pub(crate) async fn get_patient_medications(
    #[state] db: &PatientDb,
    /// Patient ID
    patient_id: &str,
) -> Result<Medications, DbError> {
    let medications: Vec<Medication> = sqlx::query_as(
        "SELECT drug, dose, frequency, route FROM prescriptions
         WHERE patient_id = $1 AND status = 'active' ORDER BY start_date DESC, drug",
    )
    .bind(patient_id)
    .fetch_all(db.pool().await?)
    .await?;
    db.require(patient_id, medications.is_empty()).await?;
    Ok(Medications {
        patient_id: patient_id.to_owned(),
        count: medications.len(),
        medications,
    })
}

#[derive(Debug, Serialize)]
pub(crate) struct Allergies {
    patient_id: String,
    allergies: Vec<Allergy>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
struct Allergy {
    allergen: String,
    reaction: String,
    severity: String,
}

/// Drug allergies and sensitivities.
#[tool(read_only, timeout = "10s")]
pub(crate) async fn get_patient_allergies(
    #[state] db: &PatientDb,
    /// Patient ID
    patient_id: &str,
) -> Result<Allergies, DbError> {
    let allergies: Vec<Allergy> =
        sqlx::query_as("SELECT allergen, reaction, severity FROM allergies WHERE patient_id = $1 ORDER BY allergen")
            .bind(patient_id)
            .fetch_all(db.pool().await?)
            .await?;
    db.require(patient_id, allergies.is_empty()).await?;
    Ok(Allergies {
        patient_id: patient_id.to_owned(),
        allergies,
    })
}

#[derive(Debug, Serialize)]
pub(crate) struct LabResults {
    patient_id: String,
    lab_results: Vec<LabResult>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
struct LabResult {
    test: String,
    result: String,
    unit: Option<String>,
    reference_range: Option<String>,
    collected: String,
    flag: Option<String>,
}

/// Latest lab results.
#[tool(read_only, timeout = "10s")]
pub(crate) async fn get_recent_lab_results(
    #[state] db: &PatientDb,
    /// Patient ID
    patient_id: &str,
    /// How many.
    #[arg(default = 5)]
    // checked below, not by `range`: four definitions are to fit into 219 tokens
    limit: i64,
) -> Result<LabResults, ToolError> {
    if limit < 1 {
        return Err(ToolError::invalid_arguments(format!(
            "`limit`: must be at least 1, but is {limit}"
        )));
    }
    recent_lab_results(db, patient_id, limit)
        .await
        .map_err(ToolError::from_error)
}

async fn recent_lab_results(
    db: &PatientDb,
    patient_id: &str,
    limit: i64,
) -> Result<LabResults, DbError> {
    let lab_results: Vec<LabResult> = sqlx::query_as(
        "SELECT test, result, unit, reference_range, collected_at AS collected, flag FROM lab_results
         WHERE patient_id = $1 ORDER BY collected_at DESC, test LIMIT $2",
    )
    .bind(patient_id)
    .bind(limit)
    .fetch_all(db.pool().await?)
    .await?;
    db.require(patient_id, lab_results.is_empty()).await?;
    Ok(LabResults {
        patient_id: patient_id.to_owned(),
        lab_results,
    })
}
