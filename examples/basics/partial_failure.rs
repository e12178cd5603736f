//! Five calls in one message, four of which fail: five answers in order, and what the model reads
//! for each.

use std::error::Error;

use tool_core::{Dispatcher, ToolCall, tool, tools};

#[derive(Debug, thiserror::Error)]
#[error("no patient has the id `{0}`; ids look like P-00123")]
struct NoSuchPatient(String);

/// Find a patient's name.
#[tool(read_only)]
async fn find_patient(patient_id: &str) -> Result<&'static str, NoSuchPatient> {
    match patient_id {
        "P-00123" => Ok("Jana Dvořák"),
        other => Err(NoSuchPatient(other.to_owned())),
    }
}

/// Compute a dose by weight.
#[tool]
fn compute_dose(weight_kg: u32, doses_per_day: u32) -> u32 {
    weight_kg * 15 / doses_per_day // panics when asked for no doses
}

#[tokio::main]
async fn main() {
    // The operator reads a panic here; the model never does.
    std::panic::set_hook(Box::new(|panic| println!("operator's log: {panic}\n")));

    let dispatcher = Dispatcher::new(tools![find_patient, compute_dose]);
    let calls = [
        ("find_patient", r#"{"patient_id": "P-99999"}"#),
        ("compute_dose", r#"{"weight_kg": 70, "doses_per_day": 0}"#),
        ("find_patients", r#"{"patient_id": "P-00123"}"#),
        ("find_patient", r#"{"id": 123}"#),
        ("find_patient", r#"{"patient_id": "P-00123"}"#),
    ];
    let calls = calls
        .iter()
        .enumerate()
        .map(|(position, (name, arguments))| {
            ToolCall::new(format!("call_{position}"), *name, *arguments)
        });

    for result in dispatcher.dispatch(calls.collect()).await {
        println!(
            "{}  {} {}",
            result.id(),
            result.name(),
            result.call().arguments
        );
        println!("  the model reads    {}", result.content());
        match result.outcome() {
            Ok(output) => println!("  the program reads  {output}\n"),
            Err(error) => {
                let source = error
                    .source()
                    .map(|source| format!("; source: {source}"))
                    .unwrap_or_default();
                println!("  the program reads  {}: {error}{source}\n", error.code());
            }
        }
    }
}
