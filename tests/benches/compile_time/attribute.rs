mod shared;

use shared::{CALLS, Db, DbError};
use tool_core::serde_json::{self, json};
use tool_core::{Dispatcher, ToolCall, ToolDefinition, tool, tools};

#[derive(tool_core::serde::Serialize)]
#[serde(crate = "tool_core::serde")]
struct Rows {
    patient_id: String,
    values: Vec<u32>,
    series: u32,
}

// each {
/// Look up series 000 of a patient.
#[tool(read_only)]
async fn look_up_000(
    #[state] db: &Db,
    /// Patient ID (format: P-NNNNN)
    patient_id: &str,
    /// Number of values.
    limit: Option<u32>,
    /// Whether the newest come first.
    #[arg(default = false)]
    newest_first: bool,
) -> Result<Rows, DbError> {
    let mut values = db.find(patient_id).await?;
    if newest_first {
        values.reverse();
    }
    values.truncate(limit.unwrap_or(5) as usize);
    Ok(Rows { patient_id: patient_id.to_owned(), values, series: 1000 })
}

// }

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tools = tools![
        // each {
        look_up_000,
        // }
    ];
    let tools = tools.with_state(Db::new());

    let described =
        |tool: &ToolDefinition| json!({ "name": tool.name(), "description": tool.description(), "parameters": tool.parameters() });
    println!("{}", serde_json::to_string(&tools.definitions().map(described).collect::<Vec<_>>())?.len());
    let calls = CALLS.map(|(name, arguments)| ToolCall::new(name, name, arguments));
    for result in Dispatcher::new(tools).dispatch_blocking(calls.into()) {
        println!("{}", result.content());
    }
    Ok(())
}
