mod by_hand;
mod shared;

use std::collections::HashMap;

use by_hand::Tool;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use shared::{Db, DbError};

#[derive(Serialize)]
struct Rows {
    patient_id: String,
    values: Vec<u32>,
    series: u32,
}

// each {
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LookUp000 {
    /// Patient ID (format: P-NNNNN)
    patient_id: String,
    /// Number of values.
    limit: Option<u32>,
    /// Whether the newest come first.
    #[serde(default)]
    newest_first: bool,
}

/// Look up series 000 of a patient.
async fn look_up_000(db: &Db, patient_id: &str, limit: Option<u32>, newest_first: bool) -> Result<Rows, DbError> {
    let mut values = db.find(patient_id).await?;
    if newest_first {
        values.reverse();
    }
    values.truncate(limit.unwrap_or(5) as usize);
    Ok(Rows { patient_id: patient_id.to_owned(), values, series: 1000 })
}

fn look_up_000_tool() -> Tool {
    Tool {
        description: "Look up series 000 of a patient.",
        parameters: schema_for!(LookUp000).to_value(),
        run: |db, arguments| {
            Box::pin(async move {
                let LookUp000 { patient_id, limit, newest_first } = serde_json::from_str(arguments).map_err(|error| error.to_string())?;
                let rows = look_up_000(db, &patient_id, limit, newest_first).await.map_err(|error| error.to_string())?;
                serde_json::to_string(&rows).map_err(|error| error.to_string())
            })
        },
    }
}

// }

fn tools() -> HashMap<&'static str, Tool> {
    let mut tools = HashMap::new();
    // each {
    tools.insert("look_up_000", look_up_000_tool());
    // }
    tools
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    by_hand::run(&tools(), &Db::new())
}
