//! The four tools: each an SQL query, each answering for one patient.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};
use tool_core::{ToolError, ToolSet, tool, tools};

use crate::database::PatientDb;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection to the database could be made.
    #[error("the patient database cannot be reached: {0}")]
    Unreachable(String),
    /// No patient has this id.
    #[error("there is no patient `{0}`; ids look like P-00123")]
    NoSuchPatient(String),
    /// The database did not answer the query.
    #[error("the patient database failed; try once more, then say so")]
    Query(#[from] sqlx::Error),
}

/// `#[derive(sqlx::FromRow)]`, without the time that sqlx's macros take to compile.
macro_rules! from_row {
    ($entry:ident { $($column:ident),* }) => {
        impl<'r> FromRow<'r, AnyRow> for $entry {
            fn from_row(row: &'r AnyRow) -> sqlx::Result<Self> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),* })
            }
        }
    };
}

from_row!(Demographics {
    patient_id,
    name,
    date_of_birth,
    phone,
    email
});
from_row!(Medication {
    drug,
    dose,
    frequency,
    route
});
from_row!(Allergy {
    allergen,
    reaction,
    severity
});
from_row!(LabResult {
    test,
    result,
    unit,
    reference_range,
    collected,
    flag
});

/// All four, bound to a database.
pub fn patient_tools(db: PatientDb) -> ToolSet {
    tools![
        get_patient_demographics,
        get_patient_medications,
        get_patient_allergies,
        get_recent_lab_results
    ]
    .with_state(db)
}

/// Identity and contact data of a patient.
#[derive(Debug, PartialEq, Serialize)]
pub struct Demographics {
    patient_id: String,
    name: String,
    date_of_birth: String,
    phone: Option<String>,
    email: Option<String>,
}

/// Name, date of birth, contact details.
#[tool(read_only, timeout = "10s")]
pub async fn get_patient_demographics(
    #[state] db: &PatientDb,
    /// Patient ID, like P-00123
    patient_id: &str,
) -> Result<Demographics, DbError> {
    sqlx::query_as(
        "SELECT patient_id, name, date_of_birth, phone, email FROM patients WHERE patient_id = $1",
    )
    .bind(patient_id)
    .fetch_optional(db.query().await?)
    .await?
    .ok_or_else(|| DbError::NoSuchPatient(patient_id.to_owned()))
}

/// What a patient takes now.
#[derive(Debug, Serialize)]
pub struct Medications {
    patient_id: String,
    medications: Vec<Medication>,
    count: usize,
}

#[derive(Debug, Serialize)]
struct Medication {
    drug: String,
    dose: String,
    frequency: String,
    route: String,
}

/// Active medications.
#[tool(read_only, timeout = "10s")]
pub async fn get_patient_medications(
    #[state] db: &PatientDb,
    /// Patient ID
    patient_id: &str,
) -> Result<Medications, DbError> {
    let medications: Vec<Medication> = sqlx::query_as(
        "SELECT drug, dose, frequency, route FROM prescriptions
         WHERE patient_id = $1 AND status = 'active' ORDER BY start_date DESC, drug",
    )
    .bind(patient_id)
    .fetch_all(db.query().await?)
    .await?;
    db.require(patient_id, medications.is_empty()).await?;
    Ok(Medications {
        patient_id: patient_id.to_owned(),
        count: medications.len(),
        medications,
    })
}

/// What a patient must not be given.
#[derive(Debug, Serialize)]
pub struct Allergies {
    patient_id: String,
    allergies: Vec<Allergy>,
}

#[derive(Debug, Serialize)]
struct Allergy {
    allergen: String,
    reaction: String,
    severity: String,
}

/// Drug allergies and sensitivities.
#[tool(read_only, timeout = "10s")]
pub async fn get_patient_allergies(
    #[state] db: &PatientDb,
    /// Patient ID
    patient_id: &str,
) -> Result<Allergies, DbError> {
    let allergies: Vec<Allergy> =
        sqlx::query_as("SELECT allergen, reaction, severity FROM allergies WHERE patient_id = $1 ORDER BY allergen")
            .bind(patient_id)
            .fetch_all(db.query().await?)
            .await?;
    db.require(patient_id, allergies.is_empty()).await?;
    Ok(Allergies {
        patient_id: patient_id.to_owned(),
        allergies,
    })
}

/// A patient's newest results first.
#[derive(Debug, Serialize)]
pub struct LabResults {
    patient_id: String,
    lab_results: Vec<LabResult>,
}

#[derive(Debug, Serialize)]
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
pub async fn get_recent_lab_results(
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
    .fetch_all(db.query().await?)
    .await?;
    db.require(patient_id, lab_results.is_empty()).await?;
    Ok(LabResults {
        patient_id: patient_id.to_owned(),
        lab_results,
    })
}
