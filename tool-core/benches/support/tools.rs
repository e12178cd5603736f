//! Each tool once as a function; by attribute, and decoded and answered by hand.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::ser::Error;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tool_core::{ToolCall, ToolSet, tool, tools};

#[derive(Serialize)]
pub(crate) struct Patient {
    id: String,
    name: &'static str,
    born: &'static str,
    ward: u32,
    allergies: Vec<String>,
}

/// Look up a patient: name, date of birth, ward and allergies.
#[tool(read_only)]
async fn get_patient(
    /// The patient's number, as in `P-00123`.
    patient_id: String,
    /// How many allergies to list; all, unless given.
    limit: Option<u32>,
) -> Patient {
    let listed = limit.map_or(usize::MAX, |limit| limit as usize);
    let allergies = ["penicillin", "pollen", "latex"]
        .into_iter()
        .take(listed)
        .map(str::to_owned)
        .collect();
    Patient {
        id: patient_id,
        name: "Jana Novotna",
        born: "1968-11-02",
        ward: 4,
        allergies,
    }
}

/// How long [`sleep`] does.
pub(crate) const NAP: Duration = Duration::from_millis(50);

/// Answer after a while.
#[tool(read_only)]
async fn sleep(patient_id: String, limit: Option<u32>) -> (String, Option<u32>) {
    tokio::time::sleep(NAP).await;
    (patient_id, limit)
}

/// How many calls of [`wait`] have reached its only await.
pub(crate) static WAITING: AtomicUsize = AtomicUsize::new(0);

static NEVER: Notify = Notify::const_new();

/// Wait until the caller drops the future.
#[tool(read_only)]
async fn wait(patient_id: String, limit: Option<u32>) -> (String, Option<u32>) {
    WAITING.fetch_add(1, Ordering::SeqCst);
    NEVER.notified().await;
    (patient_id, limit)
}

/// Compute before the first await.
#[tool(read_only)]
async fn compute(steps: u64) -> u64 {
    let sum = arithmetic(steps);
    tokio::task::yield_now().await;
    sum
}

/// Compute on a thread.
#[tool(read_only)]
fn compute_blocking(steps: u64) -> u64 {
    arithmetic(steps)
}

/// Each step needs the one before; there is no shorter way.
pub(crate) fn arithmetic(steps: u64) -> u64 {
    (0..steps).fold(1, |x: u64, step| {
        (x ^ step)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    })
}

pub(crate) fn by_attribute() -> ToolSet {
    tools![get_patient, sleep, wait, compute, compute_blocking].with_state(())
}

/// From the text of the arguments to that of the answer.
pub(crate) type Run =
    fn(String) -> Pin<Box<dyn Future<Output = serde_json::Result<String>> + Send>>;

#[derive(Deserialize)]
struct OfPatient {
    patient_id: String,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct OfSteps {
    steps: u64,
}

pub(crate) fn by_hand() -> HashMap<&'static str, Run> {
    HashMap::from([
        (
            "get_patient",
            (|arguments| Box::pin(get_patient_by_hand(arguments))) as Run,
        ),
        ("sleep", |arguments| Box::pin(sleep_by_hand(arguments))),
        ("wait", |arguments| Box::pin(wait_by_hand(arguments))),
        ("compute", |arguments| Box::pin(compute_by_hand(arguments))),
        ("compute_blocking", |arguments| {
            Box::pin(compute_blocking_by_hand(arguments))
        }),
    ])
}

async fn get_patient_by_hand(arguments: String) -> serde_json::Result<String> {
    let OfPatient { patient_id, limit } = serde_json::from_str(&arguments)?;
    serde_json::to_string(&get_patient(patient_id, limit).await)
}

async fn sleep_by_hand(arguments: String) -> serde_json::Result<String> {
    let OfPatient { patient_id, limit } = serde_json::from_str(&arguments)?;
    serde_json::to_string(&sleep(patient_id, limit).await)
}

async fn wait_by_hand(arguments: String) -> serde_json::Result<String> {
    let OfPatient { patient_id, limit } = serde_json::from_str(&arguments)?;
    serde_json::to_string(&wait(patient_id, limit).await)
}

async fn compute_by_hand(arguments: String) -> serde_json::Result<String> {
    let OfSteps { steps } = serde_json::from_str(&arguments)?;
    serde_json::to_string(&compute(steps).await)
}

async fn compute_blocking_by_hand(arguments: String) -> serde_json::Result<String> {
    let OfSteps { steps } = serde_json::from_str(&arguments)?;
    let sum = spawn_blocking(move || compute_blocking(steps)).await;
    serde_json::to_string(&sum.map_err(serde_json::Error::custom)?)
}

/// A message with so many calls of one tool, as a model would number them.
pub(crate) fn message(tool: &str, arguments: &str, calls: usize) -> Vec<ToolCall> {
    (0..calls)
        .map(|call| ToolCall::new(format!("call_{call:06}"), tool, arguments))
        .collect()
}

/// Arguments of every tool that does not compute.
pub(crate) const ARGUMENTS: &str = r#"{"patient_id": "P-00123", "limit": 3}"#;
