//! Three tools, one after the other and then in one message: the sum of their times becomes the
//! slowest one's.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tool_core::{Dispatcher, ToolCall, Waterfall, tool, tools};

/// Get a patient's demographics.
#[tool(read_only)]
async fn demographics(patient_id: &str) -> String {
    sleep(Duration::from_millis(200)).await;
    format!("demographics of {patient_id}")
}

/// Get a patient's medications.
#[tool(read_only)]
async fn medications(patient_id: &str) -> String {
    sleep(Duration::from_millis(180)).await;
    format!("medications of {patient_id}")
}

/// Get a patient's allergies.
#[tool(read_only)]
async fn allergies(patient_id: &str) -> String {
    sleep(Duration::from_millis(150)).await;
    format!("allergies of {patient_id}")
}

#[tokio::main]
async fn main() {
    let dispatcher = Dispatcher::new(tools![demographics, medications, allergies]);
    let calls: Vec<ToolCall> = ["demographics", "medications", "allergies"]
        .into_iter()
        .enumerate()
        .map(|(position, name)| {
            ToolCall::new(
                format!("call_{position}"),
                name,
                r#"{"patient_id": "P-00123"}"#,
            )
        })
        .collect();

    let start = Instant::now();
    for call in calls.clone() {
        dispatcher.dispatch(vec![call]).await;
    }
    println!("one after the other: {} ms", start.elapsed().as_millis());

    let start = Instant::now();
    let results = dispatcher.dispatch(calls).await;
    println!("in one message:      {} ms", start.elapsed().as_millis());

    println!("\n{}", Waterfall::new(&results));
}
