//! The tools of the agent: the four queries of a patient, and one that writes.

use patient_summary::{
    DbError, PatientDb, get_patient_allergies, get_patient_demographics, get_patient_medications,
    get_recent_lab_results,
};
use std::sync::Arc;
use tool_core::{CallContext, Decision, Dispatcher, Provide, tool, tools};

use crate::store::Store;

/// Calls of all runs that may run at the same time.
const MOST_CALLS: usize = 64;

/// What the tools use.
#[derive(Provide)]
struct Hospital {
    db: Arc<PatientDb>,
    store: Store,
}

/// Add a note to the patient's record.
#[tool(idempotent, timeout = "10s")]
async fn add_note(
    #[state] store: &Store,
    #[context] context: &CallContext,
    /// Patient ID
    patient_id: &str,
    /// The note, one or two sentences
    #[arg(length(1..=500))]
    text: &str,
) -> Result<&'static str, DbError> {
    store
        .add_note(&context.idempotency_key(), patient_id, text)
        .await?;
    Ok("noted")
}

/// All of them. What writes needs a person's approval.
pub(crate) fn dispatcher(db: Arc<PatientDb>, store: Store) -> Dispatcher {
    let tools = tools![
        get_patient_demographics,
        get_patient_medications,
        get_patient_allergies,
        get_recent_lab_results,
        add_note,
    ];
    Dispatcher::new(tools.with_state(Hospital { db, store }))
        .with_max_concurrency(MOST_CALLS)
        .with_policy(|call| match call.definition().behavior().is_read_only() {
            true => Decision::Allow,
            false => Decision::Hold,
        })
}
