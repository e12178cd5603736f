//! The patient database and the four tools that query it.

mod database;
mod tools;

pub use database::{Latency, PatientDb};
pub use tools::{
    Allergies, DbError, Demographics, LabResults, Medications, get_patient_allergies,
    get_patient_demographics, get_patient_medications, get_recent_lab_results, patient_tools,
};
